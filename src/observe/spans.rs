//! How long the last passes took, a few of each kind: what the page draws.

use super::Pass;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// So many passes of a kind are remembered.
pub const REMEMBERED: usize = 60;

/// A pass that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When.
    pub ended: Instant,
    /// How long it took.
    pub took: Duration,
    /// Whether it ended well.
    pub good: bool,
}

/// The last passes of each kind, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    kinds: [Kind; Pass::ALL.len()],
}

#[derive(Debug, Clone, Default)]
struct Kind {
    /// Look-ups run beside each other: who began first is taken for the one that ends first.
    begun: VecDeque<Instant>,
    ended: VecDeque<Span>,
}

impl Spans {
    /// A pass begins.
    pub fn begin(&mut self, pass: Pass, now: Instant) {
        let begun = &mut self.kinds[pass as usize].begun;
        // A pass of which nobody says that it has ended is none that could be drawn.
        if begun.len() >= REMEMBERED {
            begun.pop_front();
        }
        begun.push_back(now);
    }

    /// A pass that began has ended.
    pub fn end(&mut self, pass: Pass, now: Instant, good: bool) {
        let Kind { begun, ended } = &mut self.kinds[pass as usize];
        let Some(began) = begun.pop_front() else { return };
        if ended.len() >= REMEMBERED {
            ended.pop_front();
        }
        ended.push_back(Span { ended: now, took: now.saturating_duration_since(began), good });
    }

    /// A pass that began was given up.
    pub fn give_up(&mut self, pass: Pass) {
        self.kinds[pass as usize].begun.pop_front();
    }

    /// Those of a kind.
    pub fn of(&self, pass: Pass) -> impl ExactSizeIterator<Item = &Span> {
        self.kinds[pass as usize].ended.iter()
    }

    /// Since when the oldest pass of a kind is under way, if one is.
    pub fn under_way(&self, pass: Pass) -> Option<Instant> {
        self.kinds[pass as usize].begun.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_as_long_as_from_its_begin_to_its_end_and_the_oldest_are_forgotten() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut spans = Spans::default();
        for second in 0..100 {
            spans.begin(Pass::Resync, at(second * 10));
            assert_eq!(spans.under_way(Pass::Resync), Some(at(second * 10)));
            spans.end(Pass::Resync, at(second * 10 + 3), second % 2 == 0);
        }
        spans.begin(Pass::Look, at(1));
        spans.begin(Pass::Look, at(2));
        spans.give_up(Pass::Look);
        spans.end(Pass::Look, at(7), true);
        spans.end(Pass::Look, at(8), true);
        let all: Vec<Span> = spans.of(Pass::Resync).copied().collect();
        assert_eq!((all.len(), all[0].ended, all[59].ended), (REMEMBERED, at(403), at(993)));
        assert!(all.iter().all(|span| span.took == Duration::from_secs(3)));
        assert_eq!(all.iter().filter(|span| span.good).count(), 30);
        let looks: Vec<Duration> = spans.of(Pass::Look).map(|span| span.took).collect();
        assert_eq!(looks, [Duration::from_secs(5)]);
        assert_eq!(spans.under_way(Pass::Look), None);
    }
}
