//! What the log says of changes: a line each while they are few; where they are many, each at debug and
//! their number at info, so that a cloud that is written for the first time floods nobody.

use crate::{
    model::{Kind, OwnerName, RecordType, Ttl, VmId},
    plan::Decision,
    queue::Moment,
};
use std::time::Duration;

/// At most so many lines within [`WINDOW`] for single changes.
const FEW: usize = 50;
/// And one line within this time for all others.
const WINDOW: Duration = Duration::from_secs(10);

/// How many changes of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows added.
    pub added: usize,
    /// Rows deleted.
    pub deleted: usize,
    /// Rows given another TTL.
    pub retimed: usize,
}

impl Changes {
    /// What a decision changes.
    pub fn of(decision: &Decision) -> Self {
        let Decision { inserts, deletes, retimes, .. } = decision;
        Self { added: inserts.len(), deleted: deletes.len(), retimed: retimes.len() }
    }

    fn total(self) -> usize {
        self.added + self.deleted + self.retimed
    }
}

impl std::iter::Sum for Changes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            added: a.added + b.added,
            deleted: a.deleted + b.deleted,
            retimed: a.retimed + b.retimed,
        })
    }
}

/// What was said lately.
#[derive(Debug, Default)]
pub struct Journal {
    /// Since when lines are counted, and how many there were.
    since: Moment,
    lines: usize,
    /// What was not said one by one, and since when that waits to be summed up.
    muted: Changes,
    muted_since: Option<Moment>,
}

impl Journal {
    /// Whether the changes of one transaction are to be told one by one.
    pub fn takes(&mut self, changes: Changes, now: Moment) -> bool {
        if now.since(self.since) >= WINDOW {
            (self.since, self.lines) = (now, 0);
        }
        let total = changes.total();
        if self.lines + total <= FEW {
            self.lines += total;
            return true;
        }
        self.muted_since.get_or_insert(now);
        self.muted = [self.muted, changes].into_iter().sum();
        false
    }

    /// What was not told one by one, once it is time to sum it up; `end`: at once.
    pub fn sum(&mut self, now: Moment, end: bool) -> Option<Changes> {
        let due = self.muted_since.is_some_and(|since| end || now.since(since) >= WINDOW);
        due.then(|| {
            self.muted_since = None;
            std::mem::take(&mut self.muted)
        })
    }
}

/// Tells what has been committed at a name; `aloud`: at info.
pub fn tell(name: &OwnerName, decision: &Decision, cause: &str, aloud: bool) {
    let line = |change: &str, row: (&RecordType, &dyn std::fmt::Display, Ttl), whose, why: &str| {
        line(aloud, change, name, row, whose, why);
    };
    for (owned, why) in &decision.deletes {
        let row = owned.row();
        let is_it = |rtype, content| (rtype, content) == (&row.rtype, &row.content);
        let ending = decision.endings.iter().find(|end| is_it(&end.entry.rtype, &end.entry.content));
        let whose = ending.map(|ending| (ending.entry.vm, ending.entry.kind));
        line("deleted", (&row.rtype, &row.content, row.ttl.unwrap_or(Ttl(0))), whose, why);
    }
    for row in &decision.inserts {
        line("added", (&row.rtype, &row.content, row.ttl), Some((row.vm, row.kind)), cause);
    }
    for (owned, ttl) in &decision.retimes {
        let row = owned.row();
        let is_it = |rtype, content| (rtype, content) == (&row.rtype, &row.content);
        let put = decision.puts.iter().find(|put| is_it(&put.entry.rtype, &put.entry.content));
        let whose = put.map(|put| (put.entry.vm, put.entry.kind));
        line("given another TTL", (&row.rtype, &row.content, *ttl), whose, "an RRset has one TTL");
    }
}

/// `name`, content and kind are DNS text that was checked before it was written: nothing in them breaks a line.
fn line(
    aloud: bool,
    change: &str,
    name: &OwnerName,
    (rtype, content, ttl): (&RecordType, &dyn std::fmt::Display, Ttl),
    whose: Option<(VmId, Kind)>,
    why: &str,
) {
    let vm = whose.map(|(vm, _)| tracing::field::display(vm));
    let kind = whose.map(|(_, kind)| kind.as_str());
    let ttl = ttl.0;
    if aloud {
        tracing::info!(%name, "type" = %rtype, %content, ttl, vm, kind, why, "{change}");
    } else {
        tracing::debug!(%name, "type" = %rtype, %content, ttl, vm, kind, why, "{change}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_changes_are_told_one_by_one_and_many_are_summed_up() {
        let at = |seconds| Moment::at(Duration::from_secs(seconds));
        let added = |added| Changes { added, ..Changes::default() };
        let mut journal = Journal::default();
        assert!(journal.takes(added(30), at(1)) && journal.takes(added(20), at(2)));
        assert!(!journal.takes(added(1), at(3)) && !journal.takes(added(900), at(4)));
        assert_eq!(journal.sum(at(12), false), None, "the first of them is 9 s old");
        assert!(journal.takes(added(2), at(12)), "these are few again");
        assert!(!journal.takes(added(49), at(12)), "a transaction is told whole or not at all");
        assert_eq!(journal.sum(at(13), false), Some(added(950)));
        assert_eq!(journal.sum(at(99), false), None, "once");
        assert!(!journal.takes(Changes { deleted: 51, ..Changes::default() }, at(99)));
        assert_eq!(journal.sum(at(99), true).map(|sum| sum.deleted), Some(51), "at the end at once");
    }
}
