//! Faults at random while events stream in: the controller gets over each of them by itself, without a
//! resync, and the records end up as a first pass would write them into an empty database.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::{
    faults::{away, internal_error, unauthorized},
    faults_town::{went_back, witness},
    rectify_towns::Dice,
    support::{ACCOUNT, EVENTS_ONLY, PROGRAM, RESYNCS, metric, serve_events},
};
use std::time::Duration;
use testbed::{
    Lab, PdnsDb, Strike, VmSpec, Wire,
    WireFault::{Answered, Cut, Half, Lost, Refused},
    poll, run_once,
};

const FORWARD: &str = "acme.test";
const REVERSE: &str = "10.in-addr.arpa";
const SEED: u64 = 20_261_123;
/// Changes to VMs, 20 a second.
const CHANGES: usize = 200;
/// How many requests in a thousand fail.
const SQL: usize = 25;
const API: usize = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_random_under_a_stream_of_events_leave_no_trace() {
    let seed = std::env::var("CS_POWERDNS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let mut lab = Lab::new("faults_run").await;
    lab.kafka();
    let reference = lab.db.mysql.create(&format!("{}_ref", lab.db.name)).await.unwrap();
    for db in [&lab.db, &reference] {
        for zone in [FORWARD, REVERSE] {
            db.zone(zone).await.unwrap();
        }
        db.insert(FORWARD, "www.acme.test", "A", "198.51.100.1", 300).await.unwrap();
    }
    let mut cloud = Cloud::new(&lab, seed);
    for _ in 0..20 {
        cloud.put(&lab);
    }
    let sql = Wire::mysql(lab.db.mysql.port, "\0").await.unwrap();
    let api = Wire::http(lab.sim.port()).await.unwrap();
    let (port, endpoint) = (sql.port.to_string(), format!("http://127.0.0.1:{}/client/api", api.port));
    let mut settings = EVENTS_ONLY.to_vec();
    settings.extend([
        ("MYSQL_PDNS_PORT", port.as_str()),
        ("MYSQL_PDNS_TLS", "disabled"),
        ("CS_ENDPOINT", &endpoint),
        ("LEASE_TTL", "15s"),
        ("RUST_LOG", "info"),
    ]);
    let controller = serve_events(&lab, &settings).await;
    witness(&lab).await;
    let resyncs = metric(&controller, RESYNCS).await.unwrap();

    let faults = vec![Cut, Lost, Half, Refused(1213), Refused(1205), Refused(1290), Refused(1053)];
    sql.arm(Some(Strike::Chance(SQL, faults, seed)));
    let faults = vec![Cut, Lost, Half, Answered(internal_error), Answered(unauthorized), Answered(away)];
    api.arm(Some(Strike::Chance(API, faults, seed)));
    // A busy machine takes more changes together, and asks for less: so on until enough has failed.
    let met = || sql.struck().len() >= 3 && api.struck().len() > 3;
    for nth in 0..5 * CHANGES {
        if nth >= CHANGES && met() {
            break;
        }
        cloud.change(&lab);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (at_sql, at_api) = (sql.struck(), api.struck());
    sql.arm(None);
    api.arm(None);

    let env = lab.env_with(&[
        ("MYSQL_PDNS_NAME", &reference.name),
        ("MYSQL_PDNS_USER", &reference.user),
        ("MYSQL_PDNS_PASSWORD", &reference.password),
    ]);
    let output = run_once(PROGRAM, &["sync"], &env).await.unwrap();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let expected = rows(&reference).await;
    assert!(expected.len() > 50, "{expected:?}");
    poll("the rows are those of a first pass", Duration::from_secs(90), async || {
        let found = rows(&lab.db).await;
        let missing: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let more: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "CS_POWERDNS_TEST_SEED={seed}: missing {missing:?}, too many {more:?}\n{}",
            controller.output()
        ))
    })
    .await;
    println!("{} faults met requests to the database, {} those to CloudStack", at_sql.len(), at_api.len());
    assert!(at_sql.len() >= 3 && at_api.len() > 3, "faults were met: {at_sql:?} {at_api:?}");
    assert_eq!(went_back(&lab).await, Vec::<String>::new(), "steps of serials");
    let helped = metric(&controller, RESYNCS).await.unwrap() - resyncs;
    assert!(helped < 0.5, "no resync has helped, but {helped} have\n{}", controller.output());
}

/// Names and addresses are never used again: who comes second would depend on the faults.
struct Cloud {
    dice: Dice,
    accounts: [String; 2],
    vms: Vec<String>,
    count: u32,
}

impl Cloud {
    fn new(lab: &Lab, seed: u64) -> Self {
        let world = lab.world();
        let domain = world.add_domain("acme", &world.root(), Some(FORWARD));
        world.add_account_as(ACCOUNT, &domain, "ops", None);
        let other = world.add_account(&domain, "dev", None);
        Self { dice: Dice(seed), accounts: [ACCOUNT.into(), other], vms: vec![], count: 0 }
    }

    fn fresh(&mut self) -> (String, String) {
        self.count += 1;
        (format!("vm{}", self.count), format!("10.0.{}.{}", self.count / 200, self.count % 200 + 1))
    }

    fn group(&mut self) -> Option<&'static str> {
        [None, Some("www"), Some("db")][self.dice.below(3)]
    }

    fn put(&mut self, lab: &Lab) {
        let (name, v4) = self.fresh();
        let group = self.group().map(str::to_owned);
        let account = &self.accounts[self.dice.below(2)];
        self.vms.push(lab.world().create_vm(VmSpec { group, v4: Some(v4), ..VmSpec::new(&name, account) }));
    }

    fn change(&mut self, lab: &Lab) {
        let turn = self.dice.below(8);
        if turn < 2 || self.vms.len() < 5 {
            return self.put(lab);
        }
        let world = lab.world();
        let at = self.dice.below(self.vms.len());
        let vm = self.vms[at].clone();
        let (name, v4) = self.fresh();
        match turn {
            2 | 3 => world.rename_vm(&vm, &name),
            4 => world.set_address(&vm, Some(&v4), None),
            5 => world.set_group(&vm, self.group()),
            6 => world.move_vm(&vm, &self.accounts[self.dice.below(2)]),
            _ => {
                world.destroy_vm(&vm);
                self.vms.swap_remove(at);
            }
        }
    }
}

/// All rows, ids and serials apart.
async fn rows(db: &PdnsDb) -> Vec<String> {
    let mut rows = Vec::new();
    for zone in [FORWARD, REVERSE] {
        for row in db.rows_of_zone(zone).await.unwrap() {
            if row.kind.as_deref() != Some("SOA") {
                let (kind, content) = (row.kind, row.content.unwrap_or_default());
                rows.push(format!(
                    "{} {kind:?} {content} {:?} {:?} {:?}",
                    row.name, row.ttl, row.ordername, row.auth
                ));
            }
        }
    }
    rows.sort();
    rows
}
