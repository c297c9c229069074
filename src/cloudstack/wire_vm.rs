//! A VM as `listVirtualMachines` writes it (facts: cloudstack 3.4).

use super::{
    answer, time,
    wire::{Field, Item, List, Listed, Unread},
};
use crate::model::{IpId, NetworkId, NetworkKind, Nic, NicId, OwnerKey, Vm, VmId, VmState};
use serde::Deserialize;
use std::{net::IpAddr, str::FromStr};

/// Most flaws that one VM shows.
const FLAWS: usize = 8;

#[derive(Debug, Deserialize)]
pub(super) struct WireVm<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    /// The guest's host name; `hostname` is the hypervisor's.
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    state: Field<'a>,
    #[serde(borrow, default)]
    account: Field<'a>,
    #[serde(borrow, default)]
    projectid: Field<'a>,
    #[serde(borrow, default)]
    domainid: Field<'a>,
    #[serde(borrow, default)]
    created: Field<'a>,
    #[serde(borrow, default)]
    group: Field<'a>,
    #[serde(borrow, default)]
    nic: List<WireNic<'a>>,
}

#[derive(Debug, Deserialize)]
struct WireNic<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    networkid: Field<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    isdefault: Field<'a>,
    #[serde(borrow, default)]
    deviceid: Field<'a>,
    #[serde(borrow, default)]
    ipaddress: Field<'a>,
    #[serde(borrow, default)]
    ip6address: Field<'a>,
    #[serde(borrow, default)]
    publicipid: Field<'a>,
    #[serde(borrow, default)]
    secondaryip: List<WireIp<'a>>,
}

#[derive(Debug, Deserialize)]
struct WireIp<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
}

impl Listed for Vm {
    const COMMAND: &'static str = "listVirtualMachines";
    type Wire<'a> = WireVm<'a>;

    /// A VM without id, name, state or owner, or whose interfaces are no list, cannot be read: taking it
    /// for one with less than it has would take its records away.
    fn read(wire: WireVm<'_>) -> Result<Self, Unread> {
        let id: VmId = id(&wire.id).ok_or(Unread(None))?;
        let unread = Unread(Some(id));
        let mut flaws = Flaws(Vec::new());
        let created = wire.created.text().and_then(time::read).unwrap_or_else(|| {
            flaws.add("created", &wire.created);
            // The youngest of all: whose age is not known takes no name from anybody.
            i64::MAX
        });
        let group = wire.group.given().map(Box::from);
        if matches!(wire.group, Field::Other) {
            flaws.add("group", &wire.group);
        }
        let nics = match &wire.nic {
            List::Absent => Box::default(),
            List::Items(items) => items
                .iter()
                .map(|item| match item {
                    Item::Object(nic) => Ok(read_nic(nic, &mut flaws)),
                    Item::Other => Err(unread),
                })
                .collect::<Result<_, _>>()?,
            List::Other => return Err(unread),
        };
        Ok(Self {
            id,
            name: wire.name.given().ok_or(unread)?.into(),
            state: VmState::read(wire.state.given().ok_or(unread)?),
            owner: owner(&wire).ok_or(unread)?,
            created,
            group,
            nics,
            flaws: flaws.0.into(),
        })
    }
}

fn owner(wire: &WireVm<'_>) -> Option<OwnerKey> {
    let domain = id(&wire.domainid)?;
    if wire.projectid == Field::Absent || wire.projectid.text() == Some("") {
        return Some(OwnerKey::Account(domain, wire.account.given()?.into()));
    }
    Some(OwnerKey::Project(domain, id(&wire.projectid)?))
}

/// Reads an interface. One whose ids cannot be read still counts with its addresses, under the id 0:
/// only events that name it are missed.
fn read_nic(wire: &WireNic<'_>, flaws: &mut Flaws) -> Nic {
    let nic = id(&wire.id).unwrap_or_else(|| {
        flaws.add("nic id", &wire.id);
        NicId::from_u128(0)
    });
    let network = id(&wire.networkid).unwrap_or_else(|| {
        flaws.add("networkid", &wire.networkid);
        NetworkId::from_u128(0)
    });
    let mut ips: Vec<IpId> = id(&wire.publicipid).into_iter().collect();
    if let List::Items(items) = &wire.secondaryip {
        ips.extend(items.iter().filter_map(|item| match item {
            Item::Object(ip) => id::<IpId>(&ip.id),
            Item::Other => None,
        }));
    }
    let shared = wire.kind.text() == Some("Shared");
    Nic {
        id: nic,
        network,
        kind: if shared { NetworkKind::Shared } else { NetworkKind::Isolated },
        is_default: wire.isdefault.text() == Some("true"),
        device: wire.deviceid.text().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX),
        v4: address(&wire.ipaddress, "ipaddress", flaws),
        v6: address(&wire.ip6address, "ip6address", flaws),
        ips: ips.into(),
    }
}

fn id<T: FromStr>(field: &Field<'_>) -> Option<T> {
    field.text()?.parse().ok()
}

fn address<T: FromStr + Into<IpAddr>>(field: &Field<'_>, what: &str, flaws: &mut Flaws) -> Option<T> {
    if matches!(field, Field::Absent) || field.text() == Some("") {
        return None;
    }
    let address = id(field);
    if address.is_none() {
        flaws.add(what, field);
    }
    address
}

/// Values that could not be read, for an operator: few, short, without control characters.
struct Flaws(Vec<Box<str>>);

impl Flaws {
    fn add(&mut self, what: &str, field: &Field<'_>) {
        if self.0.len() >= FLAWS {
            return;
        }
        let value = match field {
            Field::Absent => "missing".to_owned(),
            Field::Text(text) => {
                format!("{:?}", answer::bounded(text, &[]).chars().take(60).collect::<String>())
            }
            Field::Other => "not a plain value".to_owned(),
        };
        self.0.push(format!("{what}: {value}").into());
    }
}

#[cfg(test)]
mod tests;
