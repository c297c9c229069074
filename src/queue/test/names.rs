use super::{
    super::{DirtyNames, Moment, Priority},
    at,
};
use crate::model::OwnerName;
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn texts(taken: &[(OwnerName, Priority)]) -> Vec<&str> {
    taken.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn an_idle_controller_serves_a_single_event_at_once() {
    let mut names = DirtyNames::new();
    assert_eq!(names.next_due(at(3.0)), None);
    names.mark(&name("a.example.org"), 1, Priority::Live, at(3.0));
    assert_eq!(names.next_due(at(3.0)), Some(at(3.0)));
    assert_eq!(names.take(at(3.0), 9), [(name("a.example.org"), Priority::Live)]);
    names.done(&name("a.example.org"));
    assert!(names.is_empty() && names.in_work() == 0);
}

#[test]
fn the_more_urgent_come_first_and_forward_names_before_reverse_ones() {
    let mut names = DirtyNames::new();
    for (text, priority) in [
        ("retime.org", Priority::Retime),
        ("2.in-addr.arpa", Priority::Repair),
        ("repair.org", Priority::Repair),
        ("1.in-addr.arpa", Priority::Live),
        ("live.org", Priority::Live),
    ] {
        names.mark(&name(text), 1, priority, at(0.0));
    }
    assert_eq!(texts(&names.take(at(1.0), 1)), ["live.org"]);
    assert_eq!(texts(&names.take(at(1.0), 9)), ["1.in-addr.arpa"], "2 waits for repair.org");
    assert_eq!(texts(&names.take(at(1.0), 9)), ["repair.org", "2.in-addr.arpa", "retime.org"]);
}

#[test]
fn what_one_event_marks_is_taken_at_once_and_reverse_names_wait_for_all_forward_ones() {
    let mut names = DirtyNames::new();
    for text in ["1.in-addr.arpa", "a.org", "b.net", "2.in-addr.arpa"] {
        names.mark(&name(text), 1, Priority::Live, at(0.0));
    }
    assert_eq!(texts(&names.take(at(0.0), 1)), ["a.org"]);
    assert_eq!(texts(&names.take(at(0.0), 2)), ["b.net", "1.in-addr.arpa"]);
    assert_eq!(texts(&names.take(at(0.0), 2)), ["2.in-addr.arpa"]);
}

#[test]
fn what_events_have_marked_takes_a_few_of_an_audit_along_and_no_whole_batch() {
    let mut names = DirtyNames::new();
    for nth in 0..300 {
        names.mark(&name(&format!("n{nth}.org")), 1, Priority::Retime, at(0.0));
    }
    names.mark(&name("live.org"), 1, Priority::Live, at(1.0));
    let taken = names.take(at(1.0), 200);
    assert_eq!((texts(&taken)[0], taken.len()), ("live.org", 65));
    assert_eq!(names.take(at(1.0), 200).len(), 200);
}

#[test]
fn a_steady_stream_of_forward_names_starves_no_reverse_name() {
    let mut names = DirtyNames::new();
    names.mark(&name("1.in-addr.arpa"), 1, Priority::Live, at(0.0));
    let mut served = None;
    for second in 0..10_u32 {
        let now = at(f64::from(second));
        names.mark(&name(&format!("n{second}.org")), 2, Priority::Live, now);
        if texts(&names.take(now, 1)) == ["1.in-addr.arpa"] {
            served = Some(second);
        }
    }
    assert_eq!(served, Some(3));
}

#[test]
fn a_long_queue_drains_zone_by_zone_from_the_oldest() {
    let mut names = DirtyNames::new();
    for nth in 0..30_u32 {
        let zone = nth % 3 + 1;
        names.mark(&name(&format!("n{nth:02}.z{zone}.org")), zone, Priority::Repair, at(f64::from(nth)));
    }
    let taken = names.take(at(99.0), 15);
    let zones: Vec<&str> = texts(&taken).iter().map(|text| &text[4..6]).collect();
    assert_eq!(zones, [["z1"; 10].as_slice(), &["z2"; 5]].concat());
    assert_eq!(texts(&taken)[..2], ["n00.z1.org", "n03.z1.org"]);
    assert_eq!(texts(&names.take(at(99.0), 1)), ["n02.z3.org"], "the oldest that waits opens each batch");
}

#[test]
fn a_mark_raises_the_priority_and_keeps_the_deadline() {
    let mut names = DirtyNames::new();
    names.mark(&name("a.org"), 1, Priority::Retime, at(1.0));
    names.mark(&name("b.org"), 1, Priority::Live, at(2.0));
    for second in 3..50_u32 {
        names.mark(&name("a.org"), 1, Priority::Live, at(f64::from(second)));
    }
    names.mark(&name("a.org"), 1, Priority::Retime, at(60.0));
    let live = |text| (name(text), Priority::Live);
    assert_eq!(names.take(at(60.0), 9), [live("a.org"), live("b.org")]);
}

#[test]
fn a_mark_during_work_makes_exactly_one_more_run() {
    let mut names = DirtyNames::new();
    names.mark(&name("a.org"), 1, Priority::Repair, at(0.0));
    assert_eq!(names.take(at(0.0), 9).len(), 1);
    for (second, priority) in [(1.0, Priority::Retime), (3.0, Priority::Live), (4.0, Priority::Repair)] {
        names.mark(&name("a.org"), 1, priority, at(second));
    }
    names.mark(&name("b.org"), 1, Priority::Live, at(2.0));
    assert_eq!(texts(&names.take(at(2.0), 9)), ["b.org"]);
    names.put_back(&name("b.org"), at(2.0));
    names.done(&name("a.org"));
    let first = names.take(at(4.0), 1);
    assert_eq!(first, [(name("a.org"), Priority::Live)], "the first mark's deadline, the highest priority");
    assert_eq!(texts(&names.take(at(4.0), 9)), ["b.org"]);
    names.done(&name("b.org"));
    names.done(&name("a.org"));
    assert!(names.is_empty());
}

#[test]
fn failures_back_off_and_success_resets() {
    let (mut names, a) = (DirtyNames::new(), name("a.org"));
    names.mark(&a, 1, Priority::Live, at(0.0));
    for (now, next) in [(0.0, 1.0), (1.0, 3.0), (3.0, 7.0)] {
        assert_eq!(names.take(at(now), 9).len(), 1);
        names.failed(&a, at(now), 0);
        names.mark(&a, 1, Priority::Live, at(now));
        assert_eq!(names.next_due(at(now)), Some(at(next)));
    }
    names.take(at(7.0), 9);
    names.put_back(&a, at(7.0));
    assert_eq!(names.next_due(at(7.0)), Some(at(7.0)), "what was not tried comes back at once");
    names.take(at(7.0), 9);
    names.mark(&a, 1, Priority::Live, at(7.0));
    names.done(&a);
    names.take(at(7.0), 9);
    names.failed(&a, at(7.0), 0);
    assert_eq!(names.next_due(at(7.0)), Some(at(8.0)));
}

#[test]
fn what_was_not_in_work_cannot_end() {
    let (mut names, a) = (DirtyNames::new(), name("a.org"));
    names.done(&a);
    names.mark(&a, 1, Priority::Live, at(0.0));
    names.done(&a);
    names.failed(&a, at(0.0), 0);
    assert_eq!(names.take(at(0.0), 9).len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Mark(u8, u32, u8),
    Take(usize),
    Finish(usize, u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12_u8, 1..4_u32, 0..3_u8).prop_map(|(id, zone, priority)| Step::Mark(id, zone, priority)),
        3 => (1..4_usize).prop_map(Step::Take),
        3 => (any::<usize>(), 0..3_u8).prop_map(|(nth, how)| Step::Finish(nth, how)),
        2 => (1..3000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

fn nth_name(id: u8) -> OwnerName {
    name(&if id.is_multiple_of(2) { format!("n{id}.org") } else { format!("{id}.in-addr.arpa") })
}

fn took(names: &mut DirtyNames, now: Moment, max: usize, in_work: &mut Vec<(OwnerName, Moment)>) {
    let taken = names.take(now, max);
    assert!(taken.len() <= max);
    let side = |(name, priority): &(OwnerName, Priority)| (*priority, name.is_arpa());
    assert!(taken.is_sorted_by_key(side), "the more urgent first, of these forward names first");
    for (name, _) in taken {
        assert!(in_work.iter().all(|(other, _)| *other != name), "in work twice");
        in_work.push((name, now));
    }
}

proptest! {
    #[test]
    fn nothing_marked_is_ever_lost(steps in steps()) {
        let (mut names, mut now) = (DirtyNames::new(), at(0.0));
        let (mut marked, mut good) = (HashMap::new(), HashMap::new());
        let mut in_work: Vec<(OwnerName, Moment)> = Vec::new();
        for step in steps {
            match step {
                Step::Mark(id, zone, priority) => {
                    let priority = [Priority::Live, Priority::Repair, Priority::Retime][usize::from(priority)];
                    names.mark(&nth_name(id), zone, priority, now);
                    marked.insert(nth_name(id), now);
                }
                Step::Take(max) => took(&mut names, now, max, &mut in_work),
                Step::Finish(nth, how) if !in_work.is_empty() => {
                    let (name, taken) = in_work.remove(nth % in_work.len());
                    match how {
                        0 => names.failed(&name, now, 12345),
                        1 => names.put_back(&name, now),
                        _ => {
                            names.done(&name);
                            good.insert(name, taken);
                        }
                    }
                }
                Step::Finish(..) => {}
                Step::Wait(ms) => now = now.plus(Duration::from_millis(ms)),
            }
            prop_assert_eq!(names.in_work(), in_work.len());
        }
        let mut rounds = 0;
        loop {
            for (name, taken) in std::mem::take(&mut in_work) {
                names.done(&name);
                good.insert(name, taken);
            }
            let Some(due) = names.next_due(now) else { break };
            now = due;
            took(&mut names, now, 3, &mut in_work);
            rounds += 1;
            prop_assert!(rounds < 100, "it comes to rest");
        }
        prop_assert!(names.is_empty());
        for (name, marked) in &marked {
            prop_assert!(good[name] >= *marked);
        }
    }
}

#[test]
fn the_oldest_stays_the_oldest_while_it_is_in_work_and_while_it_fails() {
    let mut names = DirtyNames::new();
    let (bad, good) = (name("bad.example.org"), name("good.example.org"));
    assert_eq!(names.oldest(at(0.0)), None);
    names.mark(&bad, 1, Priority::Live, at(1.0));
    names.mark(&good, 1, Priority::Live, at(2.0));
    assert_eq!(names.oldest(at(3.0)), Some(at(1.0)));
    names.take(at(3.0), 9);
    assert_eq!(names.oldest(at(3.0)), Some(at(1.0)), "in work");
    names.failed(&bad, at(4.0), 0);
    names.done(&good);
    assert_eq!(names.oldest(at(4.0)), Some(at(1.0)), "it comes back later, and is no younger for that");
    names.take(at(9.0), 9);
    names.failed(&bad, at(9.0), 0);
    assert_eq!(names.oldest(at(9.0)), Some(at(1.0)));
    names.take(at(99.0), 9);
    names.mark(&bad, 1, Priority::Live, at(99.5));
    names.done(&bad);
    assert_eq!(names.oldest(at(100.0)), Some(at(99.5)), "marked again in work");
    names.take(at(100.0), 9);
    names.done(&bad);
    assert_eq!(names.oldest(at(100.0)), None);
}
