//! From decisions on names to one transaction: what `rectify` adds, what the re-read must show, in
//! the order of locks (names and ids sorted).

use super::state::Decision;
use crate::{
    model::{Batch, Entry, NewRow, OwnerName, Row, Seen, ZoneId},
    rectify::{Change, Rectified},
};
use std::collections::{BTreeMap, HashSet};

/// The most rows of one transaction (design 8). An owner name is never split over two, so a single
/// name may pass it.
pub const MAX_ROWS: usize = 1000;

/// The decisions' changes by zone, as `rectify` wants them. `rows` are the rows of the names and of
/// their ancestors.
pub fn changes<'a>(decisions: &[(OwnerName, Decision)], rows: &'a [Row]) -> BTreeMap<ZoneId, Change<'a>> {
    let mut changes: BTreeMap<ZoneId, Change<'a>> = BTreeMap::new();
    for (name, decision) in decisions {
        for (owned, _) in &decision.deletes {
            changes.entry(owned.row().zone).or_default().removed.insert(owned.row().id);
        }
        for (zone, id) in &decision.adopted {
            changes.entry(*zone).or_default().adopted.insert(*id);
        }
        for insert in &decision.inserts {
            changes.entry(insert.zone).or_default().added.push(NewRow {
                zone: insert.zone,
                name: name.clone(),
                rtype: insert.rtype.clone(),
                content: insert.content.clone(),
                ttl: insert.ttl,
                auth: true,
                ordername: None,
            });
        }
    }
    for row in rows {
        if let Some(change) = changes.get_mut(&row.zone) {
            change.rows.push(row);
        }
    }
    changes
}

/// The transaction. `rectified` belongs to [`changes`] of the same decisions; `rows` and `entries` are all
/// that stand at the decisions' names, in the order of names.
pub fn assemble(
    decisions: Vec<(OwnerName, Decision)>,
    rows: &[Row],
    entries: &[Entry],
    rectified: Vec<Rectified>,
) -> Batch {
    let mut batch = Batch::default();
    for (name, decision) in decisions {
        if decision.is_empty() {
            continue;
        }
        let rows = at(rows, &name, |row| &row.name);
        let entries = at(entries, &name, |entry| &entry.name);
        batch.seen.push(Seen { name, rows, entries });
        batch.deletes.extend(decision.deletes.into_iter().map(|(owned, _)| owned));
        batch.retimes.extend(decision.retimes);
        batch.puts.extend(decision.puts);
        batch.endings.extend(decision.endings);
        batch.losses += decision.losses;
    }
    for one in rectified {
        batch.inserts.extend(one.inserts);
        batch.ents_in.extend(one.ents_in);
        batch.ents_out.extend(one.ents_out);
        batch.reorders.extend(one.reorders);
    }
    // An entry that ends and is written anew in one transaction (a row deleted by hand comes back) is
    // one entry: the put stands.
    // Another owner id's entry that is taken over ends all the same.
    let put: HashSet<_> = batch.puts.iter().map(|put| (key(&put.entry), put.entry.owner.clone())).collect();
    batch.endings.retain(|ending| !put.contains(&(key(&ending.entry), ending.entry.owner.clone())));
    drop(put);
    batch.seen.sort_by(|a, b| a.name.cmp(&b.name));
    batch.deletes.sort_by_key(|owned| owned.row().id);
    batch.retimes.sort_by_key(|(owned, _)| owned.row().id);
    batch.puts.sort_by_cached_key(|put| key(&put.entry));
    batch.endings.sort_by_cached_key(|ending| key(&ending.entry));
    batch.inserts.sort_by(|a, b| (&a.name, &a.rtype, &a.content).cmp(&(&b.name, &b.rtype, &b.content)));
    batch
}

/// What stands at a name, of what is sorted by names.
fn at<T: Clone>(sorted: &[T], name: &OwnerName, of: impl Fn(&T) -> &OwnerName) -> Vec<T> {
    let first = sorted.partition_point(|one| of(one) < name);
    sorted[first..].iter().take_while(|one| of(one) == name).cloned().collect()
}

fn key(entry: &Entry) -> (OwnerName, String, String, ZoneId) {
    (entry.name.clone(), entry.rtype.to_string(), entry.content.to_string(), entry.zone)
}
