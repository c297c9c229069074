//! Events in masses, out of order, doubled, forged, without sense, and shared with somebody else: they cost
//! time and no record, and whatever they say, each VM's last change shows in DNS.

use super::{
    losses_support::{LIST, UNBOUND, looks},
    rectify_towns::Dice,
    servers_support::{memory, warnings},
    support::{
        ACCOUNT, EVENTS_ONLY, LIMIT, LOOKS, RESYNCS, answers, example, metric, metric_reaches, serve_events,
        vm,
    },
};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::{Controller, Fault, Lab, VmSpec, World, broker, poll, sim::Gate};

const MESSAGES: &str = "cs_powerdns_trigger_messages_total";
const DIRTY: &str = "cs_powerdns_dirty_vms";

/// The mock lets a group that changes wait for almost the session's time.
const SESSION: (&str, &str) = ("KAFKA_CONFIG", "session.timeout.ms=6000,heartbeat.interval.ms=1000");

/// A short message about a VM: the mock keeps 5 MB of each partition.
fn about(id: &str) -> String {
    format!(r#"{{"event":"VM.REBOOT","status":"Completed","VirtualMachine":"{id}"}}"#)
}

/// So many VMs, vm1 and on, of which no event tells, so that no look follows them.
fn create_silently(lab: &Lab, count: usize) -> Vec<String> {
    let silent = lab.world().silent();
    (1..=count).map(|at| silent.create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{at}")))).collect()
}

async fn publish(lab: &Lab, values: impl IntoIterator<Item = String>) {
    broker().publisher().publish_all(&lab.topic, values).await.expect("the broker takes them");
}

/// The addresses of all names in `domain.com`.
async fn addresses(lab: &Lab) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for row in lab.db.rows_of_zone("domain.com").await.expect("the rows") {
        if let (Some("A"), Some(content)) = (row.kind.as_deref(), row.content) {
            found.entry(row.name).or_default().push(content);
        }
    }
    found
}

/// Waits until `domain.com` has exactly what the running VMs want.
async fn converges(lab: &Lab, what: &str) {
    let world = lab.world();
    let mut desired = BTreeMap::<String, Vec<String>>::new();
    for vm in world.vms().iter().filter_map(|id| world.vm(id)).filter(|vm| vm.state != "Destroyed") {
        let address = vm.nics[0].v4.clone().expect("an address");
        desired.insert(format!("{}.domain.com", vm.name), vec![address]);
    }
    poll(what, LIMIT * 2, async || {
        let found = addresses(lab).await;
        let differ = desired.iter().filter(|(name, want)| found.get(*name) != Some(want)).count();
        let more = found.keys().filter(|name| !desired.contains_key(*name)).count();
        if (differ, more) == (0, 0) {
            Ok(())
        } else {
            Err(format!("{differ} names differ, {more} are too many"))
        }
    })
    .await;
}

/// How often each VM was looked at since the log began.
fn times(lab: &Lab) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    looks(lab).into_iter().flatten().for_each(|id| *times.entry(id).or_default() += 1);
    times
}

async fn rests(controller: &Controller, what: &str) {
    // The last look follows 30 s after the last event.
    poll(what, LIMIT * 3, async || {
        let dirty = metric(controller, DIRTY).await?;
        if dirty < 0.5 { Ok(()) } else { Err(format!("{dirty} VMs are dirty")) }
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_events_for_a_thousand_vms_are_served_with_few_requests() {
    const VMS: usize = 1000;
    let mut lab = Lab::new("burst").await;
    lab.kafka();
    example(&lab).await;
    let silent = lab.world().silent();
    let address = |net: usize, at: usize| format!("10.{net}.{}.{}", at / 200, at % 200 + 1);
    let ids: Vec<String> =
        (0..VMS).map(|at| silent.create_vm(vm(&format!("vm{at}"), &address(1, at)))).collect();
    let controller = serve_events(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], ("LEASE_TTL", "60s")]).await;
    converges(&lab, "the first records are there").await;
    for (at, id) in ids.iter().enumerate() {
        silent.set_address(id, Some(&address(2, at)), None);
    }
    lab.sim.clear_log();
    // All of them lie there when it goes on: it is to meet them as fast as it can read.
    controller.signal("STOP").unwrap();
    publish(&lab, (0..100_000).map(|nth| about(&ids[nth * 7 % VMS]))).await;
    let (before, begun) = (memory(&controller), Instant::now());
    controller.signal("CONT").unwrap();
    metric_reaches(&controller, MESSAGES, 100_000.0).await;
    let took = begun.elapsed();
    converges(&lab, "each VM's new address is there").await;
    // Those that follow 30 s later are like them, and not waited for.
    poll("each VM is looked at again 3 s later", LIMIT, async || {
        let times = times(&lab);
        let once = ids.iter().filter(|id| times.get(*id).is_none_or(|times| *times < 2)).count();
        if once == 0 { Ok(()) } else { Err(format!("{once} were not")) }
    })
    .await;
    let asked = lab.sim.requests(LIST);
    // Five requests do for all VMs: at once, 3 s and 30 s later, and, while the burst is being read, once a
    // second, in four times as many, since they become due in smaller lots then.
    let (round, seconds) = (VMS.div_ceil(200), usize::try_from(took.as_secs()).unwrap());
    let most = 3 * round + 10 + 4 * round * seconds;
    assert!(asked <= most, "{asked} requests; reading the burst took {took:?}");
    // At once, once a second, and after its end once more, 3 s later, and perhaps 30 s later.
    let busiest = times(&lab).into_values().max().unwrap_or_default();
    assert!(busiest <= seconds + 4, "a VM was looked at {busiest} times; reading the burst took {took:?}");
    assert!(memory(&controller) < before + 64, "{before} MiB have become {}", memory(&controller));
}

#[tokio::test]
async fn a_thousand_events_for_one_vm_during_a_slow_look_make_exactly_one_more() {
    let mut lab = Lab::new("one_more").await;
    lab.kafka();
    example(&lab).await;
    let ids = create_silently(&lab, 2);
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    lab.sim.clear_log();
    let seen = metric(&controller, MESSAGES).await.unwrap();
    let of = |id: &String| looks(&lab).iter().filter(|asked| asked.contains(id)).count();
    let looked = async |times: usize| {
        // The last look follows 30 s after the event.
        poll(&format!("the VM is looked at {times} times"), LIMIT * 2, async || match of(&ids[0]) {
            so_far if so_far == times => Ok(()),
            so_far => Err(format!("{so_far} looks")),
        })
        .await;
    };
    publish(&lab, [about(&ids[0])]).await;
    looked(2).await;
    // The slow one is the last: nothing but an event that comes meanwhile makes another one.
    let slow = Gate::default();
    lab.sim.fail_looks(1, Fault::Stale(slow.clone()));
    looked(3).await;
    publish(&lab, (0..1000).map(|_| about(&ids[0]))).await;
    metric_reaches(&controller, MESSAGES, seen + 1001.0).await;
    lab.world().silent().set_address(&ids[0], Some("198.51.100.77"), None);
    // Its look 3 s after the latest event is due by then: one look will do for both.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    slow.open();
    poll("vm1.domain.com has its new address", LIMIT, async || {
        let found = lab.db.contents("vm1.domain.com", "A").await.map_err(|error| error.to_string())?;
        if found == ["198.51.100.77"] { Ok(()) } else { Err(format!("it has {found:?}")) }
    })
    .await;
    // Another VM's look, and the one 3 s after it, come and go meanwhile.
    publish(&lab, [about(&ids[1])]).await;
    poll("the other VM is looked at twice", LIMIT, async || match of(&ids[1]) {
        2.. => Ok(()),
        looks => Err(format!("{looks} looks")),
    })
    .await;
    assert_eq!(of(&ids[0]), 4, "one look more than the slow one: {:?}", looks(&lab));
}

#[tokio::test]
async fn a_steady_stream_of_events_keeps_neither_its_own_vm_nor_others_nor_the_audit_waiting() {
    let mut lab = Lab::new("steady").await;
    lab.kafka();
    example(&lab).await;
    let silent = lab.world().silent();
    let ids: Vec<String> = (0..40)
        .map(|at| silent.create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{}", at + 1))))
        .collect();
    // What a resync finds before its event does counts as nobody's announcement.
    let bound = ("DNS_MAX_LOSS_PERCENT", "100");
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "2s"), bound]).await;
    converges(&lab, "the first records are there").await;
    // vm0 is named all the time; vm1 to vm19 are renamed in turn; vm20 and on are never named.
    let over = Arc::new(AtomicBool::new(false));
    let (stop, world, stream) = (over.clone(), lab.world().clone(), ids.clone());
    let thread = std::thread::spawn(move || {
        for round in 0_usize.. {
            if stop.load(Ordering::SeqCst) {
                return round;
            }
            world.set_state(&stream[0], "Running");
            world.rename_vm(&stream[round % 19 + 1], &format!("busy{}", round % 400));
            std::thread::sleep(Duration::from_millis(10));
        }
        0
    });
    metric_reaches(&controller, MESSAGES, 200.0).await;
    // A resync would find what it is after all the same: these looks are the events' own.
    let own = || times(&lab).get(&ids[0]).copied().unwrap_or_default();
    let (so_far, begun) = (own(), Instant::now());
    poll("vm0 is looked at twice while events about it stream in", LIMIT, async || match own() - so_far {
        2.. => Ok(()),
        looks => Err(format!("{looks} looks")),
    })
    .await;
    let resyncs = metric(&controller, RESYNCS).await.unwrap();
    let stands = async |name: &str, address: &str| {
        poll(&format!("{name} has {address} while events stream in"), LIMIT, async || {
            let found = lab.db.contents(name, "A").await.map_err(|error| error.to_string())?;
            if found == [address] { Ok(()) } else { Err(format!("it has {found:?}")) }
        })
        .await;
    };
    for round in 1..=2 {
        let (own, quiet, told) =
            (format!("203.0.113.{round}"), format!("203.0.113.1{round}"), format!("203.0.113.2{round}"));
        silent.set_address(&ids[0], Some(&own), None);
        stands("vm0.domain.com", &own).await;
        lab.world().set_address(&ids[21], Some(&told), None);
        stands("vm21.domain.com", &told).await;
        silent.set_address(&ids[20], Some(&quiet), None);
        lab.db.exec("DELETE FROM records WHERE name = 'vm22.domain.com'").await.unwrap();
        stands("vm20.domain.com", &quiet).await;
        stands("vm22.domain.com", "198.51.100.23").await;
    }
    metric_reaches(&controller, RESYNCS, resyncs + 2.0).await;
    let (looks, seconds) = (own() - so_far, usize::try_from(begun.elapsed().as_secs()).unwrap());
    assert!(looks <= seconds + 2, "vm0 was looked at {looks} times in {seconds} s");
    over.store(true, Ordering::SeqCst);
    assert!(thread.join().unwrap() > 100, "that was no stream");
    converges(&lab, "when the stream has ended, all is as the VMs want").await;
}

#[tokio::test]
async fn forged_ids_are_dropped_in_a_mass_and_what_they_say_of_living_vms_is_not_believed() {
    let mut lab = Lab::new("forged").await;
    lab.kafka();
    example(&lab).await;
    let ids = create_silently(&lab, 20);
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "10m")]).await;
    converges(&lab, "the first records are there").await;
    let rows = lab.db.rows_of_zone("domain.com").await.unwrap();
    let (seen, before) = (metric(&controller, MESSAGES).await.unwrap(), memory(&controller));
    let resyncs = metric(&controller, RESYNCS).await.unwrap();
    lab.sim.clear_log();
    let forged = (0..12_000_u32).map(|nth| about(&format!("{nth:08x}-0bad-4bad-8bad-0123456789ab")));
    let said = |id: &String, event: &str| {
        format!(r#"{{"event":"{event}","status":"Completed","entity":"VirtualMachine","entityuuid":"{id}"}}"#)
    };
    let gone = ids.iter().flat_map(|id| [said(id, "VM.DESTROY"), said(id, "VM.EXPUNGE")]);
    publish(&lab, forged.chain(gone)).await;
    metric_reaches(&controller, MESSAGES, seen + 12_040.0).await;
    let dirty = metric(&controller, DIRTY).await.unwrap();
    assert!(dirty <= 10_000.0 + 2.0 * 20.0, "{dirty} VMs are dirty");
    metric_reaches(&controller, RESYNCS, resyncs + 1.0).await;
    // A real event behind them is served.
    lab.world().set_address(&ids[0], Some("203.0.113.1"), None);
    answers(&lab, "vm1.domain.com", "A", &["203.0.113.1"]).await;
    rests(&controller, "all looks are had").await;
    // Each unknown id costs two requests and more: without an end to them there would be 70 000.
    let asked = lab.sim.requests(LIST);
    assert!(asked < 30_000, "{asked} requests");
    let others = |rows: Vec<testbed::Row>| -> Vec<_> {
        rows.into_iter()
            .filter(|row| row.kind.as_deref() == Some("A") && row.name != "vm1.domain.com")
            .collect()
    };
    assert_eq!(others(lab.db.rows_of_zone("domain.com").await.unwrap()), others(rows), "no row was touched");
    assert!(memory(&controller) < before + 64, "{before} MiB have become {}", memory(&controller));
}

#[tokio::test]
async fn partitions_that_another_member_takes_and_gives_back_cost_time_only() {
    let mut lab = Lab::new("rebalance").await;
    lab.kafka();
    example(&lab).await;
    let ids = create_silently(&lab, 30);
    // No resync of its own accord within ten minutes; and what it will find, nobody has announced to the controller.
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "10m"), UNBOUND, SESSION]).await;
    converges(&lab, "the first records are there").await;
    let mut config = ClientConfig::new();
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "1000");
    config.set("bootstrap.servers", broker().bootstrap()).set("group.id", format!("group-{}", lab.db.name));
    config.set("partition.assignment.strategy", "cooperative-sticky").set("auto.offset.reset", "latest");
    let (topic, over) = (lab.topic.clone(), Arc::new(AtomicBool::new(false)));
    let (stolen, place) = (Arc::<AtomicUsize>::default(), Arc::new(AtomicI32::new(-1)));
    let (stop, counter, shown) = (over.clone(), stolen.clone(), place.clone());
    // It reads, commits, and does nothing.
    let other = std::thread::spawn(move || {
        let thief: BaseConsumer = config.create().expect("a consumer");
        thief.subscribe(&[&topic]).expect("it subscribes");
        while !stop.load(Ordering::SeqCst) {
            let read = matches!(thief.poll(Duration::from_millis(50)), Some(Ok(_)));
            counter.fetch_add(usize::from(read), Ordering::SeqCst);
            let own = thief.assignment().ok().and_then(|list| Some(list.elements().first()?.partition()));
            shown.store(own.unwrap_or(-1), Ordering::SeqCst);
        }
        let _ = thief.commit_consumer_state(rdkafka::consumer::CommitMode::Sync);
    });
    poll("the other member has taken partitions", LIMIT, async || {
        let left = metric(&controller, "cs_powerdns_trigger_partitions").await?;
        if left < 2.5 { Ok(()) } else { Err(format!("{left} are left to the controller")) }
    })
    .await;
    poll("the other member knows its partitions", LIMIT, async || {
        if place.load(Ordering::SeqCst) < 0 { Err("not yet".into()) } else { Ok(()) }
    })
    .await;
    let change = |world: &World, net: usize| {
        for (at, id) in ids.iter().enumerate() {
            world.set_address(id, Some(&format!("10.{net}.0.{}", at + 1)), None);
        }
    };
    // Only the other member is told of these changes.
    change(&lab.world().silent(), 0);
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", broker().bootstrap()).create().unwrap();
    for id in &ids {
        let (event, partition) = (about(id), place.load(Ordering::SeqCst));
        let record = BaseRecord::<str, str>::to(&lab.topic).partition(partition).payload(&event);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    poll("the other member reads them", LIMIT, async || {
        let read = stolen.load(Ordering::SeqCst);
        if read >= ids.len() { Ok(()) } else { Err(format!("it has read {read}")) }
    })
    .await;
    let served = addresses(&lab).await.into_values().flatten().filter(|address| address.starts_with("10.0."));
    assert_eq!(served.count(), 0, "the controller was told of none of them");
    over.store(true, Ordering::SeqCst);
    other.join().unwrap();
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    converges(&lab, "the assignment brings a resync, which finds what the other member was told").await;
    change(lab.world(), 1);
    converges(&lab, "events of all partitions come again").await;
}

#[tokio::test]
async fn events_in_any_order_and_any_number_end_in_what_the_api_says() {
    let mut lab = Lab::new("shuffled").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let mut dice = Dice(5);
    let mut ids = Vec::new();
    for round in 0..4 {
        lab.world().hold_events();
        for at in 0..40 {
            match dice.below(if ids.is_empty() { 1 } else { 5 }) {
                0 | 1 => ids.push(lab.world().create_vm(VmSpec {
                    v4: Some(format!("10.{round}.0.{}", at + 1)),
                    ..VmSpec::new(&format!("vm{round}-{at}"), ACCOUNT)
                })),
                2 => lab.world().rename_vm(&ids[dice.below(ids.len())], &format!("new{round}-{at}")),
                3 => {
                    let id = ids[dice.below(ids.len())].clone();
                    lab.world().set_address(&id, Some(&format!("10.{round}.1.{}", at + 1)), None);
                }
                _ => {
                    let id = ids.swap_remove(dice.below(ids.len()));
                    lab.world().destroy_vm(&id);
                    if dice.below(2) == 0 {
                        lab.world().expunge_vm(&id);
                    }
                }
            }
        }
        let mut events = lab.world().take_held();
        for event in &events.clone() {
            for _ in 0..dice.below(3) {
                events.push(event.clone());
            }
        }
        for last in (1..events.len()).rev() {
            events.swap(last, dice.below(last + 1));
        }
        for event in &events {
            lab.world().publish(event);
        }
        converges(&lab, "after events in any order, all is as the VMs want").await;
    }
    drop(controller);
}

#[tokio::test]
async fn nothing_but_poison_is_counted_fills_no_log_and_is_not_read_twice() {
    const POISON: u32 = 20_000;
    const UNREADABLE: &str = "cs_powerdns_trigger_ignored_messages_total{reason=\"unreadable\"}";
    let mut lab = Lab::new("poison_only").await;
    lab.kafka();
    example(&lab).await;
    let settings = [EVENTS_ONLY[0], EVENTS_ONLY[1], SESSION, ("RUST_LOG", "info")];
    let mut controller = serve_events(&lab, &settings).await;
    let lines = controller.output().lines().count();
    let (seen, before) = (warnings(&controller), memory(&controller));
    let kinds =
        ["", "]", "\u{0}\u{1}", "{\"event\":", "nul", "{\"event\":\"VM.CREATE\",\"entityuuid\":\"\u{7f}"];
    publish(&lab, (0..POISON as usize).map(|nth| kinds[nth % kinds.len()].to_owned())).await;
    metric_reaches(&controller, UNREADABLE, f64::from(POISON)).await;
    let more = controller.output().lines().count() - lines;
    assert!(more < 20 && warnings(&controller) == seen, "{more} lines of log\n{}", controller.output());
    assert!(memory(&controller) < before + 64, "{before} MiB have become {}", memory(&controller));
    // Offsets move on although no message has made a mark.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker().bootstrap()).set("group.id", format!("group-{}", lab.db.name));
    let group: BaseConsumer = config.create().unwrap();
    poll("the group's offsets are the partitions' ends", LIMIT, async || {
        let mut list = TopicPartitionList::new();
        for partition in 0..3 {
            list.add_partition(&lab.topic, partition);
        }
        let committed = group.committed_offsets(list, LIMIT).map_err(|error| error.to_string())?;
        let mut behind = BTreeSet::new();
        for one in committed.elements() {
            let (_, end) = group
                .fetch_watermarks(&lab.topic, one.partition(), LIMIT)
                .map_err(|error| error.to_string())?;
            if one.offset().to_raw() != Some(end) {
                behind.insert((one.partition(), one.offset().to_raw(), end));
            }
        }
        if behind.is_empty() { Ok(()) } else { Err(format!("{behind:?}")) }
    })
    .await;
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0, "{}", controller.output());
    let controller = serve_events(&lab, &settings).await;
    lab.world().create_vm(vm("after", "192.0.2.10"));
    answers(&lab, "after.domain.com", "A", &["192.0.2.10"]).await;
    let read = metric(&controller, MESSAGES).await.unwrap();
    assert!(read < 100.0, "{read} messages were read after the restart: the poison came again");
    metric_reaches(&controller, LOOKS, 1.0).await;
}
