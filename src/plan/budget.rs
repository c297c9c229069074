//! The bound on losses that nobody announced (design 7 and 12).

/// What has been lost within the last hour, against what is owned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// `DNS_MAX_LOSS_PERCENT`.
    pub percent: u8,
    /// Records that the ledger counts before the pass.
    pub owned: u64,
    /// Records already lost, decayed to now.
    pub used: f64,
}

impl Budget {
    /// An hour: what was used before it counts no more.
    pub const HOUR: f64 = 3600.0;
    /// Small installations may lose this many whatever the percentage, unless it is 0.
    pub const FLOOR: f64 = 10.0;

    /// What remains of `used` after `seconds`: it decays evenly to nothing within an hour.
    pub fn decayed(used: f64, seconds: f64) -> f64 {
        (used * (1.0 - seconds / Self::HOUR)).max(0.0)
    }

    /// Whether a pass may lose `losses` records: `used + losses` is at most the percentage of
    /// `owned + used`. 100 is no bound, 0 holds everything.
    pub fn allows(&self, losses: u64) -> bool {
        if losses == 0 || self.percent >= 100 {
            return true;
        }
        if self.percent == 0 {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "record counts stay far below 2^52")]
        let (losses, owned) = (losses as f64, self.owned as f64);
        let bound = (f64::from(self.percent) / 100.0 * (owned + self.used)).max(Self::FLOOR);
        self.used + losses <= bound + 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(percent: u8, owned: u64, used: f64) -> Budget {
        Budget { percent, owned, used }
    }

    #[test]
    fn of_a_hundred_owned_thirty_go_and_thirty_one_are_held() {
        assert!(budget(30, 100, 0.0).allows(30));
        assert!(!budget(30, 100, 0.0).allows(31));
        // After 30 went, 70 are owned and 30 used: nothing more until it has decayed.
        assert!(!budget(30, 70, 30.0).allows(1));
        assert!(budget(30, 70, Budget::decayed(30.0, 3600.0)).allows(21));
    }

    #[test]
    fn ten_may_always_go_unless_the_percentage_is_zero() {
        assert!(budget(1, 20, 0.0).allows(10));
        assert!(!budget(1, 20, 0.0).allows(11));
        assert!(!budget(0, 1000, 0.0).allows(1));
        assert!(budget(100, 10, 0.0).allows(10));
    }
}
