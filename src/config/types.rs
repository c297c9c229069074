//! A configuration that was checked.

use crate::model::{OwnerId, OwnerName, Ttl, ZoneName};
use ipnet::IpNet;
use reqwest::Url;
use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything that the environment and the flags say.
#[derive(Debug, Clone)]
pub struct Config {
    /// The CloudStack API.
    pub cloudstack: CloudStack,
    /// The PowerDNS database.
    pub mysql: MySql,
    /// The events; none where the controller lives on resync alone.
    pub kafka: Option<Kafka>,
    /// Which records there are to be.
    pub dns: Dns,
    /// Whose entries of the ledger are ours.
    pub owner: OwnerId,
    /// How long the lease lasts, at least 1 s.
    pub lease_ttl: Duration,
    /// Time between full resyncs, at least 1 s.
    pub resync_interval: Duration,
    /// Shortest time between full resyncs, at least 1 s.
    pub resync_min_interval: Duration,
    /// The PowerDNS web servers to tell of changes, if any.
    pub pdns_api: Option<PdnsApi>,
    /// Where health, metrics and status are served.
    pub http_listen: SocketAddr,
    /// What is in force but hardly meant, for the log.
    pub warnings: Vec<String>,
}

/// The CloudStack API.
#[derive(Debug, Clone)]
pub struct CloudStack {
    /// Its whole URL, with a path, without query, fragment or user.
    pub endpoint: Url,
    /// The API key.
    pub api_key: SecretString,
    /// The secret key.
    pub secret_key: SecretString,
    /// Further certificate authorities (PEM).
    pub ca_file: Option<PathBuf>,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

/// How the connection to the database is encrypted, as MySQL's own `--ssl-mode` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disabled,
    /// If the server can; nobody's certificate is checked.
    Preferred,
    /// Always; nobody's certificate is checked.
    Required,
    /// Always, and an authority that we trust has signed the certificate.
    VerifyCa,
    /// Always, and the certificate is for this host besides.
    VerifyIdentity,
}

/// The PowerDNS database.
#[derive(Debug, Clone)]
pub struct MySql {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub name: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// Encryption.
    pub tls: Tls,
    /// Certificate authorities (PEM) for the modes that verify; without it the system's.
    pub ca_file: Option<PathBuf>,
}

/// The events.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `host:port`, comma-separated, as librdkafka takes it.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Further librdkafka properties; passwords among them.
    pub extra: Vec<(String, SecretString)>,
}

/// What being Stopped means for a VM's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing.
    Keep,
    /// It leaves its groups.
    Groups,
    /// It has none.
    Remove,
}

/// What may be changed (design 7, "Modes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Sync,
    /// Nothing goes but what is replaced.
    UpsertOnly,
    /// RRsets that exist are not changed.
    CreateOnly,
}

/// An item of `DNS_ZONES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneItem {
    /// This zone and the zones below it may be written ...
    pub zone: ZoneName,
    /// ... for VMs of the CloudStack domain subtree of this path only, without outer slashes; as typed.
    pub path: Option<String>,
}

/// Which addresses of a VM count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressScope {
    /// Those of every NIC, not only of the default one.
    pub all_nics: bool,
    /// Only addresses inside these networks; all where empty.
    pub networks: Vec<IpNet>,
}

/// Which records there are to be.
#[derive(Debug, Clone)]
pub struct Dns {
    /// TTL of the records.
    pub ttl: Ttl,
    /// The zone in which every VM has a name besides; none unless `DNS_ADD_TO_COMMON_ZONE` is true.
    pub common_zone: Option<OwnerName>,
    /// Zones that may be written; all where empty.
    pub zones: Vec<ZoneItem>,
    /// A suffix also matches the longest zone above it.
    pub parent_zones: bool,
    /// A domain without a network domain takes that of the next one above.
    pub inherit_domain: bool,
    /// Which addresses count.
    pub addresses: AddressScope,
    /// What being Stopped means.
    pub stopped: Stopped,
    /// What was deleted by hand is written again.
    pub recreate: bool,
    /// What may be changed.
    pub mode: Mode,
    /// Bound of unannounced losses in an hour, 0 to 100.
    pub max_loss_percent: u8,
}

/// The PowerDNS web servers.
#[derive(Debug, Clone)]
pub struct PdnsApi {
    /// Their addresses, at least one.
    pub urls: Vec<Url>,
    /// The key that they share.
    pub key: SecretString,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// The shape of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// How to log, known before the rest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Its shape.
    pub format: LogFormat,
    /// The filter, in tracing-subscriber's syntax.
    pub filter: String,
}
