//! What `adopt` comes to at one name: design 5, "Verbs". See [`bed`](super::bed) for the language; besides
//! it, `legacy 9 gone .1 exact` is what the older service's table says of the name for VM 9 (also
//! `lives`, `unproved`; `at=a.domain.com` for a forward name of that VM).

use super::{
    Adoption, Fate, Legacy, Losses, Standing, Take, adopt,
    bed::{Bed, address, name, short, text, vm},
    property_test::world,
};
use crate::model::{Content, HeldSet, RecordType, Row, fuzz::cases};
use proptest::prelude::*;
use std::fmt::Write as _;

struct Case {
    bed: Bed,
    legacy: Vec<Legacy>,
}

impl Case {
    fn new(facts: &str) -> Self {
        let (legacy, facts): (Vec<&str>, Vec<&str>) =
            facts.lines().map(str::trim).partition(|line| line.starts_with("legacy "));
        let mut bed = Bed::new(&facts.join("\n"));
        let legacy: Vec<Legacy> = legacy.into_iter().map(read).collect();
        for gone in legacy.iter().filter(|legacy| legacy.fate == Fate::Gone) {
            bed.standings.insert(gone.vm, Standing::Gone { announced: false });
        }
        Self { bed, legacy }
    }

    fn adopt(&self, named: bool) -> Adoption {
        let take = Take { named, legacy: &self.legacy, set: HeldSet::new(0xab12) };
        self.bed.with_state(|state| adopt(state, &self.bed.settings, take))
    }
}

fn read(line: &str) -> Legacy {
    let words: Vec<&str> = line.split_whitespace().collect();
    Legacy {
        vm: vm(words[1].parse().unwrap()),
        fate: match words[2] {
            "gone" => Fate::Gone,
            "lives" => Fate::Lives,
            "unproved" => Fate::Unproved,
            other => panic!("no fate {other}"),
        },
        addresses: words[3..].iter().filter_map(|word| address(word)).collect(),
        exact: words.contains(&"exact"),
        names: words.iter().filter_map(|word| word.strip_prefix("at=")).map(name).collect(),
    }
}

/// The decision without how claims stand, and what is told.
fn shown(adoption: &Adoption) -> Vec<String> {
    let decision = text(&super::Decision { outcomes: Vec::new(), ..adoption.decision.clone() });
    let mut all: Vec<String> = decision.lines().map(str::to_owned).collect();
    for told in &adoption.told {
        all.push(format!("{} {} {}", told.fortune.word(), told.rtype, short(&told.content)));
    }
    all
}

#[track_caller]
fn check(named: bool, cases: &[(&str, &str, &str)]) {
    let mut wrong = String::new();
    for (says, facts, expected) in cases {
        let mut case = Case::new(facts);
        let adoption = case.adopt(named);
        let found = shown(&adoption);
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if found != expected {
            let _ =
                writeln!(wrong, "{says}:\n  {}\nfound:\n  {}\n", expected.join("\n  "), found.join("\n  "));
        }
        case.bed.apply(&adoption.decision);
        let again = case.adopt(named);
        if !again.decision.is_empty() {
            let _ = writeln!(wrong, "{says}: adopted again:\n  {}", shown(&again).join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn equal_rows_are_taken_and_their_duplicates_go() {
    check(
        false,
        &[
            (
                "an equal row",
                "claim 1 name .1\nrow #10 A .1 ttl=300",
                "= 1 name A .1 #10 ttl=300\ntaken A .1",
            ),
            (
                "exact duplicates go, the first one stays",
                "claim 1 name .1\nrow #12 A .1\nrow #10 A .1\nrow #11 A .1",
                "- #11 A .1 (an exact duplicate of a row of ours)
                 - #12 A .1 (an exact duplicate of a row of ours)
                 = 1 name A .1 #10 ttl=60
                 taken A .1\nduplicate removed A .1\nduplicate removed A .1",
            ),
            (
                "a duplicate of what is ours already",
                "claim 1 name .1\nrow #10 A .1\nrow #11 A .1\nentry 1 name A .1 #11",
                "- #10 A .1 (an exact duplicate of a row of ours)\nduplicate removed A .1",
            ),
            (
                "the same at another TTL is nobody's duplicate",
                "claim 1 name .1\nrow #10 A .1\nrow #11 A .1 ttl=300",
                "= 1 name A .1 #10 ttl=60\ntaken A .1\nleft A .1",
            ),
            (
                "what differs stays, and nothing is added",
                "claim 1 name .1 ::1\nrow #10 A .2\nrow #11 AAAA ::1",
                "= 1 name AAAA ::1 #11 ttl=60\ntaken AAAA ::1\nleft A .2",
            ),
            (
                "members of a group, beside an operator's",
                "claim 1 group .1\nclaim 2 group .2\nrow #10 A .1\nrow #11 A .2\nrow #12 A .3",
                "= 1 group A .1 #10 ttl=60\n= 2 group A .2 #11 ttl=60\ntaken A .1\ntaken A .2\nleft A .3",
            ),
            (
                "a disabled row is no equal row, and stays",
                "claim 1 name .1\nrow #10 A .1 disabled",
                "left A .1",
            ),
            (
                "what PowerDNS does not answer is not what is wanted",
                "claim 1 name .1\nrow #10 A .1 unanswered",
                "left A .1",
            ),
            (
                "another owner id's row is not taken",
                "claim 1 name .1\nrow #10 A .1\nentry 7 name A .1 #10 owner=other",
                "",
            ),
            (
                "the name keeps its answer, whoever is older",
                "claim 1 name .1 age=1\nclaim 2 name .2 age=2\nrow #10 A .2",
                "= 2 name A .2 #10 ttl=60\ntaken A .2",
            ),
            (
                "but a holder of the ledger keeps it, too",
                "claim 1 name .1\nclaim 2 name .2\nrow #9 A .1\nentry 1 name A .1 #9\nrow #10 A .2",
                "left A .2",
            ),
            (
                "a released claim is left alone",
                "claim 1 name .1 ::1\nrow #10 A .1 ttl=300\nentry 1 name A .1 #10\nrow #11 AAAA ::1",
                "left A .1\nleft AAAA ::1",
            ),
            (
                "a reverse name",
                "name 1.2.0.192.in-addr.arpa\nclaim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1
                 row #10 PTR a.domain.com",
                "= 1 ptr PTR a.domain.com #10 ttl=60\ntaken PTR a.domain.com",
            ),
            (
                "a reverse name that no forward name confirms",
                "name 1.2.0.192.in-addr.arpa\nclaim 1 ptr .1 to=a.domain.com\nrow #10 PTR a.domain.com",
                "left PTR a.domain.com",
            ),
        ],
    );
}

#[test]
fn holds_end() {
    check(
        false,
        &[
            (
                "of a row that stands",
                "claim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10 hold",
                "= 1 name A .1 #10 ttl=60\nhold ended A .1",
            ),
            (
                "of a row that was deleted by hand: it may come back, whatever DNS_RECREATE says",
                "recreate false\nclaim 1 name .1\nentry 1 name A .1 #10 hold",
                "end A .1 (its hold was ended)\nhold ended A .1",
            ),
            (
                "of a row that an operator has edited: it is his all the same",
                "claim 1 name .1\nrow #10 A .2\nentry 1 name A .1 #10 hold",
                "= 1 name A .1 #10 ttl=60\nhold ended A .1\nleft A .1\nleft A .2",
            ),
        ],
    );
}

#[test]
fn a_named_name_is_taken_over() {
    check(
        true,
        &[
            (
                "an operator's row is replaced, and what is missing is added",
                "claim 1 name .1 ::1\nrow #10 A .2 ttl=300",
                "- #10 A .2 (its address changed)
                 + A .1 ttl=60 for 1 name
                 + AAAA ::1 ttl=60 for 1 name
                 replaced A .2\nadded A .1\nadded AAAA ::1",
            ),
            (
                "equal rows stay, others go, whatever the mode",
                "mode create-only\nclaim 1 name .1\nrow #10 A .1\nrow #11 A .2\nrow #12 A .1",
                "- #11 A .2 (its address changed)
                 - #12 A .1 (it says the same as a row of ours)
                 = 1 name A .1 #10 ttl=60
                 taken A .1\nduplicate removed A .1\nreplaced A .2",
            ),
            (
                "an edit in place",
                "claim 1 name .1\nrow #10 A .2\nentry 1 name A .1 #10",
                "- #10 A .2 (its address changed)
                 + A .1 ttl=60 for 1 name
                 end A .1 (adopted: the operator's edit is taken over)
                 replaced A .1\nreplaced A .2\nadded A .1",
            ),
            (
                "an edited TTL",
                "claim 1 name .1\nrow #10 A .1 ttl=300\nentry 1 name A .1 #10",
                "~ #10 A .1 ttl=60\n= 1 name A .1 #10 ttl=60",
            ),
            (
                "a disabled row says no",
                "claim 1 name .1\nrow #10 A .2\nrow #11 AAAA ::1 disabled",
                "left A .2\nleft AAAA ::1",
            ),
            ("a CNAME says no", "claim 1 name .1\nrow #10 CNAME a.domain.com", "left CNAME a.domain.com"),
            (
                "a group's name takes equal rows only",
                "claim 1 group .1\nrow #10 A .1\nrow #11 A .2",
                "= 1 group A .1 #10 ttl=60\ntaken A .1\nleft A .2",
            ),
            (
                "a hold ends and the row comes back at once, whatever DNS_RECREATE says",
                "recreate false\nclaim 1 name .1\nentry 1 name A .1 #10 hold",
                "+ A .1 ttl=60 for 1 name
                 end A .1 (its hold was ended)
                 added A .1\nhold ended A .1",
            ),
            (
                "an operator's PTR",
                "name 1.2.0.192.in-addr.arpa\nclaim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1
                 row #10 PTR b.domain.com",
                "- #10 PTR b.domain.com (its address changed)
                 + PTR a.domain.com ttl=60 for 1 ptr
                 replaced PTR b.domain.com\nadded PTR a.domain.com",
            ),
            ("a name that nobody wants", "row #10 A .2", ""),
        ],
    );
}

#[test]
fn what_the_older_service_left_for_vms_that_are_gone_is_taken() {
    check(
        false,
        &[
            (
                "by the address that the table gives",
                "row #10 A .1\nrow #11 A .1\nlegacy 9 gone .1 exact",
                "- #11 A .1 (an exact duplicate of a row of ours)
                 = 9 name A .1 #10 ttl=60 held=ab12
                 taken A .1\nduplicate removed A .1",
            ),
            ("an edited row stays", "row #10 A .2\nlegacy 9 gone .1 exact", "left A .2"),
            (
                "by an address that the table knows from a reverse name",
                "row #10 A .1\nrow #11 A .2\nlegacy 9 gone .1",
                "= 9 name A .1 #10 ttl=60 held=ab12\ntaken A .1\nleft A .2",
            ),
            (
                "the only content of a name of which the table says no more",
                "row #10 A .1\nrow #11 AAAA ::1\nrow #12 AAAA ::2\nlegacy 9 gone",
                "= 9 name A .1 #10 ttl=60 held=ab12\ntaken A .1\nleft AAAA ::1\nleft AAAA ::2",
            ),
            (
                "what a living VM wants is the living VM's",
                "claim 1 name .1\nrow #10 A .1\nlegacy 9 gone .1 exact",
                "= 1 name A .1 #10 ttl=60\ntaken A .1",
            ),
            (
                "a dead VM's row frees the name for the living one",
                "claim 1 name .1\nrow #10 A .2\nlegacy 9 gone .2 exact",
                "= 9 name A .2 #10 ttl=60 held=ab12\ntaken A .2",
            ),
            (
                "a dead member leaves its group",
                "claim 1 group .1\nrow #10 A .1\nrow #11 A .2\nlegacy 9 gone .2 exact",
                "= 1 group A .1 #10 ttl=60\n= 9 group A .2 #11 ttl=60 held=ab12\ntaken A .1\ntaken A .2",
            ),
            (
                "a dead VM's PTR beside the living one's",
                "name 1.2.0.192.in-addr.arpa\nclaim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1
                 row #10 PTR b.domain.com\nrow #11 PTR a.domain.com\nlegacy 9 gone at=b.domain.com",
                "= 1 ptr PTR a.domain.com #11 ttl=60\n= 9 ptr PTR b.domain.com #10 ttl=60 held=ab12
                 taken PTR a.domain.com\ntaken PTR b.domain.com",
            ),
            (
                "a PTR that points elsewhere was edited",
                "name 1.2.0.192.in-addr.arpa\nrow #10 PTR x.domain.com\nlegacy 9 gone at=b.domain.com",
                "left PTR x.domain.com",
            ),
            ("a living VM's old name is listed", "row #10 A .1\nlegacy 1 lives .1 exact", "left A .1"),
            ("nothing before the proof", "row #10 A .1\nlegacy 9 unproved .1 exact", "left A .1"),
        ],
    );
}

/// Rows but for their ids, each once.
fn answers(rows: &[Row]) -> Vec<(u32, &RecordType, &Content, Option<crate::model::Ttl>, bool)> {
    let mut all: Vec<_> =
        rows.iter().map(|row| (row.zone, &row.rtype, &row.content, row.ttl, row.disabled)).collect();
    all.sort();
    all.dedup();
    all
}

/// Who holds the name can turn out anew once stale entries have ended, and each twin of a held row at
/// another TTL becomes an exact one in turn; but not for ever.
fn ends(case: &mut Case, named: bool) -> bool {
    (0..10).any(|_| {
        let again = case.adopt(named).decision;
        case.bed.apply(&again);
        again.is_empty()
    })
}

proptest! {
    #![proptest_config(cases(1500))]

    /// `--all` changes no answer, and once is enough.
    #[test]
    fn adopting_all_changes_no_answer(facts in world()) {
        let mut case = Case::new(&facts);
        let before = case.bed.rows.clone();
        let adoption = case.adopt(false);
        prop_assert!(adoption.decision.inserts.is_empty() && adoption.decision.retimes.is_empty());
        prop_assert_eq!(adoption.decision.losses, 0);
        case.bed.apply(&adoption.decision);
        prop_assert_eq!(answers(&case.bed.rows), answers(&before), "{}", shown(&adoption).join("\n"));
        prop_assert!(ends(&mut case, false));
    }

    /// `adopt NAME` leaves disabled rows, CNAMEs and other owner ids' rows alone, tells every row that it
    /// deletes, and leaves a name at which nothing is to be done twice.
    #[test]
    fn adopting_a_name_tells_what_it_deletes(facts in world()) {
        let mut case = Case::new(&facts);
        case.bed.losses = Losses::Hold { set: None };
        let adoption = case.adopt(true);
        for (owned, why) in &adoption.decision.deletes {
            let row = owned.row();
            prop_assert!(!row.disabled && row.rtype != RecordType::Cname, "{why}");
            let told = adoption.told.iter().any(|told| (&told.rtype, &told.content) == (&row.rtype, &row.content));
            let ours = case.bed.entries.iter().any(|entry| &*entry.owner == "default"
                && (&entry.rtype, &entry.content) == (&row.rtype, &row.content));
            prop_assert!(told || ours, "{} {} is deleted and not told", row.rtype, row.content);
            let others = case.bed.entries.iter().any(|entry| &*entry.owner == "other" && entry.zone == row.zone
                && (&entry.rtype, &entry.content) == (&row.rtype, &row.content));
            prop_assert!(!others, "another owner id's row goes");
        }
        prop_assert_eq!(adoption.decision.losses, 0);
        case.bed.apply(&adoption.decision);
        prop_assert!(ends(&mut case, true));
    }
}
