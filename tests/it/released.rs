//! Released claims on the real servers: derived anew each pass from the rows as they are, across the VM's
//! change of address, rename and end, and back when the operator takes his row away or puts ours back.

use super::{
    bench::{Api, rows},
    support::{LIMIT, answers, example, once, serve, sync, vm},
};
use serde_json::{Value, json};
use testbed::{Controller, Lab, VmSpec, poll};

const ZONE: &str = "domain.com";
/// What is lost here is lost on purpose.
const LOSE: [(&str, &str); 1] = [("DNS_MAX_LOSS_PERCENT", "100")];
const ON_HOLD: [(&str, &str); 2] = [("DNS_MAX_LOSS_PERCENT", "100"), ("DNS_RECREATE", "false")];

async fn replace(lab: &Lab, label: &str, ttl: u32, contents: &[&str]) {
    Api::of(lab).replace(ZONE, &format!("{label}.{ZONE}"), "A", ttl, contents).await;
}

async fn delete(lab: &Lab, label: &str) {
    Api::of(lab).patch(ZONE, &format!("{label}.{ZONE}"), "A", "DELETE", json!({})).await;
}

/// The rows of `label.domain.com`.
async fn at(lab: &Lab, label: &str) -> String {
    rows(lab, &format!("{label}.{ZONE}")).await
}

async fn entries(lab: &Lab) -> Vec<String> {
    let sql = "SELECT CONCAT(name, ' ', content) FROM cs_powerdns_ledger WHERE type <> 'PTR' ORDER BY 1";
    lab.db.query(sql).await.expect("entries")
}

#[tokio::test]
async fn a_released_claim_waits_for_its_row_through_the_vms_changes_and_is_served_once_the_row_is_back() {
    let lab = Lab::new("rel_back").await;
    example(&lab).await;
    let labels = ["replaced", "retimed", "disabled", "content", "renamed"];
    let ids: Vec<String> = (labels.iter().enumerate())
        .map(|(n, label)| lab.world().create_vm(vm(label, &format!("192.0.2.{}", n + 1))))
        .collect();
    sync(&lab, &LOSE).await;
    replace(&lab, "replaced", 60, &["198.51.100.1"]).await;
    replace(&lab, "retimed", 300, &["192.0.2.2"]).await;
    lab.db.exec("UPDATE records SET disabled = 1 WHERE name = 'disabled.domain.com'").await.unwrap();
    lab.db
        .exec("UPDATE records SET content = '198.51.100.4' WHERE name = 'content.domain.com'")
        .await
        .unwrap();
    lab.db
        .exec("UPDATE records SET name = 'else.domain.com' WHERE name = 'renamed.domain.com'")
        .await
        .unwrap();
    for round in 1..=3 {
        for (n, id) in ids.iter().enumerate() {
            lab.world().set_address(id, Some(&format!("192.0.2.{}", n + 1 + 10 * round)), None);
        }
        sync(&lab, &LOSE).await;
        assert_eq!(at(&lab, "replaced").await, "A 198.51.100.1 60", "round {round}");
        assert_eq!(at(&lab, "retimed").await, "A 192.0.2.2 300", "round {round}");
        assert_eq!(at(&lab, "disabled").await, "A 192.0.2.3 60 disabled", "round {round}");
        assert_eq!(at(&lab, "content").await, "A 198.51.100.4 60", "round {round}");
        assert_eq!(at(&lab, "renamed").await, "", "round {round}");
        assert_eq!(at(&lab, "else").await, "A 192.0.2.5 60", "round {round}");
    }
    // The operator takes his row away, or makes ours what it was.
    delete(&lab, "replaced").await;
    replace(&lab, "retimed", 60, &["192.0.2.2"]).await;
    lab.db.exec("UPDATE records SET disabled = 0 WHERE name = 'disabled.domain.com'").await.unwrap();
    lab.db.exec("UPDATE records SET content = '192.0.2.4' WHERE name = 'content.domain.com'").await.unwrap();
    lab.db.exec("DELETE FROM records WHERE name = 'else.domain.com'").await.unwrap();
    sync(&lab, &LOSE).await;
    for (n, label) in labels.iter().enumerate() {
        assert_eq!(at(&lab, label).await, format!("A 192.0.2.{} 60", n + 31), "{label} is served again");
        let reverse = format!("{}.2.0.192.in-addr.arpa", n + 31);
        answers(&lab, &reverse, "PTR", &[&format!("{label}.domain.com.")]).await;
    }
    assert_eq!(entries(&lab).await.len(), labels.len());
}

#[tokio::test]
async fn a_rename_leaves_an_operators_rows_behind_at_the_old_name_and_serves_the_new_one() {
    let lab = Lab::new("rel_rename").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("old", "192.0.2.1"));
    let other = lab.world().create_vm(vm("second", "192.0.2.2"));
    sync(&lab, &LOSE).await;
    replace(&lab, "old", 60, &["198.51.100.1"]).await;
    replace(&lab, "second", 300, &["192.0.2.2"]).await;
    lab.world().rename_vm(&id, "new");
    lab.world().rename_vm(&other, "other");
    sync(&lab, &LOSE).await;
    assert_eq!(at(&lab, "old").await, "A 198.51.100.1 60", "left behind");
    assert_eq!(at(&lab, "new").await, "A 192.0.2.1 60");
    assert_eq!(at(&lab, "second").await, "A 192.0.2.2 300", "left behind");
    assert_eq!(at(&lab, "other").await, "A 192.0.2.2 60");
    assert_eq!(entries(&lab).await, ["new.domain.com 192.0.2.1", "other.domain.com 192.0.2.2"]);
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["new.domain.com."]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["other.domain.com."]).await;
    // Back to the old name: what stands there is an operator's by now, and equal content satisfies.
    lab.world().rename_vm(&id, "old");
    lab.world().rename_vm(&other, "second");
    sync(&lab, &LOSE).await;
    assert_eq!(at(&lab, "old").await, "A 198.51.100.1 60", "foreign rows come first");
    assert_eq!(at(&lab, "second").await, "A 192.0.2.2 300", "an equal foreign row satisfies");
    assert_eq!(entries(&lab).await, Vec::<String>::new());
    delete(&lab, "old").await;
    sync(&lab, &LOSE).await;
    assert_eq!(at(&lab, "old").await, "A 192.0.2.1 60");
}

#[tokio::test]
async fn with_recreate_off_a_deleted_row_stays_away_until_its_claim_ends_and_a_new_claim_is_served() {
    let lab = Lab::new("rel_recreate").await;
    example(&lab).await;
    let both = VmSpec { v6: Some("2001:db8::1".into()), group: Some("www".into()), ..vm("web", "192.0.2.1") };
    let id = lab.world().create_vm(both);
    let mate = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("mate", "192.0.2.2") });
    sync(&lab, &ON_HOLD).await;
    // One family of the name, one member of the group.
    delete(&lab, "web").await;
    let member = "DELETE FROM records WHERE name LIKE 'www-%' AND content = '192.0.2.1'";
    lab.db.exec(member).await.unwrap();
    lab.world().set_address(&id, Some("192.0.2.11"), Some("2001:db8::11"));
    lab.world().set_address(&mate, Some("192.0.2.12"), None);
    for _ in 0..2 {
        sync(&lab, &ON_HOLD).await;
        assert_eq!(
            at(&lab, "web").await,
            "AAAA 2001:db8::1 60",
            "on hold is the claim: the other family stays"
        );
        assert_eq!(
            at(&lab, "www-edd2ab05").await,
            "A 192.0.2.12 60; AAAA 2001:db8::1 60",
            "other members go on"
        );
    }
    // It is on hold for good, whatever DNS_RECREATE says later.
    sync(&lab, &LOSE).await;
    assert_eq!(at(&lab, "web").await, "AAAA 2001:db8::1 60");
    lab.world().destroy_vm(&id);
    sync(&lab, &ON_HOLD).await;
    assert_eq!(entries(&lab).await, ["mate.domain.com 192.0.2.12", "www-edd2ab05.domain.com 192.0.2.12"]);
    assert_eq!(at(&lab, "web").await, "AAAA 2001:db8::1 60", "left behind");
    lab.db.exec("DELETE FROM records WHERE content = '2001:db8::1'").await.unwrap();
    lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.3") });
    sync(&lab, &ON_HOLD).await;
    assert_eq!(at(&lab, "web").await, "A 192.0.2.3 60", "a new VM's claim is another claim");
    assert_eq!(at(&lab, "www-edd2ab05").await, "A 192.0.2.12 60; A 192.0.2.3 60");
}

#[tokio::test]
async fn a_group_whose_members_an_operator_has_edited_or_retimed_goes_on_with_the_others() {
    let lab = Lab::new("rel_group").await;
    example(&lab).await;
    let member = |group: &str, n: usize| VmSpec {
        group: Some(group.into()),
        ..vm(&format!("{group}{n}"), &format!("192.0.2.{n}"))
    };
    let retimed: Vec<String> = (1..=2).map(|n| lab.world().create_vm(member("ttl", n))).collect();
    let edited: Vec<String> = (3..=4).map(|n| lab.world().create_vm(member("set", n))).collect();
    sync(&lab, &LOSE).await;
    replace(&lab, "ttl-edd2ab05", 300, &["192.0.2.1", "192.0.2.2"]).await;
    replace(&lab, "set-edd2ab05", 60, &["198.51.100.3", "192.0.2.4"]).await;
    let fifth = lab.world().create_vm(member("ttl", 5));
    let sixth = lab.world().create_vm(member("set", 6));
    sync(&lab, &LOSE).await;
    let ttl = async || at(&lab, "ttl-edd2ab05").await;
    let set = async || at(&lab, "set-edd2ab05").await;
    assert_eq!(ttl().await, "A 192.0.2.1 300; A 192.0.2.2 300; A 192.0.2.5 300", "the operator's TTL");
    assert_eq!(set().await, "A 192.0.2.4 60; A 192.0.2.6 60; A 198.51.100.3 60");
    // The edited member moves and is not served; the others move and are.
    for (n, id) in [(1, &retimed[0]), (3, &edited[0]), (4, &edited[1]), (6, &sixth)] {
        lab.world().set_address(id, Some(&format!("192.0.2.{}", n + 100)), None);
    }
    sync(&lab, &LOSE).await;
    assert_eq!(ttl().await, "A 192.0.2.101 300; A 192.0.2.2 300; A 192.0.2.5 300");
    assert_eq!(set().await, "A 192.0.2.104 60; A 192.0.2.106 60; A 198.51.100.3 60");
    // His row goes: the member whose row it replaced is served again.
    lab.db.exec("DELETE FROM records WHERE content = '198.51.100.3'").await.unwrap();
    lab.world().destroy_vm(&edited[1]);
    lab.world().destroy_vm(&fifth);
    sync(&lab, &LOSE).await;
    assert_eq!(ttl().await, "A 192.0.2.101 300; A 192.0.2.2 300");
    assert_eq!(set().await, "A 192.0.2.103 60; A 192.0.2.106 60");
    for id in retimed.iter().chain(&edited[..1]).chain([&sixth]) {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &LOSE).await;
    assert_eq!((ttl().await, set().await), (String::new(), String::new()));
}

#[tokio::test]
async fn what_is_released_and_what_was_left_behind_is_shown_until_it_is_gone() {
    let lab = Lab::new("rel_shown").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("gone", "192.0.2.1"));
    let off = lab.world().create_vm(vm("off", "192.0.2.2"));
    lab.world().create_vm(vm("kept", "192.0.2.3"));
    lab.world().create_vm(vm("fresh", "192.0.2.4"));
    sync(&lab, &LOSE).await;
    replace(&lab, "gone", 60, &["198.51.100.1"]).await;
    lab.db.exec("UPDATE records SET disabled = 1 WHERE name = 'off.domain.com'").await.unwrap();
    replace(&lab, "kept", 300, &["192.0.2.3"]).await;
    let every_second = [("RESYNC_INTERVAL", "1s"), ("DNS_MAX_LOSS_PERCENT", "100")];
    let controller = serve(&lab, &every_second).await;
    shows(&controller, &["gone name released", "kept name released", "off name released"], &[]).await;
    lab.world().destroy_vm(&id);
    lab.world().destroy_vm(&off);
    let left = ["gone A 198.51.100.1", "off A 192.0.2.2"];
    shows(&controller, &["kept name released"], &left).await;
    let (_, page) = controller.get("/").await.unwrap();
    assert!(page.contains("<h2>Left behind: 2</h2>"), "{page}");
    drop(controller);
    // Not only the controller that left them behind shows them.
    let told = once(&lab, &["plan", "--unexplained"], &LOSE).await;
    let line = format!("\n  gone.domain.com A 198.51.100.1 (left behind by VM {id} at ");
    assert!(told.stdout.contains("rows left behind: 2\n") && told.stdout.contains(&line), "{}", told.stdout);
    let told = once(&lab, &["plan", "--unexplained", "--json"], &LOSE).await;
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told["left_behind"][0]["vm"].as_str().map(str::len), Some(36), "{told}");
    let controller = serve(&lab, &every_second).await;
    shows(&controller, &["kept name released"], &left).await;
    delete(&lab, "gone").await;
    shows(&controller, &["kept name released"], &left[1..]).await;
    // A new VM of the old name and address: the disabled row is an operator's, and goes on suppressing it.
    lab.world().create_vm(vm("off", "192.0.2.2"));
    shows(&controller, &["kept name released", "off name blocked"], &left[1..]).await;
    lab.db.exec("DELETE FROM records WHERE name = 'off.domain.com'").await.unwrap();
    shows(&controller, &["kept name released"], &[]).await;
}

/// Waits until /status shows exactly these forward names as not desired, and these rows as left behind.
async fn shows(controller: &Controller, names: &[&str], left: &[&str]) {
    let text = |value: &Value| value.as_str().unwrap_or_default().replace(".domain.com", "");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    poll(&format!("/status shows {names:?}, left behind {left:?}"), LIMIT, async || {
        let (_, body) = controller.get("/status").await.map_err(|error| format!("{error:#}"))?;
        let status: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let mut shown = Vec::new();
        for name in list(&status["names"]) {
            for claim in list(&name["claims"]).iter().filter(|claim| claim["kind"] != "ptr") {
                shown.push(format!(
                    "{} {} {}",
                    text(&name["name"]),
                    text(&claim["kind"]),
                    text(&claim["state"])
                ));
            }
        }
        let mut behind: Vec<String> = (list(&status["left_behind"]).iter())
            .map(|row| format!("{} {} {}", text(&row["name"]), text(&row["type"]), text(&row["content"])))
            .collect();
        behind.sort();
        if shown == names && behind == left { Ok(()) } else { Err(format!("{shown:?}, {behind:?}")) }
    })
    .await;
}
