//! At most one writer per owner id, whatever happens to the others.

use super::support::{LIMIT, PROGRAM, answers, example, metric, once, quick, readiness, serve, vm};
use std::time::{Duration, Instant};
use testbed::{Controller, Lab, poll};

/// A second process of the same owner id, with an HTTP port of its own.
fn beside(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    let listen = format!("127.0.0.1:{}", testbed::watchdog::free_port());
    let mut environment = quick(lab, more);
    environment.insert("HTTP_LISTEN".into(), listen);
    Controller::start(PROGRAM, &["run"], &environment).expect("the program starts")
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
    // The second one has a user of its own, so that the log tells the two apart.
    let user = format!("b_{}", lab.db.user);
    lab.db.exec(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{}'", lab.db.password)).await.unwrap();
    lab.db.exec(&format!("GRANT ALL ON `{}`.* TO '{user}'@'%'", lab.db.name)).await.unwrap();
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "2s")];
    let first = serve(&lab, &settings).await;
    let second = beside(&lab, &[settings[0], settings[1], ("MYSQL_PDNS_USER", &user)]);
    readiness(&second, 200, "role: standby of ").await;
    // The first one is stopped while the answer to its listing is on the way: it will still believe in
    // `old` when it goes on.
    lab.sim.set_latency(Duration::from_millis(300));
    let id = lab.world().create_vm(vm("old", "192.0.2.1"));
    answers(&lab, "old.domain.com", "A", &["192.0.2.1"]).await;
    first.signal("STOP").unwrap();
    readiness(&second, 200, "role: holder").await;
    lab.world().rename_vm(&id, "new");
    answers(&lab, "new.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "old.domain.com", "A", &[]).await;
    let serial = lab.db.serial("domain.com").await.unwrap();
    let mark = lab.db.now().await.unwrap();
    first.signal("CONT").unwrap();
    readiness(&first, 200, "role: standby of ").await;
    // A whole resync later nothing is written either.
    let resyncs = metric(&first, "cs_powerdns_resyncs_total").await.unwrap();
    super::support::metric_reaches(&first, "cs_powerdns_resyncs_total", resyncs + 2.0).await;
    let writes = lab.db.writes_since(&mark, &["cs_powerdns_owner"]).await.unwrap();
    assert_eq!(writes, Vec::<String>::new(), "the stopped process wrote");
    assert_eq!(lab.db.serial("domain.com").await.unwrap(), serial, "a serial moved");
    answers(&lab, "new.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "old.domain.com", "A", &[]).await;
}

#[tokio::test]
async fn sync_beside_a_running_holder_gives_up_and_names_it_while_plan_works() {
    let lab = Lab::new("sync_beside").await;
    example(&lab).await;
    let first = serve(&lab, &[]).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let begun = Instant::now();
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    let holder = format!("/{}/", first.pid().unwrap());
    assert!(output.stderr.contains(&holder), "no holder `{holder}` in {}", output.stderr);
    assert!(begun.elapsed() < Duration::from_secs(10), "a lease of 2 s: {:?}", begun.elapsed());
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
