//! Reads `fixtures/verdicts.txt`: the verdict table of design 5 as cases, which the ledger's and the plan's
//! tests check line by line.

use std::collections::HashSet;

/// One case of the table.
#[derive(Debug, Default)]
pub struct Case {
    /// The row of design 5's table, which is the first entry's verdict.
    pub verdict: String,
    /// What an operator or his tool has done.
    pub says: String,
    /// Entries, rows and zones.
    pub facts: String,
    /// The verdict on each entry.
    pub is: String,
    /// What is decided while VM 1 wants what its entries say, once it wants something else, once it is gone.
    pub futures: [String; 3],
}

/// The rows of the table, in its order.
pub const VERDICTS: [&str; 8] = [
    "intact",
    "re-timed",
    "TTL edited",
    "disabled",
    "edited in place",
    "replaced",
    "deleted by hand",
    "zone gone",
];

const FUTURES: [&str; 3] = ["stays", "moves", "goes"];

/// All cases. Panics on a line that is none, on a case twice, and on a row of the table without a case.
pub fn read() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    // Where indented lines belong: the facts, or one of the futures.
    let mut future = None;
    for line in include_str!("../../fixtures/verdicts.txt").lines() {
        let text = line.trim();
        if text.is_empty() || text.starts_with("# ") || text == "#" {
            continue;
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if word == "case" {
            let (verdict, says) = rest.split_once(": ").unwrap_or_else(|| panic!("no verdict in `{text}`"));
            assert!(VERDICTS.contains(&verdict), "no row of the table is `{verdict}`");
            cases.push(Case { verdict: verdict.into(), says: says.into(), ..Case::default() });
            future = None;
            continue;
        }
        let case = cases.last_mut().expect("a case comes first");
        if line.starts_with(' ') {
            let part = future.map_or(&mut case.facts, |at: usize| &mut case.futures[at]);
            part.push_str(text);
            part.push('\n');
        } else if word == "is" {
            case.is = rest.into();
        } else {
            let at = FUTURES.iter().position(|known| *known == word);
            future = Some(at.unwrap_or_else(|| panic!("`{text}` is no line of the table")));
        }
    }
    let mut seen = HashSet::new();
    for case in &cases {
        let Case { says, is, futures, .. } = case;
        assert!(seen.insert((&case.verdict, says)), "`{says}` stands there twice");
        assert!(!is.is_empty() && futures.iter().all(|text| !text.is_empty()), "`{says}` is not whole");
    }
    for verdict in VERDICTS {
        assert!(cases.iter().any(|case| case.verdict == verdict), "no case for `{verdict}`");
    }
    cases
}
