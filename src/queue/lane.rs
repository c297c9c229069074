//! Keys in the order of their deadlines, in groups that are drained together.

use super::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// Keys of one priority. A group is a zone, or `()` where there is nothing to group by.
#[derive(Debug)]
pub(super) struct Lane<G, K> {
    groups: BTreeMap<G, BTreeSet<(Moment, K)>>,
    /// The earliest deadline of each group.
    heads: BTreeSet<(Moment, G)>,
}

impl<G, K> Default for Lane<G, K> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), heads: BTreeSet::new() }
    }
}

impl<G: Copy + Ord, K: Clone + Ord> Lane<G, K> {
    pub(super) fn insert(&mut self, group: G, due: Moment, key: K) {
        let keys = self.groups.entry(group).or_default();
        let head = keys.first().map(|(head, _)| *head);
        keys.insert((due, key));
        if head.is_none_or(|head| due < head) {
            if let Some(head) = head {
                self.heads.remove(&(head, group));
            }
            self.heads.insert((due, group));
        }
    }

    pub(super) fn remove(&mut self, group: G, due: Moment, key: K) {
        let Some(keys) = self.groups.get_mut(&group) else { return };
        let head = keys.first().map(|(head, _)| *head);
        keys.remove(&(due, key));
        let now = keys.first().map(|(head, _)| *head);
        if now.is_none() {
            self.groups.remove(&group);
        }
        if head != now {
            self.heads.extend(now.map(|now| (now, group)));
            if let Some(head) = head {
                self.heads.remove(&(head, group));
            }
        }
    }

    /// The key to serve next, if one is due: the earliest of `group` if that has one that is due, else
    /// the earliest of all.
    pub(super) fn first(&self, now: Moment, group: Option<G>) -> Option<(G, Moment, K)> {
        let of = |group: G| {
            let (due, key) = self.groups.get(&group)?.first()?;
            (*due <= now).then(|| (group, *due, key.clone()))
        };
        group.and_then(of).or_else(|| of(self.heads.first()?.1))
    }

    /// Whether a key of this group is due.
    pub(super) fn is_due(&self, group: G, now: Moment) -> bool {
        self.groups.get(&group).and_then(BTreeSet::first).is_some_and(|(due, _)| *due <= now)
    }

    /// The earliest deadline.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.heads.first().map(|(due, _)| *due)
    }
}
