//! What a batch of messages adds up to.

use super::read;
use crate::{metrics::Triggers, model::Mark};
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::BTreeMap;

/// Messages taken together: enough to make the acknowledgement's cost vanish, few enough to keep a single
/// event's way short (50 ms).
const MESSAGES: usize = 20_000;
/// Different things that are marked together: what one delivery may hold in memory.
const MARKS: usize = 4096;

/// Messages that were available at once.
#[derive(Default)]
pub(super) struct Batch {
    /// Messages taken.
    pub(super) taken: usize,
    /// Their marks, each perhaps several times.
    marks: Vec<Mark>,
    /// They are of as many things as it may hold.
    crowded: bool,
    /// The last offset of each partition.
    pub(super) offsets: BTreeMap<i32, i64>,
}

impl Batch {
    /// Takes a message: whatever it is, its offset counts as read.
    pub(super) fn take(&mut self, message: &BorrowedMessage<'_>, metrics: &Triggers) {
        self.taken += 1;
        self.offsets.insert(message.partition(), message.offset());
        let before = self.marks.len();
        match read::read_into(message.key(), message.payload(), &mut self.marks) {
            Ok(()) if self.marks.len() == before => metrics.irrelevant.inc(),
            Ok(()) => self.marks[before..].iter().for_each(|mark| metrics.marks.of(mark.word()).inc()),
            Err(why) => {
                metrics.poison.inc();
                let (partition, offset) = (message.partition(), message.offset());
                tracing::debug!(partition, offset, why, "passing by a message that cannot be read");
            }
        }
    }

    /// Whether it is time to hand it over.
    pub(super) fn is_full(&mut self) -> bool {
        self.is_crowded() || self.taken >= MESSAGES
    }

    /// Whether it may hold no more.
    pub(super) fn is_crowded(&mut self) -> bool {
        if self.marks.len() >= 2 * MARKS {
            squash(&mut self.marks);
            self.crowded = self.marks.len() >= MARKS;
        }
        self.crowded
    }

    /// The marks, each once.
    pub(super) fn take_marks(&mut self) -> Vec<Mark> {
        let mut marks = std::mem::take(&mut self.marks);
        squash(&mut marks);
        marks
    }
}

/// Sorts and removes duplicates. Where something is marked with and without the hint that it is gone, the
/// hint stays: false sorts before true.
fn squash(marks: &mut Vec<Mark>) {
    marks.sort_unstable();
    marks.dedup_by(|later, earlier| {
        let same = same_thing(earlier, later);
        if same {
            *earlier = *later;
        }
        same
    });
}

fn same_thing(one: &Mark, other: &Mark) -> bool {
    match (one, other) {
        (Mark::Vm { id: a, .. }, Mark::Vm { id: b, .. }) => a == b,
        (Mark::Account { id: a, .. }, Mark::Account { id: b, .. }) => a == b,
        (Mark::Domain { id: a, .. }, Mark::Domain { id: b, .. }) => a == b,
        (Mark::Project { id: a, .. }, Mark::Project { id: b, .. }) => a == b,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NicId, VmId};

    #[test]
    fn a_batch_is_bounded_by_what_it_marks_and_not_by_how_often() {
        let of = |things: usize| {
            let marks = (0..2 * MARKS)
                .map(|n| Mark::Vm { id: VmId::from_u128((n % things) as u128), said_gone: false });
            Batch { marks: marks.collect(), ..Batch::default() }
        };
        let (mut few, mut many) = (of(1000), of(2 * MARKS));
        assert!(!few.is_crowded() && few.marks.len() == 1000);
        assert!(many.is_crowded() && many.is_full() && many.marks.len() == 2 * MARKS);
        assert!(Batch { taken: MESSAGES, ..Batch::default() }.is_full());
    }

    #[test]
    fn marks_of_a_batch_stand_once_and_keep_the_hint_that_something_is_gone() {
        let vm = |n, said_gone| Mark::Vm { id: VmId::from_u128(n), said_gone };
        let nic = Mark::Nic(NicId::from_u128(1));
        let mut marks =
            vec![vm(2, false), nic, vm(1, true), Mark::Resync, vm(2, false), vm(1, false), nic, vm(1, false)];
        squash(&mut marks);
        assert_eq!(marks, [vm(1, true), vm(2, false), nic, Mark::Resync]);
    }
}
