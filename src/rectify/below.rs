//! What lies below a name, apart from what the batch itself decides.

use super::full::counts;
use crate::model::{OwnerName, RecordType, Row, ZoneId};
use std::collections::{HashMap, HashSet};

/// What an empty non-terminal inherits from below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footing {
    /// Some descendant is a name that the zone answers for.
    pub auth: bool,
    /// Some descendant has a record that counts for NSEC3: not below a delegation and, under opt-out,
    /// of another type than NS.
    pub hashed: bool,
}

impl Footing {
    /// What a name of ours gives, and what is taken for granted where nothing is known.
    pub const FIRM: Self = Self { auth: true, hashed: true };

    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self { auth: self.auth || other.auth, hashed: self.hashed || other.hashed }
    }
}

/// Whether a name has an enabled record or an empty non-terminal below it, at names that are not
/// decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// Nothing.
    No,
    /// Something, of this kind.
    Yes(Footing),
    /// Nobody has looked, or it is not known of what kind it is: an empty non-terminal stays as it is
    /// or is made.
    Unknown,
}

impl Below {
    /// The answer from the rows below `name`: either those of all its direct children, which suffice
    /// in a zone that has its empty non-terminals, or of all its descendants. Rows of other zones, of
    /// disabled records and of what is decided elsewhere do not count.
    pub fn of_rows<'a>(
        name: &OwnerName,
        rows: impl IntoIterator<Item = &'a Row>,
        decided: &Decided<'_>,
    ) -> Self {
        let elsewhere = |row: &Row| {
            decided.contains(row.name.as_str())
                || row.name.ancestors_below(name.as_str()).any(|above| decided.contains(above))
        };
        let rows: Vec<&Row> = (rows.into_iter())
            .filter(|row| row.zone == decided.zone && !row.disabled && row.name != *name)
            .filter(|row| row.name.is_within(name.as_str()) && !elsewhere(row))
            .collect();
        if rows.is_empty() {
            return Self::No;
        }
        let cuts: HashSet<&str> =
            (rows.iter().filter(|row| row.rtype == RecordType::Ns)).map(|row| row.name.as_str()).collect();
        let footing = rows.iter().fold(Footing::default(), |footing, row| {
            let hidden = row.name.ancestors_below(name.as_str()).any(|above| cuts.contains(above));
            footing.or(match row {
                _ if hidden => Footing::default(),
                row if counts(row) => {
                    Footing { auth: !cuts.contains(row.name.as_str()), hashed: row.rtype != RecordType::Ns }
                }
                ent => Footing { auth: ent.auth == Some(true), hashed: ent.ordername.is_some() },
            })
        });
        Self::Yes(footing)
    }
}

/// The names that a batch decides itself: those that it touches and their ancestors below the apex.
#[derive(Debug)]
pub struct Decided<'a> {
    zone: ZoneId,
    names: &'a HashMap<&'a str, usize>,
}

impl<'a> Decided<'a> {
    pub(super) fn new(zone: ZoneId, names: &'a HashMap<&'a str, usize>) -> Self {
        Self { zone, names }
    }

    /// Whether the batch decides this name, so that it is no answer to what else there is.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }
}
