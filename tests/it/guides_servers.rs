//! The guides for databases of several servers, and for caches, worked through on such servers.

use super::{
    guide_support::Guide,
    rules_support::{tenant, zones},
    support::{EVENTS_ONLY, PROGRAM, metric, metric_reaches, sync},
};
use std::time::{Duration, Instant};
use testbed::{
    Controller, Galera, Lab, MariaDb, MariaDbOptions, MySql, PdnsDb, PowerDns, PowerDnsOptions, TcpGate,
    VmSpec, poll,
};

const ZONE: &str = "cloud.example.org";
/// Longer than elsewhere: a node that is gone is missed after 5 s, and serials are read every 30 s.
const LIMIT: Duration = Duration::from_secs(90);

/// A server that can be a primary and a replica.
fn server(id: u8) -> MariaDb {
    let extra = ["--log-bin".into(), format!("--server-id={id}"), "--binlog-format=MIXED".into()];
    MariaDb::new(MariaDbOptions { extra: extra.into(), ..MariaDbOptions::default() }).expect("a server")
}

/// PowerDNS on that server, with caches as it is delivered, or without.
async fn powerdns(lab: &Lab, mysql: MySql, default_caches: bool) -> PowerDns {
    let database = lab.db.at(mysql);
    poll("the server has the zone", LIMIT, async || match database.contents(ZONE, "SOA").await {
        Ok(soa) if soa.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let options = PowerDnsOptions { default_caches, ..PowerDnsOptions::default() };
    PowerDns::start(&database, &options).await.expect("PowerDNS starts")
}

/// Waits until this server answers this, asking again and again.
async fn answered(dns: &PowerDns, name: &str, expected: &str) {
    poll(&format!("{name} is {expected}"), LIMIT, async || match dns.dig(name, "A") {
        Ok(found) if found == [expected] => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn stands(database: &PdnsDb, name: &str) {
    poll(&format!("{name} stands"), LIMIT, async || match database.contents(name, "A").await {
        Ok(found) if found.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// `run` with the guide's settings, at the servers behind this gate.
async fn run_behind(guide: &mut Guide<'_>, gate: &TcpGate, more: &[(&str, &str)]) -> Controller {
    guide.env.insert("MYSQL_PDNS_PORT".into(), gate.port().to_string());
    guide.env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut controller = Controller::start(PROGRAM, &["run"], &guide.env).expect("it starts");
    controller.wait_ready(LIMIT).await.expect("it becomes ready");
    controller
}

#[tokio::test]
async fn a_replica_is_served_and_takes_over_as_its_guide_says() {
    let (mut primary, replica) = (server(1), server(2));
    let lab = Lab::on(primary.mysql(), "guide_replica").await.unwrap();
    zones(&lab, &[ZONE]).await;
    let account = tenant(&lab, Some(ZONE), None);
    let create = |name: &str, at: u8| {
        lab.world().create_vm(VmSpec::new(name, &account).v4(&format!("192.0.2.{at}")));
    };
    let second = lab.db.at(replica.mysql());
    let follow = format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root', MASTER_DELAY=2",
        primary.port()
    );
    let root = replica.mysql().admin(None);
    for statement in [&*follow, "START SLAVE"] {
        mysql_async::prelude::Queryable::query_drop(&mut root.get_conn().await.unwrap(), statement)
            .await
            .unwrap();
    }

    // The formats that it says will do.
    let mut guide = Guide::open(&lab, "replication").await;
    let checked = guide.runs("cs-powerdns check", 0).await;
    assert!(checked.contains("the binary log's format is MIXED"), "{checked}");
    guide.reads("MYSQL_PDNS_HOST=");
    for (format, name, at) in [("MIXED", "mixed", 1), ("ROW", "row", 2)] {
        lab.db.exec(&format!("SET GLOBAL binlog_format = '{format}'")).await.unwrap();
        create(name, at);
        sync(&lab, &[]).await;
        stands(&second, &format!("{name}.{ZONE}")).await;
    }
    assert_eq!(lab.db.rows_of_zone(ZONE).await.unwrap(), second.rows_of_zone(ZONE).await.unwrap());

    // PowerDNS reads the replica, which lags: what it has cached between commit and arrival is flushed again.
    let dns = powerdns(&lab, replica.mysql(), true).await;
    let gate = TcpGate::before(primary.port()).unwrap();
    let (url, key) = (dns.api_url(), dns.api_key.clone());
    let more = [("RESYNC_INTERVAL", "1s"), ("PDNS_API_URL", &*url), ("PDNS_API_KEY", &*key)];
    let mut controller = run_behind(&mut guide, &gate, &more).await;
    let late = format!("late.{ZONE}");
    assert_eq!(dns.dig(&late, "A").unwrap(), [""; 0], "asked for before it exists");
    create("late", 3);
    stands(&lab.db, &late).await;
    let committed = Instant::now();
    assert_eq!(dns.dig(&late, "A").unwrap(), [""; 0], "the replica lags");
    answered(&dns, &late, "192.0.2.3").await;
    assert!(
        committed.elapsed() < Duration::from_secs(30),
        "{:?}: PowerDNS keeps it 60 s",
        committed.elapsed()
    );

    // The replica misses a transaction, then the primary goes.
    second.exec("STOP SLAVE").await.unwrap();
    create("missed", 4);
    stands(&lab.db, &format!("missed.{ZONE}")).await;
    lab.db.exec("SET GLOBAL read_only = 1").await.unwrap();
    create("waits", 5);
    poll("the controller tries again", LIMIT, async || {
        let log = controller.output();
        if log.contains("read-only") { Ok(()) } else { Err(log) }
    })
    .await;
    let had = lab.db.serial(ZONE).await.unwrap();
    primary.kill();
    second.exec("RESET SLAVE ALL").await.unwrap();
    assert_eq!(second.contents(&format!("missed.{ZONE}"), "A").await.unwrap(), [""; 0]);
    assert!(second.serial(ZONE).await.unwrap() < had, "the serial is missing as well");
    gate.leads_to(replica.port());
    answered(&dns, &format!("missed.{ZONE}"), "192.0.2.4").await;
    answered(&dns, &format!("waits.{ZONE}"), "192.0.2.5").await;
    let entries: Vec<u32> = second.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.unwrap();
    assert_eq!(entries, [5], "an entry for each row");
    assert!(controller.pid().is_ok(), "it is the same process");
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    guide.env.insert("MYSQL_PDNS_PORT".into(), gate.port().to_string());
    guide.shell("cs-powerdns plan", 0).await;
    guide.ends();
}

#[tokio::test]
async fn a_cluster_is_written_at_one_node_as_its_guide_says() {
    let mut cluster = Galera::start().await.unwrap();
    let mut lab = Lab::on(cluster.node(0), "guide_galera").await.unwrap();
    lab.kafka();
    zones(&lab, &[ZONE]).await;
    let account = tenant(&lab, Some(ZONE), None);
    let create = |name: &str, at: u8| {
        lab.world().create_vm(VmSpec::new(name, &account).v4(&format!("192.0.2.{at}")));
    };
    create("web1", 1);
    let dns = powerdns(&lab, cluster.node(1), false).await;
    let mut guide = Guide::open(&lab, "replication").await;
    guide.runs("cs-powerdns check", 0).await;
    guide.sets("MYSQL_PDNS_HOST");
    let gate = TcpGate::before(cluster.node(0).port).unwrap();
    let controller = run_behind(&mut guide, &gate, &EVENTS_ONLY).await;
    answered(&dns, &format!("web1.{ZONE}"), "192.0.2.1").await;
    let without_key = "SELECT t.TABLE_NAME FROM information_schema.TABLES t \
        LEFT JOIN information_schema.TABLE_CONSTRAINTS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA \
        AND c.TABLE_NAME = t.TABLE_NAME AND c.CONSTRAINT_TYPE = 'PRIMARY KEY' \
        WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME LIKE 'cs\\_powerdns\\_%' AND c.TABLE_NAME IS NULL";
    assert_eq!(lab.db.query::<String>(without_key).await.unwrap(), [""; 0], "tables without a primary key");

    // An operator's edit at another node, found by its serial.
    let third = lab.db.at(cluster.node(2));
    third.exec("UPDATE records SET content = '203.0.113.9' WHERE content = '192.0.2.1'").await.unwrap();
    let serial = third.serial(ZONE).await.unwrap();
    let step = format!(
        "UPDATE records SET content = REPLACE(content, '{serial}', '{}') WHERE type = 'SOA'",
        serial + 1
    );
    third.exec(&step).await.unwrap();
    poll("the edit is seen", LIMIT, async || {
        let found = metric(&controller, "cs_powerdns_claims_not_served{state=\"released\"}").await?;
        if (found - 1.0).abs() < 0.5 { Ok(()) } else { Err(format!("{found}\n{}", controller.output())) }
    })
    .await;
    assert_eq!(dns.dig(&format!("web1.{ZONE}"), "A").unwrap(), ["203.0.113.9"]);

    // The node dies, and the proxy leads to the next.
    cluster.kill(0);
    gate.leads_to(cluster.node(1).port);
    create("web2", 2);
    answered(&dns, &format!("web2.{ZONE}"), "192.0.2.2").await;
    stands(&third, &format!("web2.{ZONE}")).await;
    guide.ends();
}

#[tokio::test]
async fn caches_are_flushed_as_their_guide_says() {
    let mut lab = Lab::new("guide_caches").await;
    lab.kafka();
    zones(&lab, &[ZONE]).await;
    let account = tenant(&lab, Some(ZONE), None);
    let dns = powerdns(&lab, lab.db.mysql, true).await;
    let mut guide = Guide::open(&lab, "caches").await;
    let line = guide.reads("PDNS_API_URL=http://ns1.example.org:8081,");
    guide.env.insert(line.split('=').next().unwrap().into(), dns.api_url());
    guide.env.insert("PDNS_API_KEY".into(), dns.api_key.clone());
    guide.sets("PDNS_API_KEY_FILE");
    // 60 s of negquery-cache-ttl and 20 s of cache-ttl, which may end a moment earlier.
    let checked = guide.shell("cs-powerdns check", 0).await;
    assert!(checked.contains("would keep a missing name for 80 s"), "{checked}");

    guide.env.extend(EVENTS_ONLY.map(|(name, value)| (name.into(), value.into())));
    let mut controller = Controller::start(PROGRAM, &["run"], &guide.env).expect("it starts");
    controller.wait_ready(LIMIT).await.unwrap();
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    let name = format!("web.{ZONE}");
    assert_eq!(dns.dig(&name, "A").unwrap(), [""; 0], "asked for before it exists");
    let web = lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1"));
    stands(&lab.db, &name).await;
    let committed = Instant::now();
    answered(&dns, &name, "192.0.2.1").await;
    lab.world().set_address(&web, Some("192.0.2.2"), None);
    answered(&dns, &name, "192.0.2.2").await;
    assert!(
        committed.elapsed() < Duration::from_secs(20),
        "{:?}: caches keep it longer",
        committed.elapsed()
    );

    // One that is down delays nothing, and is warned of once.
    let url = dns.api_url();
    drop(dns);
    for (vm, at) in [("second", 3), ("third", 4)] {
        lab.world().create_vm(VmSpec::new(vm, &account).v4(&format!("192.0.2.{at}")));
        stands(&lab.db, &format!("{vm}.{ZONE}")).await;
        poll("its metric says so", LIMIT, async || {
            let up = metric(&controller, &format!("cs_powerdns_pdns_up{{server=\"{url}\"}}")).await?;
            if up < 0.5 { Ok(()) } else { Err(format!("{up}")) }
        })
        .await;
    }
    let warned = controller.output().matches("cannot tell PowerDNS's web server of changes").count();
    assert_eq!(warned, 1, "{}", controller.output());
    let (_, status) = controller.get("/status").await.unwrap();
    assert!(status.contains(&url), "{status}");
    guide.ends();
}
