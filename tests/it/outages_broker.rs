//! The same for brokers: one that is in trouble, one whose topic goes, one that has lost all it knew. DNS does not
//! depend on Kafka, and events are heard again without anybody's help.

use super::{
    outages::{LONG, Watch, outages, stands},
    support::{example, metric, metric_reaches, readiness, serve_events, start, vm},
};
use rdkafka::types::RDKafkaRespErr;
use std::time::{Duration, Instant};
use testbed::{
    Broker, Controller, Lab, Tansu, TcpGate,
    Way::{Closed, Open, Silent, Slow, Stuck},
    poll,
    watchdog::free_port,
};

const MARKS: &str = "cs_powerdns_trigger_marks_total";

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
    for outage in outages("a broker", [Open, Slow(Duration::from_millis(100)), Closed, Stuck, Silent]) {
        let watch = Watch::begin(&controller).await;
        let seen = metric(&controller, "cs_powerdns_trigger_errors_total").await.unwrap();
        outage.begin(&lab, &gate);
        if outage.way != Open && !outage.is_slow() {
            metric_reaches(&controller, "cs_powerdns_trigger_errors_total", seen + 1.0).await;
        }
        // DNS does not depend on Kafka: the controller is as ready as before.
        readiness(&controller, 200, "passes succeed").await;
        outage.end(&lab, &controller, &gate, watch).await;
        hears(&lab, &controller, &outage.when).await;
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
            controller = start(&lab, &settings);
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
