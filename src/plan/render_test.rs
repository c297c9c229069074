use super::*;
use crate::plan::bed::Bed;

/// The lines of a name's plan, and the summary. Ids and addresses are shortened as in the facts.
fn reads(facts: &str) -> String {
    let bed = Bed::new(facts);
    let decision = bed.decide();
    let mut plan = Plan::default();
    bed.with_state(|state| plan.add(&bed.name, &decision, state.zones));
    let mut lines: Vec<String> = plan.lines().iter().map(ToString::to_string).collect();
    lines.push(plan.summary());
    let text = lines.join("\n");
    text.replace("00000000-0000-0000-0000-00000000000", "#")
        .replace("192.0.2.", ".")
        .replace("www.domain.com", "www")
}

#[test]
fn a_record_that_changes_in_place_is_one_line() {
    for (what, facts, expected) in [
        (
            "another address",
            "claim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "~ www 60 A .1 -> .2  (its address changed; name of VM #1)\nPlan: 0 to add, 1 to change, 0 to delete",
        ),
        (
            "another TTL",
            "ttl 120\nclaim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10",
            "~ www 60 -> 120 A .1  (another TTL; name of VM #1)\nPlan: 0 to add, 1 to change, 0 to delete",
        ),
        (
            "both at once",
            "ttl 120\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "~ www 60 -> 120 A .1 -> .2  (its address changed; name of VM #1)\nPlan: 0 to add, 1 to change, 0 to delete",
        ),
        (
            "another VM follows",
            "claim 2 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "~ www 60 A .1 -> .2  (its VM is gone; name of VM #2, was VM #1's)\nPlan: 0 to add, 1 to change, 0 to delete",
        ),
        (
            "another type is another record",
            "claim 1 name ::1\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "- www 60 A .1  (its address changed; name of VM #1)\n+ www 60 AAAA 2001:db8::1  (name of VM #1)\n\
             Plan: 1 to add, 0 to change, 1 to delete",
        ),
        (
            "members of a group come and go by themselves",
            "claim 2 group .2\nclaim 3 group .3\nrow #10 A .1\nrow #11 A .4\nentry 1 group A .1 #10\n\
             entry 3 group A .4 #11\nvm 1 gone\nvm 3 announced",
            "- www 60 A .1  (its VM is gone; group of VM #1)\n+ www 60 A .2  (group of VM #2)\n\
             ~ www 60 A .4 -> .3  (its address changed; group of VM #3)\nPlan: 1 to add, 1 to change, 1 to delete",
        ),
    ] {
        assert_eq!(reads(facts), expected, "{what}");
    }
}

#[test]
fn what_is_held_is_told_from_what_changes() {
    let text = reads("hold ab12\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10");
    assert_eq!(
        text,
        "! www 60 A .1  (held, 0000ab12: its address changed; name of VM #1)\nPlan: nothing to change"
    );
}

#[test]
fn the_summary_leaves_out_what_there_is_none_of() {
    let set = |hash| HeldSet::new(hash).unwrap();
    let mut plan = Plan::default();
    assert_eq!(plan.summary(), "Plan: nothing to change");
    plan.held = vec![(set(1), 3), (set(2), 1)];
    plan.blocked = 1;
    plan.stopped = 2;
    assert_eq!(plan.summary(), "Plan: nothing to change; 4 held; 1 blocked; 2 stopped by DNS_MODE");
}
