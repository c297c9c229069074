//! The messages that CloudStack's Kafka event bus would send for a change.
//!
//! The caller in them is an administrator, whoever owns the VM: taking the one for the other is the
//! mistake that these events invite.

use std::sync::Arc;

use super::entities::{Owner, Vm};
use super::json::{Object, quote};

/// A message: the record's key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The resource's UUID, or none, or empty.
    pub key: Option<String>,
    /// JSON text.
    pub value: String,
}

/// Where events go.
pub type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

/// The shape of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Up to 4.15: results are strings, entities are class names.
    Old,
    /// Since 4.17: results are objects, entities short names.
    New,
}

const CALLER: &str = "c0ffee00-0000-4000-8000-000000000002";
const USER: &str = "d4d40000-0000-4000-8000-000000000002";
const ZONE: &str = "99990000-0000-4000-8000-000000000001";
const DAY: &str = "2026-03-04 10:15:01 +0000";

/// Makes the events of one change.
pub(super) struct Maker {
    pub generation: Generation,
    /// The job's id.
    pub job: String,
    pub events: Vec<Event>,
}

/// What an action is about, with the class names of either generation.
#[derive(Clone, Copy)]
pub(super) struct Entity<'a> {
    pub class: &'a str,
    pub short: &'a str,
    pub id: &'a str,
}

pub(super) fn vm_entity(id: &str) -> Entity<'_> {
    Entity { class: "com.cloud.vm.VirtualMachine", short: "VirtualMachine", id }
}

impl Maker {
    fn push(&mut self, key: Option<&str>, value: String) {
        self.events.push(Event { key: key.map(str::to_owned), value });
    }

    /// An action event. `first_class` are the keys that name entities by class.
    pub fn action(
        &mut self,
        event: &str,
        status: &str,
        what: &str,
        entity: Option<Entity<'_>>,
        first_class: &[(&str, &str)],
    ) {
        let description = match status {
            "Completed" => format!("Successfully completed {what}"),
            "Created" => format!("Successfully created entity for {what}"),
            _ => what.to_owned(),
        };
        let mut object = Object::new()
            .text("eventDateTime", DAY)
            .text("status", status)
            .text("description", &description)
            .text("event", event)
            .text("account", CALLER)
            .text("user", USER);
        if let Some(entity) = entity {
            let kind = if self.generation == Generation::Old { entity.class } else { entity.short };
            object = object.text("entity", kind).text("entityuuid", entity.id);
        }
        for (key, id) in first_class {
            object = object.text(key, id);
        }
        self.push(entity.map(|entity| entity.id), object.end());
    }

    /// Scheduled and Started, before an asynchronous change.
    pub fn begin(&mut self, event: &str, what: &str, entity: Entity<'_>) {
        for status in ["Scheduled", "Started"] {
            self.action(event, status, what, Some(entity), &[(entity.short, entity.id)]);
        }
    }

    /// Completed, after a change.
    pub fn complete(&mut self, event: &str, what: &str, entity: Entity<'_>) {
        // A creation has lost its parameters by then; only the entity is left.
        let first_class = [(entity.short, entity.id)];
        let first_class = if event == "VM.CREATE" { &[][..] } else { &first_class[..] };
        self.action(event, "Completed", what, Some(entity), first_class);
    }

    /// Both state events of each step: `["Running", "Stopping", "Stopped"]` makes four.
    pub fn states(&mut self, vm: &str, steps: &[&str]) {
        for pair in steps.windows(2) {
            for status in ["preStateTransitionEvent", "postStateTransitionEvent"] {
                let value = Object::new()
                    .text("resource", "VirtualMachine")
                    .text("id", vm)
                    .text("old-state", pair[0])
                    .text("new-state", pair[1])
                    .text("eventDateTime", DAY)
                    .text("status", status);
                self.push(Some(vm), value.end());
            }
        }
    }

    /// A usage event, which alone tells the owner.
    pub fn usage(&mut self, event: &str, vm: &Vm) {
        let account = match &vm.owner {
            Owner::Account(id) => id.clone(),
            // The project's own account, an id that no listing has.
            Owner::Project(id) => format!("aaaaaaaa{}", id.get(8..).unwrap_or_default()),
        };
        let value = Object::new()
            .text("account", &account)
            .text("zone", ZONE)
            .text("event", event)
            .text("resource", "com.cloud.vm.VirtualMachine")
            .text("id", &vm.id)
            .text("eventDateTime", DAY);
        self.push(Some(&vm.id), value.end());
    }

    /// A job's event: begun without `result`, succeeded with it. `result` is an object's text.
    pub fn job(&mut self, job: Job<'_>, result: Option<&str>) {
        let Job { command, event, kind, instance, context } = job;
        let details = Object::new().text(&format!("interface {}", context.class), context.id).end();
        let info = Object::new()
            .text("response", "json")
            .text("ctxUserId", "7")
            .text("ctxAccountId", "4")
            .text("httpmethod", "GET")
            .text("cmdEventType", event)
            .text("id", context.id)
            .text("uuid", context.id);
        let old = self.generation == Generation::Old;
        let info = if old { info.text("ctxDetails", &details) } else { info.raw("ctxDetails", &details) };
        let info = if old { quote(&info.end()) } else { info.end() };
        let mut object = Object::new()
            .text("command", command)
            .text("user", USER)
            .text("account", CALLER)
            .text("processStatus", "0")
            .text("resultCode", "0")
            .text("instanceUuid", instance)
            .text("instanceType", kind)
            .text("commandEventType", event)
            .text("jobId", &self.job)
            .raw("cmdInfo", &info);
        if let Some(result) = result {
            let (class, name) = match kind {
                "Account" => ("org.apache.cloudstack.api.response.AccountResponse", "account"),
                _ => ("org.apache.cloudstack.api.response.UserVmResponse", "virtualmachine"),
            };
            let result = if old {
                quote(&format!("{class}/{name}/{result}"))
            } else {
                let inner = result.trim_end_matches('}');
                format!("{inner},\"class\":{},\"object\":{}}}", quote(class), quote(name))
            };
            object = object.raw("jobResult", &result);
        }
        let status = if result.is_some() { "SUCCEEDED" } else { "IN_PROGRESS" };
        self.push(Some(instance), object.text("status", status).end());
    }
}

/// A job, as its events name it.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub command: &'a str,
    pub event: &'a str,
    pub kind: &'a str,
    /// Empty where CloudStack looks in the wrong table.
    pub instance: &'a str,
    pub context: Entity<'a>,
}

/// A job on a VM.
pub(super) fn vm_job<'a>(command: &'a str, event: &'a str, vm: &'a str) -> Job<'a> {
    Job { command, event, kind: "VirtualMachine", instance: vm, context: vm_entity(vm) }
}
