//! What an operator is told at each start: names that VMs want and that stand by rows that are not ours,
//! and rows of the older service that nobody has taken over.

use super::{
    engine::{Aim, Engine},
    servers::{Api, Reads, Tables},
};
use crate::{
    metrics::chain,
    model::{Mapped, OwnerName, RecordType, Row, counted},
    observe::Board,
    powerdns::{DbError, NameRows},
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

/// How many are listed.
const LISTED: usize = 10;
/// Names of one reading.
const NAMES: usize = 480;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Claims that foreign rows of equal content satisfy.
    pub satisfied: u64,
    /// Claims that foreign rows block.
    pub blocked: u64,
    /// Rows that `cs_mapping` lists and that are no owner id's.
    pub unadopted: u64,
    /// The first of all of these.
    pub first: Vec<String>,
}

impl Survey {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.satisfied + self.blocked + self.unadopted == 0
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { satisfied, blocked, unadopted, .. } = self;
        write!(
            f,
            "not ours: {} satisfied and {blocked} blocked by rows of others, {} of the older service; \
             `cs-powerdns adopt --dry-run --all` shows what can be taken over",
            counted(*satisfied, "claim"),
            counted(*unadopted, "row"),
        )
    }
}

/// Rows of the older service that are nobody's: how many, and the first of them. None where its table is
/// missing or may not be read.
pub(super) async fn unadopted(reader: impl Reads) -> Result<(u64, Vec<String>), DbError> {
    let Some(mapping) = reader.mapping().await? else { return Ok((0, Vec::new())) };
    let mut by_name: HashMap<OwnerName, Vec<Mapped>> = HashMap::new();
    for line in mapping.lines {
        by_name.entry(line.name.clone()).or_default().push(line);
    }
    let mut names: Vec<OwnerName> = by_name.keys().cloned().collect();
    names.sort_unstable();
    let (mut count, mut first) = (0, Vec::new());
    for chunk in names.chunks(NAMES) {
        let read = reader.names_and_around(chunk, &[]).await?;
        for row in read.rows().iter().filter(|row| is_unadopted(row, &read, &by_name)) {
            count += 1;
            let line = format!("{} {} {} (older service)", row.name, row.rtype, row.content);
            if first.len() < LISTED && !first.contains(&line) {
                first.push(line);
            }
        }
    }
    Ok((count, first))
}

fn is_unadopted(row: &Row, read: &NameRows, listed: &HashMap<OwnerName, Vec<Mapped>>) -> bool {
    let listed = listed.get(&row.name).into_iter().flatten();
    let mut says = listed.map(|line| line.address.is_none() || line.address == row.content.address());
    let entries = read.entries_at(row.name.as_str());
    (row.rtype.is_address() || row.rtype == RecordType::Ptr)
        && !row.disabled
        && says.any(|says| says)
        && !entries.iter().any(|entry| entry.rtype == row.rtype && entry.content == row.content)
}

/// What the board knows of rows that are not ours.
fn of_board(board: &Board) -> Survey {
    let counts = board.counts();
    let count = |word| counts.get(word).copied().unwrap_or_default();
    let mut survey = Survey { satisfied: count("satisfied"), blocked: count("blocked"), ..Survey::default() };
    if survey.satisfied + survey.blocked > 0 {
        let mut first: BTreeSet<String> = BTreeSet::new();
        board.each_name(|name, state| {
            for standing in state.standings.iter().filter(|one| matches!(one.word, "satisfied" | "blocked")) {
                let detail = if standing.detail.is_empty() { "" } else { ", " };
                first.insert(format!(
                    "{name} ({} {}{detail}{})",
                    standing.kind, standing.word, standing.detail
                ));
            }
            while first.len() > LISTED {
                first.pop_last();
            }
        });
        survey.first.extend(first);
    }
    survey
}

impl<A: Api, T: Tables> Engine<A, T> {
    /// Begins the survey of this start, once everything that can be settled is.
    pub(super) fn begin_survey(&mut self) {
        if self.audited && self.audit.is_none() && !self.surveyed && self.settings.aim == Aim::Serve {
            self.surveyed = true;
            self.tasks.survey();
        }
    }

    /// Tells what the survey has found.
    pub(super) fn take_survey(&mut self, rows: Result<(u64, Vec<String>), DbError>) {
        let mut survey = of_board(&self.board);
        match rows {
            Ok((count, first)) => {
                survey.unadopted = count;
                survey.first.extend(first);
                survey.first.truncate(LISTED);
            }
            // Somebody who has nothing to do with the older service need not grant its table.
            Err(error) => tracing::debug!(error = %chain(&error), "cannot read cs_mapping"),
        }
        self.board.set_unadopted(survey.unadopted);
        if !survey.is_empty() {
            tracing::warn!("{survey}");
            for line in &survey.first {
                tracing::warn!("not ours: {line}");
            }
        }
        self.report.survey = survey;
    }
}
