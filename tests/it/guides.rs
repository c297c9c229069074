//! README and guides: links lead somewhere, commands are commands, variables are variables.

use clap::{CommandFactory as _, Parser as _};
use cs_powerdns::{cli::Cli, config::VARIABLES, plan::Fortune};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README and the guides, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let guides = fs::read_dir(root().join("deploy/guides")).expect("guides");
    let mut paths: Vec<PathBuf> = guides.map(|entry| entry.expect("a file").path()).collect();
    paths.push(root().join("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("text"))).collect()
}

/// The targets of a page's links that lead to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

#[test]
fn every_link_leads_to_a_file_and_every_guide_is_linked() {
    let (mut linked, pages) = (BTreeSet::new(), pages());
    for (page, text) in &pages {
        for link in links(text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            let there = fs::read_to_string(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", page.display()));
            let mut headings = there.lines().filter(|line| line.starts_with('#')).map(|line| {
                let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                words.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>()
            });
            assert!(
                heading.is_empty() || headings.any(|found| found == heading),
                "{}: no heading {link}",
                page.display()
            );
            linked.insert(target.canonicalize().expect("it is there"));
        }
    }
    let unlinked =
        |page: &&Path| !page.ends_with("README.md") && !linked.contains(&page.canonicalize().unwrap());
    let unlinked: Vec<&Path> = pages.iter().map(|(page, _)| page.as_path()).filter(unlinked).collect();
    assert_eq!(unlinked, Vec::<&Path>::new(), "guides that nobody finds");
}

#[test]
fn the_guide_says_what_to_do_at_each_alert_and_at_no_other() {
    let names = |file: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root().join(file)).expect("text");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter(|word| word.starts_with("CsPowerdns")).map(str::to_owned).collect()
    };
    let alerts = names("deploy/alerts.yml");
    assert!(alerts.len() > 20, "{alerts:?}");
    assert_eq!(names("deploy/guides/alerts.md"), alerts, "the guide (left) and the alerts");
}

#[test]
fn the_guide_to_adopting_has_each_word_that_the_verb_prints() {
    use Fortune::{Added, Duplicate, Freed, Left, Replaced, Taken};
    let guide = fs::read_to_string(root().join("deploy/guides/adopting.md")).expect("text");
    for fortune in [Taken, Duplicate, Replaced, Added, Freed, Left] {
        assert!(guide.contains(&format!("`{}`", fortune.word())), "adopting.md lacks `{}`", fortune.word());
    }
}

/// The commands of this program that a page shows, in lines of code and in quotes.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let lines =
        text.lines().filter(|line| line.starts_with("    ")).map(|line| line.trim().trim_start_matches("$ "));
    let quoted = text.split('`').skip(1).step_by(2);
    lines.chain(quoted).filter_map(|code| {
        let word = |word: &str| word.contains('=') && word.starts_with(|c: char| c.is_ascii_uppercase());
        let skipped: usize = code.split_inclusive(' ').take_while(|part| word(part)).map(str::len).sum();
        let command = &code[skipped..];
        let command = command.split(['>', '|']).next().unwrap_or_default().trim();
        command.starts_with("cs-powerdns ").then_some(command)
    })
}

#[test]
fn every_command_is_one_that_the_program_knows() {
    let mut seen = 0;
    for (page, text) in pages() {
        for command in commands(&text) {
            let words: Vec<&str> = command.split_whitespace().collect();
            // A text may name a verb without its arguments.
            if let [_, verb] = words[..]
                && Cli::command().find_subcommand(verb).is_some()
            {
                continue;
            }
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{}: `{command}`: {}", page.display(), parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn every_variable_is_one_that_the_program_reads_and_readme_names_all_of_them() {
    let known: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    let ours =
        ["CS_", "DNS_", "MYSQL_PDNS_", "KAFKA_", "RESYNC_", "PDNS_API_", "LEASE_", "OWNER_", "HTTP_", "LOG_"];
    for (page, text) in pages() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| ours.iter().any(|prefix| word.starts_with(prefix))) {
            assert!(known.contains(word), "{}: there is no variable {word}", page.display());
        }
        if page.ends_with("README.md") {
            let missing: Vec<&&str> =
                known.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
            assert_eq!(missing, Vec::<&&str>::new(), "variables that README does not name");
        }
    }
}
