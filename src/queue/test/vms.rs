use super::{
    super::{DirtyVms, Moment, Urgency},
    at,
};
use crate::model::VmId;
use proptest::prelude::*;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

fn vm(id: u8) -> VmId {
    VmId::from_u128(id.into())
}

/// Runs until nothing is due any more; when each look was taken, in seconds.
fn looks(vms: &mut DirtyVms, mut now: Moment) -> Vec<(f64, VmId, bool)> {
    let mut looks = Vec::new();
    while let Some(due) = vms.next_due(now) {
        now = due;
        for (id, said_gone) in vms.take(now, 10) {
            looks.push((now.since_start().as_secs_f64(), id, said_gone));
            vms.done(id, now);
        }
    }
    looks
}

fn times(looks: &[(f64, VmId, bool)]) -> Vec<f64> {
    looks.iter().map(|look| look.0).collect()
}

#[test]
fn an_event_is_looked_at_at_once_and_3_and_30_seconds_later() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), true, Urgency::Live, at(5.0));
    let looks = looks(&mut vms, at(5.0));
    assert_eq!(times(&looks), [5.0, 8.0, 35.0]);
    assert!(looks.iter().all(|look| look.2), "the hint stays for every look");
    assert!(vms.is_empty());
}

#[test]
fn an_audit_is_one_look() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), false, Urgency::Audit, at(5.0));
    assert_eq!(times(&looks(&mut vms, at(5.0))), [5.0]);
}

#[test]
fn follow_ups_count_from_the_latest_event_and_looks_are_a_second_apart() {
    let mut vms = DirtyVms::new();
    let mut taken = Vec::new();
    for tenth in 0..40_u32 {
        let now = at(f64::from(tenth) / 10.0);
        vms.mark(vm(1), false, Urgency::Live, now);
        for (id, _) in vms.take(now, 1) {
            taken.push(f64::from(tenth) / 10.0);
            vms.done(id, now);
        }
    }
    assert_eq!(taken, [0.0, 1.0, 2.0, 3.0], "a steady stream neither starves nor floods");
    assert_eq!(times(&looks(&mut vms, at(3.9))), [4.0, 6.9, 33.9]);
}

#[test]
fn later_marks_never_move_a_deadline() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), false, Urgency::Live, at(1.0));
    for second in 2..100_u32 {
        vms.mark(vm(1), false, Urgency::Live, at(f64::from(second)));
        vms.mark(vm(2), false, Urgency::Live, at(f64::from(second)));
    }
    assert_eq!(vms.take(at(100.0), 1), [(vm(1), false)], "the first mark is the oldest");
}

#[test]
fn a_mark_during_work_makes_exactly_one_more_run() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), false, Urgency::Audit, at(0.0));
    assert_eq!(vms.take(at(0.0), 9).len(), 1);
    for _ in 0..5 {
        vms.mark(vm(1), false, Urgency::Audit, at(2.0));
    }
    assert!(vms.take(at(9.0), 9).is_empty(), "never twice at once");
    assert_eq!(vms.next_due(at(9.0)), None);
    vms.done(vm(1), at(10.0));
    assert_eq!(times(&looks(&mut vms, at(10.0))), [10.0]);
}

#[test]
fn a_hint_that_comes_during_work_is_in_the_next_run() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), false, Urgency::Live, at(0.0));
    assert_eq!(vms.take(at(0.0), 9), [(vm(1), false)]);
    vms.mark(vm(1), true, Urgency::Live, at(0.5));
    vms.done(vm(1), at(0.6));
    assert_eq!(vms.take(at(1.0), 9), [(vm(1), true)]);
}

#[test]
fn failures_back_off_keep_the_hint_and_success_resets() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), true, Urgency::Audit, at(0.0));
    for (now, next) in [(0.0, 1.0), (1.0, 3.0), (3.0, 7.0)] {
        assert_eq!(vms.take(at(now), 9), [(vm(1), true)]);
        vms.failed(vm(1), at(now), 0);
        assert_eq!(vms.next_due(at(now)), Some(at(next)));
    }
    vms.mark(vm(1), false, Urgency::Live, at(3.5));
    assert_eq!(vms.next_due(at(3.5)), Some(at(7.0)), "a mark does not break a backoff");
    vms.take(at(7.0), 9);
    vms.done(vm(1), at(7.0));
    vms.mark(vm(1), false, Urgency::Audit, at(60.0));
    vms.take(at(60.0), 9);
    vms.failed(vm(1), at(60.0), 0);
    assert_eq!(vms.next_due(at(60.0)), Some(at(61.0)));
}

#[test]
fn live_marks_overtake_an_audit_also_at_the_same_vm() {
    let mut vms = DirtyVms::new();
    for id in 0..100 {
        vms.mark(vm(id), false, Urgency::Audit, at(0.0));
    }
    vms.mark(vm(99), false, Urgency::Live, at(1.0));
    vms.mark(vm(200), false, Urgency::Live, at(2.0));
    assert_eq!(vms.take(at(2.0), 2), [(vm(99), false), (vm(200), false)]);
    assert_eq!(vms.take(at(2.0), 500).len(), 99, "its audit is served with it");
}

#[test]
fn too_many_unknown_vms_collapse_and_known_ones_keep_their_hints() {
    let mut vms = DirtyVms::new();
    for id in 0..10_202_u128 {
        assert!(!vms.overflowing(100));
        vms.mark(VmId::from_u128(id), id < 5, Urgency::Live, at(0.0));
        if id == 10_200 {
            break;
        }
    }
    assert!(vms.overflowing(100));
    vms.take(at(0.0), 1);
    assert_eq!(vms.collapse(|id| id.as_u128() < 100), 10_101);
    assert_eq!(vms.len(), 100);
    assert_eq!(vms.take(at(0.0), 500).iter().filter(|taken| taken.1).count(), 4);
    assert!(!vms.overflowing(100));
}

#[derive(Debug, Clone)]
enum Step {
    Mark(u8, bool, bool),
    Take(usize),
    Finish(usize, u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_u8, any::<bool>(), any::<bool>()).prop_map(|(id, gone, live)| Step::Mark(id, gone, live)),
        3 => (1..4_usize).prop_map(Step::Take),
        3 => (any::<usize>(), 0..3_u8).prop_map(|(nth, how)| Step::Finish(nth, how)),
        3 => (1..4000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

/// What was promised to each VM, against what was had.
#[derive(Default)]
struct Book {
    marked: HashMap<VmId, Moment>,
    event: HashMap<VmId, Moment>,
    good: HashMap<VmId, Moment>,
    last: HashMap<VmId, Moment>,
    hinted: HashSet<VmId>,
    /// Marked since it was taken.
    again: HashSet<VmId>,
    in_work: Vec<(VmId, Moment)>,
}

impl Book {
    fn took(&mut self, taken: Vec<(VmId, bool)>, now: Moment) {
        for (id, said_gone) in taken {
            assert!(self.in_work.iter().all(|(other, _)| *other != id), "in work twice");
            if let Some(last) = self.last.insert(id, now) {
                assert!(now.since(last) >= Duration::from_secs(1), "twice within a second");
            }
            assert!(said_gone || !self.hinted.contains(&id), "a hint was lost");
            self.again.remove(&id);
            self.in_work.push((id, now));
        }
    }
}

proptest! {
    #[test]
    fn nothing_marked_is_ever_lost(steps in steps()) {
        let (mut vms, mut book, mut now) = (DirtyVms::new(), Book::default(), at(0.0));
        for step in steps {
            match step {
                Step::Mark(id, gone, live) => {
                    let urgency = if live { Urgency::Live } else { Urgency::Audit };
                    vms.mark(vm(id), gone, urgency, now);
                    book.marked.insert(vm(id), now);
                    book.again.insert(vm(id));
                    if gone {
                        book.hinted.insert(vm(id));
                    }
                    if live {
                        book.event.insert(vm(id), now);
                    }
                }
                Step::Take(max) => book.took(vms.take(now, max), now),
                Step::Finish(nth, how) if !book.in_work.is_empty() => {
                    let (id, taken) = book.in_work.remove(nth % book.in_work.len());
                    match how {
                        0 => vms.failed(id, now, 12345),
                        1 => vms.put_back(id, now),
                        _ => {
                            vms.done(id, now);
                            book.good.insert(id, taken);
                            if !book.again.contains(&id) {
                                book.hinted.remove(&id);
                            }
                        }
                    }
                }
                Step::Finish(..) => {}
                Step::Wait(ms) => now = now.plus(Duration::from_millis(ms)),
            }
            prop_assert_eq!(vms.in_work(), book.in_work.len());
        }
        for (id, taken) in std::mem::take(&mut book.in_work) {
            vms.done(id, now);
            book.good.insert(id, taken);
        }
        let mut rounds = 0;
        while let Some(due) = vms.next_due(now) {
            now = due;
            book.took(vms.take(now, 3), now);
            for (id, taken) in std::mem::take(&mut book.in_work) {
                vms.done(id, now);
                book.good.insert(id, taken);
                book.hinted.remove(&id);
            }
            rounds += 1;
            prop_assert!(rounds < 100, "it comes to rest");
        }
        prop_assert!(vms.is_empty());
        for (id, marked) in &book.marked {
            prop_assert!(book.good[id] >= *marked);
        }
        for (id, event) in &book.event {
            prop_assert!(book.good[id] >= event.plus(Duration::from_secs(30)));
        }
    }
}

#[test]
fn the_oldest_is_as_old_as_its_first_look_was_due_and_follow_ups_are_not_old() {
    let mut vms = DirtyVms::new();
    vms.mark(vm(1), false, Urgency::Live, at(5.0));
    assert_eq!((vms.oldest(at(6.0)), vms.event_of(vm(1))), (Some(at(5.0)), Some(at(5.0))));
    assert_eq!(vms.take(at(6.0), 9).len(), 1);
    assert_eq!(vms.oldest(at(7.0)), Some(at(5.0)), "in work");
    vms.failed(vm(1), at(7.0), 0);
    assert_eq!(vms.oldest(at(7.0)), Some(at(5.0)), "failed");
    assert_eq!(vms.take(at(9.0), 9).len(), 1);
    vms.done(vm(1), at(9.0));
    assert!(!vms.is_empty() && vms.oldest(at(10.0)).is_none(), "a follow-up is to come");
    assert_eq!(vms.oldest(at(50.0)), Some(at(35.0)), "and is late");
    vms.collapse(|_| false);
    assert_eq!((vms.oldest(at(50.0)), vms.event_of(vm(1))), (None, None));
}
