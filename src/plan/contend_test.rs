//! Who holds a name (design 4), and foreign rows before him (design 5): what the first tables leave open.
//! See [`bed`](super::bed) for the language.

use super::bed::{Bed, check, text, vm};
use crate::model::{Kind, Outcome};
use proptest::prelude::*;

#[test]
fn every_foreign_row_keeps_every_family_away() {
    let texts = ["A .9", "AAAA ::9", "CNAME web.example.org", "CNAME WEB.example.org.", "AAAA 2001:DB8::9"];
    for foreign in texts {
        for disabled in ["", " disabled"] {
            for wants in [".1", "::1", ".1 ::1"] {
                let facts = format!("claim 1 name {wants}\nrow #5 {foreign}{disabled}");
                let decision = Bed::new(&facts).decide();
                assert!(decision.is_empty(), "{facts}:\n{}", text(&decision));
                let outcome = &decision.outcomes[0].2;
                assert!(matches!(outcome, Outcome::Blocked { .. }), "{facts}: {outcome:?}");
            }
        }
    }
}

#[test]
fn foreign_rows_decide_nothing_about_who_holds() {
    check(&[
        (
            // A claim that only foreign rows serve has no entry, so it holds nothing. Nothing of ours is
            // lost, and `adopt` turns the operator's row into an entry where the answer is to last.
            "who is served by an operator's row alone is no holder",
            "claim 1 name .1 age=1\nclaim 2 name .2 age=2\nrow #5 A .2",
            "1 name: blocked by A .2\n2 name: waiting for 1",
        ),
        (
            "when that row goes the oldest has the name",
            "claim 1 name .1 age=1\nclaim 2 name .2 age=2",
            "+ A .1 ttl=60 for 1 name\n1 name: served\n2 name: waiting for 1",
        ),
        (
            "one row of ours beside it makes a holder",
            "claim 1 name .1 age=1\nclaim 2 name .2 ::2 age=2\nrow #5 A .2\nrow #10 AAAA ::2
             entry 2 name AAAA ::2 #10",
            "1 name: waiting for 2\n2 name: satisfied",
        ),
        (
            "who keeps it when the operator's row goes, and gets what is missing",
            "claim 1 name .1 age=1\nclaim 2 name .2 ::2 age=2\nrow #10 AAAA ::2\nentry 2 name AAAA ::2 #10",
            "+ A .2 ttl=60 for 2 name\n1 name: waiting for 2\n2 name: served",
        ),
        (
            "a blocked claim keeps the name from the next one, whom the row would satisfy",
            "claim 1 name .1 ::1 age=1\nclaim 2 name .2 age=2\nrow #5 A .2 disabled",
            "1 name: blocked by A .2 (disabled)\n2 name: waiting for 1",
        ),
    ]);
}

#[test]
fn groups_and_names_contend() {
    check(&[
        (
            "a VM named like a group waits from the beginning",
            "claim 1 name .1 age=1\nclaim 2 group .2 age=9",
            "+ A .2 ttl=60 for 2 group\n1 name: waiting for 2\n2 group: served",
        ),
        (
            "and it waits beside a group that stands, however old it is",
            "claim 1 name .1 age=1\nclaim 2 group .2 age=9\nrow #10 A .2\nentry 2 group A .2 #10",
            "1 name: waiting for 2\n2 group: served",
        ),
        (
            "a member of the group that is named like it is a member",
            "claim 1 name .1\nclaim 1 group .1\nclaim 2 group .2",
            "+ A .1 ttl=60 for 1 group
             + A .2 ttl=60 for 2 group
             1 name: waiting for 1
             1 group: served
             2 group: served",
        ),
        (
            "of two groups with one label that of the oldest VM comes first, whole",
            "claim 1 group .1 account=1 age=5\nclaim 2 group .2 account=2 age=1\nclaim 3 group .3 account=2 age=9",
            "+ A .2 ttl=60 for 2 group
             + A .3 ttl=60 for 3 group
             1 group: waiting for 2
             2 group: served
             3 group: served",
        ),
        (
            "the account that holds goes on holding by a member that has just come",
            "claim 1 group .1 account=1 age=1\nclaim 3 group .3 account=2 age=9\nrow #10 A .2
             entry 2 group A .2 #10 account=2\nvm 2 gone",
            "- #10 A .2 (its VM is gone)
             + A .3 ttl=60 for 3 group
             1 group: waiting for 3
             3 group: served",
        ),
        (
            "the other account's group follows when the last member goes",
            "claim 1 group .1 account=1\nclaim 4 group .4 account=1\nrow #10 A .2
             entry 2 group A .2 #10 account=2\nvm 2 gone",
            "- #10 A .2 (its VM is gone)
             + A .1 ttl=60 for 1 group
             + A .4 ttl=60 for 4 group
             1 group: served
             4 group: served",
        ),
        (
            "not beside a member that is frozen",
            "claim 1 group .1 account=1\nrow #10 A .2\nentry 2 group A .2 #10 account=2\nvm 2 frozen",
            "1 group: waiting for 2\n2 group: frozen",
        ),
        (
            "a held member keeps the other account away",
            "hold\nclaim 1 group .1 account=1\nrow #10 A .2\nentry 2 group A .2 #10 account=2\nvm 2 quietly-gone",
            "held: 1\n1 group: held\n2 group: held",
        ),
    ]);
}

#[test]
fn nothing_is_written_beside_an_old_holder_that_must_stand() {
    let holder = "claim 2 name .2 ::2\nrow #10 A .1\nentry 1 name A .1 #10\n";
    for (why, facts) in [
        ("held", "hold\nvm 1 quietly-gone"),
        ("renamed, and nothing may go", "mode upsert-only\nvm 1 announced"),
        ("gone, and nothing may change", "mode create-only\nvm 1 gone"),
        ("frozen", "vm 1 frozen"),
        ("not allowed any more", "forbidden 1\nvm 1 gone"),
    ] {
        let bed = Bed::new(&format!("{holder}{facts}"));
        let decision = bed.decide();
        assert!(decision.is_empty(), "{why}:\n{}", text(&decision));
        let two = decision.outcomes.iter().find(|(id, ..)| *id == vm(2)).map(|(.., outcome)| outcome);
        assert!(matches!(two, Some(Outcome::Held | Outcome::Waiting { .. })), "{why}: {two:?}");
    }
}

#[test]
fn reverse_names_contend() {
    let with = |facts: &str| {
        let stands = "stands a.domain.com .1\nstands b.domain.com .1\nstands c.domain.com .1";
        format!("name 1.2.0.192.in-addr.arpa\n{stands}\n{facts}")
    };
    let cases = [
        (
            "of many Isolated networks the oldest VM",
            "claim 3 ptr .1 to=c.domain.com\nclaim 1 ptr .1 to=a.domain.com\nclaim 2 ptr .1 to=b.domain.com",
            "+ PTR a.domain.com ttl=60 for 1 ptr
             3 ptr: waiting for 1
             1 ptr: served
             2 ptr: waiting for 1",
        ),
        (
            "but a holder keeps it",
            "claim 1 ptr .1 to=a.domain.com\nclaim 2 ptr .1 to=b.domain.com\nrow #10 PTR b.domain.com
             entry 2 ptr PTR b.domain.com #10",
            "1 ptr: waiting for 2\n2 ptr: served",
        ),
        (
            "also one in a Shared network, from an older VM in another",
            "claim 1 ptr .1 to=a.domain.com shared\nclaim 2 ptr .1 to=b.domain.com shared
             row #10 PTR b.domain.com\nentry 2 ptr PTR b.domain.com #10",
            "1 ptr: waiting for 2\n2 ptr: served",
        ),
        (
            "when the one in the Shared network goes, the oldest of the others follows",
            "claim 2 ptr .1 to=b.domain.com\nclaim 1 ptr .1 to=a.domain.com\nrow #10 PTR c.domain.com
             entry 3 ptr PTR c.domain.com #10\nvm 3 gone",
            "- #10 PTR c.domain.com (its VM is gone)
             + PTR a.domain.com ttl=60 for 1 ptr
             2 ptr: waiting for 1
             1 ptr: served",
        ),
        (
            "an edited one keeps even a Shared network's away",
            "claim 1 ptr .1 to=a.domain.com\nclaim 2 ptr .1 to=b.domain.com shared
             row #10 PTR mail.example.org\nentry 1 ptr PTR a.domain.com #10",
            "1 ptr: released: it was edited in place\n2 ptr: waiting for 1",
        ),
    ];
    let cases: Vec<_> = cases.map(|(says, facts, expected)| (says, with(facts), expected)).into();
    let cases: Vec<_> =
        cases.iter().map(|(says, facts, expected)| (*says, facts.as_str(), *expected)).collect();
    check(&cases);
}

/// Name and group claims of six VMs of two accounts, each with its own addresses.
fn crowd() -> impl Strategy<Value = Vec<String>> {
    let claim = (any::<bool>(), any::<bool>(), 0..3_usize, 1..4_u32);
    prop::collection::vec(claim, 1..7).prop_map(|claims| {
        let one = |(number, (name, group, family, age)): (u32, (bool, bool, usize, u32))| {
            let (v4, v6) = (format!(".{number}"), format!("::{number}"));
            let addresses = [v4.clone(), v6.clone(), format!("{v4} {v6}")][family].clone();
            let line = |kind| format!("claim {number} {kind} {addresses} age={age} account={}", number % 2);
            let kinds = [("name", name), ("group", group)];
            kinds.into_iter().filter(|(_, has)| *has).map(|(kind, _)| line(kind)).collect::<Vec<_>>()
        };
        (1..).zip(claims).flat_map(one).collect()
    })
}

proptest! {
    /// However often it is decided, in whatever order claims come, and whoever comes or goes besides.
    #[test]
    fn a_name_never_flaps_and_is_never_shared(crowd in crowd(), orders in prop::collection::vec(any::<u64>(), 100)) {
        let mut bed = Bed::new(&crowd.join("\n"));
        bed.apply(&bed.decide());
        let shares = |bed: &Bed| {
            let mut holders: Vec<_> = (bed.entries.iter())
                .map(|entry| if entry.kind == Kind::Group { (None, Some(entry.account)) } else { (Some(entry.vm), None) })
                .collect();
            holders.sort_unstable();
            holders.dedup();
            holders.len()
        };
        prop_assert!(shares(&bed) <= 1, "{crowd:?}: {:?}", bed.entries);
        for order in orders {
            bed.claims.sort_by_key(|claim| claim.vm.as_u128().wrapping_mul(u128::from(order) | 1) % 97);
            let again = bed.decide();
            prop_assert!(again.is_empty(), "{crowd:?}:\n{}", text(&again));
        }
        // A VM as old as the hills comes by a rename: it takes no live name.
        if !bed.entries.is_empty() {
            bed.claims.insert(0, Bed::new("claim 9 name .99 ::99 age=0").claims.remove(0));
            let again = bed.decide();
            prop_assert!(again.is_empty(), "{crowd:?}:\n{}", text(&again));
            bed.claims.remove(0);
        }
        // Each holder in turn leaves: somebody follows in the same decision, and again nobody shares.
        while let Some(holder) = bed.entries.first().map(|entry| entry.vm) {
            bed.claims.retain(|claim| claim.vm != holder);
            bed.standings.insert(holder, super::Standing::Gone { announced: true });
            bed.apply(&bed.decide());
            prop_assert!(shares(&bed) <= 1, "{crowd:?}: {:?}", bed.entries);
            prop_assert_eq!(bed.entries.is_empty(), bed.claims.is_empty(), "{:?}", bed.claims);
        }
    }
}
