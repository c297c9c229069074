//! Messages that cannot be read, that come too early, too often or not at all: each costs latency at
//! most.

use super::support::{
    EVENTS_ONLY, LOOKS, answers, example, metric, metric_reaches, readiness, serve, serve_events, vm,
};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use std::time::{Duration, Instant};
use testbed::{Lab, broker};

const UNREADABLE: &str = "cs_powerdns_trigger_ignored_messages_total{reason=\"unreadable\"}";

/// A producer of any bytes.
struct Raw<'a> {
    producer: FutureProducer,
    topic: &'a str,
}

impl<'a> Raw<'a> {
    fn to(lab: &'a Lab) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker().bootstrap()).set("message.max.bytes", "4000000");
        Self { producer: config.create().expect("a producer"), topic: &lab.topic }
    }

    async fn send(&self, payload: Option<&[u8]>) {
        let mut record = FutureRecord::<[u8], [u8]>::to(self.topic);
        record.payload = payload;
        let sent = self.producer.send(record, Duration::from_secs(30)).await;
        sent.expect("the broker takes the message");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_skipped() {
    let mut lab = Lab::new("poison").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let mut poison: Vec<Option<Vec<u8>>> = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bad-")) {
            poison.push(Some(std::fs::read(path).unwrap()));
        }
    }
    assert!(poison.len() >= 4, "the fixtures have bad messages: {}", poison.len());
    poison.push(None);
    poison.push(Some(b"{\"event\":\"VM.CREATE\",\"status\":\"\xff\xfe\"}".to_vec()));
    let long = format!("{{\"event\":\"VM.CREATE\",\"filler\":\"{}\"}}", "x".repeat(2 << 20));
    poison.push(Some(long.into_bytes()));
    let raw = Raw::to(&lab);
    for message in &poison {
        raw.send(message.as_deref()).await;
    }
    let all = u32::try_from(poison.len()).unwrap();
    metric_reaches(&controller, UNREADABLE, f64::from(all)).await;
    lab.world().create_vm(vm("after", "192.0.2.10"));
    answers(&lab, "after.domain.com", "A", &["192.0.2.10"]).await;
    let counted = metric(&controller, UNREADABLE).await.unwrap();
    assert!((counted - f64::from(all)).abs() < 0.5, "only the {all} bad ones are counted, not {counted}");
}

#[tokio::test]
async fn a_stream_of_nothing_but_poison_stops_nobody() {
    let mut lab = Lab::new("poison_stream").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let raw = Raw::to(&lab);
    futures_util::future::join_all((0..3000).map(|_| raw.send(Some(b"\x00\x01not json")))).await;
    lab.world().create_vm(vm("among", "192.0.2.10"));
    futures_util::future::join_all((0..3000).map(|_| raw.send(Some(b"]")))).await;
    answers(&lab, "among.domain.com", "A", &["192.0.2.10"]).await;
    metric_reaches(&controller, UNREADABLE, 6000.0).await;
    readiness(&controller, 200, "passes succeed").await;
}

#[tokio::test]
async fn events_that_come_before_the_change_is_visible_still_converge() {
    let mut lab = Lab::new("too_early").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let early = lab.world().publish_before_visible(Duration::from_secs(1));
    let id = early.create_vm(vm("early", "192.0.2.10"));
    answers(&lab, "early.domain.com", "A", &["192.0.2.10"]).await;
    early.rename_vm(&id, "later");
    answers(&lab, "later.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "early.domain.com", "A", &[]).await;
    early.destroy_vm(&id);
    answers(&lab, "later.domain.com", "A", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn events_that_come_five_times_write_once() {
    let mut lab = Lab::new("copies").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let world = lab.world().copies(5);
    let id = world.create_vm(vm("twin", "192.0.2.10"));
    answers(&lab, "twin.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["twin.domain.com."]).await;
    world.rename_vm(&id, "twin2");
    answers(&lab, "twin2.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["twin2.domain.com."]).await;
    // The look 3 s after the latest event has nothing to do either.
    let looks = metric(&controller, LOOKS).await.unwrap();
    metric_reaches(&controller, LOOKS, looks + 1.0).await;
    let inserted = metric(&controller, "cs_powerdns_rows_written_total{change=\"insert\"}").await.unwrap();
    assert!((inserted - 4.0).abs() < 0.5, "an A and a PTR, twice, make 4 rows: {inserted} were inserted");
}

#[tokio::test]
async fn a_change_that_no_event_announced_is_repaired_by_the_next_resync() {
    let mut lab = Lab::new("missed").await;
    lab.kafka();
    example(&lab).await;
    let silent = lab.world().silent();
    let id = silent.create_vm(vm("first", "192.0.2.10"));
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "2s")]).await;
    answers(&lab, "first.domain.com", "A", &["192.0.2.10"]).await;
    silent.create_vm(vm("missed", "192.0.2.11"));
    answers(&lab, "missed.domain.com", "A", &["192.0.2.11"]).await;
    silent.rename_vm(&id, "renamed");
    answers(&lab, "renamed.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "first.domain.com", "A", &[]).await;
    silent.expunge_vm(&id);
    answers(&lab, "renamed.domain.com", "A", &[]).await;
    metric_reaches(&controller, "cs_powerdns_repairs_total", 3.0).await;
}

#[tokio::test]
async fn an_idle_controller_serves_an_event_within_a_second() {
    let mut lab = Lab::new("latency").await;
    lab.kafka();
    example(&lab).await;
    lab.dns().await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    lab.world().create_vm(vm("warm", "192.0.2.100"));
    answers(&lab, "warm.domain.com", "A", &["192.0.2.100"]).await;
    lab.sim.set_latency(Duration::from_millis(20));
    let mut times = Vec::new();
    for at in 1..=10 {
        let begun = Instant::now();
        let (name, address) = (format!("vm{at}"), format!("192.0.2.{at}"));
        lab.world().create_vm(vm(&name, &address));
        answers(&lab, &format!("{name}.domain.com"), "A", &[&address]).await;
        times.push(begun.elapsed());
    }
    times.sort();
    // The best of ten: other tests share the machine.
    assert!(
        times[0] < Duration::from_secs(1),
        "an event should show in DNS within 1 s; ten took {times:?}\n{}",
        controller.output()
    );
}
