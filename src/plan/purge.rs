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
    let (verdicts, _) =
        assess(&own, own.iter().map(|entry| zone_of(entry).map(|zone| zone.id)), state.rows, state.stray);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Content, Kind, RecordType, Ttl, VmId};
    use std::collections::HashMap;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn zones() -> Zones {
        let zone = Zone::sample(1, &name("a.org"));
        Zones::new([zone], HashMap::new())
    }

    fn row(zone: u32, last: u8, ttl: u32) -> Row {
        Row {
            id: u64::from(last),
            zone,
            name: name("w.a.org"),
            rtype: RecordType::A,
            content: Content::V4([192, 0, 2, last].into()),
            ttl: Some(Ttl(ttl)),
            disabled: false,
            auth: Some(true),
            ordername: None,
        }
    }

    fn entry(row: &Row, kind: Kind) -> Entry {
        Entry {
            zone: row.zone,
            name: row.name.clone(),
            rtype: row.rtype.clone(),
            content: row.content.clone(),
            ttl: Ttl(60),
            record: row.id,
            owner: "mine".into(),
            vm: VmId::from_u128(1),
            account: AccountId::from_u128(2),
            kind,
            held: None,
            on_hold: true,
        }
    }

    /// Deleted, ended, left behind and kept.
    fn counts(row: Option<&Row>, entry: &Entry, forbidden: bool, only: Option<&ZoneName>) -> [usize; 4] {
        let why = |_: &Zone| forbidden.then_some(Unwritable::NotAllowed);
        let stray = |_| None;
        let (zones, owner) = (zones(), OwnerId::from("mine"));
        let rows: Vec<Row> = row.into_iter().cloned().collect();
        let (rows, entries) = (&rows[..], std::slice::from_ref(entry));
        let state =
            PurgeState { rows, entries, stray: &stray, zones: &zones, forbidden: &why, owner: &owner, only };
        let Purge { decision, left, kept } = purge(&name("w.a.org"), &state);
        [decision.deletes.len(), decision.endings.len(), left.len(), kept.len()]
    }

    #[test]
    fn what_is_as_it_was_written_goes_and_what_was_edited_stays() {
        let (plain, retimed) = (row(1, 1, 60), row(1, 1, 7));
        let disabled = Row { disabled: true, ..plain.clone() };
        let ours = entry(&plain, Kind::Name);
        let theirs = Entry { owner: "theirs".into(), ..ours.clone() };
        let elsewhere = row(9, 1, 60);
        let (here, other) = (name("a.org"), name("b.org"));
        for (what, expected, found) in [
            ("intact, on hold or not", [1, 1, 0, 0], counts(Some(&plain), &ours, false, None)),
            (
                "re-timed group",
                [1, 1, 0, 0],
                counts(Some(&retimed), &entry(&plain, Kind::Group), false, None),
            ),
            ("re-timed name", [0, 1, 1, 0], counts(Some(&retimed), &ours, false, None)),
            ("disabled", [0, 1, 1, 0], counts(Some(&disabled), &ours, false, None)),
            ("replaced", [0, 1, 1, 0], counts(Some(&row(1, 2, 60)), &ours, false, None)),
            ("deleted by hand", [0, 1, 0, 0], counts(None, &ours, false, None)),
            ("another owner id's", [0; 4], counts(Some(&plain), &theirs, false, None)),
            ("a zone that may not be written", [0, 0, 0, 1], counts(Some(&plain), &ours, true, None)),
            ("the zone that is meant", [1, 1, 0, 0], counts(Some(&plain), &ours, false, Some(&here))),
            ("another zone than is meant", [0; 4], counts(Some(&plain), &ours, false, Some(&other))),
        ] {
            assert_eq!(found, expected, "{what}");
        }
        let lost = Entry { zone: 9, name: name("w.b.org"), ..ours };
        let at = name("w.b.org");
        let rows = [Row { name: at.clone(), ..elsewhere }];
        for (rows, kept) in [(&rows[..], 1), (&[][..], 0)] {
            let (zones, owner) = (zones(), OwnerId::from("mine"));
            let state = PurgeState {
                rows,
                entries: std::slice::from_ref(&lost),
                stray: &|_| None,
                zones: &zones,
                forbidden: &|_| None,
                owner: &owner,
                only: None,
            };
            let purge = purge(&at, &state);
            assert_eq!(
                (purge.kept.len(), purge.decision.endings.len()),
                (kept, 1 - kept),
                "a zone without SOA"
            );
        }
    }
}
