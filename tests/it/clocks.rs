//! Clocks that jump (design 9): the holder's machine's, and the database's, by which the lease lasts.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::{
    instances::epoch,
    support::{LIMIT, PROGRAM, answers, beside, example, metric, quick, readiness, serve, vm},
};
use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, poll, watchdog::TempDir};

const LAST_ANSWER: &str = "cs_powerdns_api_last_answer_timestamp_seconds";

/// Sets the clock of a process that was started with [`false_clock`]; the monotonic clock goes on, as when an
/// administrator or NTP sets the time.
fn set_clock(folder: &Path, seconds: i64) {
    let file = folder.join("clock");
    std::fs::write(folder.join("clock.new"), format!("{seconds:+}\n")).unwrap();
    std::fs::rename(folder.join("clock.new"), file).unwrap();
}

fn false_clock(folder: &Path) -> Vec<(String, String)> {
    set_clock(folder, 0);
    [
        // The loader knows where this system has its libraries.
        ("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1".to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", folder.join("clock").display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Waits until the process reads its clock this far from ours.
async fn clock_is(controller: &Controller, expected: i64) {
    poll(&format!("the process's clock is {expected} s off"), LIMIT, async || {
        let theirs = metric(controller, LAST_ANSWER).await?;
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let off = theirs - ours;
        let wanted = f64::from(i32::try_from(expected).expect("hours"));
        if (off - wanted).abs() < 600.0 { Ok(()) } else { Err(format!("it is {off} s off")) }
    })
    .await;
}

#[tokio::test]
async fn the_lease_stays_where_it_is_when_the_clock_of_its_holders_machine_jumps() {
    let lab = Lab::new("clock").await;
    example(&lab).await;
    let folder = TempDir::new("clock").unwrap();
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "6s")];
    let mut environment = quick(&lab, &settings);
    environment.extend(false_clock(folder.path()));
    let mut first = Controller::start(PROGRAM, &["run"], &environment).unwrap();
    first.wait_ready(LIMIT).await.unwrap();
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    lab.world().create_vm(vm("before", "192.0.2.1"));
    answers(&lab, "before.domain.com", "A", &["192.0.2.1"]).await;

    set_clock(folder.path(), 3600);
    clock_is(&first, 3600).await;
    lab.world().create_vm(vm("ahead", "192.0.2.2"));
    answers(&lab, "ahead.domain.com", "A", &["192.0.2.2"]).await;
    outlives_two_leases(&lab, &first).await;

    // To the API all that it signs has expired long ago; what it does not know it does not write.
    set_clock(folder.path(), -3600);
    clock_is(&first, -3600).await;
    lab.world().create_vm(vm("behind", "192.0.2.3"));
    poll("the status tells of the clock", LIMIT, async || {
        let (_, status) = first.get("/status").await.map_err(|error| error.to_string())?;
        if status.contains("clock is right") { Ok(()) } else { Err(status) }
    })
    .await;
    outlives_two_leases(&lab, &first).await;
    answers(&lab, "before.domain.com", "A", &["192.0.2.1"]).await;

    set_clock(folder.path(), 0);
    answers(&lab, "behind.domain.com", "A", &["192.0.2.3"]).await;
    assert_eq!(epoch(&lab.db, "default").await, 1, "the lease changed hands\n{}", first.output());
}

/// By the database's clock, the lease ends 12 s later than it does now, or later still: two leases of 6 s.
async fn outlives_two_leases(lab: &Lab, holder: &Controller) {
    let ends = "SELECT TIMESTAMPDIFF(MICROSECOND, '2000-01-01', expires_at) FROM cs_powerdns_owner";
    let begun: Vec<i64> = lab.db.query(ends).await.unwrap();
    poll("the lease is renewed for 12 s", LIMIT, async || {
        assert_eq!(epoch(&lab.db, "default").await, 1, "the lease changed hands\n{}", holder.output());
        let now: Vec<i64> = lab.db.query(ends).await.map_err(|error| error.to_string())?;
        let so_far = now[0] - begun[0];
        if so_far > 12_000_000 { Ok(()) } else { Err(format!("for {so_far} µs")) }
    })
    .await;
}

/// For the lease the database's clock is its distance from the stored end: moving that end is setting the
/// clock.
#[tokio::test]
async fn one_process_holds_the_lease_and_serves_when_the_databases_clock_jumps() {
    let lab = Lab::new("clock_database").await;
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "3s")];
    let first = serve(&lab, &settings).await;
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    // Back: the lease seems to last for another hour, until its holder renews it.
    lab.db.exec("UPDATE cs_powerdns_owner SET expires_at = expires_at + INTERVAL 1 HOUR").await.unwrap();
    let left = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), expires_at) FROM cs_powerdns_owner";
    poll("the holder has set the end of its lease right", LIMIT, async || {
        let left: Vec<i64> = lab.db.query(left).await.map_err(|error| error.to_string())?;
        if left[0] <= 3 { Ok(()) } else { Err(format!("{} s are left", left[0])) }
    })
    .await;
    // Forward: it seems to have ended long ago, and whoever comes first has it.
    lab.db.exec("UPDATE cs_powerdns_owner SET expires_at = expires_at - INTERVAL 1 HOUR").await.unwrap();
    poll("one holds the lease and the other stands by", LIMIT, async || {
        let mut bodies = Vec::new();
        for one in [&first, &second] {
            bodies.push(one.get("/readyz").await.map_err(|error| error.to_string())?.1);
        }
        let count = |word: &str| bodies.iter().filter(|body| body.contains(word)).count();
        match (count("role: holder"), count("role: standby of ")) {
            (1, 1) => Ok(()),
            _ => Err(format!("{bodies:?}")),
        }
    })
    .await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    drop(first);
    readiness(&second, 200, "role: holder").await;
    lab.world().create_vm(vm("later", "192.0.2.2"));
    answers(&lab, "later.domain.com", "A", &["192.0.2.2"]).await;
}

/// A real one this time: what the standby has seen of the lease stays as it is.
#[tokio::test]
async fn a_database_whose_clock_goes_back_keeps_no_dead_holder_in_office() {
    let folder = TempDir::new("clock").unwrap();
    let environment = false_clock(folder.path()).into_iter().collect();
    let server = MariaDb::new(MariaDbOptions { environment, ..MariaDbOptions::default() }).unwrap();
    let lab = Lab::on(server.mysql(), "clock_back").await.unwrap();
    example(&lab).await;
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "6s")];
    let first = serve(&lab, &settings).await;
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    first.signal("STOP").unwrap();
    let mark = lab.db.now().await.unwrap();
    poll("the standby looks at the lease that is renewed no more", LIMIT, async || {
        let said = lab.db.statements_since(&mark).await.map_err(|error| error.to_string())?;
        let looked =
            said.iter().any(|sql| sql.contains("FROM cs_powerdns_owner") && sql.contains("FOR UPDATE"));
        if looked { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    set_clock(folder.path(), -3600);
    first.kill().unwrap();
    let left = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), expires_at) FROM cs_powerdns_owner";
    let left: Vec<i64> = lab.db.query(left).await.unwrap();
    assert!(left[0] > 3000, "by the database's clock the lease lasts for {} s", left[0]);
    lab.world().create_vm(vm("web", "192.0.2.1"));
    readiness(&second, 200, "role: holder").await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
}
