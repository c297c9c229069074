//! Losses that wait for the budget or for approval, and the hash under which they are stored.

use crate::model::{Content, HeldSet, OwnedRow, OwnerName, RecordType};
use sha1::{Digest as _, Sha1};

/// A record that would go and is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLoss {
    /// Its row.
    pub owned: OwnedRow,
    /// Why it would go.
    pub why: &'static str,
    /// The set that its entry carries, or gets now.
    pub set: Option<HeldSet>,
    /// What the set's hash is made of.
    pub digest: LossDigest,
}

/// One record, in 128 bits that are the same in every process and on every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LossDigest(u128);

impl LossDigest {
    /// By what the record says and where. The zone by name: ids change.
    pub fn new(name: &OwnerName, rtype: &RecordType, content: &Content, zone: &OwnerName) -> Self {
        let mut sha1 = Sha1::new();
        for part in [name.as_str(), rtype.as_str(), &content.to_string(), zone.as_str()] {
            sha1.update(part);
            sha1.update([0]);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&sha1.finalize()[..16]);
        Self(u128::from_be_bytes(bytes))
    }
}

/// The hash of a set of losses, the same in whatever order they are found, so that `plan`, which stores
/// nothing, shows the one that the next `run` or `sync` stores. None for no losses.
pub fn hash_of(losses: impl IntoIterator<Item = LossDigest>) -> Option<HeldSet> {
    let mut losses: Vec<LossDigest> = losses.into_iter().collect();
    if losses.is_empty() {
        return None;
    }
    losses.sort_unstable();
    losses.dedup();
    let mut sha1 = Sha1::new();
    for loss in &losses {
        sha1.update(loss.0.to_be_bytes());
    }
    let bytes: [u8; 20] = sha1.finalize().into();
    let hash = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    HeldSet::new(hash.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn loss(owner: &str, address: &str, zone: &str) -> LossDigest {
        LossDigest::new(&name(owner), &RecordType::A, &Content::read(&RecordType::A, address), &name(zone))
    }

    #[test]
    fn the_hash_is_the_same_in_any_order_and_another_for_other_losses() {
        let (a, b) = (
            loss("a.example.org", "192.0.2.1", "example.org"),
            loss("b.example.org", "192.0.2.1", "example.org"),
        );
        let both = hash_of([a, b]).unwrap();
        assert_eq!(hash_of([b, a, b]), Some(both));
        // Stored sets have to be known after an upgrade as well.
        assert_eq!(both.to_string(), "a50bd5f9");
        assert_eq!(hash_of([]), None);
        assert_ne!(hash_of([a]), Some(both));
        assert_ne!(a, loss("a.example.org", "192.0.2.2", "example.org"));
        assert_ne!(a, loss("a.example.org", "192.0.2.1", "a.example.org"));
    }
}
