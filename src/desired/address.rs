//! Which addresses of a VM are published.

use super::{Nics, Settings, text::shown};
use crate::model::{Kind, NetworkKind, Nic, Rejection, Vm};
use std::net::IpAddr;

/// The most unreadable values of one VM that are shown.
const MOST_FLAWS: usize = 8;

/// The addresses to publish.
pub(super) struct Published {
    /// In ascending order, each once; whether it lies in a Shared network.
    pub addresses: Vec<(IpAddr, bool)>,
    /// The NICs that count show no usable address at all, whatever the operator's filter says.
    pub blank: bool,
    /// Addresses that are none to publish.
    pub rejections: Vec<Rejection>,
}

pub(super) fn published(vm: &Vm, settings: &Settings) -> Published {
    let mut out = Published { addresses: Vec::new(), blank: true, rejections: Vec::new() };
    let reject = |reason, detail| Rejection {
        kind: Kind::Name,
        name: shown(&vm.name).into(),
        pending: false,
        reason,
        detail,
    };
    for flaw in vm.flaws.iter().take(MOST_FLAWS) {
        let detail = format!("CloudStack's answer has a value that cannot be read: {}", shown(flaw));
        out.rejections.push(reject("unreadable value", detail));
    }
    let mut left_out = Vec::new();
    for nic in counting(vm, settings.nics) {
        for address in nic.v4.map(IpAddr::V4).into_iter().chain(nic.v6.map(IpAddr::V6)) {
            if let Some(fault) = fault(address) {
                let detail = format!("{address} of NIC {} is {fault}", nic.id);
                out.rejections.push(reject("unusable address", detail));
                continue;
            }
            out.blank = false;
            if settings.publishes(address) {
                let shared = nic.kind == NetworkKind::Shared;
                match out.addresses.binary_search_by_key(&address, |(address, _)| *address) {
                    Ok(at) => out.addresses[at].1 |= shared,
                    Err(at) => out.addresses.insert(at, (address, shared)),
                }
            } else {
                left_out.push(address);
            }
        }
    }
    if let (true, Some(address)) = (out.addresses.is_empty(), left_out.first()) {
        let detail = format!("DNS_ADDRESSES leaves out all its addresses, such as {address}");
        out.rejections.push(reject("not in DNS_ADDRESSES", detail));
    }
    if out.blank {
        let which = match settings.nics {
            Nics::Default => "the default NIC has",
            Nics::All => "its NICs have",
        };
        out.rejections.push(reject("no address", format!("{which} no usable address")));
    }
    out
}

/// The NICs whose addresses count.
fn counting(vm: &Vm, nics: Nics) -> impl Iterator<Item = &Nic> {
    // Ties, and VMs where no NIC says that it is the default one: the lowest device, then id.
    let first = vm.nics.iter().min_by_key(|nic| (!nic.is_default, nic.device, nic.id)).map(|nic| nic.id);
    vm.nics.iter().filter(move |nic| nics == Nics::All || Some(nic.id) == first)
}

/// What makes an address one that no record may have.
fn fault(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        Some("the broadcast address")
    } else if is_link_local(address) {
        // Whoever asks would take it for one of his own link, as 169.254.169.254, which hands out a
        // cloud's credentials.
        Some("a link-local address")
    } else if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        // ::ffff:127.0.0.1 would lead where 127.0.0.1 may not.
        Some("an IPv4 address in an IPv6 one")
    } else {
        None
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
