//! `adopt`: rows that the ledger does not know become ours (design 5, "Verbs").
//!
//! Two ways. *All* takes enabled foreign rows that say, byte for byte, what the claim that has the name
//! wants; it replaces nothing. *Named* is an operator's word about one name: there his own rows may be
//! replaced too ([`takeover`](super::takeover)). Both remove exact duplicates of what is ours
//! afterwards, and end holds. A disabled row and a CNAME stay whatever is asked: they are an operator's
//! way to say no.

use super::{
    column::{Column, Own, Want},
    legacy::{self, Legacy},
    state::{Decision, Losses, NameState, Settings},
    takeover,
};
use crate::{
    ledger::Verdict,
    model::{
        Claim, Content, Ending, Entry, EntryPut, HeldSet, Kind, OwnedRow, RecordId, RecordType, Row, VmId,
        Zone, ZoneId,
    },
};

/// What is to be taken at one name.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// An operator has named it: rows in the claim's way are replaced.
    pub named: bool,
    /// What the older service's table says about the name.
    pub legacy: &'a [Legacy],
    /// The held set of rows that are taken for VMs that are gone.
    pub set: Option<HeldSet>,
}

/// What adopting comes to at one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// What to write.
    pub decision: Decision,
    /// The same for people, and what stays as it is.
    pub told: Vec<Told>,
    /// Entries of the decision that serve VMs that are gone.
    pub inherited: u64,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fortune {
    /// It is ours now.
    Taken,
    /// It was an exact duplicate of one of ours, and goes.
    Duplicate,
    /// It was an operator's, and goes or gets another TTL: by `adopt NAME` alone.
    Replaced,
    /// It comes, because what kept it away goes: by `adopt NAME` alone.
    Added,
    /// Its hold ends.
    Freed,
    /// It stays as it is.
    Left,
}

impl Fortune {
    /// The word that is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Duplicate => "duplicate removed",
            Self::Replaced => "replaced",
            Self::Added => "added",
            Self::Freed => "hold ended",
            Self::Left => "left",
        }
    }
}

/// A line for an operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// What becomes of it.
    pub fortune: Fortune,
    /// A, AAAA, PTR or CNAME.
    pub rtype: RecordType,
    /// What it says.
    pub content: Content,
    /// Whose it is, or why it stays, and the remedy.
    pub why: String,
}

/// Decides what adopting means at one name. Forward and reverse records are looked at apart, as
/// [`decide`](super::decide) does.
pub fn adopt(state: &NameState<'_>, settings: &Settings, take: Take<'_>) -> Adoption {
    let mut out = Adoption::default();
    for forward in [true, false] {
        let mine = |entry: &&Entry| entry.owner == settings.owner && entry.rtype.is_address() == forward;
        let own: Vec<&Entry> = state.entries.iter().filter(mine).collect();
        let claims: Vec<Claim> =
            state.claims.iter().filter(|claim| (claim.kind != Kind::Ptr) == forward).cloned().collect();
        Table::new(state, settings, &own, forward).adopt(&claims, take, &mut out);
    }
    out.told.sort();
    out.decision.adopted = adopted(state, &out.decision);
    out
}

/// The rows that stay and that no entry of ours stood for before.
fn adopted(state: &NameState<'_>, decision: &Decision) -> Vec<(ZoneId, RecordId)> {
    let goes = |id| decision.deletes.iter().any(|(owned, _)| owned.row().id == id);
    let is_new = |entry: &&Entry| {
        !state.entries.iter().any(|before| before.record == entry.record && before.owner == entry.owner)
    };
    let entries = decision.puts.iter().map(|put| &put.entry).filter(|entry| entry.record != 0);
    entries
        .filter(|entry| !goes(entry.record))
        .filter(is_new)
        .map(|entry| (entry.zone, entry.record))
        .collect()
}

/// The forward or the reverse rows of a name, on the way from foreign to ours.
pub(super) struct Table<'t, 's> {
    pub state: &'t NameState<'s>,
    pub settings: &'t Settings,
    pub forward: bool,
    /// Our entries, all holds ended.
    pub entries: Vec<Entry>,
    /// Enabled and answered rows of the name's zone that are nobody's.
    pub free: Vec<&'t Row>,
}

impl<'t, 's> Table<'t, 's> {
    fn new(state: &'t NameState<'s>, settings: &'t Settings, own: &[&Entry], forward: bool) -> Self {
        let entries = own.iter().map(|entry| Entry { on_hold: false, ..(*entry).clone() }).collect();
        let mut table = Self { state, settings, forward, entries, free: Vec::new() };
        table.free = table.rows().filter(|row| row.auth == Some(true) && table.is_free(row)).collect();
        table
    }

    fn zone(&self) -> Option<&'s Zone> {
        self.state.zone.as_ref().ok().copied()
    }

    /// The enabled rows of these types in the name's zone, by id.
    pub fn rows(&self) -> impl Iterator<Item = &'t Row> {
        let (zone, forward) = (self.zone().map(|zone| zone.id), self.forward);
        let mut rows: Vec<&Row> = (self.state.rows.iter())
            .filter(|row| Some(row.zone) == zone && !row.disabled && is_of(&row.rtype, forward))
            .collect();
        rows.sort_by_key(|row| row.id);
        rows.into_iter()
    }

    /// No entry of any owner id stands for it.
    fn is_free(&self, row: &Row) -> bool {
        let zones = self.state.zones;
        !self.state.entries.iter().any(|entry| {
            entry.rtype == row.rtype
                && entry.content == row.content
                && zones.of_entry(entry.zone, &entry.name).is_some_and(|zone| zone.id == row.zone)
        })
    }

    /// Rows that keep everybody away from the name: disabled ones, and CNAMEs.
    pub fn refusals(&self) -> Vec<&'t Row> {
        let zone = self.zone().map(|zone| zone.id);
        let refuses = |row: &&Row| {
            let no =
                if row.disabled { is_of(&row.rtype, self.forward) } else { row.rtype == RecordType::Cname };
            Some(row.zone) == zone && no
        };
        self.state.rows.iter().filter(refuses).collect()
    }

    fn adopt(mut self, claims: &[Claim], take: Take<'_>, out: &mut Adoption) {
        let freed = self.end_holds(out);
        if self.zone().is_none() || (self.free.is_empty() && self.entries.is_empty() && claims.is_empty()) {
            out.decision.puts.extend(freed);
            return;
        }
        let before = self.entries.clone();
        let column = Column::new(
            self.state,
            self.settings,
            before.iter().collect(),
            claims,
            self.forward,
            Losses::Allow,
        );
        let mut taken = self.equal_rows(&column);
        let holder = taken.first().map(|entry| (entry.vm, entry.kind));
        let heir = match holder {
            Some(holder) => column.wants.iter().find(|want| (want.claim.vm, want.claim.kind) == holder),
            None => column.serving().next().map(|(_, want)| want),
        };
        let heir = heir.filter(|want| want.claim.kind != Kind::Group);
        if let Some(want) = heir.filter(|_| take.named)
            && takeover::take_over(&mut self, &column, want, &taken, out)
        {
            return;
        }
        out.decision.puts.extend(freed);
        taken.extend(legacy::inherit(&self, &column, &taken, take, out));
        for entry in taken {
            if entry.held.is_none() {
                out.tell(Fortune::Taken, &entry.rtype, &entry.content, whose(&entry));
            }
            self.entries.push(entry.clone());
            out.decision.puts.push(EntryPut { entry });
        }
        self.drop_duplicates(out);
        self.tell_rest(&column, take, out);
    }

    /// Holds end: the entries to write for it. A row that was deleted by hand meanwhile has no entry from
    /// now on: it comes back as a new one, also under `DNS_RECREATE=false`.
    fn end_holds(&mut self, out: &mut Adoption) -> Vec<EntryPut> {
        let mut freed = Vec::new();
        for entry in self.state.entries.iter().filter(|entry| entry.on_hold) {
            if entry.owner != self.settings.owner || entry.rtype.is_address() != self.forward {
                continue;
            }
            out.tell(Fortune::Freed, &entry.rtype, &entry.content, whose(entry));
            let stands =
                self.state.rows.iter().any(|row| row.rtype == entry.rtype && row.content == entry.content);
            if stands || (self.state.stray)(entry.record).is_some() {
                freed.push(EntryPut { entry: Entry { on_hold: false, ..entry.clone() } });
            } else {
                self.entries.retain(|own| (&own.rtype, &own.content) != (&entry.rtype, &entry.content));
                out.decision.endings.push(Ending { entry: entry.clone(), why: "its hold was ended" });
            }
        }
        freed
    }

    /// Entries for the rows that say what the claim that has the name wants. Where nobody has it by the
    /// ledger, a row that says what another claim wants shows who does: a name keeps its answer.
    fn equal_rows(&self, column: &Column<'_, '_>) -> Vec<Entry> {
        let may = |want: &&Want<'_>| !want.condition.is_operators();
        let mut taken: Vec<Entry> =
            column.serving().map(|(_, want)| want).filter(may).flat_map(|want| self.equal_to(want)).collect();
        let is_group = column.serving().any(|(_, want)| want.claim.kind == Kind::Group);
        if taken.is_empty() && column.own.is_empty() && !is_group {
            let waiting = column.wants.iter().filter(|want| !want.served && !want.overflow);
            taken = waiting.map(|want| self.equal_to(want)).find(|rows| !rows.is_empty()).unwrap_or_default();
        }
        let mut once: Vec<Entry> = Vec::new();
        for entry in taken {
            if !once.iter().any(|other| (&other.rtype, &other.content) == (&entry.rtype, &entry.content)) {
                once.push(entry);
            }
        }
        once
    }

    fn equal_to(&self, want: &Want<'_>) -> Vec<Entry> {
        let row = |(rtype, content): &(RecordType, Content)| self.free_row(rtype, content);
        want.contents.iter().filter_map(row).filter_map(|row| self.entry(want.claim, row)).collect()
    }

    /// The row to take of those that say this: the one that was there first.
    pub fn free_row(&self, rtype: &RecordType, content: &Content) -> Option<&'t Row> {
        self.free
            .iter()
            .copied()
            .find(|row| row.ttl.is_some() && row.rtype == *rtype && row.content == *content)
    }

    /// An entry by which the row is ours.
    pub fn entry(&self, claim: &Claim, row: &Row) -> Option<Entry> {
        Some(Entry {
            zone: row.zone,
            name: row.name.clone(),
            rtype: row.rtype.clone(),
            content: row.content.clone(),
            ttl: row.ttl?,
            record: row.id,
            owner: self.settings.owner.clone(),
            vm: claim.vm,
            account: claim.account,
            kind: claim.kind,
            held: None,
            on_hold: false,
        })
    }

    /// Exact duplicates of what is ours go: the same zone, name, type, content and TTL, enabled.
    pub fn drop_duplicates(&self, out: &mut Adoption) {
        for entry in &self.entries {
            let equal: Vec<&Row> = (self.rows())
                .filter(|row| {
                    row.rtype == entry.rtype && row.content == entry.content && row.ttl == Some(entry.ttl)
                })
                .collect();
            // The rule of the verdict: the row with the entry's id, else the lowest id, is ours.
            let kept = equal.iter().find(|row| row.id == entry.record).or(equal.first()).copied();
            let Some(kept) = kept.filter(|kept| kept.auth == Some(true)) else { continue };
            for row in equal.into_iter().filter(|row| row.id != kept.id) {
                let gone = out.decision.deletes.iter().any(|(owned, _)| owned.row().id == row.id);
                if let Some(owned) = OwnedRow::prove(entry, row).filter(|_| !gone) {
                    out.tell(Fortune::Duplicate, &row.rtype, &row.content, whose(entry));
                    out.decision.deletes.push((owned, "an exact duplicate of a row of ours"));
                }
            }
        }
    }

    /// What stays as it is although the name is wanted, and what to do about it.
    fn tell_rest(&self, column: &Column<'_, '_>, take: Take<'_>, out: &mut Adoption) {
        for own in &column.own {
            if let Some(how) = own.condition.edit
                && own.verdict.edit().is_some()
            {
                let why = format!("released: {how}; {} takes it over", self.remedy());
                out.tell(Fortune::Left, &own.entry.rtype, &own.entry.content, why);
            }
        }
        let wanted = column.serving().next().map(|(_, want)| want);
        if wanted.is_some() {
            for row in self.refusals() {
                let what = if row.disabled { "disabled" } else { "a CNAME" };
                let why =
                    format!("{what}: nothing is added beside it; delete it if a VM shall have the name");
                out.tell(Fortune::Left, &row.rtype, &row.content, why);
            }
        }
        for row in self.rows().filter(|row| self.is_free(row)) {
            let same = |entry: &&Entry| entry.rtype == row.rtype && entry.content == row.content;
            let ours = self.entries.iter().find(same);
            let gone = out.decision.deletes.iter().any(|(owned, _)| owned.row().id == row.id);
            if gone || ours.is_some_and(|entry| entry.record == row.id) {
                continue;
            }
            if let Some(why) = self.why_left(row, ours, wanted, take) {
                out.tell(Fortune::Left, &row.rtype, &row.content, why);
            }
        }
    }

    fn why_left(
        &self,
        row: &Row,
        ours: Option<&Entry>,
        wanted: Option<&Want<'_>>,
        take: Take<'_>,
    ) -> Option<String> {
        if row.auth != Some(true) {
            let zone = self.zone().map_or("ZONE", |zone| zone.name.as_str());
            return Some(format!(
                "PowerDNS does not answer it (auth); `pdnsutil rectify-zone {zone}`, then again"
            ));
        }
        if row.ttl.is_none() {
            return Some("it has no TTL of its own".to_owned());
        }
        if ours.is_some() {
            return Some(format!("equal to a row of ours but for its TTL; delete it, or {}", self.remedy()));
        }
        if let Some(why) = legacy::why_left(row, take) {
            return Some(why);
        }
        let want = wanted?;
        let vm = want.claim.vm;
        Some(match want.claim.kind {
            Kind::Group => "stands beside the group".to_owned(),
            _ if want.is_unconfirmed() => {
                format!("no name of VM {vm} stands with this address, so no PTR of it is wanted")
            }
            _ => format!("not what VM {vm} wants; {} replaces it", self.remedy()),
        })
    }

    fn remedy(&self) -> String {
        format!("`cs-powerdns adopt {}`", self.state.name)
    }
}

impl Adoption {
    /// Notes a line.
    pub(super) fn tell(&mut self, fortune: Fortune, rtype: &RecordType, content: &Content, why: String) {
        let told = Told { fortune, rtype: rtype.clone(), content: content.clone(), why };
        if !self.told.contains(&told) || fortune == Fortune::Duplicate {
            self.told.push(told);
        }
    }
}

/// Whose a row is from now on.
pub(super) fn whose(entry: &Entry) -> String {
    of(entry.kind, entry.vm)
}

pub(super) fn of(kind: Kind, vm: VmId) -> String {
    format!("{kind} of VM {vm}")
}

pub(super) fn is_of(rtype: &RecordType, forward: bool) -> bool {
    if forward { rtype.is_address() } else { *rtype == RecordType::Ptr }
}

/// Whether an operator has edited this entry's row.
pub(super) fn is_edited(own: &Own<'_, '_>) -> bool {
    own.verdict.edit().is_some() && !matches!(own.verdict, Verdict::Disabled(_))
}
