//! `check`: every zone that VMs want, and who owns what stands in them.

use super::{
    check_support::check,
    older_service::table,
    rules_support::{REVERSE, put, sql, zones},
    support::{ACCOUNT, example, once, sync, vm},
};
use testbed::{Lab, PowerDnsOptions};

/// A VM `web` of an account with this network domain.
fn tenant_of(lab: &Lab, domain: &str, v4: &str) {
    let world = lab.world();
    put(lab, &world.add_account(&world.root(), domain, Some(domain)), "web", v4);
}

async fn metadata(lab: &Lab, zone: &str, kind: &str, content: &str) {
    let values = format!("SELECT id, '{kind}', '{content}' FROM domains WHERE name = '{zone}'");
    sql(lab, &format!("INSERT INTO domainmetadata (domain_id, kind, content) {values}")).await;
}

/// Each zone as it is made, and the line that it has.
const ZONES: [(&str, &str, &str, &str); 14] = [
    ("good.org", "MASTER", "ok", "good.org (MASTER, unsigned, serial 7 (Default)): VMs want 1 name there"),
    (
        "slave.org",
        "SLAVE",
        "error",
        "slave.org: the zone's type is Secondary: its contents come from elsewhere; 1 name ",
    ),
    ("consumer.org", "CONSUMER", "error", "consumer.org: the zone's type is Consumer"),
    ("presigned.org", "NATIVE", "error", "presigned.org: the zone is presigned"),
    ("iterations.org", "NATIVE", "error", "iterations.org: the zone has 101 NSEC3 iterations"),
    ("nsec3param.org", "NATIVE", "error", "nsec3param.org: the zone's NSEC3PARAM metadata cannot be read"),
    (
        "some.org",
        "NATIVE",
        "warning",
        "some.org (NATIVE, NSEC3 of 5 iterations, a salt, opt-out, serial 7 (Epoch))",
    ),
    (
        "none.org",
        "NATIVE",
        "ok",
        "none.org (NATIVE, NSEC3 of 0 iterations, narrow, serial 7 (Increase)): VMs want 1",
    ),
    ("six.org", "NATIVE", "error", "six.org: the zone's SOA content has not the seven fields"),
    (
        "nosoa.org",
        "NATIVE",
        "warning",
        "nosoa.org has no enabled SOA, so PowerDNS does not serve it: 1 name waits",
    ),
    (
        "nozone.org",
        "",
        "warning",
        "there is no zone nozone.org: 1 name waits for it -> create it (pdnsutil create-zone nozone.org",
    ),
    ("cut.org", "NATIVE", "warning", "cut.org: 1 name at or below the delegation of web.cut.org"),
    ("dname.org", "NATIVE", "warning", "dname.org: 1 name below the DNAME at dname.org"),
    (
        "corp.org",
        "NATIVE",
        "warning",
        "names: inside a longer zone: 1 name, such as web.corp.org: a row in corp.org would be",
    ),
];

#[tokio::test]
async fn every_zone_that_vms_want_has_its_line() {
    let lab = Lab::new("check_zones").await;
    for (zone, kind, ..) in ZONES {
        if !kind.is_empty() {
            lab.db.zone_of(zone, kind, 7).await.expect("a zone");
        }
        tenant_of(&lab, zone, "192.0.2.1");
    }
    lab.db.zone("web.corp.org").await.expect("a zone");
    metadata(&lab, "presigned.org", "PRESIGNED", "1").await;
    for (zone, parameters) in [
        ("iterations.org", "1 0 101 ab"),
        ("nsec3param.org", "1 0 ab"),
        ("some.org", "1 1 5 ab"),
        ("none.org", "1 0 0 -"),
    ] {
        lab.dns().await.pdnsutil(&["secure-zone", zone]).expect("secure-zone works");
        metadata(&lab, zone, "NSEC3PARAM", parameters).await;
    }
    metadata(&lab, "none.org", "NSEC3NARROW", "1").await;
    metadata(&lab, "none.org", "SOA-EDIT-API", "INCREASE").await;
    metadata(&lab, "some.org", "SOA-EDIT-API", "EPOCH").await;
    sql(&lab, "UPDATE records SET content = 'a b 7 1 1 1' WHERE name = 'six.org' AND type = 'SOA'").await;
    sql(&lab, "UPDATE records SET disabled = 1 WHERE name = 'nosoa.org' AND type = 'SOA'").await;
    lab.db.insert("cut.org", "web.cut.org", "NS", "elsewhere.net", 60).await.unwrap();
    lab.db.insert("dname.org", "dname.org", "DNAME", "elsewhere.net", 60).await.unwrap();
    tenant_of(&lab, "bad_.org", "192.0.2.1");
    let checked = check(&lab, &[]).await;
    for (zone, _, level, words) in ZONES {
        println!("{zone}");
        checked.has(level, &[words]);
    }
    checked.has("warning", &["DNS_ZONES is not set", "list the zones"]);
    checked.has("warning", &["names: bad network domain: 1 name, such as bad_.org"]);
    checked
        .has("warning", &["names: 1 reverse name in no zone", "such as that of 192.0.2.1", "in-addr.arpa"]);

    // What the operator names himself is his to create, and what he fences off is no error.
    let list = "good.org,nozone.org,typo.org,below.org,none.org@ROOT/nobody";
    let more = [("DNS_ZONES", list), ("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")];
    lab.db.zone("a.below.org").await.unwrap();
    lab.db.zone(REVERSE).await.unwrap();
    let checked = check(&lab, &more).await;
    checked.has("error", &["there is no zone common.org: 15 names wait for it"]);
    checked.has("error", &["there is no zone nozone.org: 1 name waits"]);
    checked.has("error", &["there is no zone typo.org: DNS_ZONES or DNS_COMMON_ZONE names it"]);
    checked.has("warning", &["DNS_ZONES: `none.org@ROOT/nobody` is for nobody"]);
    checked.has("warning", &["none.org: DNS_ZONES does not allow it for these VMs; 1 name "]);
    checked.has("warning", &["slave.org: ", "list it in DNS_ZONES; else leave it"]);
    checked.has("ok", &["good.org (MASTER"]);
    assert_eq!(checked.of("error").len(), 3, "{}", checked.said);
    assert!(
        !checked.said.contains("DNS_ZONES is not set") && !checked.said.contains("reverse name"),
        "{}",
        checked.said
    );
}

/// A zone that needs more empty non-terminals than PowerDNS allows loses all of them at its next rectify.
#[tokio::test]
async fn a_zone_near_the_bound_of_empty_non_terminals_has_its_line() {
    let lab = Lab::new("check_ents").await;
    example(&lab).await;
    // 23 empty non-terminals are between the apex of a /32 and an address.
    lab.world().create_vm(vm("web", "192.0.2.1").v6("2001:db8::1"));
    let options = PowerDnsOptions { extra: vec!["max-ent-entries=25".into()], ..PowerDnsOptions::default() };
    let dns = lab.dns_with(&options).await;
    let (url, key) = (dns.api_url(), dns.api_key.clone());
    let more = [("PDNS_API_URL", &*url), ("PDNS_API_KEY", &*key)];
    let near =
        ["8.b.d.0.1.0.0.2.ip6.arpa has or needs 23 empty non-terminals", "max-ent-entries is 25", "delegate"];
    check(&lab, &more).await.has("warning", &near);
    sync(&lab, &[]).await;
    lab.db.insert("domain.com", "a.b.c.d.domain.com", "A", "198.51.100.1", 60).await.unwrap();
    check(&lab, &more).await.has("warning", &near);
    lab.world().create_vm(vm("mail", "192.0.2.2").v6("2001:db8:1::1"));
    check(&lab, &more).await.has("error", &["needs 43 empty non-terminals", "max-ent-entries is 25"]);
    check(&lab, &[]).await.has_no("error");
}

#[tokio::test]
async fn what_nobody_serves_and_what_is_held_has_its_line() {
    let lab = Lab::new("check_owners").await;
    example(&lab).await;
    let ids: Vec<String> =
        (1..=12).map(|at| lab.world().create_vm(vm(&format!("web{at}"), &format!("192.0.2.{at}")))).collect();
    sync(&lab, &[("OWNER_ID", "former")]).await;
    zones(&lab, &["new.org"]).await;
    lab.world().set_account_network_domain(ACCOUNT, Some("new.org"));
    sync(&lab, &[]).await;
    let checked = check(&lab, &[]).await;
    checked.has_no("error");
    checked.has(
        "warning",
        &["owner id `former` has 24 records, and nobody serves it", "adopt --from-owner former --dry-run"],
    );
    checked.has("warning", &["owner id `default` has 12 records, and nobody serves it now"]);

    // What an older service left, and a loss that is held.
    table(&lab).await;
    sql(&lab, &format!("INSERT INTO cs_mapping VALUES ('{}', 'old.new.org', NULL)", ids[0])).await;
    lab.db.insert("new.org", "old.new.org", "A", "192.0.2.99", 60).await.unwrap();
    lab.world().set_account_network_domain(ACCOUNT, Some("domain.com"));
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 3, "{}{}", output.stdout, output.stderr);
    let hash = output
        .stdout
        .split("cs-powerdns approve ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap();
    let checked = check(&lab, &[]).await;
    checked.has("warning", &["the loss of 12 records is held", &format!("cs-powerdns approve {hash}")]);
    checked.has(
        "warning",
        &["1 row of the older service", "old.new.org A 192.0.2.99", "adopt --all --from-cs-mapping"],
    );
    once(&lab, &["approve", hash], &[]).await;
    sync(&lab, &[]).await;
    assert!(!check(&lab, &[]).await.said.contains("is held"));
}
