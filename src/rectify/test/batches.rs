//! The incremental form against the whole-zone form.

use super::{
    super::{Below, Change, Decided, ancestors_to_read, children_to_read, rectify, rectify_zone},
    table::{Table, modes, name, new_row, zone},
};
use crate::model::{NewRow, OwnerName, RecordId, RecordType, Row, fuzz::cases};
use proptest::{prelude::*, sample::Index};
use std::collections::BTreeSet;

/// How much the caller knows of what is below a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// Every row below.
    Descendants,
    /// The rows of the direct children.
    Children,
    /// The rows of [`children_to_read`].
    Enumerated,
    Nothing,
}

/// Runs a batch as a caller would: only what was read is passed on.
fn run(table: &Table, removed: &BTreeSet<RecordId>, added: &[NewRow], knows: Knowledge) -> Table {
    let (removed, added) = (removed.clone(), added.to_vec());
    transact(table, Change { removed, added, ..Change::default() }, knows)
}

/// The same of a change whose rows have yet to be read.
fn transact(table: &Table, change: Change<'_>, knows: Knowledge) -> Table {
    let zone = &table.zone;
    let mut names: BTreeSet<OwnerName> = change.added.iter().map(|row| row.name.clone()).collect();
    let touched = |row: &&Row| change.removed.contains(&row.id) || change.adopted.contains(&row.id);
    names.extend(table.rows.iter().filter(touched).map(|row| row.name.clone()));
    let above = ancestors_to_read(zone, &names);
    names.extend(above);
    let rows = table.rows.iter().filter(|row| names.contains(&row.name)).collect();
    let change = Change { rows, ..change };
    let removed = change.removed.clone();
    let enumerated: BTreeSet<OwnerName> =
        children_to_read(zone, &change, |_, _| vec![]).into_iter().collect();
    let below = |of: &OwnerName, decided: &Decided<'_>| {
        let read = |row: &&Row| match knows {
            Knowledge::Descendants => true,
            Knowledge::Children => row.name.parent().as_ref() == Some(of),
            Knowledge::Enumerated => enumerated.contains(&row.name),
            Knowledge::Nothing => false,
        };
        match knows {
            Knowledge::Nothing => Below::Unknown,
            _ => Below::of_rows(of, table.rows.iter().filter(read), decided),
        }
    };
    let change = rectify(zone, &change, below);
    assert!(knows == Knowledge::Nothing || change.wants_children.is_empty());
    let mut after = table.clone();
    after.apply(|id| removed.contains(id), &change);
    after
}

fn rectified(table: &Table) -> Table {
    let mut table = table.clone();
    table.rectify();
    table
}

/// A forward zone, a slice of in-addr.arpa and a slice of ip6.arpa: an apex, and labels of few values
/// so that names meet.
const SHAPES: [(&str, &[&str], usize); 3] = [
    ("example.org", &["a", "b", "*", "_x"], 4),
    ("10.in-addr.arpa", &["0", "1", "255"], 3),
    ("0.8.b.d.0.1.0.0.2.ip6.arpa", &["0", "f"], 6),
];

#[derive(Debug, Clone)]
struct Seed {
    labels: Vec<Index>,
    kind: u8,
}

fn seeds(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Seed>> {
    let labels = prop::collection::vec(any::<Index>(), 1..7);
    prop::collection::vec((labels, 0..16_u8).prop_map(|(labels, kind)| Seed { labels, kind }), count)
}

fn owner(shape: usize, seed: &Seed) -> String {
    let (apex, labels, depth) = SHAPES[shape];
    let mut text = String::new();
    for index in seed.labels.iter().take(depth) {
        text.push_str(labels[index.index(labels.len())]);
        text.push('.');
    }
    text + apex
}

fn zone_of(shape: usize, mode: usize, seeds: &[Seed]) -> Table {
    let mut table = Table::new(zone(SHAPES[shape].0, modes()[mode].clone()));
    table.put(SHAPES[shape].0, RecordType::Soa);
    table.put(SHAPES[shape].0, RecordType::Ns);
    for seed in seeds {
        let owner = owner(shape, seed);
        let rtype = match seed.kind {
            0..=2 => RecordType::Ns,
            3 => RecordType::Ds,
            4 => RecordType::Other("TXT".into()),
            5 => RecordType::Aaaa,
            _ => RecordType::A,
        };
        table.put(&owner, rtype);
        if seed.kind == 15 {
            table.rows.last_mut().unwrap().disabled = true;
        }
    }
    rectified(&table)
}

/// Own inserts at names that are not at or below a delegation, and deletes of addresses anywhere.
fn batch(table: &Table, shape: usize, seeds: &[Seed]) -> (BTreeSet<RecordId>, Vec<NewRow>) {
    let apex = table.zone.name.as_str();
    let delegated = |owner: &str| {
        let ns = |row: &Row| row.name.as_str() == owner && row.rtype == RecordType::Ns && owner != apex;
        table.rows.iter().any(ns)
    };
    let own: Vec<&Row> = table.rows.iter().filter(|row| row.rtype.is_address() && !row.disabled).collect();
    let (mut removed, mut added) = (BTreeSet::new(), Vec::new());
    for seed in seeds {
        if seed.kind < 9 && !own.is_empty() {
            let row = own[seed.labels[0].index(own.len())];
            removed.insert(row.id);
            if seed.kind < 5 {
                removed.extend(own.iter().filter(|other| other.name == row.name).map(|other| other.id));
            }
        } else {
            let owner = name(&owner(shape, seed));
            if !delegated(owner.as_str()) && !owner.ancestors_below(apex).any(delegated) {
                added.push(new_row(owner.as_str(), RecordType::A));
            }
        }
    }
    (removed, added)
}

fn ents(table: &Table) -> BTreeSet<&OwnerName> {
    table.rows.iter().filter(|row| row.rtype == RecordType::Ent).map(|row| &row.name).collect()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn batches_leave_a_rectified_zone_rectified(
        shape in 0..SHAPES.len(),
        mode in 0..6_usize,
        start in seeds(0..14),
        batches in prop::collection::vec(seeds(1..6), 1..5),
    ) {
        let mut knowledge = vec![Knowledge::Descendants, Knowledge::Children];
        if shape > 0 {
            knowledge.push(Knowledge::Enumerated);
        }
        for knows in knowledge {
            let mut table = zone_of(shape, mode, &start);
            for seeds in &batches {
                let (removed, added) = batch(&table, shape, seeds);
                let before = table.picture();
                table = run(&table, &removed, &added, knows);
                let expected = rectified(&table).picture();
                prop_assert_eq!(
                    table.picture(), expected, "{:?} removed {:?} added {:?} of {:#?}", knows, removed, added, before
                );
            }
        }
    }

    #[test]
    fn rows_that_somebody_left_as_they_fell_are_as_they_should_be_once_they_are_adopted(
        shape in 0..SHAPES.len(),
        mode in 0..6_usize,
        start in seeds(0..14),
        left in seeds(1..6),
    ) {
        let mut table = zone_of(shape, mode, &start);
        let (_, added) = batch(&table, shape, &left);
        let adopted = added.iter().map(|row| table.put(row.name.as_str(), row.rtype.clone())).collect();
        let before = table.picture();
        // Nobody has to know what is below.
        let table = transact(&table, Change { adopted, ..Change::default() }, Knowledge::Nothing);
        prop_assert_eq!(table.picture(), rectified(&table).picture(), "of {:#?}", before);
    }

    #[test]
    fn without_knowledge_no_empty_non_terminal_is_missing_and_records_are_as_they_should_be(
        shape in 0..SHAPES.len(),
        mode in 0..6_usize,
        start in seeds(0..14),
        batches in prop::collection::vec(seeds(1..6), 1..5),
    ) {
        let mut table = zone_of(shape, mode, &start);
        for seeds in &batches {
            let (removed, added) = batch(&table, shape, seeds);
            table = run(&table, &removed, &added, Knowledge::Nothing);
            let expected = rectified(&table);
            prop_assert!(ents(&table).is_superset(&ents(&expected)));
            let whole = rectify_zone(&table.zone.name, &table.zone.dnssec, &table.rows);
            for (row, place) in table.rows.iter().zip(whole.rows) {
                if let Some(place) = place {
                    prop_assert_eq!((row.auth, &row.ordername), (Some(place.auth), &place.ordername));
                }
            }
        }
    }
}

fn plain() -> Table {
    let mut table = Table::new(zone("example.org", modes()[2].clone()));
    table.put("example.org", RecordType::Soa);
    table
}

fn lines(table: &Table) -> Vec<String> {
    let short = |row: &Row| format!("{} {}", row.name, row.rtype);
    let mut lines: Vec<String> = table.rows.iter().skip(1).map(short).collect();
    lines.sort();
    lines
}

#[test]
fn an_empty_non_terminal_that_two_inserts_share_is_made_once() {
    let added = [new_row("x.c.example.org", RecordType::A), new_row("y.c.example.org", RecordType::A)];
    let after = run(&plain(), &BTreeSet::new(), &added, Knowledge::Descendants);
    assert_eq!(lines(&after), ["c.example.org ", "x.c.example.org A", "y.c.example.org A"]);
}

#[test]
fn the_last_child_that_goes_while_a_sibling_comes_leaves_the_empty_non_terminal_untouched() {
    let mut table = plain();
    let old = table.put("x.c.example.org", RecordType::A);
    table.rectify();
    let ent = table.rows.iter().find(|row| row.rtype == RecordType::Ent).cloned().unwrap();
    let added = [new_row("y.c.example.org", RecordType::A)];
    let after = run(&table, &BTreeSet::from([old]), &added, Knowledge::Children);
    assert!(after.rows.contains(&ent));
    assert_eq!(lines(&after), ["c.example.org ", "y.c.example.org A"]);
}

#[test]
fn a_record_replaces_the_empty_non_terminal_of_its_name() {
    let mut table = plain();
    table.put("x.c.example.org", RecordType::A);
    table.rectify();
    let added = [new_row("c.example.org", RecordType::A)];
    let after = run(&table, &BTreeSet::new(), &added, Knowledge::Nothing);
    assert_eq!(lines(&after), ["c.example.org A", "x.c.example.org A"]);
}

#[test]
fn disabled_records_neither_need_nor_hold_an_empty_non_terminal() {
    let mut table = plain();
    let old = table.put("x.c.example.org", RecordType::A);
    table.put("c.example.org", RecordType::A);
    table.rows.last_mut().unwrap().disabled = true;
    table.rectify();
    assert!(lines(&table).contains(&"c.example.org ".to_owned()));
    let after = run(&table, &BTreeSet::from([old]), &[], Knowledge::Descendants);
    assert_eq!(lines(&after), ["c.example.org A"], "the disabled one stays, alone");
}

#[test]
fn a_wrong_empty_non_terminal_above_an_insert_is_set_right() {
    let mut table = rectified(&plain());
    let ent = new_row("c.example.org", RecordType::Ent);
    table.insert(&ent);
    let added = [new_row("x.c.example.org", RecordType::A)];
    let after = run(&table, &BTreeSet::new(), &added, Knowledge::Nothing);
    assert_eq!(after.picture(), rectified(&after).picture());
    assert_eq!(lines(&after), ["c.example.org ", "x.c.example.org A"]);
}

#[test]
fn what_nobody_knows_is_asked_for_by_name() {
    let mut table = plain();
    let old = table.put("x.c.example.org", RecordType::A);
    table.rectify();
    let rows = table.rows.iter().collect();
    let change = Change { rows, removed: BTreeSet::from([old]), ..Change::default() };
    let result = rectify(&table.zone, &change, |_, _| Below::Unknown);
    assert_eq!(result.wants_children, [name("x.c.example.org")]);
    let result = rectify(&table.zone, &change, |of, _| {
        if of.as_str() == "x.c.example.org" { Below::No } else { Below::Unknown }
    });
    assert_eq!(result.wants_children, [name("c.example.org")]);
}

#[test]
fn inserts_ask_for_no_children_and_rows_of_other_zones_do_not_count() {
    let mut table = Table::new(zone("10.in-addr.arpa", modes()[0].clone()));
    table.put("10.in-addr.arpa", RecordType::Soa);
    let added = vec![new_row("1.2.3.10.in-addr.arpa", RecordType::Ptr)];
    let mut change = Change { rows: table.rows.iter().collect(), added, ..Change::default() };
    assert!(children_to_read(&table.zone, &change, |_, _| vec![]).is_empty());

    let old = table.put("4.2.3.10.in-addr.arpa", RecordType::Ptr);
    let other = table.put("5.2.3.10.in-addr.arpa", RecordType::Ptr);
    table.rows.last_mut().unwrap().zone = 8;
    let rows = table.rows.iter().collect();
    change = Change { rows, removed: BTreeSet::from([old, other]), ..Change::default() };
    let children = children_to_read(&table.zone, &change, |_, _| vec![]);
    for child in ["5.2.3", "1.3", "254.3"] {
        assert!(children.contains(&name(&format!("{child}.10.in-addr.arpa"))), "{child}");
    }
    assert!(!children.contains(&name("2.3.10.in-addr.arpa")), "what is decided is not read again");
    let empty = rectify(&table.zone, &change, |of, decided| Below::of_rows(of, &table.rows, decided));
    assert!(empty.ents_in.is_empty(), "a row of another zone is nothing below");
}
