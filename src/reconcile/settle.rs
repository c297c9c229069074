//! Settle: owner names in, one transaction out. Reads the names' rows and entries, decides each, adds
//! what `rectify` says, and commits; `plan` stops before the last step.

use super::{
    carry::{self, Load},
    deep::Deep,
    servers::{Reads, Writes},
    world::World,
};
use crate::{
    metrics::Metrics,
    model::{
        Barrier, Batch, Claim, Content, HeldSet, Kind, Outcome, OwnerName, RecordId, RecordType, Row, Zone,
        ZoneId,
    },
    plan::{self, Decision, Losses, NameState},
    powerdns::{Committed, DbError, NameRows, WriteError},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

/// Names with their decisions, and the transaction that carries them.
pub struct Prepared {
    /// The names that the transaction covers, also those that need nothing.
    pub decisions: Vec<(OwnerName, Decision)>,
    /// Names for which it had no more room.
    pub deferred: Vec<OwnerName>,
    /// Names that must be settled besides: ends of an alias that came or went.
    pub also: Vec<OwnerName>,
    /// The transaction; empty if nothing is to be written.
    pub batch: Batch,
}

/// Names with their decisions, and what they were made from.
pub struct Decided {
    /// What was read.
    pub read: NameRows,
    /// In the order of the names.
    pub decisions: Vec<(OwnerName, Decision)>,
    /// Names that must be settled besides: ends of an alias that came or went.
    pub also: Vec<OwnerName>,
}

/// What names want, and what is to be read to decide on them.
pub struct Surveyed {
    claims: Vec<Vec<Claim>>,
    /// The names around them.
    pub around: Vec<OwnerName>,
}

/// What is decided and not written yet: contents that come to forward names, and rows that go.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    comes: HashSet<(OwnerName, Content)>,
    gone: HashSet<RecordId>,
}

impl Overlay {
    /// Notes a decision on a forward name.
    pub fn note(&mut self, name: &OwnerName, decision: &Decision) {
        self.gone.extend(decision.deletes.iter().map(|(owned, _)| owned.row().id));
        self.comes.extend(decision.inserts.iter().map(|insert| (name.clone(), insert.content.clone())));
    }
}

/// What settling needs besides the world.
pub struct Settler<R> {
    /// Reads the database.
    pub reader: R,
    /// Decides.
    pub settings: plan::Settings,
    /// Foreign names below ours.
    pub deep: Deep,
    /// For plans that are not written.
    pub overlay: Overlay,
    /// Held sets that an operator lets through.
    pub approved: HashSet<HeldSet>,
    /// For the time that each step takes.
    pub metrics: Arc<Metrics>,
}

impl<R: Reads> Settler<R> {
    /// Reads and decides these names.
    pub async fn prepare(
        &mut self,
        world: &mut World,
        names: &[OwnerName],
        losses: Losses,
    ) -> Result<Prepared, DbError> {
        let settings = self.settings.clone();
        self.prepare_by(world, names, |state| plan::decide(state, &settings, losses)).await
    }

    /// Reads these names and decides them by another rule.
    pub async fn prepare_by(
        &mut self,
        world: &mut World,
        names: &[OwnerName],
        rule: impl FnMut(&NameState<'_>) -> Decision,
    ) -> Result<Prepared, DbError> {
        let decided = self.decide_by(world, names, rule).await?;
        self.load(world, decided).await
    }

    /// Prepares names of which it is known what they want and what is around them.
    pub async fn prepare_surveyed(
        &mut self,
        world: &mut World,
        names: &[OwnerName],
        surveyed: Surveyed,
        losses: Losses,
    ) -> Result<Prepared, DbError> {
        let settings = self.settings.clone();
        let rule = |state: &NameState<'_>| plan::decide(state, &settings, losses);
        let decided = self.decide_surveyed(world, names, surveyed, rule).await?;
        self.load(world, decided).await
    }

    /// What names want, and what has to be read around them.
    pub fn survey(world: &World, names: &[OwnerName]) -> Surveyed {
        // A claim costs its VM's whole wish: they are computed once.
        let claims = claims_of(world, names);
        let around = names_around(world, names, &claims);
        Surveyed { claims, around }
    }

    /// Reads these names and decides them by another rule, without the transaction that would carry it.
    pub async fn decide_by(
        &self,
        world: &mut World,
        names: &[OwnerName],
        rule: impl FnMut(&NameState<'_>) -> Decision,
    ) -> Result<Decided, DbError> {
        let surveyed = Self::survey(world, names);
        self.decide_surveyed(world, names, surveyed, rule).await
    }

    async fn decide_surveyed(
        &self,
        world: &mut World,
        names: &[OwnerName],
        Surveyed { mut claims, around }: Surveyed,
        mut rule: impl FnMut(&NameState<'_>) -> Decision,
    ) -> Result<Decided, DbError> {
        let begun = Instant::now();
        let read = self.reader.names_and_around(names, &around).await;
        self.metrics.passes.phases.of("read").add_since(begun);
        let read = Read::new(read?);
        let begun = Instant::now();
        let mut also = Vec::new();
        for name in names {
            also.extend(notice_alias(world, name, &read));
        }
        if !also.is_empty() {
            claims = claims_of(world, names);
        }
        // A reverse name points at what its forward names, before it in the same transaction, come to.
        let mut before = Overlay::default();
        let mut decisions = Vec::with_capacity(names.len());
        for (name, claims) in names.iter().zip(&claims) {
            let decision = self.decide(world, name, claims, (&read, &before), &mut rule);
            if !name.is_arpa() {
                before.note(name, &decision);
            }
            decisions.push((name.clone(), decision));
        }
        self.metrics.passes.phases.of("plan").add_since(begun);
        Ok(Decided { read: read.names, decisions, also })
    }

    async fn load(&mut self, world: &World, decided: Decided) -> Result<Prepared, DbError> {
        let Decided { read, decisions, also } = decided;
        let begun = Instant::now();
        let load = carry::load(&self.reader, &mut self.deep, &world.zones, decisions, &read).await?;
        self.metrics.passes.phases.of("plan").add_since(begun);
        let Load { decisions, deferred, batch } = load;
        Ok(Prepared { decisions, deferred, also, batch })
    }

    /// Commits what was prepared.
    pub async fn commit(
        &mut self,
        world: &World,
        writer: &impl Writes,
        batch: &Batch,
    ) -> Result<Committed, WriteError> {
        let begun = Instant::now();
        let committed = writer.commit(batch, &world.zones).await;
        self.metrics.passes.phases.of("write").add_since(begun);
        let committed = committed?;
        self.note_committed(world, batch);
        Ok(committed)
    }

    /// Notes which names stand deep inside zones by now.
    pub fn note_committed(&mut self, world: &World, batch: &Batch) {
        for row in &batch.inserts {
            if let Some(zone) = world.zones.with_id(row.zone) {
                self.deep.add(zone, &row.name);
            }
        }
        for (zone, name) in emptied(batch) {
            self.deep.remove(zone, name);
        }
    }

    fn decide(
        &self,
        world: &World,
        name: &OwnerName,
        claims: &[Claim],
        (read, before): (&Read, &Overlay),
        rule: impl FnOnce(&NameState<'_>) -> Decision,
    ) -> Decision {
        let stands = |target: &OwnerName, address: &Content| {
            stands(world, read, [&self.overlay, before], target, address)
        };
        let state = NameState {
            name,
            zone: zone_of(world, name, read),
            rows: read.names.rows_at(name.as_str()),
            entries: read.names.entries_at(name.as_str()),
            claims,
            zones: &world.zones,
            stray: &|id| read.names.stray(id),
            standing: &|entry, claimed| if claimed { world.living(entry) } else { world.standing(entry) },
            forbidden: &|entry, zone| world.forbidden(entry, zone),
            stands: &stands,
            zone_gone: &|entry| world.zone_gone(entry),
            approved: &self.approved,
        };
        let mut decision = rule(&state);
        note_astray(world, name, read, &mut decision);
        decision
    }
}

/// Whether an address stands, enabled and visible, at a forward name, or is about to.
fn stands(world: &World, read: &Read, decided: [&Overlay; 2], target: &OwnerName, address: &Content) -> bool {
    let Ok(zone) = zone_of(world, target, read) else { return false };
    let rows = read.names.rows_at(target.as_str()).iter();
    let enabled = rows.filter(|row| row.zone == zone.id && !row.disabled);
    if enabled.clone().any(|row| row.rtype == RecordType::Cname) {
        return false;
    }
    let new = (target.clone(), address.clone());
    decided.iter().any(|decided| decided.comes.contains(&new))
        || enabled.filter(|row| decided.iter().all(|decided| !decided.gone.contains(&row.id))).any(|row| {
            row.rtype.is_address() && row.auth == Some(true) && row.content.address() == address.address()
        })
}

/// The names of a zone that have no row of their own left after a batch, empty non-terminals apart.
fn emptied(batch: &Batch) -> impl Iterator<Item = (ZoneId, &OwnerName)> {
    let gone: HashSet<RecordId> = batch.deletes.iter().map(|owned| owned.row().id).collect();
    let mut standing: HashSet<(ZoneId, &OwnerName)> =
        batch.inserts.iter().map(|row| (row.zone, &row.name)).collect();
    let seen = batch.seen.iter().flat_map(|seen| &seen.rows);
    let stays = |row: &&Row| row.rtype != RecordType::Ent && !gone.contains(&row.id);
    standing.extend(seen.filter(stays).map(|row| (row.zone, &row.name)));
    (batch.deletes.iter().map(|owned| (owned.row().zone, &owned.row().name)))
        .filter(move |at| !standing.contains(at))
}

/// What was read.
struct Read {
    names: NameRows,
    /// Where the enabled NS and DNAME rows stand: few, and asked for at each name above each name.
    cuts: HashMap<OwnerName, Vec<(ZoneId, RecordType)>>,
}

impl Read {
    fn new(names: NameRows) -> Self {
        let mut cuts: HashMap<OwnerName, Vec<(ZoneId, RecordType)>> = HashMap::new();
        for row in names.rows().iter().filter(|row| !row.disabled) {
            if matches!(row.rtype, RecordType::Ns | RecordType::Dname) {
                cuts.entry(row.name.clone()).or_default().push((row.zone, row.rtype.clone()));
            }
        }
        Self { names, cuts }
    }
}

fn claims_of(world: &World, names: &[OwnerName]) -> Vec<Vec<Claim>> {
    names.iter().map(|name| world.claims_at(name)).collect()
}

/// The forward names that reverse names point at, and everything above all of them up to the apex.
fn names_around(world: &World, names: &[OwnerName], claims: &[Vec<Claim>]) -> Vec<OwnerName> {
    let targets = claims.iter().flatten().flat_map(|claim| &claim.targets);
    let mut around = carry::around(&world.zones, names.iter().chain(targets.clone()));
    around.extend(targets.cloned());
    around.into_iter().collect()
}

/// The zone in which a name is written, or what forbids it.
fn zone_of<'a>(world: &'a World, name: &OwnerName, read: &Read) -> Result<&'a Zone, Barrier> {
    let zone = world.zones.enclosing(name.as_str()).ok_or(Barrier::NoZone)?;
    if let Some(why) = zone.unwritable() {
        return Err(Barrier::Zone(why));
    }
    let has = |at: &str, rtype: &RecordType| {
        read.cuts.get(at).is_some_and(|cuts| cuts.iter().any(|cut| (cut.0, &cut.1) == (zone.id, rtype)))
    };
    let apex = zone.name.as_str();
    if name.as_str() != apex {
        if has(name.as_str(), &RecordType::Ns) {
            return Err(Barrier::Delegation(name.as_str().into()));
        }
        if has(apex, &RecordType::Dname) {
            return Err(Barrier::Dname(apex.into()));
        }
    }
    for above in name.ancestors_below(apex) {
        if has(above, &RecordType::Ns) {
            return Err(Barrier::Delegation(above.into()));
        }
        if has(above, &RecordType::Dname) {
            return Err(Barrier::Dname(above.into()));
        }
    }
    Ok(zone)
}

/// Notices a CNAME that a classless reverse delegation (RFC 2317) has put at a reverse name, or that it
/// has gone. Returns the names that have to be settled again for it.
fn notice_alias(world: &mut World, name: &OwnerName, read: &Read) -> Vec<OwnerName> {
    if !name.is_arpa() {
        return Vec::new();
    }
    let known = world.inventory.redirect_of(name.as_str()).cloned();
    if known.is_none() && world.inventory.claimants(name.as_str()).next().is_none() {
        return Vec::new();
    }
    let target = alias_at(world, name, read).filter(|target| {
        world
            .zones
            .enclosing(target.as_str())
            .is_some_and(|zone| zone.unwritable().is_none() && world.settings.zones.allows_anyone(&zone.name))
    });
    if !world.inventory.set_redirect(name.clone(), target.clone()) {
        return Vec::new();
    }
    known.into_iter().chain(target).collect()
}

/// Where a name leads that a CNAME has made an alias.
fn alias_at(world: &World, name: &OwnerName, read: &Read) -> Option<OwnerName> {
    let zone = zone_of(world, name, read).ok()?.id;
    let rows = read.names.rows_at(name.as_str()).iter();
    let alias =
        rows.into_iter().find(|row| row.zone == zone && row.rtype == RecordType::Cname && !row.disabled)?;
    OwnerName::parse(&alias.content.to_string()).ok().filter(|target| target != name)
}

/// Says of the VMs whose PTR an alias leads to where nothing may be written for them that it does.
fn note_astray(world: &World, name: &OwnerName, read: &Read, decision: &mut Decision) {
    if !name.is_arpa() {
        return;
    }
    let Some(target) = alias_at(world, name, read) else { return };
    for (vm, barrier) in world.led_astray(name, &target) {
        let refused = Outcome::Refused(barrier);
        match decision.outcomes.iter_mut().find(|(of, kind, _)| (*of, *kind) == (vm, Kind::Ptr)) {
            // By the CNAME itself.
            Some((_, _, outcome @ Outcome::Blocked { .. })) => *outcome = refused,
            Some(_) => {}
            None => decision.outcomes.push((vm, Kind::Ptr, refused)),
        }
    }
}
