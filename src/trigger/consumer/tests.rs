//! The consumer against librdkafka's mock cluster: a real port on loopback.

use super::*;
use crate::model::VmId;
use rdkafka::{
    mocking::MockCluster,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use std::collections::BTreeSet;

const TOPIC: &str = "cs-events";

struct Running {
    deliveries: mpsc::Receiver<Delivery>,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), TriggerError>>,
}

impl Running {
    fn start(bootstrap: &str) -> Self {
        let extra = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")];
        let settings = Settings {
            bootstrap: bootstrap.to_owned(),
            topic: TOPIC.to_owned(),
            group: "group".to_owned(),
            extra: extra.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        };
        let (out, deliveries) = mpsc::channel(1);
        let (metrics, cancel) = (Arc::new(Metrics::default()), CancellationToken::new());
        let task = tokio::spawn({
            let (metrics, cancel) = (Arc::clone(&metrics), cancel.clone());
            async move { consume(&settings, out, metrics, cancel).await }
        });
        Self { deliveries, metrics, cancel, task }
    }

    async fn next(&mut self) -> Delivery {
        let wait = Duration::from_secs(30);
        tokio::time::timeout(wait, self.deliveries.recv()).await.unwrap().unwrap()
    }

    /// Takes deliveries until all these VMs were marked; how many deliveries that took.
    async fn take(&mut self, mut wanted: BTreeSet<VmId>) -> usize {
        let mut taken = 0;
        while !wanted.is_empty() {
            let delivery = self.next().await;
            if let Arrival::Marks(marks) = &delivery.arrival {
                for mark in marks {
                    let Mark::Vm { id, .. } = mark else { panic!("{mark:?}") };
                    assert!(wanted.remove(id), "{id} came although it had been taken");
                }
                taken += 1;
            }
            delivery.acknowledge();
        }
        taken
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn vm(n: u128) -> VmId {
    VmId::from_u128(n)
}

fn event(n: u128) -> String {
    format!(r#"{{"event":"VM.START","status":"Completed","VirtualMachine":"{}"}}"#, vm(n))
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_follow_acknowledgements_and_poison_stops_nothing() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 2, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    let producer: ThreadedProducer<DefaultProducerContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("message.max.bytes", "4000000")
        .create()
        .unwrap();
    let send = |payload: &str| producer.send(BaseRecord::<str, str>::to(TOPIC).payload(payload)).unwrap();
    let flush = || producer.flush(Duration::from_secs(10)).unwrap();

    let mut first = Running::start(&bootstrap);
    let assigned = first.next().await;
    assert_eq!(assigned.arrival, Arrival::Assigned);
    assigned.acknowledge();
    assert_eq!(first.metrics.triggers.partitions.get(), 2);
    // "Latest" is the end at the time of the first fetch: knock until one message comes through.
    let knock = vm(9999);
    loop {
        send(&event(9999));
        flush();
        if let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), first.next()).await {
            assert_eq!(delivery.arrival, Arrival::Marks(vec![Mark::Vm { id: knock, said_gone: false }]));
            delivery.acknowledge();
            break;
        }
    }
    while let Ok(delivery) = tokio::time::timeout(Duration::from_secs(2), first.next()).await {
        delivery.acknowledge();
    }

    send(&"x".repeat(2_000_000));
    send("");
    (1..=2000).for_each(|n| send(&event(n)));
    flush();
    let taken = first.take((1..=2000).map(vm).collect()).await;
    assert!(taken < 1000, "{taken} deliveries for 2000 messages are no batches");
    assert_eq!(first.metrics.triggers.poison.get(), 2);

    send(&event(5000));
    flush();
    let waiting = first.next().await;
    assert!(matches!(waiting.arrival, Arrival::Marks(_)));
    // What comes meanwhile is read already, and delivered behind it.
    let read = first.metrics.triggers.marks.of("vm").get();
    send(&event(5001));
    flush();
    let begun = Instant::now();
    while first.metrics.triggers.marks.of("vm").get() == read {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is read meanwhile");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waiting.acknowledge();
    let unacknowledged = first.next().await;
    assert_eq!(unacknowledged.arrival, Arrival::Marks(vec![Mark::Vm { id: vm(5001), said_gone: false }]));
    first.stop().await;
    drop(unacknowledged);

    // The next member of the group reads what was not acknowledged, and nothing else.
    let mut second = Running::start(&bootstrap);
    assert_eq!(second.take([vm(5001)].into()).await, 1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_is_waited_for_and_does_not_hinder_the_end() {
    let mut down = Running::start("127.0.0.1:1");
    let metrics = Arc::clone(&down.metrics);
    while metrics.triggers.errors.get() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(down.deliveries.try_recv().is_err());
    assert!(!down.task.is_finished());
    tokio::time::timeout(Duration::from_secs(10), down.stop()).await.unwrap();
}
