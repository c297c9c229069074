//! A VM that is gone for real (design 7): by which proof its records go, A, AAAA, PTR and group alike, and
//! what the history says of them.

use super::{
    losses_support::{NOTHING, UNBOUND, ended},
    support::{
        ACCOUNT, EVENTS_ONLY, LIMIT, RESYNCS, answers, example, metric, metric_reaches, once, serve,
        serve_events, sync, vm,
    },
};
use testbed::{Lab, VmSpec, poll};

const V4_REVERSE: &str = "1.2.0.192.in-addr.arpa";
const V6_REVERSE: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";

/// A VM with everything: both families, and a group that has another member. Returns its id.
fn whole(lab: &Lab) -> String {
    lab.world().create_vm(vm("other", "192.0.2.2").group("www"));
    lab.world().create_vm(VmSpec { v6: Some("2001:db8::1".into()), ..vm("web", "192.0.2.1").group("www") })
}

fn group() -> String {
    format!("www-{}.domain.com", &ACCOUNT[..8])
}

/// How many of the VM's six records stand: A, AAAA, two PTRs, and two at the group's name.
async fn standing(lab: &Lab) -> usize {
    let contents = async |name: &str, kind: &str| lab.db.contents(name, kind).await.expect("contents");
    let mut found = contents("web.domain.com", "A").await;
    found.extend(contents("web.domain.com", "AAAA").await);
    found.extend(contents(V4_REVERSE, "PTR").await);
    found.extend(contents(V6_REVERSE, "PTR").await);
    let members = contents(&group(), "A").await;
    assert!(members.contains(&"192.0.2.2".to_owned()), "the other member stays: {members:?}");
    found.extend(members.into_iter().filter(|address| address != "192.0.2.2"));
    found.extend(contents(&group(), "AAAA").await);
    found.len()
}

async fn stand(lab: &Lab, expected: usize) {
    // A controller is ready before its first records stand.
    poll("the group's other member stands", LIMIT, async || {
        let members = lab.db.contents(&group(), "A").await.expect("contents");
        if members.contains(&"192.0.2.2".to_owned()) { Ok(()) } else { Err(format!("it has {members:?}")) }
    })
    .await;
    poll(&format!("{expected} records of the VM stand"), LIMIT, async || {
        let found = standing(lab).await;
        if found == expected { Ok(()) } else { Err(format!("{found} do")) }
    })
    .await;
}

#[tokio::test]
async fn a_destroy_that_is_announced_takes_all_records_at_once_and_a_recovery_brings_them_back() {
    let mut lab = Lab::new("destroy_announced").await;
    lab.kafka();
    example(&lab).await;
    let id = whole(&lab);
    let controller = serve_events(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], NOTHING]).await;
    stand(&lab, 6).await;
    lab.world().destroy_vm(&id);
    stand(&lab, 0).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    lab.world().recover_vm(&id);
    stand(&lab, 6).await;
    // Destroyed and expunged at once: the API shows nothing any more when the event comes.
    lab.world().hold_events();
    lab.world().destroy_vm(&id);
    lab.world().expunge_vm(&id);
    let events = lab.world().take_held();
    assert_eq!(standing(&lab).await, 6, "no event, no listing: nobody knows yet");
    for event in events {
        lab.world().publish(&event);
    }
    stand(&lab, 0).await;
    assert_eq!(
        metric(&controller, "cs_powerdns_held_records").await,
        Ok(0.0),
        "announced: no budget is needed"
    );
    drop(controller);
}

#[tokio::test]
async fn a_destroy_whose_event_is_lost_goes_at_the_next_resync_without_any_budget() {
    let lab = Lab::new("destroy_lost").await;
    example(&lab).await;
    let id = whole(&lab);
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1s"), NOTHING]).await;
    stand(&lab, 6).await;
    lab.world().silent().destroy_vm(&id);
    stand(&lab, 0).await;
    lab.world().silent().recover_vm(&id);
    stand(&lab, 6).await;
    // Expunged without a word, and nobody has seen it destroyed: that takes two listings, and a budget.
    drop(controller);
    lab.world().silent().destroy_vm(&id);
    lab.world().silent().expunge_vm(&id);
    let output = once(&lab, &["sync"], &[NOTHING]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 6 records"), "{}", output.stdout);
    assert_eq!(standing(&lab).await, 6);
    sync(&lab, &[]).await;
    assert_eq!(standing(&lab).await, 0, "two listings and a look-up lack it");
}

#[tokio::test]
async fn a_vm_that_is_expunged_while_the_controller_is_down_goes_after_its_second_listing() {
    let lab = Lab::new("while_down").await;
    example(&lab).await;
    let id = whole(&lab);
    sync(&lab, &[]).await;
    lab.world().silent().destroy_vm(&id);
    lab.world().silent().expunge_vm(&id);
    lab.world().silent().purge_vm(&id);
    let settings = [("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "4s")];
    let controller = serve(&lab, &settings).await;
    metric_reaches(&controller, RESYNCS, 1.0).await;
    let (found, resyncs) = (standing(&lab).await, metric(&controller, RESYNCS).await);
    assert!(found == 6 || resyncs != Ok(1.0), "one listing proves nothing, {found} of 6 records stand");
    stand(&lab, 0).await;
    drop(controller);
}

#[tokio::test]
async fn a_vm_that_is_recovered_within_its_delay_has_its_records_again() {
    let lab = Lab::new("recovered").await;
    example(&lab).await;
    let id = whole(&lab);
    sync(&lab, &[]).await;
    lab.world().destroy_vm(&id);
    sync(&lab, &[NOTHING]).await;
    assert_eq!(standing(&lab).await, 0);
    // Recovered VMs are Stopped, and their addresses may be others.
    lab.world().recover_vm(&id);
    sync(&lab, &[NOTHING]).await;
    assert_eq!(standing(&lab).await, 6);
    // In one breath, before anybody looks: nothing has happened.
    let before = lab.db.rows("web.domain.com").await.unwrap();
    lab.world().destroy_vm(&id);
    lab.world().recover_vm(&id);
    sync(&lab, &[NOTHING]).await;
    assert_eq!(lab.db.rows("web.domain.com").await.unwrap(), before);
}

/// Name, type, content and reason of what has ended, in order, each with the VM it was for.
async fn history(lab: &Lab) -> Vec<[String; 5]> {
    let sql = "SELECT name, type, content, vm, why FROM cs_powerdns_history ORDER BY name, type, content, id";
    let rows: Vec<(String, String, String, String, String)> = lab.db.query(sql).await.expect("the history");
    rows.into_iter().map(|(name, rtype, content, vm, why)| [name, rtype, content, vm, why]).collect()
}

#[tokio::test]
async fn the_history_says_what_ended_when_and_why() {
    let lab = Lab::new("history").await;
    example(&lab).await;
    let moved = lab.world().create_vm(vm("moved", "192.0.2.3"));
    let renamed = lab.world().create_vm(vm("old", "198.51.100.4"));
    let dead = lab.world().create_vm(vm("dead", "198.51.100.5"));
    let edited = lab.world().create_vm(vm("edited", "198.51.100.6"));
    let by_hand = lab.world().create_vm(vm("deleted", "198.51.100.7"));
    sync(&lab, &[]).await;
    assert_eq!(history(&lab).await, Vec::<[String; 5]>::new(), "nothing has ended");
    let before: Vec<String> = lab.db.query("SELECT CAST(UTC_TIMESTAMP() AS CHAR)").await.unwrap();
    lab.world().set_address(&moved, Some("192.0.2.13"), None);
    lab.world().rename_vm(&renamed, "new");
    lab.world().destroy_vm(&dead);
    lab.db.exec("UPDATE records SET content = '203.0.113.9' WHERE name = 'edited.domain.com'").await.unwrap();
    lab.world().destroy_vm(&edited);
    lab.db.exec("DELETE FROM records WHERE name = 'deleted.domain.com'").await.unwrap();
    lab.world().destroy_vm(&by_hand);
    sync(&lab, &[]).await;
    let line = |name: &str, rtype: &str, content: &str, vm: &str, why: &str| {
        [name, rtype, content, vm, why].map(str::to_owned)
    };
    let expected = [
        line("3.2.0.192.in-addr.arpa", "PTR", "moved.domain.com", &moved, "its VM no longer wants the name"),
        line("dead.domain.com", "A", "198.51.100.5", &dead, "its VM is gone"),
        line("deleted.domain.com", "A", "198.51.100.7", &by_hand, "deleted by hand"),
        line("edited.domain.com", "A", "198.51.100.6", &edited, "its claim ended; the operator's edit stays"),
        line("moved.domain.com", "A", "192.0.2.3", &moved, "its address changed"),
        line("old.domain.com", "A", "198.51.100.4", &renamed, "its VM no longer wants the name"),
    ];
    assert_eq!(history(&lab).await, expected);
    let untimely = format!(
        "SELECT COUNT(*) FROM cs_powerdns_history WHERE at < '{}' OR at > UTC_TIMESTAMP()",
        before[0]
    );
    assert_eq!(lab.db.query::<u64>(&untimely).await.unwrap(), [0], "each line tells when, in UTC");
}

#[tokio::test]
async fn the_history_is_kept_for_seven_days() {
    let lab = Lab::new("history_days").await;
    example(&lab).await;
    let ids: Vec<String> =
        (1..=4).map(|at| lab.world().create_vm(vm(&format!("v{at}"), &format!("198.51.100.{at}")))).collect();
    sync(&lab, &[]).await;
    for id in &ids[..3] {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &[]).await;
    assert_eq!(history(&lab).await.len(), 3);
    for (name, hours) in [("v1", 7 * 24 + 1), ("v2", 7 * 24 - 1)] {
        let sql = format!(
            "UPDATE cs_powerdns_history SET at = at - INTERVAL {hours} HOUR WHERE name = '{name}.domain.com'"
        );
        lab.db.exec(&sql).await.unwrap();
    }
    lab.world().destroy_vm(&ids[3]);
    sync(&lab, &[UNBOUND]).await;
    let names: Vec<String> = history(&lab).await.into_iter().map(|[name, ..]| name).collect();
    assert_eq!(names, ["v2.domain.com", "v3.domain.com", "v4.domain.com"], "v1 ended more than 7 days ago");
}
