//! How many claims stand how, and in which zone: kept with each change, so that nobody who asks for numbers
//! walks over everything.

use super::NameState;
use crate::model::{OwnerName, Rejection};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The numbers. Who writes is one task; each change is whole.
#[derive(Debug, Default)]
pub(super) struct Counts {
    zones: HashSet<OwnerName>,
    /// By zone and word; none for a name that no zone encloses.
    claims: HashMap<(Option<OwnerName>, &'static str), u64>,
    rejections: HashMap<&'static str, u64>,
    pending: u64,
    /// Records of ours by zone.
    pub(super) records: BTreeMap<String, u64>,
}

fn change<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u64>, key: K, more: bool) {
    let count = counts.entry(key).or_default();
    *count = if more { *count + 1 } else { count.saturating_sub(1) };
}

impl Counts {
    /// The zones have changed: everything is counted anew.
    pub(super) fn set_zones(&mut self, zones: HashSet<OwnerName>) {
        self.zones = zones;
        self.claims.clear();
    }

    /// All names have gone.
    pub(super) fn clear_names(&mut self) {
        self.claims.clear();
    }

    /// A name's standings have come, or gone.
    pub(super) fn name(&mut self, name: &OwnerName, state: &NameState, come: bool) {
        let mut rest = name.as_str();
        let zone = loop {
            match (self.zones.get(rest), rest.split_once('.')) {
                (Some(zone), _) => break Some(zone.clone()),
                (None, Some((_, parent))) => rest = parent,
                (None, None) => break None,
            }
        };
        for standing in &state.standings {
            change(&mut self.claims, (zone.clone(), standing.word), come);
        }
    }

    /// A VM's rejections have come, or gone.
    pub(super) fn vm(&mut self, rejections: &[Rejection], come: bool) {
        for rejection in rejections {
            change(&mut self.rejections, rejection.reason, come);
            let pending = u64::from(rejection.pending);
            self.pending = if come { self.pending + pending } else { self.pending.saturating_sub(pending) };
        }
    }

    /// How many claims stand how, by word.
    pub(super) fn by_word(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for ((_, word), count) in self.claims.iter().filter(|(_, count)| **count > 0) {
            *counts.entry(*word).or_default() += count;
        }
        counts
    }

    /// The same by zone and word; the empty text is no zone.
    pub(super) fn by_zone(&self) -> BTreeMap<(String, &'static str), u64> {
        let claims = self.claims.iter().filter(|(_, count)| **count > 0);
        let text = |zone: &Option<OwnerName>| zone.as_ref().map(ToString::to_string).unwrap_or_default();
        claims.map(|((zone, word), count)| ((text(zone), *word), *count)).collect()
    }

    /// How many claims were rejected, by reason.
    pub(super) fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.rejections.iter().filter(|(_, count)| **count > 0).map(|(word, count)| (*word, *count)).collect()
    }

    /// Of them, how many wait for a zone.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }
}
