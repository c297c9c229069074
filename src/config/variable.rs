//! The table of variables: the one place that knows their names, flags and defaults.

/// A variable of the environment, which is also a flag.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment: a contract.
    pub name: &'static str,
    /// The flag, without the two hyphens: the name in lower case with hyphens.
    pub flag: &'static str,
    /// What its value is called in the help.
    pub value: &'static str,
    /// The heading that it stands under in the help.
    pub heading: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// The value where none is given, empty where there is none.
    pub default: &'static str,
}

const fn variable(
    name: &'static str,
    flag: &'static str,
    value: &'static str,
    heading: &'static str,
    default: &'static str,
    help: &'static str,
) -> Variable {
    Variable { name, flag, value, heading, help, default }
}

const CS: &str = "CloudStack";
const SQL: &str = "PowerDNS database";
const KAFKA: &str = "Kafka (events are triggers only)";
const DNS: &str = "Records";
const RUN: &str = "Running";

/// Every variable, in the order in which errors are reported.
#[rustfmt::skip]
pub const VARIABLES: &[Variable] = &[
    variable("CS_ENDPOINT", "cs-endpoint", "URL", CS, "", "The API's whole URL, https://host/client/api (required)"),
    variable("CS_API_KEY", "cs-api-key", "KEY", CS, "", "API key that may list VMs, accounts, domains and projects (required)"),
    variable("CS_API_KEY_FILE", "cs-api-key-file", "FILE", CS, "", "The same, from a file"),
    variable("CS_SECRET_KEY", "cs-secret-key", "KEY", CS, "", "Secret key (required; better by environment or file than by flag)"),
    variable("CS_SECRET_KEY_FILE", "cs-secret-key-file", "FILE", CS, "", "The same, from a file"),
    variable("CS_CA_FILE", "cs-ca-file", "FILE", CS, "", "Further certificate authorities to trust, PEM"),
    variable("CS_TIMEOUT", "cs-timeout", "DURATION", CS, "60s", "Longest wait for one answer"),
    variable("MYSQL_PDNS_HOST", "mysql-pdns-host", "HOST", SQL, "", "Host of the MySQL or MariaDB server (required)"),
    variable("MYSQL_PDNS_PORT", "mysql-pdns-port", "PORT", SQL, "3306", "Its port"),
    variable("MYSQL_PDNS_NAME", "mysql-pdns-name", "NAME", SQL, "pdns", "Name of the database"),
    variable("MYSQL_PDNS_USER", "mysql-pdns-user", "USER", SQL, "", "User (required)"),
    variable("MYSQL_PDNS_PASSWORD", "mysql-pdns-password", "PASSWORD", SQL, "", "Password (required; better by environment or file than by flag)"),
    variable("MYSQL_PDNS_PASSWORD_FILE", "mysql-pdns-password-file", "FILE", SQL, "", "The same, from a file"),
    variable("MYSQL_PDNS_TLS", "mysql-pdns-tls", "MODE", SQL, "preferred", "disabled, preferred, required, verify-ca or verify-identity"),
    variable("MYSQL_PDNS_CA_FILE", "mysql-pdns-ca-file", "FILE", SQL, "", "Certificate authorities for verify-ca and verify-identity, PEM"),
    variable("KAFKA_BOOTSTRAP", "kafka-bootstrap", "LIST", KAFKA, "", "host:port, comma-separated; without it only the resync finds changes"),
    variable("KAFKA_TOPIC", "kafka-topic", "TOPIC", KAFKA, "cs-events", "Topic of CloudStack's events"),
    variable("KAFKA_GROUP", "kafka-group", "GROUP", KAFKA, "cs-powerdns", "Consumer group; a new one starts at the end of the topic"),
    variable("KAFKA_CONFIG", "kafka-config", "LIST", KAFKA, "", "librdkafka properties, k=v,k=v (a comma inside a value: \\,)"),
    variable("DNS_RECORD_TTL", "dns-record-ttl", "SECONDS", DNS, "60", "TTL of the records"),
    variable("DNS_COMMON_ZONE", "dns-common-zone", "ZONE", DNS, "", "Zone in which every VM may have a name besides"),
    variable("DNS_ADD_TO_COMMON_ZONE", "dns-add-to-common-zone", "BOOL", DNS, "false", "Whether it has"),
    variable("DNS_ZONES", "dns-zones", "LIST", DNS, "all", "Zones that may be written, with those below: ZONE or ZONE@DOMAIN/PATH"),
    variable("DNS_PARENT_ZONES", "dns-parent-zones", "BOOL", DNS, "false", "A suffix may also lie below its zone"),
    variable("DNS_INHERIT_DOMAIN", "dns-inherit-domain", "BOOL", DNS, "false", "Take a parent domain's network domain where the own has none"),
    variable("DNS_NICS", "dns-nics", "WHICH", DNS, "default", "default or all"),
    variable("DNS_ADDRESSES", "dns-addresses", "LIST", DNS, "all", "Networks (CIDR) outside of which no address is published"),
    variable("DNS_STOPPED", "dns-stopped", "WHAT", DNS, "keep", "What a stopped VM has: keep, groups (leaves its groups) or remove"),
    variable("DNS_RECREATE", "dns-recreate", "BOOL", DNS, "true", "Write again what was deleted by hand"),
    variable("DNS_MODE", "dns-mode", "MODE", DNS, "sync", "sync, upsert-only or create-only"),
    variable("DNS_MAX_LOSS_PERCENT", "dns-max-loss-percent", "PERCENT", DNS, "30", "Bound of unannounced losses in an hour; 100 is none"),
    variable("OWNER_ID", "owner-id", "ID", RUN, "default", "Whose records these are, one id per CloudStack"),
    variable("LEASE_TTL", "lease-ttl", "DURATION", RUN, "15s", "How long the lease of the one writer lasts"),
    variable("RESYNC_INTERVAL", "resync-interval", "DURATION", RUN, "10m", "Time between full readings"),
    variable("RESYNC_MIN_INTERVAL", "resync-min-interval", "DURATION", RUN, "30s", "Shortest time between full readings"),
    variable("PDNS_API_URL", "pdns-api-url", "LIST", RUN, "", "PowerDNS web servers, http://host:8081, whose caches to flush"),
    variable("PDNS_API_KEY", "pdns-api-key", "KEY", RUN, "", "Their API key"),
    variable("PDNS_API_KEY_FILE", "pdns-api-key-file", "FILE", RUN, "", "The same, from a file"),
    variable("PDNS_API_CA_FILE", "pdns-api-ca-file", "FILE", RUN, "", "Further certificate authorities to trust for an https URL, PEM"),
    variable("HTTP_LISTEN", "http-listen", "ADDRESS", RUN, "127.0.0.1:8053", "Where health, metrics and status are served"),
    variable("LOG_FORMAT", "log-format", "FORMAT", RUN, "text", "text or json"),
    variable("RUST_LOG", "rust-log", "FILTER", RUN, "info", "What is logged: error, warn, info, debug, trace, or by module"),
];
