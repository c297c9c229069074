//! What is known, together with the rules that turn it into claims and proofs. No I/O: the engine
//! feeds it what reads showed, and asks it about names.

mod keep;

use crate::{
    desired::{self, OwnerIndex, Verdict},
    inventory::{Difference, Inventory, Known},
    model::{
        Barrier, BuildSpread, Claim, Content, Entry, Kind, OwnerName, ReadSeq, Rejection, Row, Unwritable,
        Vm, VmId, Zone, ZoneId, Zones,
    },
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A VM of the ledger that the inventory does not know.
#[derive(Debug, Clone, Default)]
pub struct Orphan {
    /// The names of its entries.
    pub names: HashSet<OwnerName>,
    /// The first and the latest complete listing that lacked it.
    pub lacked: Option<(ReadSeq, ReadSeq)>,
}

/// What one read of a VM changed.
#[derive(Debug, Default)]
pub struct Applied {
    /// Owner names to settle again.
    pub touched: Vec<OwnerName>,
    /// What the VM cannot have; none if nothing was applied.
    pub rejections: Option<Vec<Rejection>>,
    /// The VM is one that its owner's listing lacks; where claims were computed anew: since now.
    pub ownerless: bool,
}

/// Inventory, owners, zones and settings.
pub struct World {
    /// VMs and their indexes.
    pub inventory: Inventory,
    /// Accounts, domains and projects.
    pub owners: OwnerIndex,
    /// Zones.
    pub zones: Arc<Zones>,
    /// What an operator has set for claims.
    pub settings: desired::Settings,
    /// VMs that are proved gone, and whether that was announced.
    gone: HashMap<VmId, bool, BuildSpread>,
    /// VMs of which a trigger announced a change, by the names that it touched and that are not
    /// settled yet.
    announced: HashMap<OwnerName, Vec<VmId>>,
    /// VMs that only the ledger knows.
    orphans: HashMap<VmId, Orphan, BuildSpread>,
    /// VMs whose owner is in no listing: what has changed about them is settled when they thaw.
    frozen: HashSet<VmId, BuildSpread>,
    /// Zone ids of entries that no zone has, and how many resyncs have seen that.
    missing_zones: HashMap<ZoneId, u8>,
    /// Names that the listing under way, or the last one, has changed silently: its audit marks them in
    /// its time, but an event that named the VM wants them at once, and announces what they lose.
    absorbed: HashMap<VmId, Vec<OwnerName>, BuildSpread>,
    /// Whether listings are noted there: the first one changes everything.
    absorbing: bool,
    reads: u64,
}

impl World {
    /// Nothing known yet.
    pub fn new(settings: desired::Settings) -> Self {
        Self {
            inventory: Inventory::default(),
            owners: OwnerIndex::default(),
            zones: Arc::default(),
            settings,
            gone: HashMap::default(),
            announced: HashMap::new(),
            orphans: HashMap::default(),
            frozen: HashSet::default(),
            missing_zones: HashMap::new(),
            absorbed: HashMap::default(),
            absorbing: false,
            reads: 0,
        }
    }

    /// The place of a read that begins now.
    pub fn begin_read(&mut self) -> ReadSeq {
        self.reads += 1;
        ReadSeq(self.reads)
    }

    /// A listing begins. `first`: nothing was settled before it.
    pub fn begin_listing(&mut self, first: bool) {
        self.absorbed = HashMap::default();
        self.absorbing = !first;
    }

    fn wish(&self, vm: &Vm) -> Verdict {
        desired::wish(vm, &self.owners, &self.zones, &self.settings)
    }

    fn wish_at(&self, name: &OwnerName, vm: &Vm) -> Verdict {
        desired::wish_at(name, vm, &self.owners, &self.zones, &self.settings)
    }

    /// Takes what a read showed of one VM. `listing`: it was a full listing, which counts as a resync
    /// for a VM that shows no address; `triggered`: an event had named the VM.
    pub fn apply(&mut self, vm: Vm, read: ReadSeq, listing: bool, triggered: bool) -> Applied {
        let id = vm.id;
        let mut applied = self.observe(vm, read, listing, triggered);
        if listing && self.absorbing && !applied.touched.is_empty() {
            self.absorbed.entry(id).or_default().extend(applied.touched.iter().cloned());
        }
        if triggered && let Some(names) = self.absorbed.remove(&id) {
            for name in &names {
                self.announced.entry(name.clone()).or_default().push(id);
            }
            applied.touched.extend(names);
        }
        applied
    }

    fn observe(&mut self, vm: Vm, read: ReadSeq, listing: bool, triggered: bool) -> Applied {
        let id = vm.id;
        let (names, rejections, blank, ownerless) = match self.wish(&vm) {
            Verdict::Gone => return self.bury(id, read, true),
            // It keeps what it has, so its names stay known: they are settled again when it thaws or goes.
            Verdict::Frozen(_) => (self.names_known(id), Vec::new(), false, true),
            Verdict::Wished { wish, blank } => {
                let (mut names, kept) = self.names_wanted(id, &wish, blank);
                names.extend(kept);
                (names, wish.rejections, blank, false)
            }
        };
        let change = self.inventory.put(vm, read, names);
        if !change.applied {
            return Applied::default();
        }
        let mut touched = change.touched;
        if self.note_frozen(id, ownerless) && !ownerless && touched.is_empty() {
            touched = self.names_known(id);
        }
        if self.gone.remove(&id).is_some() {
            tracing::debug!(vm = %id, "VM is back");
        }
        if let Some(orphan) = self.orphans.remove(&id) {
            touched.extend(orphan.names);
        }
        if !blank {
            self.inventory.clear_blank(id);
        } else if listing && self.inventory.note_blank(id, read) == BELIEVED {
            touched.extend(self.inventory.rename_claims(id, Vec::new(), false));
        }
        let differs = change.before.is_some_and(|before| before != Difference::default());
        if triggered && differs {
            for name in &touched {
                self.announced.entry(name.clone()).or_default().push(id);
            }
        }
        Applied { touched, rejections: Some(rejections), ownerless }
    }

    /// Notes that a VM is proved gone.
    pub fn bury(&mut self, id: VmId, read: ReadSeq, announced: bool) -> Applied {
        let mut touched = self.inventory.remove(id, read);
        if self.inventory.get(id).is_some() {
            return Applied::default();
        }
        let known = self.gone.get(&id).copied();
        self.gone.insert(id, announced || known.unwrap_or(false));
        self.frozen.remove(&id);
        if let Some(orphan) = self.orphans.remove(&id) {
            touched.extend(orphan.names);
        }
        Applied { touched, rejections: Some(Vec::new()), ownerless: false }
    }

    /// Computes a VM's claims anew, after owners or zones have changed.
    pub fn recompute(&mut self, id: VmId) -> Applied {
        let Some(known) = self.inventory.get(id) else { return Applied::default() };
        let Verdict::Wished { wish, blank } = self.wish(known.vm()) else {
            let ownerless = self.note_frozen(id, true);
            return Applied { rejections: Some(Vec::new()), ownerless, ..Applied::default() };
        };
        let thaws = self.note_frozen(id, false);
        let (mut names, kept) = self.names_wanted(id, &wish, blank);
        names.extend(kept.iter().cloned());
        let mut touched = self.inventory.rename_claims(id, names, thaws);
        touched.extend(kept);
        let rejections = wish.rejections;
        Applied { touched, rejections: Some(rejections), ownerless: false }
    }

    /// Whether a listing's lack of this VM, proved by a look-up, is the second one in a row that began
    /// at least `apart` after the first. `began` tells how long ago a listing began.
    pub fn lacked_twice(
        &mut self,
        id: VmId,
        listing: ReadSeq,
        apart: impl Fn(ReadSeq, ReadSeq) -> bool,
    ) -> bool {
        if self.inventory.get(id).is_some() {
            self.inventory.note_absent(id, listing);
            return self
                .inventory
                .absence(id)
                .is_some_and(|seen| seen.count >= 2 && apart(seen.first, seen.last));
        }
        let Some(orphan) = self.orphans.get_mut(&id) else { return false };
        let first = orphan.lacked.map_or(listing, |(first, _)| first);
        orphan.lacked = Some((first, listing));
        first != listing && apart(first, listing)
    }

    /// What waits for a second complete listing: absences, VMs without addresses, and zones that entries
    /// name and that are missing.
    pub fn open_proofs(&self) -> usize {
        let open = |known: &&Known| {
            let id = known.vm().id;
            let blank = self.inventory.blankness(id).is_some_and(|seen| seen.count < BELIEVED);
            blank || self.inventory.absence(id).is_some()
        };
        let zones = self.missing_zones.values().filter(|seen| **seen < BELIEVED).count();
        self.orphans.len() + zones + self.inventory.iter().filter(open).count()
    }

    fn names_known(&self, id: VmId) -> Vec<OwnerName> {
        self.inventory.get(id).map(|known| known.names().collect()).unwrap_or_default()
    }

    /// The VMs that only the ledger knows.
    pub fn orphans(&self) -> impl Iterator<Item = VmId> {
        self.orphans.keys().copied()
    }

    /// Whether only the ledger knows this VM.
    pub fn is_orphan(&self, id: VmId) -> bool {
        self.orphans.contains_key(&id)
    }

    /// Notes an entry of the ledger: its VM may be one that nobody lists.
    pub fn note_entry(&mut self, entry: &Entry) {
        if self.inventory.get(entry.vm).is_none() && !self.gone.contains_key(&entry.vm) {
            self.orphans.entry(entry.vm).or_default().names.insert(entry.name.clone());
        }
    }

    /// Notes a VM that somebody else's table names.
    pub fn note_vm(&mut self, vm: VmId) {
        if self.inventory.get(vm).is_none() && !self.gone.contains_key(&vm) {
            self.orphans.entry(vm).or_default();
        }
    }

    /// Whether this VM is proved gone.
    pub fn is_gone(&self, vm: VmId) -> bool {
        self.gone.contains_key(&vm) && self.inventory.get(vm).is_none()
    }

    /// Forgets what the ledger has no entries for any more: `with_entries` are the VMs that it has. The
    /// orphans that are left, the listing before this audit has lacked.
    pub fn prune(&mut self, with_entries: &HashSet<VmId, BuildSpread>, listing: ReadSeq) {
        self.gone.retain(|vm, _| with_entries.contains(vm));
        self.orphans.retain(|vm, _| with_entries.contains(vm));
        for orphan in self.orphans.values_mut() {
            orphan.lacked.get_or_insert((listing, listing));
        }
    }

    /// Counts, once a resync, that an entry's zone is missing.
    pub fn note_missing_zones(&mut self, missing: &HashSet<ZoneId>) {
        self.missing_zones.retain(|zone, _| missing.contains(zone));
        for zone in missing {
            let seen = self.missing_zones.entry(*zone).or_default();
            *seen = seen.saturating_add(1);
        }
    }

    /// Whether the entry's zone has been missing for two resyncs.
    pub fn zone_gone(&self, entry: &Entry) -> bool {
        self.is_zone_gone(entry.zone)
    }

    /// Whether the zone of this id has been missing for two resyncs.
    pub fn is_zone_gone(&self, zone: ZoneId) -> bool {
        self.missing_zones.get(&zone).is_some_and(|seen| *seen >= BELIEVED)
    }

    /// Forgets what was announced for a name that has been settled; not of frozen VMs, about whose changes
    /// nothing is decided before their owner is known.
    pub fn settled(&mut self, name: &OwnerName) {
        let Some(mut vms) = self.announced.remove(name) else { return };
        vms.retain(|id| {
            let known = self.inventory.get(*id);
            known.is_some_and(|known| matches!(self.wish(known.vm()), Verdict::Frozen(_)))
        });
        vms.dedup();
        if !vms.is_empty() {
            self.announced.insert(name.clone(), vms);
        }
    }

    /// The claims on a name, in the order of age, with those that a classless reverse delegation
    /// (RFC 2317) sends here and without those that it sends away.
    pub fn claims_at(&self, name: &OwnerName) -> Vec<Claim> {
        let mut claims = self.own_claims_at(name);
        if self.inventory.redirect_of(name.as_str()).is_some() {
            claims.retain(|claim| claim.kind != Kind::Ptr);
        }
        for source in self.inventory.redirects_to(name.as_str()) {
            let sent = self.own_claims_at(source).into_iter();
            let sent = sent.filter(|claim| claim.kind == Kind::Ptr && self.may_write(claim.vm, name));
            claims.extend(sent.map(|claim| Claim { name: name.clone(), ..claim }));
        }
        claims.sort_by_key(|claim| (claim.created, claim.vm));
        claims
    }

    /// Whether the zone that a name lies in is one for this VM: an alias may lead into another tenant's.
    fn may_write(&self, vm: VmId, name: &OwnerName) -> bool {
        let zone = self.zones.enclosing(name.as_str());
        zone.is_some_and(|zone| self.unwritable_for(vm, zone).is_none())
    }

    fn unwritable_for(&self, vm: VmId, zone: &Zone) -> Option<Unwritable> {
        let owner = self.inventory.get(vm).and_then(|known| self.owners.resolve(&known.vm().owner).ok());
        match owner {
            Some(owner) => self.settings.unwritable(zone, Some(&owner.domain.path)),
            None => Some(Unwritable::NotAllowed),
        }
    }

    /// The VMs that claim a reverse name of which an alias leads to where nothing may be written for them,
    /// and why not.
    pub fn led_astray(&self, name: &OwnerName, target: &OwnerName) -> Vec<(VmId, Barrier)> {
        let Some(zone) = self.zones.enclosing(target.as_str()) else { return Vec::new() };
        let claims = self.own_claims_at(name).into_iter().filter(|claim| claim.kind == Kind::Ptr);
        let refused = claims.filter_map(|claim| {
            let why = self.unwritable_for(claim.vm, zone)?;
            Some((claim.vm, Barrier::Alias { target: target.as_str().into(), why }))
        });
        refused.collect()
    }

    fn own_claims_at(&self, name: &OwnerName) -> Vec<Claim> {
        let mut claims = Vec::new();
        for vm in self.inventory.claimants(name.as_str()).map(Known::vm) {
            let mut own = self.claims_in(vm.id, self.wish_at(name, vm));
            own.retain(|claim| claim.name == *name);
            // Mostly there is one claimant, whose claim is all there is.
            if claims.is_empty() { claims = own } else { claims.append(&mut own) }
        }
        claims
    }

    /// Whether some VM's claim wants what this row says.
    pub fn explains(&self, row: &Row) -> bool {
        self.claims_at(&row.name).iter().any(|claim| match (claim.kind, &row.content) {
            (Kind::Ptr, Content::Name(target)) => claim.targets.contains(target),
            (Kind::Ptr, _) => false,
            (Kind::Name | Kind::Group, content) => {
                content.address().is_some_and(|address| claim.addresses.contains(&address))
            }
        })
    }

    /// All claims of a VM.
    pub fn claims_of(&self, vm: &Vm) -> Vec<Claim> {
        self.claims_in(vm.id, self.wish(vm))
    }

    fn claims_in(&self, vm: VmId, wish: Verdict) -> Vec<Claim> {
        let Verdict::Wished { mut wish, .. } = wish else { return Vec::new() };
        if wish.unplaced.is_empty() {
            return wish.claims;
        }
        // The common zone comes last, also where it is the one that is missing.
        let common = self.settings.common_zone.as_ref();
        let is_common = |name: &OwnerName| common.is_some() && name.parent().as_ref() == common;
        let (last, first): (Vec<_>, Vec<_>) = self.kept_targets(vm, &wish).into_iter().partition(is_common);
        for claim in wish.claims.iter_mut().filter(|claim| claim.kind == Kind::Ptr) {
            claim.targets.splice(0..0, first.iter().cloned());
            claim.targets.extend(last.iter().cloned());
        }
        wish.claims
    }

    /// What a VM cannot have, and why.
    pub fn rejections_of(&self, vm: &Vm) -> Vec<Rejection> {
        match self.wish(vm) {
            Verdict::Wished { wish, .. } => wish.rejections,
            Verdict::Frozen(_) | Verdict::Gone => Vec::new(),
        }
    }

    /// The reverse names that a VM claims, or the names that they are aliases of.
    pub fn reverse_names(&self, id: VmId) -> Vec<OwnerName> {
        let Some(known) = self.inventory.get(id) else { return Vec::new() };
        (known.names().filter(OwnerName::is_arpa))
            .map(|name| self.inventory.redirect_of(name.as_str()).cloned().unwrap_or(name))
            .collect()
    }
}

/// How many complete listings must show what nobody announced before it is believed (design 7).
const BELIEVED: u8 = 2;
