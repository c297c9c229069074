//! Who comes first where several claims want one owner name (design 4).
//!
//! Frozen VMs make no claims; what they hold, the caller sees in the ledger.

use crate::model::{AccountId, Claim, Kind, VmId};
use std::{cmp::Reverse, collections::HashSet, net::IpAddr};

/// The most addresses at one group name: an answer has 64 KiB.
pub const GROUP_CAP: usize = 1000;

/// An own entry of the ledger that stands at the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The VM whose claim it serves.
    pub vm: VmId,
    /// That claim's kind.
    pub kind: Kind,
    /// The VM's account or project.
    pub account: AccountId,
}

/// Whose records an owner name shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served<'a> {
    /// No claim wants it.
    Nobody,
    /// The group claims of one account, oldest first, of at most [`GROUP_CAP`] different addresses.
    Group(Vec<&'a Claim>),
    /// One name or ptr claim.
    One(&'a Claim),
}

/// The claims of one owner name in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking<'a> {
    /// Who has the name.
    pub served: Served<'a>,
    /// Who follows, in this order.
    pub waiting: Vec<&'a Claim>,
    /// Members of the group that is served for whom there is no more room, oldest first.
    pub overflow: Vec<&'a Claim>,
}

impl<'a> Ranking<'a> {
    /// The claims that have the name.
    pub fn serving(&self) -> &[&'a Claim] {
        match &self.served {
            Served::Nobody => &[],
            Served::Group(members) => members,
            Served::One(claim) => std::slice::from_ref(claim),
        }
    }
}

/// Ranks the name and group claims of one forward owner name.
pub fn rank_forward<'a>(claims: &'a [Claim], holdings: &[Holding]) -> Ranking<'a> {
    let mut groups: Vec<&Claim> = claims.iter().filter(|claim| claim.kind == Kind::Group).collect();
    groups.sort_unstable_by_key(|claim| age(claim));
    let names = ordered(claims, holdings, Kind::Name);
    let holds = |account| holdings.iter().any(|held| held.kind == Kind::Group && held.account == account);
    let first = groups.iter().find(|claim| holds(claim.account)).or(groups.first());
    let Some(account) = first.map(|claim| claim.account) else { return one_of(names) };

    let (members, others): (Vec<&Claim>, Vec<&Claim>) =
        groups.into_iter().partition(|claim| claim.account == account);
    let (members, overflow) = capped(members);
    let waiting = others.into_iter().chain(names).collect();
    Ranking { served: Served::Group(members), waiting, overflow }
}

/// Ranks the ptr claims of one reverse name.
pub fn rank_ptr<'a>(claims: &'a [Claim], holdings: &[Holding]) -> Ranking<'a> {
    one_of(ordered(claims, holdings, Kind::Ptr))
}

/// Claims of one kind: Shared networks first (only ptr claims say so), then holders, then the oldest.
fn ordered<'a>(claims: &'a [Claim], holdings: &[Holding], kind: Kind) -> Vec<&'a Claim> {
    let mut ordered: Vec<&Claim> = claims.iter().filter(|claim| claim.kind == kind).collect();
    let holds = |claim: &Claim| holdings.iter().any(|held| held.kind == kind && held.vm == claim.vm);
    ordered.sort_by_cached_key(|claim| (Reverse(claim.shared), Reverse(holds(claim)), age(claim)));
    ordered
}

fn one_of(mut ordered: Vec<&Claim>) -> Ranking<'_> {
    if ordered.is_empty() {
        return Ranking { served: Served::Nobody, waiting: ordered, overflow: Vec::new() };
    }
    let first = ordered.remove(0);
    Ranking { served: Served::One(first), waiting: ordered, overflow: Vec::new() }
}

/// The oldest members that fit, whole claims, and the rest. After the first that does not fit, only
/// those pass whose addresses others publish anyway: a small young claim does not overtake a large one.
fn capped(members: Vec<&Claim>) -> (Vec<&Claim>, Vec<&Claim>) {
    let mut addresses: HashSet<IpAddr> = HashSet::new();
    let mut full = false;
    members.into_iter().partition(|claim| {
        let new = claim.addresses.iter().filter(|address| !addresses.contains(address)).count();
        let fits = new == 0 || (!full && addresses.len() + new <= GROUP_CAP);
        if fits {
            addresses.extend(&claim.addresses);
        }
        full |= !fits;
        fits
    })
}

fn age(claim: &Claim) -> (i64, VmId) {
    (claim.created, claim.vm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OwnerName;

    fn claim(vm: u32, kind: Kind, account: u128, created: i64) -> Claim {
        Claim {
            vm: VmId::from_u128(vm.into()),
            kind,
            name: OwnerName::parse("www.example.org").unwrap(),
            addresses: vec![IpAddr::from((0x0a00_0000 + vm).to_be_bytes())],
            targets: vec![],
            account: AccountId::from_u128(account),
            created,
            shared: false,
        }
    }

    fn held(vm: u32, kind: Kind, account: u128) -> Holding {
        Holding { vm: VmId::from_u128(vm.into()), kind, account: AccountId::from_u128(account) }
    }

    /// Served, waiting.
    fn order(ranking: &Ranking<'_>) -> (Vec<u128>, Vec<u128>) {
        let ids = |claims: &[&Claim]| claims.iter().map(|claim| claim.vm.as_u128()).collect();
        (ids(ranking.serving()), ids(&ranking.waiting))
    }

    #[test]
    fn name_claims_go_to_the_holder_then_to_the_oldest_then_to_the_lowest_id() {
        let claims = [
            claim(1, Kind::Name, 1, 30),
            claim(4, Kind::Name, 1, 10),
            claim(3, Kind::Name, 2, 10),
            claim(2, Kind::Name, 2, 20),
        ];
        for (holdings, served, waiting) in [
            (vec![], [3], [4, 2, 1]),
            (vec![held(1, Kind::Name, 1)], [1], [3, 4, 2]),
            (vec![held(1, Kind::Name, 1), held(2, Kind::Name, 2)], [2], [1, 3, 4]),
            (vec![held(9, Kind::Name, 1)], [3], [4, 2, 1]),
            (vec![held(1, Kind::Group, 1)], [3], [4, 2, 1]),
        ] {
            let ranking = rank_forward(&claims, &holdings);
            assert_eq!(order(&ranking), (served.to_vec(), waiting.to_vec()), "{holdings:?}");
            assert!(matches!(ranking.served, Served::One(_)));
        }
        assert_eq!(rank_forward(&[], &[]).served, Served::Nobody);
    }

    #[test]
    fn group_claims_of_one_account_merge_and_outrank_even_a_name_that_stands() {
        let claims = [
            claim(1, Kind::Name, 7, 1),
            claim(2, Kind::Group, 7, 50),
            claim(3, Kind::Group, 8, 40),
            claim(4, Kind::Group, 7, 45),
            claim(5, Kind::Group, 8, 60),
        ];
        for (holdings, served, waiting) in [
            (vec![held(1, Kind::Name, 7)], [3, 5], [4, 2, 1]),
            (vec![held(2, Kind::Group, 7)], [4, 2], [3, 5, 1]),
            (vec![held(9, Kind::Group, 7)], [4, 2], [3, 5, 1]),
            (vec![held(9, Kind::Group, 9)], [3, 5], [4, 2, 1]),
        ] {
            let ranking = rank_forward(&claims, &holdings);
            assert_eq!(order(&ranking), (served.to_vec(), waiting.to_vec()), "{holdings:?}");
            assert!(matches!(ranking.served, Served::Group(_)) && ranking.overflow.is_empty());
        }
    }

    #[test]
    fn a_group_has_at_most_a_thousand_addresses_of_its_oldest_vms() {
        let mut claims: Vec<Claim> =
            (1..=1003).rev().map(|vm| claim(vm, Kind::Group, 7, i64::from(vm))).collect();
        let of = |claims: &[Claim], vm| claims.iter().position(|claim| claim.created == vm).unwrap();
        // VM 1000 has two addresses and does not fit; VM 1003 shares that of VM 1 and takes no room.
        let (thousandth, last) = (of(&claims, 1000), of(&claims, 1003));
        claims[thousandth].addresses.push("10.9.9.9".parse().unwrap());
        claims[last].addresses = vec!["10.0.0.1".parse().unwrap()];
        let ranking = rank_forward(&claims, &[]);
        let served = ranking.serving().iter().map(|claim| claim.created);
        assert_eq!(served.collect::<Vec<_>>(), (1..1000).chain([1003]).collect::<Vec<_>>());
        let left: Vec<i64> = ranking.overflow.iter().map(|claim| claim.created).collect();
        assert_eq!(left, [1000, 1001, 1002]);
    }

    #[test]
    fn ptr_claims_of_shared_networks_come_first_then_the_holder_then_age() {
        let shared = |vm, created| Claim { shared: true, ..claim(vm, Kind::Ptr, 1, created) };
        let claims = [claim(1, Kind::Ptr, 1, 1), claim(2, Kind::Ptr, 1, 2), shared(3, 9), shared(4, 8)];
        for (holdings, served, waiting) in [
            (vec![], [4], [3, 1, 2]),
            (vec![held(2, Kind::Ptr, 1)], [4], [3, 2, 1]),
            (vec![held(3, Kind::Ptr, 1)], [3], [4, 1, 2]),
        ] {
            let ranking = rank_ptr(&claims, &holdings);
            assert_eq!(order(&ranking), (served.to_vec(), waiting.to_vec()), "{holdings:?}");
        }
    }
}
