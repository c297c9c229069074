//! What goes on failing is warned of once a minute, whenever it fails otherwise than before, and at debug level
//! each time.

use std::time::{Duration, Instant};

/// The same is said again no sooner.
const AGAIN: Duration = Duration::from_secs(60);

/// What was said last of one kind of trouble.
#[derive(Debug, Default)]
pub struct Complaint {
    last: Option<(Instant, String)>,
}

impl Complaint {
    /// Whether this is to be said aloud now.
    pub fn is_news(&mut self, text: &str, now: Instant) -> bool {
        let said = (self.last.as_ref())
            .is_some_and(|(at, last)| last == text && now.saturating_duration_since(*at) < AGAIN);
        if !said {
            self.last = Some((now, text.to_owned()));
        }
        !said
    }

    /// Says it, as loud as it is new.
    pub fn tell(&mut self, error: &str, what: &str) {
        if self.is_news(error, Instant::now()) {
            tracing::warn!(error, "{what}");
        } else {
            tracing::debug!(error, "{what}");
        }
    }

    /// The trouble is over: the next one is news.
    pub fn over(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_a_minute_and_another_one_at_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut complaint = Complaint::default();
        let told = [(0, "down"), (2, "down"), (59, "down"), (60, "down"), (61, "denied"), (62, "down")]
            .map(|(second, text)| complaint.is_news(text, at(second)));
        assert_eq!(told, [true, false, false, true, true, true]);
        complaint.over();
        assert!(complaint.is_news("down", at(63)));
    }
}
