//! What /status says, as a value that becomes JSON.

use super::{Board, Head, Observed, Pass, Spans, ZoneLine};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// At most so many names, and so many VMs, are listed; their number is always whole.
pub const LISTED: usize = 1000;
/// At most so many claims of one name are listed: whoever calls all his VMs the same fills no page.
const CLAIMS: usize = 10;

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Status {
    /// What stands in a few words or one number.
    #[serde(flatten)]
    pub head: Head,
    /// The last passes of each kind, the oldest first.
    pub passes: BTreeMap<&'static str, Vec<PassLine>>,
    /// How many zones the database has.
    pub zones_total: usize,
    /// Those with most records of ours.
    pub zones: Vec<ZoneStatus>,
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

/// A pass that has ended.
#[derive(Debug, Serialize)]
pub struct PassLine {
    /// How long ago, in seconds.
    pub seconds_ago: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it ended well.
    pub good: bool,
}

/// A zone of the database.
#[derive(Debug, Serialize)]
pub struct ZoneStatus {
    /// Its name.
    pub name: String,
    /// `domains.type`.
    pub kind: &'static str,
    /// Whether it is signed, and how.
    pub signed: &'static str,
    /// Records of ours in it, by the ledger.
    pub records: u64,
    /// Why nothing is written there, if nothing is.
    pub not_written: Option<String>,
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
        let board = &observed.board;
        let (names_total, names) = names(board);
        let (rejected_vms_total, rejected_vms) = rejected(board);
        let (left_behind_total, left_behind) = left_behind(board);
        let spans = board.spans();
        let (zones_total, zones) = zones(board);
        Self {
            head: Head::read(observed, request_age, now),
            passes: Pass::ALL.into_iter().map(|pass| (pass.word(), pass_lines(&spans, pass, now))).collect(),
            zones_total,
            zones,
            counts: board.counts(),
            names_total,
            names,
            left_behind_total,
            left_behind,
            rejected_vms_total,
            rejected_vms,
        }
    }
}

fn pass_lines(spans: &Spans, pass: Pass, now: Instant) -> Vec<PassLine> {
    let lines = spans.of(pass).map(|span| PassLine {
        seconds_ago: now.saturating_duration_since(span.ended).as_secs(),
        seconds: span.took.as_secs_f64(),
        good: span.good,
    });
    lines.collect()
}

fn zones(board: &Board) -> (usize, Vec<ZoneStatus>) {
    let (all, records) = (board.zones(), board.records());
    let ours = |zone: &ZoneLine| records.get(zone.name.as_str()).copied().unwrap_or_default();
    let mut lines: Vec<_> = all.iter().map(|zone| (ours(zone), zone)).collect();
    lines.sort_unstable_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.name.cmp(&right.name)));
    let shown = lines.into_iter().take(LISTED).map(|(records, zone)| ZoneStatus {
        name: zone.name.to_string(),
        kind: zone.kind,
        signed: zone.signed,
        records,
        not_written: zone.shut.clone(),
    });
    (all.len(), shown.collect())
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
