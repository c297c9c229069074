//! deploy/compose.yaml without containers: each service's own command and environment, in their order, and what
//! its head tells to type. Only hosts, ports and paths are this machine's.

use super::{
    install_files::{part, read},
    support::{LIMIT, PROGRAM},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};
use testbed::{
    Broker, Controller, MariaDb, MariaDbOptions, PowerDns, PowerDnsOptions, poll, run_once,
    watchdog::{Guarded, TempDir, free_port},
};

/// `NAME=value` lines.
fn settings(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A text in which `${NAME:?...}` and `${NAME:-...}` stand for settings.
fn filled(text: &str, given: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, behind) = after.split_once('}').expect("a brace that closes");
        let (name, other) = inside.split_once(':').expect("a name, and what if it is not set");
        let unset = other.strip_prefix('-');
        let value = given.get(name).map(String::as_str).or(unset);
        out.push_str(before);
        out.push_str(value.unwrap_or_else(|| panic!("try.env lacks {name}")));
        rest = behind;
    }
    out + rest
}

/// A service's environment.
fn environment(service: &str, given: &BTreeMap<String, String>) -> HashMap<String, String> {
    let lines = part(service, "    environment:");
    let lines = lines.lines().skip(1).filter(|line| !line.trim_start().starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.trim().split_once(": ").expect("a variable");
            (name.to_owned(), filled(value.trim_matches('"'), given))
        })
        .collect()
}

/// A list in brackets behind that key.
fn list(service: &str, key: &str) -> Vec<String> {
    let line = service.lines().find_map(|line| line.trim().strip_prefix(key)).expect("the key");
    let inside = line.trim().trim_start_matches('[').trim_end_matches(']');
    inside.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

/// What the file's head tells to type, a command each.
fn typed(compose: &str) -> Vec<String> {
    let head =
        compose.lines().take_while(|line| line.starts_with('#')).filter_map(|line| line.strip_prefix("#   "));
    head.collect::<Vec<_>>().join("\n").replace("\\\n", "").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_services_of_compose_do_together_what_its_head_promises() {
    let compose = read("deploy/compose.yaml");
    let given = settings(&read("deploy/compose/try.env"));
    let folder = TempDir::new("compose").unwrap();
    let broker = Broker::start().unwrap();

    // mariadb: a database and a user with all rights on it, and PowerDNS's own tables.
    let server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let wants = environment(&part(&compose, "  mariadb:"), &given);
    let db = server.mysql().create(&wants["MARIADB_DATABASE"]).await.unwrap();
    assert_eq!(db.user, wants["MARIADB_USER"]);
    let password = &wants["MARIADB_PASSWORD"];
    db.exec(&format!("ALTER USER '{}'@'%' IDENTIFIED BY '{password}'", db.user)).await.unwrap();

    // zones: by the client, as often as it is started.
    let zones = part(&compose, "  zones:");
    let file = format!("{}/deploy/compose/try-zones.sql", env!("CARGO_MANIFEST_DIR"));
    for _ in 0..2 {
        let words = list(&zones, "entrypoint:").into_iter();
        let words: Vec<String> = words
            .map(|word| word.replace("--host=mariadb", "--host=127.0.0.1").replace("/try-zones.sql", &file))
            .collect();
        let port = format!("--port={}", server.port());
        let mut arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        arguments.insert(0, &port);
        let output = run_once(&words[0], &arguments, &environment(&zones, &given)).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
    }
    let counted: Vec<(i64, i64)> =
        db.query("SELECT (SELECT COUNT(*) FROM domains), (SELECT COUNT(*) FROM records)").await.unwrap();
    assert_eq!(counted, [(3, 6)], "a second start makes nothing twice");

    // pdns: with the file's own settings, but for where it and its database listen.
    let ours = environment(&part(&compose, "  pdns:"), &given);
    let mut conf = read("deploy/compose/pdns.j2");
    for (name, value) in &ours {
        conf = conf.replace(&format!("{{{{ {name} }}}}"), value);
    }
    assert!(!conf.contains("{{"), "{conf}");
    let here = ["gmysql-host=", "local-address=", "webserver-address="];
    let extra = conf.lines().filter(|line| !here.iter().any(|name| line.starts_with(name)));
    let extra = extra.map(str::to_owned).collect();
    let options = PowerDnsOptions { default_caches: true, primary: false, extra };
    let dns = PowerDns::start(&db, &options).await.unwrap();

    // kafka and simulator.
    broker.create_topic("cs-events", 3).unwrap();
    let cloud = free_port();
    let words = list(&part(&compose, "  simulator:"), "command:").into_iter();
    let words: Vec<String> = words
        .map(|word| word.replace("0.0.0.0:8080", &format!("127.0.0.1:{cloud}")))
        .map(|word| word.replace("kafka:9092", broker.bootstrap()))
        .collect();
    let program = Path::new(PROGRAM).with_file_name("testbed").display().to_string();
    assert!(Path::new(&program).exists(), "cargo build --workspace makes {program}");
    let command: Vec<&str> = std::iter::once(&program).chain(&words).map(String::as_str).collect();
    let _simulator = Guarded::start(folder.path(), "simulator", &command, None).unwrap();

    // controller, which waits for what is not there yet.
    let listen = free_port();
    let mut environment = environment(&part(&compose, "  controller:"), &given);
    for value in environment.values_mut() {
        *value = match value.as_str() {
            "mariadb" => "127.0.0.1".to_owned(),
            "kafka:9092" => broker.bootstrap().to_owned(),
            "http://pdns:8081" => dns.api_url(),
            other => other
                .replace("simulator:8080", &format!("127.0.0.1:{cloud}"))
                .replace(":8053", &format!(":{listen}")),
        };
    }
    environment.insert("MYSQL_PDNS_PORT".into(), server.port().to_string());
    let mut controller = Controller::start(PROGRAM, &["run"], &environment).unwrap();
    controller.wait_ready(LIMIT).await.unwrap();
    // What the image's HEALTHCHECK runs, in the container's environment.
    assert_eq!(run_once(PROGRAM, &["health"], &environment).await.unwrap().code, 0);

    let commands = typed(&compose);
    let runs = async |begin: &str| {
        let line = commands.iter().find(|line| line.starts_with(begin)).expect("the head tells it");
        let line = line
            .replace("-p 5300", &format!("-p {}", dns.dns_port))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{cloud}"))
            .replace("127.0.0.1:8053", &format!("127.0.0.1:{listen}"));
        let shell = HashMap::from([("no_proxy".to_owned(), "127.0.0.1".to_owned())]);
        let output = run_once("/bin/sh", &["-c", &line], &shell).await.unwrap();
        assert_eq!(output.code, 0, "{line}: {output:?}");
        output.stdout
    };
    assert_eq!(runs("dig ").await, "10.1.1.11\n");
    super::support::metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    let made = runs("curl -s http://127.0.0.1:8080/control/create_vm").await;
    assert!(made.contains("\"id\""), "{made}");
    poll("the new VM has its name", LIMIT, async || match dns.dig("vm9.domain.com", "A") {
        Ok(found) if found == ["10.1.9.9"] => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let status = runs("curl -s http://127.0.0.1:8053/status").await;
    assert!(status.contains("\"ready\":true"), "{status}");
}
