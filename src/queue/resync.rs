//! When everything is listed again.

use super::{Moment, backoff};
use std::time::Duration;

/// The next resync is no sooner than this many times the last listing's duration after its end, so that
/// listing takes at most a fifth of the API's time with us (design 6).
const REST: u32 = 4;

/// The turn of the full resync: at once at the start, then once in an interval, and sooner if asked.
#[derive(Debug)]
pub struct Resync {
    interval: Duration,
    min_interval: Duration,
    /// Asked for, and not begun since.
    requested: Option<Moment>,
    running: Option<Moment>,
    /// When everything was listed that the one under way lists.
    listed: Option<Moment>,
    /// When the last good one began.
    begun: Option<Moment>,
    /// No sooner than this: the last good one's rest, or the backoff of a failed one.
    not_before: Moment,
    failures: u32,
}

impl Resync {
    /// One resync per `interval`; those that are asked for begin at least `min_interval` apart.
    pub fn new(interval: Duration, min_interval: Duration) -> Self {
        Self {
            interval,
            min_interval,
            requested: None,
            running: None,
            listed: None,
            begun: None,
            not_before: Moment::default(),
            failures: 0,
        }
    }

    /// Asks for one. What is asked for while one runs needs another one: that may have read already
    /// what has changed.
    pub fn request(&mut self, now: Moment) {
        self.requested.get_or_insert(now);
    }

    /// When the next one is to begin; `now` if it is due. None while one runs.
    pub fn next_due(&self, now: Moment) -> Option<Moment> {
        if self.running.is_some() {
            return None;
        }
        let wanted = match (self.begun, self.requested) {
            (None, _) => Moment::default(),
            (Some(begun), None) => begun.plus(self.interval.max(self.min_interval)),
            (Some(begun), Some(asked)) => {
                begun.plus(self.min_interval).max(asked).min(begun.plus(self.interval.max(self.min_interval)))
            }
        };
        Some(wanted.max(self.not_before).max(now))
    }

    /// Whether one is to begin.
    pub fn is_due(&self, now: Moment) -> bool {
        self.next_due(now) == Some(now)
    }

    /// One begins. It answers every request until now.
    pub fn start(&mut self, now: Moment) {
        self.running = Some(now);
        self.listed = None;
        self.requested = None;
    }

    /// Its listings have ended: the API is done with, the audit goes on.
    pub fn listed(&mut self, now: Moment) {
        self.listed = Some(now);
    }

    /// It has ended well.
    pub fn done(&mut self, now: Moment) {
        let Some(begun) = self.running.take() else { return };
        self.begun = Some(begun);
        self.failures = 0;
        let listed = self.listed.unwrap_or(now);
        self.not_before = now.plus(listed.since(begun).saturating_mul(REST));
    }

    /// It has ended without a complete listing: again after a [`backoff`], and no sooner than it has
    /// lasted. `jitter` is any random number.
    pub fn failed(&mut self, now: Moment, jitter: u32) {
        let Some(begun) = self.running.take() else { return };
        self.failures = self.failures.saturating_add(1);
        let lasted = now.since(begun);
        self.not_before = self.not_before.max(now.plus(backoff(self.failures, jitter).max(lasted)));
        self.requested.get_or_insert(begun);
    }

    /// What was read so far does not count, also what is being read now: one is due at once.
    pub fn begin_anew(&mut self) {
        self.running = None;
        self.begun = None;
        self.not_before = Moment::default();
    }

    /// Whether one runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When the last good one began.
    pub fn last(&self) -> Option<Moment> {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn resync() -> Resync {
        Resync::new(Duration::from_secs(600), Duration::from_secs(30))
    }

    /// After a good one from `begun` to `ended`.
    fn after(begun: u64, ended: u64) -> Resync {
        let mut resync = resync();
        resync.start(at(begun));
        resync.done(at(ended));
        resync
    }

    #[test]
    fn the_first_resync_is_due_at_once_and_the_next_one_interval_after_its_begin() {
        assert!(resync().is_due(at(5)));
        assert_eq!(after(5, 10).next_due(at(10)), Some(at(605)));
    }

    #[test]
    fn a_request_waits_for_the_least_interval_and_requests_collapse() {
        let mut resync = after(0, 2);
        for second in 3..20 {
            resync.request(at(second));
        }
        assert_eq!(resync.next_due(at(20)), Some(at(30)));
        resync.start(at(30));
        assert_eq!(resync.next_due(at(31)), None);
        resync.done(at(31));
        assert_eq!(resync.next_due(at(31)), Some(at(630)), "all of them are answered");
    }

    #[test]
    fn a_request_while_one_runs_asks_for_exactly_one_more() {
        let mut resync = resync();
        resync.start(at(0));
        resync.request(at(1));
        resync.request(at(2));
        resync.done(at(3));
        assert_eq!(resync.next_due(at(3)), Some(at(30)));
        resync.start(at(30));
        resync.done(at(33));
        assert_eq!(resync.next_due(at(33)), Some(at(630)));
    }

    #[test]
    fn a_slow_resync_rests_four_times_as_long_as_it_took() {
        let mut resync = after(0, 400);
        assert_eq!(resync.next_due(at(400)), Some(at(2000)));
        resync.request(at(500));
        assert_eq!(resync.next_due(at(500)), Some(at(2000)));
    }

    #[test]
    fn a_slow_database_costs_no_rest_from_the_api() {
        let mut resync = resync();
        resync.start(at(0));
        resync.listed(at(10));
        resync.done(at(400));
        resync.request(at(401));
        assert_eq!(resync.next_due(at(401)), Some(at(440)));
    }

    #[test]
    fn a_request_long_after_the_last_one_is_due_at_once() {
        let mut resync = after(0, 2);
        resync.request(at(300));
        assert!(resync.is_due(at(300)));
    }

    #[test]
    fn a_request_never_postpones_the_regular_one() {
        let mut resync = after(0, 2);
        resync.request(at(599));
        assert!(resync.is_due(at(600)));
        let mut late = after(0, 2);
        late.request(at(700));
        assert!(late.is_due(at(700)));
    }

    #[test]
    fn failures_back_off_and_a_long_one_is_not_repeated_sooner_than_it_lasted() {
        let mut resync = resync();
        for (begun, next) in [(0, 1), (1, 3), (3, 7)] {
            resync.start(at(begun));
            resync.failed(at(begun), 0);
            assert_eq!(resync.next_due(at(begun)), Some(at(next)));
        }
        resync.start(at(7));
        resync.failed(at(107), 0);
        assert_eq!(resync.next_due(at(107)), Some(at(207)));
        resync.start(at(207));
        resync.done(at(208));
        assert_eq!(resync.next_due(at(208)), Some(at(807)));
    }
}
