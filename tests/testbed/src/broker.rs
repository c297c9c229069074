//! The Kafka mock of librdkafka: a real port on loopback, without persistence.
//!
//! One a process, with a topic and a group per test: the first join of a group takes about 3 s.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord, Producer};

use crate::sim::{Event, Sink};

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Job = Box<dyn FnOnce(&Cluster) + Send>;

/// A mock cluster. It lives on a thread of its own, because the handle may not change threads.
pub struct Broker {
    jobs: Sender<Job>,
    producer: Publisher,
    bootstrap: String,
}

impl Broker {
    /// Starts a cluster of one broker.
    pub fn start() -> Result<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (said, hello) = channel();
        std::thread::Builder::new().name("mock-broker".into()).spawn(move || {
            let cluster = match Cluster::new(1) {
                Ok(cluster) => cluster,
                Err(error) => return drop(said.send(Err(error))),
            };
            let _ = said.send(Ok(cluster.bootstrap_servers()));
            while let Ok(job) = inbox.recv() {
                job(&cluster);
            }
        })?;
        let bootstrap = hello.recv().context("the mock broker's thread ended")??;
        let producer = Publisher::to(&bootstrap)?;
        Ok(Self { jobs, producer, bootstrap })
    }

    /// `host:port`, as KAFKA_BOOTSTRAP wants it.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Makes a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let name = topic.to_owned();
        self.with(move |cluster| cluster.create_topic(&name, partitions, 1))?.map_err(|error| anyhow!(error))
    }

    /// Does something to the cluster itself: `request_errors`, `broker_down(-1)`, `broker_up(-1)`.
    pub fn with<R: Send + 'static>(&self, job: impl FnOnce(&Cluster) -> R + Send + 'static) -> Result<R> {
        let (said, answer) = channel();
        let job: Job = Box::new(move |cluster| drop(said.send(job(cluster))));
        self.jobs.send(job).map_err(|_| anyhow!("the mock broker's thread ended"))?;
        answer.recv().context("the mock broker's thread ended")
    }

    /// Sends a message and waits until the broker has it.
    pub async fn publish(&self, topic: &str, key: Option<&str>, value: &str) -> Result<()> {
        self.producer.publish(topic, key, value).await
    }

    /// The producer, to keep.
    pub fn publisher(&self) -> Publisher {
        self.producer.clone()
    }

    /// Where a simulator's events go: this topic.
    pub fn sink(&self, topic: &str) -> Sink {
        self.producer.sink(topic)
    }
}

/// A producer to any broker.
#[derive(Clone)]
pub struct Publisher(FutureProducer);

impl Publisher {
    /// A producer to the brokers at `bootstrap`. Order is kept.
    pub fn to(bootstrap: &str) -> Result<Self> {
        Self::with(&[("bootstrap.servers", bootstrap)])
    }

    /// A producer with these properties. Order is kept.
    pub fn with(properties: &[(&str, &str)]) -> Result<Self> {
        let mut config: ClientConfig =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        config.set("linger.ms", "0");
        config.set("max.in.flight.requests.per.connection", "1");
        config.set("socket.timeout.ms", "10000");
        Ok(Self(config.create()?))
    }

    /// Sends a message and waits until the broker has it.
    pub async fn publish(&self, topic: &str, key: Option<&str>, value: &str) -> Result<()> {
        let mut record = FutureRecord::<str, str>::to(topic).payload(value);
        record.key = key;
        let sent = self.0.send(record, Duration::from_secs(10)).await;
        sent.map(drop).map_err(|(error, _)| anyhow!(error))
    }

    /// Sends messages without keys, however many, and waits until the broker has them.
    pub async fn publish_all(&self, topic: &str, values: impl IntoIterator<Item = String>) -> Result<()> {
        for value in values {
            let mut record = FutureRecord::<str, str>::to(topic).payload(&value);
            while let Err((error, returned)) = self.0.send_result(record) {
                anyhow::ensure!(
                    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull),
                    "cannot send: {error}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
                record = returned;
            }
        }
        self.flush()
    }

    /// Waits until all that a sink was given is at the broker.
    pub fn flush(&self) -> Result<()> {
        Ok(self.0.flush(Duration::from_secs(30))?)
    }

    /// A sink that sends to a topic and does not wait.
    pub fn sink(&self, topic: &str) -> Sink {
        let (producer, topic) = (self.0.clone(), topic.to_owned());
        Arc::new(move |event: &Event| {
            let mut record = FutureRecord::<str, str>::to(&topic).payload(&event.value);
            record.key = event.key.as_deref();
            // A queue that is full loses the event, as CloudStack's own producer does.
            drop(producer.send_result(record));
        })
    }
}

/// The mock cluster of this process.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start().expect("librdkafka has its mock built in"))
}
