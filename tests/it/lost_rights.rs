//! Promise 4 and 5, a key that sees less than it did, or another cloud (design 7): nothing goes.

use super::{
    losses_support::{LIST, UNBOUND, count, counts, create, ended, rows},
    support::{
        ACCOUNT, LIMIT, RESYNC_FAILURES, answers, example, metric_reaches, once, serve, start, sync, vm,
    },
};
use testbed::{Fault, Lab, sim::Scope};

const OTHER_ROOT: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn a_key_that_has_lost_its_rights_deletes_nothing_and_sync_says_what_to_do() {
    let lab = Lab::new("rights").await;
    let domain = example(&lab).await;
    create(&lab, 5);
    let other = lab.world().add_domain("other", &lab.world().root(), None);
    sync(&lab, &[]).await;
    let before = rows(&lab).await;
    let key = lab.sim.api_key.clone();
    for scope in [Scope::Domain(other), Scope::Domain(domain), Scope::Accounts([ACCOUNT.to_owned()].into())] {
        lab.world().set_scope(&key, scope);
        for verb in ["plan", "sync"] {
            let output = once(&lab, &[verb], &[UNBOUND]).await;
            ended(&output, 1);
            assert!(output.stderr.contains("a key that lost its rights?"), "{verb}: {}", output.stderr);
        }
    }
    lab.world().set_scope(&key, Scope::Root);
    for command in [LIST, "listAccounts", "listDomains", "listProjects"] {
        lab.world().allow(&key, command, false);
        let output = once(&lab, &["sync"], &[UNBOUND]).await;
        ended(&output, 1);
        assert!(output.stderr.contains(&format!("allow {command}")), "{command}: {}", output.stderr);
        lab.world().allow(&key, command, true);
    }
    lab.sim.fail_next(1_000_000, Fault::EmptyObject);
    let output = once(&lab, &["sync"], &[UNBOUND]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("listDomains"), "{}", output.stderr);
    lab.sim.heal();
    sync(&lab, &[UNBOUND]).await;
    assert_eq!(rows(&lab).await, before);
}

#[tokio::test]
async fn run_waits_for_a_right_that_was_taken_from_its_key_and_says_which() {
    let lab = Lab::new("rights_run").await;
    example(&lab).await;
    create(&lab, 5);
    let settings = [UNBOUND, ("RESYNC_INTERVAL", "1s")];
    let mut controller = serve(&lab, &settings).await;
    counts(&lab, 5).await;
    let before = rows(&lab).await;
    let key = lab.sim.api_key.clone();
    lab.world().allow(&key, LIST, false);
    metric_reaches(&controller, RESYNC_FAILURES, 2.0).await;
    assert!(controller.output().contains("allow listVirtualMachines in the role's rules"));
    let (_, status) = controller.get("/status").await.unwrap();
    assert!(status.contains("allow listVirtualMachines"), "the status says why: {status}");
    assert_eq!(rows(&lab).await, before);
    lab.world().allow(&key, LIST, true);
    lab.world().create_vm(vm("later", "192.0.2.9"));
    answers(&lab, "later.domain.com", "A", &["192.0.2.9"]).await;
    assert_eq!(rows(&lab).await.len(), 6);
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_key_that_sees_a_quarter_of_the_vms_loses_nothing_and_one_that_lacks_a_quarter_within_the_budget() {
    let lab = Lab::new("quarter").await;
    example(&lab).await;
    let ids = create(&lab, 60);
    sync(&lab, &[]).await;
    for id in &ids[15..] {
        lab.world().hide_vm(id);
    }
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 45 records"), "{}", output.stdout);
    assert_eq!(count(&lab).await, 60, "75 % lack: nothing goes");
    for id in &ids[30..] {
        lab.world().show_vm(id);
    }
    let output = once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "20")]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 15 records"), "{}", output.stdout);
    assert_eq!(count(&lab).await, 60, "25 % lack, and 20 % may go");
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 45, "25 % lack by two listings and look-ups, and 30 % may go");
    for id in &ids {
        lab.world().show_vm(id);
    }
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 60, "the key sees them again");
}

#[tokio::test]
async fn another_cloud_is_refused_by_every_verb_that_writes_or_plans() {
    let lab = Lab::new("other_cloud").await;
    example(&lab).await;
    create(&lab, 3);
    sync(&lab, &[]).await;
    let before = lab.db.rows_of_zone("domain.com").await.unwrap();
    lab.world().replace_root(OTHER_ROOT);
    for verb in ["sync", "plan"] {
        let output = once(&lab, &[verb], &[UNBOUND]).await;
        ended(&output, 1);
        assert!(output.stderr.contains(OTHER_ROOT), "{verb}: {}", output.stderr);
    }
    let mut controller = start(&lab, &[UNBOUND]);
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 1, "{}", controller.output());
    assert!(controller.output().contains(OTHER_ROOT), "{}", controller.output());
    assert_eq!(
        lab.db.rows_of_zone("domain.com").await.unwrap(),
        before,
        "nothing was written, not even a serial"
    );
}

#[tokio::test]
async fn a_running_controller_ends_when_another_cloud_answers_at_its_address() {
    let lab = Lab::new("other_cloud_run").await;
    example(&lab).await;
    create(&lab, 3);
    let mut controller = serve(&lab, &[UNBOUND, ("RESYNC_INTERVAL", "1s")]).await;
    counts(&lab, 3).await;
    let before = lab.db.rows_of_zone("domain.com").await.unwrap();
    lab.world().replace_root(OTHER_ROOT);
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 1, "{}", controller.output());
    assert!(controller.output().contains(OTHER_ROOT), "{}", controller.output());
    assert_eq!(lab.db.rows_of_zone("domain.com").await.unwrap(), before);
}
