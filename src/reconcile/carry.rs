//! From decisions to the transaction that carries them: what `rectify` adds, and how much fits. Settling
//! and the verbs that write rows share it.

use super::deep::Deep;
use crate::{
    model::{Batch, OwnerName, Row, Zones},
    plan::{self, Decision, MAX_ROWS},
    powerdns::{DbError, NameRows, Reader},
    rectify::{Below, children_to_read, rectify},
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

/// Packs as many decisions as one transaction has room for. `read` holds their names and those
/// [`around`] them.
pub async fn load(
    reader: &Reader,
    deep: &Deep,
    zones: &Zones,
    all: Vec<(OwnerName, Decision)>,
    read: &NameRows,
) -> Result<Load, DbError> {
    let (mut decisions, mut deferred, mut rows) = (Vec::new(), Vec::new(), 0);
    for (name, decision) in all {
        if rows > 0 && rows + decision.rows() > MAX_ROWS {
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
    reader: &Reader,
    deep: &Deep,
    zones: &Zones,
    decisions: &[(OwnerName, Decision)],
    read: &NameRows,
) -> Result<Batch, DbError> {
    let changes = plan::changes(decisions, read.rows());
    let mut wanted: BTreeSet<OwnerName> = BTreeSet::new();
    for (id, change) in &changes {
        let Some(zone) = zones.with_id(*id) else { continue };
        wanted.extend(children_to_read(zone, change));
        for row in change.rows.iter().filter(|row| change.removed.contains(&row.id)) {
            wanted.extend(deep.below(*id, &row.name));
            for above in row.name.ancestors_below(zone.name.as_str()) {
                let above = OwnerName::stored(above).ok();
                wanted.extend(above.into_iter().flat_map(|above| deep.below(*id, &above)));
            }
        }
    }
    let wanted: Vec<OwnerName> = wanted.into_iter().collect();
    // Whoever wrote them: rows alone, of which one reverse name asks for hundreds.
    let below = if wanted.is_empty() {
        Vec::new()
    } else {
        reader.names_and_around(&[], &wanted).await?.rows().to_vec()
    };
    let mut under: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in &below {
        for above in above(row.name.as_str()) {
            under.entry(above).or_default().push(row);
        }
    }
    let rectified = changes
        .iter()
        .filter_map(|(id, change)| {
            let zone = zones.with_id(*id)?;
            let of = |name: &OwnerName| under.get(name.as_str()).into_iter().flatten().copied();
            Some(rectify(zone, change, |name, decided| Below::of_rows(name, of(name), decided)))
        })
        .collect();
    Ok(plan::assemble(decisions.to_vec(), read.rows(), read.entries(), rectified))
}

/// The names above a name, nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent)).skip(1)
}
