//! From a message to marks; pure.
//!
//! The most specific id wins: a message that names a VM marks only the VM, as its look-up shows interfaces
//! and addresses; then the interface, then the address, then the network or owner; last a resync.

use super::{
    event::{self, Topic},
    message::{Message, Text},
};
use crate::model::{Mark, VmId};
use std::str::{self, FromStr};

/// Longest message that is read. CloudStack's largest, a job with a whole VM, is a few KiB.
const MAX_MESSAGE: usize = 1 << 20;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Things to look at again; never empty, each once.
    Marks(Vec<Mark>),
    /// Nothing that has records.
    Irrelevant,
    /// It cannot be read, for this reason.
    Poison(&'static str),
}

/// Reads a message: its record key, which is the UUID of the entity where CloudStack knows one, and its
/// payload.
pub fn marks(key: Option<&[u8]>, payload: Option<&[u8]>) -> Reading {
    let mut marks = Vec::new();
    match read_into(key, payload, &mut marks) {
        Err(why) => Reading::Poison(why),
        Ok(()) if marks.is_empty() => Reading::Irrelevant,
        Ok(()) => Reading::Marks(marks),
    }
}

/// Reads a message, adding its marks.
pub(super) fn read_into(
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
    marks: &mut Vec<Mark>,
) -> Result<(), &'static str> {
    let payload = payload.unwrap_or_default();
    if payload.is_empty() {
        return Err("empty");
    }
    if payload.len() > MAX_MESSAGE {
        return Err("longer than 1 MiB");
    }
    let text = str::from_utf8(payload).map_err(|_| "not UTF-8")?;
    if text.trim_start().as_bytes().first() != Some(&b'{') {
        return Err("not an object");
    }
    let message: Message<'_> = serde_json::from_str(text).map_err(|err| match err.classify() {
        serde_json::error::Category::Eof => "truncated",
        _ => "not JSON",
    })?;
    let key = Key(key.and_then(|key| str::from_utf8(key).ok()));
    // The order is that of facts: cloudstack 1.3; keys tell the category.
    if message.command_event_type.is_there() && message.job_id.is_there() {
        job(&message, marks);
    } else if message.old_state.is_there() && message.new_state.is_there() {
        resource_state(&message, key, marks);
    } else if message.subject.is_there() && message.body.is_there() {
        // An alert.
    } else if message.event.is_there() && message.status.is_there() {
        action(&message, key, marks);
    } else if message.event.is_there() && message.resource.is_there() {
        usage(&message, marks);
    }
    Ok(())
}

/// The record key.
#[derive(Clone, Copy)]
struct Key<'a>(Option<&'a str>);

impl Key<'_> {
    fn id<T: FromStr>(self) -> Option<T> {
        self.0?.parse().ok()
    }
}

/// The id of an entity of this type: from the key of its name, else from `entity` and `entityuuid`.
fn entity<T: FromStr>(message: &Message<'_>, thing: &str, named: &Text<'_>) -> Option<T> {
    named.id().or_else(|| message.entity_uuid.id().filter(|_| message.entity.thing() == thing))
}

fn action(message: &Message<'_>, key: Key<'_>, marks: &mut Vec<Mark>) {
    let event = message.event.get();
    let topic = event::topic(event);
    if topic == Topic::Noise {
        return;
    }
    // A failed action is "Completed" too; only its description tells (facts: cloudstack 1.2).
    let words = message.description.get();
    let well =
        message.status.get() == "Completed" && !["Error", "Failed"].iter().any(|bad| words.starts_with(bad));
    let deleted = |name: &str| well && event == name;
    let mark = match topic {
        Topic::Account => entity(message, "Account", &message.account)
            .or_else(|| key.id().filter(|_| !message.entity.is_there()))
            .map(|id| Mark::Account { id, said_gone: deleted("ACCOUNT.DELETE") }),
        Topic::Domain => entity(message, "Domain", &message.domain)
            .or_else(|| key.id().filter(|_| !message.entity.is_there()))
            .map(|id| Mark::Domain { id, said_gone: deleted("DOMAIN.DELETE") }),
        Topic::Project => entity(message, "Project", &message.project)
            .or_else(|| key.id().filter(|_| !message.entity.is_there()))
            .map(|id| Mark::Project { id, said_gone: deleted("PROJECT.DELETE") }),
        Topic::Network => entity(message, "Network", &message.network).map(Mark::Network),
        Topic::Vm | Topic::Address | Topic::Noise | Topic::Other => None,
    };
    let mark = mark.or_else(|| guest(message, key, well));
    let lost = well && event::is_worth_a_resync(event);
    marks.extend(mark.or_else(|| lost.then_some(Mark::Resync)));
}

/// What an action says of a VM, an interface or an address, the most specific first.
fn guest(message: &Message<'_>, key: Key<'_>, well: bool) -> Option<Mark> {
    let event = message.event.get();
    let of_key = || {
        let about_a_vm = event.starts_with("VM.") && matches!(message.entity.thing(), "" | "VirtualMachine");
        key.id().filter(|_| about_a_vm)
    };
    if let Some(id) = entity(message, "VirtualMachine", &message.vm).or_else(of_key) {
        return Some(Mark::Vm { id, said_gone: well && event::ends_a_vm(event) });
    }
    if let Some(id) = entity(message, "Nic", &message.nic) {
        return Some(Mark::Nic(id));
    }
    let address = entity(message, "NicSecondaryIp", &message.secondary_ip)
        .or_else(|| entity(message, "IpAddress", &message.ip_address));
    address.filter(|_| event::moves_an_address(event)).map(Mark::Ip)
}

fn job(message: &Message<'_>, marks: &mut Vec<Mark>) {
    let event = message.command_event_type.get();
    let topic = event::topic(event);
    if topic == Topic::Noise {
        return;
    }
    let well = message.status.get() == "SUCCEEDED";
    // `instanceUuid` is trusted only where its type says what it is: of address jobs it can be wrong
    // (facts: cloudstack 1.2).
    let instance = &message.instance_uuid;
    let (result, command) = (&message.job_result, &message.cmd_info);
    let deleted = |name: &str| well && event == name;
    let mark = match (topic, message.instance_type.thing()) {
        (Topic::Account, "Account") => {
            instance.id().map(|id| Mark::Account { id, said_gone: deleted("ACCOUNT.DELETE") })
        }
        (Topic::Domain, "Domain") => {
            instance.id().map(|id| Mark::Domain { id, said_gone: deleted("DOMAIN.DELETE") })
        }
        (Topic::Project, "Project") => {
            instance.id().map(|id| Mark::Project { id, said_gone: deleted("PROJECT.DELETE") })
        }
        (Topic::Network, "Network") => instance.id().map(Mark::Network),
        _ => None,
    };
    if mark.is_some() {
        marks.extend(mark);
        return;
    }
    let instance: Option<VmId> =
        if message.instance_type.thing() == "VirtualMachine" { instance.id() } else { None };
    let said_gone = well && event::ends_a_vm(event);
    let before = marks.len();
    for id in [instance, result.itself, result.vm, command.vm, command.context.vm].into_iter().flatten() {
        let mark = Mark::Vm { id, said_gone };
        if !marks[before..].contains(&mark) {
            marks.push(mark);
        }
    }
    if marks.len() == before {
        let nic = result.nic.or(command.nic).or(command.context.nic).map(Mark::Nic);
        let ip = command.context.ip.filter(|_| event::moves_an_address(event)).map(Mark::Ip);
        marks.extend(nic.or(ip));
    }
}

fn resource_state(message: &Message<'_>, key: Key<'_>, marks: &mut Vec<Mark>) {
    let state = message.new_state.get();
    // Some versions repeat Running to Running about once a minute and VM (facts: cloudstack 1.2).
    if message.old_state.get() == state {
        return;
    }
    match message.resource.thing() {
        // Routers and system VMs come here too: a look-up lacks them.
        "VirtualMachine" => marks.extend(message.id.id().or_else(|| key.id()).map(|id| {
            let after = message.status.get() == "postStateTransitionEvent";
            Mark::Vm { id, said_gone: after && matches!(state, "Destroyed" | "Expunging") }
        })),
        "Network" => marks.extend(message.id.id().or_else(|| key.id()).map(Mark::Network)),
        _ => {}
    }
}

/// Usage events have no status, and VM.DESTROY is also how a VM leaves its old owner when it moves: they
/// never say that a VM is gone.
fn usage(message: &Message<'_>, marks: &mut Vec<Mark>) {
    let topic = event::topic(message.event.get());
    match (topic, message.resource.thing()) {
        (Topic::Noise, _) => {}
        (_, "VirtualMachine") => {
            marks.extend(message.id.id().map(|id| Mark::Vm { id, said_gone: false }));
        }
        (Topic::Network, "Network") => marks.extend(message.id.id().map(Mark::Network)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
