//! Names below ours, which the controller keeps in mind: how often it reads zones whole for them, and what
//! only such a reading shows. That it keeps zones as `rectify-zone` leaves them, `rectify_random` tells.

use super::{
    rules_support::{empty_non_terminals, sql, status},
    support::{LIMIT, RESYNCS, answers, example, metric, metric_reaches, serve, sync, vm},
};
use std::time::Duration;
use testbed::{Lab, poll};

#[tokio::test]
async fn a_zone_is_read_whole_once_however_many_resyncs_are_asked_for() {
    let lab = Lab::new("deep_once").await;
    example(&lab).await;
    let gone = lab.world().create_vm(vm("gone", "192.0.2.1"));
    sync(&lab, &[]).await;
    // That it has gone takes two listings to prove, the second one of which is asked for.
    lab.world().silent().purge_vm(&gone);
    // The lease comes before the first listing has ended.
    lab.sim.set_latency(Duration::from_millis(150));
    let mark = lab.db.now().await.unwrap();
    let all = ("DNS_MAX_LOSS_PERCENT", "100");
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1h"), all]).await;
    metric_reaches(&controller, RESYNCS, 2.0).await;
    let sent = lab.db.statements_since(&mark).await.unwrap();
    for (id, zone) in lab.db.query::<(u32, String)>("SELECT id, name FROM domains").await.unwrap() {
        let whole = format!("NULL, name FROM records WHERE domain_id = {id} AND type IS NOT NULL");
        let found = sent.iter().filter(|sql| sql.contains(&whole)).count();
        assert_eq!(found, 1, "readings of all of {zone}");
    }
}

#[tokio::test]
async fn a_row_that_was_renamed_in_place_to_below_ours_counts_after_the_next_resync() {
    let lab = Lab::new("deep_renamed").await;
    example(&lab).await;
    let web = lab.world().create_vm(vm("web", "192.0.2.1"));
    let row = lab.db.insert("domain.com", "x.y.domain.com", "TXT", "\"x\"", 60).await.unwrap();
    // The latest thousand ids are read again for some time.
    sql(&lab, &format!("ALTER TABLE records AUTO_INCREMENT = {}", row + 2000)).await;
    lab.db.insert("domain.com", "late.domain.com", "TXT", "\"x\"", 60).await.unwrap();
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1s")]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    sql(&lab, &format!("UPDATE records SET name = 'x.web.domain.com' WHERE id = {row}")).await;
    let before = metric(&controller, RESYNCS).await.unwrap();
    metric_reaches(&controller, RESYNCS, before + 2.0).await;
    lab.world().silent().destroy_vm(&web);
    poll("web.domain.com has lost its address", LIMIT, async || {
        let found = lab.db.contents("web.domain.com", "A").await.unwrap();
        if found.is_empty() { Ok(()) } else { Err(format!("it has {found:?}; {}", controller.output())) }
    })
    .await;
    assert_eq!(status(&lab, "web.domain.com").await, "NOERROR", "x.web.domain.com stands below it");
    assert_eq!(empty_non_terminals(&lab, "domain.com").await, ["web.domain.com"]);
}
