//! The statements that change the ledger, the history and the budget.

use super::{
    WriteError,
    reader::USED,
    sql::{Statement, TUPLES, marks, text, tuples},
};
use crate::model::{Ending, Entry, EntryPut, HeldSet, RecordId};
use mysql_async::Value;

/// How many columns the primary key has with the owner id.
const KEY: usize = 5;

/// Name, type, content, zone id, owner id.
fn key_of(entry: &Entry) -> [Value; KEY] {
    [
        text(entry.name.as_str()),
        text(entry.rtype.as_str()),
        text(&entry.content.to_string()),
        entry.zone.into(),
        text(&entry.owner),
    ]
}

/// The primary key and the owner id, with the name beside them for the range.
fn key<'a>(entries: impl Iterator<Item = &'a Entry>) -> (String, Vec<Value>) {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for entry in entries {
        names.push(text(entry.name.as_str()));
        values.extend(key_of(entry));
    }
    let n = names.len();
    names.extend(values);
    let columns = "(name, type, content, zone_id, owner_id)";
    (format!("name IN ({}) AND {columns} IN ({})", marks(n), tuples(n, KEY)), names)
}

/// Ends entries and remembers why. Each must stand and be of the owner id that it was read with.
pub(super) fn end(endings: &[Ending]) -> Vec<Statement> {
    let mut statements: Vec<Statement> = (endings.chunks(TUPLES))
        .map(|endings| {
            let (clause, values) = key(endings.iter().map(|ending| &ending.entry));
            let sql = format!("DELETE FROM cs_powerdns_ledger WHERE {clause}");
            Statement::new("ending entries", &sql, &values).finds(endings.len(), "entries to end")
        })
        .collect();
    let mut values = Vec::with_capacity(endings.len() * 7);
    for Ending { entry, why } in endings {
        values.extend([
            text(&entry.owner),
            entry.zone.into(),
            text(entry.name.as_str()),
            text(entry.rtype.as_str()),
            text(&entry.content.to_string()),
            text(&entry.vm.to_string()),
            text(&why.chars().take(255).collect::<String>()),
        ]);
    }
    let sql = format!(
        "INSERT INTO cs_powerdns_history (owner_id, zone_id, name, type, content, vm, why, at) VALUES {}",
        vec!["(?,?,?,?,?,?,?,UTC_TIMESTAMP())"; endings.len()].join(",")
    );
    let history = (!endings.is_empty()).then(|| Statement::new("writing the history", &sql, &values));
    statements.extend(history);
    statements
}

/// Columns that a put writes; the key and the owner id come first and are never changed.
const PUT: [&str; 7] = ["ttl", "record_id", "vm", "account", "kind", "held_hash", "on_hold"];

/// Writes entries with their record ids. Those that are `known` were locked by the re-read and are ours.
/// The others are new: an equal key that somebody writes at the same time, of whatever owner id, makes a
/// conflict.
pub(super) fn put(
    owner: &str,
    puts: &[EntryPut],
    ids: &[RecordId],
    known: &[bool],
) -> Result<Vec<Statement>, WriteError> {
    if let Some(put) = puts.iter().find(|put| *put.entry.owner != *owner) {
        return Err(WriteError::Conflict(format!("{} is another owner id's entry", put.entry.name)));
    }
    let write = |update: bool| {
        let all = puts.iter().map(|put| &put.entry).zip(ids.iter().copied()).zip(known);
        let some: Vec<_> = all.filter(|(_, known)| **known == update).map(|(put, _)| put).collect();
        write(&some, update)
    };
    Ok([false, true].into_iter().filter_map(write).collect())
}

fn write(entries: &[(&Entry, RecordId)], update: bool) -> Option<Statement> {
    let columns = PUT.into_iter().chain(["updated_at"]);
    let columns: Vec<String> = columns.map(|column| format!("{column} = VALUES({column})")).collect();
    let end = if update { format!(" ON DUPLICATE KEY UPDATE {}", columns.join(", ")) } else { String::new() };
    let mut values = Vec::with_capacity(entries.len() * 12);
    for (entry, id) in entries {
        values.extend(key_of(entry));
        values.extend([
            entry.ttl.0.into(),
            (*id).into(),
            text(&entry.vm.to_string()),
            text(&entry.account.to_string()),
            text(entry.kind.as_str()),
            entry.held.map_or(0, HeldSet::number).into(),
            entry.on_hold.into(),
        ]);
    }
    let tuple = format!("({},UTC_TIMESTAMP(),UTC_TIMESTAMP())", marks(12));
    let sql = format!(
        "INSERT INTO cs_powerdns_ledger (name, type, content, zone_id, owner_id, {}, created_at, \
         updated_at) VALUES {}{end}",
        PUT.join(", "),
        vec![tuple; entries.len()].join(","),
    );
    (!entries.is_empty()).then(|| Statement::new("writing entries", &sql, &values))
}

/// Draws unannounced losses on the budget: what was used before decays up to now, then they are added.
pub(super) fn use_budget(owner: &str, losses: u64) -> Statement {
    // `used` is set before `at`, which it reads.
    let sql = format!(
        "INSERT INTO cs_powerdns_budget (owner_id, used, at) VALUES (?, ?, UTC_TIMESTAMP(6)) \
         ON DUPLICATE KEY UPDATE used = {USED} + VALUES(used), at = VALUES(at)"
    );
    Statement::new("drawing on the budget", &sql, &[text(owner), losses.into()])
}
