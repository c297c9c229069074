//! Promise 4 on the real servers: what listings lack is not gone before that is proved (design 7).

use super::{
    losses_support::{
        LIST, NOTHING, UNBOUND, count, create, ended, expunge, looks, rows, vanish, watch_listings,
    },
    support::{
        LIMIT, RESYNC_FAILURES, RESYNCS, answers, example, metric, metric_reaches, once, serve, serve_events,
        sync, vm,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::{
    Fault, Lab, VmSpec, poll,
    sim::{Body, Gate},
};

/// Twenty VMs that stay, behind sixty that go one by one before five pages of each listing, whose count
/// stays the same. Each that goes shifts the next page's first VM onto the page before: in every listing the
/// same four that stay are out of sight.
async fn a_moving_cloud(test: &str) -> Lab {
    let lab = Lab::new(test).await;
    example(&lab).await;
    lab.world().set_max_page(5);
    let mut going: Vec<String> = (1..=60)
        .map(|at| lab.world().create_vm(vm(&format!("old{at}"), &format!("203.0.113.{at}"))))
        .collect();
    create(&lab, 20);
    sync(&lab, &[]).await;
    let (mut listing, mut come) = (0, 0);
    lab.sim.before_every_page(move |world, page| {
        listing += usize::from(page == 1);
        // Behind the old ones: page 13 in the first listing, and one page sooner in each.
        let first = 14_usize.saturating_sub(listing);
        if (first..first + 5).contains(&page)
            && let Some(id) = going.pop()
        {
            expunge(world, &[id]);
            come += 1;
            world.silent().create_vm(vm(&format!("new{come}"), &format!("192.0.2.{come}")));
        }
    });
    lab.sim.clear_log();
    lab
}

/// The rows of the VMs that stay.
async fn staying(lab: &Lab) -> Vec<(i64, String, String)> {
    rows(lab).await.into_iter().filter(|(_, name, _)| name.starts_with("vm")).collect()
}

/// That VMs which stay had to be looked up by id.
fn were_out_of_sight(lab: &Lab) {
    let asked: Vec<String> = looks(lab).into_iter().flatten().collect();
    let named = |id: &String| lab.world().vm(id).is_some_and(|vm| vm.name.starts_with("vm"));
    assert!(asked.iter().any(named), "no page has shifted a VM out of sight: this test shows nothing");
}

#[tokio::test]
async fn a_listing_that_moves_before_every_page_is_completed_by_sync() {
    let lab = a_moving_cloud("moving_sync").await;
    let before = staying(&lab).await;
    assert_eq!(before.len(), 20);
    for _ in 0..2 {
        ended(&once(&lab, &["sync"], &[UNBOUND]).await, 0);
        assert_eq!(staying(&lab).await, before, "VMs that paging shifted out of sight keep their very rows");
    }
    were_out_of_sight(&lab);
}

#[tokio::test]
async fn a_listing_that_moves_before_every_page_is_completed_by_run() {
    let lab = a_moving_cloud("moving_run").await;
    let before = staying(&lab).await;
    let mut controller = serve(&lab, &[UNBOUND, ("RESYNC_INTERVAL", "1s")]).await;
    metric_reaches(&controller, RESYNCS, 4.0).await;
    assert_eq!(metric(&controller, RESYNC_FAILURES).await, Ok(0.0));
    assert_eq!(staying(&lab).await, before, "VMs that paging shifted out of sight keep their very rows");
    were_out_of_sight(&lab);
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_vm_that_listings_miss_and_a_look_up_finds_keeps_its_records() {
    let lab = Lab::new("missed").await;
    example(&lab).await;
    let ids = create(&lab, 6);
    sync(&lab, &[]).await;
    let mut before = rows(&lab).await;
    for (at, missed_by) in [&[1][..], &[2], &[1, 2]].into_iter().enumerate() {
        // One that is really gone makes for a second listing.
        vanish(&lab, &ids[at..=at]);
        let id = ids[5].clone();
        let begun = watch_listings(&lab, move |world, listing| {
            if missed_by.contains(&listing) { world.hide_from_listings(&id) } else { world.show_vm(&id) }
        });
        ended(&once(&lab, &["sync"], &[UNBOUND]).await, 0);
        assert!(begun.load(Ordering::SeqCst) >= 2, "the one that is gone asks for a second listing");
        before.retain(|(_, name, _)| *name != format!("vm{}.domain.com", at + 1));
        assert_eq!(rows(&lab).await, before, "vm6 was missed by the listings {missed_by:?}");
    }
}

#[tokio::test]
async fn a_vm_that_one_listing_and_its_look_up_lack_stays_if_the_next_listing_shows_it() {
    let lab = Lab::new("blink").await;
    example(&lab).await;
    let ids = create(&lab, 4);
    sync(&lab, &[]).await;
    let before = rows(&lab).await;
    vanish(&lab, &ids[..1]);
    let id = ids[3].clone();
    let begun = watch_listings(
        &lab,
        move |world, listing| {
            if listing == 2 { world.hide_vm(&id) } else { world.show_vm(&id) }
        },
    );
    ended(&once(&lab, &["sync"], &[UNBOUND]).await, 0);
    assert_eq!(begun.load(Ordering::SeqCst), 3, "what the second listing lacks, a third one decides");
    assert_eq!(
        rows(&lab).await,
        before[1..],
        "one listing and one look-up prove nothing: the very rows stay"
    );
}

#[tokio::test]
async fn a_vm_that_nothing_shows_for_two_listings_of_run_goes_and_not_before() {
    let lab = Lab::new("two_of_run").await;
    example(&lab).await;
    let ids = create(&lab, 3);
    // Nothing is asked for: one listing at the start, then only those that the absence itself asks for.
    let settings = [("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "3s"), UNBOUND];
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..1]);
    let begun = Instant::now();
    let controller = serve(&lab, &settings).await;
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "two listings RESYNC_MIN_INTERVAL apart prove it");
    assert_eq!(count(&lab).await, 2);
    drop(controller);
}

#[tokio::test]
async fn sync_lists_once_and_a_second_time_only_to_prove_an_absence() {
    let lab = Lab::new("listings").await;
    example(&lab).await;
    let ids = create(&lab, 3);
    let listings = watch_listings(&lab, |_, _| {});
    sync(&lab, &[]).await;
    assert_eq!(listings.swap(0, Ordering::SeqCst), 1, "a first sync has nothing to prove");
    lab.world().silent().destroy_vm(&ids[0]);
    sync(&lab, &[]).await;
    assert_eq!(listings.swap(0, Ordering::SeqCst), 1, "what the API shows as destroyed needs no proof");
    vanish(&lab, &ids[1..2]);
    let begun = Instant::now();
    sync(&lab, &[("RESYNC_MIN_INTERVAL", "3s")]).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "the two are RESYNC_MIN_INTERVAL apart");
    assert_eq!(listings.swap(0, Ordering::SeqCst), 2, "an absence takes two listings, and no more");
    assert_eq!(count(&lab).await, 1);
}

#[tokio::test]
async fn a_second_listing_that_fails_for_a_while_is_still_had_before_sync_ends() {
    let lab = Lab::new("second_fails").await;
    example(&lab).await;
    let ids = create(&lab, 3);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..1]);
    // Between two listings that succeed, more requests fail than one resync tries.
    lab.sim.fail_after(Some(LIST), 1, 12, Fault::Status(530, Body::Empty));
    ended(&once(&lab, &["sync"], &[]).await, 0);
    assert_eq!(count(&lab).await, 2, "sync said that nothing is left to do, and vm1 is gone");
}

#[tokio::test]
async fn look_ups_are_batched_and_an_id_that_the_api_does_not_know_splits_its_batch_only() {
    let lab = Lab::new("batches").await;
    example(&lab).await;
    lab.db.zone("many.org").await.unwrap();
    let many = lab.world().add_account(&lab.world().root(), "many", Some("many.org"));
    let ids: Vec<String> = (0..401)
        .map(|at| {
            let address = format!("10.0.{}.{}", at / 200, at % 200 + 1);
            lab.world().create_vm(VmSpec::new(&format!("m{at}"), &many).v4(&address))
        })
        .collect();
    sync(&lab, &[]).await;
    let records = async || lab.db.rows_of_zone("many.org").await.unwrap().len();
    let before = records().await;
    for id in &ids {
        lab.world().hide_from_listings(id);
    }
    lab.sim.clear_log();
    sync(&lab, &[UNBOUND]).await;
    let batches: Vec<usize> = looks(&lab).iter().map(Vec::len).collect();
    let mut sorted = batches.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 200, 200], "401 VMs are looked up in batches of 200 ids");
    assert_eq!(records().await, before, "and all of them are found");
    lab.world().silent().destroy_vm(&ids[7]);
    lab.world().purge_vm(&ids[7]);
    lab.sim.clear_log();
    sync(&lab, &[UNBOUND]).await;
    assert_eq!(records().await, before - 1, "the one that the API does not know (431) goes, the others stay");
    // Two listings and, in each, the halves on the way to that one id: 2 * (2 * 8) and the three batches.
    let calls = looks(&lab).len();
    assert!((4..=2 * (3 + 16)).contains(&calls), "{calls} look-ups for one unknown id among 401");
}

#[tokio::test]
async fn look_ups_of_one_listing_are_bounded_and_what_is_beyond_waits_for_the_next() {
    let lab = Lab::new("bounded").await;
    example(&lab).await;
    create(&lab, 1);
    sync(&lab, &[]).await;
    // Rows and entries of VMs that nobody lists.
    let rows = "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                SELECT zone_id, CONCAT('x', seq, '.domain.com'), 'A', '203.0.113.1', 60, 0, 0, 1 \
                FROM seq_1_to_10100, cs_powerdns_ledger";
    let entries = "INSERT INTO cs_powerdns_ledger (name, type, content, zone_id, owner_id, ttl, record_id, vm, \
                   account, kind, held_hash, on_hold, created_at, updated_at) \
                   SELECT r.name, r.type, r.content, r.domain_id, l.owner_id, 60, r.id, \
                   CONCAT('00000000-0000-4000-8000-', LPAD(SUBSTRING_INDEX(SUBSTRING(r.name, 2), '.', 1), 12, '0')), \
                   l.account, 'name', 0, 0, NOW(), NOW() \
                   FROM records r, cs_powerdns_ledger l WHERE r.content = '203.0.113.1'";
    lab.db.exec(rows).await.unwrap();
    lab.db.exec(entries).await.unwrap();
    for at in 1..=10_100 {
        lab.world().hide_vm(&format!("00000000-0000-4000-8000-{at:012}"));
    }
    let listings = watch_listings(&lab, |_, _| {});
    lab.sim.clear_log();
    sync(&lab, &[UNBOUND]).await;
    let asked: usize = looks(&lab).iter().map(Vec::len).sum();
    let listings = listings.load(Ordering::SeqCst);
    assert_eq!((asked, listings), (10_100, 4), "5000, 5000 and 100 after the first listing");
    assert_eq!(count(&lab).await, 1, "sync ends when every absence is proved");
}

#[tokio::test]
async fn an_older_listing_never_wins_over_what_events_have_shown_since() {
    let mut lab = Lab::new("older").await;
    lab.kafka();
    example(&lab).await;
    let mut ids = create(&lab, 3);
    ids.push(lab.world().create_vm(vm("kept", "192.0.2.9")));
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "1s"), NOTHING]).await;
    answers(&lab, "kept.domain.com", "A", &["192.0.2.9"]).await;
    // The next listing's answer is fixed now, and arrives when all of this has happened and shows in DNS.
    let (fixed, late) = (Arc::new(AtomicBool::new(false)), Gate::default());
    let flag = fixed.clone();
    lab.sim.fail_next_of(LIST, 1, Fault::Stale(late.clone()));
    lab.sim.before_every_page(move |_, _| flag.store(true, Ordering::SeqCst));
    poll("a listing has begun", LIMIT, async || {
        if fixed.load(Ordering::SeqCst) { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    let resyncs = metric(&controller, RESYNCS).await.unwrap();
    lab.world().destroy_vm(&ids[0]);
    lab.world().destroy_vm(&ids[1]);
    lab.world().expunge_vm(&ids[1]);
    lab.world().rename_vm(&ids[2], "renamed");
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    answers(&lab, "vm2.domain.com", "A", &[]).await;
    answers(&lab, "vm3.domain.com", "A", &[]).await;
    answers(&lab, "renamed.domain.com", "A", &["198.51.100.3"]).await;
    answers(&lab, "9.2.0.192.in-addr.arpa", "PTR", &["kept.domain.com."]).await;
    lab.forget_writes().await;
    assert_eq!(metric(&controller, RESYNCS).await, Ok(resyncs), "the listing is still on its way");
    late.open();
    metric_reaches(&controller, RESYNCS, resyncs + 2.0).await;
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    assert_eq!(writes, Vec::<String>::new(), "the late listing brings nothing back and takes nothing away");
    drop(controller);
}
