//! What happens to each case of `fixtures/verdicts.txt` in each of its three futures.

use super::bed::{Bed, text};
use crate::{
    ledger::cases::{self, Case},
    model::{Entry, Kind},
};
use std::{collections::BTreeSet, fmt::Write as _};

/// What VM 1 does from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Future {
    /// It wants what its entries say.
    Stays,
    /// It has other addresses (.7, ::7); a reverse name's VM has another name instead.
    Moves,
    /// It is gone.
    Goes,
}

fn claims(bed: &Bed, future: Future) -> String {
    let own: Vec<&Entry> = bed.entries.iter().filter(|entry| &*entry.owner == "default").collect();
    let mut lines = String::new();
    for vm in own.iter().map(|entry| entry.vm.as_u128()).collect::<BTreeSet<_>>() {
        let of = || own.iter().filter(|entry| entry.vm.as_u128() == vm);
        let entry = of().next().expect("it has an entry");
        match future {
            Future::Goes if vm == 1 => lines += "vm 1 gone\n",
            _ if entry.kind == Kind::Ptr => {
                let old = entry.content.to_string();
                let to = if future == Future::Moves { "new.domain.com" } else { &old };
                let _ = writeln!(lines, "claim {vm} ptr .1 to={to}\nstands {to} .1\nvm {vm} announced");
            }
            _ => {
                let moves = future == Future::Moves && vm == 1;
                let address = |entry: &&Entry| match (moves, entry.rtype.as_str()) {
                    (true, "A") => ".7".to_owned(),
                    (true, _) => "::7".to_owned(),
                    _ => entry.content.to_string().replace("192.0.2", "").replace("2001:db8", ""),
                };
                let addresses: Vec<String> = of().map(address).collect();
                let (kind, addresses) = (entry.kind, addresses.join(" "));
                let _ = writeln!(lines, "claim {vm} {kind} {addresses}\nvm {vm} announced");
            }
        }
    }
    lines
}

fn found(case: &Case, future: Future) -> (String, String) {
    let bed = Bed::new(&case.facts);
    let mut bed = Bed::new(&format!("{}{}", case.facts, claims(&bed, future)));
    let decision = bed.decide();
    bed.apply(&decision);
    let again = bed.decide();
    let again = if again.is_empty() { String::new() } else { text(&again) };
    let said = text(&decision);
    (if said.is_empty() { "nothing\n".into() } else { said }, again)
}

#[test]
fn every_case_of_the_table_ends_as_it_says() {
    let mut wrong = String::new();
    for case in cases::read() {
        for (expected, future) in case.futures.iter().zip([Future::Stays, Future::Moves, Future::Goes]) {
            let (found, again) = found(&case, future);
            if found != *expected {
                let _ = writeln!(wrong, "{}: its VM {future:?}:\n{expected}found:\n{found}", case.says);
            }
            if !again.is_empty() {
                let _ = writeln!(wrong, "{}: its VM {future:?}: decided again:\n{again}", case.says);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
