//! Servers that are away, slow, stuck or half-open, and come back: `run` says so, asks at a bounded rate,
//! keeps within bounded memory, and goes on without anybody's help. A gate before each server makes the
//! outage, so that the servers which tests share go on for the others.

use super::{
    servers_support::{memory, warnings},
    support::{
        EVENTS_ONLY, LIMIT, LOOKS, PROGRAM, RESYNCS, example, metric, metric_reaches, quick, readiness,
        serve_events, vm,
    },
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use testbed::{
    Controller, Lab, PowerDns, PowerDnsOptions, TcpGate,
    Way::{self, Closed, Open, Silent, Slow, Stuck},
    poll,
};

/// Longer than a statement, or a request to Kafka, may wait.
pub const LONG: Duration = Duration::from_secs(90);

/// A gate before the lab's database, and the environment that leads through it.
fn before_database(lab: &Lab, more: &[(&str, &str)]) -> (TcpGate, HashMap<String, String>) {
    let gate = TcpGate::before(lab.db.mysql.port).expect("a gate");
    let mut env = quick(lab, more);
    env.insert("MYSQL_PDNS_PORT".into(), gate.port().to_string());
    (gate, env)
}

/// The same before its API.
fn before_api(lab: &Lab, more: &[(&str, &str)]) -> (TcpGate, HashMap<String, String>) {
    let url = reqwest::Url::parse(&lab.sim.endpoint()).expect("a URL");
    let gate = TcpGate::before(url.port().expect("it has a port")).expect("a gate");
    let mut env = quick(lab, more);
    env.insert("CS_ENDPOINT".into(), format!("http://127.0.0.1:{}/client/api", gate.port()));
    (gate, env)
}

pub fn start(env: &HashMap<String, String>) -> Controller {
    Controller::start(PROGRAM, &["run"], env).expect("the program starts")
}

/// Waits until these rows, and no others of the type, stand at the name.
pub async fn stands(lab: &Lab, controller: &Controller, name: &str, kind: &str, expected: &[&str]) {
    poll(&format!("{name} {kind} {expected:?} is in the table"), LONG, async || {
        let found = lab.db.contents(name, kind).await.map_err(|error| format!("{error:#}"))?;
        if found == expected { Ok(()) } else { Err(format!("it has {found:?}\n{}", controller.output())) }
    })
    .await;
}

async fn healthy(controller: &Controller, when: &str) {
    let (status, body) = controller.get("/healthz").await.expect("HTTP answers");
    assert_eq!(status, 200, "{when}, a restart would mend nothing: {body}\n{}", controller.output());
}

/// What the process does while a server is in trouble: it must not hammer, nor fill the log, nor grow.
pub struct Watch {
    begun: Instant,
    requests: f64,
    statements: f64,
    warnings: usize,
    memory: u64,
}

impl Watch {
    pub async fn begin(controller: &Controller) -> Self {
        Self {
            begun: Instant::now(),
            requests: metric(controller, "cs_powerdns_api_requests_total").await.expect("a metric"),
            statements: metric(controller, "cs_powerdns_sql_statements_total").await.expect("a metric"),
            warnings: warnings(controller),
            memory: memory(controller),
        }
    }

    /// A busy loop would make thousands a second.
    pub async fn end(self, controller: &Controller, when: &str) {
        let now = Self::begin(controller).await;
        let seconds = (now.begun - self.begun).as_secs_f64() + 2.0;
        let logged = u32::try_from(now.warnings - self.warnings).expect("a few");
        for (what, count, a_second) in [
            ("requests to the API", now.requests - self.requests, 12.0),
            ("statements", now.statements - self.statements, 40.0),
            ("warnings", f64::from(logged), 6.0),
        ] {
            assert!(
                count <= a_second * seconds,
                "{when}: {count} {what} in {seconds:.1} s\n{}",
                controller.output()
            );
        }
        assert!(now.memory <= self.memory + 48, "{when}: {} MiB have become {}", self.memory, now.memory);
    }
}

/// What the log says of a statement that was waited for as long as one may be.
const GIVEN_UP: &str = "within 30 s while";

/// A server in trouble, and a VM that comes meanwhile.
pub struct Outage {
    pub way: Way,
    pub when: String,
    vm: String,
    address: String,
}

/// One after the other, each with a VM of its own.
pub fn outages(server: &str, ways: impl IntoIterator<Item = Way>) -> Vec<Outage> {
    let outage = |(nth, way): (usize, Way)| Outage {
        way,
        when: format!("with {server} that is {way:?}"),
        vm: format!("vm{nth}"),
        address: format!("192.0.2.{}", nth + 10),
    };
    ways.into_iter().enumerate().map(outage).collect()
}

impl Outage {
    pub fn is_slow(&self) -> bool {
        matches!(self.way, Slow(_))
    }

    pub fn begin(&self, lab: &Lab, gate: &TcpGate) {
        gate.set(self.way);
        lab.world().create_vm(vm(&self.vm, &self.address));
    }

    pub async fn served(&self, lab: &Lab, controller: &Controller) {
        stands(lab, controller, &format!("{}.domain.com", self.vm), "A", &[&self.address]).await;
    }

    /// The server comes back, and its VM is served without anybody's help.
    pub async fn end(&self, lab: &Lab, controller: &Controller, gate: &TcpGate, watch: Watch) {
        healthy(controller, &self.when).await;
        watch.end(controller, &self.when).await;
        gate.set(Open);
        self.served(lab, controller).await;
        readiness(controller, 200, "passes succeed").await;
    }
}

#[tokio::test]
async fn a_database_behind_a_gate_goes_and_comes() {
    let lab = Lab::new("gate_database").await;
    example(&lab).await;
    lab.world().create_vm(vm("first", "192.0.2.1"));
    let (gate, env) = before_database(&lab, &[("RESYNC_INTERVAL", "1s")]);
    gate.set(Silent);
    let mut controller = start(&env);
    readiness(&controller, 503, "not ready").await;
    poll(
        "a connection is tried",
        LIMIT,
        async || {
            if gate.taken() > 0 { Ok(()) } else { Err("none came".into()) }
        },
    )
    .await;
    healthy(&controller, "with a database that never answered").await;
    gate.set(Open);
    controller.wait_ready(LONG).await.unwrap();
    stands(&lab, &controller, "first.domain.com", "A", &["192.0.2.1"]).await;

    for outage in outages("a database", [Closed, Slow(Duration::from_millis(30)), Stuck, Silent]) {
        let watch = Watch::begin(&controller).await;
        let given_up = controller.output().matches(GIVEN_UP).count();
        outage.begin(&lab, &gate);
        if outage.is_slow() {
            outage.served(&lab, &controller).await;
            readiness(&controller, 200, "role: holder").await;
        } else {
            readiness(&controller, 503, "no living holder is seen").await;
            // A lease of 2 s that cannot be renewed is over soon: it does not wait for what hangs meanwhile.
            let output = controller.output();
            assert_eq!(
                output.matches(GIVEN_UP).count(),
                given_up,
                "{}, it says so late\n{output}",
                outage.when
            );
        }
        outage.end(&lab, &controller, &gate, watch).await;
    }
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn an_api_behind_a_gate_goes_and_comes() {
    let mut lab = Lab::new("gate_api").await;
    lab.kafka();
    example(&lab).await;
    let id = lab.world().create_vm(vm("first", "192.0.2.1"));
    let settings = [("RESYNC_INTERVAL", "1s"), ("CS_TIMEOUT", "1s")];
    let (gate, env) = before_api(&lab, &settings);
    gate.set(Silent);
    let mut controller = start(&env);
    readiness(&controller, 503, "no resync has ended well yet: ").await;
    readiness(&controller, 503, "no answer within the time-out").await;
    gate.set(Open);
    controller.wait_ready(LIMIT).await.unwrap();
    stands(&lab, &controller, "first.domain.com", "A", &["192.0.2.1"]).await;
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;

    for (nth, outage) in
        outages("an API", [Closed, Slow(Duration::from_millis(100)), Stuck, Silent]).into_iter().enumerate()
    {
        let watch = Watch::begin(&controller).await;
        outage.begin(&lab, &gate);
        if outage.is_slow() {
            outage.served(&lab, &controller).await;
        } else {
            // Events go on coming: what is dirty stays one VM, however many name it.
            for _ in 0..50 {
                lab.world().set_state(&id, "Running");
            }
            for pass in ["resync", "look"] {
                poll(&format!("{}: /status tells that {pass} fails", outage.when), LIMIT, async || {
                    let (_, body) = controller.get("/status").await.map_err(|error| error.to_string())?;
                    let status: serde_json::Value =
                        serde_json::from_str(&body).map_err(|error| error.to_string())?;
                    let failing = status["failing"].as_array().cloned().unwrap_or_default();
                    if failing.iter().any(|one| one["pass"] == pass) { Ok(()) } else { Err(body) }
                })
                .await;
            }
            let dirty = metric(&controller, "cs_powerdns_dirty_vms").await.unwrap();
            assert!(
                dirty <= f64::from(u8::try_from(nth + 2).unwrap()),
                "{}: {dirty} VMs are dirty",
                outage.when
            );
        }
        if outage.way == Silent {
            // For more than 30 s: it is not ready, and says why. It is healthy all the time.
            poll(&format!("{}: it is not ready any more", outage.when), LONG, async || {
                healthy(&controller, &outage.when).await;
                let (status, body) = controller.get("/readyz").await.map_err(|error| error.to_string())?;
                let told = status == 503 && body.contains("resync has failed for ");
                if told { Ok(()) } else { Err(format!("{body}\n{}", controller.output())) }
            })
            .await;
        }
        outage.end(&lab, &controller, &gate, watch).await;
    }
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

/// The looks that follow an event are over 30 s after it: what keeps the VM dirty then is that they have failed.
#[tokio::test]
async fn an_event_is_not_forgotten_while_an_api_is_away_for_longer_than_looks_follow_it() {
    let mut lab = Lab::new("gate_api_event").await;
    lab.kafka();
    example(&lab).await;
    let (gate, env) = before_api(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], ("CS_TIMEOUT", "1s")]);
    let mut controller = start(&env);
    controller.wait_ready(LIMIT).await.unwrap();
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    lab.world().create_vm(vm("first", "192.0.2.1"));
    stands(&lab, &controller, "first.domain.com", "A", &["192.0.2.1"]).await;
    let resyncs = metric(&controller, RESYNCS).await.unwrap();
    gate.set(Closed);
    lab.world().create_vm(vm("second", "192.0.2.2"));
    metric_reaches(&controller, "cs_powerdns_look_failures_total", 1.0).await;
    tokio::time::sleep(Duration::from_secs(35)).await;
    gate.set(Open);
    stands(&lab, &controller, "second.domain.com", "A", &["192.0.2.2"]).await;
    let helped = metric(&controller, RESYNCS).await.unwrap() - resyncs;
    assert!(helped < 0.5, "no resync has helped, but {helped} have\n{}", controller.output());
}

#[tokio::test]
async fn a_web_server_of_powerdns_behind_a_gate_goes_and_comes() {
    let mut lab = Lab::new("gate_web").await;
    lab.kafka();
    example(&lab).await;
    let dns =
        PowerDns::start(&lab.db, &PowerDnsOptions { default_caches: true, ..PowerDnsOptions::default() })
            .await
            .unwrap();
    let gate = TcpGate::before(dns.api_port).unwrap();
    let url = format!("http://127.0.0.1:{}", gate.port());
    let up = format!("cs_powerdns_pdns_up{{server=\"{url}\"}}");
    gate.set(Closed);
    let settings =
        [EVENTS_ONLY[0], EVENTS_ONLY[1], ("PDNS_API_URL", url.as_str()), ("PDNS_API_KEY", &dns.api_key)];
    let controller = serve_events(&lab, &settings).await;
    for (nth, way) in [Closed, Slow(Duration::from_millis(200)), Silent].into_iter().enumerate() {
        let when = format!("with a web server that is {way:?}");
        let watch = Watch::begin(&controller).await;
        let name = format!("vm{nth}.domain.com");
        assert_eq!(dns.dig(&name, "A").unwrap(), [""; 0], "PowerDNS remembers for 60 s that there is none");
        gate.set(way);
        lab.world().create_vm(vm(&format!("vm{nth}"), "192.0.2.10"));
        stands(&lab, &controller, &name, "A", &["192.0.2.10"]).await;
        if !matches!(way, Slow(_)) {
            poll(&format!("{when}: a metric tells it"), LIMIT, async || {
                let found = metric(&controller, &up).await?;
                if found < 0.5 { Ok(()) } else { Err(format!("{up} is {found}")) }
            })
            .await;
        }
        readiness(&controller, 200, "passes succeed").await;
        healthy(&controller, &when).await;
        watch.end(&controller, &when).await;
        gate.set(Open);
        poll(&format!("{when} and comes back, {name} is answered"), LIMIT, async || {
            let found = dns.dig(&name, "A").map_err(|error| error.to_string())?;
            if found == ["192.0.2.10"] {
                Ok(())
            } else {
                Err(format!("it answers {found:?}\n{}", controller.output()))
            }
        })
        .await;
    }
}

/// VMs, and events about all of them at once, while the database takes nothing: it is asked now and then, not
/// for each name, and serves them all when it takes something again. `a_try`: how many failures one try may count.
async fn asks_for_all_names_at_once(
    test: &str,
    a_try: f64,
    refuse: impl AsyncFn(&Lab, &TcpGate),
    accept: impl AsyncFn(&Lab, &TcpGate),
) {
    const VMS: usize = 300;
    const FAILURES: &str = "cs_powerdns_settle_failures_total";
    let mut lab = Lab::new(test).await;
    lab.kafka();
    example(&lab).await;
    let (gate, env) =
        before_database(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], ("LEASE_TTL", "60s"), ("RUST_LOG", "info")]);
    let mut controller = start(&env);
    controller.wait_ready(LIMIT).await.expect("it works");
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    refuse(&lab, &gate).await;
    for at in 0..VMS {
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("10.0.{}.{}", at / 200, at % 200 + 1)));
    }
    metric_reaches(&controller, LOOKS, 1.0).await;
    metric_reaches(&controller, FAILURES, 1.0).await;
    let (begun, logged) = (Instant::now(), warnings(&controller));
    let failed = metric(&controller, FAILURES).await.expect("a metric");
    tokio::time::sleep(Duration::from_secs(7)).await;
    // Tries are 1, 2, 4 and 8 s apart, less up to half of it; a reading of the zones, every 30 s, adds one.
    let (failed, seconds) =
        (metric(&controller, FAILURES).await.expect("a metric") - failed, begun.elapsed());
    let most = a_try * (6.0 + seconds.as_secs_f64() / 8.0);
    assert!(failed <= most, "settling has failed {failed} times in {seconds:?}\n{}", controller.output());
    let logged = f64::from(u32::try_from(warnings(&controller) - logged).expect("a few"));
    assert!(logged <= most + 30.0, "{logged} warnings in {seconds:?}\n{}", controller.output());
    accept(&lab, &gate).await;
    poll("all of them are served", LONG, async || {
        let rows = lab.db.rows_of_zone("domain.com").await.map_err(|error| format!("{error:#}"))?;
        let served = rows.iter().filter(|row| row.kind.as_deref() == Some("A")).count();
        if served == VMS { Ok(()) } else { Err(format!("{served} are\n{}", controller.output())) }
    })
    .await;
    readiness(&controller, 200, "passes succeed").await;
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn a_database_that_is_away_is_not_asked_name_by_name() {
    let away = async |_: &Lab, gate: &TcpGate| gate.set(Closed);
    let back = async |_: &Lab, gate: &TcpGate| gate.set(Open);
    asks_for_all_names_at_once("names_away", 1.0, away, back).await;
}

#[tokio::test]
async fn a_database_that_refuses_every_write_is_not_asked_name_by_name() {
    let full = async |lab: &Lab, _: &TcpGate| {
        let refuse = "CREATE TRIGGER full BEFORE INSERT ON records FOR EACH ROW SIGNAL SQLSTATE '45000' \
                      SET MESSAGE_TEXT = 'no room left on this disk'";
        lab.db.exec(refuse).await.expect("a trigger");
    };
    let empty = async |lab: &Lab, _: &TcpGate| lab.db.exec("DROP TRIGGER full").await.expect("it goes");
    // Twenty names are tried before the trouble counts as the database's own.
    asks_for_all_names_at_once("names_refused", 20.0, full, empty).await;
}
