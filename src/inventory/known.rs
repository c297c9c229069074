//! One VM as we know it.

use super::{index::Key, names::Names};
use crate::model::{OwnerKey, OwnerName, ReadSeq, Vm};

/// A VM, when it was read, and the owner names that its claims touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub(super) vm: Vm,
    pub(super) read: ReadSeq,
    pub(super) names: Names,
}

impl Known {
    /// The VM as its latest read showed it; NICs in order of device and id.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// The latest read that showed it.
    pub fn read(&self) -> ReadSeq {
        self.read
    }

    /// The owner names that its present claims touch, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = OwnerName> {
        self.names.owned()
    }

    /// Whether this is one of them.
    pub fn has_name(&self, name: &OwnerName) -> bool {
        self.names.has(name.as_str())
    }

    /// Everything that it can be found by.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        let vm = &self.vm;
        let owner = match &vm.owner {
            OwnerKey::Account(domain, name) => Key::Account(*domain, name),
            OwnerKey::Project(_, project) => Key::Project(*project),
        };
        [Key::Vm(vm.id), owner, Key::Domain(vm.owner.domain())]
            .into_iter()
            .chain(vm.nics.iter().flat_map(|nic| {
                let ips = nic.ips.iter().copied().map(Key::Ip);
                [Key::Nic(nic.id), Key::Network(nic.network)].into_iter().chain(ips)
            }))
            .chain(self.names.iter().map(Key::Name))
    }

    /// Whether it can be found by this.
    pub(super) fn has(&self, key: Key<'_>) -> bool {
        match key {
            Key::Vm(id) => self.vm.id == id,
            Key::Name(name) => self.names.has(name),
            _ => self.keys().any(|own| own == key),
        }
    }
}

/// In what a VM differs from what was known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
// Five independent answers, not a state machine.
#[allow(clippy::struct_excessive_bools)]
pub struct Difference {
    /// Its name.
    pub name: bool,
    /// Its group.
    pub group: bool,
    /// Its account, project or domain.
    pub owner: bool,
    /// An address, or which NIC is the default one.
    pub address: bool,
    /// What its state means.
    pub state: bool,
}

impl Difference {
    pub(super) fn between(old: &Vm, new: &Vm) -> Self {
        let addresses =
            |vm: &Vm| vm.nics.iter().map(|n| (n.id, n.is_default, n.device, n.v4, n.v6)).collect::<Vec<_>>();
        Self {
            name: old.name != new.name,
            group: old.group != new.group,
            owner: old.owner != new.owner,
            address: addresses(old) != addresses(new),
            state: old.state != new.state,
        }
    }

    /// Whether a trigger that named the VM has announced what it lost (design 7): another name, group,
    /// owner or address.
    pub fn is_announcement(self) -> bool {
        self.name || self.group || self.owner || self.address
    }
}
