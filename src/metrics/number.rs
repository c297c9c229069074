//! The kinds of numbers: each an atomic or a few, without locks and without allocation.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Of a counter of microseconds: this much more.
    pub fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Of a counter of microseconds: what has passed since.
    pub fn add_since(&self, begun: Instant) {
        self.add_time(begun.elapsed());
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time of day, in milliseconds since 1970; 0 for never.
#[derive(Debug, Default)]
pub struct Stamp(AtomicU64);

impl Stamp {
    /// Now.
    pub fn set_now(&self) {
        self.set_ago(Some(Duration::ZERO));
    }

    /// So long ago; none for never.
    pub fn set_ago(&self, ago: Option<Duration>) {
        let at = ago.map_or(0, |ago| now_millis().saturating_sub(millis(ago)).max(1));
        self.0.store(at, Ordering::Relaxed);
    }

    /// Milliseconds since 1970; 0 for never.
    pub fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whole seconds since 1970; 0 for never.
    pub fn seconds(&self) -> u64 {
        self.millis() / 1000
    }

    /// How many milliseconds ago it was; 0 for never.
    pub fn age_millis(&self) -> u64 {
        match self.millis() {
            0 => 0,
            at => now_millis().saturating_sub(at),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn now_millis() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Counters told apart by one label of values that are known beforehand.
#[derive(Debug)]
pub struct Family<const N: usize> {
    words: [&'static str; N],
    counters: [Counter; N],
}

impl<const N: usize> Family<N> {
    /// All of them 0.
    pub fn new(words: [&'static str; N]) -> Self {
        Self { words, counters: [const { Counter(AtomicU64::new(0)) }; N] }
    }

    /// The counter of this word; of one that is not known, the last.
    pub fn of(&self, word: &str) -> &Counter {
        let at = self.words.iter().position(|known| *known == word).unwrap_or(N - 1);
        &self.counters[at]
    }

    /// Words and counters, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        self.words.iter().copied().zip(&self.counters)
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }
}

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

/// The buckets' upper bounds, in milliseconds: an idle controller serves an event in 20 to 50 ms; follow-ups
/// come after 3 and 30 s (design 6); beyond, something is wrong.
pub const BOUNDS: [u64; 12] = [10, 25, 50, 100, 250, 500, 1000, 5000, 10_000, 35_000, 60_000, 300_000];

impl Histogram {
    /// It took so long once more.
    pub fn note(&self, time: Duration) {
        let at =
            BOUNDS.iter().position(|bound| time <= Duration::from_millis(*bound)).unwrap_or(BOUNDS.len());
        self.buckets[at].inc();
        self.micros.add_time(time);
    }

    /// How often it took no longer than each bound; last, how often it was at all.
    pub fn up_to(&self) -> [u64; BOUNDS.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|at| {
            sum += self.buckets[at].get();
            sum
        })
    }

    /// Microseconds together.
    pub fn micros(&self) -> u64 {
        self.micros.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::default();
        for millis in [0, 10, 11, 700, 400_000] {
            histogram.note(Duration::from_millis(millis));
        }
        assert_eq!(histogram.up_to(), [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!(histogram.micros(), 400_721_000);
    }

    #[test]
    fn a_word_that_is_not_known_counts_as_the_last() {
        let family = Family::new(["a", "b", "other"]);
        family.of("b").inc();
        family.of("no such word").add(2);
        let counts: Vec<_> = family.iter().map(|(word, counter)| (word, counter.get())).collect();
        assert_eq!((counts, family.total()), (vec![("a", 0), ("b", 1), ("other", 2)], 3));
    }

    #[test]
    fn a_time_of_day_knows_its_age() {
        let stamp = Stamp::default();
        assert_eq!((stamp.seconds(), stamp.age_millis()), (0, 0), "never");
        stamp.set_ago(Some(Duration::from_secs(90)));
        assert!((90_000..95_000).contains(&stamp.age_millis()) && stamp.seconds() > 1_700_000_000);
        stamp.set_ago(None);
        assert_eq!(stamp.millis(), 0);
    }
}
