//! The vocabulary of one write transaction: plain data that the planner makes and the writer runs.

use super::{Content, Entry, OwnedRow, OwnerName, RecordId, RecordType, Row, Ttl, ZoneId};

/// A row to insert: a record of ours, or an empty non-terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    /// `domain_id`.
    pub zone: ZoneId,
    /// `name`.
    pub name: OwnerName,
    /// `type`; [`RecordType::Ent`] is stored as NULL with NULL content, TTL and prio.
    pub rtype: RecordType,
    /// `content`; not used for an empty non-terminal.
    pub content: Content,
    /// `ttl`; not used for an empty non-terminal.
    pub ttl: Ttl,
    /// `auth`.
    pub auth: bool,
    /// `ordername`, NULL in an unsigned zone.
    pub ordername: Option<Box<str>>,
}

/// New `auth` and `ordername` of an existing empty non-terminal or of a row whose name they changed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reorder {
    /// The row's id, as the plan saw it.
    pub id: RecordId,
    /// The name, for the guard and the order of locks.
    pub name: OwnerName,
    /// The zone, for the guard.
    pub zone: ZoneId,
    /// `auth`.
    pub auth: bool,
    /// `ordername`.
    pub ordername: Option<Box<str>>,
}

/// A name as the plan saw it: every row of that name in every zone, every entry of every owner id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name.
    pub name: OwnerName,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Its entries: verbs beside a running controller change them (hold, approval, take-over).
    pub entries: Vec<Entry>,
}

/// An entry to write. The writer fills in the record id that the re-read shows for the row of equal
/// zone, name, type and content; an `entry.record` other than 0 is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPut {
    /// The entry as it shall stand.
    pub entry: Entry,
}

/// Why an entry ends whose claim an operator had taken over: its rows stay.
pub const LEFT_BEHIND: &str = "its claim ended; the operator's edit stays";

/// An entry to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The entry as it stands.
    pub entry: Entry,
    /// Why, for the history: a short sentence.
    pub why: &'static str,
}

/// One transaction: whole owner names, sorted by name and id. At most 1000 rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Rows to delete, each guarded by everything that was compared.
    pub deletes: Vec<OwnedRow>,
    /// Rows to give another TTL, each guarded likewise.
    pub retimes: Vec<(OwnedRow, Ttl)>,
    /// Rows to insert.
    pub inserts: Vec<NewRow>,
    /// Empty non-terminals to delete, by row id as the plan saw it, with name and zone for the guard.
    pub ents_out: Vec<Reorder>,
    /// Empty non-terminals to insert.
    pub ents_in: Vec<NewRow>,
    /// Rows whose `auth` or `ordername` changes.
    pub reorders: Vec<Reorder>,
    /// The batch's names as the plan saw them: the locking re-read must show exactly these rows plus the
    /// batch's own changes, and exactly these entries, before the batch changes any (design 6).
    pub seen: Vec<Seen>,
    /// Entries to write.
    pub puts: Vec<EntryPut>,
    /// Entries to end.
    pub endings: Vec<Ending>,
    /// Zones whose serial somebody has overwritten with one lower than what we wrote: it moves above that,
    /// if it still is lower, whatever else there is to write.
    pub lowered: Vec<ZoneId>,
    /// Records lost without announcement, which draw on the budget.
    pub losses: u64,
}

impl Batch {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.deletes.is_empty()
            && self.retimes.is_empty()
            && self.inserts.is_empty()
            && self.ents_out.is_empty()
            && self.ents_in.is_empty()
            && self.reorders.is_empty()
            && self.puts.is_empty()
            && self.endings.is_empty()
            && self.lowered.is_empty()
    }

    /// How many rows of `records` it writes, serials apart.
    pub fn rows(&self) -> usize {
        self.deletes.len()
            + self.retimes.len()
            + self.inserts.len()
            + self.ents_out.len()
            + self.ents_in.len()
            + self.reorders.len()
    }

    /// What a query could see change: zones and owner names, one of them maybe more than once.
    pub fn changed(&self) -> impl Iterator<Item = (ZoneId, &OwnerName)> {
        (self.deletes.iter().map(OwnedRow::row).map(|row| (row.zone, &row.name)))
            .chain(self.retimes.iter().map(|(owned, _)| owned.row()).map(|row| (row.zone, &row.name)))
            .chain(self.inserts.iter().map(|row| (row.zone, &row.name)))
            .chain(self.ents_out.iter().map(|ent| (ent.zone, &ent.name)))
            .chain(self.ents_in.iter().map(|row| (row.zone, &row.name)))
            .chain(self.reorders.iter().map(|row| (row.zone, &row.name)))
    }

    /// The zones whose SOA serial must move: those with a change that a query could see. Sorted.
    pub fn zones(&self) -> Vec<ZoneId> {
        let mut zones: Vec<ZoneId> = self.changed().map(|(zone, _)| zone).collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }
}
