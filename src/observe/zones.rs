//! The zones as they were last read, and how many records of ours each has.

use crate::model::{ZoneId, ZoneName};
use dashmap::DashMap;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// A zone of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneLine {
    /// `domains.id`.
    pub id: ZoneId,
    /// Its name.
    pub name: ZoneName,
    /// `domains.type`.
    pub kind: &'static str,
    /// Whether it is signed, and how: a word of few values.
    pub signed: &'static str,
    /// Why nothing is written there for anybody, if nothing is.
    pub shut: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ZoneBoard {
    lines: RwLock<Arc<[ZoneLine]>>,
    owned: DashMap<ZoneId, i64>,
}

impl ZoneBoard {
    /// The zones, as they were just read.
    pub fn set(&self, lines: Vec<ZoneLine>) {
        *self.lines.write().unwrap_or_else(PoisonError::into_inner) = lines.into();
    }

    /// How many records of ours the zones have, as the ledger was just read; what was written meanwhile may
    /// be missed, until the next reading.
    pub fn set_owned(&self, owned: HashMap<ZoneId, u64>) {
        self.owned.retain(|zone, _| owned.contains_key(zone));
        for (zone, records) in owned {
            self.owned.insert(zone, i64::try_from(records).unwrap_or(i64::MAX));
        }
    }

    /// Records were written or deleted.
    pub fn change_owned(&self, zone: ZoneId, by: i64) {
        *self.owned.entry(zone).or_default() += by;
    }

    /// All zones, in the order in which they were read.
    pub fn all(&self) -> Arc<[ZoneLine]> {
        Arc::clone(&self.lines.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many records of ours a zone has.
    pub fn owned(&self, zone: ZoneId) -> u64 {
        self.owned.get(&zone).map_or(0, |records| u64::try_from(*records).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_from_the_last_reading_of_the_ledger() {
        let zones = ZoneBoard::default();
        zones.change_owned(1, 3);
        zones.change_owned(1, -1);
        zones.change_owned(2, -1);
        assert_eq!((zones.owned(1), zones.owned(2), zones.owned(3)), (2, 0, 0));
        zones.set_owned(HashMap::from([(2, 7)]));
        zones.change_owned(2, 1);
        assert_eq!((zones.owned(1), zones.owned(2)), (0, 8));
    }
}
