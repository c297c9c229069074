//! What the fates of our entries come to: rows that go, entries that end or change, and how VMs stand
//! that have entries but no claim.

use super::{
    column::{Column, Own},
    fate::Fate,
    held::{HeldLoss, LossDigest},
    state::{Decision, Standing},
};
use crate::{
    ledger::Verdict,
    model::{Barrier, Claim, Ending, Entry, EntryPut, HeldSet, Outcome, OwnedRow},
};
use std::{borrow::Cow, collections::HashSet};

impl Column<'_, '_> {
    /// Writes down every entry's fate.
    pub fn note_entries(&self, out: &mut Decision) {
        for own in &self.own {
            let end = |why| Ending { entry: own.entry.clone(), why };
            match &own.fate {
                Fate::End(why) => {
                    out.endings.push(end(why));
                    let row_stays = own.verdict.owned().is_some() || own.verdict.edit().is_some();
                    out.left_behind += u64::from(row_stays);
                }
                Fate::Drop(owned, why) => {
                    out.losses += u64::from(self.is_loss(own, owned));
                    out.deletes.push((owned.clone(), why));
                    out.endings.push(end(why));
                }
                Fate::Stay | Fate::Serve(_) => {
                    let now = self.as_seen(own);
                    self.note_held(own, now.held, out);
                    let Cow::Owned(now) = now else { continue };
                    if now.zone != own.entry.zone {
                        out.endings.push(end("its zone has another id"));
                    }
                    out.puts.push(EntryPut { entry: now });
                }
            }
        }
    }

    fn note_held(&self, own: &Own<'_, '_>, set: Option<HeldSet>, out: &mut Decision) {
        if let (Some(why), Some(owned), Some(zone)) = (own.held, own.verdict.owned(), own.zone) {
            let row = owned.row();
            let digest = LossDigest::new(&row.name, &row.rtype, &row.content, &zone.name);
            out.held.push(HeldLoss { owned: owned.clone(), why, set, digest });
        } else if !self.is_approved(set) {
            out.carried.extend(set);
        }
    }

    /// The held set of an entry that stays. It keeps it as long as its row would go, and while nothing
    /// certain is known; what is desired again, or is an operator's by now, drops out.
    fn held_set(&self, own: &Own<'_, '_>) -> Option<HeldSet> {
        let open = own.standing == Standing::Keep || own.verdict == Verdict::ZoneGone;
        match own.fate {
            Fate::Stay if own.held.is_some() => self.set_of(own),
            Fate::Stay if open && !own.condition.is_operators() => own.entry.held,
            _ => None,
        }
    }

    /// An entry that stays, as it should read now.
    fn as_seen<'e>(&self, own: &Own<'e, '_>) -> Cow<'e, Entry> {
        let Entry { zone, record, vm, account, kind, held, on_hold, .. } = own.entry;
        let of_claim = |claim: &Claim| (claim.vm, claim.account, claim.kind);
        let whose = match own.fate {
            Fate::Serve(at) => of_claim(self.wants[at].claim),
            _ => (*vm, *account, *kind),
        };
        // An edited row's id is not noted: the verdict needs the id that we wrote.
        let row = own.verdict.owned().map(OwnedRow::row);
        let at = (
            row.filter(|_| self.state.zone.is_ok()).map_or(*zone, |row| row.zone),
            row.map_or(*record, |row| row.id),
        );
        let absent = matches!(own.verdict, Verdict::Deleted);
        let hold = *on_hold || absent && own.condition.edit.is_none() && !self.settings.recreate;
        let set = self.held_set(own).filter(|_| !hold);
        if (whose, at, hold, set) == ((*vm, *account, *kind), (*zone, *record), *on_hold, *held) {
            return Cow::Borrowed(own.entry);
        }
        let ((vm, account, kind), (zone, record)) = (whose, at);
        Cow::Owned(Entry { zone, record, vm, account, kind, held: set, on_hold: hold, ..own.entry.clone() })
    }

    /// How VMs stand that have entries here but no claim.
    pub fn report_rest(&self, out: &mut Decision) {
        if !self.own.iter().any(|own| matches!(own.fate, Fate::Stay)) {
            return;
        }
        let mut reported: HashSet<_> =
            self.wants.iter().map(|want| (want.claim.vm, want.claim.kind)).collect();
        for own in &self.own {
            if matches!(own.fate, Fate::Stay) && reported.insert(own.key()) {
                out.outcomes.push((own.entry.vm, own.entry.kind, self.leftover(own)));
            }
        }
    }

    fn leftover(&self, own: &Own<'_, '_>) -> Outcome {
        if let Some(how) = own.condition.edit {
            return Outcome::Released { how };
        }
        if own.condition.on_hold {
            return Outcome::OnHold;
        }
        if self.is_held(own.key()) {
            return Outcome::Held;
        }
        let barrier = match (&self.state.zone, own.zone) {
            (Err(barrier), _) => Some(barrier.clone()),
            (Ok(_), None) => Some(Barrier::NoZone),
            (Ok(_), Some(zone)) => (self.state.forbidden)(own.entry, zone).map(Barrier::Zone),
        };
        match barrier {
            // A zone that is missing may have been renamed, or be back at once.
            None | Some(Barrier::NoZone) if own.standing == Standing::Keep => Outcome::Frozen,
            Some(barrier) => Outcome::Retired(barrier),
            None => Outcome::Mode,
        }
    }
}
