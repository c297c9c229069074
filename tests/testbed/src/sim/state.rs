//! What the simulated cloud is at one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::entities::{Owner, Vm};

pub(super) const SHARED_NETWORK: &str = "b2b20000-0000-4000-8000-000000000002";

pub(super) struct Domain {
    pub id: String,
    pub name: String,
    pub parent: Option<String>,
    /// `ROOT/a/b`
    pub path: String,
    pub networkdomain: Option<String>,
}

pub(super) struct Account {
    pub id: String,
    pub name: String,
    pub domain: String,
    pub networkdomain: Option<String>,
    pub state: String,
    pub admin: bool,
}

pub(super) struct Project {
    pub id: String,
    pub name: String,
    pub domain: String,
    pub number: usize,
}

/// What a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NetworkKind {
    Isolated,
    Shared,
    L2,
}

impl NetworkKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Isolated => "Isolated",
            Self::Shared => "Shared",
            Self::L2 => "L2",
        }
    }
}

pub(super) struct Network {
    pub id: String,
    pub name: String,
    pub kind: NetworkKind,
    pub domain: String,
}

/// What a key may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All: a root administrator.
    Root,
    /// A domain and those below it: a domain administrator.
    Domain(String),
    /// Accounts by id: a user.
    Accounts(HashSet<String>),
}

pub(super) struct Key {
    pub secret: String,
    pub scope: Scope,
    /// Lower-case names of the commands that the role lacks.
    pub denied: HashSet<String>,
}

pub(super) struct State {
    pub domains: Vec<Domain>,
    pub accounts: Vec<Account>,
    /// Accounts that no listing shows, although their VMs are listed.
    pub unlisted: HashSet<String>,
    account_places: HashMap<String, usize>,
    pub projects: Vec<Project>,
    pub networks: Vec<Network>,
    /// Zones of the server's own DNS framework: id and name, all of them the root administrator's.
    pub dns_zones: Vec<(String, String)>,
    pub keys: HashMap<String, Key>,
    pub version: (u32, u32),
    pub max_page: usize,
    pub enforce: bool,
    /// Added to the clock that judges `expires`, in seconds.
    pub skew: i64,
    /// Whether a tenant's `id=` of another's VM is 200 and empty instead of 531.
    pub hide_foreign_ids: bool,
    vms: Vec<Option<Arc<Vm>>>,
    index: HashMap<String, u64>,
    expunged: HashSet<String>,
    /// Ids that listings lack, and whether look-ups by id do too.
    pub hidden: HashMap<String, bool>,
    /// Numbers in creation order, so that a page is a slice.
    personal: Vec<u64>,
    of_projects: Vec<u64>,
    all: Vec<u64>,
}

/// Which VMs a listing starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Personal,
    Projects,
    All,
}

impl State {
    pub fn new(root: &str) -> Self {
        let domain = Domain {
            id: root.into(),
            name: "ROOT".into(),
            parent: None,
            path: "ROOT".into(),
            networkdomain: None,
        };
        let network = Network {
            id: SHARED_NETWORK.into(),
            name: "shared-dual".into(),
            kind: NetworkKind::Shared,
            domain: root.into(),
        };
        Self {
            domains: vec![domain],
            accounts: Vec::new(),
            unlisted: HashSet::new(),
            account_places: HashMap::new(),
            projects: Vec::new(),
            networks: vec![network],
            dns_zones: Vec::new(),
            keys: HashMap::new(),
            version: (4, 20),
            max_page: 500,
            enforce: false,
            skew: 0,
            hide_foreign_ids: false,
            vms: Vec::new(),
            index: HashMap::new(),
            expunged: HashSet::new(),
            hidden: HashMap::new(),
            personal: Vec::new(),
            of_projects: Vec::new(),
            all: Vec::new(),
        }
    }

    pub fn domain(&self, id: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.id == id)
    }

    pub fn account(&self, id: &str) -> Option<&Account> {
        self.account_places.get(id).map(|place| &self.accounts[*place])
    }

    pub fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.account_places.get(id).map(|place| &mut self.accounts[*place])
    }

    pub fn add_account(&mut self, account: Account) {
        self.account_places.insert(account.id.clone(), self.accounts.len());
        self.accounts.push(account);
    }

    pub fn remove_account(&mut self, id: &str) {
        self.accounts.retain(|account| account.id != id);
        let places = self.accounts.iter().enumerate();
        self.account_places = places.map(|(place, account)| (account.id.clone(), place)).collect();
    }

    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    pub fn network(&self, id: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// How many domains lie above one.
    pub fn above(&self, domain: &Domain) -> usize {
        std::iter::successors(domain.parent.as_deref(), |id| self.domain(id)?.parent.as_deref()).count()
    }

    /// Whether `id` is `top` or lies below it.
    pub fn within(&self, id: &str, top: &str) -> bool {
        let mut current = Some(id);
        while let Some(here) = current {
            if here == top {
                return true;
            }
            current = self.domain(here).and_then(|domain| domain.parent.as_deref());
        }
        false
    }

    pub fn domain_of<'a>(&'a self, owner: &Owner) -> Option<&'a str> {
        match owner {
            Owner::Account(id) => self.account(id).map(|account| account.domain.as_str()),
            Owner::Project(id) => self.project(id).map(|project| project.domain.as_str()),
        }
    }

    pub fn vm(&self, id: &str) -> Option<&Arc<Vm>> {
        self.index.get(id).and_then(|number| self.at(*number))
    }

    pub fn at(&self, number: u64) -> Option<&Arc<Vm>> {
        self.vms.get(usize::try_from(number).ok()?)?.as_ref()
    }

    pub fn was_expunged(&self, id: &str) -> bool {
        self.expunged.contains(id)
    }

    pub fn class(&self, class: Class) -> &[u64] {
        match class {
            Class::Personal => &self.personal,
            Class::Projects => &self.of_projects,
            Class::All => &self.all,
        }
    }

    /// Puts a VM in, or in the place of itself.
    pub fn put(&mut self, vm: Vm) {
        let number = vm.number;
        self.take_out(number);
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if self.vms.len() <= place {
            self.vms.resize(place + 1, None);
        }
        insert(&mut self.all, number);
        insert(self.list_of(&vm.owner), number);
        self.index.insert(vm.id.clone(), number);
        self.expunged.remove(&vm.id);
        self.vms[place] = Some(Arc::new(vm));
    }

    /// Takes a VM's row away. Its id stays known.
    pub fn expunge(&mut self, id: &str) {
        if let Some(number) = self.index.remove(id) {
            self.take_out(number);
            self.expunged.insert(id.to_owned());
        }
    }

    pub fn purge(&mut self, id: &str) {
        self.expunge(id);
        self.expunged.remove(id);
    }

    /// All that was kept of how VMs look, gone: an owner has another name.
    pub fn forget_fragments(&mut self) {
        for slot in self.vms.iter_mut().flatten() {
            let mut vm = Vm::clone(slot);
            vm.fragment.take();
            *slot = Arc::new(vm);
        }
    }

    fn take_out(&mut self, number: u64) {
        let slot = usize::try_from(number).ok().and_then(|place| self.vms.get_mut(place));
        if let Some(vm) = slot.and_then(Option::take) {
            remove(&mut self.all, number);
            remove(self.list_of(&vm.owner), number);
        }
    }

    fn list_of(&mut self, owner: &Owner) -> &mut Vec<u64> {
        match owner {
            Owner::Account(_) => &mut self.personal,
            Owner::Project(_) => &mut self.of_projects,
        }
    }
}

fn insert(list: &mut Vec<u64>, number: u64) {
    if let Err(place) = list.binary_search(&number) {
        list.insert(place, number);
    }
}

fn remove(list: &mut Vec<u64>, number: u64) {
    if let Ok(place) = list.binary_search(&number) {
        list.remove(place);
    }
}
