//! Zones that are deleted and made anew, by the API and by SQL, and dumps from before.

use super::{
    bench::{Api, rows},
    support::{answers, example, sync, vm},
};
use serde_json::json;
use testbed::{Lab, VmSpec};

const ZONE: &str = "domain.com";

/// The ledger's lines of the zone, `name type content zone-id`, and whether each record id is its row's.
async fn entries(lab: &Lab) -> Vec<String> {
    let sql = "SELECT CONCAT(l.name, ' ', l.type, ' ', l.content, ' ', IFNULL(d.name, 'no zone'), IF(r.id IS NULL, ' lost', '')) \
               FROM cs_powerdns_ledger l LEFT JOIN domains d ON d.id = l.zone_id \
               LEFT JOIN records r ON r.id = l.record_id AND r.domain_id = l.zone_id AND r.name = l.name \
               WHERE l.name LIKE '%domain.com' ORDER BY 1";
    lab.db.query(sql).await.expect("entries")
}

async fn delete_by_sql(lab: &Lab, zone: &str) {
    let id = format!("(SELECT id FROM domains WHERE name = '{zone}')");
    lab.db.exec(&format!("DELETE FROM records WHERE domain_id = {id}")).await.expect("its rows go");
    lab.db.exec(&format!("DELETE FROM domains WHERE name = '{zone}'")).await.expect("it goes");
}

async fn create_by_api(lab: &Lab) {
    let zone = json!({ "name": "domain.com.", "kind": "Native", "nameservers": ["ns1.testbed.invalid."] });
    Api::of(lab).call("POST", "", &zone).await;
}

/// Two VMs in the zone, one of them in a group and of both families, served.
async fn served(test: &str) -> (Lab, String) {
    let lab = Lab::new(test).await;
    example(&lab).await;
    lab.world().create_vm(vm("one", "192.0.2.1"));
    let two = VmSpec { v6: Some("2001:db8::2".into()), group: Some("www".into()), ..vm("two", "192.0.2.2") };
    let two = lab.world().create_vm(two);
    sync(&lab, &[]).await;
    (lab, two)
}

const SERVED: [&str; 5] = [
    "one.domain.com A 192.0.2.1 domain.com",
    "two.domain.com A 192.0.2.2 domain.com",
    "two.domain.com AAAA 2001:db8::2 domain.com",
    "www-edd2ab05.domain.com A 192.0.2.2 domain.com",
    "www-edd2ab05.domain.com AAAA 2001:db8::2 domain.com",
];

/// All is served by one row each, and a second pass has nothing to do.
async fn stands_whole(lab: &mut Lab) {
    assert_eq!(entries(lab).await, SERVED, "an entry each, of the zone as it is now");
    assert_eq!(rows(lab, "one.domain.com").await, "A 192.0.2.1 60");
    for name in ["two.domain.com", "www-edd2ab05.domain.com"] {
        assert_eq!(rows(lab, name).await, "A 192.0.2.2 60; AAAA 2001:db8::2 60", "{name}");
        answers(lab, name, "A", &["192.0.2.2"]).await;
    }
    answers(lab, "1.2.0.192.in-addr.arpa", "PTR", &["one.domain.com."]).await;
    lab.forget_writes().await;
    sync(lab, &[]).await;
    assert_eq!(
        lab.writes(&["cs_powerdns_owner"]).await,
        Vec::<String>::new(),
        "a second pass writes nothing"
    );
}

#[tokio::test]
async fn a_zone_made_anew_between_two_passes_is_filled_again() {
    let (mut lab, _) = served("zone_anew").await;
    Api::of(&lab).call("DELETE", "/domain.com.", &json!({})).await;
    create_by_api(&lab).await;
    sync(&lab, &[]).await;
    stands_whole(&mut lab).await;
    delete_by_sql(&lab, ZONE).await;
    lab.db.zone(ZONE).await.unwrap();
    sync(&lab, &[]).await;
    stands_whole(&mut lab).await;
}

#[tokio::test]
async fn a_zone_that_stays_away_for_two_resyncs_ends_its_entries_and_is_filled_when_it_is_back() {
    let (mut lab, two) = served("zone_away").await;
    Api::of(&lab).call("DELETE", "/domain.com.", &json!({})).await;
    for _ in 0..2 {
        sync(&lab, &[]).await;
    }
    assert_eq!(entries(&lab).await, Vec::<String>::new(), "the zone is gone, and its entries with it");
    create_by_api(&lab).await;
    sync(&lab, &[]).await;
    stands_whole(&mut lab).await;
    // Away, and a VM that ends meanwhile.
    delete_by_sql(&lab, ZONE).await;
    sync(&lab, &[]).await;
    lab.world().destroy_vm(&two);
    sync(&lab, &[]).await;
    sync(&lab, &[]).await;
    create_by_api(&lab).await;
    sync(&lab, &[]).await;
    assert_eq!(entries(&lab).await, SERVED[..1]);
    assert_eq!(rows(&lab, "two.domain.com").await, "");
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_zone_whose_id_another_zone_has_by_now_is_matched_by_its_name() {
    let (mut lab, two) = served("zone_id").await;
    // A restore by hand that hands out the ids anew: the rows are the same, and another zone has the old id.
    let other = lab.db.zone("other.example").await.unwrap();
    let old: Vec<i64> = lab.db.query("SELECT id FROM domains WHERE name = 'domain.com'").await.unwrap();
    for (from, to) in [(old[0], 999_999), (other, old[0]), (999_999, other)] {
        lab.db.exec(&format!("UPDATE domains SET id = {to} WHERE id = {from}")).await.unwrap();
        lab.db.exec(&format!("UPDATE records SET domain_id = {to} WHERE domain_id = {from}")).await.unwrap();
    }
    sync(&lab, &[]).await;
    stands_whole(&mut lab).await;
    lab.world().destroy_vm(&two);
    sync(&lab, &[]).await;
    assert_eq!(entries(&lab).await, SERVED[..1]);
    assert_eq!(rows(&lab, "two.domain.com").await, "");
}

#[tokio::test]
async fn a_dump_of_the_records_from_before_is_brought_up_to_date() {
    let (mut lab, two) = served("dump_records").await;
    let one = lab.world().vms()[0].clone();
    lab.db.exec("CREATE TABLE dump AS SELECT * FROM records").await.unwrap();
    // Since the dump: one VM has moved, one has gone, one has come, and an operator has written.
    lab.world().set_address(&one, Some("192.0.2.11"), None);
    lab.world().destroy_vm(&two);
    lab.world().create_vm(vm("three", "192.0.2.3"));
    lab.db.insert(ZONE, "hand.domain.com", "A", "198.51.100.1", 300).await.unwrap();
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    assert_eq!(rows(&lab, "one.domain.com").await, "A 192.0.2.11 60");
    lab.db.exec("DELETE FROM records").await.unwrap();
    lab.db.exec("INSERT INTO records SELECT * FROM dump").await.unwrap();
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    // The ledger is younger than the rows: the moved VM's old row is nobody's, so it counts as an
    // operator's replacement, and what has come since is put back.
    assert_eq!(rows(&lab, "one.domain.com").await, "A 192.0.2.1 60");
    assert_eq!(rows(&lab, "three.domain.com").await, "A 192.0.2.3 60");
    assert_eq!(
        entries(&lab).await,
        ["one.domain.com A 192.0.2.11 domain.com lost", "three.domain.com A 192.0.2.3 domain.com"],
        "his claim is released: its entry waits for the row"
    );
    // Rows of the VM that went have no entries any more.
    assert_eq!(rows(&lab, "two.domain.com").await, "A 192.0.2.2 60; AAAA 2001:db8::2 60");
    lab.forget_writes().await;
    sync(&lab, &[]).await;
    assert_eq!(lab.writes(&["cs_powerdns_owner"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_dump_of_everything_from_before_is_brought_up_to_date() {
    let (mut lab, two) = served("dump_all").await;
    let one = lab.world().vms()[0].clone();
    let tables = ["domains", "records", "cs_powerdns_ledger", "cs_powerdns_zone", "cs_powerdns_history"];
    for table in tables {
        lab.db.exec(&format!("CREATE TABLE dump_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    lab.world().set_address(&one, Some("192.0.2.11"), None);
    lab.world().destroy_vm(&two);
    lab.world().create_vm(vm("three", "192.0.2.3"));
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    for table in tables {
        lab.db.exec(&format!("DELETE FROM {table}")).await.unwrap();
        lab.db.exec(&format!("INSERT INTO {table} SELECT * FROM dump_{table}")).await.unwrap();
    }
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    assert_eq!(rows(&lab, "one.domain.com").await, "A 192.0.2.11 60");
    assert_eq!(rows(&lab, "two.domain.com").await, "");
    assert_eq!(rows(&lab, "www-edd2ab05.domain.com").await, "");
    assert_eq!(rows(&lab, "three.domain.com").await, "A 192.0.2.3 60");
    assert_eq!(
        entries(&lab).await,
        ["one.domain.com A 192.0.2.11 domain.com", "three.domain.com A 192.0.2.3 domain.com"]
    );
    answers(&lab, "11.2.0.192.in-addr.arpa", "PTR", &["one.domain.com."]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &[]).await;
    lab.forget_writes().await;
    sync(&lab, &[]).await;
    assert_eq!(lab.writes(&["cs_powerdns_owner"]).await, Vec::<String>::new());
}
