//! What should be, computed the long way round: design 3 to 5 read once more, from what is true and from
//! the tables as they are, with none of the product's rules.

use super::{
    cloud::{Cloud, Guest, account_id},
    scene::{APART, Scene},
    tables::State,
    text::name,
};
use crate::model::{
    AccountId, Content, Entry, Kind, NetworkKind, OwnerName, RecordType, Row, VmId, ZoneId, reverse_name,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// An address that a VM wants at a name; at a reverse name, the address that it is the name of.
pub type Wanted = (VmId, Kind, OwnerName, Content);

/// A VM's claim on a name.
#[derive(Debug, Clone)]
pub struct Wish {
    pub vm: VmId,
    pub kind: Kind,
    pub name: OwnerName,
    pub addresses: BTreeSet<IpAddr>,
    pub targets: Vec<OwnerName>,
    /// Names that a longer zone hides; one may be kept, and then it may be pointed at.
    pub hidden: Vec<OwnerName>,
    pub account: AccountId,
    pub shared: bool,
}

/// What a living VM whose account is listed wants.
pub fn wishes(guest: &Guest, cloud: &Cloud, state: &State) -> Vec<Wish> {
    let addresses = guest.addresses();
    if addresses.is_empty() {
        return vec![];
    }
    let common = name("c.org");
    let own = cloud.accounts[guest.account()].clone();
    let mut suffixes: Vec<OwnerName> = own.into_iter().collect();
    if !suffixes.contains(&common) {
        suffixes.push(common);
    }
    let account = account_id(guest.account());
    let mut labels = vec![(Kind::Name, guest.vm.name.to_string())];
    labels.extend(guest.vm.group.iter().map(|group| (Kind::Group, format!("{group}-{}", account.first8()))));
    let shared = guest.vm.nics[0].kind == NetworkKind::Shared;
    let mut hidden: Vec<OwnerName> = vec![];
    for suffix in &suffixes {
        let at = name(&format!("{}.{suffix}", guest.vm.name));
        if state.enclosing(at.as_str()) != state.zone_named(suffix.as_str()) {
            hidden.push(at);
        }
    }
    let wish = |kind, name, addresses, targets| Wish {
        vm: guest.vm.id,
        kind,
        name,
        addresses,
        targets,
        hidden: hidden.clone(),
        account,
        shared: shared && kind == Kind::Ptr,
    };
    let mut all: Vec<Wish> = vec![];
    for suffix in &suffixes {
        for (kind, label) in &labels {
            let at = name(&format!("{label}.{suffix}"));
            let zone = state.zone_named(suffix.as_str());
            if zone.is_some() && state.enclosing(at.as_str()) == zone {
                all.push(wish(*kind, at, addresses.clone(), vec![]));
            }
        }
    }
    let names = all.iter().filter(|wish| wish.kind == Kind::Name);
    let targets: Vec<OwnerName> = names.map(|wish| wish.name.clone()).collect();
    for address in addresses {
        let at = reverse_name(address);
        if state.enclosing(at.as_str()).is_some() {
            all.push(wish(Kind::Ptr, at, [address].into(), targets.clone()));
        }
    }
    all
}

/// What all VMs want now, as far as anybody could know: absence has to be proved, and a VM whose owner
/// nobody lists keeps what it has.
pub fn wanted(cloud: &Cloud, state: &State, before: &BTreeSet<Wanted>, now: Duration) -> BTreeSet<Wanted> {
    let mut all = BTreeSet::new();
    for guest in cloud.guests.values() {
        let gone = match guest.expunged {
            // A listing that did not show it before counts as the first that lacks it.
            Some(at) => guest.told_gone || !guest.unseen_until.is_zero() || now >= at + APART,
            None => guest.told_gone && now < guest.unseen_until,
        };
        if gone || guest.vm.state.is_gone() {
            continue;
        }
        if guest.expunged.is_some() {
            all.extend(before.iter().filter(|one| one.0 == guest.vm.id).cloned());
            continue;
        }
        for wish in wishes(guest, cloud, state) {
            let contents = wish.addresses.iter().map(|address| Content::from(*address));
            all.extend(contents.map(|content| (wish.vm, wish.kind, wish.name.clone(), content)));
        }
    }
    all
}

/// The verdict table of design 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Intact,
    Retimed,
    Edited,
    Deleted,
    NoZone,
}

/// An entry, its verdict, its row and its zone.
#[derive(Debug, Clone)]
pub struct Line {
    pub entry: Entry,
    pub verdict: Verdict,
    pub row: Option<Row>,
    pub zone: Option<ZoneId>,
}

impl Line {
    pub fn is_ours(&self) -> bool {
        matches!(self.verdict, Verdict::Intact | Verdict::Retimed)
    }

    /// The claim that it is of.
    pub fn claim(&self) -> (VmId, Kind, Option<ZoneId>) {
        (self.entry.vm, self.entry.kind, self.zone)
    }
}

/// Zones are matched by name, ids may change.
fn zone_of(state: &State, entry: &Entry) -> Option<ZoneId> {
    let former = state.wrote.get(&entry.zone).map(|(apex, ..)| apex);
    state.zone_named(former.or(state.zones.get(&entry.zone))?.as_str())
}

/// The entries of one name.
pub fn lines(state: &State, at: &OwnerName) -> Vec<Line> {
    let rows = || state.rows.values().filter(|row| row.name == *at && row.rtype != RecordType::Ent);
    let mut lines: Vec<Line> = vec![];
    for entry in state.entries.values().filter(|entry| entry.name == *at) {
        let zone = zone_of(state, entry);
        let equal: Vec<&Row> = rows()
            .filter(|row| Some(row.zone) == zone && row.rtype == entry.rtype && row.content == entry.content)
            .collect();
        let row = equal.iter().find(|row| row.id == entry.record).or(equal.first());
        let row = row.map(|row| (*row).clone());
        lines.push(Line { entry: entry.clone(), verdict: Verdict::NoZone, row, zone });
    }
    let taken: Vec<u64> = lines.iter().filter_map(|line| line.row.as_ref()).map(|row| row.id).collect();
    for line in &mut lines {
        let Some(zone) = line.zone else { continue };
        let id = line.entry.record;
        let in_place = state.rows.get(&id).is_some_and(|row| row.zone == zone) && !taken.contains(&id);
        let foreign =
            |row: &Row| row.zone == zone && row.rtype == line.entry.rtype && !taken.contains(&row.id);
        line.verdict = match &line.row {
            Some(row) if row.disabled => Verdict::Edited,
            Some(row) if row.ttl == Some(line.entry.ttl) => Verdict::Intact,
            Some(_) if line.entry.kind == Kind::Group => Verdict::Retimed,
            Some(_) => Verdict::Edited,
            None if in_place || rows().any(foreign) => Verdict::Edited,
            None => Verdict::Deleted,
        };
    }
    lines
}

/// Whether something forbids to write at a name: a delegation or an alias of the tree above it.
fn is_barred(state: &State, at: &OwnerName, zone: ZoneId) -> bool {
    let apex = &state.zones[&zone];
    state.rows.values().any(|row| {
        row.zone == zone
            && !row.disabled
            && row.name != *apex
            && matches!(row.rtype, RecordType::Ns | RecordType::Dname)
            && at.is_within(row.name.as_str())
    })
}

fn stands(state: &State, at: &OwnerName, address: IpAddr) -> bool {
    let Some(zone) = state.enclosing(at.as_str()) else { return false };
    let here = || state.rows.values().filter(|row| row.name == *at && row.zone == zone && !row.disabled);
    !is_barred(state, at, zone)
        && !here().any(|row| row.rtype == RecordType::Cname)
        && here().any(|row| row.content.address() == Some(address) && row.auth == Some(true))
}

/// Where the tables differ from what they must be once nothing has happened for long enough.
pub fn complaints(scene: &Scene) -> Vec<String> {
    let (cloud, state) = (&scene.cloud, &scene.state);
    let mut complaints = vec![];
    let living: Vec<&Guest> = cloud.guests.values().filter(|guest| guest.lives()).collect();
    let frozen: BTreeSet<VmId> = (living.iter())
        .filter(|guest| cloud.hidden.contains(guest.account()))
        .map(|guest| guest.vm.id)
        .collect();
    let listed = living.iter().filter(|guest| !frozen.contains(&guest.vm.id));
    let mut by_name: BTreeMap<OwnerName, Vec<Wish>> = BTreeMap::new();
    for wish in listed.flat_map(|guest| wishes(guest, cloud, state)) {
        by_name.entry(wish.name.clone()).or_default().push(wish);
    }
    let names: BTreeSet<OwnerName> =
        by_name.keys().chain(state.entries.values().map(|entry| &entry.name)).cloned().collect();
    for at in names {
        let wishes = by_name.remove(&at).unwrap_or_default();
        for what in at_name(scene, &at, &wishes, &frozen) {
            complaints.push(format!("{at}: {what}"));
        }
    }
    for (zone, apex) in &state.zones {
        let (serial, floor) = (state.serial(*zone), state.floor(apex, scene.now()));
        if let (Some(serial), Some(floor)) = (serial, floor)
            && floor.is_after(serial)
        {
            complaints.push(format!("{apex}: its serial {serial} lies below {floor}, which we wrote"));
        }
    }
    complaints
}

fn at_name(scene: &Scene, at: &OwnerName, wishes: &[Wish], frozen: &BTreeSet<VmId>) -> Vec<String> {
    let (cloud, state) = (&scene.cloud, &scene.state);
    let lines = lines(state, at);
    let mut told = vec![];
    for line in &lines {
        let Entry { rtype, content, vm, .. } = &line.entry;
        match line.verdict {
            Verdict::NoZone => told.push(format!("the entry {rtype} {content} has no zone")),
            Verdict::Deleted if !frozen.contains(vm) => {
                told.push(format!("the entry {rtype} {content} has no row"));
            }
            _ => {}
        }
    }
    let Some(zone) = state.enclosing(at.as_str()) else { return told };
    if is_barred(state, at, zone) {
        return told;
    }
    // A VM keeps what it has under one suffix while the zone of another is missing.
    let keeps = |vm: VmId| {
        frozen.contains(&vm)
            || cloud.guests.get(&vm).filter(|guest| guest.lives()).is_some_and(|guest| {
                let own = cloud.accounts[guest.account()].as_ref();
                own.is_some_and(|suffix| state.zone_named(suffix.as_str()).is_none())
            })
    };
    let ours: Vec<&Line> = lines.iter().filter(|line| line.is_ours()).collect();
    for line in &ours {
        let Entry { rtype, content, vm, kind, .. } = &line.entry;
        let wanted = wishes.iter().any(|wish| wish.vm == *vm && wish.kind == *kind);
        // What a longer zone hides stays as long as its VM does.
        let hidden = line.zone != Some(zone) && cloud.guests.get(vm).is_some_and(Guest::lives);
        if !wanted && !hidden && !keeps(*vm) {
            told.push(format!("nobody wants {rtype} {content} of VM {} any more", vm.as_u128()));
        }
    }
    let mine: Vec<u64> = lines.iter().filter_map(|line| line.row.as_ref()).map(|row| row.id).collect();
    let foreign = state.rows.values().any(|row| {
        row.name == *at
            && (row.zone == zone)
            && !mine.contains(&row.id)
            && (row.rtype.is_address() || matches!(row.rtype, RecordType::Cname | RecordType::Ptr))
    });
    let touched = lines.iter().any(|line| line.verdict == Verdict::Edited || line.entry.on_hold);
    let kept = lines.iter().any(|line| keeps(line.entry.vm));
    if foreign || touched || kept || wishes.is_empty() {
        return told;
    }
    let stand = ours.iter().filter(|line| line.zone == Some(zone));
    let stand: BTreeSet<String> = stand.map(|line| line.entry.content.to_string()).collect();
    let fits = candidates(state, wishes);
    if !fits.is_empty() && !fits.contains(&stand) {
        told.push(format!("{stand:?} stand, not one of {fits:?}"));
    }
    told
}

/// What may stand at a name that these want; nothing where that hangs on the past.
fn candidates(state: &State, wishes: &[Wish]) -> Vec<BTreeSet<String>> {
    let all = |wishes: &[&Wish]| -> BTreeSet<String> {
        wishes.iter().flat_map(|wish| &wish.addresses).map(ToString::to_string).collect()
    };
    let groups: Vec<&Wish> = wishes.iter().filter(|wish| wish.kind == Kind::Group).collect();
    if !groups.is_empty() {
        let accounts: BTreeSet<AccountId> = groups.iter().map(|wish| wish.account).collect();
        let of = |account| groups.iter().copied().filter(|wish| wish.account == account).collect::<Vec<_>>();
        return accounts.into_iter().map(|account| all(&of(account))).collect();
    }
    if wishes[0].kind == Kind::Name {
        return wishes.iter().map(|wish| all(&[wish])).collect();
    }
    let confirmed = |wish: &Wish| {
        let address = *wish.addresses.first().unwrap();
        wish.targets.iter().find(|at| stands(state, at, address)).map(ToString::to_string)
    };
    // An alias or a delegation that came by SQL, without another serial, nobody has noticed.
    let shadowed = |at: &OwnerName| {
        let zone = state.enclosing(at.as_str());
        let alias = |row: &Row| row.name == *at && row.rtype == RecordType::Cname;
        zone.is_none_or(|zone| is_barred(state, at, zone)) || state.rows.values().any(alias)
    };
    if wishes.iter().any(|wish| confirmed(wish).is_none() || wish.targets.iter().any(shadowed)) {
        return vec![];
    }
    let shared = wishes.iter().any(|wish| wish.shared);
    let first = wishes.iter().filter(|wish| wish.shared == shared);
    let kept = |wish: &&Wish| {
        let address = *wish.addresses.first().unwrap();
        wish.hidden.iter().find(|at| stands(state, at, address)).map(ToString::to_string)
    };
    let all = first.clone().filter_map(confirmed).chain(first.filter_map(|wish| kept(&wish)));
    all.map(|target| [target].into()).collect()
}
