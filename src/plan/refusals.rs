//! What VMs want and nobody writes, by zone and reason: the names that must not be written, and the wishes
//! that are none. Tenants choose most of it, so what is listed is bounded, and all of it is counted.

use super::state::Decision;
use crate::model::{Kind, Outcome, OwnerName, Rejection, VmId, Zones, counted};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// So many claims of each cause are kept.
const KEPT: usize = 10;
/// So many causes are shown to people.
const SHOWN: usize = 20;

/// Why claims are not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The zone; none where it comes to none.
    pub zone: Option<Box<str>>,
    /// A word of few values.
    pub reason: &'static str,
    /// `rejected`, `pending` (filled once the zone is there), `refused`, or `retired` (rows of ours stay).
    pub state: &'static str,
}

/// A claim that is not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The name that was wanted, or the text that is none.
    pub name: Box<str>,
    /// Why it was wanted.
    pub kind: Kind,
    /// The VM.
    pub vm: VmId,
    /// The particulars.
    pub detail: String,
}

/// The claims of one cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub claims: u64,
    /// The first of them by name.
    pub first: BTreeSet<Refusal>,
}

/// See the module. A name that is decided again replaces what was noted of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    names: BTreeMap<OwnerName, Vec<(Cause, Refusal)>>,
    rejected: BTreeMap<Cause, Refused>,
}

impl Refusals {
    /// Takes in the decision on one name.
    pub(super) fn decided(&mut self, name: &OwnerName, decision: &Decision, zones: &Zones) {
        let zone = zones.enclosing(name.as_str()).map(|zone| zone.name.as_str().into());
        let refused = decision.outcomes.iter().filter_map(|(vm, kind, outcome)| {
            let (Outcome::Refused(barrier) | Outcome::Retired(barrier)) = outcome else { return None };
            let cause = Cause { zone: zone.clone(), reason: barrier.word(), state: outcome.word() };
            let detail = barrier.to_string();
            Some((cause, Refusal { name: name.as_str().into(), kind: *kind, vm: *vm, detail }))
        });
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() {
            self.names.remove(name);
        } else {
            self.names.insert(name.clone(), refused);
        }
    }

    /// Takes in what a VM cannot have.
    pub fn rejected(&mut self, vm: VmId, rejection: &Rejection, zones: &Zones) {
        let Rejection { kind, name, pending, reason, detail } = rejection;
        // One that waits for its zone says by its suffix for which.
        let suffix = || name.split_once('.').map(|(_, suffix)| suffix.into());
        let zone = || zones.enclosing(name).map(|zone| zone.name.as_str().into());
        let zone = if *pending { suffix() } else { zone() };
        let cause = Cause { zone, reason, state: if *pending { "pending" } else { "rejected" } };
        let refusal = Refusal { name: name.clone(), kind: *kind, vm, detail: detail.clone() };
        self.rejected.entry(cause).or_default().take(refusal);
    }

    /// By zone and reason, the most frequent cause first.
    pub fn by_cause(&self) -> Vec<(Cause, Refused)> {
        let mut all = self.rejected.clone();
        for (cause, refusal) in self.names.values().flatten() {
            all.entry(cause.clone()).or_default().take(refusal.clone());
        }
        let mut all: Vec<(Cause, Refused)> = all.into_iter().collect();
        all.sort_by_key(|(_, refused)| Reverse(refused.claims));
        all
    }

    /// Whether everything that is wanted may be written.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.rejected.is_empty()
    }
}

impl Refused {
    fn take(&mut self, refusal: Refusal) {
        self.claims += 1;
        self.first.insert(refusal);
        if self.first.len() > KEPT {
            self.first.pop_last();
        }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = self.by_cause();
        let claims: u64 = causes.iter().map(|(_, refused)| refused.claims).sum();
        write!(f, "claims that are not written: {claims}")?;
        for (Cause { zone, reason, state }, Refused { claims, first }) in causes.iter().take(SHOWN) {
            write!(f, "\n  {}: {claims} {state}, {reason}", zone.as_deref().unwrap_or("no zone"))?;
            if let Some(Refusal { name, detail, .. }) = first.first() {
                write!(f, "; first {name}: {detail}")?;
            }
        }
        match causes.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and by {}: `plan --json` has all", counted(more, "more cause")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Barrier, Unwritable, Zone};
    use std::collections::HashMap;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn zones() -> Zones {
        Zones::new([Zone::sample(1, &name("corp.org"))], HashMap::new())
    }

    fn vm(id: u128) -> VmId {
        VmId::from_u128(id)
    }

    fn refused(barrier: Barrier) -> Decision {
        let outcomes = vec![
            (vm(1), Kind::Name, Outcome::Refused(barrier)),
            (vm(2), Kind::Name, Outcome::Waiting { holder: None }),
        ];
        Decision { outcomes, ..Decision::default() }
    }

    fn rejection(name: &str, pending: bool, reason: &'static str) -> Rejection {
        Rejection { kind: Kind::Name, name: name.into(), pending, reason, detail: format!("{reason}!") }
    }

    #[test]
    fn refusals_are_counted_by_zone_and_reason_and_a_name_counts_as_it_was_decided_last() {
        let mut refusals = Refusals::default();
        let cut = || refused(Barrier::Delegation("sub.corp.org".into()));
        refusals.decided(&name("b.sub.corp.org"), &cut(), &zones());
        refusals.decided(&name("a.sub.corp.org"), &cut(), &zones());
        refusals.decided(&name("c.sub.corp.org"), &cut(), &zones());
        refusals.decided(&name("c.sub.corp.org"), &Decision::default(), &zones());
        refusals.decided(&name("d.corp.org"), &refused(Barrier::Zone(Unwritable::Presigned)), &zones());
        for (name, pending, reason) in [
            ("web.corp.org", false, "not in DNS_ZONES"),
            ("web.nozone.org", true, "no zone"),
            ("two_words", false, "bad name"),
        ] {
            refusals.rejected(vm(3), &rejection(name, pending, reason), &zones());
        }
        let lines = [
            "claims that are not written: 6",
            "  corp.org: 2 refused, delegation; first a.sub.corp.org: delegated away at sub.corp.org",
            "  no zone: 1 rejected, bad name; first two_words: bad name!",
            "  corp.org: 1 rejected, not in DNS_ZONES; first web.corp.org: not in DNS_ZONES!",
            "  corp.org: 1 refused, presigned; first d.corp.org: the zone is presigned: its signatures come from elsewhere",
            "  nozone.org: 1 pending, no zone; first web.nozone.org: no zone!",
        ];
        assert_eq!(refusals.to_string(), lines.join("\n"));
    }

    #[test]
    fn however_many_tenants_ask_for_however_much_the_lists_stay_short() {
        let mut refusals = Refusals::default();
        for zone in 0..30 {
            for at in 0..100 {
                let name = format!("vm{at}.zone{zone}.org");
                refusals.rejected(vm(at), &rejection(&name, true, "no zone"), &zones());
            }
        }
        let text = refusals.to_string();
        assert_eq!(text.lines().count(), 22);
        assert!(text.starts_with("claims that are not written: 3000\n"), "{text}");
        assert!(text.ends_with("and by 10 more causes: `plan --json` has all"), "{text}");
        let causes = refusals.by_cause();
        assert!(causes.iter().all(|(_, refused)| refused.claims == 100 && refused.first.len() == KEPT));
    }
}
