//! What `check` asks of Kafka: whether the brokers answer, the topic is there, and when the last event came.
//! It joins no group and commits nothing; of messages it reads no more than their time.

use super::{
    Settings, TriggerError,
    settings::{client_config, refused},
};
use crate::{
    metrics::chain,
    model::{Finding, counted},
};
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{MetadataPartition, MetadataTopic},
};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout};

const TOPIC: &str = "kafka";
/// For the first answer, a TLS handshake and a log-in included.
const FIRST: Duration = Duration::from_secs(10);
/// For each further answer.
const NEXT: Duration = Duration::from_secs(5);
/// For all of it: librdkafka takes its time to give up.
const ALL: Duration = Duration::from_secs(40);
/// Read from this far before a partition's end: its last offset may be no message but a transaction's mark.
const BACK: i64 = 3;

/// What Kafka has shown.
#[derive(Debug, Default)]
pub struct Checked {
    /// Line by line.
    pub findings: Vec<Finding>,
    /// The events of the topic; none where they could not be looked at.
    pub events: Option<Events>,
}

/// The events of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Messages that the topic holds.
    pub held: u64,
    /// Messages that it ever had, as its offsets tell.
    pub ever: u64,
    /// The time of the latest, in seconds since 1970, where one is held and has a time.
    pub latest: Option<i64>,
}

/// Looks at everything that a consumer needs. Takes bounded time.
pub async fn check(settings: &Settings) -> Checked {
    let (out, seen) = oneshot::channel();
    let of = settings.clone();
    // On a thread of its own: librdkafka blocks, also where its client is dropped.
    std::thread::spawn(move || {
        let _ = out.send(look(&of));
    });
    let Settings { bootstrap, topic, .. } = settings;
    match timeout(ALL, seen).await {
        Ok(Ok(checked)) => checked,
        _ => unreached(format!(
            "brokers at {bootstrap} did not tell about topic {topic} within {} s",
            ALL.as_secs()
        )),
    }
}

fn unreached(what: String) -> Checked {
    let remedy = "check KAFKA_BOOTSTRAP, KAFKA_CONFIG (TLS, SASL) and the brokers; until then changes show only \
                  with each resync";
    Checked { findings: vec![Finding::error(TOPIC, what, remedy)], events: None }
}

/// Keeps the last thing that librdkafka complained of.
#[derive(Default)]
struct Listening(Mutex<Option<String>>);

impl ClientContext for Listening {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // "All brokers are down" says less than what came before it.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Listening {}

type Reader = BaseConsumer<Listening>;

fn open(settings: &Settings) -> Result<Reader, TriggerError> {
    let mut config = client_config(settings)?;
    config.set("enable.auto.commit", "false");
    Reader::from_config_and_context(&config, Listening::default()).map_err(|error| refused(settings, error))
}

fn look(settings: &Settings) -> Checked {
    let Settings { bootstrap, topic, group, .. } = settings;
    let reader = match open(settings) {
        Ok(reader) => reader,
        Err(error) => {
            let remedy = "mend KAFKA_CONFIG: `run` ends with the same error";
            return Checked { findings: vec![Finding::error(TOPIC, chain(&error), remedy)], events: None };
        }
    };
    let metadata = match reader.fetch_metadata(Some(topic), FIRST) {
        Ok(metadata) => metadata,
        Err(error) => {
            let why = complaint(settings, &reader).unwrap_or_else(|| error.to_string());
            return unreached(format!("brokers at {bootstrap} do not answer: {why}"));
        }
    };
    let mut findings = vec![Finding::ok(
        TOPIC,
        format!("the cluster of {} answers at {bootstrap}", counted(metadata.brokers().len(), "broker")),
    )];
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions: Vec<i32> =
        found.iter().flat_map(|found| found.partitions()).map(MetadataPartition::id).collect();
    let refusal = found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
    match refusal {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            findings.push(Finding::error(
                TOPIC,
                format!("the topic {topic} may not be read"),
                format!("allow KAFKA_CONFIG's user to read topic {topic} and group {group}"),
            ));
        }
        _ if partitions.is_empty() => findings.push(Finding::error(
            TOPIC,
            format!("there is no topic {topic}"),
            "create it, or correct KAFKA_TOPIC: it is `topic` in the management servers' \
             kafka.producer.properties, whose default is `cloudstack`",
        )),
        _ => match events(&reader, topic, &partitions) {
            Ok((events, ends)) => {
                let what = format!(
                    "the topic {topic} has {} and holds {}",
                    counted(partitions.len(), "partition"),
                    counted(events.held, "message")
                );
                findings.push(Finding::ok(TOPIC, what));
                findings.push(progress(&reader, settings, &ends));
                return Checked { findings, events: Some(events) };
            }
            Err(error) => findings.push(Finding::error(
                TOPIC,
                format!(
                    "the topic {topic} cannot be read: {}",
                    complaint(settings, &reader).unwrap_or_else(|| error.to_string())
                ),
                "look at the brokers' logs, and at the rights of KAFKA_CONFIG's user",
            )),
        },
    }
    Checked { findings, events: None }
}

/// Partitions with the offsets at which they end.
type Ends = Vec<(i32, i64)>;

fn events(reader: &Reader, topic: &str, partitions: &[i32]) -> Result<(Events, Ends), KafkaError> {
    let (mut events, mut ends, mut last) = (Events::default(), Vec::new(), TopicPartitionList::new());
    for partition in partitions {
        let (low, high) = reader.fetch_watermarks(topic, *partition, NEXT)?;
        events.held += u64::try_from(high - low).unwrap_or(0);
        events.ever += u64::try_from(high).unwrap_or(0);
        ends.push((*partition, high));
        if high > low {
            last.add_partition_offset(topic, *partition, Offset::Offset((high - BACK).max(low)))?;
        }
    }
    if last.count() > 0 {
        reader.assign(&last)?;
        events.latest = latest(reader, &ends, last.count());
        reader.unassign()?;
    }
    Ok((events, ends))
}

/// The latest time of what comes until each partition's end, or until nothing more comes.
fn latest(reader: &Reader, ends: &Ends, partitions: usize) -> Option<i64> {
    let (mut latest, mut done) = (None, HashSet::new());
    let until = Instant::now() + NEXT;
    while done.len() < partitions && Instant::now() < until {
        let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
        latest = latest.max(message.timestamp().to_millis().map(|millis| millis / 1000));
        let end = ends.iter().find(|(partition, _)| *partition == message.partition());
        if end.is_none_or(|(_, end)| message.offset() + 1 >= *end) {
            done.insert(message.partition());
        }
    }
    latest
}

/// How far the group has read.
fn progress(reader: &Reader, settings: &Settings, ends: &Ends) -> Finding {
    let Settings { topic, group, .. } = settings;
    let mut list = TopicPartitionList::new();
    for (partition, _) in ends {
        list.add_partition(topic, *partition);
    }
    let committed = match reader.committed_offsets(list, NEXT) {
        Ok(committed) => committed,
        Err(error) => {
            return Finding::error(
                TOPIC,
                format!("the consumer group {group} cannot be asked: {error}"),
                format!("allow KAFKA_CONFIG's user to read group {group}"),
            );
        }
    };
    let elements = committed.elements();
    let read = |(partition, end): &(i32, i64)| {
        let at = elements.iter().find(|one| one.partition() == *partition)?.offset();
        if let Offset::Offset(at) = at { Some(end - at) } else { None }
    };
    let behind: Vec<i64> = ends.iter().filter_map(read).collect();
    Finding::ok(
        TOPIC,
        if behind.is_empty() {
            format!("the consumer group {group} is new: it starts at the end of the topic")
        } else {
            let behind: i64 = behind.iter().sum();
            format!(
                "the consumer group {group} is {} behind the end of the topic",
                counted(behind, "message")
            )
        },
    )
}

/// What librdkafka complained of last, without the values of properties.
fn complaint(settings: &Settings, reader: &Reader) -> Option<String> {
    // Complaints are handed out where it is asked for messages.
    for _ in 0..20 {
        if reader.poll(Duration::from_millis(10)).is_none() {
            break;
        }
    }
    let why = reader.context().0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let mut why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
    for (_, value) in settings.extra.iter().filter(|(_, value)| value.len() > 3) {
        why = why.replace(value.as_str(), "***");
    }
    Some(why)
}
