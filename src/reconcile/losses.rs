//! Losses that nobody announced: collected while a pass runs, weighed against the budget at its end.

use crate::{
    model::{HeldSet, OwnerName},
    plan::{Decision, LossDigest, hash_of},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

/// What one name would lose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Pending {
    /// Records that are in no set yet.
    fresh: Vec<LossDigest>,
    /// The set of each of the others.
    stored: Vec<HeldSet>,
}

/// Names whose decision holds losses, and what they would lose. Losses of approved sets are not among
/// them: they go.
#[derive(Debug, Default)]
pub struct PendingLosses {
    names: BTreeMap<OwnerName, Pending>,
    /// Something has changed since they were weighed.
    news: bool,
}

impl PendingLosses {
    /// Notes what a name would lose by its latest decision; a name that would lose nothing is taken off.
    pub fn note(&mut self, name: &OwnerName, decision: &Decision) {
        let mut pending = Pending { fresh: Vec::new(), stored: decision.carried.clone() };
        for loss in &decision.held {
            match loss.set {
                Some(set) => pending.stored.push(set),
                None => pending.fresh.push(loss.digest),
            }
        }
        let none = Pending::default();
        if *self.names.get(name).unwrap_or(&none) == pending {
            return;
        }
        self.news = true;
        if pending == none {
            self.names.remove(name);
        } else {
            self.names.insert(name.clone(), pending);
        }
    }

    /// A name's losses could not be settled: they count again once it is decided anew.
    pub fn forget(&mut self, name: &OwnerName) {
        self.names.remove(name);
    }

    /// Whether nothing waits to be weighed.
    pub fn is_empty(&self) -> bool {
        !self.news || self.names.is_empty()
    }

    /// All records that would be lost, whether weighed or not.
    pub fn total(&self) -> u64 {
        self.names.values().map(|pending| (pending.fresh.len() + pending.stored.len()) as u64).sum()
    }

    /// The names, for the pass that may lose them.
    pub fn names(&self) -> Vec<OwnerName> {
        self.names.keys().cloned().collect()
    }

    /// The hash of what is in no set yet, and its names; none if all of it is in one.
    pub fn fresh(&self) -> Option<(HeldSet, Vec<OwnerName>)> {
        let set = hash_of(self.names.values().flat_map(|pending| pending.fresh.iter().copied()))?;
        let names = self.names.iter().filter(|(_, pending)| !pending.fresh.is_empty());
        Some((set, names.map(|(name, _)| name.clone()).collect()))
    }

    /// The sets with their records, the largest first.
    pub fn sets(&self) -> Vec<(HeldSet, u64)> {
        let mut counts: BTreeMap<HeldSet, u64> = BTreeMap::new();
        for set in self.names.values().flat_map(|pending| &pending.stored) {
            *counts.entry(*set).or_default() += 1;
        }
        let mut sets: Vec<(HeldSet, u64)> = counts.into_iter().collect();
        sets.sort_by_key(|(set, records)| (Reverse(*records), *set));
        sets
    }

    /// The names that have records of these sets.
    pub fn names_of(&self, sets: &HashSet<HeldSet>) -> Vec<OwnerName> {
        let has = |pending: &Pending| pending.stored.iter().any(|set| sets.contains(set));
        self.names.iter().filter(|(_, pending)| has(pending)).map(|(name, _)| name.clone()).collect()
    }

    /// They were weighed: not again before they change or a resync asks for it.
    pub fn weighed(&mut self) {
        self.news = false;
    }

    /// A resync has ended: what was used of the budget may have decayed.
    pub fn weigh_again(&mut self) {
        self.news = !self.names.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AccountId, Content, Entry, Kind, OwnedRow, RecordType, Row, Ttl, VmId},
        plan::HeldLoss,
    };

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn set(hash: u32) -> HeldSet {
        HeldSet::new(hash).unwrap()
    }

    /// A decision that holds records of these sets at a name, 0 for none yet.
    fn holding(at: &str, sets: &[u32]) -> Decision {
        let (rtype, zone) = (RecordType::A, name("example.org"));
        let held = sets.iter().enumerate().map(|(last, hash)| {
            let content = Content::read(&rtype, &format!("192.0.2.{}", last + 1));
            let digest = LossDigest::new(&name(at), &rtype, &content, &zone);
            let row = Row {
                id: 1,
                zone: 1,
                name: name(at),
                rtype: rtype.clone(),
                content: content.clone(),
                ttl: Some(Ttl(60)),
                disabled: false,
                auth: Some(true),
                ordername: None,
            };
            let entry = Entry {
                zone: 1,
                name: name(at),
                rtype: rtype.clone(),
                content,
                ttl: Ttl(60),
                record: 1,
                owner: "default".into(),
                vm: VmId::from_u128(1),
                account: AccountId::from_u128(1),
                kind: Kind::Name,
                held: None,
                on_hold: false,
            };
            let owned = OwnedRow::prove(&entry, &row).unwrap();
            HeldLoss { owned, why: "its VM is gone", set: HeldSet::new(*hash), digest }
        });
        Decision { held: held.collect(), ..Decision::default() }
    }

    #[test]
    fn losses_are_weighed_once_until_they_change_or_a_resync_has_ended() {
        let web = name("web.example.org");
        let mut losses = PendingLosses::default();
        assert!(losses.is_empty());
        losses.note(&web, &holding("web.example.org", &[0, 0]));
        assert!(!losses.is_empty() && losses.total() == 2);
        losses.weighed();
        assert!(losses.is_empty() && losses.total() == 2);
        losses.note(&web, &holding("web.example.org", &[0, 0]));
        assert!(losses.is_empty(), "the same again is no news");
        losses.weigh_again();
        assert!(!losses.is_empty());
        losses.note(&web, &Decision::default());
        assert!(losses.is_empty() && losses.names().is_empty());
    }

    #[test]
    fn what_is_new_beside_a_set_is_a_set_of_its_own() {
        let mut losses = PendingLosses::default();
        losses.note(&name("a.example.org"), &holding("a.example.org", &[7, 7]));
        losses.note(&name("b.example.org"), &holding("b.example.org", &[8, 0]));
        let still_open = Decision { carried: vec![set(8), set(8)], ..Decision::default() };
        losses.note(&name("c.example.org"), &still_open);
        assert_eq!((losses.total(), losses.sets()), (6, vec![(set(8), 3), (set(7), 2)]));
        let alone = hash_of([holding("b.example.org", &[8, 0]).held[1].digest]).unwrap();
        assert_eq!(losses.fresh(), Some((alone, vec![name("b.example.org")])));
        assert_eq!(losses.names_of(&[set(7)].into()), [name("a.example.org")]);
        losses.note(&name("b.example.org"), &holding("b.example.org", &[8, 9]));
        assert_eq!(losses.fresh(), None);
    }
}
