//! What arrives: pages, look-ups, zones, the ledger's stream, events, the lease.

use super::{
    audit::{Audit, Flaw, Waiters},
    deep::Whole,
    engine::{AGAIN, Aim, Engine, ZONES_EVERY},
    error::EngineError,
    servers::{Api, Tables},
    tally::Cause,
    tasks::{Failure, Note, ReadZones},
    world::Applied,
};
use crate::{
    cloudstack::{ApiError, Looked},
    desired::{OwnerIndex, ZoneList},
    metrics::chain,
    model::{Kind, Outcome, OwnerName, Owners, ReadSeq, Vm, VmId, Zone, ZoneId, Zones},
    observe::{Board, NameState, Pass, ZoneLine},
    powerdns::DbError,
    queue::{Moment, Priority},
};
use std::{collections::HashSet, sync::Arc};
use tokio::time;

/// The names of which the board does not say who waits for them: settling one says it.
fn shown_wrongly(board: &Board, waiting: &Waiters) -> Vec<OwnerName> {
    let word = Outcome::Waiting { holder: None }.word();
    let shown = |state: &NameState| -> HashSet<(VmId, Kind)> {
        let standings = state.standings.iter().filter(|standing| standing.word == word);
        standings.filter_map(|standing| Some((standing.vm?, standing.kind))).collect()
    };
    let unknown = waiting.keys().filter(|name| board.name(name).is_none()).cloned();
    let mut names: Vec<OwnerName> = unknown.collect();
    board.each_name(|name, state| {
        let shown = shown(state);
        if waiting.get(name).map_or(!shown.is_empty(), |waiting| *waiting != shown) {
            names.push(name.clone());
        }
    });
    names
}

/// The zones, as they are shown.
fn zone_lines(zones: &Zones, list: &ZoneList) -> Vec<ZoneLine> {
    let line = |zone: &Zone| ZoneLine {
        id: zone.id,
        name: zone.name.clone(),
        kind: zone.kind.word(),
        signed: zone.dnssec.word(),
        shut: zone
            .unwritable()
            .map(|why| why.to_string())
            .or_else(|| (!list.allows_anyone(&zone.name)).then(|| "DNS_ZONES does not list it".to_owned())),
    };
    zones.iter().map(line).collect()
}

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) async fn take_note(&mut self, note: Note) -> Result<(), EngineError> {
        match note {
            Note::Looked { asked, read, answer } => self.take_looked(asked, read, answer),
            Note::Owners { read, answer } => {
                self.tasks.owners.take_if(|own| *own == read);
                match answer {
                    // A resync that began later has brought newer ones.
                    Ok(_) if read < self.owners_read => {}
                    Ok(owners) => {
                        self.owners_read = read;
                        self.owners_trouble.over();
                        self.take_owners(owners.into_inner()).await?;
                    }
                    Err(error) => {
                        self.owners_trouble.tell(&chain(&error), "cannot read the owners: tries again");
                        self.owners_wanted = true;
                        self.owners_due = self.now().plus(AGAIN);
                    }
                }
            }
            Note::Zones(answer) => self.take_zones_answer(answer),
            Note::Deep(names) => self.take_deep(names),
            Note::LeftBehind(answer) => {
                self.tasks.left_behind = false;
                match answer {
                    Ok(rows) => self.board.set_left_behind(rows),
                    // Only shown, and read again with the next resync.
                    Err(error) => {
                        tracing::debug!(error = %chain(&error), "cannot read what was left behind");
                    }
                }
            }
            Note::Page { read, vms } => {
                for vm in vms {
                    self.apply(vm, read, true, false);
                }
            }
            // Of a resync that was given up.
            Note::Listed { read, .. }
            | Note::Audited { listing: read }
            | Note::Failed { listing: read, .. }
                if self.listings.last().is_none_or(|(seq, _)| *seq != read) => {}
            Note::Listed { read, listing, ended, lacking } => {
                self.expect_heritage();
                let mut ids = self.world.inventory.lacking(read);
                ids.extend(self.world.orphans());
                tracing::debug!(vms = listing.get().total, lacking = ids.len(), "listed");
                self.listed = true;
                let now = self.now();
                // A transaction that this note has waited for took none of the API's time.
                self.resync.listed(now.minus(ended.elapsed()));
                if let Some(resynced) = &mut self.resynced {
                    resynced.listed = now;
                }
                self.tally.begin_audit();
                // A standby does not read the ledger: it is to be warm, not to judge.
                self.audit = self
                    .may_write()
                    .then(|| Audit::new(self.settings.plan.owner.clone(), self.settings.plan.ttl));
                if let (Some(audit), Some(heritage)) = (&mut self.audit, &self.heritage) {
                    audit.also_of(heritage.vms());
                }
                let _ = lacking.send(ids);
            }
            Note::Lacking { listing, answer } => self.take_lacking(listing, answer),
            Note::Entries(entries) => {
                for (entry, row) in entries {
                    if self.settings.adopt.is_some() {
                        self.with_entries.insert(entry.name.clone());
                    }
                    let Some(audit) = &mut self.audit else { continue };
                    let flaw = audit.take(&mut self.world, &entry, row.as_ref());
                    if entry.owner == self.settings.plan.owner {
                        self.tally.note_entry(entry.zone);
                    }
                    match flaw {
                        Some(Flaw::Differs) => self.mark_for(&entry.name, Cause::Rows),
                        Some(Flaw::Unclaimed) => self.mark_for(&entry.name, Cause::Vms),
                        Some(Flaw::Ttl) => self.mark(&entry.name, Priority::Retime),
                        None => {}
                    }
                }
            }
            Note::Surveyed(rows) => self.take_survey(rows),
            Note::Audited { listing } => self.take_audited(listing),
            Note::Failed { failure, .. } => self.take_failure(failure)?,
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, vm: Vm, read: ReadSeq, listing: bool, triggered: bool) {
        let id = vm.id;
        let applied = self.world.apply(vm, read, listing, triggered);
        let touched = self.after(id, applied);
        if !listing {
            self.mark_live(id, &touched);
        }
    }

    /// Returns the names to mark. A listing marks nothing: the audit that follows it compares everything.
    fn after(&mut self, id: VmId, applied: Applied) -> Vec<OwnerName> {
        if applied.ownerless {
            self.owners_wanted = true;
        }
        if let Some(rejections) = applied.rejections {
            self.board.set_rejections(id, rejections);
        }
        applied.touched
    }

    fn take_looked(&mut self, asked: Vec<(VmId, bool)>, read: ReadSeq, answer: Result<Looked, ApiError>) {
        self.tasks.looks -= 1;
        let now = self.now();
        match answer {
            Err(error) => {
                self.metrics.passes.look_failures.inc();
                self.ended(Pass::Look, Err(chain(&error)));
                tracing::warn!(error = %chain(&error), vms = asked.len(), "look-up failed: tries again");
                for (id, _) in asked {
                    let jitter = self.roll();
                    self.vms.failed(id, now, jitter);
                }
            }
            Ok(looked) => {
                self.ended(Pass::Look, Ok(()));
                let failed: HashSet<VmId> = looked.failed.iter().map(|(id, _)| *id).collect();
                if let Some((id, error)) = looked.failed.first() {
                    let (error, others) = (chain(error), looked.failed.len() - 1);
                    tracing::warn!(vm = %id, others, %error, "a look-up fails for this VM: tries again");
                }
                for (id, error) in looked.failed {
                    self.metrics.passes.look_failures.inc();
                    tracing::debug!(vm = %id, error = %chain(&error), "a look-up fails for this VM: tries again");
                    let jitter = self.roll();
                    self.vms.failed(id, now, jitter);
                }
                for (id, vm) in looked.found {
                    let said_gone = asked.iter().any(|(asked, gone)| *asked == id && *gone);
                    match vm {
                        Some(vm) => self.apply(vm, read, false, true),
                        None if said_gone => {
                            let applied = self.world.bury(id, read, true);
                            let touched = self.after(id, applied);
                            self.mark_live(id, &touched);
                        }
                        // Nobody said that it is gone: two listings have to prove it.
                        None if self.world.inventory.get(id).is_some() => self.resync.request(now),
                        None => {}
                    }
                }
                for (id, _) in asked.into_iter().filter(|(id, _)| !failed.contains(id)) {
                    self.vms.done(id, now);
                }
            }
        }
    }

    fn take_lacking(&mut self, listing: ReadSeq, answer: Vec<(VmId, Option<Vm>)>) {
        for (id, vm) in answer {
            if let Some(vm) = vm {
                self.apply(vm, listing, true, false);
                continue;
            }
            let apart = self.settings.resync_min_interval;
            let listings = &self.listings;
            let began = |read| listings.iter().find(|(seq, _)| *seq == read).map(|(_, at)| *at);
            let proved = self.world.lacked_twice(id, listing, |first, last| {
                match (began(first), began(last)) {
                    (Some(first), Some(last)) => last.since(first) >= apart,
                    // The first has been forgotten: it is long past.
                    (None, Some(_)) => true,
                    _ => false,
                }
            });
            if proved {
                // Of one that only the ledger knew, no event came while this process ran.
                let known = self.world.inventory.get(id).is_some();
                let applied = self.world.bury(id, listing, false);
                for name in self.after(id, applied) {
                    if known {
                        self.mark_for(&name, Cause::Vms);
                    } else {
                        self.mark(&name, Priority::Repair);
                    }
                }
            }
        }
    }

    /// Whether decisions are this process's business: it plans, or it holds the lease.
    pub(super) fn may_write(&self) -> bool {
        matches!(self.settings.aim, Aim::Plan | Aim::Adopt) || self.writer.is_some()
    }

    fn take_audited(&mut self, listing: ReadSeq) {
        let now = self.now();
        if let Some(audit) = self.audit.take() {
            let entries = audit.entries();
            self.held.audited(audit.held_sets());
            match self.settings.aim {
                Aim::Serve => self.owned_before = Some(entries),
                Aim::Converge | Aim::Plan | Aim::Adopt => _ = self.owned_before.get_or_insert(entries),
            }
            let found = audit.end(&mut self.world, listing);
            self.tally.end_audit();
            if let Some(resynced) = &mut self.resynced {
                (resynced.read, resynced.found) = (Some(now), (entries, found.marks.len()));
            }
            for name in found.marks {
                self.mark_for(&name, Cause::Vms);
            }
            if self.settings.aim == Aim::Serve {
                for name in shown_wrongly(&self.board, &found.waiting) {
                    self.mark(&name, Priority::Repair);
                }
            }
            self.audited = true;
            for name in self.losses.names() {
                self.mark(&name, Priority::Repair);
            }
            self.losses.weigh_again();
            if self.settings.aim == Aim::Serve {
                self.tasks.read_left_behind();
            }
        }
        self.failed_resyncs = 0;
        self.first_failure = None;
        self.last_failure = None;
        self.ended(Pass::Resync, Ok(()));
        self.world.inventory.prune_tombstones(listing);
        let began = self.listings.iter().find(|(seq, _)| *seq == listing).map_or(now, |(_, at)| *at);
        let passes = &self.metrics.passes;
        passes.resync_millis.set(u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX));
        self.resync.done(now);
        let open = self.world.open_proofs();
        self.open_proofs.push(open);
        if self.settings.aim == Aim::Serve && self.open_proofs.len() > 3 {
            self.open_proofs.remove(0);
        }
        // What three listings have not proved, a VM that cannot be read perhaps, waits for the next in turn.
        let stuck =
            self.settings.aim == Aim::Serve && matches!(self.open_proofs[..], [a, b, c] if a == b && b == c);
        if open > 0 && !stuck {
            self.resync.request(now);
        }
    }

    fn take_failure(&mut self, failure: Failure) -> Result<(), EngineError> {
        let now = self.now();
        let jitter = self.roll();
        self.audit = None;
        self.resynced = None;
        self.resync.failed(now, jitter);
        self.failed_resyncs += 1;
        let (text, transient) = match &failure {
            Failure::Api(error) => (chain(error), error.is_transient()),
            Failure::Db(error) => (chain(error), error.is_transient()),
        };
        let first = *self.first_failure.get_or_insert(now);
        let given_up = self.gives_up(transient, first);
        if !given_up {
            tracing::warn!(error = %text, "resync failed: tries again");
        }
        self.ended(Pass::Resync, Err(text));
        let error = match failure {
            Failure::Api(error) => EngineError::Api(error),
            Failure::Db(error) => EngineError::Db(error),
        };
        if given_up {
            return Err(error);
        }
        if self.settings.aim == Aim::Serve {
            return Ok(());
        }
        self.last_failure = Some(error);
        Ok(())
    }

    /// Ends a one-shot run whose servers have stayed away for too long; the next try would come later.
    pub(super) fn check_patience(&mut self) -> Result<(), EngineError> {
        let waited = self.first_failure.map(|first| self.now().since(first)).unwrap_or_default();
        let over = waited > super::engine::PATIENCE && !self.resync.is_running();
        match self.last_failure.take_if(|_| over) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes the owners; claims are computed anew where they matter.
    async fn take_owners(&mut self, owners: Owners) -> Result<(), EngineError> {
        let Some(cloud) = owners.topmost().map(|id| id.to_string()) else { return Err(EngineError::NoCloud) };
        self.check_cloud(&cloud).await?;
        let index = OwnerIndex::new(&owners);
        if index != self.world.owners {
            self.world.owners = index;
            self.recompute_all(Cause::Owners);
        }
        Ok(())
    }

    fn recompute_all(&mut self, cause: Cause) {
        let ids: Vec<VmId> = self.world.inventory.iter().map(|known| known.vm().id).collect();
        let mut lost_owner = false;
        for id in ids {
            let applied = self.world.recompute(id);
            lost_owner |= applied.ownerless;
            for name in self.after(id, applied) {
                if self.audited {
                    self.mark_for(&name, cause);
                }
            }
        }
        // VMs name their account by its name, and no event tells them that it has another one by now.
        if lost_owner && !self.resync.is_running() {
            self.resync.request(self.now());
        }
    }

    fn take_zones_answer(&mut self, answer: Result<ReadZones, DbError>) {
        // A resync reads zones too, as a part of its own pass, and tells its errors by its own note.
        let own_pass = std::mem::take(&mut self.tasks.zones);
        let result = match answer {
            Ok(read) => {
                // The database answers again.
                self.settle_due = Moment::default();
                self.zones_trouble.over();
                self.take_zones(read);
                Ok(())
            }
            Err(error) => {
                let text = chain(&error);
                self.zones_trouble.tell(&text, "cannot read the zones: tries again");
                self.zones_due = self.now().plus(AGAIN);
                Err(text)
            }
        };
        if own_pass {
            self.ended(Pass::Zones, result);
        }
    }

    pub(super) fn take_zones(&mut self, (zones, deep): ReadZones) {
        self.zones_due = self.now().plus(ZONES_EVERY);
        self.take_deep(deep);
        let mut moved = Vec::new();
        for zone in zones.iter() {
            let Some(serial) = zone.soa.as_ref().map(crate::model::SoaContent::serial) else { continue };
            // What we wrote after this reading began is not what it could have seen.
            if self.serials.get(&zone.id).is_some_and(|(_, wrote)| *wrote >= self.zones_begun) {
                continue;
            }
            let lower = zone.last_serial.is_some_and(|last| last.is_after(serial));
            if lower && zone.unwritable().is_none() && self.world.settings.zones.allows_anyone(&zone.name) {
                self.lowered.insert(zone.id);
            }
            let known = self.serials.insert(zone.id, (serial, Moment::default()));
            if known.is_some_and(|(known, _)| known != serial) {
                moved.push(zone.name.clone());
            }
        }
        if zones.differ_in_place(&self.world.zones) {
            self.board.set_zones(zone_lines(&zones, &self.world.settings.zones));
            self.world.zones = Arc::new(zones);
            self.recompute_all(Cause::Zones);
        } else {
            self.world.zones = Arc::new(zones);
        }
        if self.audited {
            for zone in moved {
                tracing::debug!(%zone, "a serial that is not ours: looks at the zone's names");
                for name in self.world.inventory.names_within(zone.as_str()) {
                    self.mark_for(&name, Cause::Rows);
                }
            }
        }
    }

    fn take_deep(&mut self, names: Vec<(ZoneId, Whole)>) {
        let now = time::Instant::now();
        for (zone, names) in names {
            self.settler.deep.replace(zone, names, now);
        }
    }

    /// Whether a database error ends a one-shot run.
    pub(super) fn db_trouble(&mut self, error: DbError) -> Result<(), EngineError> {
        let now = self.now();
        let first = *self.first_failure.get_or_insert(now);
        self.metrics.passes.settle_failures.inc();
        self.pause_settling();
        let text = chain(&error);
        let given_up = self.gives_up(error.is_transient(), first);
        if !given_up {
            tracing::warn!(error = %text, "cannot settle: tries again");
        }
        self.settle_failure = Some(text);
        if given_up { Err(EngineError::Db(error)) } else { Ok(()) }
    }

    /// Whether a failure ends a one-shot run, which then says so itself: the first one of this trouble came
    /// then.
    fn gives_up(&self, transient: bool, first: Moment) -> bool {
        let over = self.now().since(first) > super::engine::PATIENCE;
        self.settings.aim != Aim::Serve && (!transient || over)
    }
}
