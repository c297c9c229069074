//! The files of deploy/ that start the program name variables that there are, and no others.
//!
//! deploy/check.sh asks systemd, Docker, dpkg and the schemas of Kubernetes about them.

use cs_powerdns::config::VARIABLES;
use std::{collections::BTreeSet, fs, path::Path};

/// A file of the repository.
pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Words that are written as variables are, with at least one underscore.
fn words(text: &str) -> BTreeSet<String> {
    let separate = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let named = |word: &&str| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase());
    text.split(separate).filter(named).map(str::to_owned).collect()
}

/// The part of a YAML file from the line `begin` to the next one that is indented as little.
pub fn part(text: &str, begin: &str) -> String {
    let indent = begin.len() - begin.trim_start().len();
    let inside = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
    let mut lines = text.lines().skip_while(|line| *line != begin);
    let first = lines.next().unwrap_or_else(|| panic!("no `{begin}`"));
    std::iter::once(first).chain(lines.take_while(inside)).collect::<Vec<_>>().join("\n")
}

#[test]
fn installations_set_variables_that_there_are_and_all_that_are_required() {
    let compose = read("deploy/compose.yaml");
    let kubernetes = read("deploy/kubernetes.yaml");
    let units = format!("{}{}", read("deploy/cs-powerdns.service"), read("deploy/credentials.conf"));
    let dockerfile = read("deploy/Dockerfile");
    let (_, image) = dockerfile.split_once("FROM scratch").expect("the image's own part");
    for (name, text, whole) in [
        ("deploy/compose.yaml", part(&compose, "  controller:"), true),
        ("deploy/compose/try.env", read("deploy/compose/try.env"), false),
        ("deploy/kubernetes.yaml", kubernetes.clone(), true),
        ("deploy/debian/default", read("deploy/debian/default"), true),
        ("deploy/cs-powerdns.service", units, false),
        ("deploy/Dockerfile", image.to_owned(), false),
    ] {
        // What of these words is somebody else's.
        let strange = ["CS_POWERDNS", "AF_INET", "AF_INET6", "AF_UNIX", "CS_TIMEOUT"];
        let found = words(&text);
        for word in &found {
            let known = VARIABLES.iter().any(|variable| variable.name == word);
            let strange = strange.contains(&word.as_str()) || word.starts_with("MALLOC_");
            assert!(known || strange, "{name} names {word}, which is no variable");
        }
        for variable in VARIABLES.iter().filter(|variable| whole && variable.help.contains("(required")) {
            let there = |name: &str| found.contains(name) || found.contains(&format!("{name}_FILE"));
            assert!(there(variable.name), "{name} lacks {}", variable.name);
        }
    }
    let version = format!("/cs-powerdns:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(kubernetes.contains(&version), "deploy/kubernetes.yaml names another image than {version}");
}

/// The verb `health` and the paths are tried where they are made; here is who asks for which.
#[test]
fn what_watches_the_program_asks_for_what_it_answers() {
    let kubernetes = read("deploy/kubernetes.yaml");
    for (probe, path) in [("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")] {
        let asks = part(&kubernetes, &format!("          {probe}Probe:"));
        assert!(asks.contains(&format!("httpGet: {{path: {path}, port: http}}")), "{probe}: {asks}");
    }
    for line in
        ["replicas: 2", "prometheus.io/path: /metrics", "- name: http\n              containerPort: 8053"]
    {
        assert!(kubernetes.contains(line), "deploy/kubernetes.yaml: no {line}");
    }
    let dockerfile = read("deploy/Dockerfile");
    let (_, check) = dockerfile.split_once("\nHEALTHCHECK ").expect("the image knows how it is");
    let (_, command) = check.split_once("CMD ").expect("a command");
    assert!(command.starts_with(r#"["/usr/local/bin/cs-powerdns", "health"]"#), "{command}");
    assert!(dockerfile.contains("\nUSER 65532:65532\n"), "the image's user is not root");
    let unit = read("deploy/cs-powerdns.service");
    for line in
        ["Type=notify", "WatchdogSec=60s", "Restart=on-failure", "DynamicUser=yes", "ProtectSystem=strict"]
    {
        assert!(unit.lines().any(|found| found == line), "deploy/cs-powerdns.service: no {line}");
    }
}
