//! The rule of the verb `purge`.

use super::state::Decision;
use crate::{
    ledger::{Verdict, assess},
    model::{Ending, Entry, OwnerId, OwnerName, Row, Unwritable, Zone, ZoneName, Zones},
};

/// What purging one name knows.
pub struct PurgeState<'a> {
    /// All rows of the name, in every zone.
    pub rows: &'a [Row],
    /// All entries of the name, of every owner id.
    pub entries: &'a [Entry],
    /// A row by its id, wherever it stands.
    pub stray: &'a dyn Fn(u64) -> Option<&'a Row>,
    /// All zones.
    pub zones: &'a Zones,
    /// Why a zone may not be written, if it may not.
    pub forbidden: &'a dyn Fn(&Zone) -> Option<Unwritable>,
    /// Whose rows go.
    pub owner: &'a OwnerId,
    /// Only what belongs to this zone.
    pub only: Option<&'a ZoneName>,
}

/// What purging one name comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Rows that go and entries that end.
    pub decision: Decision,
    /// Entries that end while a row stays, and what an operator has done to it.
    pub left: Vec<(Entry, &'static str)>,
    /// Entries that stay with their rows, and why.
    pub kept: Vec<(Entry, String)>,
}

/// Decides what of one name goes: every row that is as we wrote it, or that only got another TTL in its
/// group. What an operator has edited is his from now on.
pub fn purge(name: &OwnerName, state: &PurgeState<'_>) -> Purge {
    let own: Vec<&Entry> = state.entries.iter().filter(|entry| entry.owner == *state.owner).collect();
    let zone_of = |entry: &Entry| state.zones.of_entry(entry.zone, name);
    let (verdicts, _) = assess(&own, state.rows, |entry| zone_of(entry).map(|zone| zone.id), state.stray);
    let mut out = Purge::default();
    for (entry, verdict) in own.into_iter().zip(verdicts) {
        let zone = zone_of(entry);
        if state.only.is_some_and(|only| zone.is_none_or(|zone| zone.name != *only)) {
            continue;
        }
        if let Some(why) = zone.and_then(state.forbidden) {
            out.kept.push((entry.clone(), why.to_string()));
            continue;
        }
        // A zone without a SOA is no zone for PowerDNS, but its rows are there.
        let stands =
            |row: &Row| (row.zone, &row.rtype, &row.content) == (entry.zone, &entry.rtype, &entry.content);
        if verdict == Verdict::ZoneGone && state.rows.iter().any(stands) {
            out.kept.push((entry.clone(), "its zone has no enabled SOA".to_owned()));
            continue;
        }
        let why = match (verdict.owned(), verdict.edit()) {
            (Some(owned), _) => {
                out.decision.deletes.push((owned.clone(), PURGED));
                PURGED
            }
            (None, Some(edit)) => {
                out.left.push((entry.clone(), edit));
                "purged; the operator's edit stays"
            }
            (None, None) => "purged; its row was gone",
        };
        out.decision.endings.push(Ending { entry: entry.clone(), why });
    }
    out.decision.left_behind = out.left.len() as u64;
    out
}

const PURGED: &str = "purged";
