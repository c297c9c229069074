//! Promise 7 on the real servers: one holder for every name.

use super::support::{ACCOUNT, LIMIT, answers, example, quick, serve, sync, vm};
use testbed::{Lab, Simulator, VmSpec, run_once};

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
