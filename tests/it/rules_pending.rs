//! Suffixes whose zone is not in PowerDNS, or has no SOA that counts.

use super::{
    bench::Bench,
    rules_support::{REVERSE, dump, no_row, no_such_name, put, says, settled, sql, tenant, zones},
    support::{answers, serve, sync},
};
use std::time::Duration;
use testbed::{Lab, poll};

#[tokio::test]
async fn a_suffix_without_a_zone_has_no_records_and_no_other_step_stands_in() {
    let lab = Lab::new("no_zone").await;
    let account = tenant(&lab, Some("domain.org"), Some("account.org"));
    zones(&lab, &["domain.org", "org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    let before = dump(&lab).await;
    sync(&lab, &[]).await;
    no_such_name(&lab, "web.domain.org").await;
    no_such_name(&lab, "web.account.org").await;
    assert_eq!(dump(&lab).await, before, "rows beside those of the zones themselves");
}

#[tokio::test]
async fn a_zone_that_comes_later_is_filled_by_the_next_pass() {
    let mut lab = Lab::new("zone_comes").await;
    let account = tenant(&lab, None, Some("account.org"));
    zones(&lab, &[REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    no_such_name(&lab, "1.2.0.192.in-addr.arpa").await;
    zones(&lab, &["account.org"]).await;
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.account.org."]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_running_controller_fills_a_new_zone_without_any_event() {
    let lab = Lab::new("zone_comes_run").await;
    let account = tenant(&lab, None, Some("account.org"));
    zones(&lab, &[REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "1h")]).await;
    zones(&lab, &["account.org"]).await;
    let dns = lab.dns().await;
    for (name, kind, expected) in
        [("web.account.org", "A", "192.0.2.1"), ("1.2.0.192.in-addr.arpa", "PTR", "web.account.org.")]
    {
        poll(&format!("{name} {kind} answers {expected}"), Duration::from_secs(60), async || {
            let found = dns.dig(name, kind).map_err(|error| error.to_string())?;
            if found == [expected] { Ok(()) } else { Err(format!("it answers {found:?}")) }
        })
        .await;
    }
    drop(controller);
}

#[tokio::test]
async fn a_zone_without_a_soa_is_none() {
    let lab = Lab::new("no_soa").await;
    let account = tenant(&lab, None, Some("account.org"));
    zones(&lab, &["account.org"]).await;
    sql(&lab, "DELETE FROM records WHERE type = 'SOA'").await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    no_row(&lab, "web.account.org").await;
}

#[tokio::test]
async fn a_zone_with_a_disabled_soa_is_none_until_it_is_enabled() {
    let lab = Lab::new("disabled_soa").await;
    let account = tenant(&lab, None, Some("account.org"));
    zones(&lab, &["account.org"]).await;
    sql(&lab, "UPDATE records SET disabled = 1 WHERE type = 'SOA'").await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    no_row(&lab, "web.account.org").await;
    sql(&lab, "UPDATE records SET disabled = 0 WHERE type = 'SOA'").await;
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_zone_with_a_broken_soa_is_left_alone_and_the_other_zones_are_served() {
    let lab = Lab::new("broken_soa").await;
    let world = lab.world();
    let account = tenant(&lab, None, Some("broken.org"));
    let good = world.add_account(&world.root(), "good", Some("good.org"));
    zones(&lab, &["broken.org", "good.org"]).await;
    let six = "ns1.testbed.invalid hostmaster.testbed.invalid 7 10800 3600 604800";
    sql(&lab, &format!("UPDATE records SET content = '{six}' WHERE type = 'SOA' AND name = 'broken.org'"))
        .await;
    let before = lab.db.rows_of_zone("broken.org").await.unwrap();
    put(&lab, &account, "web", "192.0.2.1");
    put(&lab, &good, "web", "192.0.2.2");
    sync(&lab, &[]).await;
    assert_eq!(lab.db.rows_of_zone("broken.org").await.unwrap(), before, "the rows of broken.org");
    says(&lab, "web.good.org", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn a_misspelt_network_domain_takes_nobody_off_the_net() {
    let mut lab = Lab::new("misspelt").await;
    let account = tenant(&lab, None, Some("account.org"));
    zones(&lab, &["account.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    lab.world().set_account_network_domain(&account, Some("acount.org"));
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.account.org."]).await;
    zones(&lab, &["acount.org"]).await;
    sync(&lab, &[]).await;
    says(&lab, "web.acount.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "web.account.org").await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.acount.org."]).await;
    settled(&mut lab, &[]).await;
}

/// What is kept while its successor is pending stays the first name of the VM, also for its reverse name.
#[tokio::test]
async fn a_misspelt_network_domain_moves_no_reverse_name_to_the_common_zone() {
    let mut lab = Lab::new("misspelt_ptr").await;
    let account = tenant(&lab, None, Some("right.org"));
    zones(&lab, &["right.org", "common.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    let common = [("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")];
    sync(&lab, &common).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.right.org."]).await;
    let before = dump(&lab).await;

    // Seen by a process that knows the former name from the ledger alone.
    lab.world().set_account_network_domain(&account, Some("rihgt.org"));
    settled(&mut lab, &common).await;
    assert_eq!(dump(&lab).await, before, "rows under a misspelt network domain");
    // And by one that runs.
    lab.world().set_account_network_domain(&account, Some("right.org"));
    let bench = Bench::start(lab, &common).await;
    for domain in ["rigth.org", "right.org"] {
        bench.lab.world().set_account_network_domain(&account, Some(domain));
        bench.controller.signal("CONT").expect("it goes on");
        bench.settle().await;
        assert_eq!(dump(&bench.lab).await, before, "rows under {domain}");
    }
    // A new VM has no other name; and once there is such a zone, all go there.
    bench.lab.world().set_account_network_domain(&account, Some("new.org"));
    put(&bench.lab, &account, "two", "192.0.2.2");
    answers(&bench.lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.common.org."]).await;
    answers(&bench.lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.right.org."]).await;
    zones(&bench.lab, &["new.org"]).await;
    answers(&bench.lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.new.org."]).await;
    answers(&bench.lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.new.org."]).await;
    answers(&bench.lab, "web.right.org", "A", &[]).await;
}
