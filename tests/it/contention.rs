//! Promise 7 on the real servers: one holder for every name.

use super::{
    rules_support::settled,
    support::{
        ACCOUNT, EVENTS_ONLY, LIMIT, RESYNCS, answers, example, metric, metric_reaches, quick, serve,
        serve_events, sync, vm,
    },
};
use testbed::{Lab, NetworkKind, Simulator, VmSpec, poll, run_once};

const COMMON: &[(&str, &str)] = &[("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")];

/// A second account, and the common zone.
async fn two_accounts(lab: &Lab) -> String {
    let domain = example(lab).await;
    lab.db.zone("common.org").await.expect("a zone");
    lab.world().add_account(&domain, "others", Some("others.org"))
}

#[tokio::test]
async fn the_waiter_follows_in_the_transaction_that_removes_the_holder() {
    let mut lab = Lab::new("waiter").await;
    lab.kafka();
    let other = two_accounts(&lab).await;
    let holder = lab.world().create_vm(VmSpec::new("www", &other).v4("192.0.2.2"));
    let controller = serve(&lab, COMMON).await;
    answers(&lab, "www.common.org", "A", &["192.0.2.2"]).await;
    let waiter = VmSpec { v6: Some("2001:db8::1".into()), ..vm("www", "192.0.2.1") };
    lab.world().create_vm(VmSpec { created: Some("2020-01-01T00:00:00+0000".into()), ..waiter });
    answers(&lab, "www.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "www.common.org", "A", &["192.0.2.2"]).await;
    answers(&lab, "www.common.org", "AAAA", &[]).await;
    let before = lab.db.serial("common.org").await.unwrap();
    lab.world().destroy_vm(&holder);
    answers(&lab, "www.common.org", "A", &["192.0.2.1"]).await;
    answers(&lab, "www.common.org", "AAAA", &["2001:db8::1"]).await;
    assert_eq!(lab.db.serial("common.org").await.unwrap(), before + 1, "one transaction, one step");
    drop(controller);
}

#[tokio::test]
async fn an_older_vms_rename_or_recovery_takes_no_live_name() {
    let lab = Lab::new("oust").await;
    example(&lab).await;
    let old = lab.world().create_vm(vm("old", "192.0.2.1"));
    let back = lab.world().create_vm(vm("www", "192.0.2.2"));
    sync(&lab, &[]).await;
    lab.world().destroy_vm(&back);
    sync(&lab, &[]).await;
    lab.world().create_vm(vm("www", "192.0.2.3"));
    sync(&lab, &[]).await;
    lab.world().rename_vm(&old, "www");
    lab.world().recover_vm(&back);
    sync(&lab, &[]).await;
    answers(&lab, "www.domain.com", "A", &["192.0.2.3"]).await;
    answers(&lab, "old.domain.com", "A", &[]).await;
    answers(&lab, "3.2.0.192.in-addr.arpa", "PTR", &["www.domain.com."]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &[]).await;
}

#[tokio::test]
async fn nobody_takes_over_a_group_by_naming_a_vm_after_it() {
    let lab = Lab::new("group_name").await;
    example(&lab).await;
    let label = format!("www-{}", &ACCOUNT[..8]);
    let name = format!("{label}.domain.com");
    lab.world().create_vm(vm(&label, "192.0.2.1"));
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.1"]).await;
    let member = lab.world().create_vm(vm("member", "192.0.2.2").group("www"));
    lab.world().create_vm(vm("second", "192.0.2.3").group("www"));
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.2", "192.0.2.3"]).await;
    lab.db.insert("domain.com", &name, "A", "198.51.100.1", 60).await.unwrap();
    lab.world().destroy_vm(&member);
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.3", "198.51.100.1"]).await;
}

#[tokio::test]
async fn two_owner_ids_share_a_database_in_peace() {
    let lab = Lab::new("two_owners").await;
    example(&lab).await;
    let second = Simulator::start().unwrap();
    let domain = second.world().add_domain("acme", &second.world().root(), Some("domain.com"));
    let account = second.world().add_account(&domain, "ops", None);
    let first_vm = lab.world().create_vm(vm("www", "192.0.2.1"));
    let same = lab.world().create_vm(vm("same", "192.0.2.5"));
    second.world().create_vm(VmSpec::new("www", &account).v4("192.0.2.2"));
    second.world().create_vm(VmSpec::new("same", &account).v4("192.0.2.5"));
    second.world().create_vm(VmSpec::new("own", &account).v4("192.0.2.3"));
    let (endpoint, key, secret) = (second.endpoint(), second.api_key.clone(), second.secret_key.clone());
    let other = [
        ("OWNER_ID", "other"),
        ("CS_ENDPOINT", endpoint.as_str()),
        ("CS_API_KEY", key.as_str()),
        ("CS_SECRET_KEY", secret.as_str()),
    ];
    for _ in 0..2 {
        sync(&lab, &[]).await;
        sync(&lab, &other).await;
        answers(&lab, "www.domain.com", "A", &["192.0.2.1"]).await;
        answers(&lab, "same.domain.com", "A", &["192.0.2.5"]).await;
        answers(&lab, "own.domain.com", "A", &["192.0.2.3"]).await;
    }
    lab.world().destroy_vm(&first_vm);
    lab.world().destroy_vm(&same);
    sync(&lab, &[]).await;
    sync(&lab, &other).await;
    answers(&lab, "www.domain.com", "A", &["192.0.2.2"]).await;
    answers(&lab, "same.domain.com", "A", &["192.0.2.5"]).await;
}

#[tokio::test]
async fn a_second_holder_of_one_owner_id_waits_for_the_lease() {
    let lab = Lab::new("one_writer").await;
    example(&lab).await;
    let mut controller = serve(&lab, &[]).await;
    let output = run_once(super::support::PROGRAM, &["sync"], &quick(&lab, &[])).await.unwrap();
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    sync(&lab, &[]).await;
}

/// A VM of the owner, older than any that the simulator dates by itself.
fn old(name: &str, owner: &str) -> VmSpec {
    VmSpec::new(name, owner).created("2019-01-01T00:00:00+0000")
}

#[tokio::test]
async fn a_name_is_never_shared_by_family_or_by_case() {
    let mut lab = Lab::new("family").await;
    let other = two_accounts(&lab).await;
    // Each first name is the holder's: one family against both, both against one, other case.
    let cases = [
        ("four", vm("four", "192.0.2.1"), "four"),
        ("six", VmSpec::new("six", ACCOUNT).v6("2001:db8::1"), "six"),
        ("both", vm("both", "192.0.2.3").v6("2001:db8::3"), "both"),
        ("case", vm("CASE", "192.0.2.4"), "case"),
    ];
    for (_, spec, _) in cases.clone() {
        lab.world().create_vm(spec);
    }
    sync(&lab, COMMON).await;
    let rows = async |lab: &Lab| {
        let mut all = Vec::new();
        for (name, ..) in &cases {
            let rows = lab.db.rows(&format!("{name}.common.org")).await.unwrap();
            all.push(rows.into_iter().map(|row| (row.id, row.content)).collect::<Vec<_>>());
        }
        all
    };
    let before = rows(&lab).await;
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2, 1]);
    for (at, (_, _, rival)) in (101..).zip(&cases) {
        let rival =
            if at == 103 { old(rival, &other) } else { old(rival, &other).v6(&format!("2001:db8::{at}")) };
        lab.world().create_vm(rival.v4(&format!("192.0.2.{at}")));
        // Two spellings of one name in one account are two VMs that want one name.
        lab.world().create_vm(old(&format!("Own-{at}"), &other).v4(&format!("192.0.2.{}", at + 50)));
        lab.world()
            .create_vm(VmSpec::new(&format!("own-{at}"), &other).v6(&format!("2001:db8::{}", at + 50)));
    }
    sync(&lab, COMMON).await;
    assert_eq!(rows(&lab).await, before, "beside older rivals");
    answers(&lab, "own-101.common.org", "A", &["192.0.2.151"]).await;
    answers(&lab, "own-101.common.org", "AAAA", &[]).await;
    settled(&mut lab, COMMON).await;
}

#[tokio::test]
async fn two_accounts_whose_group_labels_collide_never_mix() {
    let mut lab = Lab::new("labels").await;
    let domain = example(&lab).await;
    let twin = format!("{}-0000-4000-8000-000000000001", &ACCOUNT[..8]);
    lab.world().add_account_as(&twin, &domain, "twin", None);
    let name = format!("www-{}.domain.com", &ACCOUNT[..8]);
    let first = lab.world().create_vm(VmSpec::new("a", &twin).v4("192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    lab.world().create_vm(old("b", ACCOUNT).v4("192.0.2.2").group("www"));
    lab.world().create_vm(old("c", ACCOUNT).v4("192.0.2.3").group("w.w.w"));
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.1"]).await;
    // The holding account goes on by another member, and only when it has none the other one follows.
    let second = lab.world().create_vm(VmSpec::new("d", &twin).v4("192.0.2.4").group("www"));
    lab.world().set_group(&first, None);
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.4"]).await;
    lab.world().destroy_vm(&second);
    sync(&lab, &[]).await;
    answers(&lab, &name, "A", &["192.0.2.2", "192.0.2.3"]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_vm_named_like_a_group_waits_for_its_last_member() {
    let mut lab = Lab::new("group_first").await;
    lab.kafka();
    example(&lab).await;
    let label = format!("www-{}", &ACCOUNT[..8]);
    let name = format!("{label}.domain.com");
    let member = lab.world().create_vm(vm("member", "192.0.2.2").group("www"));
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    answers(&lab, &name, "A", &["192.0.2.2"]).await;
    lab.world().create_vm(old(&label, ACCOUNT).v4("192.0.2.1").v6("2001:db8::1"));
    lab.world().create_vm(vm("after", "192.0.2.9"));
    answers(&lab, "after.domain.com", "A", &["192.0.2.9"]).await;
    // Its reverse name has nowhere to point to.
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &[]).await;
    answers(&lab, &name, "A", &["192.0.2.2"]).await;
    answers(&lab, &name, "AAAA", &[]).await;
    let before = lab.db.serial("domain.com").await.unwrap();
    lab.world().set_group(&member, None);
    answers(&lab, &name, "A", &["192.0.2.1"]).await;
    answers(&lab, &name, "AAAA", &["2001:db8::1"]).await;
    assert_eq!(lab.db.serial("domain.com").await.unwrap(), before + 1, "one transaction, one step");
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &[&format!("{name}.")]).await;
    drop(controller);
}

#[tokio::test]
async fn neither_a_move_nor_another_suffix_takes_a_live_name() {
    let mut lab = Lab::new("moves").await;
    lab.kafka();
    let other = two_accounts(&lab).await;
    let third = lab.world().add_account(&lab.world().root(), "third", Some("third.org"));
    lab.db.zone("others.org").await.unwrap();
    lab.db.zone("third.org").await.unwrap();
    let moved = lab.world().create_vm(old("www", &other).v4("192.0.2.1").v6("2001:db8::1"));
    lab.world().create_vm(old("www", &third).v4("192.0.2.2"));
    let renamed = lab.world().create_vm(old("old", ACCOUNT).v4("192.0.2.3"));
    let back = lab.world().create_vm(old("www", ACCOUNT).v4("192.0.2.4"));
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    answers(&lab, "www.domain.com", "A", &["192.0.2.4"]).await;
    lab.world().destroy_vm(&back);
    answers(&lab, "www.domain.com", "A", &[]).await;
    let holder = lab.world().create_vm(vm("www", "192.0.2.9"));
    answers(&lab, "www.domain.com", "A", &["192.0.2.9"]).await;
    answers(&lab, "9.2.0.192.in-addr.arpa", "PTR", &["www.domain.com."]).await;
    let before = lab.db.rows("www.domain.com").await.unwrap();
    lab.world().move_vm(&moved, ACCOUNT);
    lab.world().set_account_network_domain(&third, Some("domain.com"));
    lab.world().rename_vm(&renamed, "www");
    lab.world().recover_vm(&back);
    // Each has lost its old name, so all four have been settled; only their names say who waits.
    for gone in ["www.others.org", "www.third.org", "old.domain.com"] {
        poll(&format!("{gone} goes"), LIMIT, async || {
            let rows = lab.db.rows(gone).await.map_err(|error| error.to_string())?;
            if rows.is_empty() { Ok(()) } else { Err(format!("{rows:?}\n{}", controller.output())) }
        })
        .await;
    }
    assert_eq!(lab.db.rows("www.domain.com").await.unwrap(), before, "the holder's rows");
    drop(controller);
    for _ in 0..2 {
        sync(&lab, &[]).await;
        assert_eq!(
            lab.db.rows("www.domain.com").await.unwrap(),
            before,
            "the holder's rows at another start"
        );
    }
    // Of those who wait the oldest follows: of one age the lowest id.
    lab.world().destroy_vm(&holder);
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("www.domain.com", "A").await.unwrap().len(), 1, "one of them follows");
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn one_address_in_many_networks_has_one_reverse_name() {
    let mut lab = Lab::new("one_address").await;
    let domain = example(&lab).await;
    let one = "1.2.0.192.in-addr.arpa";
    let mut ids = Vec::new();
    for at in 1..=5 {
        let network = lab.world().add_network(&domain, &format!("iso{at}"), NetworkKind::Isolated);
        ids.push(lab.world().create_vm(vm(&format!("iso{at}"), "192.0.2.1").network(&network)));
        sync(&lab, &[]).await;
        answers(&lab, one, "PTR", &["iso1.domain.com."]).await;
    }
    answers(&lab, "iso5.domain.com", "A", &["192.0.2.1"]).await;
    // An older VM in yet another network ousts nobody, one in a Shared network does.
    let network = lab.world().add_network(&domain, "iso6", NetworkKind::Isolated);
    lab.world().create_vm(old("iso6", ACCOUNT).v4("192.0.2.1").network(&network));
    sync(&lab, &[]).await;
    answers(&lab, one, "PTR", &["iso1.domain.com."]).await;
    let shared = lab.world().create_vm(vm("shared", "192.0.2.1"));
    sync(&lab, &[]).await;
    answers(&lab, one, "PTR", &["shared.domain.com."]).await;
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&ids[0]);
    sync(&lab, &[]).await;
    answers(&lab, one, "PTR", &["shared.domain.com."]).await;
    let before = lab.db.serial("2.0.192.in-addr.arpa").await.unwrap();
    lab.world().destroy_vm(&shared);
    sync(&lab, &[]).await;
    answers(&lab, one, "PTR", &["iso6.domain.com."]).await;
    assert_eq!(lab.db.serial("2.0.192.in-addr.arpa").await.unwrap(), before + 1, "one transaction, one step");
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn nobody_is_written_beside_an_old_holder_that_must_stand() {
    let lab = Lab::new("must_stand").await;
    let other = two_accounts(&lab).await;
    let domain = lab.world().add_domain("frozen", &lab.world().root(), None);
    let unlisted = lab.world().add_account(&domain, "unlisted", None);
    let names = ["held", "renamed", "stays", "edited", "frozen"];
    let mut ids = Vec::new();
    for (at, name) in (1..).zip(names) {
        let owner = if name == "frozen" { &unlisted } else { &other };
        ids.push(lab.world().create_vm(VmSpec::new(name, owner).v4(&format!("192.0.2.{at}"))));
    }
    sync(&lab, COMMON).await;
    for (at, name) in (51..).zip(names) {
        lab.world().create_vm(old(name, ACCOUNT).v4(&format!("192.0.2.{at}")).v6(&format!("2001:db8::{at}")));
    }
    let rows = async |name: &str| {
        let rows = lab.db.rows(&format!("{name}.common.org")).await.unwrap();
        rows.into_iter().map(|row| row.content.unwrap_or_default()).collect::<Vec<_>>()
    };
    let with = |more: &'static [(&str, &str)]| [COMMON, more].concat();
    let once = async |more: &'static [(&str, &str)], code: i32| {
        let output = super::support::once(&lab, &["sync"], &with(more)).await;
        assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
    };
    // An operator's edit, and an account that no listing has: whatever the mode.
    let edit = "UPDATE records SET content = '198.51.100.4' WHERE name = 'edited.common.org'";
    lab.db.exec(edit).await.unwrap();
    lab.world().list_account(&unlisted, false);
    // Nothing may change; then nothing may go but what is proved gone; then the budget is empty.
    lab.world().rename_vm(&ids[1], "newer");
    lab.world().destroy_vm(&ids[2]);
    lab.world().silent().destroy_vm(&ids[0]);
    lab.world().silent().expunge_vm(&ids[0]);
    once(&[("DNS_MODE", "create-only")], 0).await;
    for (name, row) in names.iter().zip(["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.4", "192.0.2.5"])
    {
        assert_eq!(rows(name).await, [row], "{name} under create-only");
    }
    once(&[("DNS_MODE", "upsert-only"), ("DNS_MAX_LOSS_PERCENT", "0")], 3).await;
    assert_eq!(rows("held").await, ["192.0.2.1"], "a loss that is held");
    assert_eq!(rows("renamed").await, ["192.0.2.2"], "a holder that is not proved gone");
    assert_eq!(rows("stays").await, ["192.0.2.53", "2001:db8::53"], "a holder that is proved gone makes way");
    once(&[("DNS_MAX_LOSS_PERCENT", "0")], 3).await;
    for (name, row) in [("held", "192.0.2.1"), ("edited", "198.51.100.4"), ("frozen", "192.0.2.5")] {
        assert_eq!(rows(name).await, [row], "{name} without a budget");
    }
    once(&[], 0).await;
    assert_eq!(rows("held").await, ["192.0.2.51", "2001:db8::51"]);
    assert_eq!(rows("renamed").await, ["192.0.2.52", "2001:db8::52"]);
    assert_eq!(rows("edited").await, ["198.51.100.4"], "the operator's edit");
    assert_eq!(rows("frozen").await, ["192.0.2.5"], "a frozen holder");
    lab.world().destroy_vm(&ids[4]);
    once(&[], 0).await;
    assert_eq!(rows("frozen").await, ["192.0.2.55", "2001:db8::55"]);
}

/// The pure half, a hundred decisions of any mix, is `plan::contend_test`.
#[tokio::test]
async fn nothing_flaps_over_a_hundred_resyncs() {
    let mut lab = Lab::new("flaps").await;
    let other = two_accounts(&lab).await;
    lab.db.zone("others.org").await.unwrap();
    let twin = format!("{}-0000-4000-8000-000000000001", &ACCOUNT[..8]);
    lab.world().add_account_as(&twin, &lab.world().root(), "twin", None);
    let label = format!("www-{}", &ACCOUNT[..8]);
    for (at, owner) in (1..).step_by(10).zip([ACCOUNT, &other, &twin]) {
        let address = |more: u8| format!("192.0.2.{}", at + more);
        lab.world().create_vm(VmSpec::new("www", owner).v4(&address(0)).group("www"));
        lab.world().create_vm(VmSpec::new("WWW", owner).v4(&address(1)).v6("2001:db8::1"));
        lab.world().create_vm(VmSpec::new(&label, owner).v4(&address(2)));
        lab.world().create_vm(VmSpec::new("same", owner).v4("192.0.2.200"));
        lab.world().create_vm(VmSpec::new("blocked", owner).v4(&address(3)));
        lab.world().create_vm(VmSpec::new("part", owner).v4(&address(4)).v6("2001:db8::9"));
        lab.world().create_vm(VmSpec::new("edited", owner).v4(&address(5)).group("Edited"));
    }
    lab.db.insert("common.org", "blocked.common.org", "AAAA", "2001:db8:9::9", 300).await.unwrap();
    lab.db.insert("common.org", "part.common.org", "A", "192.0.2.5", 300).await.unwrap();
    sync(&lab, COMMON).await;
    let edit = "UPDATE records SET content = '198.51.100.4' WHERE name LIKE 'edited%' AND type = 'A' LIMIT 2";
    lab.db.exec(edit).await.unwrap();
    let often = [COMMON, &[("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")]].concat();
    let controller = serve(&lab, &often).await;
    metric_reaches(&controller, RESYNCS, 3.0).await;
    lab.forget_writes().await;
    let serial = lab.db.serial("common.org").await.unwrap();
    // One a second: the only test that takes its time, two minutes, for the most of it asleep.
    for resyncs in (10..=103).step_by(10).chain([103]) {
        metric_reaches(&controller, RESYNCS, f64::from(resyncs)).await;
    }
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    assert_eq!(writes, Vec::<String>::new(), "a resync of an unchanged world wrote");
    assert_eq!(lab.db.serial("common.org").await.unwrap(), serial);
    let repairs = metric(&controller, "cs_powerdns_repairs_total").await.unwrap();
    assert!(repairs < 0.5, "{repairs} repairs");
    drop(controller);
}
