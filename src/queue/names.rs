//! Owner names that have to be settled.

use super::{Moment, backoff, lane::Lane};
use crate::model::{OwnerName, ZoneId};
use std::{collections::HashMap, time::Duration};

/// Why a name has to be settled; the more urgent ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Something happened.
    Live,
    /// An audit found it amiss.
    Repair,
    /// Only its TTLs are to change.
    Retime,
}

const PRIORITIES: [Priority; 3] = [Priority::Live, Priority::Repair, Priority::Retime];

/// How much younger forward names may be and still keep a live reverse name waiting. Without such a
/// bound a steady stream of forward names would starve it; without any wait it would be decided before
/// the names that it could point at.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many less urgent names go along with what events have marked.
const BESIDE_LIVE: usize = 64;

/// Forward and reverse names of a priority.
type Lanes = [Lane<ZoneId, OwnerName>; 2];
const FORWARD: usize = 0;
const REVERSE: usize = 1;

/// Where a name is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In its lane, with this deadline.
    Waiting(Moment),
    /// Handed out; marked again since, at this moment.
    InWork(Option<(Moment, Priority)>),
}

/// What the map keeps of a name: 40 octets with the key, whose text is shared.
#[derive(Debug, Clone, Copy)]
struct Entry {
    place: Place,
    zone: ZoneId,
    failures: u16,
    priority: Priority,
}

/// The dirty owner names. Within a priority forward names come before reverse ones, which come along once no
/// forward one is left; then the earliest deadline comes first and takes those of its zone along.
#[derive(Debug, Default)]
pub struct DirtyNames {
    entries: HashMap<OwnerName, Entry>,
    lanes: [Lanes; PRIORITIES.len()],
    in_work: usize,
    /// Since when those have been due that are in work, or have failed and not succeeded since.
    since: HashMap<OwnerName, Moment>,
}

impl DirtyNames {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name has to be settled. `zone` groups names for draining; any constant will do for names
    /// that no zone encloses. A name that waits keeps its deadline, its backoff too, and rises to the
    /// more urgent priority; a name in work is handed out once more when that work ends.
    pub fn mark(&mut self, name: &OwnerName, zone: ZoneId, priority: Priority, now: Moment) {
        let Some(entry) = self.entries.get_mut(name) else {
            let entry = Entry { place: Place::Waiting(now), zone, failures: 0, priority };
            self.entries.insert(name.clone(), entry);
            self.lane(priority, name).insert(zone, now, name.clone());
            return;
        };
        match &mut entry.place {
            Place::Waiting(due) => {
                let due = *due;
                let old = *entry;
                let raised = priority.min(old.priority);
                if raised != old.priority || zone != old.zone {
                    entry.priority = raised;
                    entry.zone = zone;
                    self.lane(old.priority, name).remove(old.zone, due, name.clone());
                    self.lane(raised, name).insert(zone, due, name.clone());
                }
            }
            Place::InWork(again) => {
                let (at, before) = again.unwrap_or((now, priority));
                *again = Some((at, before.min(priority)));
                entry.zone = zone;
            }
        }
    }

    /// Up to `max` names that are due; they are in work until [`Self::done`], [`Self::failed`] or
    /// [`Self::put_back`]. Reverse names come behind all forward ones that are due, so that one transaction may
    /// hold what an event changes. Less urgent ones fill up what the more urgent ones leave, so that a steady
    /// stream of events does not starve an audit; beside what events have marked only a few, which those
    /// hardly wait for.
    pub fn take(&mut self, now: Moment, mut max: usize) -> Vec<(OwnerName, Priority)> {
        let mut taken = Vec::new();
        let Some((first, side)) = self.turn(now) else { return taken };
        for (nth, lanes) in self.lanes.iter_mut().enumerate().skip(first) {
            if side == REVERSE && nth > first && lanes[FORWARD].first(now, None).is_some() {
                continue;
            }
            if first == 0 && nth == 1 {
                max = max.min(taken.len() + BESIDE_LIVE);
            }
            for lane in &mut lanes[side..] {
                let mut group = None;
                while taken.len() < max {
                    let Some((zone, due, name)) = lane.first(now, group) else { break };
                    group = Some(zone);
                    lane.remove(zone, due, name.clone());
                    if let Some(entry) = self.entries.get_mut(&name) {
                        entry.place = Place::InWork(None);
                        self.since.entry(name.clone()).or_insert(due);
                        taken.push((name, entry.priority));
                    }
                }
            }
        }
        self.in_work += taken.len();
        taken
    }

    /// Which lane is served first: the most urgent priority's, by number, and its side.
    fn turn(&self, now: Moment) -> Option<(usize, usize)> {
        self.lanes.iter().enumerate().find_map(|(nth, [forward, reverse])| {
            let due = |lane: &Lane<ZoneId, OwnerName>| lane.next_due().filter(|due| *due <= now);
            let side = match (due(forward), due(reverse)) {
                (None, None) => return None,
                (Some(young), Some(old)) if nth == 0 && young.since(old) > PATIENCE => REVERSE,
                (Some(_), _) => FORWARD,
                (None, Some(_)) => REVERSE,
            };
            Some((nth, side))
        })
    }

    /// The priority of what [`Self::take`] hands out first.
    pub fn most_urgent(&self, now: Moment) -> Option<Priority> {
        self.turn(now).map(|(first, _)| PRIORITIES[first])
    }

    fn lane(&mut self, priority: Priority, name: &OwnerName) -> &mut Lane<ZoneId, OwnerName> {
        let nth = PRIORITIES.iter().position(|other| *other == priority).unwrap_or_default();
        &mut self.lanes[nth][usize::from(name.is_arpa())]
    }

    /// The name is settled. It stays dirty only if it was marked since it was taken.
    pub fn done(&mut self, name: &OwnerName) {
        let Some(Entry { place: Place::InWork(again), zone, .. }) = self.entries.get(name).copied() else {
            return;
        };
        self.in_work -= 1;
        self.since.remove(name);
        match again {
            Some((at, priority)) => {
                self.wait(name, Entry { place: Place::Waiting(at), zone, failures: 0, priority }, at);
            }
            None => {
                self.entries.remove(name);
            }
        }
    }

    /// It could not be settled: it comes back after a [`backoff`], with the more urgent of its old
    /// priority and that of the marks since. `jitter` is any random number.
    pub fn failed(&mut self, name: &OwnerName, now: Moment, jitter: u32) {
        let Some(failures) = self.entries.get(name).map(|entry| entry.failures.saturating_add(1)) else {
            return;
        };
        self.return_at(name, now.plus(backoff(u32::from(failures), jitter)), failures);
    }

    /// It was not tried, or has to be planned again: it comes back at once.
    pub fn put_back(&mut self, name: &OwnerName, now: Moment) {
        let Some(failures) = self.entries.get(name).map(|entry| entry.failures) else { return };
        self.return_at(name, now, failures);
    }

    fn return_at(&mut self, name: &OwnerName, due: Moment, failures: u16) {
        let Some(mut entry) = self.entries.get(name).copied() else { return };
        let Place::InWork(again) = entry.place else { return };
        self.in_work -= 1;
        if let Some((_, priority)) = again {
            entry.priority = entry.priority.min(priority);
        }
        entry.failures = failures;
        self.wait(name, entry, due);
    }

    fn wait(&mut self, name: &OwnerName, entry: Entry, due: Moment) {
        self.lane(entry.priority, name).insert(entry.zone, due, name.clone());
        if let Some(slot) = self.entries.get_mut(name) {
            *slot = Entry { place: Place::Waiting(due), ..entry };
        }
    }

    /// When [`Self::take`] will have something: `now` if it has already, none while all is clean or in
    /// work.
    pub fn next_due(&self, now: Moment) -> Option<Moment> {
        let due = self.lanes.iter().flatten().filter_map(Lane::next_due).min()?;
        Some(due.max(now))
    }

    /// Whether a name of this zone is due.
    pub fn is_due_in(&self, zone: ZoneId, now: Moment) -> bool {
        self.lanes.iter().flatten().any(|lane| lane.is_due(zone, now))
    }

    /// Since when the one has been due that has been so for longest, failed ones included; none if none is.
    pub fn oldest(&self, now: Moment) -> Option<Moment> {
        let waiting = self.lanes.iter().flatten().filter_map(Lane::next_due).filter(|due| *due <= now);
        waiting.chain(self.since.values().copied()).min()
    }

    /// How many names are dirty, those in work included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether all is settled.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many names are in work.
    pub fn in_work(&self) -> usize {
        self.in_work
    }

    /// Whether the name is handed out.
    pub fn is_in_work(&self, name: &OwnerName) -> bool {
        matches!(self.entries.get(name), Some(Entry { place: Place::InWork(_), .. }))
    }

    /// Whether the name is dirty, in work included.
    pub fn contains(&self, name: &OwnerName) -> bool {
        self.entries.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_costs_forty_octets_beside_its_deadline() {
        assert_eq!(size_of::<(OwnerName, Entry)>(), 40);
        assert_eq!(size_of::<(Moment, OwnerName)>(), 24);
    }
}
