//! What stands in a few words or one number: the head of /status and of the page.

use super::{Observed, Pass, Role, alive, health::role_text, ready};
use crate::metrics::Metrics;
use serde::Serialize;
use std::time::{Duration, Instant};

/// See the module; made without a walk over the board.
#[derive(Debug, Serialize)]
pub struct Head {
    /// The program's version.
    pub version: &'static str,
    /// How long the process has run, in seconds.
    pub uptime_seconds: u64,
    /// `starting`, `standby` or `holder`.
    pub role: &'static str,
    /// The same in a few words, with the holder's name or the epoch.
    pub role_detail: String,
    /// What /healthz says.
    pub healthy: bool,
    /// What /readyz says.
    pub ready: bool,
    /// Why.
    pub why: String,
    /// Records held back by the loss budget.
    pub held: u64,
    /// The hash of the largest held set.
    pub held_hash: Option<String>,
    /// All held sets, the largest first.
    pub held_sets: Vec<HeldRecords>,
    /// Rows of the older service that nobody had taken over at the last start.
    pub unadopted: u64,
    /// VMs known.
    pub vms: u64,
    /// VMs waiting to be looked at.
    pub dirty_vms: u64,
    /// Names waiting to be settled.
    pub dirty_names: u64,
    /// When the last resync ended well, seconds since 1970; none for never.
    pub last_resync: Option<u64>,
    /// Kinds of passes that fail now.
    pub failing: Vec<Failing>,
    /// PowerDNS's web servers, if they are told of changes.
    pub pdns_servers: Vec<PdnsServer>,
}

/// A held set.
#[derive(Debug, Serialize)]
pub struct HeldRecords {
    /// What `approve` takes.
    pub hash: String,
    /// How many records are in it.
    pub records: u64,
}

/// A kind of pass that fails now.
#[derive(Debug, Serialize)]
pub struct Failing {
    /// Which kind.
    pub pass: &'static str,
    /// For how long, in seconds.
    pub seconds: u64,
    /// How many times.
    pub times: u64,
    /// What the last one said.
    pub error: String,
}

/// A web server of PowerDNS that is told of changes.
#[derive(Debug, Serialize)]
pub struct PdnsServer {
    /// Its URL.
    pub url: String,
    /// Flushes and NOTIFYs that it was asked for.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
    /// Why they fail now; none where they do not.
    pub trouble: Option<String>,
}

impl Head {
    /// See [`Status::read`].
    pub fn read(observed: &Observed, request_age: Option<Duration>, now: Instant) -> Self {
        let pulse = observed.board.pulse();
        let verdict = ready(&pulse, &observed.settings, now);
        let passes = &observed.metrics.passes;
        let failing = Pass::ALL.into_iter().filter_map(|pass| {
            let failure = pulse.failing(pass)?;
            let seconds = now.saturating_duration_since(failure.since).as_secs();
            Some(Failing { pass: pass.word(), seconds, times: failure.times, error: failure.error.clone() })
        });
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.saturating_duration_since(observed.started).as_secs(),
            role: match pulse.role {
                Role::Starting => "starting",
                Role::Standby { .. } => "standby",
                Role::Holder { .. } => "holder",
            },
            role_detail: role_text(&pulse.role),
            healthy: alive(&pulse, request_age, &observed.settings, now).ok,
            ready: verdict.ok,
            why: verdict.why,
            held: pulse.held.records(),
            held_hash: pulse.held.sets.first().map(|(set, _)| set.to_string()),
            held_sets: (pulse.held.sets.iter())
                .map(|(set, records)| HeldRecords { hash: set.to_string(), records: *records })
                .collect(),
            unadopted: observed.board.unadopted(),
            vms: passes.vms.get(),
            dirty_vms: passes.dirty_vms.get(),
            dirty_names: passes.dirty_names.get(),
            last_resync: Some(passes.resync.success.seconds()).filter(|second| *second > 0),
            failing: failing.collect(),
            pdns_servers: pdns_servers(&observed.metrics),
        }
    }
}

fn pdns_servers(metrics: &Metrics) -> Vec<PdnsServer> {
    let servers = metrics.web.get().into_iter().flatten().map(|server| PdnsServer {
        url: server.url.clone(),
        requests: server.flushes.get() + server.notifies.get(),
        errors: server.errors.get(),
        trouble: server.trouble(),
    });
    servers.collect()
}
