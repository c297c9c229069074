//! From what was given to a configuration, or to every reason why there is none.

use super::{
    Faults, Given,
    fault::wrong,
    lists, parse,
    reader::Reader,
    types::{AddressScope, CloudStack, Config, Dns, Kafka, Logging, MySql, PdnsApi, Tls, ZoneItem},
};
use std::net::SocketAddr;

impl Config {
    /// Checks everything; on failure says everything that is wrong.
    pub fn load(given: &Given) -> Result<Self, Faults> {
        let mut reader = Reader::new(given);
        let read = &mut reader;
        let mut warnings = Vec::new();
        // Every part is read before any is looked at: a part is none only together with a fault.
        let cloudstack = cloudstack(read);
        let mysql = mysql(read, &mut warnings);
        let kafka = kafka(read, &mut warnings);
        let dns = dns(read, &mut warnings);
        let owner = read.or_default("OWNER_ID", parse::owner);
        let lease_ttl = read.or_default("LEASE_TTL", parse::duration);
        let resync_interval = read.or_default("RESYNC_INTERVAL", parse::duration);
        let resync_min_interval = read.or_default("RESYNC_MIN_INTERVAL", parse::duration);
        let pdns_api = pdns_api(read, &mut warnings);
        let http_listen = read.or_default("HTTP_LISTEN", parse::listen);
        logging(read);
        reader.finish()?;
        let whole = || {
            Some(Self {
                cloudstack: cloudstack?,
                mysql: mysql?,
                kafka,
                dns: dns?,
                owner: owner?,
                lease_ttl: lease_ttl?,
                resync_interval: resync_interval?,
                resync_min_interval: resync_min_interval?,
                pdns_api,
                http_listen: http_listen?,
                warnings,
            })
        };
        Ok(whole().expect("what is missing has noted a fault"))
    }
}

impl Config {
    /// Where the controller of this configuration listens: all that asking it needs.
    pub fn http_listen(given: &Given) -> Result<SocketAddr, Faults> {
        let mut reader = Reader::new(given);
        let listen = reader.or_default("HTTP_LISTEN", parse::listen);
        reader.finish()?;
        Ok(listen.expect("what is missing has noted a fault"))
    }
}

impl Logging {
    /// How to log: needed before, and also without, the rest of the configuration.
    pub fn load(given: &Given) -> Result<Self, Faults> {
        let mut reader = Reader::new(given);
        let logging = logging(&mut reader);
        reader.finish()?;
        Ok(logging.expect("what is missing has noted a fault"))
    }
}

fn logging(read: &mut Reader<'_>) -> Option<Logging> {
    let format = read.or_default("LOG_FORMAT", parse::log_format);
    let filter = read.or_default("RUST_LOG", parse::log_filter);
    Some(Logging { format: format?, filter: filter? })
}

fn cloudstack(read: &mut Reader<'_>) -> Option<CloudStack> {
    let endpoint = read.required("CS_ENDPOINT", parse::endpoint);
    let api_key = read.required_secret("CS_API_KEY", "CS_API_KEY_FILE");
    let secret_key = read.required_secret("CS_SECRET_KEY", "CS_SECRET_KEY_FILE");
    let ca_file = read.ca_file("CS_CA_FILE");
    let timeout = read.or_default("CS_TIMEOUT", parse::duration);
    Some(CloudStack {
        endpoint: endpoint?,
        api_key: api_key?,
        secret_key: secret_key?,
        ca_file,
        timeout: timeout?,
    })
}

fn mysql(read: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<MySql> {
    let host = read.required("MYSQL_PDNS_HOST", parse::host);
    let port = read.or_default("MYSQL_PDNS_PORT", parse::port);
    let name = read.or_default("MYSQL_PDNS_NAME", parse::word);
    let user = read.required("MYSQL_PDNS_USER", parse::word);
    let password = read.required_secret("MYSQL_PDNS_PASSWORD", "MYSQL_PDNS_PASSWORD_FILE");
    let tls = read.or_default("MYSQL_PDNS_TLS", parse::tls);
    let ca_file = read.ca_file("MYSQL_PDNS_CA_FILE");
    if ca_file.is_some() && matches!(tls, Some(Tls::Disabled | Tls::Preferred | Tls::Required)) {
        warnings.push(
            "MYSQL_PDNS_CA_FILE has no effect: MYSQL_PDNS_TLS is neither verify-ca nor verify-identity"
                .into(),
        );
    }
    Some(MySql {
        host: host?,
        port: port?,
        name: name?,
        user: user?,
        password: password?,
        tls: tls?,
        ca_file,
    })
}

fn kafka(read: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<Kafka> {
    let bootstrap = read.read("KAFKA_BOOTSTRAP", lists::bootstrap);
    let topic = read.or_default("KAFKA_TOPIC", parse::topic);
    let group = read.or_default("KAFKA_GROUP", parse::word);
    let extra = read.read("KAFKA_CONFIG", lists::properties);
    if !read.is_set("KAFKA_BOOTSTRAP") {
        for name in ["KAFKA_TOPIC", "KAFKA_GROUP", "KAFKA_CONFIG"] {
            if read.is_set(name) {
                warnings.push(format!("{name} has no effect: KAFKA_BOOTSTRAP is not set"));
            }
        }
    }
    Some(Kafka { bootstrap: bootstrap?, topic: topic?, group: group?, extra: extra.unwrap_or_default() })
}

fn dns(read: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<Dns> {
    let ttl = read.or_default("DNS_RECORD_TTL", parse::ttl);
    let common_zone = read.read("DNS_COMMON_ZONE", parse::common_zone);
    let add = read.or_default("DNS_ADD_TO_COMMON_ZONE", parse::boolean);
    match add {
        Some(true) if !read.is_set("DNS_COMMON_ZONE") => read.fault(
            "DNS_ADD_TO_COMMON_ZONE",
            wrong("it is true and DNS_COMMON_ZONE is not set", "set that zone, or this to false"),
        ),
        Some(false) if common_zone.is_some() => {
            warnings.push("DNS_COMMON_ZONE has no effect: DNS_ADD_TO_COMMON_ZONE is not true".into());
        }
        _ => {}
    }
    let zones = read.or_default("DNS_ZONES", lists::zones);
    warnings.extend(zones.iter().flatten().filter_map(|item| without_limit(item, zones.as_deref()?)));
    let parent_zones = read.or_default("DNS_PARENT_ZONES", parse::boolean);
    let inherit_domain = read.or_default("DNS_INHERIT_DOMAIN", parse::boolean);
    let all_nics = read.or_default("DNS_NICS", parse::all_nics);
    let networks = read.or_default("DNS_ADDRESSES", lists::networks);
    let stopped = read.or_default("DNS_STOPPED", parse::stopped);
    let recreate = read.or_default("DNS_RECREATE", parse::boolean);
    let mode = read.or_default("DNS_MODE", parse::mode);
    let max_loss_percent = read.or_default("DNS_MAX_LOSS_PERCENT", parse::percent);
    Some(Dns {
        ttl: ttl?,
        common_zone: common_zone.filter(|_| add == Some(true)),
        zones: zones?,
        parent_zones: parent_zones?,
        inherit_domain: inherit_domain?,
        addresses: AddressScope { all_nics: all_nics?, networks: networks? },
        stopped: stopped?,
        recreate: recreate?,
        mode: mode?,
        max_loss_percent: max_loss_percent?,
    })
}

/// Each item allows, none forbids: a path limits nothing where another item opens the zone to everybody.
fn without_limit(item: &ZoneItem, zones: &[ZoneItem]) -> Option<String> {
    let ZoneItem { zone, path } = item;
    let path = path.as_ref()?;
    let opens = |other: &&ZoneItem| other.path.is_none() && zone.is_within(other.zone.as_str());
    let open = &zones.iter().find(opens)?.zone;
    Some(format!("DNS_ZONES: `{zone}@{path}` limits nothing, since `{open}` allows that zone to everybody"))
}

fn pdns_api(read: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<PdnsApi> {
    let urls = read.read("PDNS_API_URL", lists::urls);
    let key = if read.is_set("PDNS_API_URL") {
        read.required_secret("PDNS_API_KEY", "PDNS_API_KEY_FILE")
    } else {
        let key = read.secret("PDNS_API_KEY", "PDNS_API_KEY_FILE");
        if key.is_some() {
            warnings.push("PDNS_API_KEY has no effect: PDNS_API_URL is not set".into());
        }
        None
    };
    let ca_file = read.ca_file("PDNS_API_CA_FILE");
    if ca_file.is_some() && urls.iter().flatten().all(|url| url.scheme() != "https") {
        warnings.push("PDNS_API_CA_FILE has no effect: PDNS_API_URL has no https URL".into());
    }
    Some(PdnsApi { urls: urls?, key: key?, ca_file })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "load_fuzz.rs"]
mod fuzz;
