//! The locking re-read against the plan: what stands must be what the plan saw plus its own changes.

use super::names::Lines;
use crate::model::{Batch, Content, Entry, EntryPut, OwnerName, RecordId, RecordType, Row, Ttl, ZoneId};
use std::collections::{HashMap, HashSet};

/// What of a row is compared. Not `auth` and `ordername`, which rectify changes at any time.
type Fingerprint<'a> = (ZoneId, &'a OwnerName, &'a RecordType, Option<&'a Content>, Option<Ttl>, bool);

/// Of an empty non-terminal only that it is there: rectify makes them anew.
fn fingerprint(row: &Row, ttl: Option<Ttl>) -> Fingerprint<'_> {
    match row.rtype {
        RecordType::Ent => (row.zone, &row.name, &row.rtype, None, None, row.disabled),
        _ => (row.zone, &row.name, &row.rtype, Some(&row.content), ttl, row.disabled),
    }
}

/// A SOA row changes with every edit of its zone, whoever makes it, and says nothing about the name.
fn counts(row: &Row) -> bool {
    row.rtype != RecordType::Soa
}

/// Where the rows of the batch's names differ from what they must be, in words; none where they agree.
pub(super) fn difference(batch: &Batch, actual: &[Row]) -> Option<String> {
    let gone: HashSet<RecordId> = (batch.deletes.iter().map(|owned| owned.row().id))
        .chain(batch.ents_out.iter().map(|ent| ent.id))
        .collect();
    let retimed: HashMap<RecordId, Ttl> =
        batch.retimes.iter().map(|(owned, ttl)| (owned.row().id, *ttl)).collect();
    let seen: HashSet<&OwnerName> = batch.seen.iter().map(|seen| &seen.name).collect();

    // Rows that the plan saw and that stay, by id where ids last, and rows that have no id yet.
    let mut by_id: HashMap<RecordId, Fingerprint<'_>> = HashMap::new();
    let mut without: HashMap<Fingerprint<'_>, usize> = HashMap::new();
    for row in batch.seen.iter().flat_map(|seen| &seen.rows) {
        if gone.contains(&row.id) || !counts(row) {
            continue;
        }
        let print = fingerprint(row, retimed.get(&row.id).copied().or(row.ttl));
        if row.rtype == RecordType::Ent {
            *without.entry(print).or_default() += 1;
        } else {
            by_id.insert(row.id, print);
        }
    }
    for new in batch.inserts.iter().chain(&batch.ents_in).filter(|new| seen.contains(&new.name)) {
        let ent = new.rtype == RecordType::Ent;
        let content = (!ent).then_some(&new.content);
        let print = (new.zone, &new.name, &new.rtype, content, (!ent).then_some(new.ttl), false);
        *without.entry(print).or_default() += 1;
    }

    for row in actual.iter().filter(|row| counts(row) && seen.contains(&row.name)) {
        let print = fingerprint(row, row.ttl);
        if let Some(expected) = by_id.remove(&row.id) {
            if expected != print {
                return Some(format!("{} {} has been edited", row.name, row.rtype));
            }
        } else if let Some(left) = without.get_mut(&print).filter(|left| **left > 0) {
            *left -= 1;
        } else {
            return Some(format!("{} {} {} has been added", row.name, row.rtype, row.content));
        }
    }
    let missing =
        by_id.into_values().chain(without.into_iter().filter(|(_, n)| *n > 0).map(|(print, _)| print));
    let missing = missing.min_by_key(|print| print.1)?;
    Some(format!("{} {} has been deleted", missing.1, missing.2))
}

/// What tells one entry from another, over all owner ids.
type Key<'a> = (&'a OwnerName, &'a RecordType, &'a Content, ZoneId);

fn key(entry: &Entry) -> Key<'_> {
    (&entry.name, &entry.rtype, &entry.content, entry.zone)
}

/// Where the entries of the batch's names differ from what the plan saw, in words; none where they agree.
/// The batch has changed none yet.
pub(super) fn entry_difference(batch: &Batch, actual: &[Entry]) -> Option<String> {
    let names: HashSet<&OwnerName> = batch.seen.iter().map(|seen| &seen.name).collect();
    let mut seen: HashMap<Key<'_>, &Entry> =
        batch.seen.iter().flat_map(|seen| &seen.entries).map(|entry| (key(entry), entry)).collect();
    let told = |entry: &Entry, what| {
        let Entry { name, rtype, content, .. } = entry;
        Some(format!("the entry of {name} {rtype} {content} has been {what}"))
    };
    for entry in actual.iter().filter(|entry| names.contains(&entry.name)) {
        match seen.remove(&key(entry)) {
            None => return told(entry, "added"),
            Some(then) if then != entry => return told(entry, "changed"),
            Some(_) => {}
        }
    }
    let missing = seen.into_values().min_by_key(|entry| key(entry))?;
    told(missing, "ended")
}

/// Which of the puts the ledger has already: those that the batch does not end before. One of another
/// owner id is an error, since its row is foreign to us.
pub(super) fn known(batch: &Batch, lines: &Lines) -> Result<Vec<bool>, String> {
    let ended: HashSet<Key<'_>> = batch.endings.iter().map(|ending| key(&ending.entry)).collect();
    let owners: HashMap<Key<'_>, &str> = (lines.entries.iter())
        .filter(|entry| !ended.contains(&key(entry)))
        .map(|entry| (key(entry), &*entry.owner))
        .collect();
    // A line that cannot be read is written anew where its row is ours again.
    let unreadable: HashSet<Key<'_>> =
        lines.unreadable.iter().map(|(name, rtype, content, zone)| (name, rtype, content, *zone)).collect();
    let of = |put: &EntryPut| match owners.get(&key(&put.entry)) {
        Some(owner) if **owner == *put.entry.owner => Ok(true),
        Some(_) => Err(format!("{} has an equal entry of another owner id", put.entry.name)),
        None => Ok(unreadable.contains(&key(&put.entry))),
    };
    batch.puts.iter().map(of).collect()
}

/// The record id of each put, in order: the one that it carries, else that of the equal enabled row, of
/// several the lowest. An error names the put that has no row.
pub(super) fn record_ids(puts: &[EntryPut], actual: &[Row]) -> Result<Vec<RecordId>, String> {
    let mut rows: HashMap<(ZoneId, &OwnerName, &RecordType, &Content), RecordId> = HashMap::new();
    for row in actual.iter().filter(|row| !row.disabled) {
        let id = rows.entry((row.zone, &row.name, &row.rtype, &row.content)).or_insert(row.id);
        *id = (*id).min(row.id);
    }
    let id = |put: &EntryPut| {
        let entry = &put.entry;
        if entry.record != 0 {
            return Ok(entry.record);
        }
        let row = rows.get(&(entry.zone, &entry.name, &entry.rtype, &entry.content));
        row.copied()
            .ok_or_else(|| format!("{} {} {} is no longer there", entry.name, entry.rtype, entry.content))
    };
    puts.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Ending, HeldSet, Kind, NewRow, Reorder, Seen, VmId};

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn row(id: RecordId, text: &str, last: u8) -> Row {
        Row {
            id,
            zone: 1,
            name: name(text),
            rtype: RecordType::A,
            content: Content::V4([192, 0, 2, last].into()),
            ttl: Some(Ttl(60)),
            disabled: false,
            auth: Some(true),
            ordername: None,
        }
    }

    fn ent(id: RecordId, text: &str) -> Row {
        Row { rtype: RecordType::Ent, content: Content::Raw("".into()), ttl: None, ..row(id, text, 0) }
    }

    fn insert(text: &str, last: u8) -> NewRow {
        let row = row(0, text, last);
        let (zone, content) = (row.zone, row.content);
        NewRow { zone, name: row.name, rtype: row.rtype, content, ttl: Ttl(60), auth: true, ordername: None }
    }

    fn batch(rows: Vec<Row>) -> Batch {
        Batch {
            inserts: vec![insert("a.org", 2)],
            seen: vec![Seen { name: name("a.org"), rows, entries: vec![] }],
            ..Batch::default()
        }
    }

    #[test]
    fn what_the_plan_saw_and_its_own_rows_agree() {
        let batch = batch(vec![row(1, "a.org", 1)]);
        let reordered = Row { ordername: Some("a".into()), ..row(1, "a.org", 1) };
        assert_eq!(difference(&batch, &[reordered, row(9, "a.org", 2)]), None);
        assert_eq!(difference(&batch, &[row(1, "a.org", 1), row(9, "a.org", 2), row(3, "b.org", 7)]), None);
    }

    #[test]
    fn anything_else_is_told() {
        let batch = batch(vec![row(1, "a.org", 1)]);
        let told = |rows: &[Row]| difference(&batch, rows).unwrap();
        let (seen, own) = (row(1, "a.org", 1), row(9, "a.org", 2));
        assert_eq!(
            told(&[seen.clone(), own.clone(), row(8, "a.org", 2)]),
            "a.org A 192.0.2.2 has been added"
        );
        assert_eq!(
            told(&[seen.clone(), own.clone(), row(8, "a.org", 3)]),
            "a.org A 192.0.2.3 has been added"
        );
        assert_eq!(told(std::slice::from_ref(&own)), "a.org A has been deleted");
        assert_eq!(told(&[Row { disabled: true, ..seen.clone() }, own.clone()]), "a.org A has been edited");
        assert_eq!(told(&[Row { ttl: Some(Ttl(5)), ..seen }, own]), "a.org A has been edited");
    }

    fn entry(last: u8) -> Entry {
        let row = row(1, "a.org", last);
        Entry {
            zone: 1,
            name: row.name,
            rtype: row.rtype,
            content: row.content,
            ttl: Ttl(60),
            record: 1,
            owner: "mine".into(),
            vm: VmId::from_u128(1),
            account: AccountId::from_u128(2),
            kind: Kind::Name,
            held: None,
            on_hold: false,
        }
    }

    #[test]
    fn entries_agree_exactly_at_the_batchs_names() {
        let mut batch = batch(vec![]);
        batch.seen[0].entries = vec![entry(1), entry(2)];
        let told = |entries: &[Entry]| entry_difference(&batch, entries);
        assert_eq!(told(&[entry(2), entry(1), Entry { name: name("b.org"), ..entry(3) }]), None);
        assert_eq!(told(&[entry(1)]).unwrap(), "the entry of a.org A 192.0.2.2 has been ended");
        assert_eq!(
            told(&[entry(1), entry(2), entry(3)]).unwrap(),
            "the entry of a.org A 192.0.2.3 has been added"
        );
        for changed in [
            Entry { on_hold: true, ..entry(2) },
            Entry { held: HeldSet::new(7), ..entry(2) },
            Entry { owner: "theirs".into(), ..entry(2) },
            Entry { ttl: Ttl(5), ..entry(2) },
        ] {
            assert_eq!(
                told(&[entry(1), changed]).unwrap(),
                "the entry of a.org A 192.0.2.2 has been changed"
            );
        }
    }

    #[test]
    fn a_put_is_new_unless_its_entry_stands_and_is_ours() {
        let mut batch = Batch { puts: vec![EntryPut { entry: entry(1) }], ..Batch::default() };
        let lines = |entries| Lines { entries, unreadable: vec![] };
        assert_eq!(known(&batch, &lines(vec![entry(2)])), Ok(vec![false]));
        assert_eq!(known(&batch, &lines(vec![Entry { on_hold: true, ..entry(1) }])), Ok(vec![true]));
        let theirs = Entry { owner: "theirs".into(), ..entry(1) };
        assert!(known(&batch, &lines(vec![theirs.clone()])).is_err());
        batch.endings = vec![Ending { entry: theirs.clone(), why: "taken over" }];
        assert_eq!(known(&batch, &lines(vec![theirs])), Ok(vec![false]));
    }

    #[test]
    fn an_empty_non_terminal_counts_by_its_presence() {
        let mut batch = batch(vec![ent(1, "a.org")]);
        assert_eq!(difference(&batch, &[ent(5, "a.org"), row(9, "a.org", 2)]), None);
        batch.ents_out = vec![Reorder { id: 1, name: name("a.org"), zone: 1, auth: true, ordername: None }];
        assert_eq!(difference(&batch, &[row(9, "a.org", 2)]), None);
        assert!(difference(&batch, &[ent(5, "a.org"), row(9, "a.org", 2)]).is_some());
    }
}
