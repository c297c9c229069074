//! What an event says: which thing to look at again. Never what to write (design 1).

use super::{AccountId, DomainId, IpId, NetworkId, NicId, ProjectId, VmId};

/// One thing to look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// A virtual machine. `said_gone`: the event says that it is destroyed or expunged, which counts
    /// only together with a look-up that lacks it (design 7, b).
    Vm {
        /// Which one.
        id: VmId,
        /// The event says destroyed or expunged.
        said_gone: bool,
    },
    /// The VM of this interface.
    Nic(NicId),
    /// The VM of this public or secondary address.
    Ip(IpId),
    /// All VMs of this network.
    Network(NetworkId),
    /// The account's listing entry (network domain, name) and with it its VMs' claims; `said_gone`: the
    /// account's VMs go without events of their own.
    Account {
        /// Which one.
        id: AccountId,
        /// The event says deleted.
        said_gone: bool,
    },
    /// The domain's listing entry and with it the claims of the VMs in its subtree.
    Domain {
        /// Which one.
        id: DomainId,
        /// The event says deleted.
        said_gone: bool,
    },
    /// The project's VMs.
    Project {
        /// Which one.
        id: ProjectId,
        /// The event says deleted.
        said_gone: bool,
    },
    /// Something changed that carries no id that helps: list everything.
    Resync,
}

impl Mark {
    /// One word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Vm { .. } => "vm",
            Self::Nic(_) => "nic",
            Self::Ip(_) => "address",
            Self::Network(_) => "network",
            Self::Account { .. } => "account",
            Self::Domain { .. } => "domain",
            Self::Project { .. } => "project",
            Self::Resync => "resync",
        }
    }
}
