//! The older snapshot never wins: answers that come late, and out of order, bring nothing back and take
//! nothing away. What a listing shows against events that overtake it stands in `gone`.
//!
//! CS_POWERDNS_TEST_LISTING=N makes the long listing last N seconds (15).

use super::{
    losses_support::{UNBOUND, looks},
    support::{
        LIMIT, LOOKS, RESYNC_FAILURES, RESYNCS, answers, example, metric, metric_reaches, serve_events, vm,
    },
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::{Controller, Fault, Lab, Row, broker, poll, sim::Gate};

/// How long the long listing takes where the environment does not say.
const LASTS: u64 = 15;

/// Three VMs that are served, and a controller that lists when it is asked to, see [`resync`].
struct Town {
    lab: Lab,
    domain: String,
    ids: Vec<String>,
    controller: Controller,
}

async fn town(test: &str) -> Town {
    let mut lab = Lab::new(test).await;
    lab.kafka();
    let domain = example(&lab).await;
    lab.db.zone("moved.example").await.expect("it works");
    // Nobody is told of them: a look that follows an event of theirs would be the first to come late.
    let silent = lab.world().silent();
    let ids =
        (1..=3).map(|at| silent.create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{at}")))).collect();
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "10m"), UNBOUND]).await;
    for at in 1..=3 {
        answers(&lab, &format!("vm{at}.domain.com"), "A", &[&format!("198.51.100.{at}")]).await;
    }
    Town { lab, domain, ids, controller }
}

/// An event about an interface that nobody knows asks for a resync; waits for the end of one that began later.
async fn resync(town: &Town) {
    let before = metric(&town.controller, RESYNCS).await.expect("it works");
    for more in [1.0, 2.0] {
        let event =
            r#"{"event":"NET.IPASSIGN","status":"Scheduled","Nic":"0badbad0-0000-4000-8000-000000000001"}"#;
        broker().publish(&town.lab.topic, None, event).await.expect("it works");
        metric_reaches(&town.controller, RESYNCS, before + more).await;
    }
}

async fn rows(lab: &Lab) -> Vec<Row> {
    let mut rows = lab.db.rows_of_zone("domain.com").await.expect("the rows");
    rows.extend(lab.db.rows_of_zone("moved.example").await.expect("the rows"));
    rows
}

/// Lets the late look-up go: nothing is written but the lease.
async fn changes_nothing(town: &mut Town, late: &Gate, what: &str) {
    let before = rows(&town.lab).await;
    let looks = metric(&town.controller, LOOKS).await.expect("it works");
    town.lab.forget_writes().await;
    late.open();
    // It is taken, and whatever it has marked is settled, before a listing could mend that.
    metric_reaches(&town.controller, LOOKS, looks + 1.0).await;
    resync(town).await;
    let writes = town.lab.writes(&["cs_powerdns_owner"]).await;
    assert_eq!(writes, Vec::<String>::new(), "{what}");
    assert_eq!(rows(&town.lab).await, before, "{what}");
}

/// An account's event makes the owners read, beside any resync; what is true then is answered when `gate` opens.
async fn reads_owners(town: &Town, gate: &Gate, account: &str) {
    let lab = &town.lab;
    lab.sim.clear_log();
    lab.sim.fail_next_of("listDomains", 1, Fault::Stale(gate.clone()));
    lab.world().add_account(&town.domain, account, None);
    poll("the owners are read", LIMIT, async || {
        if lab.sim.requests("listDomains") > 0 { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
}

async fn look_has_begun(lab: &Lab) {
    poll(
        "the look-up has begun",
        LIMIT,
        async || {
            if looks(lab).is_empty() { Err("not yet".into()) } else { Ok(()) }
        },
    )
    .await;
}

#[tokio::test]
async fn a_late_look_up_never_wins_over_a_listing_that_began_after_it() {
    let mut town = town("late_look").await;
    let (lab, late) = (&town.lab, Gate::default());
    lab.sim.clear_log();
    lab.sim.fail_looks(1, Fault::Stale(late.clone()));
    lab.world().rename_vm(&town.ids[0], "early");
    look_has_begun(lab).await;
    lab.world().silent().rename_vm(&town.ids[0], "later");
    resync(&town).await;
    answers(lab, "later.domain.com", "A", &["198.51.100.1"]).await;
    answers(lab, "vm1.domain.com", "A", &[]).await;
    changes_nothing(&mut town, &late, "the late look-up still says `early`").await;
}

#[tokio::test]
async fn a_late_proof_of_absence_never_buries_a_vm_that_a_later_listing_shows() {
    let mut town = town("late_absence").await;
    let (lab, late) = (&town.lab, Gate::default());
    lab.sim.clear_log();
    lab.sim.fail_looks(1, Fault::Stale(late.clone()));
    // Events say that it is gone, and for a moment the API agrees.
    lab.world().hold_events();
    lab.world().destroy_vm(&town.ids[0]);
    let events = lab.world().take_held();
    lab.world().silent().recover_vm(&town.ids[0]);
    lab.world().hide_vm(&town.ids[0]);
    for event in events {
        lab.world().publish(&event);
    }
    look_has_begun(lab).await;
    lab.world().show_vm(&town.ids[0]);
    resync(&town).await;
    changes_nothing(&mut town, &late, "the late look-up lacks vm1, which is there").await;
    answers(&town.lab, "vm1.domain.com", "A", &["198.51.100.1"]).await;
}

#[tokio::test]
async fn late_owners_never_win_over_those_that_a_resync_has_read_since() {
    let town = town("late_owners").await;
    let (lab, late) = (&town.lab, Gate::default());
    reads_owners(&town, &late, "new").await;
    lab.world().silent().set_domain_network_domain(&town.domain, Some("moved.example"));
    resync(&town).await;
    answers(lab, "vm1.moved.example", "A", &["198.51.100.1"]).await;
    answers(lab, "vm1.domain.com", "A", &[]).await;
    // They are read again once the late ones have been taken; held back, too, so that only that could mend what
    // the late ones had brought.
    let (before, next) = (rows(lab).await, Gate::default());
    late.open();
    reads_owners(&town, &next, "newer").await;
    // A VM that comes now is served, as is whatever was marked before.
    lab.world().create_vm(vm("fence", "198.51.100.9"));
    answers(lab, "fence.moved.example", "A", &["198.51.100.9"]).await;
    let mut found = rows(lab).await;
    found.retain(|row| row.name != "fence.moved.example");
    let addresses = |rows: Vec<Row>| -> Vec<Row> {
        rows.into_iter().filter(|row| row.kind.as_deref() == Some("A")).collect()
    };
    assert_eq!(addresses(found), addresses(before), "the late owners still have the old network domain");
    next.open();
}

/// Two hundred VMs that stay behind fifty of which one goes, and another comes at the end, ten times a second.
#[tokio::test]
async fn a_long_listing_under_constant_churn_completes() {
    const STAY: usize = 200;
    const PAGE: usize = 5;
    let seconds =
        std::env::var("CS_POWERDNS_TEST_LISTING").ok().and_then(|text| text.parse().ok()).unwrap_or(LASTS);
    let mut lab = Lab::new("long_listing").await;
    lab.kafka();
    example(&lab).await;
    lab.world().set_max_page(PAGE);
    let silent = lab.world().silent();
    let mut going: Vec<String> =
        (1..=50).map(|at| silent.create_vm(vm(&format!("old{at}"), &format!("203.0.113.{at}")))).collect();
    let staying: Vec<String> =
        (1..=STAY).map(|at| silent.create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{at}")))).collect();
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "1s"), UNBOUND]).await;
    let desired = |lab: &Lab| -> BTreeMap<String, String> {
        let vms = lab.world().vms();
        let vms = vms.iter().filter_map(|id| lab.world().vm(id));
        let wants = |vm: Arc<testbed::sim::Vm>| {
            (format!("{}.domain.com", vm.name), vm.nics[0].v4.clone().expect("an address"))
        };
        vms.map(wants).collect()
    };
    let converges = async |what: &str| {
        poll(what, LIMIT * 2, async || {
            let found = rows(&lab).await.into_iter().filter(|row| row.kind.as_deref() == Some("A"));
            let found: BTreeMap<_, _> =
                found.map(|row| (row.name, row.content.unwrap_or_default())).collect();
            let desired = desired(&lab);
            if found == desired {
                Ok(())
            } else {
                Err(format!("{} rows for {} VMs", found.len(), desired.len()))
            }
        })
        .await;
    };
    converges("the first records are there").await;
    let kept = async || {
        let mut rows = rows(&lab).await;
        rows.retain(|row| row.name.starts_with("vm") && row.name != "vm7.domain.com");
        rows
    };
    let before = kept().await;
    let over = Arc::new(AtomicBool::new(false));
    let (stop, world) = (over.clone(), lab.world().clone());
    let churn = std::thread::spawn(move || {
        for nth in 1_usize.. {
            if stop.load(Ordering::SeqCst) {
                return nth;
            }
            let gone = going.remove(0);
            world.destroy_vm(&gone);
            world.expunge_vm(&gone);
            let address = format!("10.0.{}.{}", nth / 200, nth % 200 + 1);
            going.push(world.create_vm(vm(&format!("new{nth}"), &address)));
            std::thread::sleep(Duration::from_millis(100));
        }
        0
    });
    let begun = Arc::new(AtomicBool::new(false));
    let flag = begun.clone();
    lab.sim.before_every_page(move |_, page| {
        flag.store(flag.load(Ordering::SeqCst) || page == 1, Ordering::SeqCst);
    });
    poll("a listing begins", LIMIT, async || {
        if begun.load(Ordering::SeqCst) { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    // Pages are read two at a time, and a listing that has moved is read twice.
    lab.sim.set_latency(
        Duration::from_secs(seconds) * u32::try_from(PAGE).unwrap() / u32::try_from(STAY + 50).unwrap(),
    );
    let (resyncs, since) = (metric(&controller, RESYNCS).await.unwrap(), Instant::now());
    lab.world().set_address(&staying[6], Some("192.0.2.7"), None);
    answers(&lab, "vm7.domain.com", "A", &["192.0.2.7"]).await;

    poll("the listing ends", Duration::from_secs(seconds) * 4 + LIMIT, async || {
        let found = metric(&controller, RESYNCS).await?;
        if found > resyncs { Ok(()) } else { Err(controller.output()) }
    })
    .await;
    assert!(
        since.elapsed() * 3 > Duration::from_secs(seconds),
        "that was no long listing: {:?}",
        since.elapsed()
    );
    assert_eq!(metric(&controller, RESYNC_FAILURES).await, Ok(0.0));
    assert_eq!(kept().await, before, "VMs that stay keep their very rows");
    over.store(true, Ordering::SeqCst);
    assert!(churn.join().unwrap() > 20, "that was no churn");
    lab.sim.heal();
    converges("the listing and the events end in what the VMs want").await;
    assert_eq!(kept().await, before);
}
