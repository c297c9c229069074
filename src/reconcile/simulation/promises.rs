//! The promises of design 2, checked at each COMMIT: against the tables as the re-read saw them, and
//! against what is true.

use super::{
    naive::{self, Line, Verdict, Wanted},
    scene::Scene,
    tables::State,
    transaction::Change,
};
use crate::model::{Content, Entry, Kind, OwnerName, RecordId, RecordType, Row, VmId, ZoneId, address_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// As long as what the engine knows may be out of date: a lost event, a resync that fails a few times and
/// takes its time.
const STALE: Duration = Duration::from_secs(300);
/// Within this time what was used of the budget has decayed by a sixth.
const WINDOW: Duration = Duration::from_secs(600);

/// What went without announcement, and when.
#[derive(Debug, Default)]
pub struct Losses(Vec<(Duration, u64)>);

/// One transaction.
struct Case<'a> {
    engine: u64,
    scene: &'a Scene,
    before: &'a State,
    base: &'a State,
    changes: &'a [Change],
    /// The entries of the names that it touches, as the re-read saw them.
    lines: BTreeMap<OwnerName, Vec<Line>>,
}

/// Tells which promise a transaction breaks.
pub fn check(
    scene: &mut Scene,
    before: &State,
    base: &State,
    changes: &[Change],
    (engine, epoch): (u64, u64),
) -> Result<(), String> {
    if before.epoch != epoch {
        return Err(format!("promise 10: epoch {epoch} wrote while {} had the lease", before.epoch));
    }
    let case = Case { lines: BTreeMap::new(), engine, scene, before, base, changes };
    let lines = case.touched().into_iter().map(|at| (at.clone(), naive::lines(base, &at))).collect();
    let case = Case { lines, ..case };
    case.check_deletes()?;
    case.check_inserts()?;
    case.check_ledger()?;
    case.check_holders()?;
    case.check_between()?;
    case.check_serials()?;
    let lost = case.unannounced();
    let owned = base.entries.len() as u64;
    scene.losses.draw(scene.now(), lost, owned)
}

impl Losses {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    fn draw(&mut self, now: Duration, lost: u64, owned: u64) -> Result<(), String> {
        if lost == 0 {
            return Ok(());
        }
        self.0.retain(|(at, _)| now < *at + WINDOW);
        let used: u64 = self.0.iter().map(|(_, lost)| lost).sum();
        self.0.push((now, lost));
        let bound = (0.3 * (owned + used) as f64).max(10.0) * 7.0 / 6.0;
        if (used + lost) as f64 > bound {
            return Err(format!(
                "promise 5: {} records went unannounced within {} s, more than {bound}",
                used + lost,
                WINDOW.as_secs()
            ));
        }
        Ok(())
    }
}

impl Case<'_> {
    fn deletes(&self) -> impl Iterator<Item = &Row> {
        self.changes.iter().filter_map(|change| match change {
            Change::Delete(id) => self.before.rows.get(id),
            _ => None,
        })
    }

    fn inserts(&self) -> impl Iterator<Item = &Row> {
        self.changes.iter().filter_map(|change| match change {
            Change::Insert(row) => Some(row),
            _ => None,
        })
    }

    fn puts(&self) -> impl Iterator<Item = &Entry> {
        self.changes.iter().filter_map(|change| match change {
            Change::Put(entry) => Some(entry),
            _ => None,
        })
    }

    fn touched(&self) -> BTreeSet<OwnerName> {
        let retimed = self.changes.iter().filter_map(|change| match change {
            Change::Retime(id, _) => self.before.rows.get(id).map(|row| &row.name),
            Change::End((name, ..)) => Some(name),
            _ => None,
        });
        let records = self.deletes().chain(self.inserts()).filter(|row| row.rtype != RecordType::Ent);
        let rows = records.map(|row| &row.name).chain(retimed);
        rows.chain(self.puts().map(|entry| &entry.name)).cloned().collect()
    }

    /// The entry whose row this is.
    fn line_of(&self, id: RecordId) -> Option<&Line> {
        let is_it = |line: &&Line| line.row.as_ref().is_some_and(|row| row.id == id);
        self.lines.values().flatten().find(is_it)
    }

    fn is_released(&self, claim: (VmId, Kind, Option<ZoneId>), at: &OwnerName) -> bool {
        let lines = self.lines.get(at).into_iter().flatten();
        lines.filter(|line| line.claim() == claim).any(|line| line.verdict == Verdict::Edited)
    }

    /// Promises 2, 3 and 4.
    fn check_deletes(&self) -> Result<(), String> {
        let ids = self.changes.iter().filter_map(|change| match change {
            Change::Delete(id) | Change::Retime(id, _) => Some((id, matches!(change, Change::Delete(_)))),
            _ => None,
        });
        for (id, deletes) in ids {
            let Some(row) = self.base.rows.get(id) else { return Err(format!("row {id} was not there")) };
            if row.rtype == RecordType::Ent {
                continue;
            }
            let told = format!("{} {} {}", row.name, row.rtype, row.content);
            let Some(line) = self.line_of(*id).filter(|line| line.is_ours()) else {
                return Err(format!("promise 2: {told} is not ours to change: {:?}", self.lines[&row.name]));
            };
            if self.is_released(line.claim(), &row.name) {
                return Err(format!("promise 3: {told} is of a claim that an operator has released"));
            }
            if deletes {
                self.check_absence(&line.entry).map_err(|why| format!("promise 4: {told} went, {why}"))?;
            }
        }
        Ok(())
    }

    /// When the controller looked at a VM last; none where that proves nothing, since accounts or zones have
    /// just come or gone.
    fn looked(&self, vm: VmId) -> Option<Duration> {
        let quiet = self.scene.unsettled.is_none_or(|at| at + STALE < self.scene.now());
        self.scene.knowledge.get(&self.engine).filter(|_| quiet)?.latest(vm)
    }

    /// What was wanted at some moment since then.
    fn wanted_since(&self, since: Duration) -> impl Iterator<Item = &BTreeSet<Wanted>> {
        let log = &self.scene.wanted;
        let lasts = move |at: usize| log.get(at + 1).is_none_or(|(until, _)| *until >= since);
        log.iter().enumerate().filter(move |(at, _)| lasts(*at)).map(|(_, (_, set))| set)
    }

    /// What goes is what nobody wanted at some moment that the engine can have seen.
    fn check_absence(&self, entry: &Entry) -> Result<(), String> {
        let content = match entry.kind {
            Kind::Ptr => Content::from(address_of(&entry.name).unwrap()),
            Kind::Name | Kind::Group => entry.content.clone(),
        };
        let wanted: Wanted = (entry.vm, entry.kind, entry.name.clone(), content);
        let since = self.looked(entry.vm).unwrap_or(self.scene.now().saturating_sub(STALE));
        let mut recent = self.wanted_since(since);
        let outranked = |set: &BTreeSet<Wanted>| match entry.kind {
            // Nobody takes over a group by naming a VM after it.
            Kind::Name => set.iter().any(|(_, kind, at, _)| *kind == Kind::Group && *at == entry.name),
            Kind::Group => false,
            // A Shared network's address comes first.
            Kind::Ptr => {
                let rival = |(vm, _, at, _): &Wanted| *vm != entry.vm && *at == entry.name;
                set.iter().any(rival) || self.inserts().any(|row| row.name == entry.name)
            }
        };
        if recent.any(|set| !set.contains(&wanted) || outranked(set)) {
            return Ok(());
        }
        Err(format!("although VM {} has wanted it all the time", entry.vm.as_u128()))
    }

    /// Promises 2, 3 and 6.
    fn check_inserts(&self) -> Result<(), String> {
        for row in self.inserts().filter(|row| row.rtype != RecordType::Ent) {
            let told = format!("{} {} {}", row.name, row.rtype, row.content);
            let mut entries = self.puts().filter(|entry| entry.record == row.id);
            let (Some(entry), None) = (entries.next(), entries.next()) else {
                return Err(format!("promise 6: {told} came without an entry of its own"));
            };
            if self.is_released((entry.vm, entry.kind, Some(row.zone)), &row.name) {
                return Err(format!("promise 3: {told} came for a claim that an operator has released"));
            }
            let wanted = (entry.vm, entry.kind, entry.name.clone(), row.content.clone());
            // A VM that has left the API in silence is not known to be gone.
            let silent = self.scene.cloud.guests[&entry.vm].expunged.is_some();
            let looked = self.looked(entry.vm).filter(|_| entry.kind != Kind::Ptr && !silent);
            if looked.is_some_and(|since| !self.wanted_since(since).any(|set| set.contains(&wanted))) {
                return Err(format!("design 6: {told} came after a newer look at its VM: the older one won"));
            }
            if let Some(foreign) = self.foreign(row).find(|foreign| self.forbids(foreign, row, entry)) {
                let Row { rtype, content, disabled, .. } = foreign;
                return Err(format!(
                    "promise 2: {told} came beside {rtype} {content} (disabled: {disabled}), which is not ours"
                ));
            }
        }
        Ok(())
    }

    /// The rows at an inserted row's name that no entry accounts for afterwards, and those that say the
    /// same.
    fn foreign<'b>(&'b self, row: &'b Row) -> impl Iterator<Item = &'b Row> {
        let gone: Vec<RecordId> = self.deletes().map(|row| row.id).collect();
        let stays = |id: RecordId| {
            self.line_of(id)
                .is_some_and(|line| self.scene.state.entries.contains_key(&super::tables::key(&line.entry)))
        };
        self.base.rows.values().filter(move |other| {
            let same = (&other.rtype, &other.content) == (&row.rtype, &row.content);
            (other.zone, &other.name) == (row.zone, &row.name)
                && !gone.contains(&other.id)
                && (same || !stays(other.id))
        })
    }

    fn forbids(&self, foreign: &Row, row: &Row, entry: &Entry) -> bool {
        let same = (&foreign.rtype, &foreign.content) == (&row.rtype, &row.content);
        if same && !foreign.disabled {
            return true;
        }
        let replaces = self.deletes().filter_map(|gone| self.line_of(gone.id)).any(|line| {
            (line.entry.vm, line.entry.kind, &line.entry.rtype) == (entry.vm, entry.kind, &entry.rtype)
                && line.entry.name == entry.name
        });
        // Whether it is an address of the claim: by which name the VM had it is the owners' business, whose listing
        // may be older.
        let wanted = |content: &Content| {
            let has = |(vm, kind, _, own): &Wanted| (*vm, *kind) == (entry.vm, entry.kind) && own == content;
            self.scene.wanted.iter().any(|(_, set)| set.iter().any(has))
        };
        match (&foreign.rtype, entry.kind) {
            // Replacing is not adding.
            _ if replaces => false,
            _ if same => true,
            (RecordType::Cname, _) | (RecordType::Ptr, Kind::Ptr) => true,
            (RecordType::A | RecordType::Aaaa, Kind::Name) => foreign.disabled || !wanted(&foreign.content),
            _ => false,
        }
    }

    /// Promise 6: no entry loses its row, no row of ours its entry.
    fn check_ledger(&self) -> Result<(), String> {
        for (at, before) in &self.lines {
            let without = |lines: &[Line]| -> BTreeSet<_> {
                let lines = lines.iter().filter(|line| line.verdict == Verdict::Deleted);
                lines.map(|line| super::tables::key(&line.entry)).collect()
            };
            // What came after the re-read is not of this transaction.
            let mut after = self.base.clone();
            self.changes.iter().for_each(|change| change.make(&mut after, Duration::ZERO));
            let lines = naive::lines(&after, at);
            if let Some((_, rtype, content, _)) = without(&lines).difference(&without(before)).next() {
                return Err(format!("promise 6: the entry of {at} {rtype} {content} has lost its row"));
            }
        }
        Ok(())
    }

    /// Promise 7.
    fn check_holders(&self) -> Result<(), String> {
        for at in self.lines.keys() {
            let here = || self.scene.entries().filter(|entry| entry.name == *at);
            let mut holders = BTreeSet::new();
            for entry in here() {
                holders.insert(match entry.kind {
                    Kind::Group => format!("group of {}", entry.account),
                    kind => format!("{kind} of VM {}", entry.vm.as_u128()),
                });
            }
            if holders.len() > 1 {
                return Err(format!("promise 7: {at} has more than one holder: {holders:?}"));
            }
        }
        Ok(())
    }

    /// Empty non-terminals (design 8): above each row of ours, and nowhere twice.
    fn check_between(&self) -> Result<(), String> {
        let mut after = self.base.clone();
        self.changes.iter().for_each(|change| change.make(&mut after, Duration::ZERO));
        for row in self.inserts() {
            let at = |name: &str| {
                let rows = after.rows.values().filter(|other| other.zone == row.zone);
                rows.filter(|other| other.name.as_str() == name).collect::<Vec<_>>()
            };
            let ents = at(row.name.as_str()).iter().filter(|row| row.rtype == RecordType::Ent).count();
            if ents != usize::from(row.rtype == RecordType::Ent) {
                return Err(format!("design 8: {} has {ents} empty non-terminals", row.name));
            }
            let apex = &after.zones[&row.zone];
            if let Some(above) = row.name.ancestors_below(apex.as_str()).find(|above| at(above).is_empty()) {
                return Err(format!("design 8: {above} above {} has no row", row.name));
            }
        }
        Ok(())
    }

    /// Serials move once where something changed, never back, and nowhere else.
    fn check_serials(&self) -> Result<(), String> {
        let mut changed: BTreeSet<ZoneId> =
            self.deletes().chain(self.inserts()).map(|row| row.zone).collect();
        changed.extend(self.changes.iter().filter_map(|change| match change {
            Change::Retime(id, _) | Change::Reorder(id, ..) => self.before.rows.get(id).map(|row| row.zone),
            _ => None,
        }));
        for (zone, apex) in &self.before.zones {
            let now = self.scene.now();
            let (old, floor) = (self.before.serial(*zone), self.before.floor(apex, now));
            let (Some(old), Some(new)) = (old, self.scene.state.serial(*zone)) else { continue };
            let lowered = floor.is_some_and(|floor| floor.is_after(old));
            if old == new && changed.contains(zone) {
                return Err(format!("design 8: {apex} has changed, its serial {old} has not"));
            }
            if old != new && !changed.contains(zone) && !lowered {
                return Err(format!("design 8: the serial of {apex} moved from {old} to {new} for nothing"));
            }
            if old != new && (!new.is_after(old) || floor.is_some_and(|floor| !new.is_after(floor))) {
                return Err(format!(
                    "design 8: the serial of {apex} went back from {old} or {floor:?} to {new}"
                ));
            }
        }
        Ok(())
    }

    /// Promise 5: how many records go of which no event has told, no API answer and no operator.
    fn unannounced(&self) -> u64 {
        let silent = |row: &&Row| {
            let Some(Line { entry, .. }) = self.line_of(row.id) else { return false };
            let approved = entry.held.is_some_and(|set| self.base.approvals.contains_key(&set));
            let guest = self.scene.cloud.guests.get(&entry.vm);
            !approved
                && guest.is_some_and(|guest| !guest.told && !guest.vm.state.is_gone())
                && self.base.enclosing(row.name.as_str()) == Some(row.zone)
        };
        self.deletes().filter(silent).count() as u64
    }
}
