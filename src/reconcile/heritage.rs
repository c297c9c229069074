//! What the older service's table says, by name and by VM, together with what is known of its VMs.

use super::world::World;
use crate::{
    model::{Content, Mapping, OwnerName, RecordType, VmId, address_of, reverse_name},
    plan::{Fate, Legacy, LossDigest},
};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

/// See the module.
#[derive(Debug, Default)]
pub struct Heritage {
    by_vm: HashMap<VmId, Vec<(OwnerName, Option<IpAddr>)>>,
    by_name: HashMap<OwnerName, Vec<VmId>>,
}

impl Heritage {
    /// Sorts the table.
    pub fn new(mapping: Mapping) -> Self {
        let mut all = Self::default();
        let mut lines: Vec<_> = mapping.lines.into_iter().collect();
        lines.sort_unstable();
        for line in lines {
            // A group's address has a reverse name, which need not be listed.
            let reverse = line.address.map(reverse_name);
            for name in std::iter::once(line.name.clone()).chain(reverse) {
                let vms = all.by_name.entry(name).or_default();
                if !vms.contains(&line.vm) {
                    vms.push(line.vm);
                }
            }
            all.by_vm.entry(line.vm).or_default().push((line.name, line.address));
        }
        all
    }

    /// The VMs that it names.
    pub fn vms(&self) -> impl Iterator<Item = VmId> {
        self.by_vm.keys().copied()
    }

    /// The names at which it may have rows.
    pub fn names(&self) -> impl Iterator<Item = &OwnerName> {
        self.by_name.keys()
    }

    /// What it says of one name.
    pub fn at(&self, world: &World, name: &OwnerName) -> Vec<Legacy> {
        let vms = self.by_name.get(name).into_iter().flatten();
        vms.map(|vm| self.legacy(world, *vm, name)).collect()
    }

    fn legacy(&self, world: &World, vm: VmId, name: &OwnerName) -> Legacy {
        let lines = self.by_vm.get(&vm).map_or(&[][..], Vec::as_slice);
        let here: Vec<Option<IpAddr>> =
            lines.iter().filter(|(at, _)| at == name).map(|(_, address)| *address).collect();
        let exact = !here.is_empty() && here.iter().all(Option::is_some);
        let addresses: BTreeSet<IpAddr> = if exact {
            here.into_iter().flatten().collect()
        } else {
            lines.iter().filter_map(|(at, address)| address.or_else(|| address_of(at))).collect()
        };
        let fate = match (world.is_gone(vm), world.inventory.get(vm).is_some()) {
            (true, _) => Fate::Gone,
            (false, true) => Fate::Lives,
            (false, false) => Fate::Unproved,
        };
        let names = lines.iter().map(|(at, _)| at).filter(|at| !at.is_arpa()).cloned().collect();
        Legacy { vm, fate, addresses: addresses.into_iter().collect(), exact, names }
    }
}

impl Heritage {
    /// What the held set of the rows of VMs that are gone is named by.
    pub fn digests<'a>(&'a self, world: &'a World) -> impl Iterator<Item = LossDigest> + 'a {
        let gone = self.by_vm.iter().filter(|(vm, _)| world.is_gone(**vm));
        gone.flat_map(|(vm, lines)| {
            let vm = Content::Raw(vm.to_string().into());
            lines.iter().map(move |(name, _)| LossDigest::new(name, &RecordType::Ent, &vm, name))
        })
    }
}
