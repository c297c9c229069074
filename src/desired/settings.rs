//! The operator's choices, as far as they shape what VMs want.

use super::ZoneList;
use crate::model::{Unwritable, Zone, ZoneName};
use ipnet::IpNet;
use std::net::IpAddr;

/// Which NICs publish addresses (`DNS_NICS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nics {
    /// The default NIC.
    #[default]
    Default,
    /// Every NIC.
    All,
}

/// What being Stopped means (`DNS_STOPPED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stopped {
    /// Nothing.
    #[default]
    Keep,
    /// The VM leaves its groups.
    Groups,
    /// The VM has no records.
    Remove,
}

/// The operator's choices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The suffix that every VM gets besides its own; none unless `DNS_ADD_TO_COMMON_ZONE` is true.
    pub common_zone: Option<ZoneName>,
    /// `DNS_ZONES`.
    pub zones: ZoneList,
    /// `DNS_PARENT_ZONES`: a suffix also matches the longest zone above it.
    pub parent_zones: bool,
    /// `DNS_INHERIT_DOMAIN`: a domain without network domain has that of the nearest domain above it.
    pub inherit_domain: bool,
    /// `DNS_NICS`.
    pub nics: Nics,
    /// `DNS_ADDRESSES`: only addresses in one of these are published; empty for all.
    pub addresses: Vec<IpNet>,
    /// `DNS_STOPPED`.
    pub stopped: Stopped,
}

impl Settings {
    /// Why a zone may not be written for a VM whose CloudStack domain has this path, if it may not.
    /// Whoever writes to the target of a classless delegation (RFC 2317) asks for the target's zone.
    pub fn unwritable(&self, zone: &Zone, domain_path: Option<&str>) -> Option<Unwritable> {
        (zone.unwritable())
            .or_else(|| (!self.zones.allows(&zone.name, domain_path)).then_some(Unwritable::NotAllowed))
    }

    /// Whether `DNS_ADDRESSES` lets an address be published.
    pub(super) fn publishes(&self, address: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(|net| net.contains(&address))
    }
}
