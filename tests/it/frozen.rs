//! VMs that keep what they have and gain nothing (design 3), on the real servers.

use super::{
    rules_support::{REVERSE, no_such_name, put, says, settled, tenant, zones},
    support::{
        EVENTS_ONLY, LIMIT, LOOKS, RESYNCS, answers, metric, metric_reaches, once, serve, serve_events, sync,
    },
};
use std::time::Duration;
use testbed::{Controller, Lab, VmSpec, World, poll};

const ONE: &str = "1.2.0.192.in-addr.arpa";
const OFTEN: [(&str, &str); 2] = [("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")];

/// Addresses and reverse names in the database with their ids: what is written anew has another one.
async fn published(lab: &Lab) -> Vec<String> {
    let sql = "SELECT CONCAT_WS(' ', name, type, content, id) FROM records \
               WHERE type IN ('A', 'AAAA', 'PTR') ORDER BY name, type, content";
    lab.db.query(sql).await.expect("the rows")
}

/// A resync that began after now has ended.
async fn whole_resync(controller: &Controller) {
    let before = metric(controller, RESYNCS).await.expect("a metric");
    metric_reaches(controller, RESYNCS, before + 2.0).await;
}

/// The API has been asked this command so often, and nothing is left to settle.
async fn asked(lab: &Lab, command: &str, times: usize, controller: &Controller) {
    poll(&format!("{command} is asked {times} times"), LIMIT, async || {
        let dirty = metric(controller, "cs_powerdns_dirty_names").await?;
        let enough = lab.sim.requests(command) >= times;
        if enough && dirty < 0.5 { Ok(()) } else { Err(controller.output()) }
    })
    .await;
}

/// The listing of accounts lacks this one, and the controller knows: it has read it once more.
async fn freeze(lab: &Lab, account: &str, controller: &Controller) {
    let before = lab.sim.requests("listAccounts");
    lab.world().list_account(account, false);
    lab.world().set_account_state(account, "locked");
    asked(lab, "listAccounts", before + 2, controller).await;
}

async fn looks(controller: &Controller) -> f64 {
    metric(controller, LOOKS).await.expect("a metric")
}

/// So many look-ups more have been taken in, and nothing is left to settle.
async fn looked(lab: &Lab, before: f64, more: f64, controller: &Controller) {
    metric_reaches(controller, LOOKS, before + more).await;
    asked(lab, "listVirtualMachines", 0, controller).await;
}

/// An account with `account.org`, and its VM `web` in the group `www`.
async fn web(lab: &Lab) -> (String, String) {
    let account = tenant(lab, None, Some("account.org"));
    zones(lab, &["account.org", REVERSE]).await;
    let id = lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1").group("www"));
    (account, id)
}

#[tokio::test]
async fn a_vm_whose_account_no_listing_has_keeps_its_records_and_gains_none() {
    let mut lab = Lab::new("no_account").await;
    let (account, id) = web(&lab).await;
    let root = lab.world().root();
    let other = lab.world().add_account(&root, "others", Some("account.org"));
    put(&lab, &other, "mail", "192.0.2.2");
    sync(&lab, &[]).await;
    let before = published(&lab).await;
    assert_eq!(before.len(), 5, "{before:?}");
    lab.world().list_account(&account, false);
    lab.world().set_address(&id, Some("192.0.2.7"), Some("2001:db8::7"));
    put(&lab, &account, "new", "192.0.2.8");
    // Another account's VM of that name waits: the frozen one holds what it has.
    put(&lab, &other, "web", "192.0.2.9");
    for pass in ["one pass", "another pass"] {
        sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
        assert_eq!(published(&lab).await, before, "{pass} without the account");
    }
    settled(&mut lab, &[]).await;
    lab.world().list_account(&account, true);
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.7"]).await;
    says(&lab, "web.account.org", "AAAA", &["2001:db8::7"]).await;
    says(&lab, "new.account.org", "A", &["192.0.2.8"]).await;
    says(&lab, "7.2.0.192.in-addr.arpa", "PTR", &["web.account.org."]).await;
    no_such_name(&lab, ONE).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_running_controller_freezes_and_thaws_by_events_alone() {
    let mut lab = Lab::new("thaw").await;
    lab.kafka();
    let (account, id) = web(&lab).await;
    let second = put(&lab, &account, "second", "192.0.2.2");
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    answers(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["second.account.org."]).await;
    let group = format!("www-{}.account.org", &account[..8]);
    let before = published(&lab).await;
    freeze(&lab, &account, &controller).await;
    let known = looks(&controller).await;
    lab.world().set_address(&id, Some("192.0.2.7"), None);
    lab.world().rename_vm(&second, "newer");
    looked(&lab, known, 2.0, &controller).await;
    assert_eq!(published(&lab).await, before, "while the account is in no listing");
    lab.world().list_account(&account, true);
    lab.world().set_account_state(&account, "enabled");
    answers(&lab, "web.account.org", "A", &["192.0.2.7"]).await;
    answers(&lab, &group, "A", &["192.0.2.7"]).await;
    answers(&lab, "7.2.0.192.in-addr.arpa", "PTR", &["web.account.org."]).await;
    answers(&lab, "newer.account.org", "A", &["192.0.2.2"]).await;
    answers(&lab, "second.account.org", "A", &[]).await;
    // One that is frozen and goes, goes at once.
    freeze(&lab, &account, &controller).await;
    lab.world().destroy_vm(&id);
    answers(&lab, "web.account.org", "A", &[]).await;
    answers(&lab, "7.2.0.192.in-addr.arpa", "PTR", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn a_controller_that_starts_beside_a_listing_that_lacks_an_account_touches_nothing() {
    let mut lab = Lab::new("frozen_start").await;
    lab.kafka();
    let (account, id) = web(&lab).await;
    sync(&lab, &[]).await;
    let before = published(&lab).await;
    lab.world().list_account(&account, false);
    lab.world().silent().set_address(&id, Some("192.0.2.7"), None);
    let mut controller = serve_events(&lab, &OFTEN).await;
    whole_resync(&controller).await;
    assert_eq!(published(&lab).await, before, "resyncs after a start");
    // It goes by its event, although this process has never seen its owner.
    controller.sigterm().expect("a signal");
    controller.wait_exit(LIMIT).await.expect("an end");
    let again = [EVENTS_ONLY[0], EVENTS_ONLY[1], ("KAFKA_GROUP", "another")];
    let controller = serve_events(&lab, &again).await;
    lab.world().destroy_vm(&id);
    answers(&lab, "web.account.org", "A", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn a_vm_without_an_address_for_a_moment_keeps_its_rows() {
    let mut lab = Lab::new("blank_moment").await;
    lab.kafka();
    let (_, id) = web(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    answers(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    answers(&lab, ONE, "PTR", &["web.account.org."]).await;
    let before = published(&lab).await;
    let known = looks(&controller).await;
    lab.world().set_address(&id, None, None);
    looked(&lab, known, 2.0, &controller).await;
    assert_eq!(published(&lab).await, before, "without an address");
    let known = looks(&controller).await;
    lab.world().set_address(&id, Some("192.0.2.1"), None);
    looked(&lab, known, 2.0, &controller).await;
    assert_eq!(published(&lab).await, before, "with the old address again");
    lab.world().set_address(&id, None, None);
    lab.world().set_address(&id, Some("192.0.2.5"), None);
    answers(&lab, "web.account.org", "A", &["192.0.2.5"]).await;
    answers(&lab, ONE, "PTR", &[]).await;
    // What is kept without an address goes with the VM all the same.
    let known = looks(&controller).await;
    lab.world().set_address(&id, None, None);
    looked(&lab, known, 1.0, &controller).await;
    lab.world().destroy_vm(&id);
    answers(&lab, "web.account.org", "A", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn rows_of_a_vm_without_addresses_go_after_two_resyncs_within_the_budget() {
    let lab = Lab::new("blank").await;
    let (_, id) = web(&lab).await;
    sync(&lab, &[]).await;
    let before = published(&lab).await;
    lab.world().set_address(&id, None, None);
    let output = once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "0")]).await;
    assert_eq!(output.code, 3, "held:\n{}\n{}", output.stdout, output.stderr);
    assert_eq!(published(&lab).await, before, "no budget");
    let controller = serve(&lab, &OFTEN).await;
    for name in ["web.account.org", ONE] {
        poll(&format!("{name} goes"), LIMIT, async || {
            let rows = lab.db.rows(name).await.map_err(|error| error.to_string())?;
            if rows.is_empty() { Ok(()) } else { Err(format!("{rows:?}\n{}", controller.output())) }
        })
        .await;
    }
    drop(controller);
}

/// What `set` misspells in turn; `read` is what the controller reads again for it.
async fn misspelt(lab: &mut Lab, account: &str, read: &str, set: impl Fn(&World, &str)) {
    zones(lab, &["right.org", REVERSE]).await;
    put(lab, account, "web", "192.0.2.1");
    let second = put(lab, account, "second", "192.0.2.2");
    lab.kafka();
    let controller = serve_events(lab, &OFTEN).await;
    answers(lab, ONE, "PTR", &["web.right.org."]).await;
    answers(lab, "2.2.0.192.in-addr.arpa", "PTR", &["second.right.org."]).await;
    let before = published(lab).await;
    // No zone has that name; no host has that name; nothing can have that name.
    for text in ["rihgt.org", "right..org", "right.org/", "2.0.192.in-addr.arpa", &"o".repeat(250)] {
        let requests = lab.sim.requests(read);
        set(lab.world(), text);
        asked(lab, read, requests + 1, &controller).await;
        whole_resync(&controller).await;
        assert_eq!(published(lab).await, before, "under {text}");
    }
    // While it lasts a VM that goes takes its names along, and one that comes gets none.
    put(lab, account, "third", "192.0.2.3");
    lab.world().destroy_vm(&second);
    answers(lab, "second.right.org", "A", &[]).await;
    answers(lab, "2.2.0.192.in-addr.arpa", "PTR", &[]).await;
    no_such_name(lab, "third.right.org").await;
    set(lab.world(), "right.org");
    answers(lab, "third.right.org", "A", &["192.0.2.3"]).await;
    let now = published(lab).await;
    for row in before.iter().filter(|row| !row.starts_with("second") && !row.starts_with("2.")) {
        assert!(now.contains(row), "{row} was written anew: {now:?}");
    }
    drop(controller);
}

#[tokio::test]
async fn a_misspelt_network_domain_of_an_account_keeps_the_old_names_while_the_controller_runs() {
    let mut lab = Lab::new("misspelt_account").await;
    let account = tenant(&lab, None, Some("right.org"));
    let id = account.clone();
    let set = move |world: &World, text: &str| world.set_account_network_domain(&id, Some(text));
    misspelt(&mut lab, &account, "listAccounts", set).await;
}

#[tokio::test]
async fn a_misspelt_network_domain_of_a_domain_keeps_the_old_names_while_the_controller_runs() {
    let mut lab = Lab::new("misspelt_domain").await;
    let domain = lab.world().add_domain("acme", &lab.world().root(), Some("right.org"));
    let account = lab.world().add_account(&domain, "ops", None);
    let set = move |world: &World, text: &str| world.set_domain_network_domain(&domain, Some(text));
    misspelt(&mut lab, &account, "listDomains", set).await;
}

#[tokio::test]
async fn an_account_that_was_renamed_freezes_its_vms_only_until_they_are_listed_again() {
    let mut lab = Lab::new("renamed_account").await;
    lab.kafka();
    let (account, _) = web(&lab).await;
    zones(&lab, &["new.org"]).await;
    let more = [("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "1s")];
    let controller = serve_events(&lab, &more).await;
    answers(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    let accounts = lab.sim.requests("listAccounts");
    lab.world().rename_account(&account, "renamed");
    asked(&lab, "listAccounts", accounts + 1, &controller).await;
    lab.world().set_account_network_domain(&account, Some("new.org"));
    answers(&lab, "web.new.org", "A", &["192.0.2.1"]).await;
    answers(&lab, "web.account.org", "A", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn names_move_over_when_the_zone_of_their_new_suffix_appears() {
    let mut lab = Lab::new("moves_over").await;
    lab.kafka();
    let (account, _) = web(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    answers(&lab, ONE, "PTR", &["web.account.org."]).await;
    let accounts = lab.sim.requests("listAccounts");
    lab.world().set_account_network_domain(&account, Some("new.org"));
    asked(&lab, "listAccounts", accounts + 1, &controller).await;
    answers(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    zones(&lab, &["new.org"]).await;
    let dns = lab.dns().await;
    poll("web has moved to new.org with its reverse name", Duration::from_secs(90), async || {
        let dig = |name, kind| dns.dig(name, kind).map_err(|error| error.to_string());
        // The old name first: where it has gone, the new one was there before.
        let (old, new) = (dig("web.account.org", "A")?, dig("web.new.org", "A")?);
        assert!(!new.is_empty() || !old.is_empty(), "the VM has no name at all for a moment");
        let ptr = dig(ONE, "PTR")?;
        let moved = new == ["192.0.2.1"] && old.is_empty() && ptr == ["web.new.org."];
        if moved { Ok(()) } else { Err(format!("{new:?} {old:?} {ptr:?}")) }
    })
    .await;
    let label = format!("www-{}", &account[..8]);
    answers(&lab, &format!("{label}.new.org"), "A", &["192.0.2.1"]).await;
    answers(&lab, &format!("{label}.account.org"), "A", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn a_network_domain_that_was_emptied_takes_its_names_within_the_budget() {
    let mut lab = Lab::new("emptied").await;
    let (account, _) = web(&lab).await;
    sync(&lab, &[]).await;
    let before = published(&lab).await;
    lab.world().set_account_network_domain(&account, Some(""));
    let output = once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "0")]).await;
    assert_eq!(output.code, 3, "held:\n{}\n{}", output.stdout, output.stderr);
    assert_eq!(published(&lab).await, before, "nobody announced it, and there is no budget");
    lab.world().set_account_network_domain(&account, None);
    sync(&lab, &[]).await;
    for name in ["web.account.org", ONE] {
        no_such_name(&lab, name).await;
    }
    settled(&mut lab, &[]).await;
}
