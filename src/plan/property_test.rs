//! What holds for every mix of claims, rows and entries at one name.

use super::{
    Losses, Mode, Standing,
    bed::{Bed, key, text, vm},
};
use crate::model::{Entry, Kind, fuzz::cases};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};

const V4: [&str; 4] = [".1", ".2", ".3", ".4"];
const V6: [&str; 2] = ["::1", "::2"];

fn any_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

/// `A .1` or `AAAA ::1`.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![any_of(&V4).prop_map(|v4| format!("A {v4}")), any_of(&V6).prop_map(|v6| format!("AAAA {v6}"))]
}

fn addresses() -> impl Strategy<Value = String> {
    (prop::sample::subsequence(&V4[..], 0..3), prop::sample::subsequence(&V6[..], 0..2))
        .prop_map(|(v4, v6)| [v4, v6].concat().join(" "))
        .prop_filter("a VM without addresses claims nothing", |addresses| !addresses.is_empty())
}

/// At most one claim of each kind for each of four VMs of two accounts.
fn claims() -> impl Strategy<Value = Vec<String>> {
    let claim = (1..5_u32, any_of(&["name", "name", "group"]), addresses(), 1..9_u32);
    prop::collection::vec(claim, 0..5).prop_map(|claims| {
        let mut seen = HashSet::new();
        (claims.into_iter().filter(|(vm, kind, _, _)| seen.insert((*vm, *kind))))
            .map(|(vm, kind, addresses, age)| {
                format!("claim {vm} {kind} {addresses} age={age} account={}", vm % 2)
            })
            .collect()
    })
}

fn row() -> impl Strategy<Value = String> {
    let what = prop_oneof![6 => address(), 1 => Just("CNAME web.example.org".to_owned())];
    let ttl = any_of(&["60", "60", "60", "30", "300"]);
    (what, ttl, prop::bool::weighted(0.15), prop::bool::weighted(0.2)).prop_map(
        |(what, ttl, disabled, above)| {
            let disabled = if disabled { " disabled" } else { "" };
            let zone = if above { " zone=1" } else { "" };
            format!("{what} ttl={ttl}{disabled}{zone}")
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(row(), 0..6).prop_map(|rows| {
        rows.into_iter().enumerate().map(|(at, row)| format!("row #{} {row}", at + 10)).collect()
    })
}

fn entries() -> impl Strategy<Value = Vec<String>> {
    let owner = any_of(&["default", "default", "default", "default", "other"]);
    let set = any_of(&["", "", "", " held=ab12", " held=cd34"]);
    let state = (prop::bool::weighted(0.1), set);
    let entry = (1..5_u32, any_of(&["name", "group"]), address(), 9..17_u32, state, owner);
    prop::collection::vec(entry, 0..5).prop_map(|entries| {
        let mut seen = HashSet::new();
        (entries.into_iter().filter(|(_, _, what, ..)| seen.insert(what.clone())))
            .map(|(vm, kind, what, id, (hold, set), owner)| {
                let hold = if hold { " hold" } else { "" };
                format!("entry {vm} {kind} {what} #{id} account={} owner={owner}{hold}{set}", vm % 2)
            })
            .collect()
    })
}

fn standings() -> impl Strategy<Value = Vec<String>> {
    let standing = any_of(&["gone", "quietly-gone", "announced", "frozen"]);
    prop::collection::vec((1..5_u32, standing), 0..3)
        .prop_map(|all| all.into_iter().map(|(vm, standing)| format!("vm {vm} {standing}")).collect())
}

fn settings() -> impl Strategy<Value = Vec<String>> {
    let lines = [
        "hold",
        "hold ab12",
        "approved cd34",
        "recreate false",
        "ttl 120",
        "mode upsert-only",
        "mode create-only",
        "zone 2 www.domain.com",
        "barrier delegation",
        "forbidden 1",
    ];
    prop::sample::subsequence(lines.to_vec(), 0..3)
        .prop_map(|lines| lines.into_iter().map(str::to_owned).collect())
}

/// Facts of any kind. VMs that are frozen or gone make no claims.
pub fn world() -> impl Strategy<Value = String> {
    (settings(), claims(), rows(), entries(), standings()).prop_map(
        |(settings, mut claims, rows, entries, standings)| {
            claims.retain(|claim| {
                !standings.iter().any(|line| {
                    let (vm, how) = line.rsplit_once(' ').unwrap();
                    how != "announced" && claim[6..].starts_with(&vm[3..])
                })
            });
            [settings, claims, rows, entries, standings].concat().join("\n")
        },
    )
}

proptest! {
    #![proptest_config(cases(1500))]

    /// Promise 2, and the rules that forbid losses: checked on the rows, with no word of the planner's own.
    #[test]
    fn only_a_row_that_an_entry_of_ours_matches_is_touched(facts in world()) {
        let mut bed = Bed::new(&facts);
        let (before, decision) = (bed.clone(), bed.decide());
        bed.apply(&decision);
        let ours = |id: u64| {
            let row = before.rows.iter().find(|row| row.id == id).unwrap();
            let own = |entry: &&Entry| {
                *entry.owner == *"default" && (entry.zone, &entry.rtype, &entry.content)
                    == (row.zone, &row.rtype, &row.content)
            };
            (!row.disabled).then(|| before.entries.iter().find(own)).flatten()
        };
        for row in &before.rows {
            let now = bed.rows.iter().find(|now| now.id == row.id);
            if now == Some(row) {
                continue;
            }
            let entry = ours(row.id);
            prop_assert!(entry.is_some(), "touched without an entry: {row:?}");
            let entry = entry.unwrap();
            let standing = before.standings.get(&entry.vm);
            if now.is_none() {
                prop_assert!(standing != Some(&Standing::Keep), "a frozen VM has lost {row:?}");
                prop_assert!(before.settings.mode != Mode::CreateOnly, "create-only: {row:?}");
                let announced = matches!(
                    standing,
                    Some(Standing::Living { announced: true } | Standing::Gone { announced: true })
                );
                let hidden = row.zone == 1 && facts.contains("zone 2 ");
                let set = entry.held.or(match before.losses {
                    Losses::Hold { set } => set,
                    Losses::Allow => None,
                });
                let approved = set.is_some_and(|set| before.approved.contains(&set));
                prop_assert!(
                    before.losses == Losses::Allow || announced || hidden || approved,
                    "unannounced, and losses are held: {row:?}"
                );
            }
        }
        for entry in before.entries.iter().filter(|entry| *entry.owner != *"default") {
            prop_assert!(bed.entries.contains(entry), "another owner's entry was touched: {entry:?}");
        }
        let keys: HashSet<_> = bed.entries.iter().map(key).collect();
        prop_assert_eq!(keys.len(), bed.entries.len(), "two entries of one key");
    }

    /// Promise 1.
    #[test]
    fn what_is_decided_and_done_is_not_decided_again(facts in world()) {
        let mut bed = Bed::new(&facts);
        let first = bed.decide();
        bed.apply(&first);
        let again = bed.decide();
        prop_assert!(again.is_empty(), "{}\nfirst:\n{}again:\n{}", facts, text(&first), text(&again));
    }

    /// Where losses are held, none is drawn on the budget, and a set is what stands in the entries: held
    /// is what is stored.
    #[test]
    fn what_is_held_stands_in_its_entries(facts in world()) {
        let mut bed = Bed::new(&facts);
        let decision = bed.decide();
        bed.apply(&decision);
        let own = || bed.entries.iter().filter(|entry| *entry.owner == *"default");
        if bed.losses == Losses::Allow {
            prop_assert!(decision.held.is_empty());
        } else {
            prop_assert_eq!(decision.losses, 0);
        }
        let mut stored: Vec<_> = own().filter_map(|entry| entry.held).collect();
        stored.retain(|set| !bed.approved.contains(set));
        let mut told: Vec<_> = decision.held.iter().filter_map(|loss| loss.set).collect();
        told.extend(&decision.carried);
        stored.sort_unstable();
        told.sort_unstable();
        prop_assert_eq!(stored, told);
        for loss in &decision.held {
            let row = loss.owned.row();
            let stays = bed.rows.iter().any(|now| (now.id, &now.content) == (row.id, &row.content));
            prop_assert!(stays, "a held row stays: {:?}", loss);
        }
    }

    /// One address of one type never stands twice by our own doing, and nothing of ours arrives beside a
    /// CNAME.
    #[test]
    fn what_is_added_is_new(facts in world()) {
        let mut bed = Bed::new(&facts);
        let decision = bed.decide();
        let before = bed.rows.clone();
        bed.apply(&decision);
        for insert in &decision.inserts {
            let same = |row: &&crate::model::Row| row.zone == insert.zone && row.content == insert.content
                && !row.disabled;
            prop_assert_eq!(bed.rows.iter().filter(same).count(), 1, "{:?}", insert);
            let replaced = decision.deletes.iter().any(|(owned, _)| owned.row().rtype == insert.rtype);
            prop_assert!(
                replaced || !before.iter().any(|row| row.zone == insert.zone
                    && row.rtype == crate::model::RecordType::Cname),
                "beside a CNAME: {insert:?}"
            );
        }
    }

    /// No foreign rows, nothing edited, everything allowed: what is served is what anybody would say.
    #[test]
    fn without_operators_what_is_served_is_what_the_holder_wants(
        steps in prop::collection::vec(claims(), 1..8)
    ) {
        let mut bed = Bed::new("");
        let mut holder = None;
        for step in steps {
            let claims = Bed::new(&step.join("\n")).claims;
            // Whoever claims nothing at a step is gone at that step.
            bed.standings = (1..5).filter(|number| !claims.iter().any(|claim| claim.vm == vm(*number)))
                .map(|number| (vm(number), Standing::Gone { announced: true }))
                .collect();
            bed.claims.clone_from(&claims);
            let decision = bed.decide();
            bed.apply(&decision);

            let oldest = |kind| claims.iter().filter(|claim| claim.kind == kind)
                .min_by_key(|claim| (claim.created, claim.vm));
            let stays = |held: (Kind, u128)| claims.iter().any(|claim| claim.kind == held.0 && match held.0 {
                Kind::Group => claim.account.as_u128() == held.1,
                _ => claim.vm.as_u128() == held.1,
            });
            let group = oldest(Kind::Group).map(|claim| (Kind::Group, claim.account.as_u128()));
            let kept = holder.filter(|held| stays(*held));
            holder = match (kept, group) {
                (Some((Kind::Group, _)), _) | (Some(_), None) => kept,
                (_, Some(group)) => Some(group),
                (None, None) => oldest(Kind::Name).map(|claim| (Kind::Name, claim.vm.as_u128())),
            };
            let served: BTreeSet<String> = claims.iter().filter(|claim| match holder {
                Some((Kind::Group, account)) => {
                    claim.kind == Kind::Group && claim.account.as_u128() == account
                }
                Some((kind, number)) => claim.kind == kind && claim.vm.as_u128() == number,
                None => false,
            }).flat_map(|claim| claim.addresses.iter().map(ToString::to_string)).collect();
            let found: Vec<String> = bed.rows.iter().map(|row| row.content.to_string()).collect();
            prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), served);
            prop_assert_eq!(found.len(), bed.entries.len(), "a row an entry");
        }
    }
}
