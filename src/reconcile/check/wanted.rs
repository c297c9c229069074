//! What all VMs together want of which zones. Pure.

use crate::{
    desired::{FrozenWhy, OwnerIndex, Settings, Verdict, wish},
    model::{Kind, OwnerName, Rejection, Unwritable, Vm, ZoneName, Zones, address_of, reverse_name},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::{IpAddr, Ipv6Addr},
};

/// What all VMs want.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Zones that may be written.
    pub zones: BTreeMap<ZoneName, InZone>,
    /// Suffixes whose zone is not there, and how many names wait for it.
    pub missing: BTreeMap<OwnerName, u64>,
    /// Zones that may not be written, why, and how many names would be there.
    pub barred: BTreeMap<(ZoneName, String), u64>,
    /// Other reasons why names are not to be had: how many, and the first in words.
    pub rejected: BTreeMap<&'static str, (u64, String)>,
    /// VMs whose owner is in no listing.
    pub frozen: BTreeMap<&'static str, u64>,
    /// Published addresses whose reverse name is in no zone.
    pub without_reverse: BTreeSet<IpAddr>,
}

/// What VMs want of one zone.
#[derive(Debug, Default)]
pub struct InZone {
    /// The names.
    pub names: HashSet<OwnerName>,
}

impl InZone {
    /// How many empty non-terminals the names need that addresses have below ip6.arpa: a million of them
    /// are soon there, with up to 31 for each address. Sorted, each address shares with the one before all
    /// nibbles that any earlier one shares, so what it adds can be counted from that one alone.
    pub fn ents(&self, zone: &ZoneName) -> u64 {
        const LEAF: usize = 32;
        let Some(top) = zone.depth().checked_sub(2).filter(|_| zone.is_within("ip6.arpa")) else { return 0 };
        let address = |name| match address_of(name) {
            Some(IpAddr::V6(address)) => Some(address),
            _ => None,
        };
        let sorted: BTreeSet<Ipv6Addr> = self.names.iter().filter_map(address).collect();
        let (mut before, mut ents) = (None, 0);
        for address in sorted {
            let bits = u128::from(address);
            let shared = before.map_or(0, |before: u128| (before ^ bits).leading_zeros() as usize / 4);
            ents += (LEAF - 1).saturating_sub(shared.max(top)) as u64;
            before = Some(bits);
        }
        ents
    }
}

/// Sums up what VMs want.
pub fn wanted<'a>(
    vms: impl IntoIterator<Item = &'a Vm>,
    owners: &OwnerIndex,
    zones: &Zones,
    settings: &Settings,
) -> Wanted {
    let mut all = Wanted::default();
    for vm in vms {
        match wish(vm, owners, zones, settings) {
            Verdict::Gone => {}
            Verdict::Frozen(why) => *all.frozen.entry(FrozenWhy::as_str(why)).or_default() += 1,
            Verdict::Wished { wish, .. } => {
                for claim in wish.claims {
                    if claim.kind == Kind::Name {
                        let lacks =
                            |address: &&IpAddr| zones.enclosing(reverse_name(**address).as_str()).is_none();
                        all.without_reverse.extend(claim.addresses.iter().filter(lacks));
                    }
                    if let Some(zone) = zones.enclosing(claim.name.as_str()) {
                        all.zones.entry(zone.name.clone()).or_default().names.insert(claim.name);
                    }
                }
                for rejection in wish.rejections {
                    all.reject(rejection, zones);
                }
            }
        }
    }
    all
}

impl Wanted {
    fn reject(&mut self, rejection: Rejection, zones: &Zones) {
        let Rejection { name, pending, reason, detail, .. } = rejection;
        let wanted = OwnerName::stored(&name).ok();
        // A pending name is one label before its suffix.
        if pending && let Some(suffix) = wanted.as_ref().and_then(OwnerName::parent) {
            *self.missing.entry(suffix).or_default() += 1;
            return;
        }
        let zone = wanted.as_ref().and_then(|name| zones.enclosing(name.as_str()));
        let barred = zone.filter(|zone| {
            reason == Unwritable::NotAllowed.word()
                || zone.unwritable().is_some_and(|why| why.word() == reason)
        });
        if let Some(zone) = barred {
            let not_allowed = || "DNS_ZONES does not allow it for these VMs".to_owned();
            let why = zone.unwritable().map_or_else(not_allowed, |why| why.to_string());
            *self.barred.entry((zone.name.clone(), why)).or_default() += 1;
            return;
        }
        let (count, _) = self.rejected.entry(reason).or_insert_with(|| (0, format!("{name}: {detail}")));
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: every name between a record's and the apex that has no record.
    fn counted(zone: &ZoneName, names: &HashSet<OwnerName>) -> u64 {
        let above: HashSet<&str> =
            names.iter().flat_map(|name| name.ancestors_below(zone.as_str())).collect();
        above.into_iter().filter(|name| !names.iter().any(|one| one.as_str() == *name)).count() as u64
    }

    #[test]
    fn empty_non_terminals_of_addresses_are_counted_as_their_definition_has_it() {
        let zone = ZoneName::parse("8.b.d.0.1.0.0.2.ip6.arpa").unwrap();
        for addresses in [
            &[][..],
            &["2001:db8::1"],
            &["2001:db8::1", "2001:db8::2", "2001:db8::12"],
            &["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:ffff::", "2001:db8::1"],
            &["2001:db8::8000:0:0:0", "2001:db8::7fff:ffff:ffff:ffff", "2001:db8:8000::"],
        ] {
            let names = addresses.iter().map(|text| reverse_name(text.parse().unwrap())).collect();
            let in_zone = InZone { names };
            assert_eq!(in_zone.ents(&zone), counted(&zone, &in_zone.names), "{addresses:?}");
        }
        let forward = InZone { names: HashSet::from([OwnerName::parse("a.b.example.org").unwrap()]) };
        assert_eq!(forward.ents(&ZoneName::parse("example.org").unwrap()), 0);
    }
}
