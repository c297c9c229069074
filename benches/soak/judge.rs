//! What must stand once all is quiet, by the cloud and the operators' book alone.

use crate::{
    book::{Book, GROUP_TTL, Line},
    town::{COMMON, REVERSE, Town},
};
use anyhow::Result;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};
use testbed::{Lab, World, sim::Owner};

const TTL: i64 = 60;

/// Type and content.
type Set = BTreeSet<(String, String)>;

/// A VM's names, in order, and addresses.
struct Guest {
    names: Vec<String>,
    groups: Vec<String>,
    addresses: Vec<IpAddr>,
}

fn guests(world: &World, suffixes: &HashMap<String, String>) -> Vec<Guest> {
    let vms = world.vms().into_iter().filter_map(|id| world.vm(&id));
    vms.filter(|vm| vm.state != "Destroyed")
        .map(|vm| {
            let (Owner::Account(account) | Owner::Project(account)) = &vm.owner;
            let all = [suffixes[account].as_str(), COMMON];
            let label = vm.group.as_ref().map(|(_, group)| format!("{group}-{}", &account[..8]));
            let nic = &vm.nics[0];
            let addresses = nic.v4.iter().chain(&nic.v6);
            Guest {
                names: all.map(|suffix| format!("{}.{suffix}", vm.name)).into(),
                groups: label
                    .iter()
                    .flat_map(|label| all.map(|suffix| format!("{label}.{suffix}")))
                    .collect(),
                addresses: addresses.map(|text| text.parse().expect("an address")).collect(),
            }
        })
        .collect()
}

fn record(address: &IpAddr) -> (String, String) {
    (if address.is_ipv4() { "A" } else { "AAAA" }.to_owned(), address.to_string())
}

fn is_reverse(name: &str) -> bool {
    REVERSE.iter().any(|zone| name.ends_with(zone))
}

fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]).rev();
            let labels: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

/// Reverse names of living VMs whose address stands at none of their names: a PTR that there was may stay there,
/// although it points at nothing.
pub async fn unconfirmed(world: &World, town: &Town, book: &Book) -> Result<BTreeSet<String>> {
    let rows = book.rows().await?;
    let standing = standing(&rows);
    let guests = guests(world, &town.suffixes);
    let addresses =
        guests.iter().flat_map(|guest| guest.addresses.iter().map(move |address| (guest, *address)));
    let none = addresses.filter(|(guest, address)| target(guest, *address, &standing).is_none());
    Ok(none.map(|(_, address)| reverse(address)).collect())
}

type Standing<'a> = BTreeSet<(&'a str, &'a str)>;

/// Names and contents of all enabled rows.
fn standing(rows: &BTreeMap<i64, Line>) -> Standing<'_> {
    rows.values().filter(|line| !line.4).map(|line| (line.0.as_str(), line.2.as_str())).collect()
}

/// The first of a VM's names at which an address of it stands.
fn target<'a>(guest: &'a Guest, address: IpAddr, standing: &Standing<'_>) -> Option<&'a str> {
    let text = address.to_string();
    guest.names.iter().map(String::as_str).find(|name| standing.contains(&(*name, text.as_str())))
}

/// Where the tables are not what they must be.
pub async fn complaints(world: &World, town: &Town, book: &Book) -> Result<Vec<String>> {
    let rows = book.rows().await?;
    let mut wrongs = Vec::new();
    for (id, line) in &book.foreign {
        if rows.get(id) != Some(line) {
            wrongs.push(format!("an operator's row was {line:?}, is {:?}", rows.get(id)));
        }
    }
    let mut ours: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for (_, line) in rows.iter().filter(|(id, _)| !book.foreign.contains_key(id)) {
        ours.entry(&line.0).or_default().push(line);
    }
    let at = |name: &str| ours.get(name).map_or(&[][..], Vec::as_slice);
    for (name, (kind, content, ttl)) in &book.edits {
        let stands = |line: &&Line| (&line.1, &line.2, line.3, line.4) == (kind, content, *ttl, false);
        if at(name).iter().filter(|line| stands(line)).count() != 1 {
            wrongs
                .push(format!("an operator's edit of {name} is gone: {kind} {content}, now {:?}", at(name)));
        }
    }
    let guests = guests(world, &town.suffixes);
    let (mut names, mut groups) = (BTreeMap::<&str, Vec<Set>>::new(), BTreeMap::<&str, Set>::new());
    for guest in &guests {
        let records: Set = guest.addresses.iter().map(record).collect();
        for name in &guest.names {
            names.entry(name).or_default().push(records.clone());
        }
        for group in &guest.groups {
            groups.entry(group).or_default().extend(records.clone());
        }
    }
    let taken: BTreeSet<&str> = book.foreign.values().map(|line| line.0.as_str()).collect();
    let forward = ours.iter().filter(|(name, _)| !is_reverse(name));
    let all: BTreeSet<&str> =
        forward.map(|(name, _)| *name).chain(names.keys().chain(groups.keys()).copied()).collect();
    for name in all.into_iter().filter(|name| !book.edits.contains_key(*name)) {
        let lines = at(name);
        let found: Set = lines.iter().map(|line| (line.1.clone(), line.2.clone())).collect();
        let fits = match (groups.get(name), names.get(name)) {
            (Some(group), _) => found == *group,
            (None, Some(_)) if taken.contains(name) => found.is_empty(),
            (None, Some(wishes)) => wishes.contains(&found),
            (None, None) => found.is_empty(),
        };
        if !fits {
            wrongs.push(format!(
                "{name} has {found:?}, wanted are {:?} or {:?}",
                groups.get(name),
                names.get(name)
            ));
        }
        // An RRset has one TTL: beside an operator's A row it is his.
        let beside = groups.contains_key(name) && taken.contains(name);
        let ttl = |line: &Line| if beside && line.1 == "A" { GROUP_TTL } else { TTL };
        if found.len() != lines.len() || lines.iter().any(|line| line.3 != ttl(line) || line.4) {
            wrongs.push(format!("{name}: twice, of a wrong TTL, or disabled: {lines:?}"));
        }
    }
    let standing = standing(&rows);
    let mut pointed = BTreeSet::new();
    for guest in &guests {
        for address in &guest.addresses {
            let from = reverse(*address);
            let found: Vec<&str> = at(&from).iter().map(|line| line.2.as_str()).collect();
            let target = target(guest, *address, &standing);
            // Where the address stands nowhere, a PTR that there was may stay.
            if target.map_or(found.len() > 1, |target| found != [target]) {
                wrongs.push(format!("{from} points at {found:?}, not {target:?}"));
            }
            pointed.insert(from);
        }
    }
    let stray = ours.keys().filter(|name| is_reverse(name) && !pointed.contains(**name));
    wrongs.extend(stray.map(|name| format!("no VM has the address of {name}: {:?}", at(name))));
    wrongs.extend(entries(book).await?);
    Ok(wrongs)
}

/// Entries without their row, and rows without their entry.
async fn entries(book: &Book) -> Result<Vec<String>> {
    let names: Vec<&str> = book.names().into_iter().collect();
    let apart = format!("name NOT IN ('{}')", names.join("', '"));
    let without_row = format!(
        "SELECT CONCAT_WS(' ', 'an entry without its row:', l.name, l.type, l.content) FROM cs_powerdns_ledger l \
         LEFT JOIN records r ON r.id = l.record_id AND r.domain_id = l.zone_id AND r.name = l.name \
         AND r.type = l.type AND r.content = l.content AND r.disabled = 0 WHERE r.id IS NULL AND l.{apart}"
    );
    let without_entry = format!(
        "SELECT CONCAT_WS(' ', 'a row without its entry:', r.name, r.type, r.content) FROM records r \
         LEFT JOIN cs_powerdns_ledger l ON l.record_id = r.id WHERE r.type IN ('A', 'AAAA', 'PTR') \
         AND l.record_id IS NULL AND r.{apart}"
    );
    Ok([book.query(&without_row).await?, book.query(&without_entry).await?].concat())
}

/// What `rectify-zone` would change.
pub async fn unrectified(lab: &Lab, town: &Town, book: &Book) -> Result<Vec<String>> {
    let sql = "SELECT CONCAT_WS(' ', id, name, type, content, ttl, disabled, ordername, auth) FROM records \
               WHERE type IS NULL OR type <> 'SOA'";
    let before: BTreeSet<String> = book.query(sql).await?.into_iter().collect();
    let arguments: Vec<&str> =
        std::iter::once("rectify-zone").chain(town.zones.iter().map(String::as_str)).collect();
    lab.dns().await.pdnsutil(&arguments)?;
    let after: BTreeSet<String> = book.query(sql).await?.into_iter().collect();
    Ok(before.symmetric_difference(&after).map(|row| format!("rectify-zone changes {row}")).collect())
}
