//! The consumer's settings and the librdkafka properties that they become.

use super::TriggerError;
use rdkafka::{ClientConfig, error::KafkaError};

/// Where the events are.
#[derive(Clone)]
pub struct Settings {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// The topic that CloudStack produces to.
    pub topic: String,
    /// The consumer group; a new one starts at the end of the topic.
    pub group: String,
    /// librdkafka properties (SASL, TLS); values may be secrets.
    pub extra: Vec<(String, String)>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&str> = self.extra.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Settings")
            .field("bootstrap", &self.bootstrap)
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("extra", &keys)
            .finish()
    }
}

/// Whether an operator may set this librdkafka property; if not, why.
pub fn check_extra(key: &str) -> Result<(), &'static str> {
    match key {
        "" => Err("it has no name"),
        "group.id" => Err("KAFKA_GROUP sets it"),
        "bootstrap.servers" | "metadata.broker.list" => Err("KAFKA_BOOTSTRAP sets it"),
        "enable.auto.offset.store" | "enable.auto.commit" | "auto.commit.enable" => {
            Err("offsets are stored once the marks are taken, and committed from there")
        }
        "enable.partition.eof" => Err("the end of a partition is no message"),
        "plugin.library.paths" => Err("no foreign code is loaded"),
        "opaque" | "interceptors" | "enabled_events" | "default_topic_conf" => {
            Err("it belongs to the program")
        }
        key if key.ends_with("_cb") => Err("call-backs belong to the program"),
        key if key.contains(char::is_whitespace) => Err("property names have no blanks"),
        _ => Ok(()),
    }
}

/// Properties that hold for every consumer, each of which an operator may override.
const DEFAULTS: [(&str, &str); 12] = [
    ("client.id", "cs-powerdns"),
    // A new group starts at the end: the resync at the start knows everything before.
    ("auto.offset.reset", "latest"),
    // Members that come and go leave the others' partitions alone.
    ("partition.assignment.strategy", "cooperative-sticky"),
    // Marks are small and quickly taken: what is read ahead costs memory only (8 MiB a partition).
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "5000"),
    // With its second, a flood is read at 10 000 messages a second: measured, a hundredth of what it can do.
    ("fetch.queue.backoff.ms", "10"),
    // One answer of a broker; a single longer message still comes, alone, and is counted as poison.
    ("fetch.max.bytes", "16777216"),
    ("fetch.message.max.bytes", "4194304"),
    // The broker answers as soon as there is one byte; half a second of idle waiting spares requests.
    ("fetch.wait.max.ms", "500"),
    ("allow.auto.create.topics", "false"),
    // How soon a topic created after the start, or a new partition, is noticed; one request each time.
    ("topic.metadata.refresh.interval.ms", "10000"),
    // How far behind the partitions' ends we are: some KiB of JSON each time.
    ("statistics.interval.ms", "5000"),
];

/// The properties of a consumer.
pub(super) fn client_config(settings: &Settings) -> Result<ClientConfig, TriggerError> {
    let mut config = ClientConfig::new();
    for (key, value) in DEFAULTS {
        config.set(key, value);
    }
    for (key, value) in &settings.extra {
        check_extra(key).map_err(|why| TriggerError::Extra { key: key.clone(), why })?;
        if key == "group.protocol" && value == "consumer" {
            // In the protocol of KIP-848 the broker assigns, and librdkafka refuses a strategy.
            config.remove("partition.assignment.strategy");
        }
        config.set(key, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap);
    config.set("group.id", &settings.group);
    config.set("enable.auto.commit", "true");
    config.set("enable.auto.offset.store", "false");
    Ok(config)
}

/// What librdkafka says against the properties, without their values: it quotes them.
pub(super) fn refused(settings: &Settings, err: KafkaError) -> TriggerError {
    match err {
        KafkaError::ClientConfig(_, _, key, _) => TriggerError::Property { key },
        KafkaError::ClientCreation(why) => {
            let mut why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
            for (_, value) in settings.extra.iter().filter(|(_, value)| value.len() > 3) {
                why = why.replace(value.as_str(), "***");
            }
            TriggerError::Properties { why }
        }
        source => TriggerError::Fatal { source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::BaseConsumer;

    fn settings(extra: &[(&str, &str)]) -> Settings {
        Settings {
            bootstrap: "127.0.0.1:1".into(),
            topic: "cs-events".into(),
            group: "g".into(),
            extra: extra.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn properties_that_are_ours_are_refused() {
        for key in [
            "group.id",
            "bootstrap.servers",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "rebalance_cb",
            "",
            "a b",
        ] {
            assert!(check_extra(key).is_err(), "{key}");
            assert!(matches!(client_config(&settings(&[(key, "x")])), Err(TriggerError::Extra { .. })));
        }
        for key in ["sasl.password", "security.protocol", "ssl.ca.location", "session.timeout.ms"] {
            assert_eq!(check_extra(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn librdkafka_takes_our_defaults_and_the_newer_group_protocol() {
        for extra in [&[][..], &[("group.protocol", "consumer")], &[("security.protocol", "ssl")]] {
            client_config(&settings(extra)).unwrap().create::<BaseConsumer>().unwrap();
        }
    }

    #[test]
    fn no_value_of_a_property_is_shown() {
        for extra in [
            &[("sasl.mechanism", "S3cretValue")][..],
            &[("no.such.property", "S3cretValue")],
            &[
                ("security.protocol", "sasl_ssl"),
                ("sasl.mechanisms", "PLAIN"),
                ("sasl.password", "S3cretValue"),
                ("ssl.ca.location", "/S3cretValue"),
            ],
        ] {
            let settings = settings(extra);
            assert!(!format!("{settings:?}").contains("S3cretValue"));
            let Err(err) = client_config(&settings).unwrap().create::<BaseConsumer>() else { continue };
            let err = refused(&settings, err);
            assert!(!format!("{err} {err:?}").contains("S3cretValue"), "{err:?}");
        }
    }
}
