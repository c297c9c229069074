//! Servers that are down, at the start or later: `run` outlives it, says so, and goes on.

use super::support::{
    EVENTS_ONLY, LIMIT, RESYNC_FAILURES, answers, example, metric_reaches, readiness, serve, serve_events,
    start, vm,
};
use std::time::Duration;
use testbed::{Broker, Lab, MariaDb, MariaDbOptions, poll};

#[tokio::test]
async fn a_database_that_is_down_at_the_start_and_later_is_waited_for() {
    let mut server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let lab = Lab::on(server.mysql(), "database_down").await.unwrap();
    example(&lab).await;
    lab.world().create_vm(vm("one", "192.0.2.1"));
    server.kill();
    let mut controller = start(&lab, &[("RESYNC_INTERVAL", "1s")]);
    readiness(&controller, 503, "not ready").await;
    server.launch().unwrap();
    controller.wait_ready(LIMIT).await.unwrap();
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
    server.kill();
    lab.world().create_vm(vm("two", "192.0.2.2"));
    // Its own lease cannot be read any more: it holds it no longer.
    readiness(&controller, 503, "no living holder is seen").await;
    let (status, body) = controller.get("/healthz").await.unwrap();
    assert_eq!(status, 200, "{body}");
    server.launch().unwrap();
    readiness(&controller, 200, "role: holder").await;
    answers(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn an_api_that_is_down_at_the_start_and_later_is_waited_for() {
    let lab = Lab::new("api_down").await;
    example(&lab).await;
    lab.world().create_vm(vm("one", "192.0.2.1"));
    lab.sim.down();
    let mut controller = start(&lab, &[("RESYNC_INTERVAL", "1s")]);
    readiness(&controller, 503, "cannot connect to the API").await;
    lab.sim.up().unwrap();
    controller.wait_ready(LIMIT).await.unwrap();
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
    lab.sim.down();
    lab.world().create_vm(vm("two", "192.0.2.2"));
    metric_reaches(&controller, RESYNC_FAILURES, 3.0).await;
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
    lab.sim.up().unwrap();
    answers(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
    readiness(&controller, 200, "passes succeed").await;
    assert_eq!(controller.exit_code(), None, "{}", controller.output());
}

#[tokio::test]
async fn a_call_that_fails_for_good_is_not_hammered() {
    let mut lab = Lab::new("not_hammered").await;
    lab.kafka();
    let domain = example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    lab.world().allow(&lab.sim.api_key, "listAccounts", false);
    lab.sim.clear_log();
    // An account's event asks for the owners, which may not be listed any more.
    lab.world().add_account(&domain, "new", None);
    poll("the owners are asked for", LIMIT, async || {
        if lab.sim.requests("listAccounts") > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = lab.sim.requests("listAccounts");
    assert!(asked < 5, "{asked} requests in a second\n{}", controller.output());
}

#[tokio::test]
async fn a_broker_that_is_down_at_the_start_and_later_is_waited_for() {
    // A broker of its own: others must not feel its outage.
    let broker = Broker::start().unwrap();
    let lab = Lab::new("broker_down").await;
    example(&lab).await;
    broker.create_topic(&lab.topic, 3).unwrap();
    lab.world().publish_to(broker.sink(&lab.topic));
    lab.world().silent().create_vm(vm("zero", "192.0.2.100"));
    broker.with(|cluster| cluster.broker_down(-1)).unwrap().unwrap();
    let bootstrap = broker.bootstrap().to_owned();
    let settings = [EVENTS_ONLY[0], ("KAFKA_BOOTSTRAP", bootstrap.as_str()), ("KAFKA_TOPIC", &lab.topic)];
    // DNS does not depend on Kafka.
    let controller = serve(&lab, &settings).await;
    answers(&lab, "zero.domain.com", "A", &["192.0.2.100"]).await;
    broker.with(|cluster| cluster.broker_up(-1)).unwrap().unwrap();
    metric_reaches(&controller, "cs_powerdns_trigger_partitions", 3.0).await;
    lab.world().create_vm(vm("one", "192.0.2.1"));
    answers(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
    broker.with(|cluster| cluster.broker_down(-1)).unwrap().unwrap();
    metric_reaches(&controller, "cs_powerdns_trigger_errors_total", 1.0).await;
    readiness(&controller, 200, "passes succeed").await;
    broker.with(|cluster| cluster.broker_up(-1)).unwrap().unwrap();
    lab.world().create_vm(vm("two", "192.0.2.2"));
    answers(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn an_outage_of_the_database_in_the_middle_of_events_loses_none_of_them() {
    let mut server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let mut lab = Lab::on(server.mysql(), "database_gone_meanwhile").await.unwrap();
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "10m"), ("LEASE_TTL", "30s")]).await;
    lab.world().create_vm(vm("before", "192.0.2.100"));
    answers(&lab, "before.domain.com", "A", &["192.0.2.100"]).await;
    server.kill();
    for at in 1..=20 {
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")));
    }
    poll("settling fails", LIMIT, async || {
        let (_, body) = controller.get("/status").await.map_err(|error| error.to_string())?;
        if body.contains("\"pass\":\"settle\"") { Ok(()) } else { Err(body) }
    })
    .await;
    server.launch().unwrap();
    for at in 1..=20 {
        answers(&lab, &format!("vm{at}.domain.com"), "A", &[&format!("192.0.2.{at}")]).await;
    }
    readiness(&controller, 200, "passes succeed").await;
}
