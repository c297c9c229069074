//! How a plan reads: the same lines for `plan`, `purge --dry-run`, `explain` and, as JSON, for programs.

use super::{
    refusals::Refusals,
    state::{Decision, Insert},
};
use crate::model::{HeldSet, Kind, OwnedRow, OwnerName, Row, Ttl, VmId, Zones};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

/// What happens to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// It goes.
    Delete,
    /// It comes.
    Add,
    /// It gets another content, another TTL, or both.
    Change,
    /// It would go, and is held back.
    Hold,
}

impl Sign {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "-",
            Self::Add => "+",
            Self::Change => "~",
            Self::Hold => "!",
        }
    }

    /// The word that JSON carries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Add => "add",
            Self::Change => "change",
            Self::Hold => "hold",
        }
    }
}

/// A record before its change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Before {
    /// Its content.
    pub content: String,
    /// Its TTL; none where it had none of its own.
    pub ttl: Option<Ttl>,
    /// The VM that had it.
    pub vm: VmId,
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
    /// The content; of a change, the one that it gets.
    pub content: String,
    /// The TTL; of a change, the one that it gets.
    pub ttl: Ttl,
    /// What a change starts from.
    pub before: Option<Before>,
    /// Why it goes or changes; empty where the rule says it all.
    pub why: &'static str,
    /// The VM that has it, or had it.
    pub vm: VmId,
    /// By which rule.
    pub kind: Kind,
    /// The held set that it is in.
    pub set: Option<HeldSet>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rtype, sign, content, ttl, before, why, vm, kind, set, .. } = self;
        write!(f, "{} {name} ", sign.as_str())?;
        match before {
            Some(Before { ttl: was, .. }) if *was != Some(*ttl) => {
                write!(f, "{} -> ", was.map_or_else(|| "no TTL".to_owned(), |was| was.0.to_string()))?;
            }
            _ => {}
        }
        write!(f, "{} {rtype} ", ttl.0)?;
        match before {
            Some(Before { content: was, .. }) if was != content => write!(f, "{was} -> ")?,
            _ => {}
        }
        write!(f, "{content}  (")?;
        if let Some(set) = set {
            write!(f, "held, {set}: ")?;
        }
        if !why.is_empty() {
            write!(f, "{why}; ")?;
        }
        write!(f, "{kind} of VM {vm}")?;
        match before {
            Some(Before { vm: was, .. }) if was != vm => write!(f, ", was VM {was}'s)"),
            _ => f.write_str(")"),
        }
    }
}

/// How many records a plan would add, change and delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Added.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Deleted.
    pub delete: usize,
}

/// A whole plan. A name that is decided again replaces what was planned for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    names: BTreeMap<OwnerName, Vec<Line>>,
    /// The held sets with their records, the largest first.
    pub held: Vec<(HeldSet, u64)>,
    /// How many claims rows of others keep from being served.
    pub blocked: u64,
    /// How many claims the mode keeps as they are.
    pub stopped: u64,
    /// What is wanted and not written.
    pub refusals: Refusals,
}

impl Plan {
    /// Takes in the decision on one name.
    pub fn add(&mut self, name: &OwnerName, decision: &Decision, zones: &Zones) {
        self.refusals.decided(name, decision, zones);
        let lines = lines(name, decision, zones);
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

    /// How many records would be added, changed and deleted.
    pub fn counts(&self) -> Counts {
        let count = |sign| self.names.values().flatten().filter(|line| line.sign == sign).count();
        Counts { add: count(Sign::Add), change: count(Sign::Change), delete: count(Sign::Delete) }
    }

    /// How many records are held back.
    pub fn held_records(&self) -> u64 {
        self.held.iter().map(|(_, records)| records).sum()
    }

    /// All of it in a line.
    pub fn summary(&self) -> String {
        let Counts { add, change, delete } = self.counts();
        let mut line = match add + change + delete {
            0 => "Plan: nothing to change".to_owned(),
            _ => format!("Plan: {add} to add, {change} to change, {delete} to delete"),
        };
        let rest =
            [(self.held_records(), "held"), (self.blocked, "blocked"), (self.stopped, "stopped by DNS_MODE")];
        for (count, word) in rest {
            if count > 0 {
                // Writing to a String does not fail.
                let _ = write!(line, "; {count} {word}");
            }
        }
        line
    }
}

/// What a decision comes to. Where a record goes and another one of its type comes, that is a change: of the
/// same VM, or, except in a group, whose members are records of their own, of the VM that has the name now.
fn lines(name: &OwnerName, decision: &Decision, zones: &Zones) -> Vec<Line> {
    let zone = |id| zones.with_id(id).map_or_else(|| format!("zone {id}"), |zone| zone.name.to_string());
    let stood = |sign, owned: &OwnedRow, why| {
        let row = owned.row();
        Line {
            zone: zone(row.zone),
            name: name.clone(),
            rtype: row.rtype.to_string(),
            sign,
            content: row.content.to_string(),
            ttl: row.ttl.unwrap_or(Ttl(0)),
            before: None,
            why,
            vm: owned.vm(),
            kind: owned.kind(),
            set: None,
        }
    };
    let comes = |row: &Insert| Line {
        zone: zone(row.zone),
        name: name.clone(),
        rtype: row.rtype.to_string(),
        sign: Sign::Add,
        content: row.content.to_string(),
        ttl: row.ttl,
        before: None,
        why: "",
        vm: row.vm,
        kind: row.kind,
        set: None,
    };
    let before = |row: &Row, vm| Before { content: row.content.to_string(), ttl: row.ttl, vm };
    let mut goes: Vec<&(OwnedRow, &'static str)> = decision.deletes.iter().collect();
    let mut lines: Vec<Line> = decision.inserts.iter().map(comes).collect();
    lines.sort();
    for same_vm in [true, false] {
        for line in lines.iter_mut().filter(|line| line.sign == Sign::Add) {
            let replaces = |(owned, _): &&(OwnedRow, &'static str)| {
                let row = owned.row();
                let heir = if same_vm {
                    (owned.vm(), owned.kind()) == (line.vm, line.kind)
                } else {
                    line.kind != Kind::Group && owned.kind() != Kind::Group
                };
                heir && zone(row.zone) == line.zone && row.rtype.to_string() == line.rtype
            };
            let Some(at) = goes.iter().position(replaces) else { continue };
            let (owned, why) = goes.remove(at);
            let before = Some(before(owned.row(), owned.vm()));
            *line = Line { sign: Sign::Change, before, why, ..line.clone() };
        }
    }
    lines.extend(goes.into_iter().map(|(owned, why)| stood(Sign::Delete, owned, why)));
    lines.extend(decision.retimes.iter().map(|(owned, ttl)| {
        let before = Some(before(owned.row(), owned.vm()));
        Line { ttl: *ttl, before, ..stood(Sign::Change, owned, "another TTL") }
    }));
    lines.extend(
        (decision.held.iter()).map(|loss| Line { set: loss.set, ..stood(Sign::Hold, &loss.owned, loss.why) }),
    );
    lines
}

/// What `plan` and `sync` say of a held set. The words are a contract (design 10).
pub fn held_line(set: HeldSet, records: u64) -> String {
    format!("held: {records} records; to let them through: cs-powerdns approve {set}")
}

#[cfg(test)]
#[path = "render_test.rs"]
mod tests;
