//! Reading ahead: what stands at the names that come next, while a batch that touches none of it is written.

use super::servers::Reads;
use crate::{
    model::{Batch, OwnerName},
    powerdns::NameRows,
};
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

/// How old a reading may get: the transaction reads its names again, but not those around them.
const FRESH: Duration = Duration::from_secs(1);

/// Names that come next, and those around them.
pub struct Wanted {
    names: Vec<OwnerName>,
    around: Vec<OwnerName>,
}

impl Wanted {
    /// None where the batch changes something of it: its reading would be outdated at once.
    pub fn beside(batch: &Batch, names: Vec<OwnerName>, around: Vec<OwnerName>) -> Option<Self> {
        let rows = batch.deletes.iter().map(|owned| &owned.row().name);
        let new = batch.inserts.iter().chain(&batch.ents_in).map(|row| &row.name);
        let moved = batch.ents_out.iter().chain(&batch.reorders).map(|reorder| &reorder.name);
        let seen = batch.seen.iter().map(|seen| &seen.name);
        let touched: HashSet<&OwnerName> = rows.chain(new).chain(moved).chain(seen).collect();
        let apart = !names.iter().chain(&around).any(|name| touched.contains(name));
        apart.then_some(Self { names, around })
    }

    /// Reads it. What fails here is read once more in its turn, and fails there.
    pub async fn read(self, reader: &impl Reads) -> Option<Ahead> {
        let at = Instant::now();
        let read = reader.names_and_around(&self.names, &self.around).await.ok()?;
        Some(Ahead { wanted: self, read, at })
    }
}

/// What was read ahead.
pub struct Ahead {
    wanted: Wanted,
    read: NameRows,
    at: Instant,
}

impl Ahead {
    /// What was read, if it was these names and it is fresh.
    pub fn of(self, names: &[OwnerName], around: &[OwnerName]) -> Option<NameRows> {
        let same = self.wanted.names == names && self.wanted.around == around;
        (same && self.at.elapsed() < FRESH).then_some(self.read)
    }
}
