//! One index for every way to a VM.

use crate::model::{BuildSpread, DomainId, IpId, NetworkId, NicId, ProjectId, VmId};
use std::{
    collections::{HashMap, hash_map::Entry, hash_map::RandomState},
    hash::BuildHasher,
    slice,
};

/// What a VM can be found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Vm(VmId),
    Nic(NicId),
    Ip(IpId),
    Network(NetworkId),
    Account(DomainId, &'a str),
    Project(ProjectId),
    Domain(DomainId),
    Name(&'a str),
}

/// Marks a number of [`Index::slots`] as the number of a crowd.
const CROWD: u32 = 1 << 31;

/// From the hash of a key to the slots of the VMs that have such a key, and of the few others whose key
/// has the same hash: whoever asks compares the key itself.
///
/// Nine keys a VM (itself, a NIC, an address, six names) are 900 000 for 100 000 VMs. Maps with the keys
/// in them take 25 to 33 bytes a bucket, this one takes 9. Two of 900 000 keys share a hash of 32 bits
/// about a hundred times in all. Texts are hashed with a random seed, so that no tenant can choose names that
/// collide; ids are CloudStack's, and drawn at random.
#[derive(Default)]
pub(super) struct Index {
    seed: RandomState,
    /// A slot, or with [`CROWD`] set the number of a crowd.
    slots: HashMap<u32, u32, BuildSpread>,
    /// Slots in ascending order, at least two; empty where free.
    crowds: Vec<Vec<u32>>,
    free: Vec<u32>,
}

impl Index {
    pub(super) fn hash(&self, key: Key<'_>) -> u32 {
        let hash = match key {
            Key::Name(_) | Key::Account(..) => self.seed.hash_one(key),
            _ => BuildSpread::default().hash_one(key),
        };
        (hash >> 32) as u32
    }

    /// The slots at this hash, in ascending order.
    pub(super) fn at(&self, hash: u32) -> &[u32] {
        match self.slots.get(&hash) {
            None => &[],
            Some(number) if number & CROWD == 0 => slice::from_ref(number),
            Some(number) => &self.crowds[(number & !CROWD) as usize],
        }
    }

    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        debug_assert!(slot & CROWD == 0, "two thousand million VMs");
        match self.slots.entry(hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(slot);
            }
            Entry::Occupied(mut taken) => {
                let number = *taken.get();
                if number & CROWD != 0 {
                    let crowd = &mut self.crowds[(number & !CROWD) as usize];
                    if let Err(at) = crowd.binary_search(&slot) {
                        crowd.insert(at, slot);
                    }
                } else if number != slot {
                    let crowd = vec![number.min(slot), number.max(slot)];
                    let place = if let Some(place) = self.free.pop() {
                        self.crowds[place as usize] = crowd;
                        place
                    } else {
                        self.crowds.push(crowd);
                        u32::try_from(self.crowds.len() - 1).expect("fewer crowds than VMs times keys")
                    };
                    taken.insert(place | CROWD);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let Entry::Occupied(mut taken) = self.slots.entry(hash) else { return };
        let number = *taken.get();
        if number & CROWD == 0 {
            if number == slot {
                taken.remove();
            }
            return;
        }
        let place = number & !CROWD;
        let crowd = &mut self.crowds[place as usize];
        if let Ok(at) = crowd.binary_search(&slot) {
            crowd.remove(at);
        }
        if let [last] = crowd[..] {
            taken.insert(last);
            self.crowds[place as usize] = Vec::new();
            self.free.push(place);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_holds_any_number_of_slots_and_none_twice() {
        let mut index = Index::default();
        for slot in [5, 1, 5, 3] {
            index.insert(7, slot);
        }
        assert_eq!(index.at(7), [1, 3, 5]);
        index.insert(8, 9);
        assert_eq!(index.at(8), [9]);
        index.remove(7, 3);
        index.remove(7, 4);
        index.remove(8, 4);
        assert_eq!((index.at(7), index.at(8)), (&[1, 5][..], &[9][..]));
        index.remove(7, 1);
        assert_eq!(index.at(7), [5]);
        index.insert(9, 1);
        index.insert(9, 2);
        assert_eq!((index.at(9), index.crowds.len()), (&[1, 2][..], 1), "the free place is used again");
        for (hash, slot) in [(7, 5), (8, 9), (9, 1), (9, 2)] {
            index.remove(hash, slot);
        }
        assert_eq!(index.len(), 0);
    }
}
