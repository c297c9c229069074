//! Rows that the older service left behind for VMs that are gone, by its own table
//! `cs_mapping(uuid, record, ipaddress)`.
//!
//! The table names an address only for group names; for a VM's own name and its reverse name it says the
//! name alone. So a row counts as that service's if its address is one that the table knows for the VM,
//! be it by a group name or by a reverse name, and a PTR if it points at one of the VM's names. Where
//! the table knows nothing of the kind, a name's only content is taken for its; anything else may be an
//! operator's, and is told instead.

use super::{
    adopt::{Adoption, Fortune, Table, Take, of},
    column::Column,
};
use crate::model::{AccountId, Claim, Content, Entry, Kind, OwnerName, RecordType, Row, VmId};
use std::net::IpAddr;

/// What the older service's table says about one name for one VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// The VM.
    pub vm: VmId,
    /// What is known of it.
    pub fate: Fate,
    /// The addresses that the table knows for this VM, at this name alone if it says so.
    pub addresses: Vec<IpAddr>,
    /// The table gives the address at this very name.
    pub exact: bool,
    /// The VM's forward names in the table.
    pub names: Vec<OwnerName>,
}

/// What is known of a VM that the older service's table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It lives.
    Lives,
    /// It is proved gone.
    Gone,
    /// It is in no listing, and its absence is not proved.
    Unproved,
}

/// Entries for the rows of VMs that are gone. What a living VM wants at the name is never among them.
pub(super) fn inherit(
    table: &Table<'_, '_>,
    column: &Column<'_, '_>,
    taken: &[Entry],
    take: Take<'_>,
    out: &mut Adoption,
) -> Vec<Entry> {
    let mut heirs: Vec<Entry> = Vec::new();
    let wanted = column.wants.iter().any(|want| !want.contents.is_empty());
    for legacy in take.legacy.iter().filter(|legacy| legacy.fate == Fate::Gone) {
        for row in &table.free {
            let same = |entry: &Entry| entry.rtype == row.rtype && entry.content == row.content;
            let says = |one: &(RecordType, Content)| one.0 == row.rtype && one.1 == row.content;
            let living = column.wants.iter().any(|want| want.contents.iter().any(says));
            if living || taken.iter().chain(&heirs).any(same) || !is_its(table, row, legacy, wanted) {
                continue;
            }
            let Some(mut entry) = table.entry(&claim(column, row, legacy.vm), row) else { continue };
            entry.held = take.set;
            out.inherited += 1;
            let why = format!("{}, which is gone: goes with the next pass", of(entry.kind, entry.vm));
            out.tell(Fortune::Taken, &row.rtype, &row.content, why);
            heirs.push(entry);
        }
    }
    heirs
}

/// The claim that such a row served. At a group's name it must not stand in the way of the living
/// members, so it counts as one of them.
fn claim(column: &Column<'_, '_>, row: &Row, vm: VmId) -> Claim {
    let group = column.wants.iter().map(|want| want.claim).find(|claim| claim.kind == Kind::Group);
    let kind = match group {
        _ if row.rtype == RecordType::Ptr => Kind::Ptr,
        Some(_) => Kind::Group,
        None => Kind::Name,
    };
    Claim {
        vm,
        kind,
        name: row.name.clone(),
        addresses: Vec::new(),
        targets: Vec::new(),
        account: group.map_or(AccountId::from_u128(0), |claim| claim.account),
        created: 0,
        shared: false,
    }
}

/// Whether the older service wrote this row for that VM, as far as its table can tell.
fn is_its(table: &Table<'_, '_>, row: &Row, legacy: &Legacy, wanted: bool) -> bool {
    if row.rtype == RecordType::Ptr {
        let Content::Name(target) = &row.content else { return false };
        if !legacy.names.is_empty() {
            // It pointed at the name in the domain's zone, also where it wrote that name nowhere.
            return (legacy.names.iter()).any(|name| name.first_label() == target.first_label());
        }
        return !wanted && is_alone(table, row);
    }
    let Some(address) = row.content.address() else { return false };
    let known: Vec<&IpAddr> =
        legacy.addresses.iter().filter(|known| known.is_ipv4() == address.is_ipv4()).collect();
    if legacy.exact || !known.is_empty() {
        known.contains(&&address)
    } else {
        !wanted && is_alone(table, row)
    }
}

/// No other content of its type stands at the name.
fn is_alone(table: &Table<'_, '_>, row: &Row) -> bool {
    let others = table.state.rows.iter().filter(|other| other.zone == row.zone && other.rtype == row.rtype);
    others.filter(|other| other.content != row.content).count() == 0
}

/// Why a row that the table seems to speak of is not taken.
pub(super) fn why_left(row: &Row, take: Take<'_>) -> Option<String> {
    let address = row.content.address();
    let speaks = |legacy: &&Legacy| {
        !legacy.exact
            || legacy.fate == Fate::Gone
            || address.is_some_and(|one| legacy.addresses.contains(&one))
    };
    let legacy = take.legacy.iter().find(speaks)?;
    let vm = legacy.vm;
    Some(match legacy.fate {
        Fate::Lives => format!("listed for VM {vm}, which lives and does not want this here"),
        Fate::Unproved => format!("listed for VM {vm}, whose absence is not proved yet: try again"),
        Fate::Gone => format!("listed for VM {vm}, which is gone, but nothing says that the row was its own"),
    })
}
