//! Plain counters that every shell room may touch; `observe` renders them. No registry, no labels of
//! unbounded value: what a counter means stands in its field's documentation.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests to the CloudStack API.
    pub api: Api,
    /// The Kafka consumer.
    pub triggers: Triggers,
    /// The PowerDNS database.
    pub sql: Sql,
    /// The reconciler.
    pub passes: Passes,
    /// PowerDNS's web servers, as the configuration lists them; unset where it lists none.
    pub web: OnceLock<Vec<Arc<WebServer>>>,
}

/// Requests to the CloudStack API.
#[derive(Debug, Default)]
pub struct Api {
    /// Requests sent.
    pub requests: Counter,
    /// Requests that failed in any way.
    pub errors: Counter,
    /// Items of answers that could not be read as a VM, account, domain or project.
    pub unreadable: Counter,
    /// Microseconds spent waiting for answers.
    pub micros: Counter,
    /// When the last answer or page arrived, seconds since 1970.
    pub last_answer: Gauge,
    /// When a request last ended, well or badly, seconds since 1970.
    pub last_end: Gauge,
}

/// The Kafka consumer.
#[derive(Debug, Default)]
pub struct Triggers {
    /// Messages received.
    pub messages: Counter,
    /// Marks made of them.
    pub marks: Counter,
    /// Messages that concern nothing that we publish.
    pub irrelevant: Counter,
    /// Messages that could not be read.
    pub poison: Counter,
    /// Errors that the client library reported.
    pub errors: Counter,
    /// Partitions assigned now.
    pub partitions: Gauge,
}

/// The PowerDNS database.
#[derive(Debug, Default)]
pub struct Sql {
    /// Transactions committed.
    pub commits: Counter,
    /// Transactions that found the rows other than the plan had seen them.
    pub conflicts: Counter,
    /// Transactions that a deadlock, time-out or lost connection ended.
    pub retries: Counter,
    /// Rows inserted, deleted, given another TTL.
    pub inserted: Counter,
    /// Rows deleted.
    pub deleted: Counter,
    /// Rows given another TTL.
    pub retimed: Counter,
    /// SOA serials moved.
    pub serials: Counter,
    /// Statements sent.
    pub statements: Counter,
}

/// A web server of PowerDNS that is told of changes.
#[derive(Debug)]
pub struct WebServer {
    /// Its URL: a label of as many values as the configuration lists.
    pub url: String,
    /// Flushes of its caches that were sent.
    pub flushes: Counter,
    /// Requests to send a NOTIFY.
    pub notifies: Counter,
    /// Requests of either kind that failed in any way.
    pub errors: Counter,
    trouble: Mutex<Option<String>>,
}

impl WebServer {
    /// One that nothing was sent to yet.
    pub fn new(url: String) -> Self {
        let (flushes, notifies, errors) = Default::default();
        Self { url, flushes, notifies, errors, trouble: Mutex::default() }
    }

    /// Why requests fail now; none where they do not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// See [`WebServer::trouble`].
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The reconciler.
#[derive(Debug, Default)]
pub struct Passes {
    /// Full resyncs that ended well.
    pub resyncs: Counter,
    /// Full resyncs that failed.
    pub resync_failures: Counter,
    /// Look-ups that ended well.
    pub looks: Counter,
    /// Look-ups that failed.
    pub look_failures: Counter,
    /// Names settled.
    pub settled: Counter,
    /// Batches that failed.
    pub settle_failures: Counter,
    /// Names that a resync repaired and that no trigger had announced.
    pub repairs: Counter,
    /// Dirty VMs waiting.
    pub dirty_vms: Gauge,
    /// Dirty names waiting.
    pub dirty_names: Gauge,
    /// VMs known.
    pub vms: Gauge,
    /// Records held back by the loss budget.
    pub held: Gauge,
    /// Duration of the last resync in milliseconds.
    pub resync_millis: Gauge,
    /// When the last resync ended well, seconds since 1970.
    pub last_resync: Gauge,
}

/// An error with its causes on one line, for logs and status: Display leaves the source out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some crates' Display has the source inside.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
