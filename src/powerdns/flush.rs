//! What one PowerDNS server is still to be told, and when: state without I/O, `now` is passed in.
//!
//! Design 8: changed names are flushed one by one and at once, up to [`NAMES`] of a zone in [`ZONE_EVERY`];
//! beyond, the zone is, at most once in that time. A zone of type MASTER sends NOTIFY at most once in
//! [`NOTIFY_EVERY`], always after the last change, and always after a flush of the zone: a secondary asks for
//! the SOA at once, and an old one out of the cache would end the matter. Everything is told once more after
//! [`AGAIN`], since a replica of the database may lag and a query may race the COMMIT; where newer changes of
//! the same zone wait by then, telling of them stands in for it, so that a busy zone keeps to its pace.
//!
//! Memory: a zone's state is forgotten when nothing is due and its pace has run out; it has at most
//! [`NAMES`] names that wait.

use crate::model::{OwnerName, ZoneName};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

/// So many names of a zone are flushed one by one within [`ZONE_EVERY`].
const NAMES: usize = 20;
/// The shortest time between two flushes of one zone, and the window in which names are counted.
const ZONE_EVERY: Duration = Duration::from_secs(10);
/// The shortest time between two NOTIFYs of one zone.
const NOTIFY_EVERY: Duration = Duration::from_secs(15);
/// When everything is told once more.
const AGAIN: Duration = Duration::from_secs(5);
/// A server that cannot be reached is left alone for so long, doubled up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// One request to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The zone that it is about.
    pub(super) zone: ZoneName,
    /// What to do.
    pub(super) what: What,
    /// It was done before, for the same change.
    again: bool,
}

/// What a request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Flush a name, and what lies below it.
    Name(OwnerName),
    /// Flush the zone.
    Zone,
    /// Send a NOTIFY to the zone's secondaries.
    Notify,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Done.
    Yes,
    /// The server answered, but will not: asking at once again would change nothing.
    Refused,
    /// It did not get through: it is still to be done.
    Unreached,
}

/// Everything that one server is still to be told.
#[derive(Debug, Default)]
pub(super) struct Due {
    zones: HashMap<ZoneName, ZoneDue>,
    /// When to look at which zone next: one line for each of `zones`.
    agenda: BTreeSet<(Instant, ZoneName)>,
    paused: Option<(Instant, Duration)>,
}

/// The same of one zone.
#[derive(Debug, Default)]
struct ZoneDue {
    /// Its line in the agenda.
    at: Option<Instant>,
    /// Changes that the server has not been told of.
    names: BTreeSet<OwnerName>,
    whole: bool,
    notify: bool,
    /// The zone has just been flushed, NOTIFY is next.
    notifying: bool,
    /// What is to be told once more.
    names_again: VecDeque<(Instant, OwnerName)>,
    whole_again: Option<Instant>,
    notify_again: Option<Instant>,
    /// Since when names are counted, and how many went.
    window: Option<(Instant, usize)>,
    flushed: Option<Instant>,
    notified: Option<Instant>,
}

impl Due {
    /// Notes a committed change: these names, or the whole zone, and a new serial if the zone notifies.
    pub(super) fn note<'a>(
        &mut self,
        zone: &ZoneName,
        whole: bool,
        notifies: bool,
        names: impl IntoIterator<Item = &'a OwnerName>,
        now: Instant,
    ) {
        let state = self.zones.entry(zone.clone()).or_default();
        state.notify |= notifies;
        state.whole |= whole;
        for name in names {
            state.add(name, now);
        }
        self.schedule(zone, now);
    }

    /// The next request that is due. Each is to be followed by [`Due::done`].
    pub(super) fn take(&mut self, now: Instant) -> Option<Call> {
        if self.paused.is_some_and(|(until, _)| now < until) {
            return None;
        }
        loop {
            let (_, zone) = self.agenda.first().filter(|(at, _)| *at <= now)?.clone();
            let taken = self.zones.get_mut(&zone).and_then(|state| state.take(now));
            self.schedule(&zone, now);
            if let Some((what, again)) = taken {
                return Some(Call { zone, what, again });
            }
        }
    }

    /// When to take again, if nothing is noted until then.
    pub(super) fn next(&self) -> Option<Instant> {
        let (at, _) = self.agenda.first()?;
        Some(self.paused.map_or(*at, |(until, _)| until.max(*at)))
    }

    /// Notes what became of a request.
    pub(super) fn done(&mut self, call: Call, told: Told, now: Instant) {
        let zone = call.zone.clone();
        let state = self.zones.entry(call.zone.clone()).or_default();
        if told == Told::Unreached {
            state.put_back(call.what, now);
            let pause = self.paused.map_or(PAUSE, |(_, pause)| (pause * 2).min(PAUSE_MOST));
            self.paused = Some((now + pause, pause));
        } else {
            state.done(call, now);
            self.paused = None;
        }
        self.schedule(&zone, now);
    }

    /// The process ends: everything that waits is due now, and nothing will be told once more.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.paused = None;
        let zones: Vec<ZoneName> = self.zones.keys().cloned().collect();
        for zone in zones {
            if let Some(state) = self.zones.get_mut(&zone) {
                let ZoneDue { at, names, whole, notify, notifying, .. } = std::mem::take(state);
                *state = ZoneDue { at, names, whole, notify, notifying, ..ZoneDue::default() };
            }
            self.schedule(&zone, now);
        }
    }

    /// Puts the zone's line into the agenda, or forgets the zone.
    fn schedule(&mut self, zone: &ZoneName, now: Instant) {
        let Some(state) = self.zones.get_mut(zone) else { return };
        let next = state.due(now).or_else(|| state.remembered().filter(|until| *until > now));
        if let Some(at) = state.at.take() {
            self.agenda.remove(&(at, zone.clone()));
        }
        match next {
            Some(at) => {
                state.at = Some(at);
                self.agenda.insert((at, zone.clone()));
            }
            None => _ = self.zones.remove(zone),
        }
    }
}

impl ZoneDue {
    fn add(&mut self, name: &OwnerName, now: Instant) {
        if self.whole {
            return;
        }
        let window = self.window.filter(|(since, _)| now < *since + ZONE_EVERY).unwrap_or((now, 0));
        self.window = Some(window);
        self.names.insert(name.clone());
        if self.names.len() + window.1 > NAMES {
            self.names.clear();
            self.whole = true;
        }
    }

    /// From when on the zone may be flushed.
    fn flush_from(&self, now: Instant) -> Instant {
        self.flushed.map_or(now, |at| at + ZONE_EVERY)
    }

    /// From when on a NOTIFY may go, with the flush before it.
    fn notify_from(&self, now: Instant) -> Instant {
        self.notified.map_or(now, |at| at + NOTIFY_EVERY).max(self.flush_from(now))
    }

    /// When there is something to do.
    fn due(&self, now: Instant) -> Option<Instant> {
        [
            (self.notifying || !self.names.is_empty()).then_some(now),
            self.notify.then(|| self.notify_from(now)),
            self.whole.then(|| self.flush_from(now)),
            self.whole_again,
            self.notify_again,
            self.names_again.front().map(|(at, _)| *at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Until when the zone's pace is to be remembered.
    fn remembered(&self) -> Option<Instant> {
        let window = self.window.map(|(since, _)| since + ZONE_EVERY);
        let flushed = self.flushed.map(|at| at + ZONE_EVERY);
        window.max(flushed).max(self.notified.map(|at| at + NOTIFY_EVERY))
    }

    fn take(&mut self, now: Instant) -> Option<(What, bool)> {
        if std::mem::take(&mut self.notifying) {
            self.notify_again = None;
            return Some((What::Notify, false));
        }
        let notify = self.notify && self.notify_from(now) <= now;
        if notify || (self.whole && self.flush_from(now) <= now) {
            if notify {
                (self.notify, self.notifying) = (false, true);
            }
            self.whole = false;
            self.names.clear();
            self.names_again.clear();
            self.whole_again = None;
            return Some((What::Zone, false));
        }
        if let Some(name) = self.names.pop_first() {
            if let Some((_, used)) = &mut self.window {
                *used += 1;
            }
            return Some((What::Name(name), false));
        }
        // Where newer changes wait for the same, they stand in for the second time.
        if self.whole_again.take_if(|at| *at <= now).is_some() && !self.whole {
            return Some((What::Zone, true));
        }
        if self.notify_again.take_if(|at| *at <= now).is_some() && !self.notify {
            return Some((What::Notify, true));
        }
        self.names_again.front().filter(|(at, _)| *at <= now)?;
        self.names_again.pop_front().map(|(_, name)| (What::Name(name), true))
    }

    fn put_back(&mut self, what: What, now: Instant) {
        match what {
            What::Name(name) => self.add(&name, now),
            What::Zone => {
                self.whole = true;
                self.names.clear();
                self.notify |= std::mem::take(&mut self.notifying);
            }
            What::Notify => self.notify = true,
        }
    }

    fn done(&mut self, call: Call, now: Instant) {
        if call.again {
            return;
        }
        match call.what {
            What::Name(name) => self.names_again.push_back((now + AGAIN, name)),
            What::Zone => (self.flushed, self.whole_again) = (Some(now), Some(now + AGAIN)),
            What::Notify => (self.notified, self.notify_again) = (Some(now), Some(now + AGAIN)),
        }
    }
}

#[cfg(test)]
#[path = "flush_tests.rs"]
mod tests;
