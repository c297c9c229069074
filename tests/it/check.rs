//! `check`: a good installation is ok, and each thing that is broken says so, with what to do.

use super::{
    check_support::{Checked, check},
    flush_support::{HalfOpen, closed},
    support::{ACCOUNT, LIMIT, answers, example, once, readiness, serve, start, sync, vm},
};
use testbed::{Fault, Lab, poll, sim::Scope};

/// What leaves nothing to be warned of, where Kafka and PowerDNS's web server are there as well.
const ZONES: (&str, &str) = ("DNS_ZONES", "domain.com,2.0.192.in-addr.arpa,8.b.d.0.1.0.0.2.ip6.arpa");

/// The statements of `check` since a mark that could leave anything behind.
async fn traces(lab: &Lab, mark: &str) -> Vec<String> {
    let all = lab.db.statements_since(mark).await.expect("the general log");
    let harmless = |sql: &str| ["SELECT", "SHOW", "SET SESSION"].iter().any(|verb| sql.starts_with(verb));
    assert!(all.len() > 10, "check has asked the database: {all:?}");
    all.into_iter().filter(|sql| !harmless(sql) || sql.contains("FOR UPDATE")).collect()
}

#[tokio::test]
async fn a_good_installation_is_ok_and_nothing_is_left_behind() {
    let mut lab = Lab::new("check_good").await;
    lab.kafka();
    example(&lab).await;
    let dns = lab.dns().await;
    dns.pdnsutil(&["secure-zone", "domain.com"]).unwrap();
    let (url, key) = (dns.api_url(), dns.api_key.clone());
    let all = [ZONES, ("PDNS_API_URL", &*url), ("PDNS_API_KEY", &*key)];
    lab.world().create_vm(vm("web", "192.0.2.10").v6("2001:db8::10"));

    // Nothing was ever written. The VM's event has come.
    let mark = lab.db.now().await.unwrap();
    lab.sim.clear_log();
    let checked = check(&lab, &all).await;
    checked.has_no("error");
    checked.has_no("warning");
    for words in [
        &["configuration: every variable"][..],
        &["cloudstack: version 4.20.0.0 answers at http://127.0.0.1"],
        &["cloudstack: its clock and this machine's agree"],
        &["the key sees 1 VM, ", " from ROOT down"],
        &["kafka: the topic", "has 3 partitions"],
        &["kafka: the latest event came "],
        &["kafka: the consumer group", "is new"],
        &["database: MariaDB 10."],
        &["database: there is no binary log"],
        &["database: this user has each of the "],
        &["database: the tables cs_powerdns_* are not there yet"],
        &["zones: domain.com (NATIVE, NSEC, serial ", ": VMs want 1 name there"],
        &["zones: 2.0.192.in-addr.arpa (NATIVE, unsigned, serial 2024010101 (Default)): VMs want 1 name"],
        &["ownership: owner id `default` is new"],
        &["powerdns: PowerDNS ", " answers at ", "0 s"],
    ] {
        checked.has("ok", words);
    }
    assert_eq!(traces(&lab, &mark).await, Vec::<String>::new());
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns\\_%'").await.unwrap();
    assert_eq!(tables, Vec::<String>::new(), "check made tables");
    let log = lab.sim.log();
    let changes: Vec<_> = log.iter().filter(|(command, _)| !command.starts_with("list")).collect();
    assert!(changes.is_empty() && log.len() > 5, "{changes:?}");

    // Beside a controller that serves.
    let controller = serve(&lab, &all).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    let checked = check(&lab, &all).await;
    checked.has_no("error");
    checked.has_no("warning");
    checked.has("ok", &["ownership: owner id `default` has 4 records and is served by "]);
    checked.has("ok", &["is bound to this cloud"]);
    checked.has("ok", &["ownership: the controller at 127.0.0.1:", " is ready: passes succeed"]);
    checked.has("ok", &["the tables cs_powerdns_* are there, of schema version 1"]);

    // After it.
    controller.sigterm().unwrap();
    let mut controller = controller;
    controller.wait_exit(LIMIT).await.unwrap();
    let mark = lab.db.now().await.unwrap();
    let checked = check(&lab, &all).await;
    checked.has_no("error");
    checked.has("warning", &["has 4 records, and nobody serves it now", "cs-powerdns run"]);
    assert_eq!(traces(&lab, &mark).await, Vec::<String>::new());
}

/// Everything that a configuration has wrong, at once, and as JSON.
#[tokio::test]
async fn a_wrong_configuration_is_told_line_by_line() {
    let lab = Lab::new("check_config").await;
    let wrong =
        [("DNS_RECORD_TTL", "a minute"), ("CS_ENDPOINT", ""), ("DNS_MODE", "yes"), ("DNS_ZONE", "x.org")];
    let checked = check(&lab, &wrong).await;
    checked.has("error", &["configuration: DNS_RECORD_TTL: `a minute` is no TTL -> write a number"]);
    checked.has("error", &["configuration: CS_ENDPOINT: not set"]);
    checked.has("error", &["configuration: DNS_MODE: "]);
    checked.has("warning", &["configuration: DNS_ZONE"]);
    assert_eq!(checked.of("error").len(), 3, "{}", checked.said);

    let output = once(&lab, &["check", "--json"], &wrong).await;
    let json: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(
        (output.code, &json["version"], &json["summary"]["error"]),
        (1, &1.into(), &3.into()),
        "{json:#}"
    );
    let first = json["findings"].as_array().unwrap().iter().find(|one| one["level"] == "error").unwrap();
    assert!(first["remedy"].is_string() && first["topic"] == "configuration", "{json:#}");
    let harmless = check(&lab, &[("PDNS_API_KEY", "PlantedNeedlessly")]).await;
    harmless.has("warning", &["PDNS_API_KEY has no effect", "PDNS_API_URL is not set"]);
}

#[tokio::test]
async fn whatever_a_key_may_not_do_has_its_line() {
    const LIST: [&str; 4] = ["listVirtualMachines", "listAccounts", "listDomains", "listProjects"];
    let lab = Lab::new("check_key").await;
    let domain = example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    sync(&lab, &[]).await;
    let key = &lab.sim.api_key;
    for command in LIST {
        lab.world().allow(key, command, false);
        let checked = check(&lab, &[]).await;
        let (what, remedy) =
            (format!("may not call {command}"), format!("allow {command} in the role's rules"));
        checked.has("error", &[&what, &remedy]);
        lab.world().allow(key, command, true);
    }
    for command in LIST {
        lab.world().allow(key, command, false);
    }
    assert_eq!(check(&lab, &[]).await.of("error").len(), 4, "each command is told, not the first alone");
    for command in LIST {
        lab.world().allow(key, command, true);
    }
    lab.world().set_scope(key, Scope::Domain(domain));
    let checked = check(&lab, &[]).await;
    checked.has("warning", &["its topmost domain is ROOT/acme", "root admin's key"]);
    checked.has("error", &["ownership: ", "is bound to the cloud with topmost domain", "cs-powerdns rebind"]);
    lab.world().set_scope(key, Scope::Accounts([ACCOUNT.to_owned()].into()));
    check(&lab, &[]).await.has("warning", &["cloudstack: the key sees 1 VM, 1 account, 1 domain"]);
    lab.world().set_scope(key, Scope::Root);
    check(&lab, &[]).await.has_no("error");
}

/// What is broken how, with which variables; the level and the words of the line that it makes.
type Breakage = (fn(&Lab), &'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

const BREAKAGES: [Breakage; 12] = [
    (|_| {}, &[("CS_SECRET_KEY", "PlantedSecret")], "error", &["check CS_API_KEY and CS_SECRET_KEY"]),
    (|_| {}, &[("CS_API_KEY", "PlantedKey")], "error", &["check CS_API_KEY and CS_SECRET_KEY"]),
    (
        |lab| lab.world().set_clock_skew(300),
        &[],
        "warning",
        &["this machine's clock is ", " s behind CloudStack's", "NTP"],
    ),
    (
        |lab| lab.world().set_clock_skew(3600),
        &[],
        "error",
        &["refuses the credentials", "the clocks of both machines"],
    ),
    (|lab| lab.world().set_clock_skew(3600), &[], "warning", &["s behind CloudStack's"]),
    (|lab| lab.world().set_version(4, 5), &[], "warning", &["version 4.5.0.0 at", "older than 4.11"]),
    (
        |lab| lab.world().allow(&lab.sim.api_key, "listCapabilities", false),
        &[],
        "warning",
        &["does not tell its version", "allow listCapabilities"],
    ),
    (
        |lab| lab.sim.fail_next(1000, Fault::Html503),
        &[],
        "error",
        &["not available now (HTTP 503)", "does the management server run"],
    ),
    (
        |lab| lab.sim.fail_next(1000, Fault::Hang),
        &[("CS_TIMEOUT", "1s")],
        "error",
        &["no answer within the time-out"],
    ),
    (
        |lab| {
            lab.world().set_version(4, 23);
            lab.world().add_dns_zone("Domain.com");
            lab.world().add_dns_zone("other.org");
        },
        &[],
        "warning",
        &["zones: domain.com is a zone of CloudStack's own DNS framework", "deleteDnsZone"],
    ),
    (
        |lab| lab.world().list_account(ACCOUNT, false),
        &[],
        "warning",
        &["names: 1 VM: ", "account is in no listing, so they keep what they have"],
    ),
    (|lab| lab.sim.down(), &[], "error", &["cannot connect to the API", "is CS_ENDPOINT right"]),
];

#[tokio::test]
async fn whatever_is_wrong_with_the_api_has_its_line_and_the_rest_goes_on() {
    let lab = Lab::new("check_api").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.world().allow(&lab.sim.api_key, "listAccounts", false);
    let mut controller = start(&lab, &[("RESYNC_INTERVAL", "1s")]);
    readiness(&controller, 503, "allow listAccounts").await;
    let checked = check(&lab, &[]).await;
    checked.has("error", &["ownership: the controller at ", " is not ready: ", "listAccounts"]);
    lab.world().allow(&lab.sim.api_key, "listAccounts", true);
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    for (breaks, more, level, words) in BREAKAGES {
        breaks(&lab);
        let checked = check(&lab, more).await;
        checked.has(level, words);
        checked.has("ok", &["database: this user has each of the"]);
        checked.has("warning", &["KAFKA_BOOTSTRAP is not set"]);
        lab.sim.heal();
        let world = lab.world();
        world.set_clock_skew(0);
        world.set_version(4, 20);
        world.allow(&lab.sim.api_key, "listCapabilities", true);
        world.list_account(ACCOUNT, true);
    }
    lab.sim.up().unwrap();
    let wrong = lab.sim.endpoint().replace("/client/api", "/client/ap");
    check(&lab, &[("CS_ENDPOINT", &wrong)]).await.has("error", &["is CS_ENDPOINT the API's whole URL"]);
    check(&lab, &[]).await.has_no("error");
}

#[tokio::test]
async fn whatever_is_wrong_with_kafka_has_its_line() {
    let mut lab = Lab::new("check_kafka").await;
    lab.kafka();
    check(&lab, &[]).await.has(
        "warning",
        &["kafka: the event bus is silent: no event has ever come", "META-INF/cloudstack/event"],
    );
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    poll("the event is there", LIMIT, async || {
        let checked = check(&lab, &[]).await;
        let there = checked.of("ok").iter().any(|line| line.contains("the latest event came "));
        if there { Ok(()) } else { Err(checked.said) }
    })
    .await;
    let closed = closed();
    let address = closed.strip_prefix("http://").unwrap();
    for (more, words) in [
        (("KAFKA_BOOTSTRAP", address), &["do not answer: ", "onnect", "check KAFKA_BOOTSTRAP"][..]),
        (("KAFKA_TOPIC", "no-such-topic"), &["there is no topic no-such-topic", "kafka.producer.properties"]),
        (("KAFKA_CONFIG", "no.such.property=PlantedValue"), &["no.such.property", "mend KAFKA_CONFIG"]),
    ] {
        let checked = check(&lab, &[more]).await;
        checked.has("error", &[&["kafka: "], words].concat());
        assert!(!checked.said.contains("PlantedValue"), "{}", checked.said);
        checked.has("ok", &["the key sees 1 VM,"]);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_web_server_has_its_line() {
    let lab = Lab::new("check_web").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    check(&lab, &[]).await.has("warning", &["powerdns: PDNS_API_URL is not set", "78 s"]);
    let other = Lab::new("check_other").await;
    let (dns, theirs) = (lab.dns().await, other.dns().await);
    let (url, key) = (dns.api_url(), dns.api_key.clone());
    let asks =
        async |urls: &str, key: &str| check(&lab, &[("PDNS_API_URL", urls), ("PDNS_API_KEY", key)]).await;
    asks(&url, &key).await.has_no("error");
    asks(&url, "PlantedPdnsKey").await.has("error", &["it answers 401", "PDNS_API_KEY"]);
    let closed = closed();
    let checked = asks(&format!("{closed},{url}"), &key).await;
    checked.has("error", &[&closed, "it does not answer", "check PDNS_API_URL"]);
    checked.has("ok", &["PowerDNS ", &url]);
    let checked = asks(&theirs.api_url(), &key).await;
    checked.has("error", &["does not serve zone ", "another database"]);
    let simulator = lab.sim.endpoint().replace("/client/api", "");
    asks(&simulator, &key).await.has("error", &["it answers 404"]);
}

/// All servers accept and are silent: it ends all the same, and each has its line.
#[tokio::test]
async fn it_ends_where_no_server_answers() {
    let lab = Lab::new("check_silent").await;
    let silent: [HalfOpen; 4] = std::array::from_fn(|_| HalfOpen::start());
    let [api, sql, kafka, web] = silent.each_ref().map(|one| one.url.clone());
    let port = sql.rsplit(':').next().unwrap();
    let checked: Checked = check(
        &lab,
        &[
            ("CS_ENDPOINT", &format!("{api}/client/api")),
            ("CS_TIMEOUT", "60s"),
            ("MYSQL_PDNS_PORT", port),
            ("KAFKA_BOOTSTRAP", kafka.strip_prefix("http://").unwrap()),
            ("PDNS_API_URL", &web),
            ("PDNS_API_KEY", "PlantedPdnsKey"),
        ],
    )
    .await;
    checked.has("error", &["cloudstack: ", "no answer within 15 s"]);
    checked.has("error", &["database: no answer from MySQL", "MYSQL_PDNS_HOST"]);
    checked.has("error", &["kafka: brokers at ", "KAFKA_BOOTSTRAP"]);
    checked.has("error", &["powerdns: ", "it does not answer", "PDNS_API_URL"]);
}
