//! Virtual machines as the API shows them.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::json::Object;
use super::state::State;

/// Who has a VM: by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An account.
    Account(String),
    /// A project, whose own account nobody gets to see.
    Project(String),
}

/// A network card. Addresses are text, so that they may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Nic {
    pub id: String,
    pub network: String,
    pub v4: Option<String>,
    pub v6: Option<String>,
    pub is_default: bool,
    pub device: u32,
    pub secondary: Vec<(String, String)>,
}

/// A virtual machine.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Vm {
    pub id: String,
    pub name: String,
    pub displayname: String,
    pub owner: Owner,
    /// Id and name.
    pub group: Option<(String, String)>,
    pub state: String,
    pub created: String,
    pub nics: Vec<Nic>,
    /// Laid over the rendered object, member by member.
    pub patch: Option<Value>,
    pub(super) number: u64,
    /// The answer with all details to root; emptied by every change.
    pub(super) fragment: OnceLock<Arc<str>>,
}

/// What a new VM is to be.
#[must_use]
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct VmSpec {
    pub name: String,
    /// Id of an account or a project.
    pub owner: String,
    pub group: Option<String>,
    pub v4: Option<String>,
    pub v6: Option<String>,
    /// Id of a network; a Shared one that always exists, if not given.
    pub network: Option<String>,
    pub state: String,
    /// `2026-03-04T10:15:01+0000`; each VM one second after the one before, if not given.
    pub created: Option<String>,
    pub id: Option<String>,
}

impl VmSpec {
    /// A running VM without addresses.
    pub fn new(name: &str, owner: &str) -> Self {
        Self {
            name: name.into(),
            owner: owner.into(),
            group: None,
            v4: None,
            v6: None,
            network: None,
            state: "Running".into(),
            created: None,
            id: None,
        }
    }

    /// In a group.
    pub fn group(self, group: &str) -> Self {
        Self { group: Some(group.into()), ..self }
    }

    /// With an IPv4 address.
    pub fn v4(self, address: &str) -> Self {
        Self { v4: Some(address.into()), ..self }
    }

    /// With an IPv6 address.
    pub fn v6(self, address: &str) -> Self {
        Self { v6: Some(address.into()), ..self }
    }

    /// In a network.
    pub fn network(self, id: &str) -> Self {
        Self { network: Some(id.into()), ..self }
    }

    /// In a state other than Running.
    pub fn state(self, state: &str) -> Self {
        Self { state: state.into(), ..self }
    }

    /// Created at a given time.
    pub fn created(self, time: &str) -> Self {
        Self { created: Some(time.into()), ..self }
    }

    /// With a given id.
    pub fn id(self, id: &str) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}

/// Which parts of a VM an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Details {
    pub group: bool,
    pub nics: bool,
}

impl Details {
    pub const ALL: Self = Self { group: true, nics: true };
}

/// What only root sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Eyes {
    Root,
    Tenant,
}

impl Vm {
    /// The VM's object. What is asked for most is kept.
    pub(super) fn json(&self, state: &State, details: Details, eyes: Eyes) -> Arc<str> {
        if details == Details::ALL && eyes == Eyes::Root {
            return self.fragment.get_or_init(|| self.render(state, details, eyes).into()).clone();
        }
        self.render(state, details, eyes).into()
    }

    fn render(&self, state: &State, details: Details, eyes: Eyes) -> String {
        let object = Object::new().text("id", &self.id).text("name", &self.name);
        let object = object.text("displayname", &self.displayname);
        let (object, domain) = match &self.owner {
            Owner::Account(id) => {
                let account = state.account(id);
                (object.maybe("account", account.map(|a| a.name.as_str())), account.map(|a| &a.domain))
            }
            Owner::Project(id) => {
                let project = state.project(id);
                let object = object.text("projectid", id).maybe("project", project.map(|p| p.name.as_str()));
                (object, project.map(|p| &p.domain))
            }
        };
        let domain = domain.and_then(|id| state.domain(id));
        let root = eyes == Eyes::Root;
        let group = self.group.as_ref().filter(|_| details.group);
        let on_host = root && self.state == "Running";
        let (instance, nics) = (format!("i-4-{}-VM", self.number), self.nics_json(state));
        let first = self.nics.iter().find_map(|nic| nic.v4.as_deref());
        let mut object = object
            .text("userid", "d4d40000-0000-4000-8000-000000000001")
            .text("username", "alice")
            .maybe("domainid", domain.map(|d| d.id.as_str()))
            .maybe("domain", domain.map(|d| d.name.as_str()));
        if state.version >= (4, 20) {
            object = object.maybe("domainpath", domain.map(|d| d.path.as_str()));
        }
        object = object.text("created", &self.created);
        if state.version >= (4, 16) {
            object = object.text("lastupdated", &self.created);
        }
        object = object
            .text("state", &self.state)
            .flag("haenable", false)
            .maybe("groupid", group.map(|(id, _)| id.as_str()))
            .maybe("group", group.map(|(_, name)| name.as_str()))
            .text("zoneid", "99990000-0000-4000-8000-000000000001")
            .text("zonename", "zone1")
            .maybe("hostid", on_host.then_some("22220000-0000-4000-8000-000000000007"))
            .maybe("hostname", on_host.then_some("kvm07.example.net"))
            .maybe("instancename", root.then_some(instance.as_str()))
            .text("guestosid", "11110000-0000-4000-8000-000000000001")
            .raw("securitygroup", "[]")
            .raw("nic", if details.nics { &nics } else { "[]" })
            .text("hypervisor", "KVM")
            .maybe("ipaddress", first.filter(|_| details.nics))
            .raw("details", "{}")
            .raw("affinitygroup", "[]")
            .flag("displayvm", true)
            .flag("isdynamicallyscalable", false)
            .text("ostypeid", "11110000-0000-4000-8000-000000000001")
            .raw("tags", "[]");
        self.patched(object.end())
    }

    /// A patch of null takes a member away.
    fn patched(&self, plain: String) -> String {
        let Some(Value::Object(patch)) = &self.patch else { return plain };
        let Ok(Value::Object(mut object)) = serde_json::from_str(&plain) else { return plain };
        for (key, value) in patch {
            match value {
                Value::Null => drop(object.remove(key)),
                value => drop(object.insert(key.clone(), value.clone())),
            }
        }
        Value::Object(object).to_string()
    }

    fn nics_json(&self, state: &State) -> String {
        let mut nics: Vec<&Nic> = self.nics.iter().collect();
        // Before 4.16 a join decided, so nothing but `isdefault` can be relied on.
        if state.version < (4, 16) {
            nics.reverse();
        }
        let nics: Vec<String> = nics.into_iter().map(|nic| nic.json(state)).collect();
        format!("[{}]", nics.join(","))
    }
}

impl Nic {
    fn json(&self, state: &State) -> String {
        let network = state.network(&self.network);
        let secondary: Vec<String> = self
            .secondary
            .iter()
            .map(|(id, address)| Object::new().text("id", id).text("ipaddress", address).end())
            .collect();
        let gateway6 = self.v6.as_ref().map(|_| "2001:db8:1::1");
        Object::new()
            .text("id", &self.id)
            .text("networkid", &self.network)
            .maybe("networkname", network.map(|n| n.name.as_str()))
            .maybe("netmask", self.v4.as_ref().map(|_| "255.255.255.0"))
            .maybe("gateway", self.v4.as_ref().map(|_| "10.1.1.1"))
            .maybe("ipaddress", self.v4.as_deref())
            .text("broadcasturi", "vlan://1200")
            .text("traffictype", "Guest")
            .maybe("type", network.map(|n| n.kind.name()))
            .flag("isdefault", self.is_default)
            .text("macaddress", &format!("02:01:00:cc:00:{:02x}", self.device + 1))
            .raw("secondaryip", &format!("[{}]", secondary.join(",")))
            .raw("extradhcpoption", "[]")
            .text("deviceid", &self.device.to_string())
            .maybe("ip6gateway", gateway6)
            .maybe("ip6cidr", gateway6.map(|_| "2001:db8:1::/64"))
            .maybe("ip6address", self.v6.as_deref())
            .end()
    }
}
