//! Proof that a listing was read to its end, and the order in which reads began.

/// What a reader that saw every page hands out. There is no type for a listing that is not complete:
/// a reader that missed something has an error and nothing else (design 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complete<T>(T);

impl<T> Complete<T> {
    /// States that every page arrived and that none but the last was short. Only readers that have
    /// checked this call it.
    pub fn attest(value: T) -> Self {
        Self(value)
    }

    /// What was listed.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was listed, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The order in which reads of the API began: the owner of the inventory hands a number to each read
/// when it begins, and an older read never overrides a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct ReadSeq(pub u64);
