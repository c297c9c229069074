//! The name of a set of losses that wait for approval.

use std::{fmt, num::NonZeroU32, str::FromStr};

/// A held set by its short hash: eight hexadecimal digits, never all 0. Short, because people type it; it
/// tells the few sets of one owner id apart, and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeldSet(NonZeroU32);

/// Text that is no held set's hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a held set: eight hexadecimal digits other than 00000000")]
pub struct HeldSetError;

impl HeldSet {
    /// The set of this hash; none for 0.
    pub const fn new(hash: u32) -> Option<Self> {
        match NonZeroU32::new(hash) {
            Some(hash) => Some(Self(hash)),
            None => None,
        }
    }

    /// As the tables have it: none for 0, and for a number that we have never written.
    pub fn stored(number: u64) -> Option<Self> {
        u32::try_from(number).ok().and_then(Self::new)
    }

    /// For the tables.
    pub fn number(self) -> u64 {
        self.0.get().into()
    }
}

impl FromStr for HeldSet {
    type Err = HeldSetError;

    fn from_str(text: &str) -> Result<Self, HeldSetError> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = digits.then(|| u32::from_str_radix(text, 16).ok()).flatten();
        hash.and_then(Self::new).ok_or(HeldSetError)
    }
}

impl fmt::Display for HeldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for HeldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_set_is_eight_hexadecimal_digits() {
        let set: HeldSet = "0000Ab12".parse().unwrap();
        assert_eq!((set.to_string(), set.number()), ("0000ab12".to_owned(), 0xab12));
        assert_eq!(HeldSet::stored(set.number()), Some(set));
        for text in ["", "ab12", "0000ab123", "0000ab1g", "+000ab12", "00000000", "0x00ab12"] {
            assert_eq!(text.parse::<HeldSet>(), Err(HeldSetError), "{text}");
        }
        assert_eq!((HeldSet::stored(0), HeldSet::stored(1 << 40)), (None, None));
    }
}
