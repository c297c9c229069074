//! Kill -9 under load: whatever was in hand, the tables are sound at once, and what the next one makes of
//! them is what the API says.
//!
//! CS_POWERDNS_TEST_KILLS=N kills so many controllers in each of four labs (13), CS_POWERDNS_TEST_SEED=N
//! at other moments.

use super::{
    faults_town::expire,
    rectify_towns::Dice,
    servers_support::sound,
    support::{ACCOUNT, EVENTS_ONLY, LIMIT, example, metric, once, serve, serve_events, start, vm},
};
use mysql_async::{TxOpts, prelude::Queryable};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use testbed::{Lab, MariaDb, MariaDbOptions, VmSpec, World, poll, statements};

const ZONE: &str = "domain.com";
const REVERSE: &str = "0.10.in-addr.arpa";
/// An operator's rows: at a name that a VM wants, and at one that none wants.
const FOREIGN: [&str; 2] = ["vm3.domain.com", "mail.domain.com"];
const VMS: usize = 300;
/// Four at a time kill 13 each: 52 in all.
const KILLS: usize = 13;
const SEED: u64 = 20_261_123;

/// A cloud whose VMs change all the time, until told to rest.
struct Churn {
    over: Arc<AtomicBool>,
    changes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Churn {
    /// 300 VMs with names, PTRs and groups, of which one changes every few milliseconds.
    fn begin(world: &World, seed: u64, pause: Duration) -> Self {
        let (over, changes) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let mut ids: Vec<String> = (0..VMS).map(|at| create(world, at)).collect();
        let (world, stop, counter) = (world.clone(), over.clone(), changes.clone());
        let thread = std::thread::spawn(move || {
            let mut dice = Dice(seed);
            for next in VMS.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let at = dice.below(ids.len());
                match dice.below(6) {
                    0 => {
                        world.destroy_vm(&ids[at]);
                        world.expunge_vm(&ids[at]);
                        ids[at] = create(&world, next);
                    }
                    1 => world.rename_vm(&ids[at], &format!("other{next}")),
                    2 => world.set_group(&ids[at], Some(["www", "db", "cache"][dice.below(3)])),
                    3 => world.set_group(&ids[at], None),
                    _ => world.set_address(&ids[at], Some(&address(next)), None),
                }
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(pause);
            }
        });
        Self { over, changes, thread: Some(thread) }
    }

    /// Ends it; how many changes there were.
    fn end(mut self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().expect("it is ended once").join().expect("the world changes without a panic");
        self.changes.load(Ordering::SeqCst)
    }
}

/// An operator who now and then holds the zones' SOA rows for a moment, so that transactions wait in the middle.
struct Locker(Arc<AtomicBool>, tokio::task::JoinHandle<()>);

impl Locker {
    fn begin(lab: &Lab, seed: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (admin, stop, mut dice) = (lab.db.admin.clone(), over.clone(), Dice(seed));
        let locks = tokio::spawn(async move {
            let mut connection = admin.get_conn().await.expect("a connection");
            while !stop.load(Ordering::SeqCst) {
                let mut locked = connection.start_transaction(TxOpts::new()).await.expect("a transaction");
                // He too may lose a deadlock.
                let _ = locked.query_drop("SELECT id FROM records WHERE type = 'SOA' FOR UPDATE").await;
                tokio::time::sleep(Duration::from_millis(30 + dice.below(100) as u64)).await;
                let _ = locked.rollback().await;
                tokio::time::sleep(Duration::from_millis(20 + dice.below(100) as u64)).await;
            }
        });
        Self(over, locks)
    }

    async fn end(self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.await.expect("the operator goes home");
    }
}

fn address(at: usize) -> String {
    format!("10.0.{}.{}", at / 250 % 250, at % 250 + 1)
}

fn create(world: &World, at: usize) -> String {
    world.create_vm(VmSpec {
        group: at.is_multiple_of(3).then(|| "www".to_owned()),
        ..vm(&format!("vm{at}"), &address(at))
    })
}

/// What the rows should be, by the world alone: no two VMs of this cloud want one name, and no two of those that
/// want one address.
fn desired(world: &World) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for id in world.vms() {
        let Some(vm) = world.vm(&id).filter(|vm| vm.state == "Running") else { continue };
        let v4 = vm.nics[0].v4.as_deref().expect("each has an address");
        let name = format!("{}.{ZONE}", vm.name);
        if let Some((_, group)) = &vm.group {
            rows.insert(format!("{group}-{}.{ZONE} A {v4}", &ACCOUNT[..8]));
        }
        // An operator's row blocks the name, and no PTR points where its address does not stand.
        if !FOREIGN.contains(&name.as_str()) {
            let reverse: Vec<&str> = v4.rsplit('.').collect();
            rows.insert(format!("{name} A {v4}"));
            rows.insert(format!("{}.in-addr.arpa PTR {name}", reverse.join(".")));
        }
    }
    rows
}

async fn standing(lab: &Lab) -> BTreeSet<String> {
    let sql = format!(
        "SELECT CONCAT_WS(' ', name, type, content) FROM records WHERE type IN ('A', 'AAAA', 'PTR') \
         AND name NOT IN ('{}')",
        FOREIGN.join("', '")
    );
    lab.db.query::<String>(&sql).await.expect("the rows").into_iter().collect()
}

/// The operator's rows, with their ids.
async fn foreign(lab: &Lab) -> Vec<String> {
    let sql = format!(
        "SELECT CONCAT_WS(' ', id, name, type, content, ttl, disabled) FROM records WHERE name IN ('{}') ORDER BY id",
        FOREIGN.join("', '")
    );
    lab.db.query(&sql).await.expect("the rows")
}

async fn serials(lab: &Lab) -> [u32; 2] {
    [lab.db.serial(ZONE).await.expect("a serial"), lab.db.serial(REVERSE).await.expect("a serial")]
}

async fn settle_down(lab: &Lab) {
    example(lab).await;
    lab.db.zone(REVERSE).await.expect("it works");
    lab.db.insert(ZONE, FOREIGN[0], "A", "192.0.2.250", 300).await.expect("it works");
    lab.db.insert(ZONE, FOREIGN[1], "A", "192.0.2.251", 300).await.expect("it works");
}

/// Waits until the rows are what the world wants, and says in which they differ.
async fn converges(lab: &Lab, what: &str) {
    poll(what, LIMIT * 2, async || {
        let (desired, found) = (desired(lab.world()), standing(lab).await);
        let lacks: Vec<_> = desired.difference(&found).take(5).collect();
        let more: Vec<_> = found.difference(&desired).take(5).collect();
        if lacks.is_empty() && more.is_empty() {
            return Ok(());
        }
        let (all_lacks, all_more) = (desired.difference(&found).count(), found.difference(&desired).count());
        Err(format!("lacks {all_lacks}, as {lacks:?}, has {all_more} too many, as {more:?}"))
    })
    .await;
}

/// How many connections of the controller's user ended inside a transaction that had written.
async fn cut_short(lab: &Lab) -> usize {
    let sql = format!(
        "SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log \
         WHERE command_type IN ('Query', 'Execute') AND LEFT(user_host, {}) = '{}[' ORDER BY event_time",
        lab.db.user.len() + 1,
        lab.db.user
    );
    let said: Vec<(u64, String)> = lab.db.query(&sql).await.expect("the general log");
    let mut open = std::collections::BTreeMap::new();
    let each = |(thread, text): &(u64, String)| {
        statements(text).into_iter().map(|statement| (*thread, statement.to_owned())).collect::<Vec<_>>()
    };
    for (thread, statement) in said.iter().flat_map(each) {
        let word = statement.trim_start().split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "START" => _ = open.insert(thread, false),
            "COMMIT" | "ROLLBACK" => _ = open.remove(&thread),
            "INSERT" | "DELETE" | "UPDATE" => {
                if let Some(written) = open.get_mut(&thread) {
                    *written = true;
                }
            }
            _ => {}
        }
    }
    open.values().filter(|written| **written).count()
}

async fn dies_at_any_moment(nth: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CS_POWERDNS_TEST_SEED").unwrap_or(SEED) + nth;
    let kills =
        number("CS_POWERDNS_TEST_KILLS").map_or(KILLS, |kills| usize::try_from(kills).expect("a number"));
    let mut dice = Dice(seed);
    let mut lab = Lab::new(&format!("killed_{nth}")).await;
    lab.kafka();
    settle_down(&lab).await;
    let before = foreign(&lab).await;
    let churn = Churn::begin(lab.world(), seed, Duration::from_millis(5));
    let locker = Locker::begin(&lab, seed);
    let settings = [
        ("RESYNC_INTERVAL", "1s"),
        ("DNS_MAX_LOSS_PERCENT", "100"),
        ("KAFKA_CONFIG", "session.timeout.ms=2000,heartbeat.interval.ms=500"),
        // None is lost while its holder lives, however busy the machine.
        ("LEASE_TTL", "30s"),
    ];
    let mut last = serials(&lab).await;
    for life in 1..=kills {
        let when = format!("CS_POWERDNS_TEST_SEED={}: killed the {life}th time", seed - nth);
        // A statement that writes is under way; what renews the lease goes by another connection.
        let writing = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{}' AND (INFO LIKE '%records%' \
             OR INFO LIKE '%ledger%') AND (INFO LIKE 'INSERT%' OR INFO LIKE 'UPDATE%' OR INFO LIKE 'DELETE%' \
             OR INFO LIKE '%FOR UPDATE%')",
            lab.db.user
        );
        // One of seven lives longer, so that events are among what it writes.
        let long = life % 7 == 3;
        let mut controller = start(&lab, &settings);
        poll("it writes", LIMIT, async || {
            if lab.db.query::<u64>(&writing).await.expect("the database answers")[0] > 0 {
                Ok(())
            } else {
                Err(controller.output())
            }
        })
        .await;
        for _ in 0..if long { 100 } else { 0 } {
            // A group is joined in 3 s; on a machine that is too busy for that, it dies without them.
            if metric(&controller, "cs_powerdns_trigger_marks_total").await.is_ok_and(|marks| marks > 10.0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(150) as u64)).await;
        assert_eq!(controller.exit_code(), None, "{when}: it had ended by itself\n{}", controller.output());
        controller.kill().expect("it works");
        controller.wait_exit(LIMIT).await.expect("it works");
        expire(&lab).await;
        sound(&lab, &FOREIGN, &when).await;
        let now = serials(&lab).await;
        assert!(
            now.iter().zip(&last).all(|(now, last)| now >= last),
            "{when}: serials {last:?}, then {now:?}"
        );
        last = now;
        assert_eq!(foreign(&lab).await, before, "{when}: an operator's rows");
    }
    locker.end().await;
    let changes = churn.end();
    assert!(changes > kills * 10, "{changes} changes are no load");
    let controller = serve(&lab, &settings).await;
    converges(&lab, "the rows are what the VMs want").await;
    drop(controller);
    sound(&lab, &FOREIGN, "at the end").await;
    assert_eq!(foreign(&lab).await, before);
    let plan = once(&lab, &["plan"], &settings).await;
    assert_eq!(plan.code, 0, "nothing is left to do:\n{}{}", plan.stdout, plan.stderr);
    let cut = cut_short(&lab).await;
    assert!(cut > 0, "none of {kills} kills hit a transaction: this test shows nothing");
}

/// Four labs side by side: most of a life is waiting, for the lock.
#[tokio::test]
async fn a_controller_that_is_killed_at_any_moment_leaves_the_tables_sound() {
    tokio::join!(dies_at_any_moment(0), dies_at_any_moment(1), dies_at_any_moment(2), dies_at_any_moment(3));
}

#[tokio::test]
async fn a_database_that_is_killed_under_load_loses_nothing_and_is_served_again() {
    let mut server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let mut lab = Lab::on(server.mysql(), "killed_database").await.unwrap();
    lab.kafka();
    settle_down(&lab).await;
    let before = foreign(&lab).await;
    let mut dice = Dice(SEED);

    let settings = [EVENTS_ONLY[0], EVENTS_ONLY[1], ("LEASE_TTL", "30s"), ("DNS_MAX_LOSS_PERCENT", "100")];
    let mut controller = serve_events(&lab, &settings).await;
    // What goes before anybody listens would need two resyncs.
    let churn = Churn::begin(lab.world(), SEED, Duration::from_millis(10));
    let fence = "SELECT fence FROM cs_powerdns_owner";
    for time in 1..=5 {
        let from: Vec<u64> = lab.db.query(fence).await.unwrap();
        poll("it writes", LIMIT, async || {
            // Each outage takes the connections of the test's own pool along.
            let now = lab.db.query::<u64>(fence).await.map_err(|error| format!("{error:#}"))?;
            if now > from { Ok(()) } else { Err(controller.output()) }
        })
        .await;
        tokio::time::sleep(Duration::from_millis(dice.below(300) as u64)).await;
        let last = serials(&lab).await;
        server.kill();
        server.launch().unwrap();
        let when = format!("after the {time}th kill of the database");
        poll("the database answers", LIMIT, async || {
            lab.db.query::<u64>(fence).await.map(drop).map_err(|error| format!("{error:#}"))
        })
        .await;
        let now = serials(&lab).await;
        assert!(
            now.iter().zip(&last).all(|(now, last)| now >= last),
            "{when}: serials {last:?}, then {now:?}"
        );
        assert_eq!(foreign(&lab).await, before, "{when}");
    }
    churn.end();
    converges(&lab, "the rows are what the VMs want, without any resync").await;
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
    controller.kill().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    sound(&lab, &FOREIGN, "at the end").await;
    assert_eq!(foreign(&lab).await, before);
}
