//! Everybody at once (design 6 and 8): PowerDNS's API and SQL editors write to the zones that the controller
//! fills and changes, some in an order of locks that invites deadlocks. Afterwards everything is as it
//! should be.

use super::{
    rules_support::{dump, rectified, settled},
    support::{LIMIT, example, metric, serve_events, sync, vm},
};
use mysql_async::{Pool, prelude::Queryable};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use testbed::{Lab, poll};
use tokio::task::JoinSet;

const ZONE: &str = "domain.com";
/// VMs that stay as they are, and VMs that change all the time.
const STILL: usize = 40;
const MOVING: usize = 60;
const TIME: Duration = Duration::from_secs(6);

/// What an operator has last written at his names.
type Written = BTreeMap<String, String>;

fn address(vm: usize, round: usize) -> String {
    format!("10.{}.{vm}.{}", round / 200, round % 200 + 1)
}

/// Until the time is up, as `at` counts.
struct Crowd {
    over: AtomicBool,
    /// The highest serial that anybody has seen.
    serial: AtomicU32,
}

impl Crowd {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// REPLACEs names of its own, and those of VMs by what they hold already, which makes their rows anew.
async fn by_api(crowd: Arc<Crowd>, url: String, key: String, me: usize) -> Written {
    let client = reqwest::Client::new();
    let mut written = Written::new();
    for round in 0.. {
        let (name, content) = match round % 2 {
            0 => (format!("api{me}-{}.{ZONE}", round % 7), format!("198.51.{me}.{}", round % 250)),
            _ => (format!("vm{}.{ZONE}", (round * 7 + me) % STILL), address((round * 7 + me) % STILL, 0)),
        };
        let body = json!({ "rrsets": [{ "name": format!("{name}."), "type": "A", "ttl": 60, "changetype": "REPLACE",
            "records": [{ "content": content, "disabled": false }] }] });
        // PowerDNS does not try again after a deadlock: its client has to.
        loop {
            let answer = client.patch(&url).header("X-API-Key", &key).json(&body).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
        }
        if name.starts_with("api") {
            written.insert(name, content);
        }
        if !crowd.goes_on() {
            break;
        }
    }
    written
}

/// An editor: the SOA first and then the rows, the other way round than the controller.
async fn by_sql(crowd: Arc<Crowd>, admin: Pool, me: usize) -> Written {
    let mut connection = admin.get_conn().await.expect("a connection");
    let mut written = Written::new();
    connection.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.expect("it is set");
    for round in 0_usize.. {
        let (name, content) =
            (format!("sql{me}-{}.{ZONE}", round % 5), format!("203.0.{me}.{}", round % 250));
        let names: Vec<String> =
            (0..8).map(|nth| format!("'vm{}.{ZONE}'", STILL + (round * 11 + nth * 7) % MOVING)).collect();
        let statements = [
            "START TRANSACTION".to_owned(),
            format!("SELECT id FROM records WHERE name = '{ZONE}' AND type = 'SOA' FOR UPDATE"),
            format!("UPDATE records SET prio = 1 - prio WHERE name IN ({})", names.join(",")),
            // A row more or less at a name makes the controller plan it again.
            match round % 2 {
                0 => format!(
                    "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) SELECT domain_id, \
                     name, 'TXT', '\"seen by {me}\"', 60, 0, 0, 1 FROM records WHERE type = 'A' AND name IN ({})",
                    names.join(",")
                ),
                _ => format!(
                    "DELETE FROM records WHERE type = 'TXT' AND name LIKE 'vm%' AND content LIKE '%by {me}%'"
                ),
            },
            format!("DELETE FROM records WHERE name = '{name}' AND type = 'A'"),
            format!(
                "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                 SELECT id, '{name}', 'A', '{content}', 60, 0, 0, 1 FROM domains WHERE name = '{ZONE}'"
            ),
            // Sometimes he thinks for longer than the controller waits for a lock.
            format!("DO SLEEP({})", if round == 20 && me == 0 { 3.5 } else { 0.01 }),
            format!(
                "UPDATE records SET content = REPLACE(content, CONCAT(' ', SUBSTRING_INDEX(SUBSTRING_INDEX(content, \
                 ' ', 3), ' ', -1), ' '), CONCAT(' ', SUBSTRING_INDEX(SUBSTRING_INDEX(content, ' ', 3), ' ', -1) + 1, \
                 ' ')) WHERE name = '{ZONE}' AND type = 'SOA'"
            ),
            "COMMIT".to_owned(),
        ];
        let mut done = Ok(());
        for statement in &statements {
            done = connection.query_drop(statement).await;
            if done.is_err() {
                break;
            }
        }
        if done.is_ok() {
            written.insert(name, content);
        } else {
            connection.query_drop("ROLLBACK").await.expect("he tries again later");
        }
        if !crowd.goes_on() {
            break;
        }
    }
    written
}

async fn watch(crowd: Arc<Crowd>, admin: Pool) -> Written {
    let mut connection = admin.get_conn().await.expect("a connection");
    let sql = format!(
        "SELECT CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(content, ' ', 3), ' ', -1) AS UNSIGNED) FROM records \
         WHERE name = '{ZONE}' AND type = 'SOA'"
    );
    while crowd.goes_on() {
        let serials: Vec<u32> = connection.query(&sql).await.expect("the serial");
        crowd.serial.fetch_max(serials.into_iter().max().unwrap_or(0), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Written::new()
}

/// The cloud changes all the time too. Returns what each name is to answer in the end.
async fn change(crowd: &Crowd, lab: &Lab, mut ids: Vec<String>) -> Written {
    let world = lab.world();
    let mut expected: Written = (0..STILL).map(|at| (format!("vm{at}.{ZONE}"), address(at, 0))).collect();
    let mut round = 0;
    while crowd.goes_on() {
        round += 1;
        for nth in 0..6 {
            let at = STILL + (round * 6 + nth) % MOVING;
            if nth == 0 {
                world.destroy_vm(&ids[at]);
                world.expunge_vm(&ids[at]);
                ids[at] = world.create_vm(vm(&format!("vm{at}"), &address(at, round)));
            } else {
                world.set_address(&ids[at], Some(&address(at, round)), None);
            }
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    for (at, id) in ids.iter().enumerate().skip(STILL) {
        let vm = world.vm(id).expect("the VM");
        expected.insert(format!("vm{at}.{ZONE}"), vm.nics[0].v4.clone().expect("an address"));
    }
    expected
}

#[tokio::test]
async fn beside_operators_at_full_speed_nothing_is_lost_doubled_or_left_over() {
    let mut lab = Lab::new("crowd").await;
    lab.kafka();
    example(&lab).await;
    lab.db.zone("10.in-addr.arpa").await.unwrap();
    let mut ids = Vec::new();
    for at in 0..STILL + MOVING {
        ids.push(lab.world().create_vm(vm(&format!("vm{at}"), &address(at, 0))));
    }
    // API edits move the serial only where the zone says how.
    lab.dns().await.pdnsutil(&["set-meta", ZONE, "SOA-EDIT-API", "DEFAULT"]).unwrap();
    let dns = lab.dns().await;
    let url = format!("{}/api/v1/servers/localhost/zones/{ZONE}.", dns.api_url());
    let mut controller = serve_events(&lab, &[("RESYNC_INTERVAL", "2s")]).await;
    poll("the first fill", LIMIT, async || {
        let filled = lab.db.contents(&format!("vm{}.{ZONE}", STILL + MOVING - 1), "A").await.unwrap();
        if filled.is_empty() { Err("not yet".into()) } else { Ok(()) }
    })
    .await;

    let crowd = Arc::new(Crowd { over: AtomicBool::new(false), serial: AtomicU32::new(0) });
    let mut tasks = JoinSet::new();
    for me in 0..2 {
        tasks.spawn(by_api(crowd.clone(), url.clone(), dns.api_key.clone(), me));
        tasks.spawn(by_sql(crowd.clone(), lab.db.admin.clone(), me));
    }
    tasks.spawn(watch(crowd.clone(), lab.db.admin.clone()));
    let over = crowd.clone();
    tasks.spawn(async move {
        tokio::time::sleep(TIME).await;
        over.over.store(true, Ordering::Relaxed);
        Written::new()
    });
    let ours = change(&crowd, &lab, ids).await;
    let theirs: Written = tasks.join_all().await.into_iter().flatten().collect();
    assert!(theirs.len() > 15, "the operators wrote at all their names: {theirs:?}");

    let reverse = |(name, address): (&String, &String)| {
        let mut octets: Vec<&str> = address.split('.').collect();
        octets.reverse();
        (format!("{} PTR", octets.join(".") + ".in-addr.arpa"), name.clone())
    };
    let mut expected: Vec<(String, String)> = ours.iter().map(reverse).collect();
    let forward = ours.iter().chain(&theirs).map(|(name, address)| (format!("{name} A"), address.clone()));
    expected.extend(forward);
    expected.sort();
    poll("every name says what its VM or its operator says", LIMIT * 2, async || {
        let rows = dump(&lab).await.into_iter();
        let mut found: Vec<(String, String)> = rows
            .filter(|row| ["A", "PTR"].contains(&row.kind.as_deref().unwrap_or_default()))
            .map(|row| {
                (format!("{} {}", row.name, row.kind.unwrap_or_default()), row.content.unwrap_or_default())
            })
            .collect();
        found.sort();
        let lost: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let surplus: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
        if found == expected {
            return Ok(());
        }
        Err(format!("lost {lost:?}, not expected {surplus:?}, {} rows", found.len()))
    })
    .await;
    let seen = crowd.serial.load(Ordering::Relaxed);
    poll("no serial goes backwards for good", LIMIT, async || {
        let serial = lab.db.serial(ZONE).await.unwrap();
        if serial >= seen { Ok(()) } else { Err(format!("{serial} after {seen}")) }
    })
    .await;
    for result in ["retry", "conflict"] {
        let name = format!("cs_powerdns_sql_transactions_total{{result=\"{result}\"}}");
        let found = metric(&controller, &name).await.unwrap();
        assert!(found > 0.0, "no transaction ended in {result}: the test shows nothing");
    }
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0, "{}", controller.output());

    let strays: Vec<String> = lab
        .db
        .query(
            "SELECT CONCAT(l.name, ' ', l.content) FROM cs_powerdns_ledger l LEFT JOIN records r ON r.name = l.name \
             AND r.type = l.type AND r.content = l.content AND r.domain_id = l.zone_id \
             WHERE r.id IS NULL OR r.disabled",
        )
        .await
        .unwrap();
    assert_eq!(strays, Vec::<String>::new(), "entries without their rows");
    let entries: Vec<usize> = lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.unwrap();
    assert_eq!(entries[0], ours.len() * 2, "an A and a PTR of each VM are ours, and nothing else");
    rectified(&lab, "10.in-addr.arpa").await;
    // The ids that the API has changed last may be to note still.
    sync(&lab, &[]).await;
    settled(&mut lab, &[]).await;
}
