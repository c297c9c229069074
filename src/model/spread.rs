//! A hasher for keys that nobody can choose to collide: maps are asked millions of times, and the standard
//! one, which withstands chosen keys, takes longer than all else about such a question.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`Spread`] for a map.
pub type BuildSpread = BuildHasherDefault<Spread>;

/// Spreads bits by one multiplication a word, whose halves are folded into one, without a seed.
///
/// For ids, which `CloudStack` draws at random, for what is a keyed hash already, and for names of zones,
/// which operators make. Not for what tenants choose and a map keeps: names of VMs, groups and accounts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 over the golden ratio.
        let (high, low) = halves(u128::from(self.0.rotate_left(26) ^ number) * 0x9e37_79b9_7f4a_7c15);
        self.0 = high ^ low;
    }

    fn write_u128(&mut self, number: u128) {
        let (high, low) = halves(number);
        self.write_u64(high);
        self.write_u64(low);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// Nothing is lost: both halves are taken.
#[allow(clippy::cast_possible_truncation)]
fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VmId;
    use std::{
        collections::HashSet,
        hash::{BuildHasher as _, Hash},
    };

    /// How many of 4096 places the keys fall into by their lowest bits, and how many of 128 by their highest.
    fn places<T: Hash>(keys: impl Iterator<Item = T>) -> (usize, usize) {
        let hashes: Vec<u64> = keys.map(|key| BuildSpread::default().hash_one(key)).collect();
        let count =
            |of: &dyn Fn(u64) -> u64| hashes.iter().map(|hash| of(*hash)).collect::<HashSet<_>>().len();
        (count(&|hash| hash & 4095), count(&|hash| hash >> 57))
    }

    #[test]
    fn keys_that_differ_anywhere_fall_into_different_places() {
        let n = 4096_u64;
        let spread = [
            places(0..n),
            places((0..n).map(|at| at << 32)),
            places((0..n).map(|at| VmId::from_u128(u128::from(at) << 100))),
            places((0..n).map(|at| VmId::from_u128(u128::from(at) << 60))),
            places((0..n).map(|at| format!("{at}.0.10.in-addr.arpa"))),
            places((0..n).map(|at| format!("a-domain-of-some-length-{at}.example.org"))),
        ];
        // At random 63 % of 4096 places would be taken.
        for (low, high) in spread {
            assert!(low > 2200 && high == 128, "{spread:?}");
        }
    }
}
