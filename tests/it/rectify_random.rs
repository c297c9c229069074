//! Random histories of VMs and operators in rectified zones of every mode: after each pass
//! `pdnsutil rectify-zone` would change no row, and `check-zone` finds nothing that is ours.
//!
//! A step is one operation in one town; a round gives each town a few and ends with one pass and one check
//! of all zones. CS_POWERDNS_TEST_STEPS makes longer histories, CS_POWERDNS_TEST_SEED others.

use super::{
    rectify_towns::{Dice, Town},
    rules_support::dump,
    support::sync,
};
use std::collections::BTreeSet;
use testbed::{Lab, Row};

/// Steps where the environment does not say: about 30 s on an idle core.
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
async fn no_random_history_leaves_anything_for_rectify_zone_to_change() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CS_POWERDNS_TEST_SEED").unwrap_or(SEED);
    let steps = number("CS_POWERDNS_TEST_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let mut dice = Dice(seed);
    let lab = Lab::new("rectify_random").await;
    let mut towns = Vec::new();
    for (nth, (mode, how)) in MODES.iter().enumerate() {
        towns.push(Town::found(&lab, mode, nth).await);
        sign(&lab, &towns[nth], how).await;
    }
    let zones: Vec<String> = towns.iter().flat_map(Town::zones).collect();
    rectify(&lab, &zones).await;

    let (mut done, mut history) = (0, Vec::new());
    while done < steps {
        let mut round = Vec::new();
        // Operators first, and their tool rectifies: what follows is ours alone.
        for town in &mut towns {
            for _ in 0..dice.below(3) {
                round.push(town.operator(&lab, &mut dice).await);
            }
        }
        if !round.is_empty() {
            rectify(&lab, &zones).await;
        }
        for town in &mut towns {
            for _ in 0..=dice.below(2) {
                round.push(town.cloud(&lab, &mut dice));
            }
        }
        done += round.len();
        history.push(round.join("\n    "));
        let (before, his) = (dump(&lab).await, complaints(&lab).await);
        sync(&lab, &SETTINGS).await;
        let ours = dump(&lab).await;
        rectify(&lab, &zones).await;
        let told: Vec<String> = complaints(&lab).await.difference(&his).cloned().collect();
        let wrong = difference(&ours, &dump(&lab).await) + &told.join("\n");
        if !wrong.is_empty() {
            let pass = difference(&before, &ours);
            let last = history.iter().rev().take(4).rev().cloned().collect::<Vec<_>>().join("\n  then\n    ");
            panic!(
                "CS_POWERDNS_TEST_SEED={seed}, after {done} steps, rectify-zone or check-zone says:\n{wrong}\n\
                 the last rounds:\n    {last}\nthe pass wrote:\n{pass}"
            );
        }
    }
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

async fn rectify(lab: &Lab, zones: &[String]) {
    let arguments: Vec<&str> =
        std::iter::once("rectify-zone").chain(zones.iter().map(String::as_str)).collect();
    lab.dns().await.pdnsutil(&arguments).expect("rectify-zone works");
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
    let wrong = |line: &&str| line.contains("[Error]") || line.contains("[Warning]");
    said.lines().filter(wrong).map(str::to_owned).collect()
}
