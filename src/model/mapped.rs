//! A line of the older service's table `cs_mapping(uuid, record, ipaddress)`.

use super::{OwnerName, VmId};
use std::net::IpAddr;

/// What the older service noted when it wrote a row: for a VM's own name and its reverse names no address,
/// for group names the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mapped {
    /// The VM.
    pub vm: VmId,
    /// The owner name.
    pub name: OwnerName,
    /// The address of this very row, where it is given.
    pub address: Option<IpAddr>,
}

/// The whole table, each line once.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// The lines.
    pub lines: std::collections::HashSet<Mapped>,
    /// Lines that name no VM, no owner name or no address and are passed over.
    pub unreadable: u64,
}
