//! Which names of VMs are host names, and what becomes of the others.

use super::{
    rules_support::{REVERSE, dump, no_such_name, put, says, settled, tenant, zones},
    support::sync,
};
use serde_json::{Value, json};
use testbed::Lab;

/// The owner names of all A rows.
async fn named(lab: &Lab) -> Vec<String> {
    let rows = dump(lab).await.into_iter().filter(|row| row.kind.as_deref() == Some("A"));
    rows.map(|row| row.name).collect()
}

#[tokio::test]
async fn names_are_lower_cased_valid_host_labels() {
    let mut lab = Lab::new("good_names").await;
    let account = tenant(&lab, None, Some("Corp.ORG"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let longest = "a".repeat(63);
    let names = ["WEB-01", "7", "0a", "a--b", "xn--bcher-kva", longest.as_str()];
    for (at, name) in names.iter().enumerate() {
        put(&lab, &account, name, &format!("192.0.2.{at}"));
    }
    sync(&lab, &[]).await;
    for (at, name) in names.iter().enumerate() {
        let name = format!("{}.corp.org", name.to_lowercase());
        says(&lab, &name, "A", &[&format!("192.0.2.{at}")]).await;
        says(&lab, &format!("{at}.2.0.192.in-addr.arpa"), "PTR", &[&format!("{name}.")]).await;
    }
    let upper = lab.dns().await.dig("WEB-01.CORP.ORG", "A").unwrap();
    assert_eq!(upper, ["192.0.2.0"], "dig WEB-01.CORP.ORG A");
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn names_that_are_no_host_names_get_nothing_and_harm_nobody() {
    let mut lab = Lab::new("bad_names").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let too_long = "a".repeat(64);
    let bad = [
        "-web",
        "web-",
        "w_b",
        "web.sub",
        "wéb",
        "web ",
        " ",
        "*",
        "@",
        too_long.as_str(),
        "web\\010",
        "日本",
    ];
    for (at, name) in bad.iter().enumerate() {
        put(&lab, &account, name, &format!("192.0.2.{at}"));
    }
    put(&lab, &account, "good", "192.0.2.200");
    sync(&lab, &[]).await;
    assert_eq!(named(&lab).await, ["good.corp.org"], "owner names of A rows");
    for at in 0..bad.len() {
        no_such_name(&lab, &format!("{at}.2.0.192.in-addr.arpa")).await;
    }
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn hostile_names_get_nothing_and_harm_nobody() {
    let mut lab = Lab::new("hostile_names").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let hostile = [
        json!("x'; DROP TABLE records; -- "),
        json!("web\u{0}"),
        json!("web\ncorp"),
        json!("x".repeat(100_000)),
        json!("\u{202e}gpj"),
        json!(""),
        json!(7),
        json!({"name": "web"}),
        Value::Null,
    ];
    for (at, name) in hostile.iter().enumerate() {
        let vm = put(&lab, &account, &format!("vm{at}"), &format!("192.0.2.{at}"));
        lab.world().patch_vm(&vm, json!({ "name": name }));
    }
    put(&lab, &account, "good", "192.0.2.200");
    sync(&lab, &[]).await;
    assert_eq!(named(&lab).await, ["good.corp.org"], "owner names of A rows");
    says(&lab, "200.2.0.192.in-addr.arpa", "PTR", &["good.corp.org."]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_whole_name_has_at_most_253_characters() {
    let lab = Lab::new("long_suffix").await;
    let suffix = format!("{0}.{0}.{0}.corp.org", "a".repeat(60));
    let account = tenant(&lab, None, Some(&suffix));
    zones(&lab, &[&suffix]).await;
    let room = 253 - suffix.len() - 1;
    put(&lab, &account, &"f".repeat(room.min(63)), "192.0.2.1");
    assert!(room < 63, "the suffix has to leave too little room for a whole label, not {room}");
    put(&lab, &account, &"g".repeat(room + 1), "192.0.2.2");
    sync(&lab, &[]).await;
    assert_eq!(named(&lab).await, [format!("{}.{suffix}", "f".repeat(room))], "owner names of A rows");
}

#[tokio::test]
async fn a_vm_that_gets_a_bad_name_loses_its_old_one_and_has_it_back_with_a_good_name() {
    let mut lab = Lab::new("turns_bad").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let vm = put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    lab.world().rename_vm(&vm, "w_b");
    sync(&lab, &[]).await;
    no_such_name(&lab, "web.corp.org").await;
    settled(&mut lab, &[]).await;
    lab.world().rename_vm(&vm, "Web");
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
}

#[tokio::test]
async fn hostile_network_domains_and_groups_get_nothing_and_harm_nobody() {
    let mut lab = Lab::new("hostile_owners").await;
    let world = lab.world().clone();
    zones(&lab, &["corp.org", REVERSE]).await;
    let good = world.add_account(&world.root(), "good", Some("corp.org"));
    for (at, text) in
        ["corp_.org", ".", "..", "-corp.org", "corp.org' OR '1", "x\ny", "*.corp.org"].iter().enumerate()
    {
        let account = world.add_account(&world.root(), &format!("bad{at}"), Some(text));
        put(&lab, &account, "web", &format!("192.0.2.{at}"));
    }
    let vm = put(&lab, &good, "good", "192.0.2.200");
    world.set_group(&vm, Some("'; DROP TABLE records; --\u{0}\n"));
    sync(&lab, &[]).await;
    let group = format!("droptablerecords-{}.corp.org", &good[..8]);
    assert_eq!(named(&lab).await, [group, "good.corp.org".to_owned()], "owner names of A rows");
    settled(&mut lab, &[]).await;
}
