//! From decisions to the transaction that carries them: what `rectify` adds, and how much fits. Settling
//! and the verbs that write rows share it.

use super::{deep::Deep, servers::Reads};
use crate::{
    model::{Batch, OwnerName, Row, Zone, Zones},
    plan::{self, Decision, MAX_ROWS},
    powerdns::{DbError, NameRows},
    rectify::{Below, Change, Decided, Footing, Rectified, children_to_read, rectify},
};
use std::{
    collections::{BTreeSet, HashMap},
    iter::successors,
};

/// A transaction and what it carries.
pub struct Load {
    /// The names that it covers, also those that need nothing.
    pub decisions: Vec<(OwnerName, Decision)>,
    /// Names for which it had no more room.
    pub deferred: Vec<OwnerName>,
    /// The transaction; empty if nothing is to be written.
    pub batch: Batch,
}

/// Everything above these names up to the apexes, which decides on empty non-terminals.
pub fn around<'a>(zones: &Zones, names: impl Iterator<Item = &'a OwnerName>) -> BTreeSet<OwnerName> {
    let mut around: BTreeSet<OwnerName> = BTreeSet::new();
    let mut between: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        if let Some(zone) = zones.enclosing(name.as_str()) {
            around.insert(zone.name.clone());
            between.extend(name.ancestors_below(zone.name.as_str()));
        }
    }
    around.extend(between.into_iter().filter_map(|text| OwnerName::stored(text).ok()));
    around
}

/// Packs as many decisions as one transaction has room for. A reverse name rests on the forward names before
/// it: it goes with all of them or waits. `read` holds their names and those [`around`] them.
pub async fn load(
    reader: &impl Reads,
    deep: &mut Deep,
    zones: &Zones,
    all: Vec<(OwnerName, Decision)>,
    read: &NameRows,
) -> Result<Load, DbError> {
    let (mut decisions, mut deferred, mut rows) = (Vec::new(), Vec::new(), 0);
    for (name, decision) in all {
        let rests = name.is_arpa() && !deferred.is_empty();
        if rests || rows > 0 && rows + decision.rows() > MAX_ROWS {
            deferred.push(name);
            continue;
        }
        rows += decision.rows();
        decisions.push((name, decision));
    }
    let mut batch = transaction(reader, deep, zones, &decisions, read).await?;
    // Scattered addresses bring up to a dozen empty non-terminals each, which nobody has counted yet.
    while batch.rows() > MAX_ROWS && decisions.len() > 1 {
        let keep = (decisions.len() * MAX_ROWS / batch.rows()).max(1);
        deferred.extend(decisions.drain(keep..).map(|(name, _)| name));
        batch = transaction(reader, deep, zones, &decisions, read).await?;
    }
    Ok(Load { decisions, deferred, batch })
}

async fn transaction(
    reader: &impl Reads,
    deep: &mut Deep,
    zones: &Zones,
    decisions: &[(OwnerName, Decision)],
    read: &NameRows,
) -> Result<Batch, DbError> {
    let changes = plan::changes(decisions, read.rows());
    let changes: Vec<(&Zone, Change<'_>)> =
        changes.into_iter().filter_map(|(id, change)| Some((zones.with_id(id)?, change))).collect();
    let shrinking = changes.iter().filter(|(_, change)| !change.removed.is_empty());
    deep.catch_up(reader, &shrinking.map(|(zone, _)| *zone).collect::<Vec<_>>()).await?;
    let rectified = rectify_all(reader, deep, &changes).await?;
    Ok(plan::assemble(decisions.to_vec(), read.rows(), read.entries(), rectified))
}

/// How many known children of a name are read at first: nearly always one tells that there is something
/// below it.
const FEW: usize = 8;

/// What `rectify-zone` would make of the changes, with as little read of what is below their names as it
/// takes to tell.
async fn rectify_all(
    reader: &impl Reads,
    deep: &Deep,
    changes: &[(&Zone, Change<'_>)],
) -> Result<Vec<Rectified>, DbError> {
    let mut limit = FEW;
    let mut asked: BTreeSet<OwnerName> = BTreeSet::new();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let mut wanted = BTreeSet::new();
        for (zone, change) in changes {
            let known = |name: &OwnerName, decided: &Decided<'_>| {
                undecided(deep, zone, name, decided).take(limit).collect()
            };
            wanted.extend(children_to_read(zone, change, known));
        }
        let wanted: Vec<OwnerName> = wanted.difference(&asked).cloned().collect();
        if !wanted.is_empty() {
            rows.extend_from_slice(reader.names_and_around(&[], &wanted).await?.rows());
            asked.extend(wanted);
        }
        let mut under: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in &rows {
            for above in above(row.name.as_str()) {
                under.entry(above).or_default().push(row);
            }
        }
        let rectified = changes.iter().map(|(zone, change)| {
            rectify(zone, change, |name, decided| {
                let rows = under.get(name.as_str()).into_iter().flatten().copied();
                let answer = Below::of_rows(name, rows, decided);
                let all = undecided(deep, zone, name, decided).nth(limit).is_none();
                if all || answer == Below::Yes(Footing::FIRM) { answer } else { Below::Unknown }
            })
        });
        let rectified: Vec<Rectified> = rectified.collect();
        if rectified.iter().all(|rectified| rectified.wants_children.is_empty()) {
            return Ok(rectified);
        }
        limit *= FEW;
    }
}

fn undecided(
    deep: &Deep,
    zone: &Zone,
    name: &OwnerName,
    decided: &Decided<'_>,
) -> impl Iterator<Item = OwnerName> {
    deep.children(zone.id, name).filter(|child| !decided.contains(child.as_str()))
}

/// The names above a name, nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent)).skip(1)
}
