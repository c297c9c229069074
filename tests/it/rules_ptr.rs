//! Reverse names: where a PTR stands, and what it points at.

use super::{
    rules_support::{REVERSE, no_such_name, put, rectified, says, settled, sql, tenant, zones},
    support::sync,
};
use testbed::{Lab, NetworkKind, VmSpec};

const ONE: &str = "1.2.0.192.in-addr.arpa";
const COMMON: [(&str, &str); 2] = [("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")];

#[tokio::test]
async fn the_longest_reverse_zone_that_exists_has_the_ptr() {
    let mut lab = Lab::new("longest_reverse").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(
        &lab,
        &["corp.org", "in-addr.arpa", "192.in-addr.arpa", REVERSE, "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"],
    )
    .await;
    for (parent, child) in [("in-addr.arpa", "192.in-addr.arpa"), ("192.in-addr.arpa", REVERSE)] {
        lab.db.insert(parent, child, "NS", "ns1.testbed.invalid", 3600).await.unwrap();
        lab.dns().await.pdnsutil(&["rectify-zone", parent]).unwrap();
    }
    lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1").v6("2001:db8::1"));
    put(&lab, &account, "two", "192.0.3.2");
    sync(&lab, &[]).await;
    let zone_of = async |name: &str| -> Vec<String> {
        let sql = format!(
            "SELECT d.name FROM records r JOIN domains d ON d.id = r.domain_id WHERE r.name = '{name}'"
        );
        lab.db.query(&sql).await.unwrap()
    };
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    assert_eq!(zone_of(ONE).await, [REVERSE], "the zone of {ONE}");
    says(&lab, "2.3.0.192.in-addr.arpa", "PTR", &["two.corp.org."]).await;
    assert_eq!(zone_of("2.3.0.192.in-addr.arpa").await, ["192.in-addr.arpa"]);
    let six = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
    says(&lab, &six, "PTR", &["web.corp.org."]).await;
    for zone in ["192.in-addr.arpa", REVERSE, "in-addr.arpa"] {
        rectified(&lab, zone).await;
    }
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn without_a_reverse_zone_there_is_no_ptr_and_the_name_stands() {
    let mut lab = Lab::new("no_reverse").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    settled(&mut lab, &[]).await;
    zones(&lab, &[REVERSE]).await;
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
}

#[tokio::test]
async fn the_suffix_of_account_or_domain_comes_before_the_common_zone() {
    let mut lab = Lab::new("target_order").await;
    let account = tenant(&lab, None, Some("zzz.org"));
    zones(&lab, &["zzz.org", "common.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &COMMON).await;
    says(&lab, ONE, "PTR", &["web.zzz.org."]).await;
    settled(&mut lab, &COMMON).await;
}

#[tokio::test]
async fn a_ptr_points_at_the_first_name_at_which_the_address_stands() {
    let mut lab = Lab::new("confirmed").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", "common.org", REVERSE]).await;
    // The operator has taken the first name for something else.
    let row = lab.db.insert("corp.org", "web.corp.org", "A", "198.51.100.9", 60).await.unwrap();
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &COMMON).await;
    says(&lab, "web.corp.org", "A", &["198.51.100.9"]).await;
    says(&lab, "web.common.org", "A", &["192.0.2.1"]).await;
    says(&lab, ONE, "PTR", &["web.common.org."]).await;
    settled(&mut lab, &COMMON).await;
    sql(&lab, &format!("DELETE FROM records WHERE id = {row}")).await;
    sync(&lab, &COMMON).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    settled(&mut lab, &COMMON).await;
}

#[tokio::test]
async fn an_operators_row_with_the_very_address_confirms_and_one_with_another_does_not() {
    let lab = Lab::new("foreign_confirms").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    lab.db.insert("corp.org", "web.corp.org", "A", "192.0.2.1", 60).await.unwrap();
    lab.db.insert("corp.org", "two.corp.org", "A", "198.51.100.9", 60).await.unwrap();
    lab.db.insert("corp.org", "three.corp.org", "CNAME", "web.corp.org", 60).await.unwrap();
    let off = lab.db.insert("corp.org", "four.corp.org", "A", "192.0.2.4", 60).await.unwrap();
    sql(&lab, &format!("UPDATE records SET disabled = 1 WHERE id = {off}")).await;
    for (at, name) in [(1, "web"), (2, "two"), (3, "three"), (4, "four")] {
        put(&lab, &account, name, &format!("192.0.2.{at}"));
    }
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    for at in 2..=4 {
        no_such_name(&lab, &format!("{at}.2.0.192.in-addr.arpa")).await;
    }
}

#[tokio::test]
async fn a_ptr_whose_name_an_operator_has_taken_stays() {
    let lab = Lab::new("ptr_stays").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    sql(&lab, "UPDATE records SET content = '198.51.100.9' WHERE name = 'web.corp.org' AND type = 'A'").await;
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["198.51.100.9"]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
}

#[tokio::test]
async fn a_group_name_is_never_a_target() {
    let lab = Lab::new("no_group_target").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    lab.world().create_vm(VmSpec::new("no_host_name", &account).v4("192.0.2.1").group("www"));
    lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.2").group("www"));
    sync(&lab, &[]).await;
    says(&lab, &format!("www-{}.corp.org", &account[..8]), "A", &["192.0.2.1", "192.0.2.2"]).await;
    no_such_name(&lab, ONE).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
}

#[tokio::test]
async fn an_address_of_a_shared_network_comes_before_one_of_an_isolated_network() {
    let mut lab = Lab::new("shared_first").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let world = lab.world().clone();
    let isolated = world.add_network(&world.root(), "iso", NetworkKind::Isolated);
    // The same private address may stand behind many isolated networks.
    world.create_vm(VmSpec::new("older", &account).v4("192.0.2.1").network(&isolated));
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["older.corp.org."]).await;
    let shared = put(&lab, &account, "younger", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["younger.corp.org."]).await;
    says(&lab, "older.corp.org", "A", &["192.0.2.1"]).await;
    settled(&mut lab, &[]).await;
    world.destroy_vm(&shared);
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["older.corp.org."]).await;
    settled(&mut lab, &[]).await;
}
