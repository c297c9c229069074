//! VMs that have to be looked at.

use super::{Moment, backoff, lane::Lane};
use crate::model::VmId;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

/// Events are published before the commit that they announce: each is followed by looks this long
/// after the latest one (design 6).
const FOLLOW_UPS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(30)];

/// No VM is looked at more often than once in this time.
const GAP: Duration = Duration::from_secs(1);

/// Why a VM has to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// An event named it: a look at once, and [`FOLLOW_UPS`] after the latest event.
    Live,
    /// A listing or a check wants to know: one look.
    Audit,
}

#[derive(Debug, Default)]
struct Entry {
    /// Since when a look is wanted, and why.
    live: Option<Moment>,
    audit: Option<Moment>,
    /// The latest event, and how many follow-ups have been had.
    event: Option<Moment>,
    followed: usize,
    /// The gap after the last look, or the backoff of a failed one.
    not_before: Moment,
    said_gone: bool,
    failures: u32,
    in_work: Option<Urgency>,
    /// The keys under which it stands in the two lanes.
    queued: [Option<Moment>; 2],
}

impl Entry {
    fn follow_up(&self) -> Option<Moment> {
        Some(self.event?.plus(*FOLLOW_UPS.get(self.followed)?))
    }

    /// When it is due in the two lanes.
    fn due(&self) -> [Option<Moment>; 2] {
        let live = self.live.into_iter().chain(self.follow_up()).min();
        [live, self.audit].map(|due| due.map(|due| due.max(self.not_before)))
    }

    fn is_clean(&self) -> bool {
        self.in_work.is_none() && self.due() == [None; 2]
    }

    fn want(&mut self, urgency: Urgency, now: Moment) {
        match urgency {
            Urgency::Live => self.live.get_or_insert(now),
            Urgency::Audit => self.audit.get_or_insert(now),
        };
    }
}

/// The dirty VMs.
#[derive(Debug, Default)]
pub struct DirtyVms {
    entries: HashMap<VmId, Entry>,
    lanes: [Lane<(), VmId>; 2],
    /// Clean ones that are remembered for the sake of [`GAP`], until then.
    resting: BTreeSet<(Moment, VmId)>,
    in_work: usize,
    /// Since when those have been due that are in work, or have failed and not succeeded since.
    since: HashMap<VmId, Moment>,
}

impl DirtyVms {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The VM has to be looked at. A look that is wanted already keeps its deadline, its backoff too;
    /// only follow-ups are counted from the latest event. `said_gone` is kept until all looks are had,
    /// since the look at once may come before the commit of what the event announced.
    pub fn mark(&mut self, id: VmId, said_gone: bool, urgency: Urgency, now: Moment) {
        let entry = self.entries.entry(id).or_default();
        self.resting.remove(&(entry.not_before, id));
        entry.said_gone |= said_gone;
        entry.want(urgency, now);
        if urgency == Urgency::Live {
            entry.event = Some(now);
            entry.followed = 0;
        }
        self.queue(id);
    }

    /// Up to `max` VMs that are due, with whether an event says that they are gone; live ones first,
    /// the earliest deadline first. They are in work until [`Self::done`], [`Self::failed`] or
    /// [`Self::put_back`].
    pub fn take(&mut self, now: Moment, max: usize) -> Vec<(VmId, bool)> {
        self.forget_rested(now);
        let mut taken = Vec::new();
        for (nth, urgency) in [Urgency::Live, Urgency::Audit].into_iter().enumerate() {
            while taken.len() < max {
                let Some(((), due, id)) = self.lanes[nth].first(now, None) else { break };
                self.since.entry(id).or_insert(due);
                let Some(entry) = self.entries.get_mut(&id) else { break };
                while entry.follow_up().is_some_and(|due| due <= now) {
                    entry.followed += 1;
                }
                (entry.live, entry.audit) = (None, None);
                entry.in_work = Some(urgency);
                entry.not_before = now.plus(GAP);
                taken.push((id, entry.said_gone));
                self.queue(id);
            }
        }
        self.in_work += taken.len();
        taken
    }

    /// The VM has been looked at. It stays dirty if it was marked since it was taken, or if follow-ups
    /// are still to come.
    pub fn done(&mut self, id: VmId, now: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.in_work.take().is_none() {
            return;
        }
        entry.failures = 0;
        self.in_work -= 1;
        self.since.remove(&id);
        self.queue(id);
        self.forget_rested(now);
    }

    /// The look failed: it is due again after a [`backoff`]. `jitter` is any random number.
    pub fn failed(&mut self, id: VmId, now: Moment, jitter: u32) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.in_work.is_some()) else { return };
        entry.failures = entry.failures.saturating_add(1);
        entry.not_before = entry.not_before.max(now.plus(backoff(entry.failures, jitter)));
        self.put_back(id, now);
    }

    /// The look was not tried: it is due again at once, but for the gap.
    pub fn put_back(&mut self, id: VmId, now: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(urgency) = entry.in_work.take() else { return };
        entry.want(urgency, now);
        self.in_work -= 1;
        self.queue(id);
    }

    /// When [`Self::take`] will have something: `now` if it has already, none while all is clean or in
    /// work.
    pub fn next_due(&self, now: Moment) -> Option<Moment> {
        let due = self.lanes.iter().filter_map(Lane::next_due).min()?;
        Some(due.max(now))
    }

    /// Whether there are more dirty VMs than a cloud with `known` VMs can explain: one resync is
    /// cheaper than looking at each. With every known VM marked there is still room for 10 000 and
    /// again as many as are known.
    pub fn overflowing(&self, known: usize) -> bool {
        self.len() > known.saturating_mul(2).saturating_add(10_000)
    }

    /// Drops the marks of VMs that are not known, said to be gone or not, in favour of a resync that
    /// the caller must request. Known ones, for which "said to be gone" counts, keep theirs: `is_known`
    /// should say yes to VMs that have entries in the ledger. What is in work ends without another run.
    /// Returns how many were dropped.
    pub fn collapse(&mut self, is_known: impl Fn(VmId) -> bool) -> usize {
        let unknown: Vec<VmId> = self.entries.keys().copied().filter(|id| !is_known(*id)).collect();
        let before = self.len();
        for id in unknown {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            (entry.live, entry.audit, entry.event) = (None, None, None);
            if entry.in_work.is_none() {
                self.since.remove(&id);
            }
            self.queue(id);
        }
        before - self.len()
    }

    /// When the latest event came that named the VM, as long as looks are to follow it.
    pub fn event_of(&self, id: VmId) -> Option<Moment> {
        self.entries.get(&id)?.event
    }

    /// Since when the one has been due that has been so for longest, failed ones included; none if none is.
    pub fn oldest(&self, now: Moment) -> Option<Moment> {
        let waiting = self.lanes.iter().filter_map(Lane::next_due).filter(|due| *due <= now);
        waiting.chain(self.since.values().copied()).min()
    }

    /// How many VMs are dirty, those in work and those that wait for a follow-up included.
    pub fn len(&self) -> usize {
        self.entries.len() - self.resting.len()
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are in work.
    pub fn in_work(&self) -> usize {
        self.in_work
    }

    /// Puts the entry where it belongs: into its lanes, to rest, or, while in work, nowhere.
    fn queue(&mut self, id: VmId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let due = if entry.in_work.is_some() { [None; 2] } else { entry.due() };
        for ((lane, old), new) in self.lanes.iter_mut().zip(&mut entry.queued).zip(due) {
            if *old != new {
                if let Some(old) = *old {
                    lane.remove((), old, id);
                }
                if let Some(new) = new {
                    lane.insert((), new, id);
                }
                *old = new;
            }
        }
        if entry.is_clean() {
            (entry.said_gone, entry.failures, entry.event) = (false, 0, None);
            self.resting.insert((entry.not_before, id));
        }
    }

    fn forget_rested(&mut self, now: Moment) {
        while let Some((until, id)) = self.resting.first().copied().filter(|(until, _)| *until <= now) {
            self.resting.remove(&(until, id));
            self.entries.remove(&id);
        }
    }
}
