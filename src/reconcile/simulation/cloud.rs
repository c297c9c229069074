//! What is true of the VMs, and the API as a model of CloudStack's: it answers with what is true at the
//! moment it is asked, however late the answer arrives.

use super::{
    scene::{Point, Weather},
    stage::Stage,
    text::{address, name},
};
use crate::{
    cloudstack::{ApiError, Looked, VmListing},
    model::{
        Account, AccountId, Complete, Domain, DomainId, NetworkId, NetworkKind, Nic, NicId, OwnerKey,
        OwnerName, Owners, Vm, VmId, VmState,
    },
    reconcile::servers::Api,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
    time::Duration,
};
use tokio::sync::mpsc::Sender;

/// VMs of a page.
const PAGE: usize = 3;
pub const CLOUD: DomainId = DomainId::from_u128(1);

/// A VM as it is.
#[derive(Debug, Clone)]
pub struct Guest {
    pub vm: Vm,
    /// When it left the API.
    pub expunged: Option<Duration>,
    /// Until then the API shows it to nobody, although it lives.
    pub unseen_until: Duration,
    /// Some event has named it, and some has said that it is gone.
    pub told: bool,
    pub told_gone: bool,
}

impl Guest {
    pub fn lives(&self) -> bool {
        self.expunged.is_none() && !self.vm.state.is_gone()
    }

    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        let of = |nic: &Nic| [nic.v4.map(IpAddr::V4), nic.v6.map(IpAddr::V6)];
        self.vm.nics.iter().flat_map(of).flatten().collect()
    }

    pub fn account(&self) -> &str {
        match &self.vm.owner {
            OwnerKey::Account(_, name) => name,
            OwnerKey::Project(..) => unreachable!("no VM here is of a project"),
        }
    }
}

/// Everything that is true.
#[derive(Debug, Default)]
pub struct Cloud {
    pub guests: BTreeMap<VmId, Guest>,
    /// Network domains of the accounts.
    pub accounts: BTreeMap<String, Option<OwnerName>>,
    /// Accounts that no listing has.
    pub hidden: BTreeSet<String>,
    /// VMs of which an event has said that they are gone before there were any.
    pub foretold: BTreeSet<VmId>,
}

pub fn id(number: u32) -> VmId {
    VmId::from_u128(number.into())
}

/// Its first eight digits are the account's number.
pub fn account_id(label: &str) -> AccountId {
    AccountId::from_u128(if label == "one" { 1 << 96 } else { 2 << 96 })
}

impl Cloud {
    pub fn new() -> Self {
        let accounts = [("one".to_owned(), Some(name("a.org"))), ("two".to_owned(), None)];
        Self { accounts: accounts.into(), ..Self::default() }
    }

    /// `vm 1 web one .1,::1 www shared`: it is so from now on.
    pub fn set_vm(&mut self, words: &[&str]) {
        let number: u32 = words[0].parse().unwrap();
        let addresses: Vec<IpAddr> = words[3].split(',').filter_map(address).collect();
        let v4 = addresses.iter().find_map(|ip| if let IpAddr::V4(v4) = ip { Some(*v4) } else { None });
        let v6 = addresses.iter().find_map(|ip| if let IpAddr::V6(v6) = ip { Some(*v6) } else { None });
        let shared = words[5] == "shared";
        let nic = Nic {
            id: NicId::from_u128(number.into()),
            network: NetworkId::from_u128(u128::from(shared)),
            kind: if shared { NetworkKind::Shared } else { NetworkKind::Isolated },
            is_default: true,
            device: 0,
            v4,
            v6,
            ips: Box::default(),
        };
        let vm = Vm {
            id: id(number),
            name: words[1].into(),
            state: VmState::Live,
            owner: OwnerKey::Account(CLOUD, words[2].into()),
            // The higher the number, the older: ages and ids disagree.
            created: 100 - i64::from(number),
            group: (words[4] != "-").then(|| words[4].into()),
            nics: [nic].into(),
            flaws: Box::default(),
        };
        let fresh = Guest {
            vm: vm.clone(),
            expunged: None,
            unseen_until: Duration::ZERO,
            told: false,
            told_gone: self.foretold.contains(&id(number)),
        };
        let guest = self.guests.entry(id(number)).or_insert(fresh);
        // CloudStack never gives an id to another VM.
        if guest.expunged.is_none() {
            guest.vm = vm;
        }
    }

    pub fn guest(&mut self, word: &str) -> Option<&mut Guest> {
        self.guests.get_mut(&id(word.parse().unwrap()))
    }

    fn shown(&self, now: Duration) -> impl Iterator<Item = &Vm> {
        let guests = self.guests.values();
        guests
            .filter(move |guest| guest.expunged.is_none() && guest.unseen_until <= now)
            .map(|guest| &guest.vm)
    }

    fn owners(&self) -> Owners {
        let root = Domain { id: CLOUD, parent: None, path: "ROOT".into(), level: 0, network_domain: None };
        let listed = self.accounts.iter().filter(|(label, _)| !self.hidden.contains(*label));
        let account = |(label, suffix): (&String, &Option<OwnerName>)| Account {
            id: account_id(label),
            name: label.as_str().into(),
            domain: CLOUD,
            network_domain: suffix.as_ref().map(|suffix| suffix.as_str().into()),
        };
        Owners { accounts: listed.map(account).collect(), domains: vec![root], projects: vec![] }
    }
}

/// The API.
#[derive(Clone)]
pub struct ApiModel(pub Stage, pub u64);

fn down() -> ApiError {
    ApiError::Unavailable { command: "simulated", status: 503 }
}

impl ApiModel {
    /// One request: what is true when the server looks, on its way for as long as it takes.
    async fn ask<T>(&self, what: &str, look: impl FnOnce(&Cloud, Duration) -> T) -> Result<T, ApiError> {
        if self.0.call(Point::Ask, what).await != Weather::Fair {
            return Err(down());
        }
        let answer = {
            let scene = self.0.lock();
            look(&scene.cloud, scene.now())
        };
        if self.0.call(Point::Hear, what).await == Weather::Fair { Ok(answer) } else { Err(down()) }
    }

    async fn page(&self, number: usize) -> Result<(Vec<Vm>, usize), ApiError> {
        self.ask(&format!("page {number}"), |cloud, now| {
            let all: Vec<&Vm> = cloud.shown(now).collect();
            (all.iter().skip(number * PAGE).take(PAGE).map(|vm| (*vm).clone()).collect(), all.len())
        })
        .await
    }
}

impl Api for ApiModel {
    async fn look_up(&self, ids: &[VmId]) -> Result<Looked, ApiError> {
        let found = self.ask("look up", |cloud, now| {
            let shown: BTreeMap<VmId, &Vm> = cloud.shown(now).map(|vm| (vm.id, vm)).collect();
            ids.iter().map(|id| (*id, shown.get(id).map(|vm| (*vm).clone()))).collect()
        });
        let begun = self.0.lock().now();
        let found: Vec<(VmId, Option<Vm>)> = found.await?;
        // One that it lacks it says nothing new of.
        let shown: Vec<VmId> = found.iter().filter(|(_, vm)| vm.is_some()).map(|(id, _)| *id).collect();
        let mut scene = self.0.lock();
        let now = scene.now();
        scene.knowledge.entry(self.1).or_default().heard(&shown, begun, now);
        Ok(Looked { found, failed: vec![] })
    }

    async fn owners(&self) -> Result<Complete<Owners>, ApiError> {
        self.ask("owners", |cloud, _| cloud.owners()).await.map(Complete::attest)
    }

    /// As the client reads them: pages by offset over ids, the last of them short, and an error where they
    /// do not add up to the count.
    async fn list_vms(&self, pages: Sender<Vec<Vm>>) -> Result<Complete<VmListing>, ApiError> {
        let (mut listing, mut seen, mut count) = (VmListing::default(), HashSet::new(), None);
        for number in 0.. {
            let (mut vms, total) = self.page(number).await?;
            listing.moved |= count.replace(total).is_some_and(|before| before != total);
            let (len, upto) = (vms.len(), number * PAGE + vms.len());
            if len < PAGE && upto < total {
                return Err(ApiError::Incomplete {
                    command: "simulated",
                    page: number + 1,
                    got: upto,
                    count: total as u64,
                });
            }
            vms.retain(|vm| {
                let fresh = seen.insert(vm.id);
                listing.moved |= !fresh;
                fresh
            });
            listing.total += vms.len();
            if !vms.is_empty() && pages.send(vms).await.is_err() {
                return Err(ApiError::Abandoned);
            }
            if len < PAGE {
                break;
            }
        }
        Ok(Complete::attest(listing))
    }
}
