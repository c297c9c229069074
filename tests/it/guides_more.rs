//! The guides for what comes later, worked through: signed zones, delegation, tenants, several servers.

use super::{
    guide_support::Guide,
    rules_support::{rectified, tenant, zones},
    support::{EVENTS_ONLY, answers, once, serve_events, sync},
};
use testbed::{Controller, Lab, PowerDns, PowerDnsOptions, VmSpec, broker};

const ZONE: &str = "cloud.example.org";
const REVERSE: &str = "2.0.192.in-addr.arpa";

/// A cloud whose only tenant has the guides' zone; a VM of it.
fn web1(lab: &Lab) -> String {
    let account = tenant(lab, Some(ZONE), None);
    lab.world().create_vm(VmSpec::new("web1", &account).v4("192.0.2.9"));
    account
}

#[tokio::test]
async fn a_zone_is_signed_as_its_guide_says() {
    let lab = Lab::new("guide_signed").await;
    zones(&lab, &[ZONE, REVERSE]).await;
    let account = web1(&lab);
    let mut guide = Guide::open(&lab, "signed-zones").await;
    let controller = super::support::serve(&lab, &[]).await;
    answers(&lab, "web1.cloud.example.org", "A", &["192.0.2.9"]).await;
    guide.runs("pdnsutil secure-zone cloud.example.org", 0).await;
    guide.runs("pdnsutil set-nsec3 cloud.example.org '1 0 0 -'", 0).await;
    guide.runs("pdnsutil rectify-zone cloud.example.org", 0).await;
    let shown = guide.runs("pdnsutil show-zone cloud.example.org", 0).await;
    assert!(shown.contains("DS = cloud.example.org. IN DS "), "{shown}");
    // The guide's own mending of too many iterations.
    guide.shell("pdnsutil set-nsec3 cloud.example.org '1 0 101 -'", 0).await;
    drop(controller);
    let plan = once(&lab, &["plan"], &[]).await.stdout;
    assert!(plan.contains("NSEC3"), "the reason is told: {plan}");
    guide.shell("pdnsutil set-nsec3 cloud.example.org '1 0 0 -'", 0).await;
    guide.shell("pdnsutil rectify-zone cloud.example.org", 0).await;
    lab.world().create_vm(VmSpec::new("web2", &account).v4("192.0.2.10"));
    sync(&lab, &[]).await;
    answers(&lab, "web2.cloud.example.org", "A", &["192.0.2.10"]).await;
    rectified(&lab, ZONE).await;
    guide.ends();
}

#[tokio::test]
async fn a_zone_and_its_reverse_are_delegated_as_their_guide_says() {
    let lab = Lab::new("guide_delegation").await;
    let account = web1(&lab);
    lab.world().create_vm(VmSpec { v6: Some("2001:db8::9".into()), ..VmSpec::new("web6", &account) });
    zones(&lab, &["example.org"]).await;
    let mut guide = Guide::open(&lab, "delegation").await;
    let waits = once(&lab, &["explain", "web1.cloud.example.org"], &[]).await.stdout;
    assert!(waits.contains("pending") && waits.contains("create that zone"), "{waits}");

    guide.runs("pdnsutil create-zone cloud.example.org ns1.example.org", 0).await;
    guide.runs("pdnsutil add-record cloud.example.org @ NS ns2.example.org", 0).await;
    for _ in 0..2 {
        let line = guide.reads("cloud  IN NS ns");
        let [name, "IN", "NS", server] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line} is a line of a zone");
        };
        guide.shell(&format!("pdnsutil add-record example.org {name} NS {server}"), 0).await;
    }
    guide.shell("pdnsutil rectify-zone example.org", 0).await;
    let served = super::support::serve(&lab, &[]).await;
    answers(&lab, "web1.cloud.example.org", "A", &["192.0.2.9"]).await;
    guide.runs("cs-powerdns check", 0).await;
    let explained = guide.runs("cs-powerdns explain web1.cloud.example.org", 0).await;
    assert!(explained.starts_with("web1.cloud.example.org is served"), "{explained}");
    let mut servers = lab.dns().await.dig(ZONE, "NS").unwrap();
    servers.sort();
    assert_eq!(servers, ["ns1.example.org.", "ns2.example.org."]);

    guide.runs("pdnsutil create-zone 2.0.192.in-addr.arpa ns1.example.org", 0).await;
    guide.runs("pdnsutil create-zone 8.b.d.0.1.0.0.2.ip6.arpa ns1.example.org", 0).await;
    let v6 = format!("9.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
    drop(served);
    sync(&lab, &[]).await;
    answers(&lab, "9.2.0.192.in-addr.arpa", "PTR", &["web1.cloud.example.org."]).await;
    answers(&lab, &v6, "PTR", &["web6.cloud.example.org."]).await;

    // Another reader, who has less than a /24.
    guide.shell("pdnsutil delete-zone 2.0.192.in-addr.arpa", 0).await;
    guide.runs("pdnsutil create-zone 0-63.2.0.192.in-addr.arpa ns1.example.org", 0).await;
    guide.runs("pdnsutil create-zone 2.0.192.in-addr.arpa ns1.example.org", 0).await;
    guide.runs("pdnsutil add-record 2.0.192.in-addr.arpa 9 CNAME 9.0-63.2.0.192.in-addr.arpa", 0).await;
    sync(&lab, &[]).await;
    answers(&lab, "9.0-63.2.0.192.in-addr.arpa", "PTR", &["web1.cloud.example.org."]).await;
    guide.ends();
}

#[tokio::test]
async fn tenants_are_fenced_as_their_guide_says() {
    let lab = Lab::new("guide_tenants").await;
    zones(&lab, &[ZONE, "acme.example", REVERSE, "other.example"]).await;
    let world = lab.world();
    let acme = world.add_domain("acme", &world.root(), Some("acme.example"));
    let account = |domain: &str, name: &str, suffix| world.add_account(domain, name, suffix);
    let own = account(&acme, "own", None);
    let shared = account(&world.root(), "shared", Some(ZONE));
    let thief = account(&world.root(), "thief", Some("acme.example"));
    let stray = account(&world.root(), "stray", Some("other.example"));
    for (owner, name, at) in
        [(&own, "a", 1), (&shared, "b", 2), (&thief, "c", 3), (&stray, "d", 4), (&shared, "wpad", 5)]
    {
        world.create_vm(VmSpec::new(name, owner).v4(&format!("192.0.2.{at}")));
    }
    let unset = once(&lab, &["check"], &[]).await.stdout;
    assert!(unset.lines().any(|line| line.starts_with("warning") && line.contains("DNS_ZONES")), "{unset}");
    let mut guide = Guide::open(&lab, "tenants").await;
    guide.sets("DNS_ZONES");
    guide.sql("INSERT INTO records").await;
    guide.shell("cs-powerdns sync", 0).await;
    for (name, expected) in [
        ("a.acme.example", &["192.0.2.1"][..]),
        ("b.cloud.example.org", &["192.0.2.2"]),
        ("c.acme.example", &[]),
        ("d.other.example", &[]),
        ("wpad.cloud.example.org", &[]),
    ] {
        answers(&lab, name, "A", expected).await;
    }
    let refused = guide.shell("cs-powerdns plan", 0).await;
    assert!(refused.contains("c.acme.example") && refused.contains("d.other.example"), "{refused}");
    let why = guide.shell("cs-powerdns explain c.acme.example", 0).await;
    assert!(why.contains("DNS_ZONES"), "{why}");
    // An item of no effect is warned of.
    guide.env.insert("DNS_ZONES".into(), "acme.example,acme.example@ROOT/acme".into());
    let useless = guide.shell("cs-powerdns plan 2>&1", 2).await;
    assert!(useless.contains("acme.example@ROOT/acme"), "{useless}");
    let purged = guide.shell("cs-powerdns purge --zone acme.example", 0).await;
    answers(&lab, "a.acme.example", "A", &[]).await;
    assert!(purged.starts_with("deleted 1 row in 1 zone"), "{purged}");
    guide.ends();
}

#[tokio::test]
async fn two_servers_of_one_database_are_told_as_their_guide_says() {
    let mut lab = Lab::new("guide_servers").await;
    lab.kafka();
    zones(&lab, &[ZONE, REVERSE]).await;
    let account = web1(&lab);
    let caches = PowerDnsOptions { default_caches: true, ..PowerDnsOptions::default() };
    let first = lab.dns_with(&caches).await;
    let second = PowerDns::start(&lab.db, &caches).await.unwrap();
    let mut guide = Guide::open(&lab, "two-servers").await;
    let line = guide.reads("PDNS_API_URL=http://ns1.example.org:8081,http://ns2.example.org:8081");
    let (name, _) = line.split_once('=').unwrap();
    guide.env.insert(name.into(), format!("{},{}", first.api_url(), second.api_url()));
    guide.env.insert("PDNS_API_KEY".into(), first.api_key.clone());
    guide.sets("PDNS_API_KEY_FILE");
    guide.env.extend(EVENTS_ONLY.map(|(name, value)| (name.into(), value.into())));
    for server in [first, &second] {
        assert_eq!(server.dig("web2.cloud.example.org", "A").unwrap(), [""; 0], "asked for before");
    }
    let mut controller = Controller::start(super::support::PROGRAM, &["run"], &guide.env).expect("it starts");
    controller.wait_ready(super::support::LIMIT).await.unwrap();
    super::support::metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    lab.world().create_vm(VmSpec::new("web2", &account).v4("192.0.2.10"));
    for server in [first, &second] {
        testbed::poll("both servers forget what they had", super::support::LIMIT, async || {
            match server.dig("web2.cloud.example.org", "A") {
                Ok(found) if found == ["192.0.2.10"] => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    guide.ends();
}

#[tokio::test]
async fn two_databases_with_a_group_each_both_hear_of_everything() {
    let mut first = Lab::new("guide_databases").await;
    first.kafka();
    let second = Lab::new("guide_databases").await;
    for lab in [&first, &second] {
        zones(lab, &[ZONE, REVERSE]).await;
    }
    let account = web1(&first);
    let topic = [
        ("CS_ENDPOINT", first.sim.endpoint()),
        ("CS_API_KEY", first.sim.api_key.clone()),
        ("CS_SECRET_KEY", first.sim.secret_key.clone()),
        ("KAFKA_BOOTSTRAP", broker().bootstrap().to_owned()),
        ("KAFKA_TOPIC", first.topic.clone()),
        ("KAFKA_GROUP", format!("{}-2", first.topic)),
    ];
    let mut more: Vec<(&str, &str)> = topic.iter().map(|(name, value)| (*name, value.as_str())).collect();
    more.extend(EVENTS_ONLY);
    let _controllers = (serve_events(&first, &EVENTS_ONLY).await, serve_events(&second, &more).await);
    first.world().create_vm(VmSpec::new("web2", &account).v4("192.0.2.10"));
    for lab in [&first, &second] {
        answers(lab, "web2.cloud.example.org", "A", &["192.0.2.10"]).await;
    }
}
