//! What the engine shows of itself: metrics, and the log's line for each pass.

use super::{
    engine::{Aim, Engine},
    servers::{Api, Tables},
    tally::Cause,
};
use crate::{
    metrics::Attempts,
    model::{OwnerName, VmId},
    observe::Pass,
    queue::{Moment, Priority},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Numbers that take some work to know are shown no more often than this.
const GAUGE: Duration = Duration::from_millis(500);

/// A resync, and what had been written when it began.
#[derive(Debug, Clone, Copy)]
pub struct Resynced {
    /// When it began.
    pub begun: Moment,
    /// When everything was listed.
    pub listed: Moment,
    /// When the ledger was read, too; none as long as it was not.
    pub read: Option<Moment>,
    /// Entries in the ledger, and names marked.
    pub found: (u64, usize),
    /// Rows added, deleted and given another TTL before.
    before: [u64; 3],
}

impl<A: Api, T: Tables> Engine<A, T> {
    fn attempts(&self, pass: Pass) -> &Attempts {
        let passes = &self.metrics.passes;
        match pass {
            Pass::Resync => &passes.resync,
            Pass::Look => &passes.look,
            Pass::Settle => &passes.settle,
            Pass::Zones => &passes.zones,
        }
    }

    /// A pass begins. Each ends with [`Self::ended`].
    pub(super) fn begins(&self, pass: Pass) {
        self.attempts(pass).attempt.set_now();
        self.board.begin_pass(pass, Instant::now());
    }

    /// A pass has ended.
    pub(super) fn ended(&self, pass: Pass, result: Result<(), String>) {
        let attempts = self.attempts(pass);
        match &result {
            Ok(()) => {
                attempts.good.inc();
                attempts.success.set_now();
            }
            Err(_) => attempts.failed.inc(),
        }
        self.board.note_pass(pass, Instant::now(), result);
    }

    /// A resync begins.
    pub(super) fn begins_resync(&mut self, now: Moment) {
        let before = self.written();
        self.resynced = Some(Resynced { begun: now, listed: now, read: None, found: (0, 0), before });
        self.begins(Pass::Resync);
    }

    fn written(&self) -> [u64; 3] {
        [self.report.inserted, self.report.deleted, self.report.retimed]
    }

    /// Marks a name for what no event has told; what is found at the start has no event to miss.
    pub(super) fn mark_for(&mut self, name: &OwnerName, cause: Cause) {
        if self.audited && self.may_write() {
            self.tally.note_cause(name, cause);
        }
        self.mark(name, Priority::Repair);
    }

    /// Marks names that a VM's event has brought up.
    pub(super) fn mark_live(&mut self, id: VmId, names: &[OwnerName]) {
        let event = self.vms.event_of(id).filter(|_| self.may_write());
        for name in names {
            if let Some(came) = event {
                self.tally.note_event(name, came);
            }
            self.mark(name, Priority::Live);
        }
    }

    /// The numbers of this moment.
    pub(super) fn gauge(&mut self) {
        let now = self.now();
        let passes = &self.metrics.passes;
        passes.dirty_vms.set(self.vms.len() as u64);
        passes.dirty_names.set(self.names.len() as u64);
        passes.vms.set(self.world.inventory.len() as u64);
        passes.frozen.set(self.world.frozen() as u64);
        passes.zone_count.set(self.world.zones.len() as u64);
        if self.gauged.is_some_and(|gauged| now.since(gauged) < GAUGE) {
            return;
        }
        self.gauged = Some(now);
        let age = |since: Option<Moment>| since.map(|since| now.since(since));
        passes.dirty_vms_since.set_ago(age(self.vms.oldest(now)));
        passes.dirty_names_since.set_ago(age(self.names.oldest(now)));
        if let Some(counts) = self.tally.news() {
            let zones = &self.world.zones;
            let mut records: BTreeMap<String, u64> = BTreeMap::new();
            for (zone, count) in counts.filter(|(_, count)| *count > 0) {
                let name = zones.with_id(zone).map(|zone| zone.name.to_string()).unwrap_or_default();
                *records.entry(name).or_default() += count;
            }
            self.board.set_records(records);
        }
    }

    /// One line for each resync, once what it has marked is settled; and one for all changes that were too many
    /// for a line each.
    pub(super) fn sum_up(&mut self, end: bool) {
        let now = self.now();
        if let Some(sum) = self.journal.sum(now, end) {
            let (added, deleted, retimed) = (sum.added, sum.deleted, sum.retimed);
            tracing::info!(
                added,
                deleted,
                retimed,
                "changes too many for a line each (RUST_LOG=debug has them)"
            );
        }
        let Some((resynced, read)) = self.resynced.and_then(|one| Some((one, one.read?))) else { return };
        self.resynced = None;
        if self.settings.aim == Aim::Plan {
            return;
        }
        let [added, deleted, retimed] = self.written();
        let before = resynced.before;
        let seconds = |from: Moment, to: Moment| (to.since(from).as_secs_f64() * 1000.0).round() / 1000.0;
        tracing::info!(
            vms = self.world.inventory.len(),
            zones = self.world.zones.len(),
            entries = resynced.found.0,
            marked = resynced.found.1,
            added = added - before[0],
            deleted = deleted - before[1],
            retimed = retimed - before[2],
            held = self.report.held,
            left = self.names.len(),
            listed_seconds = seconds(resynced.begun, resynced.listed),
            compared_seconds = seconds(resynced.listed, read),
            settled_seconds = seconds(read, now),
            "resync done"
        );
    }
}
