//! The cloud from its operator's side: virtual machines.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::entities::{Details, Eyes, Nic, Owner, Vm, VmSpec};
use super::events::{Entity, Event, vm_entity, vm_job};
use super::sign::format_time;
use super::state::{Class, SHARED_NETWORK, State};
use super::world::World;

const DEPLOY: &str = "org.apache.cloudstack.api.command.admin.vm.DeployVMCmdByAdmin";
const DESTROY: &str = "org.apache.cloudstack.api.command.admin.vm.DestroyVMCmdByAdmin";
const START: &str = "org.apache.cloudstack.api.command.admin.vm.StartVMCmdByAdmin";
const STOP: &str = "org.apache.cloudstack.api.command.admin.vm.StopVMCmdByAdmin";
const NIC_IP: &str = "org.apache.cloudstack.api.command.user.vm.UpdateVmNicIpCmd";

impl World {
    /// Creates a VM. Returns its id.
    ///
    /// # Panics
    /// When its owner is neither an account nor a project.
    pub fn create_vm(&self, spec: VmSpec) -> String {
        let number = self.fresh_number();
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        let group = spec.group.map(|group| (self.fresh_id(), group));
        let nic = Nic {
            id: self.fresh_id(),
            network: spec.network.unwrap_or_else(|| SHARED_NETWORK.into()),
            v4: spec.v4,
            v6: spec.v6,
            is_default: true,
            device: 0,
            secondary: Vec::new(),
        };
        let vm = Vm {
            id: id.clone(),
            name: spec.name.clone(),
            displayname: spec.name,
            owner: self.owner(&spec.owner),
            group,
            state: spec.state,
            created: spec
                .created
                .unwrap_or_else(|| format_time(1_772_619_301 + i64::try_from(number).unwrap_or_default())),
            nics: vec![nic],
            patch: None,
            number,
            fragment: OnceLock::new(),
        };
        let events = if self.announces() { self.creation(&vm) } else { Vec::new() };
        self.commit(events, move |state| state.put(vm));
        id
    }

    fn creation(&self, vm: &Vm) -> Vec<Event> {
        let id = vm.id.as_str();
        let (mut maker, entity) = (self.maker(), vm_entity(id));
        let what = format!("starting Vm. Vm Id: {id}");
        maker.action("VM.CREATE", "Created", &what, Some(entity), &[("VirtualMachine", id)]);
        maker.begin("VM.CREATE", &what, entity);
        maker.job(vm_job(DEPLOY, "VM.CREATE", id), None);
        maker.usage("VM.CREATE", vm);
        maker.states(id, &["Stopped", "Starting", &vm.state]);
        maker.complete("VM.CREATE", &what, entity);
        maker.job(vm_job(DEPLOY, "VM.CREATE", id), Some(&self.result_of(vm)));
        maker.events
    }

    fn owner(&self, id: &str) -> Owner {
        let state = self.read();
        if state.project(id).is_some() {
            return Owner::Project(id.into());
        }
        assert!(state.account(id).is_some(), "no account and no project has the id {id}");
        Owner::Account(id.into())
    }

    /// What a job answers with: the VM, with the password that real ones carry.
    fn result_of(&self, vm: &Vm) -> String {
        let fresh = Vm { fragment: OnceLock::new(), ..vm.clone() };
        let json = fresh.json(&self.read(), Details::ALL, Eyes::Root);
        format!("{},\"password\":\"S3cretShownInEvent\"}}", &json[..json.len() - 1])
    }

    /// The VM as it stands, also Destroyed; none once expunged.
    pub fn vm(&self, id: &str) -> Option<Arc<Vm>> {
        self.read().vm(id).cloned()
    }

    /// The ids of all VMs, in order of creation.
    pub fn vms(&self) -> Vec<String> {
        let state = self.read();
        state
            .class(Class::All)
            .iter()
            .filter_map(|number| state.at(*number))
            .map(|vm| vm.id.clone())
            .collect()
    }

    /// The ids of an account's or a project's VMs.
    pub fn vms_of(&self, owner: &str) -> Vec<String> {
        let state = self.read();
        let all = state.class(Class::All).iter().filter_map(|number| state.at(*number));
        let of = |vm: &&Arc<Vm>| matches!(&vm.owner, Owner::Account(id) | Owner::Project(id) if id == owner);
        all.filter(of).map(|vm| vm.id.clone()).collect()
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Vm), events: impl FnOnce(&Vm, &Vm, &str) -> Vec<Event>) {
        let old = self.vm(id).unwrap_or_else(|| panic!("no VM has the id {id}"));
        let mut new = Vm { fragment: OnceLock::new(), ..Vm::clone(&old) };
        edit(&mut new);
        let events = if self.announces() { events(&old, &new, &self.result_of(&new)) } else { Vec::new() };
        self.commit(events, move |state: &mut State| state.put(new));
    }

    fn vm_update(&self, id: &str, edit: impl FnOnce(&mut Vm)) {
        self.edit(id, edit, |_, _, _| {
            let mut maker = self.maker();
            maker.complete("VM.UPDATE", "updating Vm", vm_entity(id));
            maker.events
        });
    }

    /// Gives a VM another host name, which may be any text.
    pub fn rename_vm(&self, id: &str, name: &str) {
        self.vm_update(id, |vm| name.clone_into(&mut vm.name));
    }

    /// Puts a VM into a group, or out of it.
    pub fn set_group(&self, id: &str, group: Option<&str>) {
        let group = group.map(|name| (self.fresh_id(), name.to_owned()));
        self.vm_update(id, |vm| vm.group = group);
    }

    /// Lays an object over the VM's JSON (null takes a member away): hostile values of any kind.
    pub fn patch_vm(&self, id: &str, patch: Value) {
        self.vm_update(id, |vm| vm.patch = Some(patch));
    }

    /// Sets both addresses of the default NIC. Text that is no address is passed on as it is.
    pub fn set_address(&self, id: &str, v4: Option<&str>, v6: Option<&str>) {
        let change = |vm: &mut Vm| {
            if let Some(nic) = vm.nics.iter_mut().find(|nic| nic.is_default) {
                nic.v4 = v4.map(str::to_owned);
                nic.v6 = v6.map(str::to_owned);
            }
        };
        self.edit(id, change, |_, new, result| {
            let mut maker = self.maker();
            let nic = new.nics.iter().find(|nic| nic.is_default).map_or("", |nic| nic.id.as_str());
            let context = Entity { class: "com.cloud.vm.Nic", short: "Nic", id: nic };
            // Only the NIC is named, and the job looks for its instance in the wrong table.
            let job = vm_job(NIC_IP, "NET.IPASSIGN", id);
            let job = super::events::Job { kind: "IpAddress", instance: "", context, ..job };
            maker.action("NET.IPASSIGN", "Scheduled", "associating ip to nic", None, &[("Nic", nic)]);
            maker.job(job, None);
            maker.job(job, Some(result));
            maker.events
        });
    }

    /// Adds a NIC that is not the default one. Returns its id.
    pub fn add_nic(&self, id: &str, network: &str, v4: Option<&str>, v6: Option<&str>) -> String {
        let fresh = self.fresh_id();
        let change = |vm: &mut Vm| {
            vm.nics.push(Nic {
                id: fresh.clone(),
                network: network.into(),
                v4: v4.map(str::to_owned),
                v6: v6.map(str::to_owned),
                is_default: false,
                device: u32::try_from(vm.nics.len()).unwrap_or_default(),
                secondary: Vec::new(),
            });
        };
        self.edit(id, change, |_, _, _| {
            let mut maker = self.maker();
            let keys = [("Nic", fresh.as_str()), ("VirtualMachine", id), ("Network", network)];
            maker.action("NIC.CREATE", "Completed", "Creating Nic", Some(vm_entity(id)), &keys);
            maker.events
        });
        fresh
    }

    /// Starts or stops a VM with all that goes with it; any other state comes as a state event alone.
    pub fn set_state(&self, id: &str, state: &str) {
        let change = |vm: &mut Vm| state.clone_into(&mut vm.state);
        self.edit(id, change, |old, new, result| {
            let mut maker = self.maker();
            let (event, command, between) = match state {
                "Running" => ("VM.START", START, "Starting"),
                "Stopped" => ("VM.STOP", STOP, "Stopping"),
                _ => {
                    maker.states(id, &[&old.state, state]);
                    return maker.events;
                }
            };
            maker.begin(event, "changing Vm", vm_entity(id));
            maker.job(vm_job(command, event, id), None);
            maker.states(id, &[&old.state, between, state]);
            maker.usage(event, new);
            maker.complete(event, "changing Vm", vm_entity(id));
            maker.job(vm_job(command, event, id), Some(result));
            maker.events
        });
    }

    /// Destroys a VM; it can be recovered until it is expunged.
    pub fn destroy_vm(&self, id: &str) {
        let change = |vm: &mut Vm| "Destroyed".clone_into(&mut vm.state);
        self.edit(id, change, |old, new, result| {
            let mut maker = self.maker();
            maker.begin("VM.DESTROY", "destroying Vm", vm_entity(id));
            maker.job(vm_job(DESTROY, "VM.DESTROY", id), None);
            match old.state.as_str() {
                "Running" => maker.states(id, &["Running", "Stopping", "Stopped", "Destroyed"]),
                other => maker.states(id, &[other, "Destroyed"]),
            }
            maker.usage("VM.DESTROY", new);
            maker.complete("VM.DESTROY", "destroying Vm", vm_entity(id));
            maker.job(vm_job(DESTROY, "VM.DESTROY", id), Some(result));
            maker.events
        });
    }

    /// Recovers a destroyed VM: it is Stopped.
    pub fn recover_vm(&self, id: &str) {
        let change = |vm: &mut Vm| "Stopped".clone_into(&mut vm.state);
        self.edit(id, change, |_, _, _| {
            let mut maker = self.maker();
            maker.states(id, &["Destroyed", "Stopped"]);
            maker.complete("VM.RECOVER", "recovering VM", vm_entity(id));
            maker.events
        });
    }

    /// Expunges a VM: its row is gone, its id remains known.
    pub fn expunge_vm(&self, id: &str) {
        let mut maker = self.maker();
        maker.states(id, &["Destroyed", "Expunging"]);
        maker.complete("VM.EXPUNGE", "expunging Vm", vm_entity(id));
        let id = id.to_owned();
        self.commit(maker.events, move |state| state.expunge(&id));
    }

    /// Forgets a VM's id too: asking for it is then 431.
    pub fn purge_vm(&self, id: &str) {
        self.write().purge(id);
    }

    /// The API shows this id nowhere, as if its row were gone: look-ups answer 200 and nothing.
    pub fn hide_vm(&self, id: &str) {
        self.write().hidden.insert(id.to_owned(), true);
    }

    /// Listings lack this VM; look-ups by id show it.
    pub fn hide_from_listings(&self, id: &str) {
        self.write().hidden.insert(id.to_owned(), false);
    }

    /// The API shows the VM again.
    pub fn show_vm(&self, id: &str) {
        self.write().hidden.remove(id);
    }

    /// Gives a VM to another account or project.
    pub fn move_vm(&self, id: &str, owner: &str) {
        let owner = self.owner(owner);
        let change = |vm: &mut Vm| {
            vm.owner = owner;
            vm.group = None;
        };
        self.edit(id, change, |_, new, _| {
            let mut maker = self.maker();
            maker.usage("VM.MOVE", new);
            maker.complete("VM.MOVE", "move VM to another user", vm_entity(id));
            maker.events
        });
    }
}
