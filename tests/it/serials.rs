//! SOA serials at their edges: set back, at the end of the number space, in rows that are odd or several.

use super::{
    bench::{Api, Bench},
    rules_support::{REVERSE, put, says, settled, sql, tenant, zones},
    support::{answers, serve, sync},
};
use std::time::Duration;
use testbed::{Lab, poll};

const ZONE: &str = "corp.org";

/// A tenant of a zone with this serial, which moves by this kind.
async fn zone(test: &str, kind: &str, serial: u32) -> (Lab, String) {
    let lab = Lab::new(test).await;
    let account = tenant(&lab, None, Some(ZONE));
    lab.db.zone_of(ZONE, "NATIVE", serial).await.expect("a zone");
    metadata(&lab, "SOA-EDIT-API", kind).await;
    (lab, account)
}

async fn metadata(lab: &Lab, kind: &str, content: &str) {
    let insert = "INSERT INTO domainmetadata (domain_id, kind, content)";
    sql(lab, &format!("{insert} SELECT id, '{kind}', '{content}' FROM domains WHERE name = '{ZONE}'")).await;
}

/// The serial in the table, which is what PowerDNS answers.
async fn serial(lab: &Lab) -> u32 {
    let serial = lab.db.serial(ZONE).await.expect("a serial");
    assert_eq!(served(lab).await, serial, "the serial that PowerDNS answers, and the table's");
    serial
}

async fn served(lab: &Lab) -> u32 {
    let soa = lab.dns().await.dig(ZONE, "SOA").expect("PowerDNS answers");
    soa[0].split(' ').nth(2).expect("a serial").parse().expect("a number")
}

/// What an operator, or an API edit that had read it too early, makes of the serial.
async fn set(lab: &Lab, serial: u32) {
    let soa = format!("ns1.testbed.invalid hostmaster.testbed.invalid {serial} 10800 3600 604800 60");
    sql(lab, &format!("UPDATE records SET content = '{soa}' WHERE name = '{ZONE}' AND type = 'SOA'")).await;
}

/// So much later.
async fn minutes_later(lab: &Lab, minutes: u32) {
    let set = format!("serial_at = serial_at - INTERVAL {minutes} MINUTE");
    sql(lab, &format!("UPDATE cs_powerdns_zone SET {set}")).await;
}

async fn vm(lab: &Lab, account: &str, last: u8) {
    put(lab, account, &format!("vm{last}"), &format!("192.0.2.{last}"));
    sync(lab, &[]).await;
    says(lab, &format!("vm{last}.{ZONE}"), "A", &[&format!("192.0.2.{last}")]).await;
}

#[tokio::test]
async fn a_serial_that_an_operator_set_back_after_the_hour_stays_and_goes_on_from_there() {
    let (mut lab, account) = zone("serial_after", "INCREASE", 500).await;
    vm(&lab, &account, 1).await;
    assert_eq!(serial(&lab).await, 501);
    minutes_later(&lab, 61).await;
    set(&lab, 20).await;
    settled(&mut lab, &[]).await;
    assert_eq!(serial(&lab).await, 20, "an hour after ours it is the operator's");
    vm(&lab, &account, 2).await;
    assert_eq!(serial(&lab).await, 21, "the next change goes on from the operator's");
}

#[tokio::test]
async fn a_serial_that_was_set_back_within_the_hour_is_passed() {
    let (mut lab, account) = zone("serial_within", "INCREASE", 500).await;
    vm(&lab, &account, 1).await;
    minutes_later(&lab, 59).await;
    set(&lab, 20).await;
    sync(&lab, &[]).await;
    assert_eq!(serial(&lab).await, 502, "one above what we wrote");
    // Something else changes as well.
    set(&lab, 20).await;
    vm(&lab, &account, 2).await;
    assert_eq!(serial(&lab).await, 503, "the change has moved it above ours: one pass, one step");
    settled(&mut lab, &[]).await;
    assert_eq!(serial(&lab).await, 503);
}

#[tokio::test]
async fn a_resync_of_a_running_controller_repairs_a_serial_by_the_change_that_it_finds() {
    let (lab, account) = zone("serial_resync", "INCREASE", 500).await;
    put(&lab, &account, "web", "192.0.2.1");
    let bench = Bench::start(lab, &[]).await;
    let pass = async || {
        bench.controller.signal("CONT").expect("it goes on");
        bench.settle().await;
        bench.controller.signal("STOP").expect("it halts");
    };
    assert_eq!(serial(&bench.lab).await, 501);
    // The controller stands still: its next resync sees both.
    set(&bench.lab, 20).await;
    put(&bench.lab, &account, "two", "192.0.2.2");
    pass().await;
    says(&bench.lab, "two.corp.org", "A", &["192.0.2.2"]).await;
    assert_eq!(serial(&bench.lab).await, 502, "one pass, one step");
    // Nothing but the serial.
    set(&bench.lab, 20).await;
    pass().await;
    assert_eq!(serial(&bench.lab).await, 503, "and a pass that changes nothing else repairs it as well");
}

#[tokio::test]
async fn a_running_controller_repairs_a_serial_without_any_resync_or_event() {
    let (lab, account) = zone("serial_run", "INCREASE", 500).await;
    put(&lab, &account, "web", "192.0.2.1");
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "1h")]).await;
    answers(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    assert_eq!(serial(&lab).await, 501);
    set(&lab, 20).await;
    // Serials are read every 30 s.
    poll("the serial is above ours", Duration::from_secs(90), async || match lab.db.serial(ZONE).await {
        Ok(502) => Ok(()),
        other => Err(format!("{other:?}\n{}", controller.output())),
    })
    .await;
    assert_eq!(serial(&lab).await, 502);
}

#[tokio::test]
async fn at_the_end_of_the_number_space_the_serial_goes_on_by_rfc_1982() {
    for (test, kind, next) in
        [("wrap_increase", "INCREASE", 2), ("wrap_epoch", "EPOCH", 0), ("wrap_default", "DEFAULT", 0)]
    {
        let (lab, account) = zone(test, kind, u32::MAX - 1).await;
        vm(&lab, &account, 1).await;
        assert_eq!(serial(&lab).await, u32::MAX, "{kind}");
        vm(&lab, &account, 2).await;
        assert_eq!(serial(&lab).await, 1, "{kind}: 0 is skipped");
        // Before the wrap is behind it: an API edit that had read it too early.
        set(&lab, u32::MAX).await;
        sync(&lab, &[]).await;
        let now = serial(&lab).await;
        assert!(now > 1 && now < 0x8000_0000, "{kind}: {now} is after 1");
        if next > 0 {
            assert_eq!(now, next, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_serial_of_zero_is_a_serial_like_any_other() {
    let (mut lab, account) = zone("serial_zero", "increase", 0).await;
    vm(&lab, &account, 1).await;
    assert_eq!(serial(&lab).await, 1);
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn the_hundredth_change_of_a_day_takes_the_next_number() {
    let (lab, account) = zone("serial_hundred", "Default", 7).await;
    // Some days ahead, so that midnight is nothing to this test.
    let last = day(&lab).await * 100 + 599;
    set(&lab, last).await;
    vm(&lab, &account, 1).await;
    assert_eq!(serial(&lab).await, last + 1, "nn overflows into the next day's 00");
    vm(&lab, &account, 2).await;
    assert_eq!(serial(&lab).await, last + 2);
}

/// The day that date-style serials tell, by the server's clock.
async fn day(lab: &Lab) -> u32 {
    lab.db.query("SELECT CAST(DATE_FORMAT(NOW(), '%Y%m%d') AS UNSIGNED)").await.expect("the day").remove(0)
}

/// For each kind, the same change to two zones: one by us, one by the API, whose serial tweaker is the
/// standard.
#[tokio::test]
async fn a_serial_moves_as_the_api_would_move_it() {
    let lab = Lab::new("serial_like_api").await;
    let world = lab.world();
    let mut cases = Vec::new();
    for (api, edit) in [
        ("DEFAULT", ""),
        ("default", "INCEPTION-INCREMENT"),
        ("INCREASE", ""),
        ("Increase", "INCEPTION-EPOCH"),
        ("EPOCH", ""),
        ("epoch", "INCEPTION-EPOCH"),
        ("SOA-EDIT", "EPOCH"),
        ("SOA-EDIT", "inception-epoch"),
        ("soa-edit-increase", "INCEPTION-EPOCH"),
        ("SOA-EDIT", "INCEPTION-INCREMENT"),
        ("soa-edit", "nonsense"),
        ("nonsense", "INCEPTION-INCREMENT"),
        ("SOA-EDIT-INCREASE", "inception-increment"),
        ("SOA-EDIT-INCREASE", ""),
    ] {
        for start in [7, 1_795_000_000, 3_000_000_000_u32] {
            cases.push((format!("{}.org", cases.len()), api, edit, start));
        }
    }
    for (zone, api, edit, start) in &cases {
        for zone in [format!("ours{zone}"), format!("api{zone}")] {
            lab.db.zone_of(&zone, "NATIVE", *start).await.expect("a zone");
            for (kind, content) in [("SOA-EDIT-API", api), ("SOA-EDIT", edit)] {
                let values = format!("SELECT id, '{kind}', '{content}' FROM domains WHERE name = '{zone}'");
                if !content.is_empty() {
                    sql(&lab, &format!("INSERT INTO domainmetadata (domain_id, kind, content) {values}"))
                        .await;
                }
            }
        }
        let zone = format!("ours{zone}");
        put(&lab, &world.add_account(&world.root(), &zone, Some(&zone)), "web", "192.0.2.1");
    }
    let before = day(&lab).await;
    sync(&lab, &[]).await;
    for (zone, ..) in &cases {
        let (zone, name) = (format!("api{zone}"), format!("web.api{zone}"));
        Api::of(&lab).replace(&zone, &name, "A", 60, &["192.0.2.1"]).await;
    }
    if day(&lab).await != before {
        // Midnight came in between: each is right, by its own day.
        return;
    }
    let now: u32 = lab.db.query("SELECT UNIX_TIMESTAMP()").await.expect("the time").remove(0);
    let mut wrong = Vec::new();
    for (zone, api, edit, start) in &cases {
        let ours = lab.db.serial(&format!("ours{zone}")).await.expect("a serial");
        let theirs = lab.db.serial(&format!("api{zone}")).await.expect("a serial");
        // PowerDNS goes back to what the time says, or does not move at all; we never do.
        let theirs = if theirs <= *start { start + 1 } else { theirs };
        // Seconds have passed between the two.
        let passed = if ours.abs_diff(now) < 600 { 120 } else { 0 };
        if ours.abs_diff(theirs) > passed {
            wrong.push(format!("{api:?}, SOA-EDIT {edit:?}, from {start}: ours {ours}, the API's {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_no_query_could_see_moves_no_serial() {
    let (mut lab, account) = zone("serial_unseen", "INCREASE", 7).await;
    zones(&lab, &[REVERSE]).await;
    vm(&lab, &account, 1).await;
    assert_eq!(serial(&lab).await, 8);
    // As the API does with an edit that changes nothing: another id, which the ledger notes.
    sql(&lab, "UPDATE records SET id = id + 1000 WHERE name = 'vm1.corp.org'").await;
    sync(&lab, &[]).await;
    assert_eq!(serial(&lab).await, 8, "the ledger alone has changed");
    settled(&mut lab, &[]).await;
    sync(&lab, &[("DNS_RECORD_TTL", "61")]).await;
    assert_eq!(serial(&lab).await, 9, "a TTL is something that a query sees");
}

#[tokio::test]
async fn a_soa_in_odd_spelling_keeps_it_but_for_the_serial() {
    let (lab, account) = zone("soa_spelling", "INCREASE", 7).await;
    let set = "UPDATE records SET content = 'NS1.Testbed.invalid.\\tHost\\\\.Master.testbed.invalid.  7 3H 1800\\t604800 60'";
    sql(&lab, &format!("{} WHERE name = '{ZONE}' AND type = 'SOA'", set.replace("3H", "10800"))).await;
    vm(&lab, &account, 1).await;
    let content = lab.db.contents(ZONE, "SOA").await.unwrap();
    assert_eq!(content, ["NS1.Testbed.invalid.\tHost\\.Master.testbed.invalid.  8 10800 1800\t604800 60"]);
    assert_eq!(serial(&lab).await, 8);
}

#[tokio::test]
async fn of_several_soa_rows_the_one_that_powerdns_answers_with_moves() {
    for (test, first, second) in [("soa_rows_up", 100, 200), ("soa_rows_down", 200, 100)] {
        let (lab, account) = zone(test, "INCREASE", first).await;
        let soa = format!("ns1.testbed.invalid hostmaster.testbed.invalid {second} 10800 3600 604800 60");
        lab.db.insert(ZONE, ZONE, "SOA", &soa, 3600).await.unwrap();
        let before = served(&lab).await;
        vm(&lab, &account, 1).await;
        let after = served(&lab).await;
        assert!(after > before, "two SOA rows: PowerDNS answered {before}, and after a change {after}");
        // A disabled one is none.
        sql(
            &lab,
            &format!("UPDATE records SET disabled = 1 WHERE type = 'SOA' AND content LIKE '% {after} %'"),
        )
        .await;
        let rows = async || lab.db.contents(ZONE, "SOA").await.unwrap();
        let disabled = format!(" {after} ");
        let before = served(&lab).await;
        assert_ne!(before, after);
        minutes_later(&lab, 61).await;
        vm(&lab, &account, 2).await;
        assert_eq!(served(&lab).await, before + 1);
        assert!(
            rows().await.iter().any(|soa| soa.contains(&disabled)),
            "the disabled SOA stays: {:?}",
            rows().await
        );
    }
}
