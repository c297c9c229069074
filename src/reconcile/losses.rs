//! Losses that nobody announced: collected while a pass runs, weighed against the budget at its end.

use crate::model::OwnerName;
use std::collections::BTreeMap;

/// Names whose decision holds losses, and what became of them.
#[derive(Debug, Default)]
pub struct PendingLosses {
    names: BTreeMap<OwnerName, u64>,
    /// The sum has changed since it was weighed.
    fresh: bool,
}

impl PendingLosses {
    /// Notes how many records a name would lose; 0 takes it off.
    pub fn note(&mut self, name: &OwnerName, losses: u64) {
        let before = if losses == 0 {
            self.names.remove(name).unwrap_or(0)
        } else {
            self.names.insert(name.clone(), losses).unwrap_or(0)
        };
        self.fresh |= before != losses;
    }

    /// Whether nothing waits to be weighed.
    pub fn is_empty(&self) -> bool {
        !self.fresh || self.names.is_empty()
    }

    /// All records that would be lost, whether weighed or not.
    pub fn total(&self) -> u64 {
        self.names.values().sum()
    }

    /// The names, for the pass that may lose them.
    pub fn names(&self) -> Vec<OwnerName> {
        self.names.keys().cloned().collect()
    }

    /// The sum was weighed: not again before it changes or a resync asks for it.
    pub fn weighed(&mut self) {
        self.fresh = false;
    }

    /// A resync has ended: what was used of the budget may have decayed.
    pub fn weigh_again(&mut self) {
        self.fresh = !self.names.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_weighed_once_until_they_change_or_a_resync_has_ended() {
        let name = OwnerName::parse("web.example.org").unwrap();
        let mut losses = PendingLosses::default();
        assert!(losses.is_empty());
        losses.note(&name, 2);
        assert!(!losses.is_empty() && losses.total() == 2);
        losses.weighed();
        assert!(losses.is_empty() && losses.total() == 2);
        losses.note(&name, 2);
        assert!(losses.is_empty(), "the same again is no news");
        losses.weigh_again();
        assert!(!losses.is_empty());
        losses.note(&name, 0);
        assert!(losses.is_empty() && losses.names().is_empty());
    }
}
