//! What becomes of the entries of ours at a name.

use super::{
    column::{Column, Own},
    serve::Ground,
    state::{Losses, Mode, Standing},
};
use crate::{
    ledger::Verdict,
    model::{Barrier, Kind, LEFT_BEHIND, OwnedRow},
};

/// What happens to an entry of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays as it is: its row has to stand, or it is an operator's business.
    Stay,
    /// It serves this claim (an index) from now on.
    Serve(usize),
    /// The entry ends, whatever row there is stays.
    End(&'static str),
    /// Row and entry go.
    Drop(OwnedRow, &'static str),
}

impl Column<'_, '_> {
    /// Decides each entry by itself; [`restrain`](Self::restrain) then takes back what must not be.
    pub fn choose_fates(&mut self) {
        for at in 0..self.own.len() {
            let fate = self.fate(&self.own[at]);
            (self.own[at].fate, self.own[at].held) = (fate, None);
        }
    }

    fn fate(&self, own: &Own<'_, '_>) -> Fate {
        let operators = own.condition.is_operators();
        match &own.verdict {
            Verdict::ZoneGone if (self.state.zone_gone)(own.entry) => Fate::End("its zone is gone"),
            Verdict::Deleted if own.ended() || !self.keeps_absence(own) => Fate::End("deleted by hand"),
            Verdict::ZoneGone | Verdict::Deleted => Fate::Stay,
            _ if operators && own.ended() => Fate::End(LEFT_BEHIND),
            _ if operators || own.standing == Standing::Keep => Fate::Stay,
            Verdict::Intact(owned) | Verdict::Retimed(owned) => match self.taker(own) {
                Some(claim) => Fate::Serve(claim),
                None => self.dispensable(own, owned),
            },
            _ => Fate::Stay,
        }
    }

    /// Whether the entry of a row that was deleted by hand stays, so that the row does not come back.
    fn keeps_absence(&self, own: &Own<'_, '_>) -> bool {
        own.entry.on_hold || (!self.settings.recreate && !own.gone())
    }

    /// A served claim that wants exactly what the entry stands for, in the zone where it stands: the
    /// entry's own claim, else any other (two claims of equal content are one row and one entry).
    ///
    /// A row at an operator's TTL passes from group to group only. For a name it would be edited from then on, and
    /// the claim released for what he did to a group that is no more: the name's row comes anew, at its own TTL.
    fn taker(&self, own: &Own<'_, '_>) -> Option<usize> {
        if !own.owns_in(self.zone()?) {
            return None;
        }
        let retimed = matches!(own.verdict, Verdict::Retimed(_));
        let wants = |at: &usize| {
            let want = &self.wants[*at];
            want.served && want.wants(own.entry) && (!retimed || want.claim.kind == Kind::Group)
        };
        let live = own.live.filter(wants);
        live.or_else(|| self.serving().map(|(at, _)| at).find(wants))
    }

    /// An intact row that no served claim wants: whether it goes.
    fn dispensable(&self, own: &Own<'_, '_>, owned: &OwnedRow) -> Fate {
        let Some(zone) = own.zone else { return Fate::Stay };
        if (self.state.forbidden)(own.entry, zone).is_some() {
            return Fate::Stay;
        }
        match &self.state.zone {
            // Below a delegation or a DNAME the row is invisible. It goes only if its VM is served
            // elsewhere; otherwise it is retired.
            Err(Barrier::Delegation(_) | Barrier::Dname(_)) if own.gone() => return Fate::Stay,
            Err(_) if own.live.is_some() => return Fate::Stay,
            _ => {}
        }
        let why = match own.live {
            // A reverse name whose address stands at no forward name keeps what it has.
            Some(_) if self.serving().any(|(_, want)| want.is_unconfirmed()) => return Fate::Stay,
            Some(at) if self.wants[at].served => "its address changed",
            Some(at) if self.wants[at].overflow => "its group has no more room",
            Some(_) => "another claim holds the name",
            None if own.gone() => "its VM is gone",
            None if self.is_invisible(owned) => "another zone answers for the name",
            None => "its VM no longer wants the name",
        };
        Fate::Drop(owned.clone(), why)
    }

    /// Nobody takes a row over while an old holder has to stand at the name: the two would share it.
    pub fn leave_to_old_holders(&mut self) {
        let Some(zone) = self.zone() else { return };
        let shares = |own: &Own<'_, '_>| match own.fate {
            Fate::Serve(at) => {
                let claim = self.wants[at].claim;
                !own.is_of(claim) && self.standing_rival(claim, zone).is_some()
            }
            _ => false,
        };
        let beside: Vec<usize> = (0..self.own.len()).filter(|at| shares(&self.own[*at])).collect();
        for at in beside {
            if let Some(owned) = self.own[at].verdict.owned() {
                self.own[at].fate = self.dispensable(&self.own[at], owned);
            }
        }
    }

    /// Turns drops that the mode forbids, or that must be held, into stays. What stays may keep a claim from
    /// being served, and then that claim's rows are not replaced either: so on until no drop has to be taken
    /// back.
    pub fn restrain(&mut self) {
        loop {
            let forbidden = self.forbidden_drops();
            for at in &forbidden {
                self.own[*at].fate = Fate::Stay;
            }
            if forbidden.is_empty() && !self.hold_drops() {
                return;
            }
        }
    }

    fn forbidden_drops(&self) -> Vec<usize> {
        if self.settings.mode == Mode::Sync {
            return vec![];
        }
        let ground = Ground::new(self);
        let drops = |own: &Own<'_, '_>| matches!(own.fate, Fate::Drop(..));
        let allowed = |own: &Own<'_, '_>| match (self.settings.mode, &ground) {
            (Mode::Sync, _) => true,
            (Mode::UpsertOnly, Some(ground)) => ground.replaces(own) || self.makes_way(own),
            (Mode::UpsertOnly, None) | (Mode::CreateOnly, _) => false,
        };
        let all = self.own.iter().enumerate();
        all.filter(|(_, own)| drops(own) && !allowed(own)).map(|(at, _)| at).collect()
    }

    /// Whether there was anything to hold.
    fn hold_drops(&mut self) -> bool {
        if self.losses == Losses::Allow {
            return false;
        }
        let mut held = false;
        for at in 0..self.own.len() {
            let own = &self.own[at];
            let Fate::Drop(owned, why) = &own.fate else { continue };
            if self.is_loss(own, owned) {
                self.own[at].held = Some(*why).filter(|_| !self.goes_on_hold(own));
                self.own[at].fate = Fate::Stay;
                held = true;
            }
        }
        held
    }

    /// A sibling's row was deleted by hand under `DNS_RECREATE=false`: from now on nothing is written for
    /// the claim, so that nothing of it waits to go.
    fn goes_on_hold(&self, own: &Own<'_, '_>) -> bool {
        let deleted = |other: &Own<'_, '_>| {
            other.verdict == Verdict::Deleted && other.fate == Fate::Stay && other.standing != Standing::Keep
        };
        !self.settings.recreate && self.own.iter().any(|other| other.key() == own.key() && deleted(other))
    }

    /// Its VM is proved gone and another claim, which cannot stand beside it, has the name.
    fn makes_way(&self, own: &Own<'_, '_>) -> bool {
        own.gone() && self.serving().any(|(_, want)| !own.is_fellow(want.claim))
    }
}
