//! Servers that are away, slow, stuck or half-open, and come back: `run` says so, asks at a bounded rate,
//! keeps within bounded memory, and goes on without anybody's help. A gate before each server makes the
//! outage, so that the servers which tests share go on for the others.

use super::{
    servers_support::{memory, warnings},
    support::{
        EVENTS_ONLY, LIMIT, LOOKS, PROGRAM, example, metric, metric_reaches, quick, readiness, serve_events,
        vm,
    },
};
use rdkafka::types::RDKafkaRespErr;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use testbed::{
    Broker, Controller, Lab, PowerDns, PowerDnsOptions, Tansu, TcpGate,
    Way::{Closed, Open, Silent, Slow, Stuck},
    poll,
    watchdog::free_port,
};

/// Longer than a statement, or a request to Kafka, may wait.
const LONG: Duration = Duration::from_secs(90);

const MARKS: &str = "cs_powerdns_trigger_marks_total";

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

fn start(env: &HashMap<String, String>) -> Controller {
    Controller::start(PROGRAM, &["run"], env).expect("the program starts")
}

/// Waits until these rows, and no others of the type, stand at the name.
async fn stands(lab: &Lab, controller: &Controller, name: &str, kind: &str, expected: &[&str]) {
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
struct Watch {
    begun: Instant,
    requests: f64,
    statements: f64,
    warnings: usize,
    memory: u64,
}

impl Watch {
    async fn begin(controller: &Controller) -> Self {
        Self {
            begun: Instant::now(),
            requests: metric(controller, "cs_powerdns_api_requests_total").await.expect("a metric"),
            statements: metric(controller, "cs_powerdns_sql_statements_total").await.expect("a metric"),
            warnings: warnings(controller),
            memory: memory(controller),
        }
    }

    /// A busy loop would make thousands a second.
    async fn end(self, controller: &Controller, when: &str) {
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

    for (nth, (way, ready)) in
        [(Closed, false), (Slow(Duration::from_millis(30)), true), (Stuck, false), (Silent, false)]
            .into_iter()
            .enumerate()
    {
        let when = format!("with a database that is {way:?}");
        let watch = Watch::begin(&controller).await;
        let (name, address) = (format!("vm{nth}"), format!("192.0.2.{}", nth + 10));
        gate.set(way);
        lab.world().create_vm(vm(&name, &address));
        if ready {
            stands(&lab, &controller, &format!("{name}.domain.com"), "A", &[&address]).await;
            readiness(&controller, 200, "role: holder").await;
        } else {
            // A lease of 2 s that cannot be renewed is over soon, whatever hangs meanwhile.
            let since = Instant::now();
            readiness(&controller, 503, "no living holder is seen").await;
            let took = since.elapsed();
            assert!(
                took < Duration::from_secs(12),
                "{when}, it says so after {took:?} only\n{}",
                controller.output()
            );
        }
        healthy(&controller, &when).await;
        watch.end(&controller, &when).await;
        gate.set(Open);
        stands(&lab, &controller, &format!("{name}.domain.com"), "A", &[&address]).await;
        readiness(&controller, 200, "passes succeed").await;
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

    for (nth, (way, ready)) in
        [(Closed, false), (Slow(Duration::from_millis(100)), true), (Stuck, false), (Silent, false)]
            .into_iter()
            .enumerate()
    {
        let when = format!("with an API that is {way:?}");
        let watch = Watch::begin(&controller).await;
        let (name, address) = (format!("vm{nth}"), format!("192.0.2.{}", nth + 10));
        gate.set(way);
        lab.world().create_vm(vm(&name, &address));
        if ready {
            stands(&lab, &controller, &format!("{name}.domain.com"), "A", &[&address]).await;
        } else {
            // Events go on coming: what is dirty stays one VM, however many name it.
            for _ in 0..50 {
                lab.world().set_state(&id, "Running");
            }
            for pass in ["resync", "look"] {
                poll(&format!("{when}: /status tells that {pass} fails"), LIMIT, async || {
                    let (_, body) = controller.get("/status").await.map_err(|error| error.to_string())?;
                    let status: serde_json::Value =
                        serde_json::from_str(&body).map_err(|error| error.to_string())?;
                    let failing = status["failing"].as_array().cloned().unwrap_or_default();
                    if failing.iter().any(|one| one["pass"] == pass) { Ok(()) } else { Err(body) }
                })
                .await;
            }
            let dirty = metric(&controller, "cs_powerdns_dirty_vms").await.unwrap();
            assert!(dirty <= f64::from(u8::try_from(nth + 2).unwrap()), "{when}: {dirty} VMs are dirty");
        }
        if way == Silent {
            // For more than 30 s: it is not ready, and says why. It is healthy all the time.
            let end = Instant::now() + LONG;
            loop {
                healthy(&controller, &when).await;
                let (status, body) = controller.get("/readyz").await.unwrap();
                if status == 503 && body.contains("resync has failed for ") {
                    break;
                }
                assert!(Instant::now() < end, "{when}: ready: {body}\n{}", controller.output());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        healthy(&controller, &when).await;
        watch.end(&controller, &when).await;
        gate.set(Open);
        stands(&lab, &controller, &format!("{name}.domain.com"), "A", &[&address]).await;
        readiness(&controller, 200, "passes succeed").await;
    }
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn a_broker_behind_a_gate_goes_and_comes() {
    let lab = Lab::new("gate_broker").await;
    example(&lab).await;
    let port = free_port();
    let gate = TcpGate::before(port).unwrap();
    let bootstrap = format!("127.0.0.1:{}", gate.port());
    let tansu = Tansu::start_at(port, &bootstrap).unwrap();
    tansu.create_topic(&lab.topic, 3).await.unwrap();
    let publisher = tansu.publisher().unwrap();
    lab.world().publish_to(publisher.sink(&lab.topic));
    // No resync of its own accord within ten minutes.
    let settings = [
        ("RESYNC_INTERVAL", "10m"),
        ("KAFKA_BOOTSTRAP", bootstrap.as_str()),
        ("KAFKA_TOPIC", &lab.topic),
        ("KAFKA_CONFIG", "session.timeout.ms=6000,heartbeat.interval.ms=1000,socket.timeout.ms=6000"),
    ];
    let mut controller = serve_events(&lab, &settings).await;
    for (nth, way) in [Open, Slow(Duration::from_millis(100)), Closed, Stuck, Silent].into_iter().enumerate()
    {
        let when = format!("with a broker that is {way:?}");
        let watch = Watch::begin(&controller).await;
        let (name, address) = (format!("vm{nth}"), format!("192.0.2.{}", nth + 10));
        gate.set(way);
        let seen = metric(&controller, "cs_powerdns_trigger_errors_total").await.unwrap();
        lab.world().create_vm(vm(&name, &address));
        if !matches!(way, Open | Slow(_)) {
            metric_reaches(&controller, "cs_powerdns_trigger_errors_total", seen + 1.0).await;
        }
        // DNS does not depend on Kafka: the controller is as ready as before.
        readiness(&controller, 200, "passes succeed").await;
        healthy(&controller, &when).await;
        watch.end(&controller, &when).await;
        gate.set(Open);
        stands(&lab, &controller, &format!("{name}.domain.com"), "A", &[&address]).await;
        hears(&lab, &controller, &when).await;
    }
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn a_topic_that_goes_and_comes_back_is_read_again_and_a_resync_finds_what_it_never_told() {
    // A broker of its own, since others must not feel it; its topics can go without it.
    let broker = Broker::start().unwrap();
    let lab = Lab::new("topic_gone").await;
    example(&lab).await;
    broker.create_topic(&lab.topic, 3).unwrap();
    lab.world().publish_to(broker.sink(&lab.topic));
    // No resync of its own accord within ten minutes.
    let settings = [
        ("RESYNC_INTERVAL", "10m"),
        ("KAFKA_BOOTSTRAP", broker.bootstrap()),
        ("KAFKA_TOPIC", &lab.topic),
        (
            "KAFKA_CONFIG",
            "session.timeout.ms=6000,heartbeat.interval.ms=1000,topic.metadata.refresh.interval.ms=1000",
        ),
    ];
    let mut controller = serve_events(&lab, &settings).await;
    lab.world().create_vm(vm("told", "192.0.2.1"));
    stands(&lab, &controller, "told.domain.com", "A", &["192.0.2.1"]).await;
    let set = |error: RDKafkaRespErr| {
        let topic = lab.topic.clone();
        broker.with(move |cluster| cluster.topic_error(&topic, error)).unwrap().unwrap();
    };
    set(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    poll("its partitions are gone", LONG, async || {
        let left = metric(&controller, "cs_powerdns_trigger_partitions").await?;
        if left < 0.5 { Ok(()) } else { Err(format!("{left} are left\n{}", controller.output())) }
    })
    .await;
    readiness(&controller, 200, "passes succeed").await;
    lab.world().silent().create_vm(vm("untold", "192.0.2.2"));
    set(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    stands(&lab, &controller, "untold.domain.com", "A", &["192.0.2.2"]).await;
    hears(&lab, &controller, "after its topic has come back").await;
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

/// The program may die of SIGSEGV here, which is a defect of librdkafka (2.12.1) and not ours to mend: Tansu answers
/// a fetch of a topic that it has forgotten without the topic's id but with a leader; librdkafka's update of its
/// metadata (`rd_kafka_metadata_update_op`) then looks for a topic without a name, through a null pointer. Brokers
/// that give the id back, as the protocol has it, do not lead it there. The service manager starts the program
/// again, which is all that it takes: here the test does. No other end is taken for it, and no core is dumped,
/// as the testbed's watchdog forbids that.
#[tokio::test]
async fn a_broker_that_has_lost_topic_group_and_offsets_is_joined_again() {
    let lab = Lab::new("wiped_broker").await;
    example(&lab).await;
    let port = free_port();
    let mut tansu = Tansu::start_at(port, &format!("127.0.0.1:{port}")).unwrap();
    tansu.create_topic(&lab.topic, 3).await.unwrap();
    let publisher = tansu.publisher().unwrap();
    lab.world().publish_to(publisher.sink(&lab.topic));
    let bootstrap = tansu.bootstrap();
    // No resync of its own accord within ten minutes.
    let settings = [
        ("RESYNC_INTERVAL", "10m"),
        ("KAFKA_BOOTSTRAP", bootstrap.as_str()),
        ("KAFKA_TOPIC", &lab.topic),
        ("KAFKA_CONFIG", Tansu::kafka_config()),
    ];
    let mut controller = serve_events(&lab, &settings).await;
    drop(tansu);
    let id = lab.world().silent().create_vm(vm("untold", "192.0.2.20"));
    tansu = Tansu::start_at(port, &format!("127.0.0.1:{port}")).unwrap();
    tansu.create_topic(&lab.topic, 3).await.unwrap();
    let end = Instant::now() + LONG;
    // Until the group has been joined again nobody hears of events: they are repeated.
    loop {
        if let Some(code) = controller.exit_code() {
            assert_eq!(code, 128 + 11, "{}", controller.output());
            controller = start(&quick(&lab, &settings));
        }
        let heard = metric(&controller, MARKS).await.is_ok_and(|marks| marks > 0.5);
        let found = lab.db.contents("untold.domain.com", "A").await.unwrap();
        if heard && found == ["192.0.2.20"] {
            break;
        }
        assert!(
            Instant::now() < end,
            "events are heard: {heard}, the name has {found:?}\n{}",
            controller.output()
        );
        lab.world().set_state(&id, "Running");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(tansu);
}

/// Events are heard again. Until the group has been joined again nobody hears of them: they are repeated.
async fn hears(lab: &Lab, controller: &Controller, when: &str) {
    let id = lab.world().vms().into_iter().next_back().expect("there are VMs");
    let told = async || {
        let found = metric(controller, MARKS).await;
        found.unwrap_or_else(|why| panic!("{when}: {why}\n{}", controller.output()))
    };
    let before = told().await;
    let end = Instant::now() + LONG;
    while told().await <= before {
        lab.world().set_state(&id, "Running");
        assert!(Instant::now() < end, "{when}: no event is heard\n{}", controller.output());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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
