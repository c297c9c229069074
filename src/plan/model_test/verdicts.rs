//! Entries of ours with their verdicts, read off the table of design 5.

use super::super::{Standing, bed::Bed};
use crate::model::{Claim, Entry, Kind, OwnerName, RecordType, Row, ZoneId};

/// The first column of the verdict table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Intact,
    Retimed,
    Edited,
    Deleted,
    NoZone,
}

/// An entry of ours and what is known about it.
#[derive(Debug, Clone)]
pub struct Line {
    pub entry: Entry,
    pub verdict: Verdict,
    /// Its K.
    pub row: Option<Row>,
    /// The zone that it means, as it is now.
    pub zone: Option<ZoneId>,
    /// Its claim is released or on hold.
    pub hands_off: bool,
    /// What becomes of it.
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Entry and row stay.
    Stays,
    /// It stays and serves the claim of this index.
    Serves(usize),
    /// The entry ends, its row stays.
    Ends,
    /// Both go.
    Goes,
}

impl Line {
    pub fn is_ours_to_write(&self) -> bool {
        matches!(self.verdict, Verdict::Intact | Verdict::Retimed)
    }

    pub fn is_of(&self, claim: &Claim) -> bool {
        self.entry.vm == claim.vm && self.entry.kind == claim.kind
    }
}

fn zone_named<'a>(bed: &'a Bed, name: &OwnerName) -> Option<&'a (ZoneId, OwnerName)> {
    bed.zones.iter().find(|zone| zone.1 == *name)
}

/// Zones are matched by name, ids may change.
pub fn zone_of(bed: &Bed, entry: &Entry) -> Option<ZoneId> {
    let now = bed.zones.iter().find(|zone| zone.0 == entry.zone).map(|zone| &zone.1);
    let name = bed.former.get(&entry.zone).or(now)?;
    zone_named(bed, name).map(|zone| zone.0)
}

/// The zone in which the name is written: the longest, unless something forbids it.
pub fn home(bed: &Bed) -> Option<ZoneId> {
    if bed.barrier.is_some() {
        return None;
    }
    let mut zones: Vec<_> = bed.zones.iter().filter(|zone| bed.name.is_within(zone.1.as_str())).collect();
    zones.sort_by_key(|zone| zone.1.as_str().len());
    zones.last().map(|zone| zone.0)
}

/// Our entries of this column with their verdicts, row by row down the table of design 5.
pub fn lines(bed: &Bed, forward: bool) -> Vec<Line> {
    let ours = |entry: &&Entry| *entry.owner == *"default" && (entry.rtype != RecordType::Ptr) == forward;
    let mut lines: Vec<Line> = vec![];
    for entry in bed.entries.iter().filter(ours) {
        let zone = zone_of(bed, entry);
        let mut equal: Vec<&Row> = bed
            .rows
            .iter()
            .filter(|row| Some(row.zone) == zone && row.rtype == entry.rtype && row.content == entry.content)
            .collect();
        equal.sort_by_key(|row| row.id);
        let same_id = equal.iter().find(|row| row.id == entry.record);
        let row = same_id.or(equal.first()).map(|row| (*row).clone());
        lines.push(Line {
            entry: entry.clone(),
            verdict: Verdict::NoZone,
            row,
            zone,
            hands_off: false,
            end: End::Stays,
        });
    }
    let taken: Vec<u64> = lines.iter().filter_map(|line| line.row.as_ref()).map(|row| row.id).collect();
    for line in &mut lines {
        let in_place = bed.rows.iter().chain(&bed.strays).any(|row| {
            // An id that another entry accounts for was handed out anew.
            Some(row.zone) == line.zone && row.id == line.entry.record && !taken.contains(&row.id)
        });
        let replaced = bed.rows.iter().any(|row| {
            Some(row.zone) == line.zone && row.rtype == line.entry.rtype && !taken.contains(&row.id)
        });
        line.verdict = match &line.row {
            _ if line.zone.is_none() => Verdict::NoZone,
            Some(row) if row.disabled => Verdict::Edited,
            Some(row) if row.ttl == Some(line.entry.ttl) => Verdict::Intact,
            Some(_) if line.entry.kind == Kind::Group => Verdict::Retimed,
            Some(_) => Verdict::Edited,
            None if in_place || replaced => Verdict::Edited,
            None => Verdict::Deleted,
        };
    }
    // Released: at least one entry of the claim is edited now. A claim is of one zone.
    let copy = lines.clone();
    for line in &mut lines {
        line.hands_off = copy.iter().any(|other| {
            (other.entry.vm, other.entry.kind, other.zone) == (line.entry.vm, line.entry.kind, line.zone)
                && (other.verdict == Verdict::Edited
                    || other.entry.on_hold
                    || (other.verdict == Verdict::Deleted && !bed.settings.recreate && lives(bed, other)))
        });
    }
    lines
}

pub fn standing(bed: &Bed, entry: &Entry) -> Standing {
    bed.standings.get(&entry.vm).copied().unwrap_or(Standing::Living { announced: false })
}

pub fn claim_of<'a>(bed: &'a Bed, entry: &Entry) -> Option<&'a Claim> {
    bed.claims.iter().find(|claim| claim.vm == entry.vm && claim.kind == entry.kind)
}

/// Whether the entry's claim is made: a claim is of one zone, so one of another zone is not this entry's.
pub fn is_claimed(bed: &Bed, line: &Line) -> bool {
    let elsewhere = home(bed).is_some_and(|home| line.zone.is_some_and(|zone| zone != home));
    claim_of(bed, &line.entry).is_some() && !elsewhere
}

/// Whether the entry's claim has not ended, as far as is known.
pub fn lives(bed: &Bed, line: &Line) -> bool {
    is_claimed(bed, line) || standing(bed, &line.entry) == Standing::Keep
}
