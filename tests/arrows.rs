//! The house's arrows (src/lib.rs has the map): reads what each room imports and fails on any arrow
//! that is not listed here, on I/O in a pure room, and on `anyhow` outside of cli and main.
//!
//! Text is read by tokens, without comments, literals and test modules: what ships is judged.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Rooms without tokio, SQL, HTTP, clock and environment.
const PURE: &[&str] = &["model", "inventory", "desired", "ledger", "rectify", "plan", "queue"];
/// Rooms with I/O, and what they count into.
const SHELL: &[&str] = &["cloudstack", "powerdns", "trigger"];
/// Crates that mean I/O or a runtime.
const IO_CRATES: &[&str] =
    &["axum", "backon", "mysql_async", "rdkafka", "reqwest", "tokio", "tokio_util", "tracing"];
/// Modules of the standard library that mean the same.
const IO_STD: &[&str] = &["env", "fs", "io", "process", "thread"];

/// Which rooms `room` may know.
fn allowed(room: &str) -> Vec<&'static str> {
    let all = || [PURE, SHELL, &["metrics", "observe", "config", "reconcile", "supervise"]].concat();
    let without = |out: &[&str]| all().into_iter().filter(|room| !out.contains(room)).collect();
    match room {
        "model" | "metrics" | "lib" => vec![],
        "inventory" | "ledger" | "rectify" | "queue" => vec!["model"],
        "desired" => vec!["model", "inventory"],
        "plan" => vec!["model", "ledger", "desired", "rectify", "inventory"],
        "cloudstack" | "powerdns" | "trigger" | "observe" => vec!["model", "metrics"],
        // config makes each room's Settings; nobody but supervise and cli reads it.
        "config" => without(&["config", "supervise", "metrics"]),
        "reconcile" => without(&["config", "reconcile", "supervise"]),
        "supervise" => without(&["supervise"]),
        "cli" => all(),
        "main" => vec!["cli"],
        other => panic!("src has a room `{other}` that tests/arrows.rs does not know"),
    }
}

/// Words and single marks of Rust text, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            '"' => i = after_string(&chars, i),
            // A character, or a lifetime: 'a' ends in a quote, 'a does not.
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => i += 1,
            c if word(c) => {
                let start = i;
                while word(at(i)) {
                    i += 1;
                }
                let text: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if matches!(text.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    i = after_raw_string(&chars, i + hashes, hashes);
                } else {
                    tokens.push(text);
                }
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    tokens
}

fn after_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

/// The tokens without what stands under `#[cfg(test)]`: one item, to its closing brace or semicolon.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if !tokens[i..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += MARK.len();
        let mut depth = 0;
        while i < tokens.len() {
            match tokens[i].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            i += 1;
            if depth == 0 && matches!(tokens[i - 1].as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Whether `::` stands at `i`.
fn is_path(tokens: &[String], i: usize) -> bool {
    tokens.get(i).is_some_and(|t| t == ":") && tokens.get(i + 1).is_some_and(|t| t == ":")
}

/// The first names after a path's head: one, or those of a group's first level.
fn heads(tokens: &[String], mut i: usize) -> Vec<String> {
    if tokens.get(i).is_none_or(|token| token != "{") {
        return tokens.get(i).cloned().into_iter().collect();
    }
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, true);
    while i < tokens.len() {
        match tokens[i].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => start = true,
            token if depth == 1 && start => {
                heads.push(token.to_owned());
                start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        i += 1;
    }
    heads
}

/// The rooms that a module at `depth` (1 for a room's mod.rs) names by crate, by the crate's own name,
/// or by as many `super` as lead out of its room.
fn arrows(tokens: &[String], depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for i in 0..tokens.len() {
        let root = match tokens[i].as_str() {
            "crate" | "cs_powerdns" if is_path(tokens, i + 1) => Some(i + 3),
            "crate" if tokens.get(i + 1).is_some_and(|token| token == "as") => {
                found.insert("crate under another name".to_owned());
                None
            }
            "super" if i < 3 || tokens[i - 3] != "super" => {
                let mut supers = 1;
                while is_path(tokens, i + supers * 3 - 2)
                    && tokens.get(i + supers * 3).is_some_and(|token| token == "super")
                {
                    supers += 1;
                }
                (supers >= depth && is_path(tokens, i + supers * 3 - 2)).then_some(i + supers * 3)
            }
            _ => None,
        };
        if let Some(at) = root {
            found.extend(heads(tokens, at));
        }
    }
    found
}

/// Everything about one file that the house does not allow.
fn offences(room: &str, depth: usize, text: &str) -> Vec<String> {
    let tokens = without_tests(&tokens(text));
    let allowed = allowed(room);
    let own = |name: &str| name == room || name == "self";
    let mut offences: Vec<String> = arrows(&tokens, depth)
        .into_iter()
        .filter(|name| !own(name) && !allowed.contains(&name.as_str()))
        .map(|name| format!("{room} -> {name}"))
        .collect();
    if !matches!(room, "cli" | "main") && tokens.iter().any(|token| token == "anyhow") {
        offences.push(format!("{room} uses anyhow"));
    }
    if PURE.contains(&room) {
        offences
            .extend(impurities(&tokens).into_iter().map(|what| format!("{room} is pure and uses {what}")));
    }
    offences
}

/// What a pure room may not mention.
fn impurities(tokens: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (i, token) in tokens.iter().enumerate() {
        let path = is_path(tokens, i + 1);
        match token.as_str() {
            "SystemTime" => _ = found.insert("SystemTime".to_owned()),
            "Instant" if path && tokens.get(i + 3).is_some_and(|token| token == "now") => {
                found.insert("Instant::now".to_owned());
            }
            "std" if path => {
                let heads = heads(tokens, i + 3);
                found.extend(
                    heads.into_iter().filter(|h| IO_STD.contains(&h.as_str())).map(|h| format!("std::{h}")),
                );
            }
            name if IO_CRATES.contains(&name) && (path || tokens.get(i + 1).is_some_and(|t| t == ";")) => {
                found.insert(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// Every file below `folder`, without those that hold tests only.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("names here are UTF-8");
        // `fuzz` is damaged input for tests.
        let of_tests = ["test", "tests", "fuzz"].contains(&stem);
        if of_tests || ["_test", "_tests", "_fuzz"].iter().any(|end| stem.ends_with(end)) {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_arrow_of_the_house_is_allowed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "only {} files found", files.len());
    let mut found = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        let depth = parts.len() - usize::from(parts.len() > 1 && parts.ends_with(&["mod"]));
        let text = fs::read_to_string(&file).unwrap();
        for offence in offences(parts[0], depth, &text) {
            found.push(format!("src/{}.rs: {offence}", inside.display()));
        }
    }
    assert!(found.is_empty(), "arrows that design does not allow:\n{}", found.join("\n"));
}

#[test]
fn an_arrow_added_on_purpose_is_found_in_every_spelling() {
    for (room, depth, text, offence) in [
        ("model", 2, "use crate::desired::Claim;", "model -> desired"),
        ("plan", 2, "use crate::{model::{Row, queue}, powerdns::{self, Rows}};", "plan -> powerdns"),
        ("plan", 2, "fn f() { crate::queue::Dirty::new() }", "plan -> queue"),
        ("powerdns", 2, "use super::super::cloudstack::Vms;", "powerdns -> cloudstack"),
        ("powerdns", 3, "use super::super::super::{model::Row, trigger};", "powerdns -> trigger"),
        ("metrics", 1, "use super::model;", "metrics -> model"),
        ("reconcile", 1, "use crate::config::Config;", "reconcile -> config"),
        ("main", 1, "use cs_powerdns::supervise;", "main -> supervise"),
        ("queue", 2, "use crate as house;", "queue -> crate under another name"),
        ("observe", 2, "fn f() -> anyhow::Result<()> {}", "observe uses anyhow"),
        ("queue", 2, "let now = std::time::Instant::now();", "queue is pure and uses Instant::now"),
        ("queue", 2, "use std::time::{Duration, SystemTime};", "queue is pure and uses SystemTime"),
        ("plan", 2, "use std::{collections::HashMap, env};", "plan is pure and uses std::env"),
        ("ledger", 1, "use tokio::sync::Mutex;", "ledger is pure and uses tokio"),
        ("model", 2, "#[cfg(test)] mod tests { } use axum::Router;", "model is pure and uses axum"),
    ] {
        assert_eq!(offences(room, depth, text), [offence], "{text}");
    }
}

#[test]
fn what_is_no_arrow_is_none() {
    for (room, depth, text) in [
        ("model", 2, "use super::{Row, Zone}; pub(crate) fn f() {} pub(super) fn g() {}"),
        (
            "model",
            2,
            "// use crate::plan;\n/* crate::plan /* */ tokio::spawn */ const S: &str = \"crate::plan\";",
        ),
        (
            "model",
            2,
            "const S: &str = r#\"\"crate::plan\"\"#; fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }",
        ),
        (
            "model",
            2,
            "#[cfg(test)] mod tests { use super::*; use crate::plan::Plan; fn f() { std::fs::read() } }",
        ),
        ("model", 2, "#[cfg(test)] use crate::plan; fn live() {}"),
        ("model", 2, "use crate::model::Row; use crate::{model::Zone};"),
        ("queue", 2, "use std::time::{Duration, Instant}; fn due(now: Instant) -> Instant { now }"),
        ("desired", 3, "use super::super::Policy; use super::rank;"),
        ("config", 2, "use crate::{model::Ttl, plan::Settings, reconcile, powerdns};"),
    ] {
        assert!(offences(room, depth, text).is_empty(), "{text}: {:?}", offences(room, depth, text));
    }
}
