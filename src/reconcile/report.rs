//! What a run has done: for one-shot verbs, and for the log.

use super::{adopt::Adopted, survey::Survey};
use crate::{
    model::{Explanation, HeldSet, LeftBehind, Row},
    plan::Plan,
};
use std::collections::BTreeMap;

/// Counts of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was planned (`plan`), or nothing.
    pub plan: Plan,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows given another TTL.
    pub retimed: u64,
    /// Records whose loss is held.
    pub held: u64,
    /// The sets that they are in, the largest first.
    pub held_sets: Vec<(HeldSet, u64)>,
    /// Rows that no VM explains, if they were asked for.
    pub unexplained: Vec<Row>,
    /// How many claims are not served, by how they stand (`plan`).
    pub counts: BTreeMap<&'static str, u64>,
    /// Rows that were left behind and still stand (`plan`).
    pub left_behind: Vec<LeftBehind>,
    /// Rows that are not ours and that have to do with VMs.
    pub survey: Survey,
    /// What was to be explained.
    pub explanation: Option<Explanation>,
    /// What `adopt` came to.
    pub adopted: Adopted,
    /// Names that a resync repaired.
    pub repairs: u64,
}
