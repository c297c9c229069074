//! Promise 4, an API that errs or lies: what is no proof of absence takes nothing away.

use super::{
    losses_support::{LIST, NOTHING, UNBOUND, counts, create, ended, looks, rows, vanish, watch_listings},
    support::{LOOKS, answers, example, metric_reaches, once, serve_events, sync},
};
use serde_json::json;
use std::sync::atomic::Ordering;
use testbed::{Fault, Lab, sim::Body};

const PAGE: &str = "<html><body>Please log in.</body></html>";

fn error(status: u16, text: &str) -> Fault {
    Fault::Status(status, Body::Json(text.into()))
}

/// Twelve VMs on pages of five.
async fn twelve(test: &str) -> (Lab, Vec<String>) {
    let lab = Lab::new(test).await;
    example(&lab).await;
    lab.world().set_max_page(5);
    let ids = create(&lab, 12);
    sync(&lab, &[]).await;
    (lab, ids)
}

#[tokio::test]
async fn listings_that_are_wrong_delete_nothing() {
    let (lab, _) = twelve("wrong_listings").await;
    let before = rows(&lab).await;
    assert_eq!(before.len(), 12);
    for (what, skip, times, fault) in [
        ("`{}` for the first page", 0, 1, Fault::EmptyObject),
        ("`{}` for the second page", 1, 1, Fault::EmptyObject),
        ("`{}` for two listings", 0, 2, Fault::EmptyObject),
        ("a count that is too low", 0, 1, Fault::WrongCount(-7)),
        ("a count that is too low on every page", 0, 1000, Fault::WrongCount(-7)),
        ("a count that is too low on the second page", 1, 1, Fault::WrongCount(-7)),
        ("a count that is too high", 0, 3, Fault::WrongCount(7)),
        ("a count that is too high on the second page", 1, 1, Fault::WrongCount(7)),
        ("no count", 0, 1, Fault::NoCount),
        ("no count on any page", 0, 1000, Fault::NoCount),
        ("a first page that is short", 0, 1, Fault::ShortPage),
        ("a second page that is short", 1, 1, Fault::ShortPage),
        ("a first page that is short, and no count", 0, 1, Fault::ShortNoCount),
        ("an answer that is cut off", 1, 1, Fault::Truncate),
        ("a page of HTML with status 200", 1, 1, Fault::Status(200, Body::Html(PAGE.into()))),
    ] {
        lab.sim.fail_after(Some(LIST), skip, times, fault);
        let output = once(&lab, &["sync"], &[UNBOUND]).await;
        lab.sim.heal();
        assert_eq!(output.code, 0, "{what}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(rows(&lab).await, before, "{what} took records away, or wrote them anew");
    }
}

#[tokio::test]
async fn a_vm_on_two_pages_and_one_of_unknown_state_keep_their_records() {
    let (lab, ids) = twelve("odd_pages").await;
    let before = rows(&lab).await;
    lab.world().silent().patch_vm(&ids[2], json!({ "state": "Sideways" }));
    lab.world().silent().patch_vm(&ids[3], json!({ "state": null }));
    // vm1 comes into sight before the second page is read: vm6, the last of the first page, is the first
    // of the second one.
    lab.world().hide_from_listings(&ids[0]);
    let id = ids[0].clone();
    lab.sim.before_page(LIST, 2, move |world| world.show_vm(&id));
    ended(&once(&lab, &["sync"], &[UNBOUND]).await, 0);
    assert_eq!(
        rows(&lab).await,
        before,
        "no state that is not known takes a VM's records, nor does its lack"
    );
}

#[tokio::test]
async fn a_look_up_that_fails_proves_nothing_and_says_what_to_do() {
    let (lab, ids) = twelve("wrong_looks").await;
    let before = rows(&lab).await;
    // Each listing lacks them: they stand or fall with the look-up.
    for id in &ids[..3] {
        lab.world().hide_from_listings(id);
    }
    let unknown = "entity does not exist";
    for (code, fault, words) in [
        (1, error(401, "unable to verify user credentials and/or request signature"), "credentials"),
        (1, error(401, "The given command does not exist, is not available for user"), "allow listVirtualM"),
        (1, error(432, "The given command does not exist, is not available for user"), "allow listVirtualM"),
        (1, error(531, "Acct does not have permission to operate within domain"), "root admin's view"),
        (1, error(431, "Invalid parameter projectid value=-1: entity does not exist"), unknown),
        (0, error(530, "Internal error executing command"), ""),
        (0, Fault::Status(200, Body::Html(PAGE.into())), ""),
        (0, Fault::Html503, ""),
        (0, Fault::Reset, ""),
        (0, Fault::Truncate, ""),
        (0, Fault::NoCount, ""),
        (0, Fault::WrongCount(1), ""),
    ] {
        // What an operator has to mend ends sync at once; what passes is tried again.
        lab.sim.fail_looks(if code == 1 { 1_000_000 } else { 1 }, fault.clone());
        let output = once(&lab, &["sync"], &[UNBOUND]).await;
        lab.sim.heal();
        assert_eq!(output.code, code, "{fault:?}: {}\n{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(words), "{fault:?}: no `{words}` in {}", output.stderr);
        assert_eq!(rows(&lab).await, before, "{fault:?} took records away, or wrote them anew");
    }
    // 200 and nothing, beside two listings that lack them, is the proof.
    lab.sim.fail_looks(1_000_000, Fault::EmptyObject);
    ended(&once(&lab, &["sync"], &[UNBOUND]).await, 0);
    assert_eq!(rows(&lab).await.len(), 9);
}

#[tokio::test]
async fn an_expunged_vm_goes_only_when_a_look_up_lacks_it_whatever_events_say() {
    let mut lab = Lab::new("event_and_errors").await;
    lab.kafka();
    example(&lab).await;
    let ids = create(&lab, 3);
    let settings = [("RESYNC_INTERVAL", "10m"), ("RESYNC_MIN_INTERVAL", "10m"), NOTHING];
    let controller = serve_events(&lab, &settings).await;
    counts(&lab, 3).await;
    let before = rows(&lab).await;
    // A forged or early event: the VM is there.
    lab.world().hold_events();
    lab.world().destroy_vm(&ids[1]);
    let events = lab.world().take_held();
    lab.world().silent().recover_vm(&ids[1]);
    for event in events {
        lab.world().publish(&event);
    }
    metric_reaches(&controller, LOOKS, 2.0).await;
    assert_eq!(rows(&lab).await, before, "an event says which VM to look at, and no more");
    // An event that is right, while look-ups err one way and another.
    lab.sim.fail_looks(1, error(531, "Acct does not have permission to operate within domain"));
    lab.sim.fail_looks(1, error(401, "unable to verify user credentials and/or request signature"));
    lab.sim.fail_looks(1_000_000, error(432, "The given command does not exist, is not available for user"));
    lab.world().destroy_vm(&ids[0]);
    lab.world().expunge_vm(&ids[0]);
    metric_reaches(&controller, "cs_powerdns_look_failures_total", 3.0).await;
    assert_eq!(rows(&lab).await, before, "no error is a proof");
    lab.sim.heal();
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    assert_eq!(rows(&lab).await, before[1..], "the event is not forgotten, and needs no budget");
    drop(controller);
}

#[tokio::test]
async fn an_expunged_vm_that_nobody_announced_goes_after_two_listings_and_a_look() {
    let (lab, ids) = twelve("expunged").await;
    let before = rows(&lab).await;
    vanish(&lab, &ids[..1]);
    // One listing works, and nothing does after it: absence is not proved.
    let listings = watch_listings(&lab, |_, _| {});
    lab.sim.clear_log();
    lab.sim.fail_looks(1_000_000, error(531, "no permission"));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    assert_eq!((listings.load(Ordering::SeqCst), looks(&lab).len()), (2, 1));
    assert_eq!(rows(&lab).await, before, "two listings without a look-up prove nothing");
    lab.sim.heal();
    lab.sim.fail_after(Some(LIST), 3, 1_000_000, error(401, "unable to verify user credentials"));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    assert_eq!(rows(&lab).await, before, "one listing proves nothing");
    lab.sim.heal();
    sync(&lab, &[]).await;
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    assert_eq!(rows(&lab).await, before[1..]);
}
