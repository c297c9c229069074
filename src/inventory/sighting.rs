//! How many complete listings showed something about a VM that must be seen twice to be believed.

use crate::model::ReadSeq;

/// A count of complete listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sightings {
    /// How many, at most 255.
    pub count: u8,
    /// The first of them.
    pub first: ReadSeq,
    /// The latest of them.
    pub last: ReadSeq,
}

impl Sightings {
    pub(super) fn new(listing: ReadSeq) -> Self {
        Self { count: 1, first: listing, last: listing }
    }

    /// Counts a listing, each once.
    pub(super) fn add(&mut self, listing: ReadSeq) {
        if listing > self.last {
            self.count = self.count.saturating_add(1);
            self.last = listing;
        }
    }

    /// What is left of the count after a read that showed the contrary: only what a later listing showed.
    pub(super) fn after(self, read: ReadSeq) -> Option<Self> {
        if read >= self.last {
            None
        } else if read >= self.first {
            Some(Self::new(self.last))
        } else {
            Some(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_wipes_out_only_older_sightings() {
        let mut seen = Sightings::new(ReadSeq(4));
        for listing in [6, 6, 5, 9] {
            seen.add(ReadSeq(listing));
        }
        assert_eq!(seen, Sightings { count: 3, first: ReadSeq(4), last: ReadSeq(9) });
        assert_eq!(seen.after(ReadSeq(3)), Some(seen));
        assert_eq!(seen.after(ReadSeq(7)), Some(Sightings::new(ReadSeq(9))));
        assert_eq!(seen.after(ReadSeq(9)), None);
    }
}
