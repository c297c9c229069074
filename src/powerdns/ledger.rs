//! The statements that change the ledger, the history and the budget.

use super::{
    WriteError,
    reader::USED,
    session::Session,
    sql::{TUPLES, marks, pad, pieces, text, tuples},
};
use crate::model::{Ending, Entry, EntryPut, HeldSet, RecordId};
use mysql_async::Value;

/// The primary key, with the name beside it for the range.
fn key<'a>(entries: impl Iterator<Item = &'a Entry>, owned: bool) -> (String, Vec<Value>) {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for entry in entries {
        names.push(text(entry.name.as_str()));
        values.extend([
            text(entry.name.as_str()),
            text(entry.rtype.as_str()),
            text(&entry.content.to_string()),
            entry.zone.into(),
        ]);
        if owned {
            values.push(text(&entry.owner));
        }
    }
    let (columns, width) = if owned {
        ("name, type, content, zone_id, owner_id", 5)
    } else {
        ("name, type, content, zone_id", 4)
    };
    let n = pad(&mut names, 1);
    pad(&mut values, width);
    names.extend(values);
    (format!("name IN ({}) AND ({columns}) IN ({})", marks(n), tuples(n, width)), names)
}

/// Ends entries and remembers why. Each must stand and be of the owner id that it was read with.
pub(super) async fn end(session: &mut Session, endings: &[Ending]) -> Result<(), WriteError> {
    for endings in endings.chunks(TUPLES) {
        let (clause, values) = key(endings.iter().map(|ending| &ending.entry), true);
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

/// Writes entries with their record ids. An entry of another owner id with the same key is left as it is
/// and makes a conflict: its row is foreign to us.
pub(super) async fn put(
    session: &mut Session,
    owner: &str,
    puts: &[EntryPut],
    ids: &[RecordId],
) -> Result<(), WriteError> {
    if let Some(put) = puts.iter().find(|put| *put.entry.owner != *owner) {
        return Err(WriteError::Conflict(format!("{} is another owner id's entry", put.entry.name)));
    }
    let both: Vec<(&Entry, RecordId)> = puts.iter().map(|put| &put.entry).zip(ids.iter().copied()).collect();
    let updates: Vec<String> = PUT
        .into_iter()
        .chain(["updated_at"])
        .map(|column| format!("{column} = IF(owner_id = VALUES(owner_id), VALUES({column}), {column})"))
        .collect();
    for piece in pieces(&both) {
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
             updated_at) VALUES {} ON DUPLICATE KEY UPDATE {}",
            PUT.join(", "),
            vec![tuple; piece.len()].join(","),
            updates.join(", ")
        );
        session.run("writing entries", &sql, values).await?;
    }
    for puts in puts.chunks(TUPLES) {
        let (clause, mut values) = key(puts.iter().map(|put| &put.entry), false);
        values.push(text(owner));
        let sql = format!(
            "SELECT name FROM cs_powerdns_ledger FORCE INDEX (PRIMARY) WHERE {clause} AND owner_id <> ? LIMIT 1"
        );
        let others = session.rows("looking for entries of others", &sql, values).await?;
        if let Some(other) = others.first() {
            let name = super::decode::Cells::of(other).text().unwrap_or_default().into_owned();
            return Err(WriteError::Conflict(format!("{name} has an equal entry of another owner id")));
        }
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
