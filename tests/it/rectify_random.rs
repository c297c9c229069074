//! Random histories of VMs and operators in rectified zones of every mode: after each pass
//! `pdnsutil rectify-zone` would change no row, and `check-zone` finds nothing that is ours.
//!
//! One history has a pass and a check of all zones after each operation, so that a failure names the one
//! that did it; another has a pass for several operations at once, which meet in its transaction.
//! CS_POWERDNS_TEST_STEPS makes longer histories, CS_POWERDNS_TEST_SEED others.

use super::{
    rectify_towns::{Dice, Town},
    rules_support::{dump, faults},
    support::sync,
};
use std::{collections::BTreeSet, str::FromStr};
use testbed::{Lab, Row};

/// Operations of each history where the environment does not say.
const STEPS: usize = 300;
const SEED: u64 = 20_260_801;

const SETTINGS: [(&str, &str); 2] = [("DNS_PARENT_ZONES", "true"), ("DNS_MAX_LOSS_PERCENT", "100")];

/// A zone for each way of signing, with what makes it so.
const MODES: [(&str, &[&str]); 5] = [
    ("unsigned", &[]),
    ("nsec", &["-"]),
    ("nsec3", &["1 0 5 ab12"]),
    ("optout", &["1 1 0 -"]),
    ("narrow", &["1 0 0 -", "narrow"]),
];

#[tokio::test]
async fn no_random_operation_leaves_anything_for_rectify_zone_to_change() {
    let mut history = History::begin("rectify_each").await;
    while history.done < history.steps {
        let nth = history.dice.below(MODES.len());
        let what = if history.dice.below(3) == 0 {
            let what = history.towns[nth].operator(&history.lab, &mut history.dice).await;
            history.operators_tool().await;
            what
        } else {
            history.towns[nth].cloud(&history.lab, &mut history.dice)
        };
        history.pass(vec![what]).await;
    }
}

#[tokio::test]
async fn no_random_history_leaves_anything_for_rectify_zone_to_change() {
    let mut history = History::begin("rectify_random").await;
    while history.done < history.steps {
        let History { towns, lab, dice, .. } = &mut history;
        let mut round = Vec::new();
        // Operators first, and their tool rectifies: what follows is ours alone.
        for town in &mut *towns {
            for _ in 0..dice.below(3) {
                round.push(town.operator(lab, dice).await);
            }
        }
        for town in towns {
            for _ in 0..=dice.below(2) {
                round.push(town.cloud(lab, dice));
            }
        }
        history.operators_tool().await;
        history.pass(round).await;
    }
}

struct History {
    lab: Lab,
    seed: u64,
    dice: Dice,
    towns: Vec<Town>,
    zones: Vec<String>,
    /// How many operations there are to be, and have been.
    steps: usize,
    done: usize,
    /// What happened before each pass.
    rounds: Vec<String>,
    /// What check-zone finds wrong that operators have put there.
    his: BTreeSet<String>,
}

impl History {
    async fn begin(test: &str) -> Self {
        let seed = from_environment("CS_POWERDNS_TEST_SEED").unwrap_or(SEED);
        let steps = from_environment("CS_POWERDNS_TEST_STEPS").unwrap_or(STEPS);
        let lab = Lab::new(test).await;
        let mut towns = Vec::new();
        for (nth, (mode, how)) in MODES.iter().enumerate() {
            towns.push(Town::found(&lab, mode, nth).await);
            sign(&lab, &towns[nth], how).await;
        }
        let zones: Vec<String> = towns.iter().flat_map(Town::zones).collect();
        let (dice, his) = (Dice(seed), BTreeSet::new());
        let mut history = Self { lab, seed, dice, towns, zones, steps, done: 0, rounds: vec![], his };
        history.operators_tool().await;
        history
    }

    /// What an operator's edit leaves is rectified before we come, and his faults are his.
    async fn operators_tool(&mut self) {
        self.rectify().await;
        self.his = complaints(&self.lab).await;
    }

    async fn rectify(&self) {
        let zones = self.zones.iter().map(String::as_str);
        let arguments: Vec<&str> = std::iter::once("rectify-zone").chain(zones).collect();
        self.lab.dns().await.pdnsutil(&arguments).expect("rectify-zone works");
    }

    /// One pass after `round`, and nothing is left to rectify or to complain of.
    async fn pass(&mut self, round: Vec<String>) {
        self.done += round.len();
        self.rounds.push(round.join("\n    "));
        let before = dump(&self.lab).await;
        sync(&self.lab, &SETTINGS).await;
        let ours = dump(&self.lab).await;
        self.rectify().await;
        let told: Vec<String> = complaints(&self.lab).await.difference(&self.his).cloned().collect();
        let wrong = difference(&ours, &dump(&self.lab).await) + &told.join("\n");
        let last = self.rounds.iter().rev().take(4).rev().cloned().collect::<Vec<_>>().join("\n  then\n    ");
        assert!(
            wrong.is_empty(),
            "CS_POWERDNS_TEST_SEED={}, after {} steps, rectify-zone or check-zone says:\n{wrong}\n\
             what happened last:\n    {last}\nthe pass wrote:\n{}",
            self.seed,
            self.done,
            difference(&before, &ours)
        );
    }
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Signs a town's zones: nothing to do for none, `-` for NSEC, else what `set-nsec3` takes.
async fn sign(lab: &Lab, town: &Town, how: &[&str]) {
    let dns = lab.dns().await;
    let Some(first) = how.first() else { return };
    for zone in town.zones() {
        dns.pdnsutil(&["secure-zone", &zone]).expect("secure-zone works");
        if *first != "-" {
            let arguments: Vec<&str> = ["set-nsec3", &zone].into_iter().chain(how.iter().copied()).collect();
            dns.pdnsutil(&arguments).expect("set-nsec3 works");
        }
    }
}

/// The rows that differ, serials apart.
fn difference(before: &[Row], after: &[Row]) -> String {
    let rows = |rows: &[Row]| -> BTreeSet<Row> {
        rows.iter().filter(|row| row.kind.as_deref() != Some("SOA")).cloned().collect()
    };
    let (before, after) = (rows(before), rows(after));
    let line = |sign: char, row: &Row| {
        let Row { name, kind, content, ordername, auth, disabled, id, .. } = row;
        let kind = kind.as_deref().unwrap_or("empty non-terminal");
        let content = content.as_deref().unwrap_or_default();
        format!("{sign} {id} {name} {kind} {content} order {ordername:?} auth {auth:?} disabled {disabled}\n")
    };
    let gone = before.difference(&after).map(|row| line('-', row));
    gone.chain(after.difference(&before).map(|row| line('+', row))).collect()
}

/// What check-zone finds wrong.
async fn complaints(lab: &Lab) -> BTreeSet<String> {
    let said = lab.dns().await.pdnsutil(&["check-all-zones"]).unwrap_or_else(|error| format!("{error:#}"));
    faults(&said).into_iter().map(str::to_owned).collect()
}
