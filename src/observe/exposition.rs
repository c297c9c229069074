//! The text that Prometheus reads, format 0.0.4: one HELP and TYPE a family, labels escaped.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use crate::metrics::{BOUNDS, Counter, Family, Histogram};
use std::fmt::{Display, Write as _};

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// The text as far as it is written.
pub(super) struct Text(pub(super) String);

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail, here and below.
        let _ = writeln!(self.0, "# HELP cs_powerdns_{name} {help}\n# TYPE cs_powerdns_{name} {kind}");
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        let _ = write!(self.0, "cs_powerdns_{name}");
        for (at, (key, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(self.0, "{open}{key}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.family(name, "counter", help);
        self.sample(name, &[], counter.get());
    }

    /// A family of one counter of microseconds.
    pub(super) fn time(&mut self, name: &str, help: &str, micros: &Counter) {
        self.family(name, "counter", help);
        self.sample(name, &[], Seconds::micros(micros.get()));
    }

    /// A family of counters with one label.
    pub(super) fn counters<'a, 'b>(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        list: impl IntoIterator<Item = (&'a str, &'b Counter)>,
    ) {
        self.family(name, "counter", help);
        for (word, counter) in list {
            self.sample(name, &[(key, word)], counter.get());
        }
    }

    /// The same of microseconds.
    pub(super) fn times<const N: usize>(&mut self, name: &str, help: &str, key: &str, list: &Family<N>) {
        self.family(name, "counter", help);
        for (word, micros) in list.iter() {
            self.sample(name, &[(key, word)], Seconds::micros(micros.get()));
        }
    }

    /// A family of one number.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A family of numbers with one label.
    pub(super) fn gauges<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        list: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        self.family(name, "gauge", help);
        for (word, value) in list {
            self.sample(name, &[(key, word)], value);
        }
    }

    /// A family of one histogram.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let up_to = histogram.up_to();
        let bucket = format!("{name}_bucket");
        for (bound, count) in BOUNDS.iter().zip(up_to) {
            self.sample(&bucket, &[("le", &Seconds::millis(*bound).to_string())], count);
        }
        let all = up_to[BOUNDS.len()];
        self.sample(&bucket, &[("le", "+Inf")], all);
        self.sample(&format!("{name}_sum"), &[], Seconds::micros(histogram.micros()));
        self.sample(&format!("{name}_count"), &[], all);
    }
}

/// A number of smaller units as seconds, exact to the last digit and without zeros at its end.
pub(super) struct Seconds(u64, u64, usize);

impl Seconds {
    pub(super) fn micros(micros: u64) -> Self {
        Self(micros, 1_000_000, 6)
    }

    pub(super) fn millis(millis: u64) -> Self {
        Self(millis, 1000, 3)
    }
}

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(units, per_second, digits) = self;
        let fraction = format!("{:0digits$}", units % per_second);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}", units / per_second)
    }
}
