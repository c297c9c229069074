//! Counters as Prometheus text, exposition format 0.0.4: base units, `_total` on counters, one
//! HELP and TYPE a family. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use super::{Board, Role};
use crate::metrics::{Counter, Gauge, Metrics, WebServer};
use std::fmt::Write as _;

/// The content type of [`render`]'s text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail, here and below.
        let _ = writeln!(self.0, "# HELP cs_powerdns_{name} {help}\n# TYPE cs_powerdns_{name} {kind}");
    }

    fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: &str) {
        let _ = match label {
            Some((key, text)) => {
                // Escaped for the day on which somebody makes a label of text from outside.
                let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
                writeln!(self.0, "cs_powerdns_{name}{{{key}=\"{text}\"}} {value}")
            }
            None => writeln!(self.0, "cs_powerdns_{name} {value}"),
        };
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.family(name, "counter", help);
        self.sample(name, None, &counter.get().to_string());
    }

    fn counters(&mut self, name: &str, help: &str, key: &str, list: &[(&str, &Counter)]) {
        self.family(name, "counter", help);
        for (text, counter) in list {
            self.sample(name, Some((key, text)), &counter.get().to_string());
        }
    }

    fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.number(name, help, &gauge.get().to_string());
    }

    fn number(&mut self, name: &str, help: &str, value: &str) {
        self.family(name, "gauge", help);
        self.sample(name, None, value);
    }

    fn numbers<'a>(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        list: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        self.family(name, "gauge", help);
        for (text, value) in list {
            self.sample(name, Some((key, text)), &value.to_string());
        }
    }
}

/// `units` of `per_second` to a second, as seconds, exact to the last digit.
fn seconds(units: u64, per_second: u64, digits: usize) -> String {
    format!("{}.{:0digits$}", units / per_second, units % per_second)
}

/// Everything that is counted.
pub fn render(metrics: &Metrics, board: &Board, ready: bool) -> String {
    let mut text = Text(String::with_capacity(8192));
    api(&mut text, metrics);
    triggers(&mut text, metrics);
    sql(&mut text, metrics);
    passes(&mut text, metrics);
    web(&mut text, metrics);
    state(&mut text, board, ready);
    text.0
}

fn api(text: &mut Text, metrics: &Metrics) {
    let api = &metrics.api;
    text.counter("api_requests_total", "Requests to the CloudStack API.", &api.requests);
    text.counter("api_errors_total", "Requests to the CloudStack API that failed.", &api.errors);
    text.counter(
        "api_unreadable_items_total",
        "Items of CloudStack's answers that could not be read.",
        &api.unreadable,
    );
    text.family("api_wait_seconds_total", "counter", "Time spent waiting for CloudStack's answers.");
    text.sample("api_wait_seconds_total", None, &seconds(api.micros.get(), 1_000_000, 6));
    text.gauge(
        "api_last_answer_timestamp_seconds",
        "When CloudStack last answered, since 1970; 0 for never.",
        &api.last_answer,
    );
}

fn triggers(text: &mut Text, metrics: &Metrics) {
    let triggers = &metrics.triggers;
    text.counter("trigger_messages_total", "Kafka messages received.", &triggers.messages);
    text.counter("trigger_marks_total", "Marks made of Kafka messages.", &triggers.marks);
    text.counters(
        "trigger_ignored_messages_total",
        "Kafka messages that made no mark.",
        "reason",
        &[("irrelevant", &triggers.irrelevant), ("unreadable", &triggers.poison)],
    );
    text.counter("trigger_errors_total", "Errors that the Kafka client reported.", &triggers.errors);
    text.gauge("trigger_partitions", "Kafka partitions assigned now.", &triggers.partitions);
}

fn sql(text: &mut Text, metrics: &Metrics) {
    let sql = &metrics.sql;
    text.counter("sql_statements_total", "Statements sent to the PowerDNS database.", &sql.statements);
    text.counters(
        "sql_transactions_total",
        "Write transactions by how they ended.",
        "result",
        &[("commit", &sql.commits), ("conflict", &sql.conflicts), ("retry", &sql.retries)],
    );
    text.counters(
        "rows_written_total",
        "Rows of the records table written.",
        "change",
        &[("insert", &sql.inserted), ("delete", &sql.deleted), ("ttl", &sql.retimed)],
    );
    text.counter("serials_moved_total", "SOA serials moved.", &sql.serials);
}

fn passes(text: &mut Text, metrics: &Metrics) {
    let passes = &metrics.passes;
    text.counter("resyncs_total", "Full resyncs that ended well.", &passes.resyncs);
    text.counter("resync_failures_total", "Full resyncs that failed.", &passes.resync_failures);
    text.counter("looks_total", "Look-ups of VMs that ended well.", &passes.looks);
    text.counter("look_failures_total", "Look-ups of VMs that failed.", &passes.look_failures);
    text.counter("names_settled_total", "Owner names settled.", &passes.settled);
    text.counter("settle_failures_total", "Batches of owner names that failed.", &passes.settle_failures);
    text.counter(
        "repairs_total",
        "Owner names that a resync repaired and no event had announced: lost events.",
        &passes.repairs,
    );
    text.gauge("dirty_vms", "VMs waiting to be looked at.", &passes.dirty_vms);
    text.gauge("dirty_names", "Owner names waiting to be settled.", &passes.dirty_names);
    text.gauge("vms", "VMs known.", &passes.vms);
    text.gauge("held_records", "Records held back by the loss budget.", &passes.held);
    text.number(
        "resync_duration_seconds",
        "Duration of the last resync.",
        &seconds(passes.resync_millis.get(), 1000, 3),
    );
    text.gauge(
        "last_resync_timestamp_seconds",
        "When the last resync ended well, since 1970; 0 for never.",
        &passes.last_resync,
    );
}

fn web(text: &mut Text, metrics: &Metrics) {
    let Some(servers) = metrics.web.get() else { return };
    let each = |count: fn(&WebServer) -> &Counter| -> Vec<(&str, &Counter)> {
        servers.iter().map(|server| (server.url.as_str(), count(server))).collect()
    };
    text.counters(
        "pdns_flushes_total",
        "Flushes of caches that PowerDNS's web servers were asked for.",
        "server",
        &each(|server| &server.flushes),
    );
    text.counters(
        "pdns_notifies_total",
        "NOTIFYs that PowerDNS's web servers were asked for.",
        "server",
        &each(|server| &server.notifies),
    );
    text.counters(
        "pdns_errors_total",
        "Requests to PowerDNS's web servers that failed.",
        "server",
        &each(|server| &server.errors),
    );
    text.numbers(
        "pdns_up",
        "Whether PowerDNS's web server does what it is told.",
        "server",
        servers.iter().map(|server| (server.url.as_str(), u64::from(server.trouble().is_none()))),
    );
}

fn state(text: &mut Text, board: &Board, ready: bool) {
    let role = board.pulse().role;
    text.number("ready", "Whether /readyz says yes.", if ready { "1" } else { "0" });
    text.number(
        "holder",
        "Whether this process holds the lease and writes.",
        if matches!(role, Role::Holder { .. }) { "1" } else { "0" },
    );
    text.numbers(
        "claims_not_served",
        "Claims that are not served, by how they stand.",
        "state",
        board.counts(),
    );
    text.numbers("rejections", "Claims that cannot be made, by reason.", "reason", board.rejection_counts());
    text.family("build_info", "gauge", "The program's version.");
    text.sample("build_info", Some(("version", env!("CARGO_PKG_VERSION"))), "1");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Outcome, OwnerName};
    use crate::observe::Standing;
    use std::{collections::HashMap, time::Instant};

    /// Reads the text as Prometheus does, strictly: HELP, TYPE, then the family's samples.
    fn parse(text: &str) -> HashMap<String, f64> {
        let mut samples = HashMap::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (family, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
            assert!(family.starts_with("cs_powerdns_") && help.ends_with('.'), "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {family} ")).unwrap();
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family} {kind}");
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                let (name, value) = sample.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next().unwrap(), family);
                assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} twice");
            }
        }
        samples
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.api.micros.add(1_500_000);
        metrics.sql.deleted.add(3);
        metrics.passes.resync_millis.set(1007);
        let board = Board::new(Instant::now());
        let standing = Standing::new(None, Kind::Name, &Outcome::OnHold, String::new());
        board.set_name(OwnerName::parse("a.example.org").unwrap(), vec![standing]);
        let server = WebServer::new("http://pdns:8081".into());
        server.flushes.add(2);
        metrics.web.set(vec![server.into()]).unwrap();
        let samples = parse(&render(&metrics, &board, true));
        for (name, value) in [
            ("api_wait_seconds_total", 1.5),
            ("rows_written_total{change=\"delete\"}", 3.0),
            ("resync_duration_seconds", 1.007),
            ("claims_not_served{state=\"on hold\"}", 1.0),
            ("pdns_flushes_total{server=\"http://pdns:8081\"}", 2.0),
            ("pdns_up{server=\"http://pdns:8081\"}", 1.0),
            ("ready", 1.0),
            ("holder", 0.0),
        ] {
            assert!((samples[&format!("cs_powerdns_{name}")] - value).abs() < 1e-9, "{name}");
        }
    }
}
