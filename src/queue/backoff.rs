//! How long to wait after a failure.

use std::time::Duration;

/// After the first failure. Most failures are a lock wait or a time-out, gone a second later.
const FIRST: Duration = Duration::from_secs(1);
/// At most: one try a minute of a hopeless key costs nothing, and a cured one is not kept waiting.
const LONGEST: Duration = Duration::from_secs(60);

/// 1, 2, 4 ... 60 s after the first, second, third ... failure in a row, less up to half of it by
/// `jitter`, any random number, so that what failed together does not come back together.
pub fn backoff(failures: u32, jitter: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let whole = doubled.min(LONGEST);
    let half = u64::try_from(whole.as_micros() / 2).unwrap_or(u64::MAX);
    // Half of a minute is 3e7 us, times 2^32 it is 1.3e17 and fits.
    let off = half.saturating_mul(u64::from(jitter)) >> 32;
    whole.saturating_sub(Duration::from_micros(off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_minute_and_jitter_takes_less_than_half() {
        let seconds: Vec<u64> = (1..9).map(|failures| backoff(failures, 0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        for failures in [0, 1, 5, 100, u32::MAX] {
            let (long, short) = (backoff(failures, 0), backoff(failures, u32::MAX));
            assert!(short < long && short * 2 >= long, "{failures}: {short:?} {long:?}");
        }
    }
}
