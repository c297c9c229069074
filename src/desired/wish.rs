//! One VM's wishes.

use super::{
    FrozenWhy, OwnerIndex, Settings, Stopped,
    address::published,
    place::{Places, Refusal},
    suffix::{Suffixes, suffixes},
    text::shown,
};
use crate::model::{
    AccountId, Claim, Kind, Label, NameError, OwnerName, Rejection, Vm, VmState, Wish, Zones,
    is_reverse_name, reverse_name,
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
    wish_for(Asked::All, vm, owners, zones, settings)
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
    let asked = if name.is_arpa() { Asked::Reverse(name) } else { Asked::Forward(name) };
    wish_for(asked, vm, owners, zones, settings)
}

/// Which of a VM's names are asked about.
#[derive(Clone, Copy)]
enum Asked<'a> {
    All,
    /// This forward name.
    Forward(&'a OwnerName),
    /// This reverse name, and for its sake the forward ones, at which it may point.
    Reverse(&'a OwnerName),
}

fn wish_for(asked: Asked<'_>, vm: &Vm, owners: &OwnerIndex, zones: &Zones, settings: &Settings) -> Verdict {
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
            asked,
            vm,
            account: owner.account,
            addresses: &addresses.addresses,
            places: Places { zones, settings, domain_path: &owner.domain.path },
            targets: Vec::new(),
            wish: &mut wish,
        };
        if wisher.forward(found) {
            wisher.reverse();
        }
    }
    Verdict::Wished { wish, blank: addresses.blank }
}

struct Wisher<'a> {
    asked: Asked<'a>,
    vm: &'a Vm,
    account: AccountId,
    /// In ascending order; whether it lies in a Shared network.
    addresses: &'a [(IpAddr, bool)],
    places: Places<'a>,
    /// The VM's own forward names, in the order of design 3.
    targets: Vec<OwnerName>,
    wish: &'a mut Wish,
}

impl Wisher<'_> {
    /// Claims forward names. Returns whether the VM has any business with reverse names: one whose
    /// forward name waits for a zone, or lies in a zone that is no longer writable, keeps its PTR.
    fn forward(&mut self, mut found: Suffixes<'_>) -> bool {
        let bears = |name: &OwnerName| name.first_label().eq_ignore_ascii_case(&self.vm.name);
        let name = match self.asked {
            Asked::Forward(name) if !bears(name) => None,
            _ => Label::parse(&self.vm.name).map_err(|error| self.bad_label(error)).ok(),
        };
        let group = if matches!(self.asked, Asked::Reverse(_)) { None } else { self.group_label() };
        if found.is_empty() {
            let why = "neither its account nor its domain has a network domain, and there is no common zone";
            self.reject(Kind::Name, shown(&self.vm.name), false, "no suffix", why.to_owned());
        }
        let named = name.is_some() && !found.is_empty();
        let labels = [(Kind::Name, name), (Kind::Group, group)];
        let labels = || labels.iter().filter_map(|(kind, label)| Some((*kind, label.as_ref()?)));
        if let Some(rejection) = found.rejection.take() {
            self.wish.unplaced = labels().map(|(kind, label)| (kind, label.clone())).collect();
            self.wish.rejections.push(rejection);
        }
        for suffix in found.suffixes() {
            for (kind, label) in labels() {
                if matches!(self.asked, Asked::Forward(name) if !label.leads_to(suffix, name)) {
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
        let name = match self.asked {
            Asked::Forward(name) => Ok(name.clone()),
            Asked::All | Asked::Reverse(_) => label.at(suffix),
        };
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                let whole = shown(&format!("{label}.{suffix}"));
                self.reject(kind, whole, false, "name too long", format!("it would be {error}"));
                return false;
            }
        };
        match self.places.forward(&name, suffix) {
            Ok(()) => {
                if kind == Kind::Name {
                    self.targets.push(name.clone());
                }
                if !matches!(self.asked, Asked::Reverse(_)) {
                    let addresses = self.addresses.iter().map(|(address, _)| *address).collect();
                    let claim = self.claim(kind, name, addresses);
                    self.wish.claims.push(claim);
                }
                true
            }
            Err(refusal) => {
                self.refuse(kind, &name, refusal);
                false
            }
        }
    }

    fn reverse(&mut self) {
        for &(address, shared) in self.addresses {
            let name = match self.asked {
                Asked::All => reverse_name(address),
                Asked::Reverse(name) if is_reverse_name(name, address) => name.clone(),
                Asked::Reverse(_) | Asked::Forward(_) => continue,
            };
            match self.places.reverse(&name) {
                None => {}
                Some(Ok(())) => {
                    let claim = self.claim(Kind::Ptr, name, vec![address]);
                    self.wish.claims.push(Claim { targets: self.targets.clone(), shared, ..claim });
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
