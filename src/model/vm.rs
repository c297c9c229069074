//! A virtual machine as one read of the API showed it.

use super::{IpId, NetworkId, NicId, OwnerKey, VmId};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a VM's state means for DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VmState {
    /// Any state that has records: Running, Starting, Stopping, Migrating, Unknown, Restoring and
    /// whatever a later version adds.
    Live,
    /// Stopped or Shutdown: what it means is the operator's choice (`DNS_STOPPED`).
    Stopped,
    /// Error: no records, and no guarantee that it ever had an address.
    Error,
    /// Destroyed: recoverable, without records.
    Destroyed,
    /// Expunging: on its way out.
    Expunging,
}

impl VmState {
    /// Reads the API's word.
    pub fn read(word: &str) -> Self {
        match word {
            "Stopped" | "Shutdown" => Self::Stopped,
            "Error" => Self::Error,
            "Destroyed" => Self::Destroyed,
            "Expunging" | "Expunged" => Self::Expunging,
            _ => Self::Live,
        }
    }

    /// Whether the API itself shows the VM as gone (design 7, a).
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Destroyed | Self::Expunging)
    }
}

/// The type of a guest network, as far as reverse names care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// Addresses are unique in the cloud.
    Shared,
    /// Isolated, L2 or unknown: the same address may be used in another network.
    Isolated,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Its UUID.
    pub id: NicId,
    /// The network that it is in.
    pub network: NetworkId,
    /// That network's type.
    pub kind: NetworkKind,
    /// `isdefault`.
    pub is_default: bool,
    /// `deviceid`; the largest number where the API gave none.
    pub device: u32,
    /// The IPv4 address, if it has one.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address, if it has one.
    pub v6: Option<Ipv6Addr>,
    /// Ids of its secondary and public addresses: events name these.
    pub ips: Box<[IpId]>,
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm {
    /// Its UUID.
    pub id: VmId,
    /// Its `name`, which is the guest's host name, as it was typed.
    pub name: Box<str>,
    /// Its state.
    pub state: VmState,
    /// Who owns it.
    pub owner: OwnerKey,
    /// Creation time in seconds since 1970 (UTC); the age that decides who comes first.
    pub created: i64,
    /// The name of its group, as it was typed.
    pub group: Option<Box<str>>,
    /// Its interfaces, in the API's order.
    pub nics: Box<[Nic]>,
    /// Values of the answer that could not be read (an address that is none): shown, not served.
    pub flaws: Box<[Box<str>]>,
}
