//! The steps from a VM to its suffixes, one by one, for `explain`: [`wish`](super::wish()) takes the same ones.

use super::{Nics, OwnerIndex, Settings, Stopped, address::published, text::shown};
use crate::model::{AccountId, OwnerKey, Step, Vm, VmState};
use std::net::IpAddr;

/// The steps, up to the one that says no.
pub fn steps(vm: &Vm, owners: &OwnerIndex, settings: &Settings) -> Vec<Step> {
    let mut steps = vec![Step::new("state", state(vm.state, settings.stopped))];
    if !has_records(vm.state, settings.stopped) {
        return steps;
    }
    let key = match &vm.owner {
        OwnerKey::Account(domain, name) => format!("account {} of domain {domain}", shown(name)),
        OwnerKey::Project(domain, project) => format!("project {project} of domain {domain}"),
    };
    let owner = match owners.resolve(&vm.owner) {
        Ok(owner) => owner,
        Err(why) => {
            let why = why.as_str();
            let says = format!("{key}: frozen, {why}: it keeps what it has and gains nothing");
            steps.push(Step::new("owner", says));
            return steps;
        }
    };
    let path = shown(&owner.domain.path);
    steps.push(Step::new("owner", format!("{key} ({path})")));
    steps.push(Step::new("addresses", addresses(vm, settings)));
    if let Some(text) = owner.network_domain {
        steps.push(Step::new("suffix", format!("{}, the account's network domain", shown(text))));
    } else {
        steps.push(Step::new("suffix", "the account has no network domain"));
        let says = match owners.domain_suffix(owner.domain, settings.inherit_domain) {
            Ok(Some(text)) => format!("{}, the network domain of domain {path}", shown(text)),
            Ok(None) if settings.inherit_domain => format!("nor has domain {path}, nor one above it"),
            Ok(None) => format!("nor has domain {path}; DNS_INHERIT_DOMAIN is not set"),
            Err(why) => format!("frozen: {}: it keeps what it has and gains nothing", why.as_str()),
        };
        steps.push(Step::new("", says));
    }
    let common = settings.common_zone.as_ref();
    let common =
        common.map_or_else(|| "no common zone".to_owned(), |zone| format!("{zone}, the common zone"));
    steps.push(Step::new("", common));
    if let Some(group) = &vm.group {
        steps.push(Step::new("group", self::group(vm, group, owner.account, settings)));
    }
    steps
}

fn has_records(state: VmState, stopped: Stopped) -> bool {
    match state {
        VmState::Live => true,
        VmState::Stopped => stopped != Stopped::Remove,
        VmState::Error | VmState::Destroyed | VmState::Expunging => false,
    }
}

fn state(state: VmState, stopped: Stopped) -> &'static str {
    match (state, stopped) {
        (VmState::Live, _) => "running, or on its way: it may have records",
        (VmState::Stopped, Stopped::Keep) => "stopped: it keeps its records (DNS_STOPPED=keep)",
        (VmState::Stopped, Stopped::Groups) => "stopped: it leaves its groups (DNS_STOPPED=groups)",
        (VmState::Stopped, Stopped::Remove) => {
            "stopped: it has no records (DNS_STOPPED=remove) -> start it, or set DNS_STOPPED=keep"
        }
        (VmState::Error, _) => "Error: it has no records",
        (VmState::Destroyed, _) => "Destroyed: it has no records",
        (VmState::Expunging, _) => "Expunging: it has no records",
    }
}

fn addresses(vm: &Vm, settings: &Settings) -> String {
    let published = published(vm, settings).addresses;
    let nics = match settings.nics {
        Nics::Default => "of its default NIC",
        Nics::All => "of its NICs",
    };
    let list = |all: &mut dyn Iterator<Item = IpAddr>| {
        all.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
    };
    let all = vm.nics.iter().flat_map(|nic| nic.v4.map(IpAddr::V4).into_iter().chain(nic.v6.map(IpAddr::V6)));
    let out = list(&mut all.filter(|address| !published.iter().any(|(known, _)| known == address)));
    let says = match list(&mut published.iter().map(|(address, _)| *address)) {
        none if none.is_empty() => "none that is published".to_owned(),
        some => format!("{some}, {nics}"),
    };
    if out.is_empty() { says } else { format!("{says}; not published: {out} (DNS_NICS, DNS_ADDRESSES)") }
}

fn group(vm: &Vm, group: &str, account: AccountId, settings: &Settings) -> String {
    let typed = shown(group);
    let safe: String = group.chars().filter(char::is_ascii_alphanumeric).collect();
    if safe.is_empty() {
        return format!("{typed}: none of its characters is a letter or a digit, so it has no record");
    }
    if vm.state == VmState::Stopped && settings.stopped == Stopped::Groups {
        return format!("{typed}: left while the VM is stopped");
    }
    format!("{typed}: {}", shown(&format!("{}-{}", safe.to_ascii_lowercase(), account.first8())))
}
