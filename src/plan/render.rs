//! How a plan reads: the same lines for `plan`, for the log and, as JSON, for programs.

use super::{refusals::Refusals, state::Decision};
use crate::model::{HeldSet, OwnerName, Row, Ttl, Zones};
use std::{collections::BTreeMap, fmt};

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// It goes.
    Delete,
    /// It comes.
    Insert,
    /// It gets another TTL.
    Retime,
    /// It would go, and is held back.
    Hold,
}

impl Sign {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "-",
            Self::Insert => "+",
            Self::Retime => "~",
            Self::Hold => "!",
        }
    }

    /// The word that JSON carries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Insert => "insert",
            Self::Retime => "retime",
            Self::Hold => "hold",
        }
    }
}

/// One change, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The zone's name.
    pub zone: String,
    /// The owner name.
    pub name: OwnerName,
    /// A, AAAA or PTR.
    pub rtype: String,
    /// What happens.
    pub sign: Sign,
    /// The content.
    pub content: String,
    /// The TTL afterwards.
    pub ttl: Ttl,
    /// Whose claim, and why.
    pub why: String,
    /// The held set that it is in.
    pub set: Option<HeldSet>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rtype, sign, content, ttl, why, set, .. } = self;
        write!(f, "{} {name} {} {rtype} {content}  (", sign.as_str(), ttl.0)?;
        if let Some(set) = set {
            write!(f, "held, {set}: ")?;
        }
        write!(f, "{why})")
    }
}

/// A whole plan. A name that is decided again replaces what was planned for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    names: BTreeMap<OwnerName, Vec<Line>>,
    /// The held sets with their records, the largest first.
    pub held: Vec<(HeldSet, u64)>,
    /// What is wanted and not written.
    pub refusals: Refusals,
}

impl Plan {
    /// Takes in the decision on one name.
    pub fn add(&mut self, name: &OwnerName, decision: &Decision, zones: &Zones) {
        self.refusals.decided(name, decision, zones);
        let zone = |id| zones.with_id(id).map_or_else(|| format!("zone {id}"), |zone| zone.name.to_string());
        let line = |sign, row: &Row, ttl: Ttl, why: String| Line {
            zone: zone(row.zone),
            name: name.clone(),
            rtype: row.rtype.to_string(),
            sign,
            content: row.content.to_string(),
            ttl,
            why,
            set: None,
        };
        let stands = |row: &Row| row.ttl.unwrap_or(Ttl(0));
        let mut lines: Vec<Line> = (decision.deletes.iter())
            .map(|(owned, why)| line(Sign::Delete, owned.row(), stands(owned.row()), (*why).to_owned()))
            .collect();
        lines.extend(decision.held.iter().map(|loss| {
            let row = loss.owned.row();
            Line { set: loss.set, ..line(Sign::Hold, row, stands(row), loss.why.to_owned()) }
        }));
        lines.extend(decision.retimes.iter().map(|(owned, ttl)| {
            let was = owned.row().ttl.map_or(0, |ttl| ttl.0);
            line(Sign::Retime, owned.row(), *ttl, format!("TTL was {was}"))
        }));
        lines.extend(decision.inserts.iter().map(|row| Line {
            zone: zone(row.zone),
            name: name.clone(),
            rtype: row.rtype.to_string(),
            sign: Sign::Insert,
            content: row.content.to_string(),
            ttl: row.ttl,
            why: format!("{} of VM {}", row.kind, row.vm),
            set: None,
        }));
        if lines.is_empty() {
            self.names.remove(name);
        } else {
            self.names.insert(name.clone(), lines);
        }
    }

    /// All changes, by zone, name and type.
    pub fn lines(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.names.values().flatten().collect();
        lines.sort();
        lines
    }

    /// Whether nothing would change and nothing is held.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.held.is_empty()
    }

    /// How many rows would be inserted, deleted and re-timed.
    pub fn counts(&self) -> [usize; 3] {
        let count = |sign| self.names.values().flatten().filter(|line| line.sign == sign).count();
        [count(Sign::Insert), count(Sign::Delete), count(Sign::Retime)]
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut zone = "";
        for line in self.lines() {
            if line.zone != zone {
                zone = &line.zone;
                writeln!(f, "{zone}:")?;
            }
            writeln!(f, "  {line}")?;
        }
        let [inserts, deletes, retimes] = self.counts();
        write!(f, "{inserts} to insert, {deletes} to delete, {retimes} to give another TTL")?;
        for (set, records) in &self.held {
            write!(f, "\n{}", held_line(*set, *records))?;
        }
        Ok(())
    }
}

/// What `plan` and `sync` say of a held set. The words are a contract (design 10).
pub fn held_line(set: HeldSet, records: u64) -> String {
    format!("held: {records} records; to let them through: cs-powerdns approve {set}")
}
