//! Promise 5 on the real server: what nobody announced is bounded within an hour, and held above that
//! (design 7 and 12).

use super::{
    losses_support::{NOTHING, UNBOUND, count, create, ended, vanish},
    support::{answers, example, once, sync, vm},
};
use testbed::Lab;

/// A lab of so many VMs with one record each.
async fn owning(test: &str, count: usize) -> (Lab, Vec<String>) {
    let lab = Lab::new(test).await;
    example(&lab).await;
    let ids = create(&lab, count);
    sync(&lab, &[]).await;
    (lab, ids)
}

/// A sync whose losses are held: so many records.
async fn held(lab: &Lab, records: usize, more: &[(&str, &str)]) {
    let before = count(lab).await;
    let output = once(lab, &["sync"], more).await;
    ended(&output, 3);
    assert!(output.stdout.contains(&format!("held: {records} records")), "{}", output.stdout);
    assert_eq!(count(lab).await, before, "none of them goes while they are held");
}

/// What the database says has been used, before it decays.
async fn used(lab: &Lab) -> f64 {
    let used: Vec<f64> = lab.db.query("SELECT used FROM cs_powerdns_budget").await.expect("the budget");
    used.first().copied().unwrap_or(0.0)
}

/// As if so many minutes had passed since the last loss, by the database's clock.
async fn later(lab: &Lab, minutes: u32) {
    lab.db
        .exec(&format!("UPDATE cs_powerdns_budget SET at = at - INTERVAL {minutes} MINUTE"))
        .await
        .expect("the clock of the budget");
}

#[tokio::test]
async fn more_than_the_budget_is_held_while_creates_and_announced_losses_go_on() {
    let (lab, ids) = owning("held", 40).await;
    vanish(&lab, &ids[..20]);
    lab.world().silent().destroy_vm(&ids[39]);
    lab.world().create_vm(vm("new", "198.51.100.99"));
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 20 records"), "{}", output.stdout);
    assert_eq!(count(&lab).await, 40, "20 held, 19 living, one new");
    answers(&lab, "vm40.domain.com", "A", &[]).await;
    answers(&lab, "new.domain.com", "A", &["198.51.100.99"]).await;
    answers(&lab, "vm1.domain.com", "A", &["198.51.100.1"]).await;
}

#[tokio::test]
async fn of_a_hundred_thirty_one_are_held_and_thirty_go_and_after_them_nothing_more_for_an_hour() {
    let (lab, ids) = owning("hundred", 100).await;
    for id in &ids[..31] {
        lab.world().hide_vm(id);
    }
    held(&lab, 31, &[]).await;
    lab.world().show_vm(&ids[30]);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 70);
    assert!((used(&lab).await - 30.0).abs() < 0.5, "{} of 30 lost records are used", used(&lab).await);
    // Another process, another minute: it is the database that remembers.
    vanish(&lab, &ids[98..]);
    held(&lab, 2, &[]).await;
    // Half of it has decayed: 30 % of 70 + 15 is 25.5, of which 15 are used.
    later(&lab, 30).await;
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 68);
    assert!((16.0..=17.2).contains(&used(&lab).await), "15 and 2 are used, not {}", used(&lab).await);
    vanish(&lab, &ids[78..98]);
    held(&lab, 20, &[]).await;
    // All of it has: 30 % of 68 is 20.4.
    later(&lab, 60).await;
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 48);
}

#[tokio::test]
async fn several_passes_within_an_hour_draw_on_one_budget() {
    let (lab, ids) = owning("several", 100).await;
    for (at, left) in [(0, 88), (12, 76)] {
        vanish(&lab, &ids[at..at + 12]);
        sync(&lab, &[]).await;
        assert_eq!(count(&lab).await, left);
    }
    vanish(&lab, &ids[24..36]);
    held(&lab, 12, &[]).await;
    // What is created in a pass counts from the next one on: 30 % of 76 + 30 + 24 is 39, and 36 are wanted.
    for at in 1..=30 {
        lab.world().create_vm(vm(&format!("more{at}"), &format!("203.0.113.{at}")));
    }
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!(count(&lab).await, 76 + 30);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 64 + 30);
}

#[tokio::test]
async fn what_is_announced_draws_nothing_from_the_budget() {
    let (lab, ids) = owning("announced", 40).await;
    for id in &ids[..30] {
        lab.world().silent().destroy_vm(id);
    }
    sync(&lab, &[NOTHING]).await;
    assert_eq!(
        (count(&lab).await, used(&lab).await),
        (10, 0.0),
        "the API itself says that they are destroyed"
    );
    vanish(&lab, &ids[30..32]);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 8);
    assert!((used(&lab).await - 2.0).abs() < 0.1, "two were lost unannounced, {} are used", used(&lab).await);
}

#[tokio::test]
async fn the_percentage_is_of_what_was_owned_before_the_pass() {
    let (lab, ids) = owning("before_the_pass", 100).await;
    for id in &ids[..31] {
        lab.world().hide_vm(id);
    }
    for at in 1..=10 {
        lab.world().create_vm(vm(&format!("more{at}"), &format!("203.0.113.{at}")));
    }
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!(
        count(&lab).await,
        110,
        "31 of the 100 from before the pass are too many, whatever comes in it"
    );
    for id in &ids[31..91] {
        lab.world().silent().destroy_vm(id);
    }
    // 30 % of 110 is 33, whatever else goes because the API says so.
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 19, "31 of the 110 from before the pass may go");
}

#[tokio::test]
async fn ten_may_go_whatever_the_percentage_unless_it_is_zero_and_a_hundred_is_no_bound() {
    let (lab, ids) = owning("floor", 24).await;
    for id in &ids[..11] {
        lab.world().hide_vm(id);
    }
    held(&lab, 11, &[("DNS_MAX_LOSS_PERCENT", "1")]).await;
    lab.world().show_vm(&ids[10]);
    held(&lab, 10, &[NOTHING]).await;
    ended(&once(&lab, &["plan"], &[("DNS_MAX_LOSS_PERCENT", "1")]).await, 2);
    assert_eq!((count(&lab).await, used(&lab).await), (24, 0.0), "a plan loses and uses nothing");
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "1")]).await;
    assert_eq!(count(&lab).await, 14);
    vanish(&lab, &ids[23..]);
    held(&lab, 1, &[("DNS_MAX_LOSS_PERCENT", "1")]).await;
    vanish(&lab, &ids[10..23]);
    sync(&lab, &[UNBOUND]).await;
    assert_eq!(count(&lab).await, 0);
}

#[tokio::test]
async fn an_address_that_a_resync_finds_changed_is_a_loss_and_a_held_one_keeps_the_old_row() {
    let (lab, ids) = owning("replaced", 3).await;
    lab.world().silent().set_address(&ids[0], Some("198.51.100.77"), None);
    held(&lab, 1, &[NOTHING]).await;
    assert_eq!(lab.db.contents("vm1.domain.com", "A").await.unwrap(), ["198.51.100.1"]);
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("vm1.domain.com", "A").await.unwrap(), ["198.51.100.77"]);
    assert!((used(&lab).await - 1.0).abs() < 0.1, "one was replaced, {} are used", used(&lab).await);
}
