//! The rule of the verb `release`.

use super::state::Decision;
use crate::model::{Entry, EntryPut};

/// Puts every entry of ours at a name on hold: nothing is written for these claims until they end.
pub fn release(entries: &[Entry], owner: &str) -> Decision {
    let puts = (entries.iter())
        .filter(|entry| *entry.owner == *owner && !entry.on_hold)
        .map(|entry| EntryPut { entry: Entry { on_hold: true, ..entry.clone() } });
    Decision { puts: puts.collect(), ..Decision::default() }
}
