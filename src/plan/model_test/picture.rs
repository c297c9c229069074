//! What two worlds are compared by.

use super::super::bed::{Bed, short};
use crate::model::{Entry, Row};

/// Rows and entries as sorted lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub rows: Vec<String>,
    pub entries: Vec<String>,
}

impl Picture {
    pub fn of(bed: &Bed) -> Self {
        let rows = bed.rows.iter().map(row_line);
        // Which row an entry of ours means; none where that row has gone.
        let entries = bed
            .entries
            .iter()
            .map(|entry| entry_line(entry, bed.rows.iter().any(|row| row.id == entry.record)));
        Self { rows: sorted(rows), entries: sorted(entries) }
    }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

fn row_line(row: &Row) -> String {
    let ttl = row.ttl.map_or("null".into(), |ttl| ttl.0.to_string());
    let disabled = if row.disabled { " disabled" } else { "" };
    format!("zone={} {} {} ttl={ttl}{disabled}", row.zone, row.rtype, short(&row.content))
}

fn entry_line(entry: &Entry, stands: bool) -> String {
    let hold = if entry.on_hold { " hold" } else { "" };
    let stands = if stands { "" } else { " without its row" };
    format!(
        "{} zone={} {} {} ttl={} for {} {}{hold}{stands}",
        entry.owner,
        entry.zone,
        entry.rtype,
        short(&entry.content),
        entry.ttl.0,
        entry.vm.as_u128(),
        entry.kind
    )
}
