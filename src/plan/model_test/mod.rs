//! Decisions against a naive model: histories of one owner name, and of several names together.

mod history;
mod naive;
mod picture;
mod town;
mod verdicts;

use super::bed::{Bed, text};
use crate::model::{Entry, Row, fuzz::cases};
use history::{Past, Step};
use naive::expect;
use picture::Picture;
use proptest::prelude::*;
use town::Town;

/// Settles again and again, and checks after each settle what design 2 to 5 promise.
fn check(of: &str, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut past = Past::new(of);
    let mut told = format!("name {of}\n");
    for step in steps {
        past.dump();
        for line in step {
            past.act(line);
            told.extend([line, "\n"]);
        }
        told += "settle\n";
        let before = past.bed.clone();
        let decision = past.bed.decide();
        past.bed.apply(&decision);
        let facts = || format!("{told}before: {:#?}\ndecided:\n{}", Picture::of(&before), text(&decision));
        only_ours(&before, &past.bed).map_err(|why| TestCaseError::fail(format!("{why}\n{}", facts())))?;
        let (found, expected) = (Picture::of(&past.bed), expect(&before));
        prop_assert!(found == expected, "{}\nfound {:#?}\nexpected {:#?}", facts(), found, expected);
        let again = past.bed.decide();
        prop_assert!(again.is_empty(), "{}\nand again:\n{}", facts(), text(&again));
    }
    Ok(())
}

/// Promise 2, on the rows alone: what has changed or gone was, to the letter, what an entry of ours says.
fn only_ours(before: &Bed, after: &Bed) -> Result<(), String> {
    for row in &before.rows {
        if after.rows.contains(row) {
            continue;
        }
        let says = |entry: &&Entry| {
            let zone = before
                .former
                .get(&entry.zone)
                .and_then(|name| before.zones.iter().find(|zone| zone.1 == *name));
            *entry.owner == *"default"
                && zone.map_or(entry.zone, |zone| zone.0) == row.zone
                && (&entry.rtype, &entry.content) == (&row.rtype, &row.content)
        };
        let entry = before.entries.iter().find(says);
        if entry.is_none() || row.disabled {
            return Err(format!("touched, and no entry says that it is ours: {row:?}"));
        }
        // Of several equal rows one is ours.
        let twin = |other: &&Row| {
            other.id != row.id
                && (other.zone, &other.rtype, &other.content) == (row.zone, &row.rtype, &row.content)
        };
        if before.rows.iter().filter(twin).any(|twin| !after.rows.contains(twin)) {
            return Err(format!("touched two equal rows for one entry: {row:?}"));
        }
    }
    for entry in before.entries.iter().filter(|entry| *entry.owner != *"default") {
        if !after.entries.contains(entry) {
            return Err(format!("another owner's entry was touched: {entry:?}"));
        }
    }
    Ok(())
}

/// Settles all names again and again.
fn check_town(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut town = Town::new();
    let (mut told, mut touched) = (String::new(), false);
    for step in steps {
        for line in step {
            town.act(line);
            touched |= ["insert", "delete", "update"].iter().any(|word| line.starts_with(word));
            told.extend([line, "\n"]);
        }
        told += "settle\n";
        let (before, theirs, holders) = (town.picture(), town.theirs(), town.holders());
        let written = town.settle();
        let checks = || {
            town.check(&theirs)?;
            if touched { Ok(()) } else { town.check_untouched().and_then(|()| town.check_tenure(&holders)) }
        };
        if let Err(why) = checks() {
            let after = town.picture();
            prop_assert!(false, "{why}\n{told}before:\n{before}written:\n{written}after:\n{after}");
        }
        let again = town.settle();
        prop_assert!(again.is_empty(), "{told}before:\n{before}written:\n{written}and again:\n{again}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_forward_name_is_after_each_settle_as_the_design_says(steps in history::forward()) {
        check("www.domain.com", &steps)?;
    }

    #[test]
    fn a_reverse_name_is_after_each_settle_as_the_design_says(steps in history::reverse()) {
        check("1.2.0.192.in-addr.arpa", &steps)?;
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_name_has_one_holder_and_every_reverse_name_is_confirmed(steps in town::steps(false)) {
        check_town(&steps)?;
    }

    #[test]
    fn what_operators_write_stays_and_reverse_names_stay_confirmed(steps in town::steps(true)) {
        check_town(&steps)?;
    }
}
