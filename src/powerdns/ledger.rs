//! The statements that change the ledger, the history and the budget.

use super::{
    WriteError,
    reader::USED,
    session::Session,
    sql::{TUPLES, marks, pad, pieces, text, tuples},
};
use crate::model::{Ending, Entry, EntryPut, HeldSet, RecordId};
use mysql_async::Value;

/// The primary key and the owner id, with the name beside them for the range.
fn key<'a>(entries: impl Iterator<Item = &'a Entry>) -> (String, Vec<Value>) {
    const WIDTH: usize = 5;
    let mut names = Vec::new();
    let mut values = Vec::new();
    for entry in entries {
        names.push(text(entry.name.as_str()));
        values.extend([
            text(entry.name.as_str()),
            text(entry.rtype.as_str()),
            text(&entry.content.to_string()),
            entry.zone.into(),
            text(&entry.owner),
        ]);
    }
    let n = pad(&mut names, 1);
    pad(&mut values, WIDTH);
    names.extend(values);
    let columns = "(name, type, content, zone_id, owner_id)";
    (format!("name IN ({}) AND {columns} IN ({})", marks(n), tuples(n, WIDTH)), names)
}

/// Ends entries and remembers why. Each must stand and be of the owner id that it was read with.
pub(super) async fn end(session: &mut Session, endings: &[Ending]) -> Result<(), WriteError> {
    for endings in endings.chunks(TUPLES) {
        let (clause, values) = key(endings.iter().map(|ending| &ending.entry));
        let sql = format!("DELETE FROM cs_powerdns_ledger WHERE {clause}");
        let found = session.run("ending entries", &sql, values).await?;
        if usize::try_from(found) != Ok(endings.len()) {
            let wanted = endings.len();
            return Err(WriteError::Conflict(format!("of {wanted} entries to end, {found} were there")));
        }
    }
    for endings in pieces(endings) {
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
        let tuple = "(?,?,?,?,?,?,?,UTC_TIMESTAMP())";
        let sql = format!(
            "INSERT INTO cs_powerdns_history (owner_id, zone_id, name, type, content, vm, why, at) VALUES {}",
            vec![tuple; endings.len()].join(",")
        );
        session.run("writing the history", &sql, values).await?;
    }
    Ok(())
}

/// Columns that a put writes; the key and the owner id come first and are never changed.
const PUT: [&str; 7] = ["ttl", "record_id", "vm", "account", "kind", "held_hash", "on_hold"];

/// Writes entries with their record ids. Those that are `known` were locked by the re-read and are ours.
/// The others are new: an equal key that somebody writes at the same time, of whatever owner id, makes a
/// conflict.
pub(super) async fn put(
    session: &mut Session,
    owner: &str,
    puts: &[EntryPut],
    ids: &[RecordId],
    known: &[bool],
) -> Result<(), WriteError> {
    if let Some(put) = puts.iter().find(|put| *put.entry.owner != *owner) {
        return Err(WriteError::Conflict(format!("{} is another owner id's entry", put.entry.name)));
    }
    for update in [false, true] {
        let all = puts.iter().map(|put| &put.entry).zip(ids.iter().copied()).zip(known);
        let some: Vec<_> = all.filter(|(_, known)| **known == update).map(|(put, _)| put).collect();
        write(session, &some, update).await?;
    }
    Ok(())
}

async fn write(
    session: &mut Session,
    entries: &[(&Entry, RecordId)],
    update: bool,
) -> Result<(), WriteError> {
    let columns = PUT.into_iter().chain(["updated_at"]);
    let columns: Vec<String> = columns.map(|column| format!("{column} = VALUES({column})")).collect();
    let end = if update { format!(" ON DUPLICATE KEY UPDATE {}", columns.join(", ")) } else { String::new() };
    for piece in pieces(entries) {
        let mut values = Vec::with_capacity(piece.len() * 12);
        for (entry, id) in piece {
            values.extend([
                text(entry.name.as_str()),
                text(entry.rtype.as_str()),
                text(&entry.content.to_string()),
                entry.zone.into(),
                text(&entry.owner),
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
            vec![tuple; piece.len()].join(","),
        );
        match session.run("writing entries", &sql, values).await {
            Err(error) if error.is_duplicate() => {
                let names = piece.first().zip(piece.last()).map(|(a, b)| (&a.0.name, &b.0.name));
                let (first, last) = names.map_or(("", ""), |(a, b)| (a.as_str(), b.as_str()));
                let why = format!("an entry between {first} and {last} has been added");
                return Err(WriteError::Conflict(why));
            }
            done => done?,
        };
    }
    Ok(())
}

/// Draws unannounced losses on the budget: what was used before decays up to now, then they are added.
pub(super) async fn use_budget(session: &mut Session, owner: &str, losses: u64) -> Result<(), WriteError> {
    // `used` is set before `at`, which it reads.
    let sql = format!(
        "INSERT INTO cs_powerdns_budget (owner_id, used, at) VALUES (?, ?, UTC_TIMESTAMP(6)) \
         ON DUPLICATE KEY UPDATE used = {USED} + VALUES(used), at = VALUES(at)"
    );
    session.run("drawing on the budget", &sql, vec![text(owner), losses.into()]).await?;
    Ok(())
}
