//! Plain counters that every shell room may touch; `observe` renders them. No registry, no labels of
//! unbounded value: what a counter means stands in its field's documentation, and deploy/metrics.md lists
//! what is shown.

mod number;
mod web;

pub use number::{BOUNDS, Counter, Family, Gauge, Histogram, Stamp};
use std::sync::{Arc, OnceLock};
pub use web::WebServer;

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

/// The commands of the API that are called while serving; `check` asks for a few more.
const COMMANDS: [&str; 6] =
    ["listVirtualMachines", "listAccounts", "listDomains", "listProjects", "listCapabilities", "other"];
/// How a request can end.
const RESULTS: [&str; 8] =
    ["success", "unreachable", "timeout", "throttled", "denied", "refused", "error", "unreadable"];

/// Requests to the CloudStack API.
#[derive(Debug)]
pub struct Api {
    /// By command, the requests that ended in each way.
    ended: [Family<{ RESULTS.len() }>; COMMANDS.len()],
    /// By command, microseconds spent waiting for answers.
    pub micros: Family<{ COMMANDS.len() }>,
    /// Items of answers that could not be read as a VM, account, domain or project.
    pub unreadable: Counter,
    /// When the last answer or page arrived, seconds since 1970.
    pub last_answer: Gauge,
    /// When a request last ended, well or badly, seconds since 1970.
    pub last_end: Gauge,
}

impl Default for Api {
    fn default() -> Self {
        let (unreadable, last_answer, last_end) = Default::default();
        let ended = std::array::from_fn(|_| Family::new(RESULTS));
        Self { ended, micros: Family::new(COMMANDS), unreadable, last_answer, last_end }
    }
}

impl Api {
    /// A request has ended in one of the ways that have a word; none for well.
    pub fn ended(&self, command: &str, error: Option<&'static str>) {
        let at = COMMANDS.iter().position(|known| *known == command).unwrap_or(COMMANDS.len() - 1);
        self.ended[at].of(error.unwrap_or(RESULTS[0])).inc();
    }

    /// Command, result, and how many requests ended so.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, &Counter)> {
        let commands = COMMANDS.into_iter().zip(&self.ended);
        commands
            .flat_map(|(command, ended)| ended.iter().map(move |(result, count)| (command, result, count)))
    }

    /// Requests that have ended.
    pub fn requests(&self) -> u64 {
        self.each().map(|(_, _, count)| count.get()).sum()
    }

    /// Those that failed in any way.
    pub fn errors(&self) -> u64 {
        let failed = self.each().filter(|(_, result, _)| *result != RESULTS[0]);
        failed.map(|(_, _, count)| count.get()).sum()
    }
}

/// The Kafka consumer.
#[derive(Debug)]
pub struct Triggers {
    /// 1 where events are configured.
    pub enabled: Gauge,
    /// Messages received.
    pub messages: Counter,
    /// Marks made of them, by what they mark.
    pub marks: Family<8>,
    /// Messages that concern nothing that we publish.
    pub irrelevant: Counter,
    /// Messages that could not be read.
    pub poison: Counter,
    /// Errors that the client library reported.
    pub errors: Counter,
    /// Partitions assigned now.
    pub partitions: Gauge,
    /// Messages of those partitions that are not read yet, by the client library's latest statistics.
    pub lag: Gauge,
    /// When statistics last came.
    pub lag_seen: Stamp,
    /// When the last message came.
    pub last_message: Stamp,
    /// Since when a batch of marks waits for the reconciler; never where none does.
    pub waiting_since: Stamp,
}

impl Default for Triggers {
    fn default() -> Self {
        let (enabled, messages, irrelevant, poison, errors, partitions, lag) = Default::default();
        let (lag_seen, last_message, waiting_since) = Default::default();
        let marks =
            Family::new(["vm", "nic", "address", "network", "account", "domain", "project", "resync"]);
        Self {
            enabled,
            messages,
            marks,
            irrelevant,
            poison,
            errors,
            partitions,
            lag,
            lag_seen,
            last_message,
            waiting_since,
        }
    }
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
    /// Transactions that were rolled back because another process holds the lease.
    pub fenced: Counter,
    /// Transactions that the database refused.
    pub refused: Counter,
    /// Rows inserted.
    pub inserted: Counter,
    /// Rows deleted.
    pub deleted: Counter,
    /// Rows given another TTL.
    pub retimed: Counter,
    /// SOA serials moved.
    pub serials: Counter,
    /// Statements sent.
    pub statements: Counter,
    /// Round trips that they took: several may go together.
    pub trips: Counter,
    /// Microseconds that statements took.
    pub micros: Counter,
    /// Connections that could not be made, and statements that failed or took too long.
    pub errors: Counter,
}

/// One kind of pass.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Those that ended well.
    pub good: Counter,
    /// Those that failed.
    pub failed: Counter,
    /// When the last one began.
    pub attempt: Stamp,
    /// When the last good one ended.
    pub success: Stamp,
}

/// The reconciler.
#[derive(Debug)]
pub struct Passes {
    /// Full resyncs, to the end of their reading.
    pub resync: Attempts,
    /// Look-ups.
    pub look: Attempts,
    /// Batches of names.
    pub settle: Attempts,
    /// Zones and serials.
    pub zones: Attempts,
    /// Microseconds by what they were spent on.
    pub phases: Family<8>,
    /// Look-ups that failed, and VMs for which alone one did.
    pub look_failures: Counter,
    /// Names settled.
    pub settled: Counter,
    /// Names that could not be settled, and batches that the database's own trouble stopped.
    pub settle_failures: Counter,
    /// Names repaired though no trigger had announced anything, by what showed that they had to be.
    pub repairs: Family<4>,
    /// Rows whose claim ended while an operator's edit stays.
    pub left_behind: Counter,
    /// From an event's arrival to the commit of a name that it changed.
    pub latency: Histogram,
    /// Dirty VMs waiting.
    pub dirty_vms: Gauge,
    /// Dirty names waiting.
    pub dirty_names: Gauge,
    /// Since when the VM waits that has waited longest.
    pub dirty_vms_since: Stamp,
    /// Since when the name waits that has waited longest.
    pub dirty_names_since: Stamp,
    /// VMs known.
    pub vms: Gauge,
    /// VMs whose owner no listing shows.
    pub frozen: Gauge,
    /// Zones of the database.
    pub zone_count: Gauge,
    /// Records held back by the loss budget.
    pub held: Gauge,
    /// The sets that they are in.
    pub held_sets: Gauge,
    /// `RESYNC_INTERVAL` in milliseconds.
    pub resync_interval_millis: Gauge,
    /// Duration of the last resync in milliseconds.
    pub resync_millis: Gauge,
}

impl Default for Passes {
    fn default() -> Self {
        let (resync, look, settle, zones) = Default::default();
        let (look_failures, settled, settle_failures, left_behind, latency) = Default::default();
        let (dirty_vms, dirty_names, dirty_vms_since, dirty_names_since) = Default::default();
        let (vms, frozen, zone_count, held, held_sets) = Default::default();
        let (resync_interval_millis, resync_millis) = Default::default();
        Self {
            resync,
            look,
            settle,
            zones,
            phases: Family::new(["owners", "zones", "list", "look", "audit", "read", "plan", "write"]),
            look_failures,
            settled,
            settle_failures,
            repairs: Family::new(["vms", "rows", "owners", "zones"]),
            left_behind,
            latency,
            dirty_vms,
            dirty_names,
            dirty_vms_since,
            dirty_names_since,
            vms,
            frozen,
            zone_count,
            held,
            held_sets,
            resync_interval_millis,
            resync_millis,
        }
    }
}

/// An error with its causes on one line, for logs and status: Display leaves the source out.
pub fn chain(error: &dyn std::error::Error) -> String {
    causes(error).join(": ")
}

/// What an error and its causes say, the outermost first, nothing of it twice: some crates' Display has the
/// source inside, and some wrap an error in one that says the same (`Input/output error: Input/output error:
/// connection closed`).
pub fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = error.to_string();
        let mut parts: Vec<&str> = text.split(": ").collect();
        parts.dedup();
        let words = parts.join(": ");
        if !said.iter().any(|outer| outer.contains(&words)) {
            said.push(words);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("Input/output error: {0}")]
    struct Wrapped<E: std::error::Error + 'static>(#[source] E);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Connect(#[source] Wrapped<Wrapped<io::Error>>);

    #[test]
    fn an_error_that_is_wrapped_in_its_like_is_told_once() {
        let error = Connect(Wrapped(Wrapped(io::Error::other("connection closed"))));
        assert_eq!(chain(&error), "cannot connect: Input/output error: connection closed");
        let causes = causes(&error);
        assert_eq!(causes, ["cannot connect", "Input/output error: connection closed"]);
    }
}
