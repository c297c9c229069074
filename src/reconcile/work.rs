//! What the engine does of its own accord: look-ups, readings, and settling names.

use super::{
    ahead::Ahead,
    engine::{Aim, Engine},
    error::EngineError,
    servers::{Api, Tables},
    tasks,
};
use crate::{
    metrics::chain,
    model::{Batch, OwnerName, ZoneId},
    observe::Pass,
    plan::{Losses, MAX_ROWS},
    powerdns::{Committed, DbError, WriteError},
    queue::{Priority, backoff},
};
use std::collections::HashMap;
use tokio::time;

/// Names of one reading. With the apexes above them they fit into one list of 500 (design 8), and with
/// two addresses each into one transaction of 1000 rows.
pub(super) const NAMES: usize = 480;
/// Names of one reading while VMs are looked at, whose names come in a moment and go first.
const SHORT: usize = 64;
/// How many times as many names a one-shot pass settles in one go: there are no events to wait for them.
const LOADS: usize = 8;
/// Look-ups in flight; each asks about up to [`IDS`] VMs.
const LOOKS: usize = 2;
/// What one request asks about at most (facts: cloudstack 3.4: `ids` in a POST).
const IDS: usize = 200;
/// How often the same names are planned again at once before they wait.
const REPLANS: u32 = 3;
/// So many names refused one by one, and none taken between them, are the database's trouble (read-only, a full
/// disk) and no longer theirs.
const ENOUGH: u32 = 20;

impl<A: Api, T: Tables> Engine<A, T> {
    /// Begins the readings that are due.
    pub(super) fn start_work(&mut self) {
        let now = self.now();
        // A one-shot pass has its lease before it begins, or ends: there is nothing to be warm for.
        let holds = self.settings.aim != Aim::Converge || self.writer.is_some();
        if holds && self.resync.is_due(now) && !self.resync.is_running() {
            let read = self.world.begin_read();
            self.listings.push((read, now));
            self.listing = Some(read);
            // What is forgotten is long past.
            let apart = self.settings.resync_min_interval;
            if self.listings.len() > 16 && now.since(self.listings[1].1) >= apart {
                self.listings.remove(0);
            }
            self.resync.start(now);
            self.world.begin_listing(!self.audited);
            self.begins_resync(now);
            self.zones_begun = now;
            // Half of the interval: each resync in its turn reads zones whole, those asked for do not.
            let fresh = self.settler.deep.fresh(self.settings.resync_interval / 2, time::Instant::now());
            self.tasks.resync(read, fresh, self.may_write(), self.settings.aim != Aim::Serve);
        }
        if self.owners_wanted
            && now >= self.owners_due
            && self.tasks.owners.is_none()
            && !self.resync.is_running()
            && self.listed
        {
            self.owners_wanted = false;
            let read = self.world.begin_read();
            self.tasks.read_owners(read);
        }
        if now >= self.zones_due && !self.tasks.zones && !self.resync.is_running() && self.listed {
            self.begins(Pass::Zones);
            self.zones_begun = now;
            self.tasks.read_zones(self.settler.deep.zones());
        }
        while self.tasks.looks < LOOKS && self.listed {
            let asked = self.vms.take(now, IDS);
            if asked.is_empty() {
                break;
            }
            let read = self.world.begin_read();
            self.begins(Pass::Look);
            self.tasks.look(asked, read);
        }
    }

    /// Settles the next names that are due. Returns whether there were any.
    pub(super) async fn settle_some(&mut self) -> Result<bool, EngineError> {
        let now = self.now();
        // While one load is written the next one is prepared. A controller that serves takes one at a time: what
        // it put back for an event's sake would come later each time.
        let waited_for = self.tasks.looks > 0 && self.names.most_urgent(now) != Some(Priority::Live);
        let most = match self.settings.aim {
            Aim::Converge => LOADS * NAMES,
            Aim::Serve if waited_for => SHORT,
            _ => NAMES,
        };
        let taken = self.names.take(now, most);
        if taken.is_empty() {
            return Ok(false);
        }
        let priorities: HashMap<OwnerName, Priority> = taken.iter().cloned().collect();
        let names: Vec<OwnerName> = taken.into_iter().map(|(name, _)| name).collect();
        self.begin_settling();
        self.settle(names, Losses::Hold { set: self.held.planned() }, &priorities).await?;
        if self.end_settling() {
            self.first_failure = None;
        }
        Ok(true)
    }

    pub(super) fn begin_settling(&mut self) {
        self.settle_failure = None;
        self.begins(Pass::Settle);
    }

    /// Whether it went well.
    pub(super) fn end_settling(&mut self) -> bool {
        let result = self.settle_failure.take().map_or(Ok(()), Err);
        let well = result.is_ok();
        self.ended(Pass::Settle, result);
        well
    }

    /// Settles names, one transaction after another. A batch that fails is split by zone, then by name,
    /// so that only the culprit waits (design 6).
    pub(super) async fn settle(
        &mut self,
        mut names: Vec<OwnerName>,
        losses: Losses,
        priorities: &HashMap<OwnerName, Priority>,
    ) -> Result<(), EngineError> {
        // Reverse names point at what forward names come to, those of the same transaction too.
        names.sort_by_key(OwnerName::is_arpa);
        let mut batches: Vec<(Vec<OwnerName>, u32)> = self.loads(names).map(|names| (names, 0)).collect();
        let mut refused = 0;
        let mut ahead: Option<Ahead> = None;
        loop {
            let next = match ahead.take() {
                Some(next) => Some(next),
                None => match self.prepare_next(&mut batches, losses).await {
                    Ok(next) => next,
                    Err(error) => {
                        self.put_back(Vec::new(), batches);
                        return self.db_trouble(error);
                    }
                },
            };
            let Some(Ahead { names, tries, mut prepared }) = next else { break };
            let written;
            (written, ahead) = self.write_and_prepare(&mut prepared, &mut batches, losses).await;
            if written.is_err()
                && let Some(ahead) = ahead.take()
            {
                batches.push((ahead.names, ahead.tries));
                // Whoever plans these names again does not see the alias come or go once more.
                for name in ahead.prepared.also {
                    self.mark(&name, Priority::Live);
                }
            }
            match written {
                Ok(()) => {
                    self.db_failures = 0;
                    if !prepared.batch.is_empty() {
                        refused = 0;
                    }
                    if !prepared.deferred.is_empty() {
                        batches.push((prepared.deferred.clone(), 0));
                    }
                    self.note_settled(prepared, priorities);
                }
                Err(WriteError::Fenced) => {
                    tracing::warn!("fenced: another process holds the lease; nothing was written");
                    if self.settings.aim != Aim::Serve {
                        return Err(EngineError::LeaseLost);
                    }
                    self.stand_down();
                    return Ok(());
                }
                Err(WriteError::Zones(what)) if tries < REPLANS => {
                    tracing::debug!(%what, "a zone has changed: reads the zones, then plans again");
                    batches.push((names, tries + 1));
                    let known = self.settler.deep.zones();
                    match tasks::zones(&self.settler.reader, |id| !known.contains(&id)).await {
                        Ok(read) => self.take_zones(read),
                        Err(error) => {
                            self.put_back(Vec::new(), batches);
                            return self.db_trouble(error);
                        }
                    }
                }
                Err(error) if tries < REPLANS && error.is_transient() => batches.push((names, tries + 1)),
                Err(error) => {
                    refused += u32::from(names.len() == 1);
                    self.split(names, &error, &mut batches);
                    if refused >= ENOUGH && self.settings.aim == Aim::Serve {
                        self.put_back(Vec::new(), batches);
                        self.pause_settling();
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    async fn prepare_next(
        &mut self,
        batches: &mut Vec<(Vec<OwnerName>, u32)>,
        losses: Losses,
    ) -> Result<Option<Ahead>, DbError> {
        let Some((names, _)) = batches.last() else { return Ok(None) };
        let prepared = self.settler.prepare(&mut self.world, names, losses).await?;
        Ok(batches.pop().map(|(names, tries)| Ahead { names, tries, prepared }))
    }

    /// These names in loads that one transaction is likely to have room for, the last one first. A group
    /// weighs what its members do: what does not fit is read and decided once more.
    fn loads(&self, names: Vec<OwnerName>) -> impl Iterator<Item = Vec<OwnerName>> + use<A, T> {
        let mut loads: Vec<Vec<OwnerName>> = Vec::new();
        let mut room = 0;
        for name in names {
            let rows = 2 * self.world.inventory.claimants(name.as_str()).count().max(1);
            match loads.last_mut() {
                Some(load) if rows <= room => load.push(name),
                _ => {
                    loads.push(vec![name]);
                    room = MAX_ROWS;
                }
            }
            room = room.saturating_sub(rows);
        }
        loads.into_iter().rev()
    }

    pub(super) fn note_serials(&mut self, committed: &Committed) {
        let now = self.now();
        for (id, serial) in &committed.serials {
            self.serials.insert(*id, (*serial, now));
            if self.lowered.remove(id) {
                let zone = self.world.zones.with_id(*id).map(|zone| zone.name.to_string());
                let zone = zone.unwrap_or_default();
                tracing::info!(zone, %serial, "somebody had set the zone's serial back: it is above ours again");
            }
        }
    }

    /// Moves serials that went back above what we wrote: a secondary that has seen ours would hear of
    /// nothing more (design 8). One that cannot be moved now is seen again at the next reading of zones.
    pub(super) async fn repair_serials(&mut self) -> Result<(), EngineError> {
        let zones = self.serials_to_repair();
        let Some((writer, _)) = self.writer.as_ref().filter(|_| !zones.is_empty()) else { return Ok(()) };
        let batch = Batch { lowered: zones.clone(), ..Batch::default() };
        let result = self.settler.commit(&self.world, writer, &batch).await;
        if let Ok(committed) = &result {
            self.note_serials(committed);
        }
        for zone in &zones {
            self.lowered.remove(zone);
        }
        match result {
            Ok(_) => {}
            Err(WriteError::Fenced) if self.settings.aim != Aim::Serve => return Err(EngineError::LeaseLost),
            Err(WriteError::Fenced) => self.stand_down(),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot repair the serials of zones"),
        }
        Ok(())
    }

    /// The zones whose serial has to move for its own sake. Where names of the zone are to be settled first,
    /// or a resync may find some, the change that they bring moves it: one pass, one step.
    fn serials_to_repair(&self) -> Vec<ZoneId> {
        let ready = match self.settings.aim {
            Aim::Serve => self.listed && !self.resync.is_running(),
            Aim::Converge | Aim::Plan | Aim::Adopt => self.has_converged() && self.losses.is_empty(),
        };
        if self.lowered.is_empty() || self.bound.is_none() || !ready {
            return Vec::new();
        }
        let now = self.now();
        self.lowered.iter().copied().filter(|zone| !self.names.is_due_in(*zone, now)).collect()
    }

    /// One name alone waits with backoff; several are tried zone by zone, then one by one, in their order: the
    /// last of the batches is the next.
    fn split(&mut self, names: Vec<OwnerName>, error: &WriteError, batches: &mut Vec<(Vec<OwnerName>, u32)>) {
        if names.len() > 1 {
            let zone_of =
                |name: &OwnerName| self.world.zones.enclosing(name.as_str()).map_or(0, |zone| zone.id);
            let mut zones: Vec<(ZoneId, Vec<OwnerName>)> = Vec::new();
            for name in &names {
                let zone = zone_of(name);
                match zones.iter_mut().find(|(known, _)| *known == zone) {
                    Some((_, names)) => names.push(name.clone()),
                    None => zones.push((zone, vec![name.clone()])),
                }
            }
            if zones.len() > 1 {
                batches.extend(zones.into_iter().rev().map(|(_, names)| (names, 0)));
            } else {
                batches.extend(names.into_iter().rev().map(|name| (vec![name], 0)));
            }
            return;
        }
        self.metrics.passes.settle_failures.inc();
        let text = chain(error);
        for name in names {
            // A one-shot run tries a few times, and ends with how many are left.
            let again = if self.settings.aim == Aim::Serve { ": tries again" } else { "" };
            tracing::warn!(%name, error = %text, "cannot settle the name{again}");
            let tries = self.unsettled.entry(name.clone()).or_default();
            *tries += 1;
            self.comes_back(&name);
        }
        self.settle_failure = Some(text);
    }

    /// The database itself is in trouble, not a name: nothing is settled for a while.
    pub(super) fn pause_settling(&mut self) {
        self.db_failures = self.db_failures.saturating_add(1);
        let (now, jitter) = (self.now(), self.roll());
        self.settle_due = now.plus(backoff(self.db_failures, jitter));
    }

    /// Everything in hand waits, with backoff: the database itself is in trouble.
    fn put_back(&mut self, names: Vec<OwnerName>, batches: Vec<(Vec<OwnerName>, u32)>) {
        for name in names.into_iter().chain(batches.into_iter().flat_map(|(names, _)| names)) {
            self.comes_back(&name);
        }
    }

    /// A name that could not be settled stays dirty. One whose losses were being weighed is not in the queue:
    /// it is decided anew, and what it would lose then is weighed again.
    fn comes_back(&mut self, name: &OwnerName) {
        if self.names.is_in_work(name) {
            let (now, jitter) = (self.now(), self.roll());
            self.names.failed(name, now, jitter);
        } else {
            self.losses.forget(name);
            self.mark(name, Priority::Repair);
        }
    }
}
