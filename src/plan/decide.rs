//! The decision on one owner name (design 4, 5 and 6).

use super::{
    foreign::Foreign,
    state::{Decision, Insert, Losses, Mode, NameState, Settings, Standing},
};
use crate::{
    desired::{Holding, rank_forward, rank_ptr},
    ledger::{Verdict, assess},
    model::{
        Barrier, Claim, Content, Ending, Entry, EntryPut, Kind, Outcome, OwnedRow, RecordType, Ttl, VmId,
        Zone,
    },
};
use std::collections::BTreeMap;

/// Decides one owner name: what to write, and how everybody stands.
///
/// Forward records (A, AAAA) and reverse records (PTR) of one name are decided apart; a name has both
/// only where an operator points a classless reverse delegation (RFC 2317) into a forward zone.
pub fn decide(state: &NameState<'_>, settings: &Settings, losses: Losses) -> Decision {
    let mut decision = Decision::default();
    for forward in [true, false] {
        let own: Vec<&Entry> = (state.entries.iter())
            .filter(|entry| entry.owner == settings.owner && entry.rtype.is_address() == forward)
            .collect();
        let claims: Vec<Claim> =
            state.claims.iter().filter(|claim| (claim.kind != Kind::Ptr) == forward).cloned().collect();
        if own.is_empty() && claims.is_empty() {
            continue;
        }
        Column::new(state, settings, losses, own, &claims, forward).decide(&mut decision);
    }
    decision
}

type Key = (VmId, Kind);

/// What happens to an entry of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It stays; its row serves a claim or has to stand.
    Stay,
    /// It serves this claim (an index) from now on.
    Serve(usize),
    /// The entry ends, whatever row there is stays.
    End(&'static str),
    /// Row and entry go.
    Drop(OwnedRow, &'static str),
}

/// A, AAAA or PTR of one name.
struct Column<'a, 's> {
    state: &'a NameState<'s>,
    settings: &'a Settings,
    losses: Losses,
    own: Vec<&'a Entry>,
    verdicts: Vec<Verdict>,
    /// Each entry's row, as an index of the name's rows.
    found: Vec<Option<usize>>,
    claims: &'a [Claim],
    /// The claims that have the name, and those for which a group has no more room, as indexes.
    served: Vec<usize>,
    overflow: Vec<usize>,
}

/// How a claim's entries stand together.
#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    edit: Option<&'static str>,
    on_hold: bool,
}

impl<'a, 's: 'a> Column<'a, 's> {
    fn new(
        state: &'a NameState<'s>,
        settings: &'a Settings,
        losses: Losses,
        own: Vec<&'a Entry>,
        claims: &'a [Claim],
        forward: bool,
    ) -> Self {
        let zone_of = |entry: &Entry| state.zones.of_entry(entry.zone, &entry.name).map(|zone| zone.id);
        let (verdicts, found) = assess(&own, state.rows, zone_of, state.stray);
        let holdings: Vec<Holding> = (own.iter().zip(&verdicts))
            .filter(|(_, verdict)| !matches!(verdict, Verdict::ZoneGone))
            .map(|(entry, _)| Holding { vm: entry.vm, kind: entry.kind, account: entry.account })
            .collect();
        let ranking = if forward { rank_forward(claims, &holdings) } else { rank_ptr(claims, &holdings) };
        let places = |of: &[&Claim]| -> Vec<usize> {
            of.iter().filter_map(|one| claims.iter().position(|claim| std::ptr::eq(claim, *one))).collect()
        };
        let (served, overflow) = (places(ranking.serving()), places(&ranking.overflow));
        Self { state, settings, losses, own, verdicts, found, claims, served, overflow }
    }

    fn decide(&self, out: &mut Decision) {
        let conditions = self.conditions();
        let wanted: Vec<Vec<(RecordType, Content)>> =
            (0..self.claims.len()).map(|at| self.wanted(at)).collect();
        let mut fates: Vec<Fate> =
            (0..self.own.len()).map(|at| self.fate(at, &conditions, &wanted)).collect();
        let held = self.restrain(&mut fates, &wanted);
        out.held += held.values().sum::<u64>();
        let barrier = self.state.zone.as_ref().err();
        for (at, fate) in fates.iter().enumerate() {
            self.note_entry(at, fate, barrier, &conditions, out);
        }
        let mut reported: Vec<Key> = Vec::new();
        for at in 0..self.claims.len() {
            let outcome = self.serve(at, &fates, &conditions, &held, &wanted[at], out);
            reported.push((self.claims[at].vm, self.claims[at].kind));
            out.outcomes.push((self.claims[at].vm, self.claims[at].kind, outcome));
        }
        for (at, entry) in self.own.iter().enumerate() {
            let key = (entry.vm, entry.kind);
            if reported.contains(&key) || !matches!(fates[at], Fate::Stay) {
                continue;
            }
            reported.push(key);
            let outcome = match (conditions.get(&key), barrier) {
                (Some(Condition { edit: Some(how), .. }), _) => Outcome::Released { how },
                (Some(Condition { on_hold: true, .. }), _) => Outcome::OnHold,
                _ if held.contains_key(&key) => Outcome::Held,
                _ if (self.state.standing)(entry) == Standing::Keep => Outcome::Frozen,
                (_, Some(barrier)) => Outcome::Retired(barrier.clone()),
                _ => match self.entry_zone(entry).and_then(|zone| (self.state.forbidden)(entry, zone)) {
                    Some(why) => Outcome::Retired(Barrier::Zone(why)),
                    None => Outcome::Mode,
                },
            };
            out.outcomes.push((key.0, key.1, outcome));
        }
        self.retime(&fates, out);
    }

    /// Released and held claims, each derived from its entries as the rows are now.
    fn conditions(&self) -> BTreeMap<Key, Condition> {
        let mut conditions: BTreeMap<Key, Condition> = BTreeMap::new();
        for (entry, verdict) in self.own.iter().zip(&self.verdicts) {
            let condition = conditions.entry((entry.vm, entry.kind)).or_default();
            condition.edit = condition.edit.or(verdict.edit());
            condition.on_hold |= entry.on_hold;
        }
        conditions
    }

    fn served(&self, at: usize) -> bool {
        self.state.zone.is_ok() && self.served.contains(&at)
    }

    /// The contents that a served claim wants. For a reverse name: the first forward name at which the
    /// address stands; where there is none, what stands already stays and nothing is added.
    fn wanted(&self, at: usize) -> Vec<(RecordType, Content)> {
        let claim = &self.claims[at];
        if claim.kind != Kind::Ptr {
            return claim.addresses.iter().map(|address| of_address(Content::from(*address))).collect();
        }
        let Some(address) = claim.addresses.first().map(|address| Content::from(*address)) else {
            return Vec::new();
        };
        let confirmed = claim.targets.iter().find(|target| (self.state.stands)(target, &address));
        confirmed.map(|target| (RecordType::Ptr, Content::Name(target.clone()))).into_iter().collect()
    }

    fn entry_zone(&self, entry: &Entry) -> Option<&'a Zone> {
        self.state.zones.of_entry(entry.zone, &entry.name)
    }

    fn live_claim(&self, key: Key) -> Option<usize> {
        self.claims.iter().position(|claim| (claim.vm, claim.kind) == key)
    }

    /// A served claim that wants exactly what the entry stands for, in the zone where it stands: the
    /// entry's own claim, else any other (two claims of equal content are one row and one entry).
    fn taker(&self, entry: &Entry, wanted: &[Vec<(RecordType, Content)>]) -> Option<usize> {
        let zone = self.state.zone.as_ref().ok()?;
        if self.entry_zone(entry).map(|zone| zone.id) != Some(zone.id) {
            return None;
        }
        let wants = |at: &usize| wanted[*at].iter().any(|(t, c)| *t == entry.rtype && *c == entry.content);
        let own = self.live_claim((entry.vm, entry.kind)).filter(|at| self.served(*at)).filter(wants);
        own.or_else(|| self.served.iter().copied().find(wants))
    }

    fn fate(
        &self,
        at: usize,
        conditions: &BTreeMap<Key, Condition>,
        wanted: &[Vec<(RecordType, Content)>],
    ) -> Fate {
        let entry = self.own[at];
        let key = (entry.vm, entry.kind);
        let live = self.live_claim(key);
        let standing = (self.state.standing)(entry);
        let ended = live.is_none() && standing != Standing::Keep;
        let condition = conditions.get(&key).copied().unwrap_or_default();
        let held_by_operator = condition.edit.is_some() || condition.on_hold;
        match &self.verdicts[at] {
            Verdict::ZoneGone if (self.state.zone_gone)(entry) => Fate::End("its zone is gone"),
            Verdict::ZoneGone => Fate::Stay,
            Verdict::Deleted if ended || !self.keeps_absence(entry, standing) => Fate::End("deleted by hand"),
            Verdict::Deleted => Fate::Stay,
            _ if held_by_operator && ended => Fate::End("its claim ended; the operator's edit stays"),
            _ if held_by_operator || standing == Standing::Keep => Fate::Stay,
            Verdict::Intact(owned) | Verdict::Retimed(owned) => match self.taker(entry, wanted) {
                Some(claim) => Fate::Serve(claim),
                None => self.dispensable(entry, owned, live, ended),
            },
            _ => Fate::Stay,
        }
    }

    /// Whether the entry of a row that was deleted by hand stays, so that the row does not come back.
    fn keeps_absence(&self, entry: &Entry, standing: Standing) -> bool {
        entry.on_hold || (!self.settings.recreate && !matches!(standing, Standing::Gone { .. }))
    }

    /// An intact row that no served claim wants: whether it goes.
    fn dispensable(&self, entry: &Entry, owned: &OwnedRow, live: Option<usize>, ended: bool) -> Fate {
        let Some(zone) = self.entry_zone(entry) else { return Fate::Stay };
        if (self.state.forbidden)(entry, zone).is_some() {
            return Fate::Stay;
        }
        let moved = live.is_some() && self.state.zone.as_ref().is_ok_and(|now| now.id != zone.id);
        let gone = matches!((self.state.standing)(entry), Standing::Gone { .. });
        match &self.state.zone {
            // Below a delegation or a DNAME the row is invisible. It goes only if its VM is served
            // elsewhere; a row in another zone than the name's present one likewise.
            Err(Barrier::Delegation(_) | Barrier::Dname(_)) if live.is_some() || gone => return Fate::Stay,
            Err(Barrier::Zone(_) | Barrier::NoZone) if live.is_some() => return Fate::Stay,
            _ => {}
        }
        // A reverse name whose address stands at no forward name keeps what it has.
        if let Some(at) = live
            && self.claims[at].kind == Kind::Ptr
            && self.served(at)
            && self.unconfirmed(at)
        {
            return Fate::Stay;
        }
        let why = match live {
            _ if moved => "its zone answers no longer for the name",
            Some(at) if self.served(at) => "its address changed",
            Some(_) => "another claim holds the name",
            None if gone => "its VM is gone",
            None if ended => "its VM no longer wants the name",
            None => return Fate::Stay,
        };
        Fate::Drop(owned.clone(), why)
    }

    fn unconfirmed(&self, at: usize) -> bool {
        let claim = &self.claims[at];
        let Some(address) = claim.addresses.first().map(|address| Content::from(*address)) else {
            return true;
        };
        !claim.targets.iter().any(|target| (self.state.stands)(target, &address))
    }

    /// Turns drops that the mode forbids, or that must be held, into stays. Returns what is held, by
    /// claim.
    fn restrain(&self, fates: &mut [Fate], wanted: &[Vec<(RecordType, Content)>]) -> BTreeMap<Key, u64> {
        let mut held: BTreeMap<Key, u64> = BTreeMap::new();
        for (at, fate) in fates.iter_mut().enumerate() {
            let Fate::Drop(owned, _) = &*fate else { continue };
            let entry = self.own[at];
            let key = (entry.vm, entry.kind);
            let standing = (self.state.standing)(entry);
            let replaced_by_same = self.live_claim(key).is_some_and(|claim| {
                self.served(claim) && wanted[claim].iter().any(|(rtype, _)| *rtype == entry.rtype)
            });
            let for_another = matches!(standing, Standing::Gone { .. }) && !self.served.is_empty();
            let allowed = match self.settings.mode {
                Mode::Sync => true,
                Mode::UpsertOnly => replaced_by_same || for_another,
                Mode::CreateOnly => false,
            };
            let announced =
                matches!(standing, Standing::Living { announced: true } | Standing::Gone { announced: true });
            // A row that answers nothing any more is no loss: another zone answers for its name.
            let invisible = self.state.zone.as_ref().is_ok_and(|zone| zone.id != owned.row().zone);
            if !allowed {
                *fate = Fate::Stay;
            } else if self.losses == Losses::Hold && !announced && !invisible {
                *held.entry(key).or_default() += 1;
                *fate = Fate::Stay;
            }
        }
        held
    }

    fn note_entry(
        &self,
        at: usize,
        fate: &Fate,
        barrier: Option<&Barrier>,
        conditions: &BTreeMap<Key, Condition>,
        out: &mut Decision,
    ) {
        let entry = self.own[at];
        match fate {
            Fate::End(why) => {
                out.endings.push(Ending { entry: entry.clone(), why });
                let stays = matches!(self.verdicts[at], Verdict::Intact(_) | Verdict::Retimed(_))
                    || self.verdicts[at].edit().is_some();
                out.left_behind += u64::from(stays);
            }
            Fate::Drop(owned, why) => {
                let announced = matches!(
                    (self.state.standing)(entry),
                    Standing::Living { announced: true } | Standing::Gone { announced: true }
                );
                let invisible = self.state.zone.as_ref().is_ok_and(|zone| zone.id != owned.row().zone);
                out.losses += u64::from(!announced && !invisible);
                out.deletes.push((owned.clone(), why));
                out.endings.push(Ending { entry: entry.clone(), why });
            }
            Fate::Stay | Fate::Serve(_) => {
                let mut now = entry.clone();
                if let Fate::Serve(claim) = fate {
                    let claim = &self.claims[*claim];
                    (now.vm, now.kind, now.account) = (claim.vm, claim.kind, claim.account);
                }
                // An edited row's id is not noted: the verdict needs the id that we wrote.
                if let Some(owned) = self.verdicts[at].owned() {
                    now.record = owned.row().id;
                    if barrier.is_none() {
                        now.zone = owned.row().zone;
                    }
                }
                let absent = matches!(self.verdicts[at], Verdict::Deleted);
                let condition = conditions.get(&(entry.vm, entry.kind)).copied().unwrap_or_default();
                now.on_hold |= absent && condition.edit.is_none() && !self.settings.recreate;
                if now != *entry {
                    if now.zone != entry.zone {
                        out.endings.push(Ending { entry: entry.clone(), why: "its zone has another id" });
                    }
                    out.puts.push(EntryPut { entry: now });
                }
            }
        }
    }

    /// Adds what the claim lacks, if it may have it.
    fn serve(
        &self,
        at: usize,
        fates: &[Fate],
        conditions: &BTreeMap<Key, Condition>,
        held: &BTreeMap<Key, u64>,
        wanted: &[(RecordType, Content)],
        out: &mut Decision,
    ) -> Outcome {
        let claim = &self.claims[at];
        let key = (claim.vm, claim.kind);
        match conditions.get(&key) {
            Some(Condition { edit: Some(how), .. }) => return Outcome::Released { how },
            Some(Condition { on_hold: true, .. }) => return Outcome::OnHold,
            _ => {}
        }
        let zone = match &self.state.zone {
            Ok(zone) => *zone,
            Err(barrier) if self.own.iter().any(|entry| (entry.vm, entry.kind) == key) => {
                return Outcome::Retired(barrier.clone());
            }
            Err(barrier) => return Outcome::Blocked { by: barrier.to_string() },
        };
        if !self.settings.recreate
            && self
                .own
                .iter()
                .zip(&self.verdicts)
                .any(|(entry, verdict)| (entry.vm, entry.kind) == key && matches!(verdict, Verdict::Deleted))
        {
            return Outcome::OnHold;
        }
        if self.overflow.contains(&at) {
            return Outcome::Overflow;
        }
        if !self.served.contains(&at) {
            return Outcome::Waiting { holder: self.served.first().map(|at| self.claims[*at].vm) };
        }
        if let Some(holder) = self.standing_rival(claim, fates) {
            return if held.contains_key(&holder) {
                Outcome::Held
            } else {
                Outcome::Waiting { holder: Some(holder.0) }
            };
        }
        if claim.kind == Kind::Ptr && wanted.is_empty() {
            return Outcome::Unconfirmed;
        }
        let foreign = self.foreign(zone, fates);
        let (mut satisfied, mut is_held, mut by, mut mode) = (false, false, None, false);
        for (rtype, content) in wanted {
            let stands = self.own.iter().zip(fates).any(|(entry, fate)| {
                matches!(fate, Fate::Serve(_)) && entry.rtype == *rtype && entry.content == *content
            });
            if stands || out.inserts.iter().any(|row| row.rtype == *rtype && row.content == *content) {
                continue;
            }
            if foreign.satisfies(rtype, content) {
                satisfied = true;
                continue;
            }
            let of_claim = |fate_matches: fn(&Fate) -> bool| {
                self.own.iter().zip(fates).any(|(entry, fate)| {
                    (entry.vm, entry.kind) == key && entry.rtype == *rtype && fate_matches(fate)
                })
            };
            let replacing = of_claim(|fate| matches!(fate, Fate::Drop(..)));
            if of_claim(|fate| matches!(fate, Fate::Stay)) && !replacing {
                // The old row has to stand, so nothing takes its place.
                is_held |= held.contains_key(&key);
                mode |= !held.contains_key(&key);
                continue;
            }
            if self.settings.mode == Mode::CreateOnly
                && self.state.rows.iter().any(|row| row.zone == zone.id && row.rtype == *rtype)
            {
                mode = true;
                continue;
            }
            if !replacing && let Some(row) = foreign.blocker(claim.kind, wanted) {
                let disabled = if row.disabled { " (disabled)" } else { "" };
                by = Some(format!("{} {}{disabled}", row.rtype, row.content));
                continue;
            }
            if self.state.entries.iter().any(|entry| {
                entry.owner != self.settings.owner && entry.rtype == *rtype && entry.content == *content
            }) {
                by = Some(format!("an entry of another owner id for {rtype} {content}"));
                continue;
            }
            let ttl = self.ttl(rtype, zone, fates);
            out.inserts.push(Insert {
                zone: zone.id,
                rtype: rtype.clone(),
                content: content.clone(),
                ttl,
                vm: claim.vm,
                kind: claim.kind,
            });
            out.puts.push(EntryPut {
                entry: Entry {
                    zone: zone.id,
                    name: self.state.name.clone(),
                    rtype: rtype.clone(),
                    content: content.clone(),
                    ttl,
                    record: 0,
                    owner: self.settings.owner.clone(),
                    vm: claim.vm,
                    account: claim.account,
                    kind: claim.kind,
                    held: 0,
                    on_hold: false,
                },
            });
        }
        match by {
            Some(by) => Outcome::Blocked { by },
            None if is_held || held.contains_key(&key) => Outcome::Held,
            None if mode => Outcome::Mode,
            None if satisfied => Outcome::Satisfied,
            None => Outcome::Served,
        }
    }

    /// An entry of another holder whose row has to stand: nothing is written beside it.
    fn standing_rival(&self, claim: &Claim, fates: &[Fate]) -> Option<Key> {
        (self.own.iter().zip(fates).zip(&self.verdicts))
            .find(|((entry, fate), verdict)| {
                matches!(fate, Fate::Stay)
                    && !matches!(verdict, Verdict::Deleted | Verdict::ZoneGone)
                    && !(entry.vm == claim.vm && entry.kind == claim.kind)
                    && !(claim.kind == Kind::Group && entry.kind == Kind::Group && entry.account == claim.account)
                    // A row that another zone hides stands in nobody's way.
                    && verdict.owned().is_none_or(|owned| {
                        self.state.zone.as_ref().is_ok_and(|zone| zone.id == owned.row().zone)
                    })
            })
            .map(|((entry, _), _)| (entry.vm, entry.kind))
    }

    /// Rows that nobody's entry accounts for, those whose entry ends now included: what an operator has
    /// edited is his from then on.
    fn foreign(&self, zone: &Zone, fates: &[Fate]) -> Foreign<'a> {
        let ours: Vec<usize> = (self.found.iter().zip(fates))
            .filter(|(_, fate)| !matches!(fate, Fate::End(_)))
            .filter_map(|(found, _)| *found)
            .collect();
        Foreign::new(self.state.rows, &ours, zone.id)
    }

    /// The TTL of the RRset: the lowest of what is not ours to time, else the operator's setting.
    fn ttl(&self, rtype: &RecordType, zone: &Zone, fates: &[Fate]) -> Ttl {
        let foreign = self.foreign(zone, fates).ttl(rtype);
        let others = (self.own.iter().zip(&self.verdicts).zip(fates))
            .filter(|((entry, _), fate)| entry.rtype == *rtype && !matches!(fate, Fate::Drop(..)))
            .filter_map(|((_, verdict), _)| match verdict {
                Verdict::Retimed(owned) => owned.row().ttl,
                Verdict::TtlEdited(row) => row.ttl,
                _ => None,
            })
            .min();
        foreign.into_iter().chain(others).min().unwrap_or(self.settings.ttl)
    }

    /// Rows that stay and whose TTL is not the RRset's: an UPDATE in place.
    fn retime(&self, fates: &[Fate], out: &mut Decision) {
        if self.settings.mode == Mode::CreateOnly {
            return;
        }
        let Ok(zone) = &self.state.zone else { return };
        for (at, fate) in fates.iter().enumerate() {
            let (Fate::Serve(_), Verdict::Intact(owned)) = (fate, &self.verdicts[at]) else { continue };
            let ttl = self.ttl(&self.own[at].rtype, zone, fates);
            if owned.row().ttl == Some(ttl) {
                continue;
            }
            out.retimes.push((owned.clone(), ttl));
            let put = out.puts.iter_mut().find(|put| {
                let (new, old) = (&put.entry, self.own[at]);
                new.rtype == old.rtype && new.content == old.content && new.name == old.name
            });
            match put {
                Some(put) => put.entry.ttl = ttl,
                None => {
                    let mut entry = self.own[at].clone();
                    entry.ttl = ttl;
                    out.puts.push(EntryPut { entry });
                }
            }
        }
    }
}

fn of_address(content: Content) -> (RecordType, Content) {
    let rtype = if matches!(content, Content::V4(_)) { RecordType::A } else { RecordType::Aaaa };
    (rtype, content)
}
