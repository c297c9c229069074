//! Who keeps what it has, and why (design 3): frozen VMs, those without addresses for a moment, and those
//! whose suffix waits for a zone or is none.

use super::{BELIEVED, World};
use crate::{
    desired::Verdict,
    model::{Entry, Kind, Label, OwnerName, Unwritable, VmId, Wish, Zone},
    plan::Standing,
};

impl World {
    /// What is known about the VM of an entry that claims the name for the entry's reason: it lives, and shows
    /// its addresses and its owner.
    pub fn living(&self, entry: &Entry) -> Standing {
        let announced = self.announced.get(&entry.name).is_some_and(|vms| vms.contains(&entry.vm));
        Standing::Living { announced }
    }

    /// What is known about the VM of an entry.
    pub fn standing(&self, entry: &Entry) -> Standing {
        let Some(known) = self.inventory.get(entry.vm) else {
            return match self.gone.get(&entry.vm) {
                Some(announced) => Standing::Gone { announced: *announced },
                None => Standing::Keep,
            };
        };
        let (wish, blank) = match self.wish(known.vm()) {
            Verdict::Frozen(_) => return Standing::Keep,
            Verdict::Gone => return Standing::Gone { announced: true },
            Verdict::Wished { wish, blank } => (wish, blank),
        };
        if blank && !self.believed_blank(entry.vm) {
            return Standing::Keep;
        }
        let claimed = wish.claims.iter().any(|claim| claim.name == entry.name && claim.kind == entry.kind);
        if !claimed {
            // The very name has no place: a longer zone has come that answers for it, and its row stays.
            // Or it has none under another suffix: the VM's has changed and waits for a zone that may be
            // written, so that a misspelt network domain takes nobody off the net (design 3).
            let waits = |(kind, label): &(Kind, Label)| {
                *kind == entry.kind && label.as_str() == entry.name.first_label()
            };
            if wish.unplaced.iter().any(waits) {
                return Standing::Keep;
            }
        }
        self.living(entry)
    }

    /// Why an entry's row in this zone may not be touched: the zone is unwritable, or `DNS_ZONES` does
    /// not allow it to the VM's owner. For a VM that is gone any item that names the zone will do.
    pub fn forbidden(&self, entry: &Entry, zone: &Zone) -> Option<Unwritable> {
        let owner =
            self.inventory.get(entry.vm).and_then(|known| self.owners.resolve(&known.vm().owner).ok());
        match owner {
            Some(owner) => self.settings.unwritable(zone, Some(&owner.domain.path)),
            None => (zone.unwritable()).or_else(|| {
                (!self.settings.zones.allows_anyone(&zone.name)).then_some(Unwritable::NotAllowed)
            }),
        }
    }

    /// Notes a name of the ledger that its VM does not claim but keeps: known from before a restart.
    pub fn note_kept(&mut self, entry: &Entry) {
        if self.inventory.get(entry.vm).is_some() && self.standing(entry) == Standing::Keep {
            let mut names = self.names_known(entry.vm);
            names.push(entry.name.clone());
            self.inventory.rename_claims(entry.vm, names, false);
        }
    }

    /// The names that a VM claims, and those that it had before and keeps: they have to be known as its
    /// own, to be settled at once when it is renamed or goes.
    pub(super) fn names_wanted(
        &self,
        id: VmId,
        wish: &Wish,
        blank: bool,
    ) -> (Vec<OwnerName>, Vec<OwnerName>) {
        let names: Vec<OwnerName> = wish.claims.iter().map(|claim| claim.name.clone()).collect();
        let waits = blank && !self.believed_blank(id);
        if !waits && wish.unplaced.is_empty() {
            return (names, Vec::new());
        }
        let keeps = |name: &OwnerName| {
            let unplaced = |(_, label): &(Kind, Label)| label.as_str() == name.first_label();
            (waits || wish.unplaced.iter().any(unplaced)) && !names.contains(name)
        };
        let kept = self.names_known(id).into_iter().filter(keeps).collect();
        (names, kept)
    }

    /// Names that a VM keeps while their successors are pending: its reverse names go on pointing at them.
    pub(super) fn kept_targets(&self, id: VmId, wish: &Wish) -> Vec<OwnerName> {
        let waiting = wish.unplaced.iter().find(|(kind, _)| *kind == Kind::Name);
        let (Some((_, label)), Some(known)) = (waiting, self.inventory.get(id)) else { return Vec::new() };
        let claimed = |name: &OwnerName| wish.claims.iter().any(|claim| claim.name == *name);
        let kept =
            |name: &OwnerName| name.first_label() == label.as_str() && !name.is_arpa() && !claimed(name);
        known.names().filter(kept).collect()
    }

    pub(super) fn believed_blank(&self, id: VmId) -> bool {
        self.inventory.blankness(id).is_some_and(|seen| seen.count >= BELIEVED)
    }

    /// How many VMs are frozen for want of their owner.
    pub fn frozen(&self) -> usize {
        self.frozen.len()
    }

    /// Notes whether a VM is frozen for want of its owner. Returns whether that is news.
    pub(super) fn note_frozen(&mut self, id: VmId, frozen: bool) -> bool {
        if frozen { self.frozen.insert(id) } else { self.frozen.remove(&id) }
    }
}
