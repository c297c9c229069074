//! Everything that is counted, for Prometheus. deploy/metrics.md lists the families; a test compares.

use super::{
    Board, Pulse, Role,
    exposition::{Seconds, Text},
};
use crate::{
    metrics::{Attempts, Counter, Metrics, Stamp, WebServer},
    model::Outcome,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

pub(super) use super::exposition::CONTENT_TYPE;

/// At most so many zones have samples of their own, those with most records; the others' numbers are summed
/// up. Reverse zones of single networks are what there are many of.
const ZONES: usize = 200;
/// The label of all others, and of names that no zone encloses.
const OTHER_ZONES: &str = "other zones";
const NO_ZONE: &str = "no zone";

/// Everything that is counted.
pub fn render(metrics: &Metrics, board: &Board, ready: bool) -> String {
    let mut text = Text(String::with_capacity(32 << 10));
    role(&mut text, &board.pulse(), ready);
    passes(&mut text, metrics);
    queues(&mut text, metrics);
    api(&mut text, metrics);
    triggers(&mut text, metrics);
    sql(&mut text, metrics);
    web(&mut text, metrics);
    standing(&mut text, metrics, board);
    zones(&mut text, board);
    text.0
}

fn role(text: &mut Text, pulse: &Pulse, ready: bool) {
    text.family("build_info", "gauge", "The program's version.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("ready", "Whether /readyz says yes.", u8::from(ready));
    let (role, epoch) = match pulse.role {
        Role::Starting => ("starting", 0),
        Role::Standby { .. } => ("standby", 0),
        Role::Holder { epoch } => ("holder", epoch),
    };
    let roles = ["starting", "standby", "holder"].map(|word| (word, u8::from(word == role)));
    text.gauges("lease_role", "What this process is: 1 for one of the roles.", "role", roles);
    text.gauge("lease_epoch", "The epoch that fences what this process writes; 0 without the lease.", epoch);
}

fn passes(text: &mut Text, metrics: &Metrics) {
    let passes = &metrics.passes;
    let kinds: [(&str, &Attempts); 4] = [
        ("resync", &passes.resync),
        ("look", &passes.look),
        ("settle", &passes.settle),
        ("zones", &passes.zones),
    ];
    text.family("passes_total", "counter", "Passes that have ended, by kind and result.");
    for (pass, attempts) in kinds {
        for (result, count) in [("success", &attempts.good), ("failure", &attempts.failed)] {
            text.sample("passes_total", &[("pass", pass), ("result", result)], count.get());
        }
    }
    let stamps = |of: fn(&Attempts) -> &Stamp| kinds.map(|(pass, one)| (pass, of(one).seconds()));
    text.gauges(
        "last_attempt_timestamp_seconds",
        "When the last pass of each kind began, since 1970; 0 for never.",
        "pass",
        stamps(|one| &one.attempt),
    );
    text.gauges(
        "last_success_timestamp_seconds",
        "When the last good pass of each kind ended, since 1970; 0 for never.",
        "pass",
        stamps(|one| &one.success),
    );
    let interval = Seconds::millis(passes.resync_interval_millis.get());
    text.gauge("resync_interval_seconds", "RESYNC_INTERVAL.", interval);
    let duration = Seconds::millis(passes.resync_millis.get());
    text.gauge("resync_duration_seconds", "How long the last good resync took to read everything.", duration);
    text.times("phase_seconds_total", "Time spent on each step of passes.", "phase", &passes.phases);
    text.counter(
        "look_failures_total",
        "Look-ups that failed, and VMs for which alone one did.",
        &passes.look_failures,
    );
    text.counter("names_settled_total", "Owner names settled.", &passes.settled);
    text.counter(
        "settle_failures_total",
        "Owner names that could not be settled, and batches that the database's own trouble stopped.",
        &passes.settle_failures,
    );
    text.counters(
        "repairs_total",
        "Owner names repaired that no event had announced, by what had changed: of vms, lost events.",
        "cause",
        passes.repairs.iter(),
    );
    text.histogram(
        "event_commit_seconds",
        "From the arrival of an event to the commit of each owner name that changed for it.",
        &passes.latency,
    );
}

fn queues(text: &mut Text, metrics: &Metrics) {
    let passes = &metrics.passes;
    text.gauge("vms", "VMs known.", passes.vms.get());
    text.gauge("zones", "Zones of the PowerDNS database.", passes.zone_count.get());
    text.gauge("dirty_vms", "VMs to be looked at, now or again after an event.", passes.dirty_vms.get());
    text.gauge("dirty_names", "Owner names to be settled.", passes.dirty_names.get());
    let oldest = [("vms", &passes.dirty_vms_since), ("names", &passes.dirty_names_since)];
    text.gauges(
        "oldest_dirty_seconds",
        "How long the oldest of what is due waits, failed attempts included; 0 while nothing does.",
        "queue",
        oldest.map(|(queue, since)| (queue, Seconds::millis(since.age_millis()))),
    );
}

fn api(text: &mut Text, metrics: &Metrics) {
    let api = &metrics.api;
    text.family("api_requests_total", "counter", "Requests to the CloudStack API, by command and result.");
    for (command, result, count) in api.each() {
        text.sample("api_requests_total", &[("command", command), ("result", result)], count.get());
    }
    text.times(
        "api_request_seconds_total",
        "Time that requests to the CloudStack API took.",
        "command",
        &api.micros,
    );
    text.counter(
        "api_unreadable_items_total",
        "Items of CloudStack's answers that could not be read.",
        &api.unreadable,
    );
    text.gauge(
        "api_last_answer_timestamp_seconds",
        "When CloudStack last answered, since 1970; 0 for never.",
        api.last_answer.get(),
    );
}

fn triggers(text: &mut Text, metrics: &Metrics) {
    let triggers = &metrics.triggers;
    text.gauge("trigger_enabled", "Whether KAFKA_BOOTSTRAP is set.", triggers.enabled.get());
    text.counter("trigger_messages_total", "Kafka messages received.", &triggers.messages);
    text.counters(
        "trigger_marks_total",
        "Marks made of Kafka messages, by what they mark.",
        "kind",
        triggers.marks.iter(),
    );
    text.counters(
        "trigger_ignored_messages_total",
        "Kafka messages that made no mark.",
        "reason",
        [("irrelevant", &triggers.irrelevant), ("unreadable", &triggers.poison)],
    );
    text.counter("trigger_errors_total", "Errors that the Kafka client reported.", &triggers.errors);
    text.gauge(
        "trigger_partitions",
        "Kafka partitions assigned now; none on a standby.",
        triggers.partitions.get(),
    );
    text.gauge(
        "trigger_lag_messages",
        "Kafka messages of the assigned partitions that are not taken yet, as last reported.",
        triggers.lag.get(),
    );
    text.gauge(
        "trigger_lag_timestamp_seconds",
        "When the Kafka client last reported the lag, since 1970; 0 for never.",
        triggers.lag_seen.seconds(),
    );
    text.gauge(
        "trigger_last_message_timestamp_seconds",
        "When the last Kafka message came, since 1970; 0 for never.",
        triggers.last_message.seconds(),
    );
    text.gauge(
        "trigger_waiting_seconds",
        "How long the marks read last have waited to be taken; 0 while none wait.",
        Seconds::millis(triggers.waiting_since.age_millis()),
    );
}

fn sql(text: &mut Text, metrics: &Metrics) {
    let sql = &metrics.sql;
    text.counter("sql_statements_total", "Statements sent to the PowerDNS database.", &sql.statements);
    let help = "Round trips to the PowerDNS database: statements that go together take one.";
    text.counter("sql_round_trips_total", help, &sql.trips);
    text.time("sql_seconds_total", "Time that statements took.", &sql.micros);
    text.counter(
        "sql_errors_total",
        "Connections to the PowerDNS database that failed, statements that failed or took too long.",
        &sql.errors,
    );
    text.counters(
        "sql_transactions_total",
        "Write transactions by how they ended.",
        "result",
        [
            ("commit", &sql.commits),
            ("conflict", &sql.conflicts),
            ("retry", &sql.retries),
            ("fenced", &sql.fenced),
            ("error", &sql.refused),
        ],
    );
    text.counters(
        "rows_written_total",
        "Rows of the records table written.",
        "change",
        [("insert", &sql.inserted), ("delete", &sql.deleted), ("ttl", &sql.retimed)],
    );
    text.counter("serials_moved_total", "SOA serials moved.", &sql.serials);
}

fn web(text: &mut Text, metrics: &Metrics) {
    let servers = metrics.web.get().map(Vec::as_slice).unwrap_or_default();
    let each = |count: fn(&WebServer) -> &Counter| -> Vec<(&str, &Counter)> {
        servers.iter().map(|server| (server.url.as_str(), count(server))).collect()
    };
    text.counters(
        "pdns_flushes_total",
        "Flushes of caches that PowerDNS's web servers were asked for.",
        "server",
        each(|server| &server.flushes),
    );
    text.counters(
        "pdns_notifies_total",
        "NOTIFYs that PowerDNS's web servers were asked for.",
        "server",
        each(|server| &server.notifies),
    );
    text.counters(
        "pdns_errors_total",
        "Requests to PowerDNS's web servers that failed.",
        "server",
        each(|server| &server.errors),
    );
    text.gauges(
        "pdns_up",
        "Whether PowerDNS's web server does what it is told.",
        "server",
        servers.iter().map(|server| (server.url.as_str(), u8::from(server.trouble().is_none()))),
    );
}

/// How what is wanted stands. No number of these costs a walk over names or VMs.
fn standing(text: &mut Text, metrics: &Metrics, board: &Board) {
    let passes = &metrics.passes;
    let counts = board.counts();
    let claims = Outcome::WORDS.map(|word| (word, counts.get(word).copied().unwrap_or(0)));
    text.gauges("claims_not_served", "Claims that are not served, by how they stand.", "state", claims);
    let rejected = board.rejection_counts();
    text.gauges("rejections", "Claims that cannot be made, by reason.", "reason", rejected);
    text.gauge("pending_claims", "Of them, those that wait for a zone to appear.", board.pending());
    text.gauge(
        "frozen_vms",
        "VMs whose owner no listing shows: they keep what they have.",
        passes.frozen.get(),
    );
    text.gauge("held_records", "Records held back by the loss budget.", passes.held.get());
    text.gauge("held_sets", "The sets that they are in.", passes.held_sets.get());
    text.gauge(
        "left_behind_records",
        "Rows that stand though their claim has ended, since an operator had edited them.",
        board.left_behind_total(),
    );
    text.counter("left_behind_total", "Rows left behind since the start.", &passes.left_behind);
    text.gauge(
        "unadopted_records",
        "Rows of the older service that nobody had taken over at the last start.",
        board.unadopted(),
    );
}

fn zones(text: &mut Text, board: &Board) {
    let (records, claims) = (board.records(), board.zone_counts());
    // By records; a zone may also have claims and no records.
    let mut sizes: BTreeMap<&str, u64> = claims.keys().map(|(zone, _)| (zone.as_str(), 0)).collect();
    sizes.extend(records.iter().map(|(zone, count)| (zone.as_str(), *count)));
    sizes.remove("");
    let mut largest: Vec<(&str, u64)> = sizes.into_iter().collect();
    largest.sort_by_key(|(_, count)| Reverse(*count));
    let own: HashSet<&str> = largest.into_iter().take(ZONES).map(|(zone, _)| zone).collect();
    let label = |zone: &str| match zone {
        "" => NO_ZONE.to_owned(),
        zone if own.contains(zone) => zone.to_owned(),
        _ => OTHER_ZONES.to_owned(),
    };
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (zone, count) in &records {
        *sums.entry(label(zone)).or_default() += count;
    }
    text.gauges(
        "zone_records",
        "Records of ours by zone: the 200 zones that have most, and all others together.",
        "zone",
        sums.iter().map(|(zone, count)| (zone.as_str(), count)),
    );
    let mut states: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for ((zone, state), count) in &claims {
        *states.entry((label(zone), *state)).or_default() += count;
    }
    text.family(
        "zone_claims_not_served",
        "gauge",
        "Claims that are not served, by zone, as in zone_records, and by how they stand.",
    );
    for ((zone, state), count) in &states {
        text.sample("zone_claims_not_served", &[("zone", zone), ("state", state)], count);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
