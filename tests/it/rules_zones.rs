//! Where nothing is written: zones that others fill, and names that another zone or alias hides.

use super::{
    rules_support::{REVERSE, dump, no_row, no_such_name, put, rectified, says, settled, sql, tenant, zones},
    support::sync,
};
use testbed::{Lab, PowerDns, PowerDnsOptions};

const PARENTS: [(&str, &str); 1] = [("DNS_PARENT_ZONES", "true")];

#[tokio::test]
async fn zones_that_others_fill_are_never_written() {
    let lab = Lab::new("unwritable").await;
    let world = lab.world();
    let kinds = [("SLAVE", "s.org"), ("PRODUCER", "p.org"), ("CONSUMER", "c.org"), ("slave", "l.org")];
    for (kind, zone) in kinds {
        lab.db.zone_of(zone, kind, 7).await.unwrap();
    }
    zones(&lab, &["presigned.org", "iterations.org", "good.org"]).await;
    lab.db.zone_of("master.org", "MASTER", 7).await.unwrap();
    lab.db.zone_of(REVERSE, "SLAVE", 7).await.unwrap();
    zones(&lab, &["192.in-addr.arpa"]).await;
    sql(
        &lab,
        "INSERT INTO domainmetadata (domain_id, kind, content) \
         SELECT id, 'PRESIGNED', '1' FROM domains WHERE name = 'presigned.org'",
    )
    .await;
    lab.dns().await.pdnsutil(&["secure-zone", "iterations.org"]).unwrap();
    sql(
        &lab,
        "INSERT INTO domainmetadata (domain_id, kind, content) \
         SELECT id, 'NSEC3PARAM', '1 0 101 ab' FROM domains WHERE name = 'iterations.org'",
    )
    .await;
    let never = ["s.org", "p.org", "c.org", "l.org", "presigned.org", "iterations.org"];
    let rows = async || {
        let mut rows = Vec::new();
        for zone in never.iter().chain(&[REVERSE, "192.in-addr.arpa"]) {
            rows.extend(lab.db.rows_of_zone(zone).await.unwrap());
        }
        rows
    };
    let before = rows().await;
    for (at, zone) in never.iter().chain(&["good.org", "master.org"]).enumerate() {
        let account = world.add_account(&world.root(), zone, Some(zone));
        put(&lab, &account, "web", &format!("192.0.2.{at}"));
    }
    sync(&lab, &[]).await;
    assert_eq!(
        rows().await,
        before,
        "rows of zones that are not ours to write, or of a shorter reverse zone"
    );
    says(&lab, "web.good.org", "A", &["192.0.2.6"]).await;
    says(&lab, "web.master.org", "A", &["192.0.2.7"]).await;
}

#[tokio::test]
async fn rows_of_ours_stay_where_writing_is_no_longer_allowed() {
    let lab = Lab::new("retired").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    let gone = put(&lab, &account, "gone", "192.0.2.1");
    let moved = put(&lab, &account, "moved", "192.0.2.2");
    sync(&lab, &[]).await;
    let before = dump(&lab).await;
    lab.world().destroy_vm(&gone);
    lab.world().set_address(&moved, Some("192.0.2.3"), None);
    sync(&lab, &[("DNS_ZONES", "other.org")]).await;
    assert_eq!(dump(&lab).await, before, "rows while DNS_ZONES does not list corp.org");
    sql(&lab, "UPDATE domains SET type = 'SLAVE'").await;
    sync(&lab, &[]).await;
    assert_eq!(dump(&lab).await, before, "rows while corp.org is a SLAVE zone");
    sql(&lab, "UPDATE domains SET type = 'NATIVE'").await;
    sync(&lab, &[]).await;
    no_such_name(&lab, "gone.corp.org").await;
    says(&lab, "moved.corp.org", "A", &["192.0.2.3"]).await;
}

#[tokio::test]
async fn nothing_is_written_at_or_below_a_delegation() {
    let mut lab = Lab::new("delegation").await;
    let world = lab.world();
    zones(&lab, &["corp.org"]).await;
    lab.db.insert("corp.org", "cut.corp.org", "NS", "ns.elsewhere.org", 60).await.unwrap();
    lab.db.insert("corp.org", "sub.corp.org", "NS", "ns.elsewhere.org", 60).await.unwrap();
    lab.dns().await.pdnsutil(&["rectify-zone", "corp.org"]).unwrap();
    let above = world.add_account(&world.root(), "above", Some("corp.org"));
    let below = world.add_account(&world.root(), "below", Some("x.sub.corp.org"));
    put(&lab, &above, "cut", "192.0.2.1");
    put(&lab, &above, "web", "192.0.2.2");
    put(&lab, &below, "web", "192.0.2.3");
    sync(&lab, &PARENTS).await;
    no_row(&lab, "cut.corp.org").await;
    no_row(&lab, "web.x.sub.corp.org").await;
    says(&lab, "web.corp.org", "A", &["192.0.2.2"]).await;
    rectified(&lab, "corp.org").await;
    settled(&mut lab, &PARENTS).await;
    sql(&lab, "DELETE FROM records WHERE type = 'NS' AND name <> 'corp.org'").await;
    sync(&lab, &PARENTS).await;
    says(&lab, "cut.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "web.x.sub.corp.org", "A", &["192.0.2.3"]).await;
    rectified(&lab, "corp.org").await;
}

#[tokio::test]
async fn nothing_is_written_below_a_dname() {
    let lab = Lab::new("dname").await;
    let world = lab.world();
    zones(&lab, &["corp.org"]).await;
    lab.db.insert("corp.org", "old.corp.org", "DNAME", "new.org", 60).await.unwrap();
    let above = world.add_account(&world.root(), "above", Some("corp.org"));
    let below = world.add_account(&world.root(), "below", Some("old.corp.org"));
    put(&lab, &above, "old", "192.0.2.1");
    put(&lab, &below, "web", "192.0.2.2");
    sync(&lab, &PARENTS).await;
    no_row(&lab, "web.old.corp.org").await;
    let options = PowerDnsOptions { extra: vec!["dname-processing=yes".into()], ..Default::default() };
    let dns = PowerDns::start(&lab.db, &options).await.expect("PowerDNS starts");
    assert_eq!(
        dns.dig("old.corp.org", "A").unwrap(),
        ["192.0.2.1"],
        "a DNAME's own name may have an address (RFC 6672, 2.4)"
    );
}

#[tokio::test]
async fn nothing_is_written_where_a_longer_zone_of_the_database_answers() {
    let lab = Lab::new("longer_zone").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", "web.corp.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &[]).await;
    no_row(&lab, "web.corp.org").await;
    says(&lab, "two.corp.org", "A", &["192.0.2.2"]).await;
    zones(&lab, &["two.corp.org"]).await;
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("two.corp.org", "A").await.unwrap(), ["192.0.2.2"], "it is retired, not lost");
    sql(
        &lab,
        "DELETE records, domains FROM records JOIN domains ON domain_id = domains.id \
               WHERE domains.name IN ('web.corp.org', 'two.corp.org')",
    )
    .await;
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "two.corp.org", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn a_network_domain_under_arpa_leads_nowhere() {
    let lab = Lab::new("arpa").await;
    let account = tenant(&lab, Some("domain.org"), Some(REVERSE));
    zones(&lab, &["domain.org", REVERSE, "home.arpa"]).await;
    let other = lab.world().add_account(&lab.world().root(), "other", Some("home.arpa"));
    put(&lab, &account, "10", "192.0.2.1");
    put(&lab, &other, "web", "192.0.2.2");
    let before = dump(&lab).await;
    sync(&lab, &PARENTS).await;
    assert_eq!(dump(&lab).await, before, "rows of domain.org (step 2 is skipped) and of zones under arpa");
}
