//! What a claim gets at its name: what stands, what is added, and what forbids it.

use super::{
    column::{Column, Own, Want},
    fate::Fate,
    foreign::Foreign,
    state::{Decision, Insert, Mode},
};
use crate::{
    ledger::Verdict,
    model::{Claim, Content, Entry, EntryPut, Outcome, RecordType, Ttl, Zone},
};

/// One content that a claim wants.
enum Part {
    Stands,
    Satisfied,
    Add,
    Held,
    Mode,
    Blocked(String),
}

impl Column<'_, '_> {
    /// Why nothing is written for this claim, whatever rows there are; none if it is to be served.
    pub fn standing_aside(&self, at: usize) -> Option<Outcome> {
        let Want { claim, condition, .. } = &self.wants[at];
        if let Some(how) = condition.edit {
            return Some(Outcome::Released { how });
        }
        if condition.on_hold {
            return Some(Outcome::OnHold);
        }
        if let Err(barrier) = &self.state.zone {
            let has_rows = self.own.iter().any(|own| own.is_of(claim));
            let outcome = if has_rows { Outcome::Retired } else { Outcome::Refused };
            return Some(outcome(barrier.clone()));
        }
        if self.wants[at].overflow {
            return Some(Outcome::Overflow);
        }
        if !self.wants[at].served {
            let holder = self.serving().next().map(|(_, want)| want.claim.vm);
            return Some(Outcome::Waiting { holder });
        }
        if self.wants[at].is_unconfirmed() {
            return Some(Outcome::Unconfirmed);
        }
        let rival = self.standing_rival(claim, self.zone()?)?.key();
        let held = self.is_held(rival);
        Some(if held { Outcome::Held } else { Outcome::Waiting { holder: Some(rival.0) } })
    }

    /// An entry of another holder whose row has to stand: nothing is written beside it.
    pub fn standing_rival(&self, claim: &Claim, zone: &Zone) -> Option<&Own<'_, '_>> {
        self.own.iter().find(|own| {
            matches!(own.fate, Fate::Stay)
                && !matches!(own.verdict, Verdict::Deleted | Verdict::ZoneGone)
                && !own.is_of(claim)
                && !own.is_fellow(claim)
                // What stands in a zone that another one hides is in nobody's way.
                && own.is_in(zone)
        })
    }
}

/// A name in its zone, once the fate of every entry is known.
pub(super) struct Ground<'c, 'a, 's> {
    pub column: &'c Column<'a, 's>,
    pub zone: &'s Zone,
    pub foreign: Foreign<'a>,
    /// Entries here that stay, as indexes, by what they say.
    said: Vec<usize>,
}

impl<'c, 'a, 's: 'a> Ground<'c, 'a, 's> {
    /// None where the name has no zone that may be written.
    ///
    /// Rows whose entry ends now are foreign: what an operator has edited is his from then on.
    pub fn new(column: &'c Column<'a, 's>) -> Option<Self> {
        let zone = column.zone()?;
        let mut ours = vec![false; column.state.rows.len()];
        for place in
            column.own.iter().filter(|own| !matches!(own.fate, Fate::End(_))).filter_map(|own| own.place)
        {
            ours[place] = true;
        }
        let foreign = Foreign::new(column.state.rows, &ours, zone.id);
        let stays = |own: &Own<'_, '_>| own.is_in(zone) && matches!(own.fate, Fate::Serve(_) | Fate::Stay);
        let mut said: Vec<usize> = (0..column.own.len()).filter(|at| stays(&column.own[*at])).collect();
        said.sort_unstable_by_key(|at| (column.own[*at].said(), *at));
        Some(Self { column, zone, foreign, said })
    }

    /// Adds what the claim lacks and may have.
    pub fn serve(&self, want: &Want<'_>, out: &mut Decision) -> Outcome {
        let (mut satisfied, mut mode) = (false, false);
        let mut held = self.column.is_held((want.claim.vm, want.claim.kind));
        let mut blocked = None;
        for (rtype, content) in &want.contents {
            match self.part(want, rtype, content, &out.inserts) {
                Part::Stands => {}
                Part::Satisfied => satisfied = true,
                Part::Held => held = true,
                Part::Mode => mode = true,
                Part::Blocked(by) => blocked = Some(by),
                Part::Add => self.add(want.claim, rtype, content, out),
            }
        }
        match blocked {
            Some(by) => Outcome::Blocked { by },
            None if held => Outcome::Held,
            None if mode => Outcome::Mode,
            None if satisfied => Outcome::Satisfied,
            None => Outcome::Served,
        }
    }

    fn part(&self, want: &Want<'_>, rtype: &RecordType, content: &Content, added: &[Insert]) -> Part {
        if let Some(part) = self.by_entry(rtype, content) {
            return part;
        }
        if added.iter().any(|row| row.rtype == *rtype && row.content == *content) {
            return Part::Stands;
        }
        if self.foreign.satisfies(rtype, content) {
            return Part::Satisfied;
        }
        let replacing = self.has(want.claim, rtype, |fate| matches!(fate, Fate::Drop(..)));
        if !replacing && self.has(want.claim, rtype, |fate| matches!(fate, Fate::Stay)) {
            // The old row has to stand, so nothing takes its place.
            let held = self.column.is_held((want.claim.vm, want.claim.kind));
            return if held { Part::Held } else { Part::Mode };
        }
        // Before the mode is asked: no other mode would let it through. To replace one's own row is not to add one,
        // but what an operator has disabled is suppressed all the same.
        let blocker = if replacing {
            self.foreign.suppressor(rtype, content)
        } else {
            self.foreign.blocker(want.claim.kind, &want.contents, content)
        };
        if let Some(row) = blocker {
            let disabled = if row.disabled { " (disabled)" } else { "" };
            return Part::Blocked(format!("{} {}{disabled}", row.rtype, row.content));
        }
        if self.is_anothers(rtype, content) {
            return Part::Blocked(format!("an entry of another owner id for {rtype} {content}"));
        }
        if self.column.settings.mode == Mode::CreateOnly && self.exists(rtype) {
            return Part::Mode;
        }
        Part::Add
    }

    /// Whether a row of the same VM takes this one's place if it goes, or an operator's row does that says the same:
    /// its claim is served, and what it wants of the type does not all stand yet.
    pub fn replaces(&self, own: &Own<'_, '_>) -> bool {
        let Some((at, want)) = self.column.serving().find(|(_, want)| own.is_of(want.claim)) else {
            return false;
        };
        let comes =
            |content| matches!(self.part(want, &own.entry.rtype, content, &[]), Part::Add | Part::Satisfied);
        self.column.standing_aside(at).is_none()
            && want.contents.iter().any(|(rtype, content)| *rtype == own.entry.rtype && comes(content))
    }

    /// What an entry of ours with this very content says: one entry and one row stand for all claims.
    fn by_entry(&self, rtype: &RecordType, content: &Content) -> Option<Part> {
        let of = |at: &usize| &self.column.own[*at];
        let at = self.said.partition_point(|at| of(at).said() < (rtype, content));
        let own = self.said.get(at).map(of).filter(|own| own.says(rtype, content))?;
        // An edited row goes on suppressing what it stands for, for other claims as well.
        Some(if own.verdict.owned().is_some() {
            Part::Stands
        } else {
            Part::Blocked(format!("{rtype} {content} of VM {}, which an operator has edited", own.entry.vm))
        })
    }

    /// Whether the claim has a row of this type in this zone with such a fate.
    fn has(&self, claim: &Claim, rtype: &RecordType, fate: impl Fn(&Fate) -> bool) -> bool {
        (self.column.own.iter()).any(|own| {
            own.is_of(claim) && own.entry.rtype == *rtype && own.owns_in(self.zone) && fate(&own.fate)
        })
    }

    fn exists(&self, rtype: &RecordType) -> bool {
        self.column.state.rows.iter().any(|row| row.zone == self.zone.id && row.rtype == *rtype)
    }

    fn is_anothers(&self, rtype: &RecordType, content: &Content) -> bool {
        let state = self.column.state;
        state.entries.iter().any(|entry| {
            entry.owner != self.column.settings.owner
                && entry.rtype == *rtype
                && entry.content == *content
                && state.zones.of_entry(entry.zone, &entry.name).is_some_and(|zone| zone.id == self.zone.id)
        })
    }

    fn add(&self, claim: &Claim, rtype: &RecordType, content: &Content, out: &mut Decision) {
        let ttl: Ttl = self.ttl(rtype);
        out.inserts.push(Insert {
            zone: self.zone.id,
            rtype: rtype.clone(),
            content: content.clone(),
            ttl,
            vm: claim.vm,
            kind: claim.kind,
        });
        out.puts.push(EntryPut {
            entry: Entry {
                zone: self.zone.id,
                name: self.column.state.name.clone(),
                rtype: rtype.clone(),
                content: content.clone(),
                ttl,
                record: 0,
                owner: self.column.settings.owner.clone(),
                vm: claim.vm,
                account: claim.account,
                kind: claim.kind,
                held: None,
                on_hold: false,
            },
        });
    }
}
