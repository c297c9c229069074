//! What /status says, as a value that becomes JSON, and of which `/` makes a page.

use super::{Board, Observed, Pass, Role, alive, health::role_text, ready};
use crate::metrics::Metrics;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// At most so many names, and so many VMs, are listed; their number is always whole.
pub const LISTED: usize = 1000;
/// At most so many claims of one name are listed: whoever calls all his VMs the same fills no page.
const CLAIMS: usize = 50;

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Status {
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
    /// How many claims are not served, by how they stand.
    pub counts: BTreeMap<&'static str, u64>,
    /// How many names are not as desired.
    pub names_total: usize,
    /// The first of them.
    pub names: Vec<Name>,
    /// How many rows were left behind: an operator had edited what a claim stood for, and the claim has ended.
    pub left_behind_total: usize,
    /// The first of them.
    pub left_behind: Vec<Left>,
    /// How many VMs have claims that cannot be made.
    pub rejected_vms_total: usize,
    /// The first of them.
    pub rejected_vms: Vec<RejectedVm>,
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

/// A name that is not as desired.
#[derive(Debug, Serialize)]
pub struct Name {
    /// The owner name.
    #[expect(clippy::struct_field_names, reason = "the key in the JSON says what it is")]
    pub name: String,
    /// How many of its claims are not served.
    pub claims_total: usize,
    /// The first of them.
    pub claims: Vec<NameClaim>,
}

/// A claim that is not served.
#[derive(Debug, Serialize)]
pub struct NameClaim {
    /// The VM.
    pub vm: Option<String>,
    /// `name`, `group` or `ptr`.
    pub kind: &'static str,
    /// How it stands.
    pub state: &'static str,
    /// The particulars.
    pub detail: String,
}

/// A row that was left behind.
#[derive(Debug, Serialize)]
pub struct Left {
    /// The owner name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// What it says.
    pub content: String,
    /// The VM whose claim it was.
    pub vm: String,
    /// When the claim ended, UTC.
    pub at: String,
}

/// A VM with claims that cannot be made.
#[derive(Debug, Serialize)]
pub struct RejectedVm {
    /// The VM.
    pub vm: String,
    /// What it cannot have.
    pub rejections: Vec<Rejected>,
}

/// A claim that cannot be made.
#[derive(Debug, Serialize)]
pub struct Rejected {
    /// `name`, `group` or `ptr`.
    pub kind: &'static str,
    /// The name that was wanted, or the text that is none.
    pub name: String,
    /// It will be filled once a zone appears.
    pub pending: bool,
    /// Why not.
    pub reason: &'static str,
    /// The particulars.
    pub detail: String,
}

impl Status {
    /// What there is to say at `now`; `request_age`: how long ago a request to the API last ended.
    pub fn read(observed: &Observed, request_age: Option<Duration>, now: Instant) -> Self {
        let pulse = observed.board.pulse();
        let verdict = ready(&pulse, &observed.settings, now);
        let passes = &observed.metrics.passes;
        let (names_total, names) = names(&observed.board);
        let (rejected_vms_total, rejected_vms) = rejected(&observed.board);
        let (left_behind_total, left_behind) = left_behind(&observed.board);
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
            counts: observed.board.counts(),
            names_total,
            names,
            left_behind_total,
            left_behind,
            rejected_vms_total,
            rejected_vms,
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

fn names(board: &Board) -> (usize, Vec<Name>) {
    let (total, list) = board.first_names(LISTED);
    let shown = list.into_iter().map(|(name, state)| Name {
        name: name.to_string(),
        claims_total: state.standings.len(),
        claims: state
            .standings
            .into_iter()
            .take(CLAIMS)
            .map(|standing| NameClaim {
                vm: standing.vm.map(|vm| vm.to_string()),
                kind: standing.kind.as_str(),
                state: standing.word,
                detail: standing.detail,
            })
            .collect(),
    });
    (total, shown.collect())
}

fn left_behind(board: &Board) -> (usize, Vec<Left>) {
    let (total, list) = board.first_left_behind(LISTED);
    let shown = list.into_iter().map(|row| Left {
        name: row.name.into(),
        rtype: row.rtype.into(),
        content: row.content.into(),
        vm: row.vm.into(),
        at: row.at.into(),
    });
    (total, shown.collect())
}

fn rejected(board: &Board) -> (usize, Vec<RejectedVm>) {
    let (total, list) = board.first_rejections(LISTED);
    let shown = list.into_iter().map(|(vm, rejections)| RejectedVm {
        vm: vm.to_string(),
        rejections: rejections
            .into_iter()
            .map(|rejection| Rejected {
                kind: rejection.kind.as_str(),
                name: rejection.name.into(),
                pending: rejection.pending,
                reason: rejection.reason,
                detail: rejection.detail,
            })
            .collect(),
    });
    (total, shown.collect())
}
