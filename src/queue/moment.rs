//! Time as the queues know it.

use std::time::Duration;

/// A point in time: microseconds since the process began. Eight octets, since hundreds of thousands
/// of keys carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The moment this long after the start.
    pub fn at(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX))
    }

    /// How long after the start it is.
    pub fn since_start(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, more: Duration) -> Self {
        Self(self.0.saturating_add(Self::at(more).0))
    }

    /// This much earlier, but not before the start.
    #[must_use]
    pub fn minus(self, less: Duration) -> Self {
        Self(self.0.saturating_sub(Self::at(less).0))
    }

    /// How long after `earlier` it is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
