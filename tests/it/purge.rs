//! `purge` on the real servers: what was written goes, and nothing else.

use super::{
    rules_support::{dump, rectified, zones},
    support::{example, once, serve, sync, vm},
};
use testbed::{Lab, Output, Row, VmSpec};

const ZONE: &str = "domain.com";
const ZONES: [&str; 3] = [ZONE, "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

/// All rows of all zones without the SOA's content, which holds the serial, and without ids, since empty
/// non-terminals come anew.
async fn bare(lab: &Lab) -> Vec<Row> {
    let soa = |row: &Row| row.kind.as_deref() == Some("SOA");
    let without = |row: Row| Row { id: 0, content: row.content.clone().filter(|_| !soa(&row)), ..row };
    let mut rows: Vec<Row> = dump(lab).await.into_iter().map(without).collect();
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

async fn entries(lab: &Lab) -> u64 {
    lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.expect("a count")[0]
}

/// Signed and unsigned zones, empty non-terminals that stay for an operator's rows and that go.
#[tokio::test]
async fn after_a_purge_each_zone_is_as_before_the_first_run_but_for_its_serial() {
    let lab = Lab::new("purge_all").await;
    example(&lab).await;
    let dns = lab.dns().await;
    dns.pdnsutil(&["secure-zone", ZONE]).unwrap();
    dns.pdnsutil(&["secure-zone", ZONES[2]]).unwrap();
    dns.pdnsutil(&["set-nsec3", ZONES[2], "1 0 0 ab"]).unwrap();
    lab.db.insert(ZONE, "www.domain.com", "A", "198.51.100.1", 300).await.unwrap();
    lab.db.insert(ZONE, "mail.corp.domain.com", "A", "198.51.100.2", 300).await.unwrap();
    // Below a VM's name: that becomes an empty non-terminal again.
    lab.db.insert(ZONE, "x.vm1.domain.com", "A", "198.51.100.3", 300).await.unwrap();
    let far = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    lab.db.insert(ZONES[2], far, "PTR", "www.domain.com", 300).await.unwrap();
    for zone in ZONES {
        dns.pdnsutil(&["rectify-zone", zone]).unwrap();
    }
    let before = bare(&lab).await;
    let serial = lab.db.serial(ZONE).await.unwrap();
    // More than one transaction holds.
    for at in 1..=250_u32 {
        let spec = vm(&format!("vm{at}"), &format!("192.0.2.{at}"));
        let group = Some("web".to_owned());
        lab.world().create_vm(VmSpec { v6: Some(format!("2001:db8::{at:x}:1")), group, ..spec });
    }
    lab.world().create_vm(vm("www", "192.0.2.251"));
    sync(&lab, &[]).await;
    assert_eq!(entries(&lab).await, 250 * 6, "the foreign name is blocked, and its PTR unconfirmed");

    let dry = once(&lab, &["purge", "--dry-run"], &[]).await;
    ended(&dry, 2);
    assert!(dry.stdout.contains("would delete 1500 rows in 3 zones and end 1500 entries"), "{}", dry.stdout);
    assert!(dry.stdout.contains("- vm1.domain.com 60 A 192.0.2.1  (purged; name of VM "), "{}", dry.stdout);
    assert_eq!(entries(&lab).await, 1500);

    let output = once(&lab, &["purge"], &[]).await;
    ended(&output, 0);
    assert_eq!(output.stdout, "deleted 1500 rows in 3 zones and ended 1500 entries\n");
    assert_eq!(bare(&lab).await, before);
    assert!(lab.db.serial(ZONE).await.unwrap() > serial, "secondaries must hear of it");
    for zone in ZONES {
        rectified(&lab, zone).await;
    }
    assert_eq!(entries(&lab).await, 0);
    ended(&once(&lab, &["purge", "--dry-run"], &[]).await, 0);
    let owner: Vec<String> = lab.db.query("SELECT holder FROM cs_powerdns_owner").await.unwrap();
    assert_eq!(owner, [""], "the lease is handed back");
}

#[tokio::test]
async fn what_an_operator_has_edited_stays_and_is_listed() {
    let lab = Lab::new("purge_edited").await;
    example(&lab).await;
    for (at, name) in
        ["content", "ttl", "disabled", "gone", "held", "group1", "group2"].into_iter().enumerate()
    {
        let group = name.starts_with("group").then(|| "www".to_owned());
        lab.world().create_vm(VmSpec { group, ..vm(name, &format!("198.51.100.{at}")) });
    }
    lab.db.insert(ZONE, "held.domain.com", "TXT", "\"mine\"", 300).await.unwrap();
    sync(&lab, &[]).await;
    for edit in [
        "UPDATE records SET content = '203.0.113.7' WHERE name = 'content.domain.com'",
        "UPDATE records SET ttl = 4711 WHERE name = 'ttl.domain.com'",
        "UPDATE records SET disabled = 1 WHERE name = 'disabled.domain.com'",
        "DELETE FROM records WHERE name = 'gone.domain.com'",
        "UPDATE records SET ttl = 7 WHERE name = 'www-edd2ab05.domain.com'",
    ] {
        lab.db.exec(edit).await.unwrap();
    }
    ended(&once(&lab, &["release", "held.domain.com"], &[]).await, 0);
    let mine = ["content.domain.com", "ttl.domain.com", "disabled.domain.com"];
    let mut before = Vec::new();
    for name in mine {
        before.push(lab.db.rows(name).await.unwrap());
    }
    let output = once(&lab, &["purge"], &[]).await;
    ended(&output, 0);
    for (name, before) in mine.iter().zip(before) {
        assert_eq!(lab.db.rows(name).await.unwrap(), before, "{name} is the operator's");
        assert!(output.stdout.contains(&format!("  {name} A 198.51.100.")), "{}", output.stdout);
    }
    assert!(output.stdout.contains("(its TTL was changed)"), "{}", output.stdout);
    let names: Vec<String> =
        lab.db.query("SELECT name FROM records WHERE type = 'A' ORDER BY name").await.unwrap();
    assert_eq!(names, ["content.domain.com", "disabled.domain.com", "ttl.domain.com"]);
    assert_eq!(lab.db.contents("held.domain.com", "TXT").await.unwrap(), ["\"mine\""]);
    assert_eq!(entries(&lab).await, 0);
}

#[tokio::test]
async fn one_zone_is_purged_alone_and_what_may_not_be_written_stays_with_its_entries() {
    let lab = Lab::new("purge_zone").await;
    example(&lab).await;
    zones(&lab, &["cloud.example"]).await;
    let common = [("DNS_COMMON_ZONE", "cloud.example"), ("DNS_ADD_TO_COMMON_ZONE", "true")];
    lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &common).await;
    assert_eq!(entries(&lab).await, 3);
    let before = dump(&lab).await;

    let output = once(&lab, &["purge", "--zone", "no.example"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("no zone no.example"), "{}", output.stderr);
    // Neither another's zone by type, nor one that is on no list.
    lab.db.exec("UPDATE domains SET type = 'SLAVE' WHERE name = 'cloud.example'").await.unwrap();
    let output = once(&lab, &["purge"], &[("DNS_ZONES", "cloud.example,domain.com,10.in-addr.arpa")]).await;
    ended(&output, 0);
    assert!(
        output.stdout.contains("web.cloud.example A 192.0.2.1  (the zone's type is Secondary"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("1.2.0.192.in-addr.arpa PTR web.domain.com  (DNS_ZONES"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.ends_with("deleted 1 row in 1 zone and ended 1 entry\n"), "{}", output.stdout);
    assert_eq!(entries(&lab).await, 2);
    lab.db.exec("UPDATE domains SET type = 'NATIVE' WHERE name = 'cloud.example'").await.unwrap();

    ended(&once(&lab, &["purge", "--zone", "Cloud.example.", "--dry-run"], &[]).await, 2);
    ended(&once(&lab, &["purge", "--zone", "Cloud.example."], &[]).await, 0);
    let left: Vec<String> = lab.db.query("SELECT name FROM cs_powerdns_ledger").await.unwrap();
    assert_eq!(left, ["1.2.0.192.in-addr.arpa"]);
    let expected: Vec<&Row> = before.iter().filter(|row| row.kind.as_deref() == Some("PTR")).collect();
    let found = dump(&lab).await;
    let found: Vec<&Row> =
        found.iter().filter(|row| matches!(row.kind.as_deref(), Some("A" | "PTR"))).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_purge_is_refused_while_a_controller_holds_the_lease() {
    let lab = Lab::new("purge_busy").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let mut controller = serve(&lab, &[]).await;
    let holder: Vec<String> = lab.db.query("SELECT holder FROM cs_powerdns_owner").await.unwrap();
    let output = once(&lab, &["purge"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains(&holder[0]), "the holder's name in {}", output.stderr);
    assert_eq!(entries(&lab).await, 2);
    ended(&once(&lab, &["purge", "--dry-run"], &[]).await, 2);
    controller.sigterm().unwrap();
    controller.wait_exit(super::support::LIMIT).await.unwrap();
    ended(&once(&lab, &["purge"], &[]).await, 0);
    assert_eq!(entries(&lab).await, 0);
}
