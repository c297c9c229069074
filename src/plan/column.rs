//! A and AAAA, or PTR, of one name: everything that is known before anything is decided.

use super::{
    fate::Fate,
    state::{Losses, NameState, Settings, Standing},
};
use crate::{
    desired::{Holding, rank_forward, rank_ptr},
    ledger::{Verdict, assess},
    model::{Claim, Content, Entry, HeldSet, Kind, OwnedRow, RecordType, VmId, Zone},
};
use std::collections::{BTreeMap, HashMap};

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
    /// Its claim, as an index, while there is one.
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

    /// Its row is intact and stands in this zone.
    pub fn owns_in(&self, zone: &Zone) -> bool {
        self.verdict.owned().is_some_and(|owned| owned.row().zone == zone.id)
    }

    pub fn says(&self, rtype: &RecordType, content: &Content) -> bool {
        self.entry.rtype == *rtype && self.entry.content == *content
    }
}

/// A claim, and what it wants to stand.
pub(super) struct Want<'a> {
    pub claim: &'a Claim,
    /// It has the name.
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
        let zone_of = |entry: &Entry| state.zones.of_entry(entry.zone, &entry.name);
        let (verdicts, places) =
            assess(&entries, state.rows, |entry| zone_of(entry).map(|zone| zone.id), state.stray);
        let conditions = conditions(&entries, &verdicts);
        let holdings: Vec<Holding> = (entries.iter().zip(&verdicts))
            .filter(|(entry, verdict)| holds(claims, entry, verdict))
            .map(|(entry, _)| Holding { vm: entry.vm, kind: entry.kind, account: entry.account })
            .collect();
        let wants = wants(state, claims, &holdings, &conditions, forward);
        let live: HashMap<Key, usize> =
            claims.iter().enumerate().map(|(at, claim)| ((claim.vm, claim.kind), at)).collect();
        let own = (entries.into_iter().zip(verdicts).zip(places))
            .map(|((entry, verdict), place)| Own {
                entry,
                verdict,
                place,
                zone: zone_of(entry),
                standing: (state.standing)(entry),
                live: live.get(&(entry.vm, entry.kind)).copied(),
                condition: condition_of(&conditions, (entry.vm, entry.kind)),
                fate: Fate::Stay,
                held: None,
            })
            .collect();
        Self { state, settings, own, wants, losses }
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

/// Whether an entry gives its VM or its account the name. One that ends with nothing to show for it does
/// not: what is decided next must see the same holder.
fn holds(claims: &[Claim], entry: &Entry, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::ZoneGone => false,
        Verdict::Deleted => claims.iter().any(|claim| (claim.vm, claim.kind) == (entry.vm, entry.kind)),
        _ => true,
    }
}

/// Released and held claims, each derived from its entries as the rows are now.
fn conditions(entries: &[&Entry], verdicts: &[Verdict]) -> BTreeMap<Key, Condition> {
    let mut conditions: BTreeMap<Key, Condition> = BTreeMap::new();
    for (entry, verdict) in entries.iter().zip(verdicts) {
        let condition = conditions.entry((entry.vm, entry.kind)).or_default();
        condition.edit = condition.edit.or(verdict.edit());
        condition.on_hold |= entry.on_hold;
    }
    conditions
}

fn condition_of(conditions: &BTreeMap<Key, Condition>, key: Key) -> Condition {
    conditions.get(&key).copied().unwrap_or_default()
}

fn wants<'a>(
    state: &NameState<'_>,
    claims: &'a [Claim],
    holdings: &[Holding],
    conditions: &BTreeMap<Key, Condition>,
    forward: bool,
) -> Vec<Want<'a>> {
    let ranking = if forward { rank_forward(claims, holdings) } else { rank_ptr(claims, holdings) };
    let is_in = |of: &[&Claim], claim: &Claim| of.iter().any(|one| std::ptr::eq(*one, claim));
    claims
        .iter()
        .map(|claim| Want {
            claim,
            served: state.zone.is_ok() && is_in(ranking.serving(), claim),
            overflow: is_in(&ranking.overflow, claim),
            contents: contents(state, claim),
            condition: condition_of(conditions, (claim.vm, claim.kind)),
        })
        .collect()
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
