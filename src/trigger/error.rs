//! Why the consumer cannot run. An unreachable broker or a missing topic is none of these: librdkafka
//! tries again by itself for as long as it takes.

use rdkafka::error::KafkaError;

/// The consumer cannot start, or cannot go on. No variant carries the value of a property.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// A property that is ours.
    #[error("the Kafka property {key} cannot be set: {why}")]
    Extra {
        /// The property.
        key: String,
        /// Why not.
        why: &'static str,
    },
    /// A property that librdkafka refuses.
    #[error("librdkafka refuses the Kafka property {key}: it does not know it, or not this value")]
    Property {
        /// The property.
        key: String,
    },
    /// A combination of properties that librdkafka refuses.
    #[error("librdkafka refuses the Kafka properties: {why}")]
    Properties {
        /// Its words, without values of secret properties.
        why: String,
    },
    /// The subscription was refused at once.
    #[error("cannot subscribe to the Kafka topic {topic}")]
    Subscribe {
        /// The topic.
        topic: String,
        /// Why.
        source: KafkaError,
    },
    /// The client has failed for good, say because another one took its static membership.
    #[error("the Kafka client has failed for good")]
    Fatal {
        /// Why.
        source: KafkaError,
    },
    /// Whoever took the marks has gone.
    #[error("nobody takes the marks any more")]
    Abandoned,
}

impl TriggerError {
    /// Whether a new consumer may succeed without anybody doing something.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }
}
