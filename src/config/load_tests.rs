use super::*;
use secrecy::ExposeSecret;
use std::time::Duration;

const GOOD: &[(&str, &str)] = &[
    ("CS_ENDPOINT", "https://cloud.example.org/client/api"),
    ("CS_API_KEY", "an-api-key"),
    ("CS_SECRET_KEY", "s3cret-one"),
    ("MYSQL_PDNS_HOST", "db.example.org"),
    ("MYSQL_PDNS_USER", "dns"),
    ("MYSQL_PDNS_PASSWORD", "s3cret-two"),
];

/// The good configuration with these variables over it.
fn load(over: &[(&str, &str)]) -> Result<Config, Faults> {
    Config::load(&GOOD.iter().chain(over).copied().collect())
}

/// A file that goes with the test.
struct Temporary(String);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn temporary(name: &str, text: &str) -> Temporary {
    let path = std::env::temp_dir().join(format!("cs-powerdns-config-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    Temporary(path.to_str().unwrap().to_owned())
}

#[test]
fn the_required_variables_are_enough_and_the_rest_has_the_documented_defaults() {
    let config = load(&[]).unwrap();
    assert_eq!(config.cloudstack.timeout, Duration::from_secs(60));
    assert_eq!((config.mysql.port, config.mysql.name.as_str()), (3306, "pdns"));
    assert_eq!(config.mysql.tls, Tls::Preferred);
    assert!(config.kafka.is_none() && config.pdns_api.is_none() && config.dns.common_zone.is_none());
    assert_eq!((config.dns.ttl.0, config.dns.max_loss_percent), (60, 30));
    assert!(config.dns.recreate && !config.dns.parent_zones && !config.dns.inherit_domain);
    assert!(config.dns.zones.is_empty() && config.dns.addresses.networks.is_empty());
    assert_eq!((&*config.owner, config.lease_ttl), ("default", Duration::from_secs(15)));
    assert_eq!(config.resync_interval, Duration::from_secs(600));
    assert_eq!(config.resync_min_interval, Duration::from_secs(30));
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:8053");
    assert!(config.warnings.is_empty());
}

#[test]
fn the_variables_of_the_older_service_mean_what_they_meant() {
    let config = load(&[
        ("KAFKA_BOOTSTRAP", "10.252.2.4:9092,10.252.2.3:9092"),
        ("KAFKA_TOPIC", "cs-events"),
        ("KAFKA_GROUP", "export-pdns-1"),
        ("MYSQL_PDNS_PORT", "3306"),
        ("DNS_RECORD_TTL", "120"),
        ("DNS_COMMON_ZONE", "Example.ORG."),
        ("DNS_ADD_TO_COMMON_ZONE", "True"),
    ])
    .unwrap();
    let kafka = config.kafka.unwrap();
    assert_eq!(kafka.bootstrap, "10.252.2.4:9092,10.252.2.3:9092");
    assert_eq!((kafka.topic.as_str(), kafka.group.as_str()), ("cs-events", "export-pdns-1"));
    assert_eq!(config.dns.common_zone.unwrap().as_str(), "example.org");
    assert_eq!(config.dns.ttl.0, 120);
}

#[test]
fn empty_text_is_unset() {
    let config = load(&[("CS_TIMEOUT", ""), ("KAFKA_BOOTSTRAP", ""), ("PDNS_API_KEY", "")]).unwrap();
    assert_eq!(config.cloudstack.timeout, Duration::from_secs(60));
    let faults = load(&[("CS_API_KEY", " ")]).unwrap_err();
    assert_eq!(faults.0.iter().map(|fault| fault.name).collect::<Vec<_>>(), ["CS_API_KEY"]);
}

#[test]
fn a_secret_from_a_file_loses_one_line_end() {
    let file = temporary("secret", "from a file \r\n");
    let config = load(&[("CS_SECRET_KEY", ""), ("CS_SECRET_KEY_FILE", &file.0)]).unwrap();
    assert_eq!(config.cloudstack.secret_key.expose_secret(), "from a file ");
    let faults = load(&[("CS_SECRET_KEY_FILE", &file.0)]).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "the configuration has an error\n  CS_SECRET_KEY: CS_SECRET_KEY_FILE is set as well; leave one of the two"
    );
}

#[test]
fn a_single_wrong_value_is_one_fault_with_its_name_and_a_remedy() {
    let empty = temporary("empty", "\n");
    let long = "x".repeat(65);
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        ("CS_ENDPOINT", "cloud.example.org", "`cloud.example.org` is no URL; write it as https://host/client/api"),
        ("CS_ENDPOINT", "https://cloud.example.org", "`https://cloud.example.org` has no path; write the API's whole URL, https://cloud.example.org/client/api"),
        ("CS_ENDPOINT", "ftp://host/client/api", "`ftp://host/client/api` is no http or https URL; write it as https://host/client/api"),
        ("CS_ENDPOINT", "https://u:s3cret@host/client/api", "the URL has a user, a query or a fragment; write it as https://host/client/api"),
        ("CS_ENDPOINT", "https://host/client/api?apikey=s3cret", "the URL has a user, a query or a fragment; write it as https://host/client/api"),
        ("CS_CA_FILE", "/no/such/file", "`/no/such/file` cannot be read: No such file or directory (os error 2); name a file that this user may read"),
        ("CS_TIMEOUT", "60", "`60` has no unit; write 60s for seconds"),
        ("CS_TIMEOUT", "soon", "`soon` is no duration; write one such as 30s, 10m or 1h"),
        ("LEASE_TTL", "999ms", "`999ms` is too short; write 1s or more"),
        ("RESYNC_INTERVAL", "0s", "`0s` is too short; write 1s or more"),
        ("RESYNC_MIN_INTERVAL", "1year", "`1year` is too long; write 30days or less"),
        ("MYSQL_PDNS_HOST", "db:3306", "`db:3306` is no host; write a host name or an address; the port goes into MYSQL_PDNS_PORT"),
        ("MYSQL_PDNS_HOST", "u:s3cret@db", "it is no host; write a host name or an address, nothing else"),
        ("MYSQL_PDNS_PORT", "0", "`0` is no port; write a number from 1 to 65535"),
        ("MYSQL_PDNS_PORT", "tcp://10.0.0.1:3306", "`tcp://10.0.0.1:3306` is no port; Kubernetes sets it for a Service of this name: set enableServiceLinks: false, or the port"),
        ("MYSQL_PDNS_NAME", "p dns", "`p dns` has blanks inside; write it without"),
        ("MYSQL_PDNS_TLS", "on", "`on` is none of its values; write disabled or preferred or required or verify-ca or verify-identity"),
        ("MYSQL_PDNS_CA_FILE", &empty.0, "holds no certificate"),
        ("KAFKA_BOOTSTRAP", "kafka", "`kafka` is no host:port; write host:9092, comma-separated"),
        ("KAFKA_BOOTSTRAP", ",", "the list has no item; write one, or leave the variable unset"),
        ("KAFKA_TOPIC", "^cs.*", "`^cs.*` is no topic; write one topic, of letters, digits, dots, _ and -"),
        ("KAFKA_CONFIG", "sasl.password=a,s3cret", "property 2 has no `=`; write k=v,k=v, and a comma inside a value as \\,"),
        ("KAFKA_CONFIG", "group.id=x", "the property `group.id` is set by the controller itself; write it into KAFKA_GROUP"),
        ("KAFKA_CONFIG", "bootstrap.servers=x", "the property `bootstrap.servers` is set by the controller itself; write it into KAFKA_BOOTSTRAP"),
        ("KAFKA_CONFIG", "enable.auto.commit=true", "the property `enable.auto.commit` is set by the controller itself; leave it out"),
        ("KAFKA_CONFIG", "enable.auto.offset.store=true", "the property `enable.auto.offset.store` is set by the controller itself; leave it out"),
        ("KAFKA_CONFIG", "auto.offset.reset=earliest", "the property `auto.offset.reset` is set by the controller itself; leave it out"),
        ("KAFKA_CONFIG", "a=s3cret,a=s3cret", "the property `a` is given twice; leave one of them"),
        ("DNS_RECORD_TTL", "2147483648", "`2147483648` is no TTL; write a number of seconds from 0 to 2147483647"),
        ("DNS_RECORD_TTL", "1m", "`1m` is no TTL; write a number of seconds from 0 to 2147483647"),
        ("DNS_COMMON_ZONE", "ex_ample.org", "`ex_ample.org` is no host name: a character that a host name may not have (only a-z, 0-9 and, inside a label, -); write a zone such as example.org"),
        ("DNS_COMMON_ZONE", "2.0.192.in-addr.arpa", "`2.0.192.in-addr.arpa` is a reverse zone; write a zone such as example.org"),
        ("DNS_ADD_TO_COMMON_ZONE", "yes", "`yes` is not true or false; write true"),
        ("DNS_ADD_TO_COMMON_ZONE", "true", "it is true and DNS_COMMON_ZONE is not set; set that zone, or this to false"),
        ("DNS_ZONES", "*.example.org", "`*.example.org` has a wildcard; write example.org: the zones below are meant as well"),
        ("DNS_ZONES", "example.org@/", "`example.org@/` names no CloudStack domain; write ZONE@ROOT/PATH"),
        ("DNS_ZONES", "a..b", "`a..b` names no zone: an empty label; write ZONE or ZONE@DOMAIN/PATH"),
        ("DNS_PARENT_ZONES", "maybe", "`maybe` is not true or false; write true or false"),
        ("DNS_INHERIT_DOMAIN", "no", "`no` is not true or false; write false"),
        ("DNS_NICS", "first", "`first` is none of its values; write default or all"),
        ("DNS_ADDRESSES", "192.0.2.1/24", "`192.0.2.1/24` has bits set beyond its prefix; write 192.0.2.0/24"),
        ("DNS_ADDRESSES", "2001:db8::1", "`2001:db8::1` is an address, not a network; write 2001:db8::1/128"),
        ("DNS_ADDRESSES", "10/8", "`10/8` is no network; write one such as 192.0.2.0/24 or 2001:db8::/32"),
        ("DNS_STOPPED", "drop", "`drop` is none of its values; write keep or groups or remove"),
        ("DNS_RECREATE", "2", "`2` is not true or false; write true or false"),
        ("DNS_MODE", "dry-run", "`dry-run` is none of its values; write sync or upsert-only or create-only"),
        ("DNS_MAX_LOSS_PERCENT", "101", "`101` is no percentage; write a whole number from 0 to 100, without a sign"),
        ("OWNER_ID", "a b", "`a b` is no owner id; write 1 to 64 letters, digits, dots, _ and -"),
        ("OWNER_ID", &long, "is no owner id; write 1 to 64 letters, digits, dots, _ and -"),
        ("PDNS_API_KEY_FILE", &empty.0, "is empty; write the secret into it"),
        ("HTTP_LISTEN", ":8053", "`:8053` is no address with port; write one such as 127.0.0.1:8053, 0.0.0.0:8053 or [::]:8053"),
        ("LOG_FORMAT", "xml", "`xml` is none of its values; write text or json"),
        ("RUST_LOG", "info=loud=1", "`info=loud=1` is no log filter; write error, warn, info, debug or trace, or module=level, comma-separated"),
    ];
    for (name, value, text) in table {
        let faults = load(&[(name, value)]).expect_err(&format!("{name}={value}"));
        let [fault] = faults.0.as_slice() else { panic!("{name}={value}: {faults}") };
        assert_eq!(fault.name, *name);
        assert!(fault.to_string().contains(text), "{fault}\n{text}");
        assert!(!fault.to_string().contains("s3cret"), "{fault}");
    }
}

#[test]
fn an_api_url_needs_its_key() {
    let faults = load(&[("PDNS_API_URL", "http://a:8081,http://b:8081")]).unwrap_err();
    assert_eq!(faults.0[0].to_string(), "PDNS_API_KEY: not set; it is required, or PDNS_API_KEY_FILE");
    let faults = load(&[("PDNS_API_URL", "http://a:8081/api/v1"), ("PDNS_API_KEY", "k")]).unwrap_err();
    assert_eq!(
        faults.0[0].to_string(),
        "PDNS_API_URL: `http://a:8081/api/v1` has the API's path; write it without, http://host:8081"
    );
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_table() {
    let given = [
        ("RESYNC_INTERVAL", "10"),
        ("DNS_ADDRESSES", "10.1.2.3/8"),
        ("DNS_ADD_TO_COMMON_ZONE", "yes"),
        ("PDNS_API_URL", "pdns:8081"),
        ("CS_ENDPOINT", "https://cloud.example.org/"),
        ("CS_SECRET_KEY_FILE", "/no/such/file"),
        ("KAFKA_CONFIG", "sasl.password=s3cret,group.id=x"),
        ("LOG_FORMAT", "logfmt"),
    ];
    let faults = Config::load(&given.into_iter().collect()).unwrap_err();
    insta::assert_snapshot!(faults, @r"
    the configuration has 13 errors
      CS_ENDPOINT: `https://cloud.example.org/` has no path; write the API's whole URL, https://cloud.example.org/client/api
      CS_API_KEY: not set; it is required, or CS_API_KEY_FILE
      CS_SECRET_KEY_FILE: `/no/such/file` cannot be read: No such file or directory (os error 2); name a file that this user may read
      MYSQL_PDNS_HOST: not set; it is required
      MYSQL_PDNS_USER: not set; it is required
      MYSQL_PDNS_PASSWORD: not set; it is required, or MYSQL_PDNS_PASSWORD_FILE
      KAFKA_CONFIG: the property `group.id` is set by the controller itself; write it into KAFKA_GROUP
      DNS_ADD_TO_COMMON_ZONE: `yes` is not true or false; write true
      DNS_ADDRESSES: `10.1.2.3/8` has bits set beyond its prefix; write 10.0.0.0/8
      RESYNC_INTERVAL: `10` has no unit; write 10s for seconds
      PDNS_API_URL: `pdns:8081` is no http or https URL; write it as http://host:8081
      PDNS_API_KEY: not set; it is required, or PDNS_API_KEY_FILE
      LOG_FORMAT: `logfmt` is none of its values; write text or json
    ");
}

#[test]
fn no_secret_stands_in_debug() {
    let config = load(&[
        ("KAFKA_BOOTSTRAP", "k:9092"),
        ("KAFKA_CONFIG", "sasl.password=s3cret-three"),
        ("PDNS_API_URL", "http://a:8081"),
        ("PDNS_API_KEY", "s3cret-four"),
    ])
    .unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("s3cret") && !shown.contains("an-api-key"), "{shown}");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let pem = temporary("ca", "-----BEGIN CERTIFICATE-----\n");
    let config = load(&[
        ("KAFKA_TOPIC", "t"),
        ("DNS_COMMON_ZONE", "example.org"),
        ("MYSQL_PDNS_CA_FILE", &pem.0),
        ("PDNS_API_KEY", "k"),
    ])
    .unwrap();
    assert_eq!(config.warnings.len(), 4, "{:?}", config.warnings);
}

#[test]
fn a_path_that_limits_nothing_is_warned_of() {
    let warnings = |list| load(&[("DNS_ZONES", list)]).unwrap().warnings;
    assert_eq!(
        warnings("bank.example.org@ROOT/bank, example.org, other.org@ROOT/bank"),
        [
            "DNS_ZONES: `bank.example.org@ROOT/bank` limits nothing, since `example.org` allows that zone to everybody"
        ]
    );
    assert_eq!(warnings("example.org@ROOT/a, bank.example.org"), Vec::<String>::new());
}

#[test]
fn readme_names_every_variable() {
    let readme = include_str!("../../README.md");
    for variable in crate::config::VARIABLES {
        assert!(readme.contains(&format!("`{}`", variable.name)), "{}", variable.name);
    }
}
