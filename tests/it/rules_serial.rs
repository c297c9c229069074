//! SOA serials: how far and how often they move.

use super::{
    rules_support::{REVERSE, no_such_name, put, says, settled, sql, tenant},
    support::{answers, serve, sync},
};
use testbed::Lab;

/// Zones whose serials count transactions: INCREASE moves by one.
async fn counted(lab: &Lab, names: &[&str]) {
    for name in names {
        lab.db.zone_of(name, "NATIVE", 100).await.expect("a zone");
        kind(lab, name, "INCREASE").await;
    }
}

async fn kind(lab: &Lab, zone: &str, kind: &str) {
    let insert = "INSERT INTO domainmetadata (domain_id, kind, content)";
    sql(lab, &format!("{insert} SELECT id, 'SOA-EDIT-API', '{kind}' FROM domains WHERE name = '{zone}'"))
        .await;
}

async fn serial(lab: &Lab, zone: &str) -> u32 {
    let serial = lab.db.serial(zone).await.expect("a serial");
    let told = lab.dns().await.dig(zone, "SOA").expect("PowerDNS answers");
    assert_eq!(told[0].split(' ').nth(2), Some(serial.to_string().as_str()), "dig {zone} SOA: {told:?}");
    serial
}

#[tokio::test]
async fn a_single_change_moves_the_serial_of_each_changed_zone_by_one_step() {
    let mut lab = Lab::new("one_step").await;
    let account = tenant(&lab, None, Some("corp.org"));
    counted(&lab, &["corp.org", REVERSE, "untouched.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    let now = async |lab: &Lab| {
        [serial(lab, "corp.org").await, serial(lab, REVERSE).await, serial(lab, "untouched.org").await]
    };
    assert_eq!(now(&lab).await, [101, 101, 100], "serials after the first VM");
    let two = put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &[]).await;
    assert_eq!(now(&lab).await, [102, 102, 100], "serials after the second VM");
    lab.world().set_group(&two, Some("www"));
    sync(&lab, &[]).await;
    assert_eq!(now(&lab).await, [103, 102, 100], "serials after a group has come");
    lab.world().destroy_vm(&two);
    sync(&lab, &[]).await;
    assert_eq!(now(&lab).await, [104, 103, 100], "serials after the second VM has gone");
    settled(&mut lab, &[]).await;
    assert_eq!(now(&lab).await, [104, 103, 100], "serials after a pass over the same state");
}

#[tokio::test]
async fn an_event_moves_the_serial_of_each_changed_zone_by_one_step() {
    let mut lab = Lab::new("one_step_run").await;
    lab.kafka();
    let account = tenant(&lab, None, Some("corp.org"));
    counted(&lab, &["corp.org", REVERSE]).await;
    let web = put(&lab, &account, "web", "192.0.2.1");
    let _controller = serve(&lab, &[("RESYNC_INTERVAL", "1h")]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    // Until this one is served, the events of the topic may not have been heard yet.
    put(&lab, &account, "probe", "192.0.2.2");
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["probe.corp.org."]).await;
    assert_eq!([serial(&lab, "corp.org").await, serial(&lab, REVERSE).await], [102, 102]);
    lab.world().rename_vm(&web, "new");
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["new.corp.org."]).await;
    no_such_name(&lab, "web.corp.org").await;
    let now = [serial(&lab, "corp.org").await, serial(&lab, REVERSE).await];
    assert_eq!(now, [103, 103], "serials after a rename");
    lab.world().destroy_vm(&web);
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &[]).await;
    answers(&lab, "new.corp.org", "A", &[]).await;
    assert_eq!(
        [serial(&lab, "corp.org").await, serial(&lab, REVERSE).await],
        [104, 104],
        "serials after the end"
    );
}

#[tokio::test]
async fn three_hundred_names_cost_a_handful_of_steps() {
    let mut lab = Lab::new("handful").await;
    let account = tenant(&lab, None, Some("corp.org"));
    counted(&lab, &["corp.org", "10.in-addr.arpa"]).await;
    for at in 0..300 {
        put(&lab, &account, &format!("vm{at}"), &format!("10.0.{}.{}", at / 100, at % 100));
    }
    sync(&lab, &[]).await;
    says(&lab, "vm299.corp.org", "A", &["10.0.2.99"]).await;
    says(&lab, "99.2.0.10.in-addr.arpa", "PTR", &["vm299.corp.org."]).await;
    for zone in ["corp.org", "10.in-addr.arpa"] {
        let steps = serial(&lab, zone).await - 100;
        assert!((1..=5).contains(&steps), "300 names of {zone} cost {steps} serial steps");
    }
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn each_zone_moves_by_its_own_kind_and_never_backwards() {
    let lab = Lab::new("kinds").await;
    let world = lab.world().clone();
    let now = async || -> (u32, u32) {
        let sql = "SELECT UNIX_TIMESTAMP(), CAST(DATE_FORMAT(NOW(), '%Y%m%d') AS UNSIGNED) * 100 + 1";
        lab.db.query(sql).await.expect("the time").remove(0)
    };
    let kinds = [
        ("default.org", Some("DEFAULT"), 7),
        ("unset.org", None, 7),
        ("ahead.org", None, 3_999_999_999),
        ("increase.org", Some("INCREASE"), 7),
        ("epoch.org", Some("EPOCH"), 7),
        ("late.org", Some("EPOCH"), 3_999_999_999),
        ("edit.org", Some("SOA-EDIT-INCREASE"), 7),
    ];
    for (zone, metadata, start) in kinds {
        lab.db.zone_of(zone, "NATIVE", start).await.unwrap();
        if let Some(metadata) = metadata {
            kind(&lab, zone, metadata).await;
        }
        put(&lab, &world.add_account(&world.root(), zone, Some(zone)), "one", "192.0.2.1");
    }
    let (begun, today) = now().await;
    sync(&lab, &[]).await;
    for (zone, expected) in [
        ("default.org", today),
        ("unset.org", today),
        ("ahead.org", 4_000_000_000),
        ("increase.org", 8),
        ("late.org", 4_000_000_000),
        ("edit.org", 8),
    ] {
        assert_eq!(serial(&lab, zone).await, expected, "the serial of {zone}");
    }
    let epoch = serial(&lab, "epoch.org").await;
    assert!((begun..=now().await.0).contains(&epoch), "the serial of epoch.org is the time: {epoch}");
    let soa = &lab.dns().await.dig("default.org", "SOA").unwrap()[0];
    assert!(
        soa.starts_with("ns1.testbed.invalid. hostmaster.testbed.invalid. ")
            && soa.ends_with(" 10800 3600 604800 60"),
        "the other fields of the SOA stay: {soa}"
    );
}
