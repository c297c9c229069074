//! The inventory itself. One task owns it and changes it synchronously.

use super::{
    index::{Index, Key},
    known::{Difference, Known},
    names::Names,
    redirect::Redirects,
    sighting::Sightings,
};
use crate::model::{BuildSpread, DomainId, IpId, NetworkId, NicId, OwnerName, ProjectId, ReadSeq, Vm, VmId};
use std::collections::HashMap;

/// What a [`Inventory::put`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The read was the newest of this VM; otherwise nothing was done.
    pub applied: bool,
    /// Names of the old and the new claims if anything about the VM or its names differs, else none.
    pub touched: Vec<OwnerName>,
    /// In what the VM differs from what was known; none if it was not known.
    pub before: Option<Difference>,
}

/// All VMs with their indexes, tombstones, counts of absence, and the aliases of reverse names.
///
/// Made for 100 000 VMs with 600 000 names in less than 100 MB.
#[derive(Default)]
pub struct Inventory {
    slots: Vec<Option<Box<Known>>>,
    free: Vec<u32>,
    index: Index,
    tombstones: HashMap<VmId, ReadSeq, BuildSpread>,
    absent: HashMap<VmId, Sightings, BuildSpread>,
    blank: HashMap<VmId, Sightings, BuildSpread>,
    redirects: Redirects,
}

impl Inventory {
    /// Takes what a read showed, and the owner names that the VM's claims touch now. Nothing happens if
    /// a newer read is known, or a removal that is not older than this read.
    pub fn put(&mut self, mut vm: Vm, read: ReadSeq, names: Vec<OwnerName>) -> Change {
        if self.tombstones.get(&vm.id).is_some_and(|removed| read <= *removed) {
            return Change::default();
        }
        tidy(&mut vm);
        let id = vm.id;
        let new = Known { vm, read, names: Names::pack(names) };
        let change = match self.slot_of(id) {
            None => {
                self.tombstones.remove(&id);
                let touched = new.names().collect();
                self.occupy(new);
                Change { applied: true, touched, before: None }
            }
            Some(slot) => {
                let old = self.known(slot);
                if read < old.read {
                    return Change::default();
                }
                let before = Some(Difference::between(&old.vm, &new.vm));
                let same = old.vm == new.vm && old.names == new.names;
                let touched = if same { Vec::new() } else { old.names.union(&new.names) };
                if same {
                    self.known_mut(slot).read = read;
                } else {
                    self.replace(slot, new);
                }
                Change { applied: true, touched, before }
            }
        };
        if let Some(seen) = self.absent.remove(&id).and_then(|seen| seen.after(read)) {
            self.absent.insert(id, seen);
        }
        change
    }

    /// Takes other names for a VM whose claims were computed anew without a read. Returns the names
    /// that it no longer or newly touches; with `all` those too that it still touches.
    pub fn rename_claims(&mut self, id: VmId, names: Vec<OwnerName>, all: bool) -> Vec<OwnerName> {
        let Some(slot) = self.slot_of(id) else { return Vec::new() };
        let names = Names::pack(names);
        let old = self.known(slot);
        let touched = if all { old.names.union(&names) } else { old.names.difference(&names) };
        if old.names != names {
            let new = Known { names, ..old.clone() };
            self.replace(slot, new);
        }
        touched
    }

    /// Forgets a VM that the given read proved gone, and leaves a tombstone, so that an older read does
    /// not bring it back. Returns the names that it touched. Nothing happens if a newer read showed it.
    pub fn remove(&mut self, id: VmId, read: ReadSeq) -> Vec<OwnerName> {
        let Some(slot) = self.slot_of(id) else {
            let tombstone = self.tombstones.entry(id).or_insert(read);
            *tombstone = read.max(*tombstone);
            return Vec::new();
        };
        if read < self.known(slot).read {
            return Vec::new();
        }
        self.tombstones.insert(id, read);
        self.absent.remove(&id);
        self.blank.remove(&id);
        for hash in self.hashes(slot) {
            self.index.remove(hash, slot);
        }
        self.free.push(slot);
        let known = self.slots[slot as usize].take().expect("an indexed slot is taken");
        known.names().collect()
    }

    /// Drops tombstones older than every read that is still under way.
    pub fn prune_tombstones(&mut self, before: ReadSeq) {
        self.tombstones.retain(|_, removed| *removed >= before);
        if self.tombstones.is_empty() {
            self.tombstones.shrink_to_fit();
        }
    }

    /// The VM with this id.
    pub fn get(&self, id: VmId) -> Option<&Known> {
        self.slot_of(id).map(|slot| self.known(slot))
    }

    /// All VMs, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    /// How many VMs are known.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no VM is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The VMs whose claims touch this owner name, in no order.
    pub fn claimants<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Known> {
        self.having(Key::Name(name))
    }

    /// The VM of this interface.
    pub fn vm_of_nic(&self, nic: NicId) -> Option<&Known> {
        self.having(Key::Nic(nic)).next()
    }

    /// The VM of this public or secondary address.
    pub fn vm_of_ip(&self, ip: IpId) -> Option<&Known> {
        self.having(Key::Ip(ip)).next()
    }

    /// The VMs with an interface in this network.
    pub fn vms_of_network(&self, network: NetworkId) -> impl Iterator<Item = &Known> {
        self.having(Key::Network(network))
    }

    /// The VMs of this account.
    pub fn vms_of_account<'a>(&'a self, domain: DomainId, name: &'a str) -> impl Iterator<Item = &'a Known> {
        self.having(Key::Account(domain, name))
    }

    /// The VMs of this project.
    pub fn vms_of_project(&self, project: ProjectId) -> impl Iterator<Item = &Known> {
        self.having(Key::Project(project))
    }

    /// The VMs in this domain itself, not in those below it.
    pub fn vms_of_domain(&self, domain: DomainId) -> impl Iterator<Item = &Known> {
        self.having(Key::Domain(domain))
    }

    /// The owner names in a zone that claims touch, in ascending order. Looks at every VM.
    pub fn names_within(&self, zone: &str) -> Vec<OwnerName> {
        let within = |name: &&str| name.strip_suffix(zone).is_some_and(|h| h.is_empty() || h.ends_with('.'));
        let mut names: Vec<&str> = self.iter().flat_map(|known| known.names.iter()).filter(within).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| OwnerName::stored(name).ok()).collect()
    }

    /// The VMs that no read since the beginning of this one has shown.
    pub fn lacking(&self, listing: ReadSeq) -> Vec<VmId> {
        self.iter().filter(|known| known.read < listing).map(|known| known.vm.id).collect()
    }

    /// Counts that a complete listing lacks a VM: how many have since it was last seen. A listing that
    /// is older than the latest read of the VM says nothing.
    pub fn note_absent(&mut self, id: VmId, listing: ReadSeq) -> u8 {
        if self.get(id).is_none_or(|known| listing <= known.read) {
            return self.absence(id).map_or(0, |seen| seen.count);
        }
        note(&mut self.absent, id, listing)
    }

    /// Which complete listings lacked the VM since it was last seen.
    pub fn absence(&self, id: VmId) -> Option<Sightings> {
        self.absent.get(&id).copied()
    }

    /// Counts that a complete listing shows a VM without addresses: how many have, without a gap.
    pub fn note_blank(&mut self, id: VmId, listing: ReadSeq) -> u8 {
        if self.get(id).is_none() {
            return 0;
        }
        note(&mut self.blank, id, listing)
    }

    /// A read shows that the VM has addresses, or has no use for them.
    pub fn clear_blank(&mut self, id: VmId) {
        self.blank.remove(&id);
    }

    /// Which complete listings showed the VM without addresses, without a gap.
    pub fn blankness(&self, id: VmId) -> Option<Sightings> {
        self.blank.get(&id).copied()
    }

    /// Notes that a reverse name is an alias of another name (RFC 2317), or of none any more. Returns
    /// whether that is news.
    pub fn set_redirect(&mut self, from: OwnerName, to: Option<OwnerName>) -> bool {
        self.redirects.set(from, to)
    }

    /// The reverse names that are aliases of this name.
    pub fn redirects_to(&self, name: &str) -> &[OwnerName] {
        self.redirects.to(name)
    }

    /// The name that this reverse name is an alias of.
    pub fn redirect_of(&self, name: &str) -> Option<&OwnerName> {
        self.redirects.of(name)
    }

    fn slot_of(&self, id: VmId) -> Option<u32> {
        let slots = self.index.at(self.index.hash(Key::Vm(id)));
        slots.iter().copied().find(|slot| self.known(*slot).vm.id == id)
    }

    fn having<'a>(&'a self, key: Key<'a>) -> impl Iterator<Item = &'a Known> {
        let slots = self.index.at(self.index.hash(key));
        slots.iter().map(|slot| self.known(*slot)).filter(move |known| known.has(key))
    }

    fn known(&self, slot: u32) -> &Known {
        self.slots[slot as usize].as_deref().expect("an indexed slot is taken")
    }

    fn known_mut(&mut self, slot: u32) -> &mut Known {
        self.slots[slot as usize].as_deref_mut().expect("an indexed slot is taken")
    }

    /// The hashes under which the slot is found, each once.
    fn hashes(&self, slot: u32) -> Vec<u32> {
        let mut hashes: Vec<u32> = self.known(slot).keys().map(|key| self.index.hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    fn occupy(&mut self, known: Known) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^31 VMs")
        });
        self.slots[slot as usize] = Some(Box::new(known));
        for hash in self.hashes(slot) {
            self.index.insert(hash, slot);
        }
    }

    fn replace(&mut self, slot: u32, known: Known) {
        let old = self.hashes(slot);
        *self.known_mut(slot) = known;
        let new = self.hashes(slot);
        for hash in old.iter().filter(|hash| new.binary_search(hash).is_err()) {
            self.index.remove(*hash, slot);
        }
        for hash in new.iter().filter(|hash| old.binary_search(hash).is_err()) {
            self.index.insert(*hash, slot);
        }
    }

    /// How many hashes lead to VMs.
    #[cfg(test)]
    pub(super) fn index_len(&self) -> usize {
        self.index.len()
    }
}

fn note(counts: &mut HashMap<VmId, Sightings, BuildSpread>, id: VmId, listing: ReadSeq) -> u8 {
    let seen = counts.entry(id).or_insert_with(|| Sightings::new(listing));
    seen.add(listing);
    seen.count
}

/// Servers before 4.16 list NICs in the order of a database join: that order must not count as a change.
fn tidy(vm: &mut Vm) {
    vm.nics.sort_unstable_by_key(|nic| (nic.device, nic.id));
    for nic in &mut vm.nics {
        nic.ips.sort_unstable();
    }
}
