//! Promises 2, 3 and 6 on the real servers: operators edit, and the program keeps its hands off.

use super::support::{answers, example, once, sync, vm};
use serde_json::json;
use testbed::{Lab, Row, VmSpec};

const ZONE: &str = "domain.com";

/// The rows of a name without what no operator chose.
async fn rows(lab: &Lab, name: &str) -> Vec<(String, String, i64, bool)> {
    let told = |row: Row| {
        (row.kind.unwrap_or_default(), row.content.unwrap_or_default(), row.ttl.unwrap_or(-1), row.disabled)
    };
    lab.db.rows(name).await.expect("rows").into_iter().map(told).collect()
}

async fn entries(lab: &Lab, name: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM cs_powerdns_ledger WHERE name = '{name}'");
    lab.db.query(&sql).await.expect("a count")[0]
}

/// What an operator does by the PowerDNS API.
async fn patch(lab: &Lab, rrset: serde_json::Value) {
    let dns = lab.dns().await;
    let url = format!("{}/api/v1/servers/localhost/zones/{ZONE}.", dns.api_url());
    let body = json!({ "rrsets": [rrset] });
    let answer = reqwest::Client::new()
        .patch(url)
        .header("X-API-Key", &dns.api_key)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

async fn replace(lab: &Lab, name: &str, ttl: u32, contents: &[&str]) {
    let records: Vec<_> =
        contents.iter().map(|content| json!({ "content": content, "disabled": false })).collect();
    let name = format!("{name}.");
    patch(lab, json!({"name": name, "type": "A", "ttl": ttl, "changetype": "REPLACE", "records": records}))
        .await;
}

#[tokio::test]
async fn an_edit_in_place_survives_the_vms_change_and_its_end() {
    let lab = Lab::new("edit_in_place").await;
    example(&lab).await;
    let mut ids = Vec::new();
    for (at, name) in ["content", "ttl", "disabled"].into_iter().enumerate() {
        ids.push(lab.world().create_vm(vm(name, &format!("192.0.2.{}", at + 1))));
    }
    sync(&lab, &[]).await;
    let edit = async |set: &str, name: &str| {
        let name = format!("{name}.{ZONE}");
        lab.db.exec(&format!("UPDATE records SET {set} WHERE name = '{name}' AND type = 'A'")).await.unwrap();
    };
    edit("content = '198.51.100.7'", "content").await;
    edit("ttl = 4711", "ttl").await;
    edit("disabled = 1", "disabled").await;
    let expected = [
        ("content.domain.com", ("A".to_owned(), "198.51.100.7".to_owned(), 60, false)),
        ("ttl.domain.com", ("A".to_owned(), "192.0.2.2".to_owned(), 4711, false)),
        ("disabled.domain.com", ("A".to_owned(), "192.0.2.3".to_owned(), 60, true)),
    ];
    let check = async |when: &str| {
        for (name, row) in &expected {
            assert_eq!(rows(&lab, name).await, std::slice::from_ref(row), "{name} {when}");
        }
    };
    sync(&lab, &[]).await;
    check("at the next pass").await;
    for (at, id) in ids.iter().enumerate() {
        lab.world().set_address(id, Some(&format!("192.0.2.{}", at + 101)), Some("2001:db8::7"));
    }
    sync(&lab, &[]).await;
    check("after the VM's change").await;
    for id in &ids {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &[]).await;
    check("after the VM's end").await;
    for (name, _) in &expected {
        assert_eq!(entries(&lab, name).await, 0, "{name}: its entries end with the VM");
    }
}

#[tokio::test]
async fn a_replacement_by_the_api_survives_the_vms_change_and_its_end() {
    let lab = Lab::new("edit_by_api").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    replace(&lab, "web.domain.com", 60, &["198.51.100.7", "198.51.100.8"]).await;
    let expected = rows(&lab, "web.domain.com").await;
    assert_eq!(expected.len(), 2);
    lab.world().set_address(&id, Some("192.0.2.2"), Some("2001:db8::2"));
    sync(&lab, &[]).await;
    assert_eq!(rows(&lab, "web.domain.com").await, expected, "after the VM's change");
    lab.world().destroy_vm(&id);
    sync(&lab, &[]).await;
    assert_eq!(rows(&lab, "web.domain.com").await, expected, "after the VM's end");
    answers(&lab, "web.domain.com", "A", &["198.51.100.7", "198.51.100.8"]).await;
}

#[tokio::test]
async fn a_replacement_by_the_api_that_changes_nothing_leaves_the_row_ours() {
    let lab = Lab::new("noop_by_api").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    let before = lab.db.rows("web.domain.com").await.unwrap()[0].id;
    replace(&lab, "web.domain.com", 60, &["192.0.2.1"]).await;
    assert_ne!(lab.db.rows("web.domain.com").await.unwrap()[0].id, before, "the API inserts anew");
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), ["192.0.2.2"]);
    replace(&lab, "web.domain.com", 60, &["192.0.2.2"]).await;
    lab.world().destroy_vm(&id);
    sync(&lab, &[]).await;
    assert_eq!(rows(&lab, "web.domain.com").await, []);
}

#[tokio::test]
async fn an_edit_that_is_undone_gives_the_claim_back() {
    let lab = Lab::new("undone").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    replace(&lab, "web.domain.com", 60, &["198.51.100.7"]).await;
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), ["198.51.100.7"]);
    patch(&lab, json!({"name": "web.domain.com.", "type": "A", "changetype": "DELETE"})).await;
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), ["192.0.2.2"]);
}

#[tokio::test]
async fn a_row_that_was_deleted_by_hand_comes_back_unless_recreate_is_off() {
    let lab = Lab::new("deleted_by_hand").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    let delete = "DELETE FROM records WHERE name = 'web.domain.com'";
    lab.db.exec(delete).await.unwrap();
    sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    lab.db.exec(delete).await.unwrap();
    sync(&lab, &[("DNS_RECREATE", "false")]).await;
    sync(&lab, &[("DNS_RECREATE", "false")]).await;
    assert_eq!(rows(&lab, "web.domain.com").await, []);
}

#[tokio::test]
async fn a_foreign_row_blocks_both_families_and_a_disabled_row_suppresses() {
    let lab = Lab::new("foreign").await;
    example(&lab).await;
    lab.db.insert(ZONE, "www.domain.com", "A", "198.51.100.1", 300).await.unwrap();
    lab.db.insert(ZONE, "alias.domain.com", "CNAME", "www.domain.com", 300).await.unwrap();
    lab.db.insert(ZONE, "never.domain.com", "A", "192.0.2.3", 300).await.unwrap();
    lab.db.exec("UPDATE records SET disabled = 1 WHERE name = 'never.domain.com'").await.unwrap();
    lab.db.insert(ZONE, "same.domain.com", "A", "192.0.2.4", 300).await.unwrap();
    let names = ["www", "alias", "never", "same"];
    let mut before = Vec::new();
    let mut ids = Vec::new();
    for (at, name) in names.iter().enumerate() {
        before.push(rows(&lab, &format!("{name}.{ZONE}")).await);
        let v6 = (*name != "same").then(|| format!("2001:db8::{at}"));
        ids.push(lab.world().create_vm(VmSpec { v6, ..vm(name, &format!("192.0.2.{}", at + 1)) }));
    }
    sync(&lab, &[]).await;
    for (name, before) in names.iter().zip(&before) {
        assert_eq!(rows(&lab, &format!("{name}.{ZONE}")).await, *before, "{name} beside a living VM");
    }
    for id in &ids {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &[]).await;
    for (name, before) in names.iter().zip(&before) {
        assert_eq!(rows(&lab, &format!("{name}.{ZONE}")).await, *before, "{name} after the VM's end");
    }
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing_and_stops_nothing_else() {
    let lab = Lab::new("all_or_nothing").await;
    example(&lab).await;
    let world = lab.world();
    let domain = world.add_domain("bad", &world.root(), Some("bad.org"));
    let account = world.add_account(&domain, "bad", None);
    let zone = lab.db.zone("bad.org").await.unwrap();
    world.create_vm(VmSpec::new("web", &account).v4("198.51.100.1"));
    let odd = world.create_vm(vm("odd", "192.0.2.9"));
    world.patch_vm(&odd, json!({ "name": "no host name!", "nic": 17 }));
    world.create_vm(vm("web", "192.0.2.1"));
    // The ledger refuses that zone's entries: after the rows, before the serial.
    sync(&lab, &[("DNS_ZONES", "nothing.invalid")]).await;
    let trigger = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON cs_powerdns_ledger FOR EACH ROW BEGIN \
         IF NEW.zone_id = {zone} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF; END"
    );
    lab.db.exec(&trigger).await.unwrap();
    let before = lab.db.rows_of_zone("bad.org").await.unwrap();
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    assert_eq!(lab.db.rows_of_zone("bad.org").await.unwrap(), before, "rows or serial without their entries");
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    lab.db.exec("DROP TRIGGER refuse").await.unwrap();
    sync(&lab, &[]).await;
    answers(&lab, "web.bad.org", "A", &["198.51.100.1"]).await;
}

/// It decides who merges with whom in a group, and is what an operator asks the ledger about.
#[tokio::test]
async fn an_entry_tells_the_account_that_its_vm_has_by_now() {
    let mut lab = Lab::new("account_of_entry").await;
    let domain = example(&lab).await;
    let other = lab.world().add_account(&domain, "dev", None);
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    let rows = lab.db.rows_of_zone(ZONE).await.unwrap();
    lab.world().move_vm(&id, &other);
    sync(&lab, &[]).await;
    let accounts: Vec<(String, String)> =
        lab.db.query("SELECT type, account FROM cs_powerdns_ledger ORDER BY type").await.unwrap();
    assert_eq!(accounts, [("A".to_owned(), other.clone()), ("PTR".to_owned(), other)]);
    assert_eq!(lab.db.rows_of_zone(ZONE).await.unwrap(), rows, "the zone has not changed");
    lab.forget_writes().await;
    sync(&lab, &[]).await;
    assert_eq!(lab.writes(&["cs_powerdns_owner"]).await, Vec::<String>::new());
}
