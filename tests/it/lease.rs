//! At most one writer per owner id, whatever happens to the others.

use super::support::{
    EVENTS_ONLY, LIMIT, RESYNCS, answers, beside, example, metric, metric_reaches, once, readiness, serve, vm,
};
use std::time::{Duration, Instant};
use testbed::{Fault, Lab, MariaDb, MariaDbOptions, Row, poll, sim::Scope};

/// What a transaction leaves behind: rows with their ids, the ledger, and how many have been committed.
async fn everything(lab: &Lab) -> (Vec<Row>, Vec<Row>, Vec<String>, Vec<u64>) {
    let ledger =
        "SELECT CONCAT_WS(' ', name, type, content, record_id, ttl) FROM cs_powerdns_ledger ORDER BY 1";
    (
        lab.db.rows_of_zone("domain.com").await.expect("an answer"),
        lab.db.rows_of_zone("2.0.192.in-addr.arpa").await.expect("an answer"),
        lab.db.query(ledger).await.expect("an answer"),
        lab.db.query("SELECT fence FROM cs_powerdns_owner").await.expect("an answer"),
    )
}

#[tokio::test]
async fn a_second_process_stands_by_and_takes_over_when_the_first_is_killed() {
    let lab = Lab::new("takeover_kill").await;
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "3s")];
    lab.world().create_vm(vm("one", "192.0.2.1"));
    let first = serve(&lab, &settings).await;
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    lab.world().create_vm(vm("two", "192.0.2.2"));
    answers(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
    let written = metric(&second, "cs_powerdns_rows_written_total{change=\"insert\"}").await.unwrap();
    assert!(written < 0.5, "the standby writes nothing, not {written} rows");
    first.kill().unwrap();
    let killed = Instant::now();
    readiness(&second, 200, "role: holder").await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(8), "a lease of 3 s is taken over after {took:?}");
    lab.world().create_vm(vm("three", "192.0.2.3"));
    answers(&lab, "three.domain.com", "A", &["192.0.2.3"]).await;
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_hands_its_lease_over() {
    let lab = Lab::new("takeover_term").await;
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "12s")];
    let mut first = serve(&lab, &settings).await;
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    first.sigterm().unwrap();
    let asked = Instant::now();
    assert_eq!(first.wait_exit(LIMIT).await.unwrap(), 0, "{}", first.output());
    assert!(asked.elapsed() < Duration::from_secs(10), "the end took {:?}", asked.elapsed());
    readiness(&second, 200, "role: holder").await;
    // A standby looks at a third of the lease's time, so every 4 s.
    assert!(asked.elapsed() < Duration::from_secs(9), "the lease was not released: {:?}", asked.elapsed());
    lab.world().create_vm(vm("web", "192.0.2.1"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_process_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on() {
    let lab = Lab::new("stopped").await;
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "2s")];
    let first = serve(&lab, &settings).await;
    lab.world().add_key("second-key", "second-secret", Scope::Root);
    let second = beside(
        &lab,
        &[settings[0], settings[1], ("CS_API_KEY", "second-key"), ("CS_SECRET_KEY", "second-secret")],
    );
    readiness(&second, 200, "role: standby of ").await;
    let id = lab.world().create_vm(vm("old", "192.0.2.1"));
    answers(&lab, "old.domain.com", "A", &["192.0.2.1"]).await;
    // The first one is stopped while the answer to its listing is on the way: it will still believe in
    // `old` when it goes on.
    lab.sim.set_latency(Duration::from_millis(700));
    lab.sim.clear_log();
    poll("the first one lists the VMs", LIMIT, async || {
        let asks = |(command, with): &(String, std::collections::BTreeMap<String, String>)| {
            command == "listVirtualMachines" && with.get("apikey") == Some(&lab.sim.api_key)
        };
        if lab.sim.log().iter().any(asks) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    first.signal("STOP").unwrap();
    lab.sim.heal();
    readiness(&second, 200, "role: holder").await;
    lab.world().rename_vm(&id, "new");
    answers(&lab, "new.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "old.domain.com", "A", &[]).await;
    let before = everything(&lab).await;
    first.signal("CONT").unwrap();
    readiness(&first, 200, "role: standby of ").await;
    // Whole resyncs later nothing is written either.
    let resyncs = metric(&first, RESYNCS).await.unwrap();
    metric_reaches(&first, RESYNCS, resyncs + 2.0).await;
    assert_eq!(everything(&lab).await, before, "the stopped process wrote\n{}", first.output());
    answers(&lab, "new.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "old.domain.com", "A", &[]).await;
}

#[tokio::test]
async fn what_happened_while_nobody_held_the_lease_is_served_at_once_by_the_next_holder() {
    let lab = Lab::new("takeover_reads").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    let mut first = serve(&lab, &EVENTS_ONLY).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    let second = beside(&lab, &EVENTS_ONLY);
    metric_reaches(&second, RESYNCS, 1.0).await;
    first.kill().unwrap();
    first.wait_exit(LIMIT).await.unwrap();
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    lab.world().create_vm(vm("another", "192.0.2.3"));
    // Neither is its own resync due within ten minutes, nor is there any event.
    answers(&lab, "web.domain.com", "A", &["192.0.2.2"]).await;
    answers(&lab, "another.domain.com", "A", &["192.0.2.3"]).await;
    drop(second);
}

#[tokio::test]
async fn a_process_whose_servers_hang_ends_within_ten_seconds() {
    let server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let lab = Lab::on(server.mysql(), "hang").await.unwrap();
    example(&lab).await;
    let mut controller = serve(&lab, &[("RESYNC_INTERVAL", "1s")]).await;
    lab.sim.fail_next(1_000_000, Fault::Hang);
    lab.sim.clear_log();
    poll("a request hangs", LIMIT, async || {
        if lab.sim.log().is_empty() { Err("none came".to_owned()) } else { Ok(()) }
    })
    .await;
    server.process().unwrap().signal("STOP").unwrap();
    let asked = Instant::now();
    controller.sigterm().unwrap();
    let code = controller.wait_exit(LIMIT).await.unwrap();
    server.process().unwrap().signal("CONT").unwrap();
    assert_eq!(code, 0, "{}", controller.output());
    assert!(asked.elapsed() < Duration::from_secs(10), "the end took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_holder_that_does_not_know_yet_that_its_lease_is_gone_is_fenced_inside_its_transaction() {
    let lab = Lab::new("fenced").await;
    example(&lab).await;
    // It renews every 10 s only, so that its next transaction comes first.
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "30s")]).await;
    lab.world().create_vm(vm("before", "192.0.2.1"));
    answers(&lab, "before.domain.com", "A", &["192.0.2.1"]).await;
    let taken = "UPDATE cs_powerdns_owner SET epoch = epoch + 1, holder = 'somebody', \
                 expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR";
    lab.db.exec(taken).await.unwrap();
    let before = everything(&lab).await;
    lab.world().create_vm(vm("after", "192.0.2.2"));
    readiness(&controller, 200, "role: standby of somebody").await;
    assert!(controller.output().contains("fenced"), "no transaction was tried\n{}", controller.output());
    assert_eq!(everything(&lab).await, before, "it wrote after its lease was gone\n{}", controller.output());
    lab.db.exec("UPDATE cs_powerdns_owner SET holder = '', expires_at = UTC_TIMESTAMP(6)").await.unwrap();
    answers(&lab, "after.domain.com", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn sync_beside_a_running_holder_gives_up_and_names_it_while_plan_works() {
    let lab = Lab::new("sync_beside").await;
    example(&lab).await;
    // Whoever takes a lost lease anew reads everything anew, however busy the machine is.
    let first = serve(&lab, &[("LEASE_TTL", "60s")]).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    let holder = format!("/{}/", first.pid().unwrap());
    assert!(output.stderr.contains(&holder), "no holder `{holder}` in {}", output.stderr);
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("web.domain.com"), "{}", plan.stdout);
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), Vec::<String>::new());
    drop(first);
}

#[tokio::test]
async fn a_sync_takes_the_lease_of_a_killed_process_once_it_has_lapsed() {
    let lab = Lab::new("sync_after_kill").await;
    example(&lab).await;
    let mut first = serve(&lab, &[]).await;
    first.kill().unwrap();
    first.wait_exit(LIMIT).await.unwrap();
    lab.world().create_vm(vm("web", "192.0.2.1"));
    super::support::sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn two_owner_ids_serve_one_database_side_by_side() {
    let lab = Lab::new("two_owners").await;
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s")];
    let first = serve(&lab, &settings).await;
    let second = beside(
        &lab,
        &[
            settings[0],
            ("OWNER_ID", "other"),
            ("DNS_COMMON_ZONE", "common.example"),
            ("DNS_ADD_TO_COMMON_ZONE", "true"),
        ],
    );
    lab.db.zone("common.example").await.unwrap();
    readiness(&second, 200, "role: holder").await;
    readiness(&first, 200, "role: holder").await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    poll("web.domain.com stands once, whoever wrote it", LIMIT, async || {
        let found = lab.db.contents("web.domain.com", "A").await.map_err(|error| error.to_string())?;
        if found.len() == 1 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}
