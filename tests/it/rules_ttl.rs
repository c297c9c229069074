//! TTLs: the operator's setting, changes of it in place, and one TTL an RRset.

use super::{
    rules_support::{REVERSE, dump, put, rectified, says, settled, sql, tenant, zones},
    support::{LIMIT, answers, example, metric, serve, start, sync, vm},
};
use std::time::Duration;
use testbed::{Lab, VmSpec, poll};

const ONE: &str = "1.2.0.192.in-addr.arpa";

async fn ttl(lab: &Lab, name: &str, kind: &str, expected: u32) {
    let found = lab.dns().await.dig_ttl(name, kind).expect("PowerDNS answers");
    assert!(
        !found.is_empty() && found.iter().all(|ttl| *ttl == expected),
        "TTLs of {name} {kind}: {found:?}, not {expected}"
    );
}

#[tokio::test]
async fn records_have_60_seconds_or_what_dns_record_ttl_says() {
    let lab = Lab::new("ttl").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    ttl(&lab, "web.corp.org", "A", 60).await;
    ttl(&lab, ONE, "PTR", 60).await;
}

#[tokio::test]
async fn a_change_of_the_ttl_is_an_update_in_place() {
    let mut lab = Lab::new("ttl_changes").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    for at in 1..=30 {
        let vm = VmSpec::new(&format!("vm{at}"), &account).v4(&format!("192.0.2.{at}"));
        lab.world().create_vm(vm.group("www"));
    }
    sync(&lab, &[("DNS_RECORD_TTL", "300")]).await;
    let before = dump(&lab).await;
    let serial = lab.db.serial("corp.org").await.unwrap();
    // Without a budget: a TTL is no loss.
    let shorter = [("DNS_RECORD_TTL", "30"), ("DNS_MAX_LOSS_PERCENT", "0")];
    sync(&lab, &shorter).await;
    ttl(&lab, "vm7.corp.org", "A", 30).await;
    ttl(&lab, &format!("www-{}.corp.org", &account[..8]), "A", 30).await;
    ttl(&lab, "7.2.0.192.in-addr.arpa", "PTR", 30).await;
    let but_ttl = |rows: Vec<testbed::Row>| -> Vec<testbed::Row> {
        let ours = rows.into_iter().filter(|row| row.kind.as_deref() != Some("SOA"));
        ours.map(|row| testbed::Row { ttl: row.ttl.filter(|ttl| *ttl == 3600), ..row }).collect()
    };
    assert_eq!(but_ttl(dump(&lab).await), but_ttl(before), "rows but for their TTLs: ids stay");
    assert_eq!(lab.db.serial("corp.org").await.unwrap(), serial + 1, "the serial after one change of TTLs");
    settled(&mut lab, &shorter).await;
}

#[tokio::test]
async fn beside_a_foreign_row_of_a_group_name_the_rrset_has_the_lowest_ttl() {
    let mut lab = Lab::new("ttl_foreign").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    let group = format!("www-{}.corp.org", &account[..8]);
    let foreign = lab.db.insert("corp.org", &group, "A", "198.51.100.1", 20).await.unwrap();
    let one = lab.world().create_vm(VmSpec::new("one", &account).v4("192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.1", "198.51.100.1"]).await;
    ttl(&lab, &group, "A", 20).await;
    ttl(&lab, "one.corp.org", "A", 60).await;
    rectified(&lab, "corp.org").await;
    settled(&mut lab, &[]).await;

    lab.world().create_vm(VmSpec::new("two", &account).v4("192.0.2.2").v6("2001:db8::2").group("www"));
    sync(&lab, &[]).await;
    ttl(&lab, &group, "A", 20).await;
    ttl(&lab, &group, "AAAA", 60).await;

    sql(&lab, &format!("DELETE FROM records WHERE id = {foreign}")).await;
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.1", "192.0.2.2"]).await;
    ttl(&lab, &group, "A", 60).await;
    settled(&mut lab, &[]).await;

    lab.world().set_group(&one, None);
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn a_foreign_row_that_joins_a_group_brings_its_lower_ttl() {
    let lab = Lab::new("ttl_joins").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    let group = format!("www-{}.corp.org", &account[..8]);
    lab.world().create_vm(VmSpec::new("one", &account).v4("192.0.2.1").group("www"));
    let _controller = serve(&lab, &[("RESYNC_INTERVAL", "1h")]).await;
    answers(&lab, &group, "A", &["192.0.2.1"]).await;
    lab.db.insert("corp.org", &group, "A", "198.51.100.1", 20).await.unwrap();
    // Every tool but bare SQL moves the serial; that is what the controller looks at.
    lab.dns().await.pdnsutil(&["increase-serial", "corp.org"]).unwrap();
    let dns = lab.dns().await;
    poll(&format!("{group} A has one TTL, the foreign row's"), Duration::from_secs(60), async || {
        let found = dns.dig_ttl(&group, "A").map_err(|error| error.to_string())?;
        if found == [20, 20] { Ok(()) } else { Err(format!("TTLs {found:?}")) }
    })
    .await;
}

#[tokio::test]
async fn an_operator_who_re_times_a_group_sets_the_ttl_of_all_of_it() {
    let mut lab = Lab::new("ttl_operator").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    let group = format!("www-{}.corp.org", &account[..8]);
    let one = lab.world().create_vm(VmSpec::new("one", &account).v4("192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    sql(&lab, &format!("UPDATE records SET ttl = 25 WHERE name = '{group}'")).await;
    let two = lab.world().create_vm(VmSpec::new("two", &account).v4("192.0.2.2").group("www"));
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.1", "192.0.2.2"]).await;
    ttl(&lab, &group, "A", 25).await;
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&two);
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.1"]).await;
    ttl(&lab, &group, "A", 25).await;
    // The member whose row he re-timed goes, as long as there is another one.
    lab.world().create_vm(VmSpec::new("three", &account).v4("192.0.2.3").group("www"));
    lab.world().destroy_vm(&one);
    sync(&lab, &[]).await;
    says(&lab, &group, "A", &["192.0.2.3"]).await;
    ttl(&lab, &group, "A", 25).await;
    settled(&mut lab, &[]).await;
    let longer = [("DNS_RECORD_TTL", "120")];
    sync(&lab, &longer).await;
    ttl(&lab, &group, "A", 25).await;
    settled(&mut lab, &longer).await;
}

/// Setting a TTL takes 3 ms here, so that what comes in the middle can be seen to overtake the rest.
#[tokio::test]
async fn a_change_of_the_ttl_goes_behind_live_events_and_moves_the_serial_once_a_transaction() {
    const VMS: usize = 4000;
    let mut lab = Lab::new("ttl_behind").await;
    lab.kafka();
    example(&lab).await;
    sql(&lab, "UPDATE records SET content = REPLACE(content, '2024010101', '100') WHERE type = 'SOA'").await;
    let kind = "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, 'SOA-EDIT-API', 'INCREASE' FROM domains";
    sql(&lab, kind).await;
    for at in 0..VMS {
        lab.world()
            .silent()
            .create_vm(vm(&format!("vm{at}"), &format!("10.9.{}.{}", at / 250, at % 250 + 1)));
    }
    sync(&lab, &[]).await;
    let serial = lab.db.serial("domain.com").await.unwrap();
    let slow = "CREATE TRIGGER slow BEFORE UPDATE ON records FOR EACH ROW \
                SET NEW.prio = OLD.prio + IF(NEW.ttl <> OLD.ttl, SLEEP(0.005), 0)";
    sql(&lab, slow).await;
    let of_ttl = async |ttl: u32| -> usize {
        let sql = format!("SELECT COUNT(*) FROM records WHERE type = 'A' AND ttl = {ttl}");
        lab.db.query(&sql).await.expect("a count")[0]
    };

    let none_may_go = ("DNS_MAX_LOSS_PERCENT", "0");
    let controller = start(&lab, &[("DNS_RECORD_TTL", "90"), none_may_go, ("RESYNC_INTERVAL", "1h")]);
    poll("the first transaction has set TTLs", LIMIT * 2, async || match of_ttl(90).await {
        0 => Err(controller.output()),
        _ => Ok(()),
    })
    .await;
    // What came before has no event, and waits for a resync to find it.
    poll("events are heard", LIMIT * 2, async || {
        let partitions = metric(&controller, "cs_powerdns_trigger_partitions").await?;
        if partitions > 2.5 { Ok(()) } else { Err(controller.output()) }
    })
    .await;
    lab.world().create_vm(vm("late", "10.8.0.1"));
    poll("the VM that came in the middle is served", LIMIT * 2, async || {
        let found = lab.db.contents("late.domain.com", "A").await.unwrap();
        if found.is_empty() { Err(format!("{} TTLs wait", of_ttl(60).await)) } else { Ok(()) }
    })
    .await;
    let waiting = of_ttl(60).await;
    assert!(waiting > 0, "a VM waited until all {VMS} TTLs were set");
    poll("all TTLs are set", LIMIT * 3, async || match of_ttl(60).await {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    })
    .await;
    assert_eq!(of_ttl(90).await, VMS + 1);
    let commits = metric(&controller, "cs_powerdns_sql_transactions_total{result=\"commit\"}").await.unwrap();
    let steps = lab.db.serial("domain.com").await.unwrap() - serial;
    assert!(
        (f64::from(steps) - commits).abs() < 0.5,
        "{steps} steps of the serial in {commits} transactions"
    );
    assert!(steps <= 12, "{VMS} TTLs and a VM took {steps} transactions");
    let drawn: Vec<f64> = lab.db.query("SELECT used FROM cs_powerdns_budget").await.unwrap();
    assert_eq!(drawn, Vec::<f64>::new(), "a TTL is no loss");
}
