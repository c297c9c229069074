//! Several names together: VMs that are renamed, moved, regrouped, frozen and destroyed, their wishes by
//! [`wish`], all names settled, forward ones first.
//!
//! ```text
//! vm 1 web one .1 www shared      VM 1 from now on: name, account, address, group (or `-`), network
//! destroy 1                       it is proved gone
//! freeze 1                        its owner is in no listing, until `vm` says something of it again
//! insert web.a.org A .9           an operator; also `delete 0`, and `update 0 .9`, `update 0 disabled`
//! ```

use super::super::{
    Decision, Losses, Mode, NameState, Settings, Standing,
    bed::{content, name, short},
    decide,
};
use super::history::{Step, any_of};
use crate::{
    desired::{self, OwnerIndex, Verdict, wish},
    model::{
        Account, AccountId, Claim, Content, Domain, DomainId, Entry, Kind, NetworkId, NetworkKind, Nic,
        NicId, OwnerKey, OwnerName, Owners, RecordType, Row, Ttl, Vm, VmId, VmState, Zone, Zones,
    },
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Write as _,
};

const DOMAIN: DomainId = DomainId::from_u128(1);

/// A VM named like the group `www` of account one is among them.
pub fn steps(edits: bool) -> impl Strategy<Value = Vec<Step>> {
    let names = any_of(&["web", "web", "db", "www-00000001"]);
    let place = (any_of(&["one", "one", "two"]), any_of(&[".1", ".2", ".3"]));
    let rest = (any_of(&["-", "-", "www"]), any_of(&["shared", "isolated"]));
    let vm = (1..5_u32, names, place, rest).prop_map(|(vm, name, (account, address), (group, network))| {
        format!("vm {vm} {name} {account} {address} {group} {network}")
    });
    let end =
        (any_of(&["destroy", "destroy", "freeze"]), 1..5_u32).prop_map(|(how, vm)| format!("{how} {vm}"));
    let at = any_of(&["web.a.org", "web.c.org", "www-00000001.a.org", "1.2.0.192.in-addr.arpa"]);
    let insert = (at, any_of(&[".1", ".9"])).prop_map(|(at, what)| {
        if at.ends_with("arpa") {
            format!("insert {at} PTR x{what}.org")
        } else {
            format!("insert {at} A {what}")
        }
    });
    let update =
        (0..12_u32, any_of(&[".1", ".9", "disabled"])).prop_map(|(at, how)| format!("update {at} {how}"));
    let edit = prop_oneof![2 => insert, 1 => (0..12_u32).prop_map(|at| format!("delete {at}")), 2 => update];
    let line = prop_oneof![6 => vm, 2 => end, if edits { 3 } else { 0 } => edit];
    prop::collection::vec(prop::collection::vec(line, 1..4), 1..6)
}

/// See the module.
pub struct Town {
    vms: BTreeMap<u32, Vm>,
    frozen: HashSet<u32>,
    owners: OwnerIndex,
    zones: Zones,
    rows: Vec<Row>,
    entries: Vec<Entry>,
    next: u64,
    /// What operators have written: their rows, as they left them.
    theirs: BTreeMap<u64, Row>,
}

fn account(number: u128, label: &str, suffix: Option<&str>) -> Account {
    // The first eight digits are the account's number.
    let id = AccountId::from_u128(number << 96);
    Account { id, name: label.into(), domain: DOMAIN, network_domain: suffix.map(Into::into) }
}

fn zone(id: u32, apex: &str) -> Zone {
    Zone::sample(id, &name(apex))
}

impl Town {
    pub fn new() -> Self {
        let root = Domain { id: DOMAIN, parent: None, path: "ROOT".into(), level: 0, network_domain: None };
        let accounts = vec![account(1, "one", Some("a.org")), account(2, "two", None)];
        let zones = [zone(1, "a.org"), zone(3, "c.org"), zone(9, "2.0.192.in-addr.arpa")];
        Self {
            vms: BTreeMap::new(),
            frozen: HashSet::new(),
            owners: OwnerIndex::new(&Owners { accounts, domains: vec![root], projects: vec![] }),
            zones: Zones::new(zones, HashMap::new()),
            rows: vec![],
            entries: vec![],
            next: 100,
            theirs: BTreeMap::new(),
        }
    }

    pub fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = || words[1].parse::<u32>().unwrap();
        match words[0] {
            "vm" => {
                self.frozen.remove(&number());
                self.vms.insert(number(), vm(number(), &words[2..]));
            }
            "destroy" => {
                self.vms.remove(&number());
                self.frozen.remove(&number());
            }
            "freeze" if self.vms.contains_key(&number()) => _ = self.frozen.insert(number()),
            "freeze" => {}
            "insert" => {
                let rtype = RecordType::read(Some(words[2]));
                let what = content(&rtype, words[3]);
                let row = self.row(&name(words[1]), rtype, what, Ttl(60));
                self.theirs.insert(row.id, row.clone());
                self.rows.push(row);
            }
            "delete" => {
                if let Some(at) = (number() as usize).checked_rem(self.rows.len()) {
                    let row = self.rows.remove(at);
                    self.theirs.remove(&row.id);
                }
            }
            "update" => {
                if let Some(at) = (number() as usize).checked_rem(self.rows.len()) {
                    let row = &mut self.rows[at];
                    match words[2] {
                        "disabled" => row.disabled = true,
                        what if row.rtype == RecordType::A => {
                            row.content = content(&row.rtype, what);
                        }
                        what => row.content = Content::read(&row.rtype, &format!("x{what}.org")),
                    }
                    self.theirs.insert(row.id, row.clone());
                }
            }
            other => panic!("nobody does {other}"),
        }
    }

    fn row(&mut self, at: &OwnerName, rtype: RecordType, content: Content, ttl: Ttl) -> Row {
        self.next += 1;
        let zone = self.zones.enclosing(at.as_str()).unwrap().id;
        let (name, auth) = (at.clone(), Some(true));
        Row {
            id: self.next,
            zone,
            name,
            rtype,
            content,
            ttl: Some(ttl),
            disabled: false,
            auth,
            ordername: None,
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let common_zone = Some(name("c.org"));
        let settings = desired::Settings { common_zone, ..desired::Settings::default() };
        let living = self.vms.iter().filter(|(number, _)| !self.frozen.contains(number));
        let mut claims: Vec<Claim> = living
            .flat_map(|(_, vm)| match wish(vm, &self.owners, &self.zones, &settings) {
                Verdict::Wished { wish, .. } => wish.claims,
                other => panic!("{other:?}"),
            })
            .collect();
        claims.sort_by_key(|claim| (claim.created, claim.vm));
        claims
    }

    fn standing(&self, entry: &Entry) -> Standing {
        let number = u32::try_from(entry.vm.as_u128()).unwrap();
        match self.vms.get(&number) {
            None => Standing::Gone { announced: true },
            Some(_) if self.frozen.contains(&number) => Standing::Keep,
            Some(_) => Standing::Living { announced: false },
        }
    }

    fn stands(&self, at: &OwnerName, address: &Content) -> bool {
        self.rows.iter().any(|row| row.name == *at && !row.disabled && row.content == *address)
    }

    /// One pass over all names. Returns what was written.
    pub fn settle(&mut self) -> String {
        let claims = self.claims();
        let mut names: BTreeSet<(bool, OwnerName)> = BTreeSet::new();
        let told =
            (claims.iter().map(|claim| &claim.name)).chain(self.entries.iter().map(|entry| &entry.name));
        names.extend(told.map(|name| (name.is_arpa(), name.clone())));
        let mut written = String::new();
        for (_, name) in names {
            let decision = self.decide(&name, &claims);
            if !decision.is_empty() {
                let _ = writeln!(written, "{name}:\n{}", super::text(&decision));
            }
            self.apply(&name, decision);
        }
        written
    }

    fn decide(&self, at: &OwnerName, claims: &[Claim]) -> Decision {
        let settings = Settings {
            owner: "default".into(),
            ttl: Ttl(60),
            mode: Mode::Sync,
            recreate: true,
            max_loss_percent: 30,
        };
        let rows: Vec<Row> = self.rows.iter().filter(|row| row.name == *at).cloned().collect();
        let entries: Vec<Entry> = self.entries.iter().filter(|entry| entry.name == *at).cloned().collect();
        let claims: Vec<Claim> = claims.iter().filter(|claim| claim.name == *at).cloned().collect();
        let state = NameState {
            name: at,
            zone: Ok(self.zones.enclosing(at.as_str()).unwrap()),
            rows: &rows,
            entries: &entries,
            claims: &claims,
            zones: &self.zones,
            stray: &|id| self.rows.iter().find(|row| row.id == id),
            standing: &|entry, _| self.standing(entry),
            forbidden: &|_, _| None,
            stands: &|target, content| self.stands(target, content),
            zone_gone: &|_| false,
            approved: &HashSet::new(),
        };
        decide(&state, &settings, Losses::Allow)
    }

    fn apply(&mut self, at: &OwnerName, decision: Decision) {
        for (owned, _) in &decision.deletes {
            self.rows.retain(|row| row != owned.row());
        }
        for (owned, ttl) in &decision.retimes {
            self.rows.iter_mut().find(|row| *row == owned.row()).unwrap().ttl = Some(*ttl);
        }
        for insert in decision.inserts {
            let row = self.row(at, insert.rtype, insert.content, insert.ttl);
            self.rows.push(row);
        }
        self.entries.retain(|entry| !decision.endings.iter().any(|ending| ending.entry == *entry));
        for put in decision.puts {
            let mut entry = put.entry;
            let says = |row: &&Row| {
                (&row.name, &row.rtype, &row.content) == (&entry.name, &entry.rtype, &entry.content)
            };
            if entry.record == 0 {
                entry.record = self.rows.iter().filter(says).map(|row| row.id).max().unwrap();
            }
            let key = |entry: &Entry| (entry.name.clone(), entry.rtype.clone(), entry.content.clone());
            self.entries.retain(|other| key(other) != key(&entry));
            self.entries.push(entry);
        }
    }

    /// Who has each name by our entries.
    pub fn holders(&self) -> BTreeMap<OwnerName, BTreeSet<(Kind, VmId)>> {
        let mut holders: BTreeMap<OwnerName, BTreeSet<(Kind, VmId)>> = BTreeMap::new();
        for entry in &self.entries {
            holders.entry(entry.name.clone()).or_default().insert((entry.kind, entry.vm));
        }
        holders
    }

    /// The rows of operators, without those that are what an entry says, and so are ours again.
    pub fn theirs(&mut self) -> Vec<Row> {
        let says = |row: &Row, entry: &Entry| {
            !row.disabled
                && (&row.name, &row.rtype, &row.content) == (&entry.name, &entry.rtype, &entry.content)
        };
        self.theirs.retain(|_, row| !self.entries.iter().any(|entry| says(row, entry)));
        self.theirs.values().cloned().collect()
    }

    /// What holds whatever operators have done.
    pub fn check(&self, theirs: &[Row]) -> Result<(), String> {
        if let Some(row) = theirs.iter().find(|row| !self.rows.contains(row)) {
            return Err(format!("an operator's row has gone or changed: {row:?}"));
        }
        let claims = self.claims();
        for entry in self.entries.iter().filter(|entry| entry.kind == Kind::Ptr) {
            let Content::Name(target) = &entry.content else { unreachable!() };
            let Some(claim) = claims.iter().find(|claim| claim.name == entry.name && claim.vm == entry.vm)
            else {
                if self.standing(entry) == Standing::Keep {
                    continue;
                }
                return Err(format!("a reverse name of nobody: {entry:?}"));
            };
            let address = Content::from(claim.addresses[0]);
            let released = !self.rows.iter().any(|row| {
                (row.id, &row.content, row.disabled) == (entry.record, &entry.content, false)
                    && row.ttl == Some(entry.ttl)
            });
            let confirmed = claim.targets.iter().find(|target| self.stands(target, &address));
            // Another VM's claim, whose address nothing confirms, may come first: then what stands stays.
            let first = claims.iter().filter(|other| other.name == entry.name);
            let unconfirmed =
                first.clone().any(|other| !other.targets.iter().any(|at| self.stands(at, &address)));
            if !released && !unconfirmed && confirmed != Some(target) {
                return Err(format!("{} points at {target}, not at {confirmed:?}", entry.name));
            }
            let ousted = first.clone().any(|other| other.shared) && !claim.shared;
            if !released && !unconfirmed && ousted {
                return Err(format!(
                    "{} is of an Isolated network, and a Shared one has the address",
                    entry.name
                ));
            }
        }
        for (at, holders) in self.holders() {
            let accounts: BTreeSet<u128> = (self.entries.iter())
                .filter(|entry| entry.name == at && entry.kind == Kind::Group)
                .map(|entry| entry.account.as_u128())
                .collect();
            let names = holders.iter().filter(|(kind, _)| *kind != Kind::Group).count();
            if names + accounts.len() > 1 {
                return Err(format!("{at} has more than one holder: {holders:?}"));
            }
        }
        Ok(())
    }

    /// What holds besides where no operator has done anything.
    pub fn check_untouched(&self) -> Result<(), String> {
        let (claims, mut said) = (self.claims(), BTreeSet::new());
        for row in &self.rows {
            let entries = self.entries.iter().filter(|entry| {
                (&entry.name, &entry.rtype, &entry.content) == (&row.name, &row.rtype, &row.content)
                    && entry.record == row.id
            });
            if entries.count() != 1 || !said.insert((row.name.clone(), row.content.clone())) {
                return Err(format!("a row without its own entry: {row:?}"));
            }
        }
        if self.rows.len() != self.entries.len() {
            return Err("entries without rows".to_owned());
        }
        let frozen = |at: &OwnerName| {
            self.entries.iter().any(|entry| entry.name == *at && self.standing(entry) == Standing::Keep)
        };
        for claim in claims.iter().filter(|claim| claim.kind != Kind::Ptr && !frozen(&claim.name)) {
            let here: Vec<&Row> = self.rows.iter().filter(|row| row.name == claim.name).collect();
            let groups = claims.iter().filter(|other| other.name == claim.name && other.kind == Kind::Group);
            let wanted: BTreeSet<String> = if groups.clone().count() > 0 {
                groups.flat_map(|claim| &claim.addresses).map(ToString::to_string).collect()
            } else {
                let holder = self.entries.iter().find(|entry| entry.name == claim.name).map(|entry| entry.vm);
                let holder = claims.iter().find(|other| {
                    other.name == claim.name && other.kind == Kind::Name && Some(other.vm) == holder
                });
                holder.into_iter().flat_map(|claim| &claim.addresses).map(ToString::to_string).collect()
            };
            let found: BTreeSet<String> = here.iter().map(|row| row.content.to_string()).collect();
            if found != wanted || found.is_empty() {
                return Err(format!("{} has {found:?}, not {wanted:?}", claim.name));
            }
        }
        for claim in claims.iter().filter(|claim| claim.kind == Kind::Ptr && !frozen(&claim.name)) {
            let address = Content::from(claim.addresses[0]);
            let mut all = claims.iter().filter(|other| other.name == claim.name);
            let confirmed = all.all(|claim| claim.targets.iter().any(|at| self.stands(at, &address)));
            if confirmed && self.rows.iter().filter(|row| row.name == claim.name).count() != 1 {
                return Err(format!("{} has not one PTR", claim.name));
            }
        }
        Ok(())
    }

    /// A holder keeps its name: whoever had it by name and still wants it has it, unless a group came.
    pub fn check_tenure(&self, before: &BTreeMap<OwnerName, BTreeSet<(Kind, VmId)>>) -> Result<(), String> {
        let (claims, now) = (self.claims(), self.holders());
        for (at, holders) in before {
            for (kind, vm) in holders.iter().filter(|(kind, _)| *kind == Kind::Name) {
                let here = || claims.iter().filter(|claim| claim.name == *at);
                let wants = here().any(|claim| (claim.kind, claim.vm) == (*kind, *vm));
                let group = here().any(|claim| claim.kind == Kind::Group);
                let has = now.get(at).is_some_and(|now| now.contains(&(*kind, *vm)));
                if wants && !group && !has {
                    return Err(format!("{at} was taken from VM {} by {:?}", vm.as_u128(), now.get(at)));
                }
            }
        }
        Ok(())
    }

    pub fn picture(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let disabled = if row.disabled { " disabled" } else { "" };
            let _ = writeln!(out, "#{} {} {} {}{disabled}", row.id, row.name, row.rtype, short(&row.content));
        }
        for entry in &self.entries {
            let vm = entry.vm.as_u128();
            let _ = writeln!(
                out,
                "entry {vm} {} {} {} #{}",
                entry.kind,
                entry.name,
                short(&entry.content),
                entry.record
            );
        }
        out
    }
}

fn vm(number: u32, words: &[&str]) -> Vm {
    let [label, owner, address, group, network] = words else { panic!("no VM {words:?}") };
    let kind = if *network == "shared" { NetworkKind::Shared } else { NetworkKind::Isolated };
    Vm {
        id: VmId::from_u128(number.into()),
        name: (*label).into(),
        state: VmState::Live,
        owner: OwnerKey::Account(DOMAIN, (*owner).into()),
        created: 10 - i64::from(number.max(2)),
        group: (*group != "-").then(|| (*group).into()),
        nics: Box::new([Nic {
            id: NicId::from_u128(number.into()),
            network: NetworkId::from_u128(1),
            kind,
            is_default: true,
            device: 0,
            v4: format!("192.0.2{address}").parse().ok(),
            v6: None,
            ips: Box::new([]),
        }]),
        flaws: Box::new([]),
    }
}
