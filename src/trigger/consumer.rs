//! The consumer: batches of marks out, acknowledgements in, offsets after them.

use super::{
    Settings, TriggerError,
    batch::Batch,
    settings::{client_config, refused},
};
use crate::{metrics::Metrics, model::Mark};
use futures_util::{FutureExt, StreamExt};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
    statistics::Statistics,
};
use std::{collections::BTreeMap, future::ready, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long the end may take: committing offsets and leaving the group.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long each question to the broker may take before a partition is taken.
const ANCHOR: Duration = Duration::from_secs(3);
/// The same complaint is logged no more often than this.
const COMPLAINT: Duration = Duration::from_secs(30);

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Marks of a batch, each once.
    Marks(Vec<Mark>),
    /// Partitions were assigned: events may have been missed meanwhile, so a resync is due.
    Assigned,
}

/// Something that came, and where to say that it is taken.
#[derive(Debug)]
pub struct Delivery {
    /// What came.
    pub arrival: Arrival,
    /// When.
    pub at: Instant,
    ack: oneshot::Sender<()>,
}

impl Delivery {
    /// A delivery, and the end at which its acknowledgement arrives.
    pub fn new(arrival: Arrival) -> (Self, oneshot::Receiver<()>) {
        let (ack, taken) = oneshot::channel();
        (Self { arrival, at: Instant::now(), ack }, taken)
    }

    /// Says that the marks are in the dirty set: their offsets may be stored now.
    pub fn acknowledge(self) {
        // A consumer that has ended meanwhile stores no offsets: the marks come again.
        let _ = self.ack.send(());
    }
}

/// Consumes until cancelled, then commits what was acknowledged and leaves the group, within bounded time.
/// Brokers that are down and topics that do not exist yet are waited for.
///
/// # Errors
/// Properties that cannot be, a client that failed for good, or a receiver that has gone.
pub async fn consume(
    settings: &Settings,
    out: mpsc::Sender<Delivery>,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
) -> Result<(), TriggerError> {
    let assigned = Arc::new(Notify::new());
    let config = client_config(settings)?;
    let from_the_end = config.get("auto.offset.reset") == Some("latest");
    let context = Context { from_the_end, assigned: Arc::clone(&assigned), metrics: Arc::clone(&metrics) };
    let consumer: StreamConsumer<Context> =
        StreamConsumer::from_config_and_context(&config, context).map_err(|err| refused(settings, err))?;
    consumer
        .subscribe(&[&settings.topic])
        .map_err(|source| TriggerError::Subscribe { topic: settings.topic.clone(), source })?;
    let reader = Reader { consumer: &consumer, topic: &settings.topic, out, metrics, cancel };
    let result = reader.run(&assigned).await;
    drop(reader);
    farewell(consumer).await;
    result
}

/// Commits what is stored and leaves the group, on a thread of its own: librdkafka blocks for as long as a
/// broker does not answer, and nothing hangs on it but a few messages read twice.
async fn farewell(consumer: StreamConsumer<Context>) {
    let (done, ended) = oneshot::channel();
    std::thread::spawn(move || {
        match consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(err) => tracing::warn!(error = %err, "could not commit Kafka offsets at the end"),
        }
        drop(consumer);
        let _ = done.send(());
    });
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::warn!("Kafka did not let us leave in time; some events will be read again");
    }
}

struct Reader<'a> {
    consumer: &'a StreamConsumer<Context>,
    topic: &'a str,
    out: mpsc::Sender<Delivery>,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
}

impl Reader<'_> {
    async fn run(&self, assigned: &Notify) -> Result<(), TriggerError> {
        let mut stream = self.consumer.stream();
        let mut complaints = Complaints::default();
        let mut batch = Batch::default();
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Ok(()),
                () = assigned.notified() => {
                    if !self.deliver(Arrival::Assigned).await? {
                        return Ok(());
                    }
                    continue;
                }
                () = ready(()), if batch.taken > 0 => {}
                Some(first) = stream.next() => self.take(first, &mut batch, &mut complaints)?,
            }
            while !batch.is_full()
                && let Some(message) = stream.next().now_or_never().flatten()
            {
                self.take(message, &mut batch, &mut complaints)?;
            }
            let triggers = &self.metrics.triggers;
            triggers.messages.add(batch.taken as u64);
            if batch.taken > 0 {
                triggers.last_message.set_now();
            }
            let mut following = Batch::default();
            let marks = batch.take_marks();
            if !marks.is_empty() {
                // The receiver may have a transaction to end first: whatever comes meanwhile adds up.
                let mut delivery = pin!(self.deliver(Arrival::Marks(marks)));
                let delivered = loop {
                    tokio::select! {
                        biased;
                        delivered = &mut delivery => break delivered?,
                        Some(message) = stream.next(), if !following.is_crowded() => {
                            self.take(message, &mut following, &mut complaints)?;
                        }
                    }
                };
                if !delivered {
                    return Ok(());
                }
            }
            self.store(&batch.offsets);
            batch = following;
        }
    }

    fn take(
        &self,
        message: Result<BorrowedMessage<'_>, KafkaError>,
        batch: &mut Batch,
        complaints: &mut Complaints,
    ) -> Result<(), TriggerError> {
        match message {
            Ok(message) => batch.take(&message, &self.metrics.triggers),
            Err(KafkaError::MessageConsumptionFatal(code)) => {
                return Err(TriggerError::Fatal { source: KafkaError::MessageConsumptionFatal(code) });
            }
            // Not fatal: librdkafka goes on by itself.
            Err(err) => complaints.hear(&err, &self.metrics),
        }
        Ok(())
    }

    /// Hands something over and waits until it is taken; false if cancelled meanwhile.
    async fn deliver(&self, arrival: Arrival) -> Result<bool, TriggerError> {
        let (delivery, taken) = Delivery::new(arrival);
        let waiting = &self.metrics.triggers.waiting_since;
        waiting.set_now();
        let hand_over = async {
            self.out.send(delivery).await.map_err(|_| TriggerError::Abandoned)?;
            taken.await.map_err(|_| TriggerError::Abandoned)
        };
        let delivered = tokio::select! {
            biased;
            // At shutdown the receiver may go before the signal is seen here.
            result = hand_over => match result {
                Err(_) if self.cancel.is_cancelled() => Ok(false),
                result => result.map(|()| true),
            },
            () = self.cancel.cancelled() => Ok(false),
        };
        waiting.set_ago(None);
        delivered
    }

    fn store(&self, offsets: &BTreeMap<i32, i64>) {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            // What is stored is where to go on.
            if list.add_partition_offset(self.topic, *partition, Offset::Offset(offset + 1)).is_err() {
                return;
            }
        }
        if offsets.is_empty() {
            return;
        }
        if let Err(err) = self.consumer.store_offsets(&list) {
            // A partition that has been taken away meanwhile: its next owner reads the messages again.
            tracing::debug!(error = %err, "could not store Kafka offsets");
        }
    }
}

/// Errors of the client, logged at a bounded rate: a broker that is down makes one each second.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    muted: u64,
}

impl Complaints {
    fn hear(&mut self, err: &KafkaError, metrics: &Metrics) {
        metrics.triggers.errors.inc();
        if self.last.is_some_and(|last| last.elapsed() < COMPLAINT) {
            self.muted += 1;
            return;
        }
        self.last = Some(Instant::now());
        let muted = std::mem::take(&mut self.muted);
        tracing::warn!(error = %err, muted, "Kafka reports an error: is KAFKA_BOOTSTRAP right, and KAFKA_TOPIC there? `cs-powerdns check` looks. It goes on, and changes show with each resync");
    }
}

/// What librdkafka tells us.
struct Context {
    /// A new group begins at the end of the topic (the default).
    from_the_end: bool,
    assigned: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(facility, "{message}");
            }
            // Broken connections come as errors of the stream too, which are counted and rate-limited.
            _ => tracing::debug!(facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let triggers = &self.metrics.triggers;
        triggers.lag.set(lag(&statistics));
        triggers.lag_seen.set_now();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka reports an error");
    }
}

impl Context {
    /// A group without a committed offset would begin where the partition ends *when its first fetch is
    /// answered*; an event between the assignment (and the resync that follows it) and that moment would
    /// be lost. So the end is written down as the group's offset before the partition is taken.
    fn anchor(consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for one in assigned.elements() {
            list.add_partition(one.topic(), one.partition());
        }
        let mut ends = TopicPartitionList::new();
        for one in consumer.committed_offsets(list, ANCHOR)?.elements() {
            if matches!(one.offset(), Offset::Invalid) {
                let (_, end) = consumer.fetch_watermarks(one.topic(), one.partition(), ANCHOR)?;
                ends.add_partition_offset(one.topic(), one.partition(), Offset::Offset(end))?;
            }
        }
        if ends.count() > 0 {
            consumer.commit(&ends, CommitMode::Sync)?;
        }
        Ok(())
    }
}

/// Messages that are not read yet of the partitions that are being read: counted from what is stored, as soon
/// as something is, else from what the group has committed.
fn lag(statistics: &Statistics) -> u64 {
    let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
    let read = partitions.filter(|partition| partition.fetch_state == "active");
    let lags = read.map(|partition| match partition.consumer_lag_stored {
        0.. => partition.consumer_lag_stored,
        _ => partition.consumer_lag,
    });
    lags.map(|lag| u64::try_from(lag).unwrap_or(0)).sum()
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance
            && self.from_the_end
            && list.count() > 0
            && let Err(error) = Self::anchor(consumer, list)
        {
            tracing::warn!(%error, "cannot note where the Kafka partitions end: events of the next moments may wait for a resync");
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(list) if list.count() > 0) {
            self.assigned.notify_one();
        }
        if let Rebalance::Error(error) = rebalance {
            tracing::debug!(%error, "rebalance failed");
        }
        let count = consumer.assignment().map_or(0, |list| list.count());
        self.metrics.triggers.partitions.set(count as u64);
    }
}

#[cfg(test)]
mod tests;
