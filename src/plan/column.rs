//! A and AAAA, or PTR, of one name: everything that is known before anything is decided.

use super::{
    fate::Fate,
    state::{Losses, NameState, Settings, Standing},
};
use crate::{
    desired::{GROUP_CAP, Holding, rank_forward, rank_ptr},
    ledger::{Verdict, assess},
    model::{Claim, Content, Entry, HeldSet, Kind, OwnedRow, RecordType, VmId, Zone, ZoneId},
};
use std::{collections::BTreeMap, ptr};

/// One claim, as entries name it.
pub(super) type Key = (VmId, Kind);

/// How a claim's entries stand together: one that is edited releases them all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Condition {
    /// What an operator did to one of them.
    pub edit: Option<&'static str>,
    /// One of them is on hold.
    pub on_hold: bool,
}

impl Condition {
    /// Nothing is written for the claim.
    pub fn is_operators(self) -> bool {
        self.edit.is_some() || self.on_hold
    }
}

/// An entry of ours.
pub(super) struct Own<'a, 's> {
    pub entry: &'a Entry,
    pub verdict: Verdict,
    /// Its row, as an index of the name's rows.
    pub place: Option<usize>,
    /// The zone that the entry means, by name.
    pub zone: Option<&'s Zone>,
    pub standing: Standing,
    /// Its claim, as an index, while there is one. A claim is of one zone: what stands in another one is not
    /// that claim's.
    pub live: Option<usize>,
    pub condition: Condition,
    /// Decided later: an entry stays unless something else is said.
    pub fate: Fate,
    /// Why its row would go, if that is held back.
    pub held: Option<&'static str>,
}

impl Own<'_, '_> {
    pub fn key(&self) -> Key {
        (self.entry.vm, self.entry.kind)
    }

    /// Its VM wants the name no longer, and that is known for certain.
    pub fn ended(&self) -> bool {
        self.live.is_none() && self.standing != Standing::Keep
    }

    pub fn gone(&self) -> bool {
        matches!(self.standing, Standing::Gone { .. })
    }

    /// What it loses needs no budget.
    pub fn announced(&self) -> bool {
        matches!(self.standing, Standing::Living { announced: true } | Standing::Gone { announced: true })
    }

    pub fn is_of(&self, claim: &Claim) -> bool {
        self.key() == (claim.vm, claim.kind)
    }

    /// Whether the two serve one group, whose members stand beside each other.
    pub fn is_fellow(&self, claim: &Claim) -> bool {
        claim.kind == Kind::Group && self.entry.kind == Kind::Group && self.entry.account == claim.account
    }

    /// Who holds the name by it, if its row stays. One that ends with nothing to show for it gives the name
    /// to nobody: what is decided next must see the same holder.
    fn holding(&self, wants: &[Want<'_>]) -> Option<Holding> {
        let holds = match self.verdict {
            Verdict::ZoneGone => false,
            Verdict::Deleted => wants.iter().any(|want| self.is_of(want.claim)),
            _ => true,
        };
        let Entry { vm, kind, account, .. } = *self.entry;
        match self.fate {
            Fate::End(_) | Fate::Drop(..) => None,
            Fate::Serve(at) => Some(holding_of(wants[at].claim)),
            Fate::Stay => holds.then_some(Holding { vm, kind, account }),
        }
    }

    /// It stands in the zone where the name is written.
    pub fn is_in(&self, zone: &Zone) -> bool {
        self.zone.is_some_and(|own| own.id == zone.id)
    }

    /// Its row is intact and stands in this zone.
    pub fn owns_in(&self, zone: &Zone) -> bool {
        self.verdict.owned().is_some_and(|owned| owned.row().zone == zone.id)
    }

    pub fn said(&self) -> (&RecordType, &Content) {
        (&self.entry.rtype, &self.entry.content)
    }

    pub fn says(&self, rtype: &RecordType, content: &Content) -> bool {
        self.said() == (rtype, content)
    }
}

/// A claim, and what it wants to stand.
pub(super) struct Want<'a> {
    pub claim: &'a Claim,
    /// It has the name, if that may be written.
    pub served: bool,
    /// Its group has no more room for it.
    pub overflow: bool,
    /// For a reverse name: nothing unless a forward name confirms it.
    pub contents: Vec<(RecordType, Content)>,
    pub condition: Condition,
}

impl Want<'_> {
    pub fn wants(&self, entry: &Entry) -> bool {
        self.contents.iter().any(|(rtype, content)| *rtype == entry.rtype && *content == entry.content)
    }

    /// A reverse name whose address stands at no forward name.
    pub fn is_unconfirmed(&self) -> bool {
        self.claim.kind == Kind::Ptr && self.contents.is_empty()
    }
}

/// See the module.
pub(super) struct Column<'a, 's> {
    pub state: &'a NameState<'s>,
    pub settings: &'a Settings,
    pub own: Vec<Own<'a, 's>>,
    pub wants: Vec<Want<'a>>,
    pub losses: Losses,
}

impl<'a, 's: 'a> Column<'a, 's> {
    pub fn new(
        state: &'a NameState<'s>,
        settings: &'a Settings,
        entries: Vec<&'a Entry>,
        claims: &'a [Claim],
        forward: bool,
        losses: Losses,
    ) -> Self {
        let zones = zones_of(state, &entries);
        let ids = zones.iter().map(|zone| zone.map(|zone| zone.id));
        let (verdicts, places) = assess(&entries, ids, state.rows, state.stray);
        let home = state.zone.as_ref().ok().copied();
        let mut live: Vec<(Key, usize)> =
            claims.iter().enumerate().map(|(at, claim)| ((claim.vm, claim.kind), at)).collect();
        live.sort_unstable();
        // Of several, which an alias may have sent here, the last one.
        let live =
            |key| live[..live.partition_point(|(of, _)| *of <= key)].last().filter(|(of, _)| *of == key);
        let own = (entries.into_iter().zip(zones).zip(verdicts).zip(places)).map(
            |(((entry, zone), verdict), place)| {
                let claim = live((entry.vm, entry.kind)).map(|(_, at)| *at);
                let elsewhere = home.is_some_and(|home| zone.is_some_and(|zone| zone.id != home.id));
                Own {
                    entry,
                    verdict,
                    place,
                    zone,
                    standing: (state.standing)(entry, claim.is_some()),
                    live: claim.filter(|_| !elsewhere),
                    condition: Condition::default(),
                    fate: Fate::Stay,
                    held: None,
                }
            },
        );
        let mut own: Vec<Own<'a, 's>> = own.collect();
        let conditions = conditions(&own, settings);
        for own in &mut own {
            own.condition = conditions.of(own.key(), own.zone.map(|zone| zone.id));
        }
        let condition = |claim: &Claim| {
            let key = (claim.vm, claim.kind);
            let of_zone = |zone: &Zone| Some(conditions.of(key, Some(zone.id)));
            // Where nothing may be written it only matters what to show.
            let shown = || own.iter().find(|own| own.key() == key).map(|own| own.condition);
            home.map_or_else(shown, of_zone).unwrap_or_default()
        };
        let wants = claims.iter().map(|claim| Want {
            claim,
            served: false,
            overflow: false,
            contents: contents(state, claim),
            condition: condition(claim),
        });
        let wants: Vec<Want<'a>> = wants.collect();
        let mut column = Self { state, settings, own, wants, losses };
        // Where nobody waits, nobody asks who holds.
        let holdings = if claims.len() > 1 { column.holdings() } else { Vec::new() };
        column.rank(claims, &holdings, forward);
        column
    }

    /// Ranks the claims, given who holds the name. Where its zone may not be written, nobody gets anything by it.
    pub fn rank(&mut self, claims: &[Claim], holdings: &[Holding], forward: bool) {
        // One claim, as most names have it, has the name whoever holds it.
        if let ([claim], [want]) = (claims, &mut self.wants[..])
            && claim.addresses.len() <= GROUP_CAP
        {
            (want.served, want.overflow) = (true, false);
            return;
        }
        let ranking = if forward { rank_forward(claims, holdings) } else { rank_ptr(claims, holdings) };
        let set = |of: &[&Claim]| -> Vec<*const Claim> {
            let mut set: Vec<_> = of.iter().map(|one| ptr::from_ref(*one)).collect();
            set.sort_unstable();
            set
        };
        let (serving, overflow) = (set(ranking.serving()), set(&ranking.overflow));
        for (want, claim) in self.wants.iter_mut().zip(claims) {
            let is_in = |set: &[*const Claim]| set.binary_search(&ptr::from_ref(claim)).is_ok();
            (want.served, want.overflow) = (is_in(&serving), is_in(&overflow));
        }
    }

    /// Which claims have the name.
    pub fn served(&self) -> Vec<bool> {
        self.wants.iter().map(|want| want.served).collect()
    }

    /// Who holds the name by entries of ours that stay.
    pub fn holdings(&self) -> Vec<Holding> {
        self.own.iter().filter_map(|own| own.holding(&self.wants)).collect()
    }

    /// The zone in which the name is written.
    pub fn zone(&self) -> Option<&'s Zone> {
        self.state.zone.as_ref().ok().copied()
    }

    /// Another zone answers for the name by now: what stands here answers nothing.
    pub fn is_invisible(&self, owned: &OwnedRow) -> bool {
        self.zone().is_some_and(|zone| zone.id != owned.row().zone)
    }

    /// Whether records of this claim must not go yet.
    pub fn is_held(&self, key: Key) -> bool {
        self.own.iter().any(|own| own.held.is_some() && own.key() == key)
    }

    /// The held set that an entry is in, or is in from now on.
    pub fn set_of(&self, own: &Own<'_, '_>) -> Option<HeldSet> {
        own.entry.held.or(match self.losses {
            Losses::Hold { set } => set,
            Losses::Allow => None,
        })
    }

    /// Whether an operator lets go what an entry of this set stands for.
    pub fn is_approved(&self, set: Option<HeldSet>) -> bool {
        set.is_some_and(|set| self.state.approved.contains(&set))
    }

    /// Whether it draws on the budget that this row goes: not if a trigger or an operator said so, nor if
    /// it answers nothing any more.
    pub fn is_loss(&self, own: &Own<'_, '_>, owned: &OwnedRow) -> bool {
        !own.announced() && !self.is_invisible(owned) && !self.is_approved(self.set_of(own))
    }

    /// The claims that have the name, with their indexes.
    pub fn serving(&self) -> impl Iterator<Item = (usize, &Want<'a>)> {
        self.wants.iter().enumerate().filter(|(_, want)| want.served)
    }
}

/// Released claims and claims on hold, each derived from its entries in one zone as the rows are now. With
/// `DNS_RECREATE=false` a row deleted by hand puts the whole claim on hold, from the pass that notices it.
fn conditions(own: &[Own<'_, '_>], settings: &Settings) -> Conditions {
    let mut conditions = Conditions::default();
    for own in own {
        let deleted = own.verdict == Verdict::Deleted && !settings.recreate && !own.ended();
        let (edit, on_hold) = (own.verdict.edit(), own.entry.on_hold || deleted);
        if edit.is_some() || on_hold {
            let of = conditions.0.entry((own.key(), own.zone.map(|zone| zone.id))).or_default();
            of.edit = of.edit.or(edit);
            of.on_hold |= on_hold;
        }
    }
    conditions
}

/// The conditions of claims by zone; nothing is to be said of most.
#[derive(Default)]
struct Conditions(BTreeMap<(Key, Option<ZoneId>), Condition>);

impl Conditions {
    fn of(&self, key: Key, zone: Option<ZoneId>) -> Condition {
        self.0.get(&(key, zone)).copied().unwrap_or_default()
    }
}

/// The zone that each entry means. Entries of one name mostly have one zone id.
fn zones_of<'s>(state: &NameState<'s>, entries: &[&Entry]) -> Vec<Option<&'s Zone>> {
    let mut last = None;
    let mut zone_of = |entry: &Entry| match last {
        Some((id, zone)) if id == entry.zone => zone,
        _ => {
            let zone = state.zones.of_entry(entry.zone, &entry.name);
            last = Some((entry.zone, zone));
            zone
        }
    };
    entries.iter().map(|entry| zone_of(entry)).collect()
}

pub(super) fn holding_of(claim: &Claim) -> Holding {
    Holding { vm: claim.vm, kind: claim.kind, account: claim.account }
}

/// What a claim wants to stand. For a reverse name: the first forward name at which the address stands.
fn contents(state: &NameState<'_>, claim: &Claim) -> Vec<(RecordType, Content)> {
    if claim.kind != Kind::Ptr {
        return claim.addresses.iter().map(|address| of_address(Content::from(*address))).collect();
    }
    let Some(address) = claim.addresses.first().map(|address| Content::from(*address)) else {
        return Vec::new();
    };
    let confirmed = claim.targets.iter().find(|target| (state.stands)(target, &address));
    confirmed.map(|target| (RecordType::Ptr, Content::Name(target.clone()))).into_iter().collect()
}

fn of_address(content: Content) -> (RecordType, Content) {
    let rtype = if matches!(content, Content::V4(_)) { RecordType::A } else { RecordType::Aaaa };
    (rtype, content)
}
