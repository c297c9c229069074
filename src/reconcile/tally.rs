//! What is counted beside the work: why names had to be repaired, how long events take to show, and how many
//! records each zone has.

use crate::{
    model::{Batch, Entry, OwnerId, OwnerName, ZoneId},
    queue::Moment,
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// What showed, without any event, that a name has to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A listing: its VM has come, changed or gone, and the event of it was lost.
    Vms,
    /// The tables: somebody else has changed rows.
    Rows,
    /// The listings of accounts, domains and projects.
    Owners,
    /// Zones have come, changed or gone.
    Zones,
}

impl Cause {
    /// One word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vms => "vms",
            Self::Rows => "rows",
            Self::Owners => "owners",
            Self::Zones => "zones",
        }
    }

    /// A few words for the log.
    pub fn told(self) -> &'static str {
        match self {
            Self::Vms => "a resync found that the VM has changed",
            Self::Rows => "the rows were not as they should be",
            Self::Owners => "accounts, domains or projects have changed",
            Self::Zones => "zones have changed",
        }
    }
}

/// See the module. Only dirty names are remembered.
#[derive(Debug, Default)]
pub struct Tally {
    causes: HashMap<OwnerName, Cause>,
    /// When the event came that made a name dirty.
    events: HashMap<OwnerName, Moment>,
    owned: HashMap<ZoneId, u64>,
    /// The same as far as the audit under way has come.
    counting: HashMap<ZoneId, u64>,
    /// The counts have changed since they were last shown.
    news: bool,
}

impl Tally {
    /// A name is dirty for this reason.
    pub fn note_cause(&mut self, name: &OwnerName, cause: Cause) {
        self.causes.entry(name.clone()).or_insert(cause);
    }

    /// A name is dirty for an event that came then.
    pub fn note_event(&mut self, name: &OwnerName, came: Moment) {
        self.events.entry(name.clone()).or_insert(came);
    }

    /// When the event came that made it dirty.
    pub fn event_of(&self, name: &OwnerName) -> Option<Moment> {
        self.events.get(name).copied()
    }

    /// The name is settled: why it was dirty, and how long ago the event was.
    pub fn settled(&mut self, name: &OwnerName, now: Moment) -> (Option<Cause>, Option<Duration>) {
        (self.causes.remove(name), self.events.remove(name).map(|came| now.since(came)))
    }

    /// Another process settles names from now on.
    pub fn stand_down(&mut self) {
        (self.causes, self.events) = Default::default();
        (self.owned, self.news) = (HashMap::new(), true);
    }

    /// An audit begins.
    pub fn begin_audit(&mut self) {
        self.counting.clear();
    }

    /// An entry of ours, in this zone; 0 for none.
    pub fn note_entry(&mut self, zone: ZoneId) {
        *self.counting.entry(zone).or_default() += 1;
    }

    /// The audit has ended.
    pub fn end_audit(&mut self) {
        (self.owned, self.news) = (std::mem::take(&mut self.counting), true);
    }

    /// Counts what a transaction has changed. While an audit reads, what it counts may lag behind by what is
    /// committed meanwhile; the next one is right again.
    pub fn note_commit(&mut self, batch: &Batch, owner: &OwnerId) {
        if batch.puts.is_empty() && batch.endings.is_empty() {
            return;
        }
        let key =
            |entry: &Entry| (entry.zone, entry.name.clone(), entry.rtype.clone(), entry.content.clone());
        let seen = batch.seen.iter().flat_map(|seen| &seen.entries).filter(|entry| entry.owner == *owner);
        let seen: HashSet<_> = seen.map(key).collect();
        let ended: HashSet<_> = batch.endings.iter().map(|ending| key(&ending.entry)).collect();
        let put: HashSet<_> = batch.puts.iter().map(|put| key(&put.entry)).collect();
        for (zone, ..) in ended.iter().filter(|key| seen.contains(*key) && !put.contains(*key)) {
            let count = self.owned.entry(*zone).or_default();
            *count = count.saturating_sub(1);
        }
        for (zone, ..) in put.iter().filter(|key| !seen.contains(*key)) {
            *self.owned.entry(*zone).or_default() += 1;
        }
        self.news = true;
    }

    /// How many records each zone has, if that has changed since it was last asked.
    pub fn news(&mut self) -> Option<impl Iterator<Item = (ZoneId, u64)>> {
        let news = std::mem::take(&mut self.news);
        news.then(|| self.owned.iter().map(|(zone, count)| (*zone, *count)))
    }
}
