//! The verdict table of design 5.

use crate::model::{Entry, Kind, OwnedRow, RecordId, Row, ZoneId};

/// What the rows say about one entry.
///
/// ```text
///   K = row of equal zone, name, type and content     I = row of that zone with the entry's id
///
///   zone? ──no──────────────────────────────────────────► ZoneGone
///     │yes
///     K? ──yes── enabled? ──no──────────────────────────► Disabled       (released)
///     │            │yes
///     │          same TTL? ──yes────────────────────────► Intact
///     │            └─no── group? ─yes───────────────────► Retimed
///     │                      └─no───────────────────────► TtlEdited      (released)
///     I? ──yes──────────────────────────────────────────► EditedInPlace  (released)
///     └no── foreign row in the RRset? ──yes─────────────► Replaced       (released)
///                      └─no─────────────────────────────► Deleted        (entry ends)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The row is exactly what we wrote; its id may be another one.
    Intact(OwnedRow),
    /// A group member's row at another TTL: ours, at the operator's TTL.
    Retimed(OwnedRow),
    /// A name's or a reverse name's row at another TTL.
    TtlEdited(Row),
    /// The row is disabled.
    Disabled(Row),
    /// The row of the entry's id says something else now.
    EditedInPlace,
    /// The row has gone and a foreign row stands in its RRset.
    Replaced,
    /// The row has gone and its RRset holds nothing foreign.
    Deleted,
    /// No zone of that name exists.
    ZoneGone,
}

impl Verdict {
    /// What an operator did to it, if this verdict releases the claim.
    pub fn edit(&self) -> Option<&'static str> {
        match self {
            Self::TtlEdited(_) => Some("its TTL was changed"),
            Self::Disabled(_) => Some("it was disabled"),
            Self::EditedInPlace => Some("it was edited in place"),
            Self::Replaced => Some("it was replaced"),
            Self::Intact(_) | Self::Retimed(_) | Self::Deleted | Self::ZoneGone => None,
        }
    }

    /// The row that is ours, if it is.
    pub fn owned(&self) -> Option<&OwnedRow> {
        match self {
            Self::Intact(owned) | Self::Retimed(owned) => Some(owned),
            _ => None,
        }
    }
}

/// The verdicts on `own` entries of one owner name, and which of `rows` they account for.
///
/// `zones` are the present ids of the entries' zones, `stray` gives a row by id wherever it stands. The
/// second value is each entry's K as an index of `rows`; rows that are nobody's K are foreign.
pub fn assess<'a>(
    own: &[&Entry],
    zones: impl Iterator<Item = Option<ZoneId>> + Clone,
    rows: &'a [Row],
    stray: impl Fn(u64) -> Option<&'a Row>,
) -> (Vec<Verdict>, Vec<Option<usize>>) {
    let mut matched = vec![false; rows.len()];
    let mut ids: Vec<(RecordId, usize)> = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
    ids.sort_unstable();
    let of_id = |id| ids.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| ids[at].1);
    let found: Vec<Option<usize>> = (own.iter().zip(zones.clone()))
        .map(|(entry, zone)| {
            let equal = |row: &Row| {
                Some(row.zone) == zone && row.rtype == entry.rtype && row.content == entry.content
            };
            // Of several equal rows the one with the entry's id, else the lowest id: the rest are foreign.
            let best = of_id(entry.record)
                .filter(|at| equal(&rows[*at]))
                .or_else(|| ids.iter().map(|(_, at)| *at).find(|at| equal(&rows[*at])));
            if let Some(at) = best {
                matched[at] = true;
            }
            best
        })
        .collect();
    let verdicts = (own.iter().zip(zones).zip(&found))
        .map(|((entry, zone), found)| {
            let Some(zone) = zone else { return Verdict::ZoneGone };
            if let Some(at) = found {
                return of_row(entry, &rows[*at]);
            }
            // An id that another entry of ours accounts for was handed out anew: it proves no edit.
            let reused =
                |row: &Row| rows.iter().zip(&matched).any(|(other, matched)| *matched && other.id == row.id);
            if stray(entry.record).is_some_and(|row| row.zone == zone && !reused(row)) {
                return Verdict::EditedInPlace;
            }
            let foreign_beside = (rows.iter().zip(&matched))
                .any(|(row, matched)| !matched && row.zone == zone && row.rtype == entry.rtype);
            if foreign_beside { Verdict::Replaced } else { Verdict::Deleted }
        })
        .collect();
    (verdicts, found)
}

fn of_row(entry: &Entry, row: &Row) -> Verdict {
    match OwnedRow::prove(entry, row) {
        None => Verdict::Disabled(row.clone()),
        Some(owned) if row.ttl == Some(entry.ttl) => Verdict::Intact(owned),
        Some(owned) if entry.kind == Kind::Group => Verdict::Retimed(owned),
        Some(_) => Verdict::TtlEdited(row.clone()),
    }
}
