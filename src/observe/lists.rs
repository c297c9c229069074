//! What is not as desired, as lists that can be searched and paged: the board sorted by how things stand.
//!
//! The board is walked once, a part of it at a time; only keys are kept until a page is cut.

use super::Board;
use crate::model::{Kind, LeftBehind, Rejection, VmId};
use std::collections::HashMap;

/// At most so many claims of one name are listed: whoever calls all his VMs the same fills no page.
const CLAIMS: usize = 5;

/// One list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// As it stands in an address.
    pub id: &'static str,
    /// How the board calls it: an outcome's word, or one of those below.
    word: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it means, and what to do.
    pub about: &'static str,
}

const REJECTED: &str = "rejected";
const PENDING: &str = "pending";
const LEFT_BEHIND: &str = "left behind";

const fn list(id: &'static str, word: &'static str, title: &'static str, about: &'static str) -> List {
    List { id, word, title, about }
}

/// All lists, in the order in which somebody should look at them.
pub(super) const LISTS: [List; 15] = [
    list(
        "held",
        "held",
        "Held",
        "Losses that nobody announced, beyond the hour's budget: approve the set, or find out why.",
    ),
    list(
        "blocked",
        "blocked",
        "Blocked",
        "A row that is not ours stands in the way: delete it, or adopt the name.",
    ),
    list("contended", "waiting", "Contended", "Another VM holds the name; it follows when the holder goes."),
    list(
        "rejected",
        REJECTED,
        "Rejected",
        "No record can be made of what the VM is called, or of where it is.",
    ),
    list(
        "pending",
        PENDING,
        "Pending",
        "PowerDNS has no such zone. Once it is there, the records follow within 30 s.",
    ),
    list("refused", "refused", "Refused", "Nothing may be written at the name: see the zone."),
    list(
        "overflow",
        "overflow",
        "Left out of a group",
        "A group has at most 1000 addresses, the oldest VMs first.",
    ),
    list("mode", "mode", "Stopped by the mode", "DNS_MODE forbids the change."),
    list(
        "frozen",
        "frozen",
        "Frozen",
        "Kept as it is until the owner, the absence or the zone is known for certain.",
    ),
    list("retired", "retired", "Retired", "Rows of ours where writing is no longer allowed: they stay."),
    list(
        "released",
        "released",
        "Released",
        "An operator has edited the record: it is his until he puts it back.",
    ),
    list(
        "on-hold",
        "on hold",
        "On hold",
        "Released by hand: nothing is written until the claim ends, or adopt ends the hold.",
    ),
    list(
        "unconfirmed",
        "unconfirmed",
        "PTR without a forward name",
        "No name stands with this address, so no PTR is added.",
    ),
    list(
        "satisfied",
        "satisfied",
        "Satisfied by others' rows",
        "A row that is not ours says the same: nothing to do, or adopt it.",
    ),
    list(
        "left-behind",
        LEFT_BEHIND,
        "Left behind",
        "Edited rows whose VM is gone: delete them if nobody needs them.",
    ),
];

/// What of the lists is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Only what has this text in its name, its VM or its particulars; lower-case, empty for everything.
    pub text: String,
    /// This list alone.
    pub only: Option<&'static List>,
    /// So many are skipped,
    pub skip: usize,
    /// and so many shown.
    pub most: usize,
}

/// A list's page.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// Which list.
    pub list: &'static List,
    /// How many lines it has in all.
    pub total: usize,
    /// How many of them were asked for.
    pub matching: usize,
    /// Those that are shown.
    pub lines: Vec<Line>,
}

/// A name, or what was wanted for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// What it is about.
    pub name: String,
    /// Who wants it, how and why not.
    pub claims: Vec<ClaimLine>,
    /// How many more want it.
    pub more: usize,
}

/// A claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClaimLine {
    /// The VM.
    pub vm: Option<String>,
    /// `name`, `group`, `ptr`; a type, where a row is left behind.
    pub kind: String,
    /// Why it is not served.
    pub why: String,
}

/// Everything that is not as desired.
#[derive(Debug)]
pub(super) struct Lists {
    /// The lists that have anything in them, of those that were wanted.
    pub excerpts: Vec<Excerpt>,
    /// How many there are in each list, those that are empty left out.
    pub totals: Vec<(&'static List, usize)>,
    /// How many names are not as desired in each zone, by its name.
    pub by_zone: HashMap<String, usize>,
}

/// Whether `text` has `wanted` in it, which is lower-case, in any case.
pub(super) fn has(text: &str, wanted: &str) -> bool {
    wanted.is_empty()
        || text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// The keys of a list's lines that were asked for, and how many lines it has.
struct Keys<K> {
    total: usize,
    matching: Vec<K>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { total: 0, matching: Vec::new() }
    }
}

impl<K: Ord> Keys<K> {
    fn add(&mut self, matches: bool, key: impl FnOnce() -> K) {
        self.total += 1;
        if matches {
            self.matching.push(key());
        }
    }

    fn excerpt(mut self, list: &'static List, wanted: &Wanted, line: impl Fn(K) -> Option<Line>) -> Excerpt {
        let matching = self.matching.len();
        let end = wanted.skip.saturating_add(wanted.most);
        if matching > end {
            self.matching.select_nth_unstable(end);
            self.matching.truncate(end);
        }
        self.matching.sort_unstable();
        let lines = self.matching.into_iter().skip(wanted.skip).filter_map(line).collect();
        Excerpt { list, total: self.total, matching, lines }
    }
}

impl Lists {
    /// Reads the board. What changes meanwhile may be missed.
    pub fn read(board: &Board, wanted: &Wanted) -> Self {
        let zones = board.zones();
        let known: HashMap<&str, usize> =
            zones.iter().enumerate().map(|(at, zone)| (zone.name.as_str(), at)).collect();
        let mut by_zone = vec![0; zones.len()];
        // A VM's id is written out only for who may have asked for one.
        let is_id = wanted.text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let has_id = |vm: VmId| is_id && has(&vm.to_string(), &wanted.text);
        let mut names: HashMap<&str, Keys<_>> = HashMap::new();
        board.each_name(|name, state| {
            let mut counted: Vec<&str> = Vec::with_capacity(1);
            for standing in &state.standings {
                if counted.contains(&standing.word) {
                    continue;
                }
                counted.push(standing.word);
                let same = state.standings.iter().filter(|other| other.word == standing.word);
                let matches = wanted.only.is_none_or(|list| list.word == standing.word)
                    && (has(name.as_str(), &wanted.text)
                        || same
                            .into_iter()
                            .any(|other| has(&other.detail, &wanted.text) || other.vm.is_some_and(has_id)));
                names.entry(standing.word).or_default().add(matches, || name.clone());
            }
            if let Some(zone) = suffixes(name.as_str()).find_map(|suffix| known.get(suffix)) {
                by_zone[*zone] += 1;
            }
        });
        let mut rejections: HashMap<&str, Keys<Rejected>> = HashMap::new();
        board.each_rejection(|vm, rejection| {
            let word = if rejection.pending { PENDING } else { REJECTED };
            let Rejection { kind, name, reason, detail, .. } = rejection;
            let matches = wanted.only.is_none_or(|list| list.word == word)
                && ([name, *reason, detail].iter().any(|text| has(text, &wanted.text)) || has_id(vm));
            rejections.entry(word).or_default().add(matches, || (name.clone(), vm, *kind));
        });
        let (mut excerpts, mut totals) = (Vec::new(), Vec::new());
        for list in &LISTS {
            let excerpt = match list.word {
                PENDING | REJECTED => {
                    let keys = rejections.remove(list.word).unwrap_or_default();
                    keys.excerpt(list, wanted, |key| rejected(board, key))
                }
                LEFT_BEHIND => left_behind(board, list, wanted),
                word => {
                    let keys = names.remove(word).unwrap_or_default();
                    keys.excerpt(list, wanted, |name| {
                        let standings = board.name(&name)?.standings;
                        let mut claims =
                            standings.into_iter().filter(|standing| standing.word == word).map(|standing| {
                                ClaimLine {
                                    vm: standing.vm.map(|vm| vm.to_string()),
                                    kind: standing.kind.to_string(),
                                    why: standing.detail,
                                }
                            });
                        let first = claims.by_ref().take(CLAIMS).collect();
                        Some(Line { name: name.to_string(), claims: first, more: claims.count() })
                    })
                }
            };
            if excerpt.total > 0 {
                totals.push((list, excerpt.total));
            }
            if excerpt.matching > 0 && wanted.only.is_none_or(|only| only == list) {
                excerpts.push(excerpt);
            }
        }
        let by_zone = zones.iter().zip(by_zone).filter(|(_, names)| *names > 0);
        let by_zone = by_zone.map(|(zone, names)| (zone.name.to_string(), names)).collect();
        Self { excerpts, totals, by_zone }
    }
}

/// The name and those above it.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, above)| above))
}

/// What was wanted, by whom, and why.
type Rejected = (Box<str>, VmId, Kind);

fn rejected(board: &Board, (name, vm, kind): Rejected) -> Option<Line> {
    let all = board.rejections(vm);
    let one = all.into_iter().find(|one| (&one.name, one.kind) == (&name, kind))?;
    let why =
        if one.detail.is_empty() { one.reason.to_owned() } else { format!("{}: {}", one.reason, one.detail) };
    let claim = ClaimLine { vm: Some(vm.to_string()), kind: kind.to_string(), why };
    Some(Line { name: name.into(), claims: vec![claim], more: 0 })
}

fn left_behind(board: &Board, list: &'static List, wanted: &Wanted) -> Excerpt {
    // Already a list, and read in order: nothing is gained by taking keys first.
    let (total, rows) = board.first_left_behind(usize::MAX);
    let asked = wanted.only.is_none_or(|only| only == list);
    let matches = |row: &LeftBehind| {
        asked && [&row.name, &row.content, &row.vm].iter().any(|text| has(text, &wanted.text))
    };
    let matching = rows.iter().enumerate().filter(|(_, row)| matches(row));
    let keys = Keys { total, matching: matching.map(|(at, row)| (row.name.clone(), at)).collect() };
    keys.excerpt(list, wanted, |(_, at)| {
        let LeftBehind { name, rtype, content, vm, at } = rows.get(at)?.clone();
        let why = format!("{rtype} {content}, since {at} UTC");
        let claim = ClaimLine { vm: Some(vm.into()), kind: rtype.into(), why };
        Some(Line { name: name.into(), claims: vec![claim], more: 0 })
    })
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
