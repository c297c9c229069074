//! The full resync's comparison: ticks every name that is exactly as it should be, and marks the rest.
//! It writes nothing by itself; an unchanged world marks nothing (design 6).

use super::world::World;
use crate::model::{
    AccountId, BuildSpread, Claim, Content, Entry, HeldSet, Kind, OwnerId, OwnerName, ReadSeq, Row, Ttl,
    VmId, ZoneId,
};
use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::{BuildHasher, Hash},
};

/// An audit under way: digests of what stands, by name.
pub struct Audit {
    owner: OwnerId,
    ttl: Ttl,
    hasher: RandomState,
    /// For each name (by hash) the sum of its intact entries' digests. A sum, so that the order of the
    /// stream does not matter: the audit reads by record id.
    standing: HashMap<u64, u64, BuildSpread>,
    with_entries: HashSet<VmId, BuildSpread>,
    /// Zones that entries name and that are missing, with those entries' names.
    missing_zones: HashMap<ZoneId, Vec<OwnerName>>,
    /// The held sets that entries are in.
    sets: HashSet<HeldSet>,
    entries: u64,
}

/// Why a name is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The row is not what the entry says, or may be let go of.
    Differs,
    /// The row is, and its VM does not want the name.
    Unclaimed,
    /// All is well but the TTL.
    Ttl,
}

/// What an audit has found.
pub struct Findings {
    /// The names whose claims differ from what stands.
    pub marks: Vec<OwnerName>,
    /// Names that stand as they should, and that others want as well. Nothing is to be written there; whoever
    /// came without an event, or before this process, is to be shown all the same.
    pub waiting: Waiters,
}

/// Who waits for which name, and why he wants it.
pub type Waiters = HashMap<OwnerName, HashSet<(VmId, Kind)>>;

/// One claim as the comparison at the end sees it.
struct Expected {
    name: u64,
    vm: VmId,
    kind: Kind,
    account: AccountId,
    shared: bool,
    digest: u64,
    /// Which of the VM's names it is.
    at: u32,
}

impl Audit {
    /// Nothing read yet.
    pub fn new(owner: OwnerId, ttl: Ttl) -> Self {
        Self {
            owner,
            ttl,
            hasher: RandomState::new(),
            standing: HashMap::default(),
            with_entries: HashSet::default(),
            missing_zones: HashMap::new(),
            sets: HashSet::new(),
            entries: 0,
        }
    }

    /// Takes one entry with the row of its record id; tells what is wrong with the name, if anything.
    pub fn take(&mut self, world: &mut World, entry: &Entry, row: Option<&Row>) -> Option<Flaw> {
        if entry.owner != self.owner {
            return None;
        }
        self.entries += 1;
        self.with_entries.insert(entry.vm);
        self.sets.extend(entry.held);
        world.note_entry(entry);
        let zone = world.zones.of_entry(entry.zone, &entry.name);
        if zone.is_none() {
            self.missing_zones.entry(entry.zone).or_default().push(entry.name.clone());
        }
        let intact = row.is_some_and(|row| {
            zone.is_some_and(|zone| {
                zone.id == row.zone && zone.id == entry.zone && zone.unwritable().is_none()
            }) && row.name == entry.name
                && row.rtype == entry.rtype
                && row.content == entry.content
                && row.ttl == Some(entry.ttl)
                && !row.disabled
                && !entry.on_hold
                // What is in a held set may be desired again: then it has to drop out.
                && entry.held.is_none()
        });
        let name = self.hasher.hash_one(entry.name.as_str());
        let digest = self.digest((entry.vm, entry.account), entry.kind, &entry.content);
        // No PTR may point at what does not stand as the entry says: settle looks there, and where it points.
        if intact {
            let sum = self.standing.entry(name).or_default();
            *sum = sum.wrapping_add(digest);
        }
        // Of its own VM: another one may have the name, too, and want nothing of it for being frozen.
        let known = world.inventory.get(entry.vm);
        let claimed = known.is_some_and(|known| known.has_name(&entry.name));
        if !claimed {
            world.note_kept(entry);
        }
        if !intact {
            return Some(Flaw::Differs);
        }
        if !claimed {
            return Some(Flaw::Unclaimed);
        }
        (entry.ttl != self.ttl).then_some(Flaw::Ttl)
    }

    /// The held sets that were read.
    pub fn held_sets(&self) -> HashSet<HeldSet> {
        self.sets.clone()
    }

    /// VMs that have no entry yet, and of which the proofs are kept all the same.
    pub fn also_of(&mut self, vms: impl Iterator<Item = VmId>) {
        self.with_entries.extend(vms);
    }

    /// How many entries were read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Ends the audit. VMs and zones of which the ledger knows nothing more are forgotten.
    pub fn end(self, world: &mut World, listing: ReadSeq) -> Findings {
        world.prune(&self.with_entries, listing);
        world.note_missing_zones(&self.missing_zones.keys().copied().collect());
        let mut expected = Vec::new();
        // A name that was settled while this audit was under way was settled before its zone counted as gone.
        let gone = self.missing_zones.iter().filter(|(zone, _)| world.is_zone_gone(**zone));
        let mut marks: HashSet<OwnerName> = gone.flat_map(|(_, names)| names.iter().cloned()).collect();
        for known in world.inventory.iter() {
            self.expect(world, &world.claims_of(known.vm()), &mut expected, &mut marks);
        }
        expected.sort_unstable_by_key(|one| (one.name, one.vm));
        let mut waiting = Waiters::new();
        for group in expected.chunk_by(|a, b| a.name == b.name) {
            let stands = self.standing.get(&group[0].name).copied().unwrap_or_default();
            match waiters(group, stands) {
                Some(none) if none.is_empty() => {}
                Some(some) => waiting.extend(name_of(world, &group[0]).map(|name| (name, some))),
                None => marks.extend(name_of(world, &group[0])),
            }
        }
        Findings { marks: marks.into_iter().collect(), waiting }
    }

    fn expect(
        &self,
        world: &World,
        claims: &[Claim],
        expected: &mut Vec<Expected>,
        marks: &mut HashSet<OwnerName>,
    ) {
        let hash = |name: &OwnerName| self.hasher.hash_one(name.as_str());
        let mut standing: Vec<(&OwnerName, &Claim)> = Vec::new();
        for (at, claim) in claims.iter().enumerate() {
            let whose = (claim.vm, claim.account);
            let digest = match claim.kind {
                Kind::Ptr => {
                    // The target is the first forward name at which the address stands. Where the first
                    // one does not stand by a row of ours, only the rows can tell: settle looks. So it does
                    // for an alias, which may lead elsewhere by now, or be none.
                    let alias = world.inventory.redirect_of(claim.name.as_str());
                    let confirmed = claim
                        .targets
                        .first()
                        .filter(|target| standing.iter().any(|(name, _)| name == target) && alias.is_none());
                    let Some(target) = confirmed else {
                        marks.insert(claim.name.clone());
                        marks.extend(alias.cloned());
                        continue;
                    };
                    self.digest(whose, claim.kind, &Content::Name(target.clone()))
                }
                Kind::Name | Kind::Group => {
                    let sum = claim.addresses.iter().fold(0_u64, |sum, address| {
                        sum.wrapping_add(self.digest(whose, claim.kind, &Content::from(*address)))
                    });
                    if claim.kind == Kind::Name && self.standing.get(&hash(&claim.name)) == Some(&sum) {
                        standing.push((&claim.name, claim));
                    }
                    sum
                }
            };
            expected.push(Expected {
                name: hash(&claim.name),
                vm: claim.vm,
                kind: claim.kind,
                account: claim.account,
                shared: claim.shared,
                digest,
                at: u32::try_from(at).unwrap_or(u32::MAX),
            });
        }
    }

    fn digest(&self, whose: (VmId, AccountId), kind: Kind, content: &impl Hash) -> u64 {
        self.hasher.hash_one((whose, kind, content))
    }
}

/// Who waits where what stands at a name is what one of the possible holders wants; none where it is not.
/// Who holds is the ledger's word: a holder keeps the name, so any claim that is wholly served is as it
/// should be.
fn waiters(claims: &[Expected], stands: u64) -> Option<HashSet<(VmId, Kind)>> {
    let but = |served: &dyn Fn(&Expected) -> bool| {
        claims.iter().filter(|claim| !served(claim)).map(|claim| (claim.vm, claim.kind)).collect()
    };
    if claims.iter().any(|claim| claim.kind == Kind::Group) {
        let mut accounts: HashMap<AccountId, u64> = HashMap::new();
        for claim in claims.iter().filter(|claim| claim.kind == Kind::Group) {
            let sum = accounts.entry(claim.account).or_default();
            *sum = sum.wrapping_add(claim.digest);
        }
        let (holder, _) = accounts.into_iter().find(|(_, sum)| *sum == stands)?;
        return Some(but(&|claim| claim.kind == Kind::Group && claim.account == holder));
    }
    let shared = claims.iter().any(|claim| claim.shared);
    let holds =
        |claim: &&Expected| claim.digest == stands && (claim.kind == Kind::Name || claim.shared == shared);
    let holder = claims.iter().find(holds)?.vm;
    Some(but(&|claim| claim.vm == holder))
}

fn name_of(world: &World, expected: &Expected) -> Option<OwnerName> {
    let known = world.inventory.get(expected.vm)?;
    world.claims_of(known.vm()).into_iter().nth(expected.at as usize).map(|claim| claim.name)
}
