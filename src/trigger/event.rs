//! What an event's name says about whom it concerns (facts: cloudstack 2).

/// Whom an event concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// A VM or its interfaces.
    Vm,
    /// An account.
    Account,
    /// A domain.
    Domain,
    /// A project.
    Project,
    /// A guest network.
    Network,
    /// A public or secondary address.
    Address,
    /// Nothing that has records, even where it names a VM.
    Noise,
    /// A name that we do not know: what it says of VMs and interfaces counts.
    Other,
}

/// Events that change nothing about names or addresses. `VOLUME.ATTACH` and the like name a VM.
const NOISE: [&str; 11] = [
    "USER.",
    "ALERT.",
    "VOLUME.",
    "SNAPSHOT.",
    "SNAPSHOTPOLICY.",
    "TEMPLATE.",
    "ISO.",
    "SERVICE.OFFERING.",
    "DISK.OFFERING.",
    // A new network has no VM yet.
    "NETWORK.CREATE",
    "NETWORK.OFFERING.CREATE",
];

const TOPICS: [(&str, Topic); 14] = [
    ("VM.", Topic::Vm),
    ("NIC.", Topic::Vm),
    ("EXTERNAL.DHCP.", Topic::Vm),
    ("ACCOUNT.", Topic::Account),
    ("DOMAIN.", Topic::Domain),
    ("PROJECT.", Topic::Project),
    ("NETWORK.", Topic::Network),
    ("VPC.", Topic::Network),
    ("VLAN.", Topic::Network),
    ("GUEST.IP6.", Topic::Network),
    // The virtual router's public IPv6, which carries the network.
    ("NET.IP6", Topic::Network),
    ("NET.", Topic::Address),
    ("STATICNAT.", Topic::Address),
    ("PORTABLE.IP", Topic::Address),
];

/// Whom an event of this name concerns.
pub(super) fn topic(event: &str) -> Topic {
    if NOISE.iter().any(|prefix| event.starts_with(prefix)) {
        return Topic::Noise;
    }
    TOPICS.iter().find(|(prefix, _)| event.starts_with(prefix)).map_or(Topic::Other, |(_, topic)| *topic)
}

/// Whether the VM leaves CloudStack or its users' sight when this ends well. An unmanaged VM lives on, but
/// not in CloudStack.
pub(super) fn ends_a_vm(event: &str) -> bool {
    matches!(event, "VM.DESTROY" | "VM.EXPUNGE" | "VM.UNMANAGE")
}

/// Whether a public address named by this event may serve a VM: acquiring one, or a firewall rule on
/// one, changes no VM.
pub(super) fn moves_an_address(event: &str) -> bool {
    ["STATICNAT.", "PORTABLE.IP", "NIC."].iter().any(|prefix| event.starts_with(prefix))
        || matches!(event, "NET.IPRELEASE" | "NET.IPUPDATE")
}

/// Whether this event changes records, so that one without an id that helps is worth a resync. The
/// background expunger's VM.EXPUNGE and VM.IMPORT up to 4.16 are known for that.
pub(super) fn is_worth_a_resync(event: &str) -> bool {
    matches!(
        event,
        "VM.CREATE"
            | "VM.START"
            | "VM.STOP"
            | "VM.DESTROY"
            | "VM.RECOVER"
            | "VM.EXPUNGE"
            | "VM.RESTORE"
            | "VM.UPDATE"
            | "VM.MOVE"
            | "VM.IMPORT"
            | "VM.UNMANAGE"
            | "VM.CREATE.FROM.BACKUP"
            | "NIC.CREATE"
            | "NIC.DELETE"
            | "NIC.UPDATE"
            | "NIC.SECONDARY.IP.ASSIGN"
            | "NIC.SECONDARY.IP.UNASSIGN"
            | "NIC.SECONDARY.IP.CONFIGURE"
            | "EXTERNAL.DHCP.VM.IP.FETCH"
            | "NETWORK.UPDATE"
            | "NETWORK.MIGRATE"
            | "ACCOUNT.UPDATE"
            | "ACCOUNT.DELETE"
            | "DOMAIN.UPDATE"
            | "DOMAIN.DELETE"
            | "DOMAIN.MOVE"
            | "PROJECT.DELETE"
    )
}
