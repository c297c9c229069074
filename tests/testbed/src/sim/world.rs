//! The cloud from its operator's side: owners, networks, keys, and where events go.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use super::events::{Entity, Event, Generation, Job, Maker, Sink};
use super::json::Object;
use super::state::{Account, Domain, Key, Network, NetworkKind, Project, Scope, State};

/// Handle to the cloud; a clone is the same cloud. The methods of [`World::silent`] and its like return
/// another view of it, whose changes are announced differently.
#[derive(Clone)]
pub struct World {
    pub(super) shared: Arc<Shared>,
    view: View,
}

pub(super) struct Shared {
    pub state: RwLock<State>,
    sink: Mutex<Option<Sink>>,
    held: Mutex<Option<Vec<Event>>>,
    counter: AtomicU64,
    root: String,
}

#[derive(Clone, Copy)]
struct View {
    silent: bool,
    generation: Generation,
    ahead: Duration,
    copies: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let root = "e5e50000-0000-4000-8000-000000000001".to_owned();
        let mut state = State::new(&root);
        state.add_account(Account {
            id: "c0ffee00-0000-4000-8000-000000000002".into(),
            name: "admin".into(),
            domain: root.clone(),
            networkdomain: None,
            state: "enabled".into(),
            admin: true,
        });
        let shared = Shared {
            state: RwLock::new(state),
            sink: Mutex::new(None),
            held: Mutex::new(None),
            counter: AtomicU64::new(1),
            root,
        };
        let view = View { silent: false, generation: Generation::New, ahead: Duration::ZERO, copies: 1 };
        Self { shared: Arc::new(shared), view }
    }

    /// Changes that no event announces.
    #[must_use]
    pub fn silent(&self) -> Self {
        Self { view: View { silent: true, ..self.view }, ..self.clone() }
    }

    /// Changes announced in the shape of a generation.
    #[must_use]
    pub fn generation(&self, generation: Generation) -> Self {
        Self { view: View { generation, ..self.view }, ..self.clone() }
    }

    /// Changes whose events come this long before the API shows them.
    #[must_use]
    pub fn publish_before_visible(&self, delay: Duration) -> Self {
        Self { view: View { ahead: delay, ..self.view }, ..self.clone() }
    }

    /// Changes whose every event is sent so many times.
    #[must_use]
    pub fn copies(&self, copies: usize) -> Self {
        Self { view: View { copies, ..self.view }, ..self.clone() }
    }

    /// Sends events to a broker from now on.
    pub fn publish_to(&self, sink: Sink) {
        *self.shared.sink.lock().expect("no holder panics") = Some(sink);
    }

    /// Keeps events back, until [`World::take_held`].
    pub fn hold_events(&self) {
        *self.shared.held.lock().expect("no holder panics") = Some(Vec::new());
    }

    /// What was kept back, in order; events flow again. To send some of them, late or in another order,
    /// there is [`World::publish`].
    pub fn take_held(&self) -> Vec<Event> {
        self.shared.held.lock().expect("no holder panics").take().unwrap_or_default()
    }

    /// Sends any message.
    pub fn publish(&self, event: &Event) {
        if let Some(sink) = self.shared.sink.lock().expect("no holder panics").as_ref() {
            sink(event);
        }
    }

    /// Makes a change visible and announces it, in the order that the view wants.
    pub(super) fn commit(&self, events: Vec<Event>, apply: impl FnOnce(&mut State) + Send + 'static) {
        if self.view.ahead.is_zero() {
            apply(&mut self.write());
            return self.announce(events);
        }
        self.announce(events);
        let (world, delay) = (self.clone(), self.view.ahead);
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            apply(&mut world.write());
        });
    }

    /// Whether anybody is to hear of changes.
    pub(super) fn announces(&self) -> bool {
        let heard = self.shared.sink.lock().expect("no holder panics").is_some();
        !self.view.silent && (heard || self.shared.held.lock().expect("no holder panics").is_some())
    }

    fn announce(&self, events: Vec<Event>) {
        if !self.announces() {
            return;
        }
        for event in events {
            for _ in 0..self.view.copies {
                match self.shared.held.lock().expect("no holder panics").as_mut() {
                    Some(held) => held.push(event.clone()),
                    None => self.publish(&event),
                }
            }
        }
    }

    pub(super) fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.shared.state.read().expect("no writer panics")
    }

    pub(super) fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.shared.state.write().expect("no writer panics")
    }

    pub(super) fn maker(&self) -> Maker {
        Maker { generation: self.view.generation, job: self.fresh_id(), events: Vec::new() }
    }

    pub(super) fn fresh_number(&self) -> u64 {
        self.shared.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// The same ids at every run, with first characters that differ.
    pub(super) fn fresh_id(&self) -> String {
        let mut bits = [0_u64; 2];
        let number = self.fresh_number();
        for (place, word) in (0_u64..).zip(bits.iter_mut()) {
            let mut z = (number * 2 + place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *word = z ^ (z >> 31);
        }
        let [a, b] = bits;
        let (first, second, third) = (a >> 32, (a >> 16) & 0xffff, a & 0xfff);
        format!("{first:08x}-{second:04x}-4{third:03x}-8{:03x}-{:012x}", b >> 52, b & 0xffff_ffff_ffff)
    }

    /// The id of ROOT.
    pub fn root(&self) -> String {
        self.shared.root.clone()
    }

    /// Adds a domain below `parent`.
    pub fn add_domain(&self, name: &str, parent: &str, networkdomain: Option<&str>) -> String {
        let id = self.fresh_id();
        let path =
            self.read().domain(parent).map_or_else(|| name.to_owned(), |p| format!("{}/{name}", p.path));
        let domain = Domain {
            id: id.clone(),
            name: name.into(),
            parent: Some(parent.into()),
            path,
            networkdomain: networkdomain.map(str::to_owned),
        };
        self.commit(self.sync_event("DOMAIN.CREATE", "creating Domain", domain_entity(&id)), |state| {
            state.domains.push(domain);
        });
        id
    }

    /// Gives a domain a network domain, or takes it away.
    pub fn set_domain_network_domain(&self, domain: &str, networkdomain: Option<&str>) {
        let (id, value) = (domain.to_owned(), networkdomain.map(str::to_owned));
        let events = self.sync_event("DOMAIN.UPDATE", "updating Domain", domain_entity(domain));
        self.commit(events, move |state| {
            if let Some(domain) = state.domains.iter_mut().find(|domain| domain.id == id) {
                domain.networkdomain = value;
            }
        });
    }

    /// Adds an account.
    pub fn add_account(&self, domain: &str, name: &str, networkdomain: Option<&str>) -> String {
        let id = self.fresh_id();
        self.add_account_as(&id, domain, name, networkdomain);
        id
    }

    /// Adds an account with a given id.
    pub fn add_account_as(&self, id: &str, domain: &str, name: &str, networkdomain: Option<&str>) {
        let account = Account {
            id: id.into(),
            name: name.into(),
            domain: domain.into(),
            networkdomain: networkdomain.map(str::to_owned),
            state: "enabled".into(),
            admin: false,
        };
        let events = self.sync_event("ACCOUNT.CREATE", "creating Account", account_entity(id));
        self.commit(events, move |state| state.add_account(account));
    }

    /// Gives an account a network domain, or takes it away.
    pub fn set_account_network_domain(&self, account: &str, networkdomain: Option<&str>) {
        let value = networkdomain.map(str::to_owned);
        self.edit_account(account, "ACCOUNT.UPDATE", move |account| account.networkdomain = value);
    }

    /// Renames an account.
    pub fn rename_account(&self, account: &str, name: &str) {
        let name = name.to_owned();
        self.edit_account(account, "ACCOUNT.UPDATE", move |account| account.name = name);
    }

    /// `enabled`, `disabled` or `locked`.
    pub fn set_account_state(&self, account: &str, state: &str) {
        let state = state.to_owned();
        self.edit_account(account, "ACCOUNT.DISABLE", move |account| account.state = state);
    }

    /// Hides an account from listings of accounts, or shows it again; its VMs are listed all the same.
    pub fn list_account(&self, account: &str, listed: bool) {
        let mut state = self.write();
        let _ = if listed { state.unlisted.remove(account) } else { state.unlisted.insert(account.into()) };
    }

    fn edit_account(&self, id: &str, event: &str, edit: impl FnOnce(&mut Account) + Send + 'static) {
        let mut maker = self.maker();
        let entity = account_entity(id);
        let command = "org.apache.cloudstack.api.command.admin.account.UpdateAccountCmd";
        let job = Job { command, event, kind: "Account", instance: id, context: entity };
        maker.begin(event, "updating account", entity);
        maker.job(job, None);
        maker.complete(event, "updating account", entity);
        maker.job(job, Some(&Object::new().text("id", id).end()));
        let id = id.to_owned();
        self.commit(maker.events, move |state| {
            if let Some(account) = state.account_mut(&id) {
                edit(account);
            }
            state.forget_fragments();
        });
    }

    /// Deletes an account; its VMs are expunged, and no VM action says so.
    pub fn delete_account(&self, account: &str) {
        let mut maker = self.maker();
        let entity = account_entity(account);
        maker.begin("ACCOUNT.DELETE", "deleting account", entity);
        let vms = self.vms_of(account);
        for vm in &vms {
            maker.states(vm, &["Running", "Stopping", "Stopped", "Destroyed", "Expunging"]);
        }
        maker.complete("ACCOUNT.DELETE", "deleting account", entity);
        let id = account.to_owned();
        self.commit(maker.events, move |state| {
            for vm in &vms {
                state.expunge(vm);
            }
            state.remove_account(&id);
        });
    }

    /// Adds a project.
    pub fn add_project(&self, domain: &str, name: &str) -> String {
        let id = self.fresh_id();
        let number = self.read().projects.len() + 1;
        let project = Project { id: id.clone(), name: name.into(), domain: domain.into(), number };
        let entity = Entity { class: "com.cloud.projects.Project", short: "Project", id: &id };
        let events = self.sync_event("PROJECT.CREATE", "creating project", entity);
        self.commit(events, |state| state.projects.push(project));
        id
    }

    /// Adds a network.
    pub fn add_network(&self, domain: &str, name: &str, kind: NetworkKind) -> String {
        let id = self.fresh_id();
        let network = Network { id: id.clone(), name: name.into(), kind, domain: domain.into() };
        let entity = Entity { class: "com.cloud.network.Network", short: "Network", id: &id };
        let events = self.sync_event("NETWORK.CREATE", "creating network", entity);
        self.commit(events, |state| state.networks.push(network));
        id
    }

    /// What a synchronous command publishes: only that it is done.
    fn sync_event(&self, event: &str, what: &str, entity: Entity<'_>) -> Vec<Event> {
        let mut maker = self.maker();
        maker.complete(event, what, entity);
        maker.events
    }

    /// Adds a key pair.
    pub fn add_key(&self, api_key: &str, secret: &str, scope: Scope) {
        let key = Key { secret: secret.into(), scope, denied: HashSet::new() };
        self.write().keys.insert(api_key.into(), key);
    }

    /// Changes what a key may see.
    pub fn set_scope(&self, api_key: &str, scope: Scope) {
        if let Some(key) = self.write().keys.get_mut(api_key) {
            key.scope = scope;
        }
    }

    /// Takes a command from a key's role (401), or gives it back.
    pub fn allow(&self, api_key: &str, command: &str, allowed: bool) {
        if let Some(key) = self.write().keys.get_mut(api_key) {
            let command = command.to_lowercase();
            let _ = if allowed { key.denied.remove(&command) } else { key.denied.insert(command) };
        }
    }

    /// Which CloudStack this is, as in 4.20. Also decides the visibility of projects and the order of NICs.
    pub fn set_version(&self, major: u32, minor: u32) {
        let mut state = self.write();
        state.version = (major, minor);
        state.forget_fragments();
    }

    /// `default.page.size`: the most rows of a page.
    pub fn set_max_page(&self, rows: usize) {
        self.write().max_page = rows;
    }

    /// `enforce.post.requests.and.timestamps`.
    pub fn set_enforce(&self, on: bool) {
        self.write().enforce = on;
    }

    /// A zone of the server's own DNS framework, of the root administrator's account.
    pub fn add_dns_zone(&self, name: &str) {
        let id = self.fresh_id();
        self.write().dns_zones.push((id, name.into()));
    }

    /// Sets the server's clock off by so many seconds.
    pub fn set_clock_skew(&self, seconds: i64) {
        self.write().skew = seconds;
    }

    /// Whether a tenant who asks for another's VM by id gets 200 and nothing, instead of 531.
    pub fn set_hide_foreign_ids(&self, on: bool) {
        self.write().hide_foreign_ids = on;
    }

    /// Another cloud at the same address: ROOT has another id.
    pub fn replace_root(&self, id: &str) {
        let mut state = self.write();
        let old = state.domains[0].id.clone();
        for domain in &mut state.domains {
            if domain.parent.as_ref() == Some(&old) {
                domain.parent = Some(id.into());
            }
        }
        state.domains[0].id = id.into();
        for account in state.accounts.iter_mut().filter(|account| account.domain == old) {
            account.domain = id.into();
        }
        state.forget_fragments();
    }
}

fn domain_entity(id: &str) -> Entity<'_> {
    Entity { class: "com.cloud.domain.Domain", short: "Domain", id }
}

fn account_entity(id: &str) -> Entity<'_> {
    Entity { class: "com.cloud.user.Account", short: "Account", id }
}
