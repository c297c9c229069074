//! Preparing ahead: names that come next are read and decided while a batch that touches none of them is
//! written.

use super::{
    carry,
    engine::{Aim, Engine},
    servers::{Api, Tables, Writes},
    settle::{Prepared, Settler, Surveyed},
};
use crate::{
    model::{Batch, OwnerName, Zones},
    plan::Losses,
    powerdns::WriteError,
};
use std::{collections::HashSet, panic::resume_unwind, sync::Arc, time::Instant};

/// Names that are prepared already, and how often they were planned before.
pub(super) struct Ahead {
    pub names: Vec<OwnerName>,
    pub tries: u32,
    pub prepared: Prepared,
}

impl<A: Api, T: Tables> Engine<A, T> {
    /// Writes what is prepared. Meanwhile the last of the batches is prepared and taken out, where the write
    /// leaves alone what it stands on.
    pub(super) async fn write_and_prepare(
        &mut self,
        prepared: &mut Prepared,
        batches: &mut Vec<(Vec<OwnerName>, u32)>,
        losses: Losses,
    ) -> (Result<(), WriteError>, Option<Ahead>) {
        if self.settings.aim == Aim::Plan || prepared.batch.is_empty() {
            return (Ok(()), None);
        }
        let Some((writer, _)) = &self.writer else { return (Err(WriteError::Fenced), None) };
        let (writer, zones) = (writer.clone(), self.world.zones.clone());
        let batch = Arc::new(std::mem::take(&mut prepared.batch));
        let written = batch.clone();
        // On a thread of its own: it builds statements and reads answers for as long as deciding takes.
        let metrics = Arc::clone(&self.metrics);
        let writing = tokio::spawn(async move {
            let begun = Instant::now();
            let committed = writer.commit(&written, &zones).await;
            metrics.passes.phases.of("write").add_since(begun);
            committed
        });
        let ahead = self.prepare_beside(&batch, batches, losses).await;
        let result = writing.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        prepared.batch = Arc::unwrap_or_clone(batch);
        let result = result.map(|committed| {
            self.settler.note_committed(&self.world, &prepared.batch);
            self.tally.note_commit(&prepared.batch, &self.settings.plan.owner);
            // What has gone was owned before the pass, and counts as used from now on.
            self.owned_before = self.owned_before.map(|owned| owned.saturating_sub(prepared.batch.losses));
            self.note_serials(&committed);
        });
        (result, ahead)
    }

    async fn prepare_beside(
        &mut self,
        batch: &Batch,
        batches: &mut Vec<(Vec<OwnerName>, u32)>,
        losses: Losses,
    ) -> Option<Ahead> {
        let (names, _) = batches.last()?;
        let surveyed = Settler::<T::Reader>::survey(&self.world, names);
        if !is_apart(batch, &self.world.zones, names, &surveyed) {
            return None;
        }
        // What fails here is prepared once more in its turn, and fails there.
        let prepared = self.settler.prepare_surveyed(&mut self.world, names, surveyed, losses).await.ok()?;
        let (names, tries) = batches.pop()?;
        Some(Ahead { names, tries, prepared })
    }
}

/// Whether a batch changes nothing of what a decision on these names rests on: the names themselves, what is
/// read around them, and what is below the names above them.
fn is_apart(batch: &Batch, zones: &Zones, names: &[OwnerName], surveyed: &Surveyed) -> bool {
    let rows = batch.deletes.iter().map(|owned| &owned.row().name);
    let new = batch.inserts.iter().chain(&batch.ents_in).map(|row| &row.name);
    let moved = batch.ents_out.iter().chain(&batch.reorders).map(|reorder| &reorder.name);
    let seen = batch.seen.iter().map(|seen| &seen.name);
    let written: HashSet<&OwnerName> = rows.chain(new).chain(moved).chain(seen).collect();
    let apexes = |name: &&OwnerName| zones.named(name.as_str()).is_none();
    let above = carry::around(zones, written.iter().copied());
    let above: HashSet<&OwnerName> = above.iter().filter(apexes).collect();
    let touched = |name: &OwnerName| written.contains(name) || above.contains(name);
    !names.iter().chain(&surveyed.around).any(touched)
}
