//! One VM's wishes.

use super::{
    FrozenWhy, OwnerIndex, Settings, Stopped,
    address::published,
    place::{Places, Refusal},
    suffix::{Suffixes, suffixes},
    text::shown,
};
use crate::model::{
    AccountId, Claim, Kind, Label, NameError, OwnerName, Rejection, Vm, VmState, Wish, Zones, reverse_name,
};
use std::net::IpAddr;

/// What a VM wants, or why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It wants this.
    Wished {
        /// What it wants and what it cannot have. Empty in a state that has no records.
        wish: Wish,
        /// It wants nothing because it shows no usable address, although its state has records: if it
        /// had some, it keeps them until two resyncs say so (design 3).
        blank: bool,
    },
    /// It keeps what it has and gains nothing.
    Frozen(FrozenWhy),
    /// The API shows it as gone.
    Gone,
}

/// What a VM wants (design 3).
pub fn wish(vm: &Vm, owners: &OwnerIndex, zones: &Zones, settings: &Settings) -> Verdict {
    wish_for(None, vm, owners, zones, settings)
}

/// What a VM wants, as far as it tells what it wants at this name: of its other names, and of what it cannot
/// have, most is left out. Whoever asks about each name by itself asks for this.
pub fn wish_at(
    name: &OwnerName,
    vm: &Vm,
    owners: &OwnerIndex,
    zones: &Zones,
    settings: &Settings,
) -> Verdict {
    wish_for(Some(name), vm, owners, zones, settings)
}

fn wish_for(
    only: Option<&OwnerName>,
    vm: &Vm,
    owners: &OwnerIndex,
    zones: &Zones,
    settings: &Settings,
) -> Verdict {
    let nothing = Verdict::Wished { wish: Wish::default(), blank: false };
    match vm.state {
        VmState::Destroyed | VmState::Expunging => return Verdict::Gone,
        VmState::Error => return nothing,
        VmState::Stopped if settings.stopped == Stopped::Remove => return nothing,
        VmState::Stopped | VmState::Live => {}
    }
    let owner = match owners.resolve(&vm.owner) {
        Ok(owner) => owner,
        Err(why) => return Verdict::Frozen(why),
    };
    let found = match suffixes(&owner, owners, settings) {
        Ok(found) => found,
        Err(why) => return Verdict::Frozen(why),
    };
    let addresses = published(vm, settings);
    let mut wish = Wish { rejections: addresses.rejections, ..Wish::default() };
    if !addresses.addresses.is_empty() {
        let mut wisher = Wisher {
            only,
            vm,
            account: owner.account,
            addresses: &addresses.addresses,
            places: Places { zones, settings, domain_path: &owner.domain.path },
            wish: &mut wish,
        };
        if wisher.forward(found) {
            wisher.reverse();
        }
    }
    Verdict::Wished { wish, blank: addresses.blank }
}

struct Wisher<'a> {
    /// The one name that is asked about. A reverse name needs the forward ones, at which it points.
    only: Option<&'a OwnerName>,
    vm: &'a Vm,
    account: AccountId,
    /// In ascending order; whether it lies in a Shared network.
    addresses: &'a [(IpAddr, bool)],
    places: Places<'a>,
    wish: &'a mut Wish,
}

impl Wisher<'_> {
    /// Claims forward names. Returns whether the VM has any business with reverse names: one whose
    /// forward name waits for a zone, or lies in a zone that is no longer writable, keeps its PTR.
    fn forward(&mut self, Suffixes { suffixes, rejections }: Suffixes) -> bool {
        let name = Label::parse(&self.vm.name).map_err(|error| self.bad_label(error)).ok();
        let group = self.group_label();
        if suffixes.is_empty() && rejections.is_empty() {
            let why = "neither its account nor its domain has a network domain, and there is no common zone";
            self.reject(Kind::Name, shown(&self.vm.name), false, "no suffix", why.to_owned());
        }
        let named = name.is_some() && !(suffixes.is_empty() && rejections.is_empty());
        let labels = [(Kind::Name, name), (Kind::Group, group)];
        let labels = || labels.iter().filter_map(|(kind, label)| Some((*kind, label.as_ref()?)));
        if !rejections.is_empty() {
            self.wish.unplaced = labels().map(|(kind, label)| (kind, label.clone())).collect();
        }
        self.wish.rejections.extend(rejections);
        for suffix in &suffixes {
            for (kind, label) in labels() {
                if self.only.is_some_and(|only| !only.is_arpa() && !label.leads_to(suffix, only)) {
                    continue;
                }
                if !self.at(kind, label, suffix) {
                    self.wish.unplaced.push((kind, label.clone()));
                }
            }
        }
        named
    }

    /// Claims one forward name. Returns whether it has a place.
    fn at(&mut self, kind: Kind, label: &Label, suffix: &OwnerName) -> bool {
        let name = match label.at(suffix) {
            Ok(name) => name,
            Err(error) => {
                let whole = shown(&format!("{label}.{suffix}"));
                self.reject(kind, whole, false, "name too long", format!("it would be {error}"));
                return false;
            }
        };
        match self.places.forward(&name, suffix) {
            Ok(()) => {
                let addresses = self.addresses.iter().map(|(address, _)| *address).collect();
                let claim = self.claim(kind, name, addresses);
                self.wish.claims.push(claim);
                true
            }
            Err(refusal) => {
                self.refuse(kind, &name, refusal);
                false
            }
        }
    }

    fn reverse(&mut self) {
        if self.only.is_some_and(|only| !only.is_arpa()) {
            return;
        }
        let names = self.wish.claims.iter().filter(|claim| claim.kind == Kind::Name);
        let targets: Vec<OwnerName> = names.map(|claim| claim.name.clone()).collect();
        for &(address, shared) in self.addresses {
            let name = reverse_name(address);
            if self.only.is_some_and(|only| *only != name) {
                continue;
            }
            match self.places.reverse(&name) {
                None => {}
                Some(Ok(())) => {
                    let claim = self.claim(Kind::Ptr, name, vec![address]);
                    self.wish.claims.push(Claim { targets: targets.clone(), shared, ..claim });
                }
                Some(Err(refusal)) => self.refuse(Kind::Ptr, &name, refusal),
            }
        }
    }

    /// `<safe group>-<first 8 of the account's UUID>`, none where the VM is in no group that counts.
    fn group_label(&mut self) -> Option<Label> {
        let group = self.vm.group.as_deref()?;
        if self.vm.state == VmState::Stopped && self.places.settings.stopped == Stopped::Groups {
            return None;
        }
        let safe: String = group.chars().filter(char::is_ascii_alphanumeric).collect();
        if safe.is_empty() {
            return None;
        }
        let label = format!("{safe}-{}", self.account.first8());
        match Label::parse(&label) {
            Ok(label) => Some(label),
            Err(error) => {
                let detail = format!("the label of group {} would be {error}", shown(group));
                self.reject(Kind::Group, shown(&label), false, "bad group name", detail);
                None
            }
        }
    }

    fn bad_label(&mut self, error: NameError) {
        let detail = format!("the VM's name is no host name: it has {error}");
        self.reject(Kind::Name, shown(&self.vm.name), false, "bad name", detail);
    }

    fn claim(&self, kind: Kind, name: OwnerName, addresses: Vec<IpAddr>) -> Claim {
        let Vm { id: vm, created, .. } = *self.vm;
        Claim { vm, kind, name, addresses, targets: vec![], account: self.account, created, shared: false }
    }

    fn refuse(&mut self, kind: Kind, name: &OwnerName, Refusal { pending, reason, detail }: Refusal) {
        self.reject(kind, name.to_string(), pending, reason, detail);
    }

    fn reject(&mut self, kind: Kind, name: String, pending: bool, reason: &'static str, detail: String) {
        self.wish.rejections.push(Rejection { kind, name: name.into(), pending, reason, detail });
    }
}
