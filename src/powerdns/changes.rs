//! The statements that change `records`. Each one's WHERE repeats what the plan saw, and each one's count
//! must be what was asked for.

use super::{
    WriteError,
    session::Session,
    sql::{TUPLES, marks, pad, pieces, text, tuples},
};
use crate::model::{NewRow, OwnedRow, RecordType, Reorder, Ttl};
use mysql_async::Value;
use std::collections::BTreeMap;

/// Everything that was compared, bytewise where it matters. The list of ids beside it is what the range
/// is made of: over a tuple with expressions there is none.
const GUARD: &str = "(id, domain_id, name, type, CAST(content AS BINARY), IF(ttl >= 0, ttl, -1))";

fn guard(rows: &[&OwnedRow]) -> (String, Vec<Value>) {
    let mut ids: Vec<Value> = rows.iter().map(|owned| owned.row().id.into()).collect();
    let mut values = Vec::with_capacity(rows.len() * 7);
    for row in rows.iter().map(|owned| owned.row()) {
        values.extend([
            row.id.into(),
            row.zone.into(),
            text(row.name.as_str()),
            text(row.rtype.as_str()),
            text(&row.content.to_string()),
            row.ttl.map_or(Value::Int(-1), |ttl| ttl.0.into()),
        ]);
    }
    let n = pad(&mut ids, 1);
    pad(&mut values, 6);
    ids.extend(values);
    (format!("id IN ({}) AND {GUARD} IN ({}) AND disabled = 0", marks(n), tuples(n, 6)), ids)
}

fn counted(what: &str, found: u64, wanted: usize) -> Result<(), WriteError> {
    if usize::try_from(found) == Ok(wanted) {
        return Ok(());
    }
    Err(WriteError::Conflict(format!("of {wanted} {what}, {found} stood as they were seen")))
}

fn by_id<'a>(rows: impl IntoIterator<Item = &'a OwnedRow>) -> Vec<&'a OwnedRow> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by_key(|owned| owned.row().id);
    rows
}

/// Deletes rows of ours.
pub(super) async fn delete(session: &mut Session, rows: &[OwnedRow]) -> Result<(), WriteError> {
    for rows in by_id(rows).chunks(TUPLES) {
        let (clause, values) = guard(rows);
        let found =
            session.run("deleting rows", &format!("DELETE FROM records WHERE {clause}"), values).await?;
        counted("rows to delete", found, rows.len())?;
    }
    Ok(())
}

/// Gives rows of ours another TTL.
pub(super) async fn retime(session: &mut Session, retimes: &[(OwnedRow, Ttl)]) -> Result<(), WriteError> {
    let mut by_ttl: BTreeMap<Ttl, Vec<&OwnedRow>> = BTreeMap::new();
    for (owned, ttl) in retimes {
        by_ttl.entry(*ttl).or_default().push(owned);
    }
    for (ttl, rows) in by_ttl {
        for rows in by_id(rows).chunks(TUPLES) {
            let (clause, values) = guard(rows);
            let values = std::iter::once(ttl.0.into()).chain(values).collect();
            let sql = format!("UPDATE records SET ttl = ? WHERE {clause}");
            let found = session.run("setting TTLs", &sql, values).await?;
            counted("rows to give another TTL", found, rows.len())?;
        }
    }
    Ok(())
}

/// Inserts records and empty non-terminals.
pub(super) async fn insert(session: &mut Session, rows: &[NewRow]) -> Result<(), WriteError> {
    for rows in pieces(rows) {
        let mut values = Vec::with_capacity(rows.len() * 9);
        for row in rows {
            values.push(row.zone.into());
            values.push(text(row.name.as_str()));
            if row.rtype == RecordType::Ent {
                values.extend([Value::NULL, Value::NULL, Value::NULL, Value::NULL]);
            } else {
                values.push(text(row.rtype.as_str()));
                values.push(text(&row.content.to_string()));
                values.extend([row.ttl.0.into(), 0.into()]);
            }
            let ordername = row.ordername.as_deref().map_or(Value::NULL, text);
            values.extend([0.into(), ordername, row.auth.into()]);
        }
        let sql = format!(
            "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, ordername, auth) \
             VALUES {}",
            tuples(rows.len(), 9)
        );
        session.run("inserting rows", &sql, values).await?;
    }
    Ok(())
}

/// Deletes empty non-terminals.
pub(super) async fn delete_ents(session: &mut Session, ents: &[Reorder]) -> Result<(), WriteError> {
    let mut ents: Vec<&Reorder> = ents.iter().collect();
    ents.sort_unstable_by_key(|ent| ent.id);
    for ents in ents.chunks(TUPLES) {
        let mut values: Vec<Value> = ents.iter().map(|ent| ent.id.into()).collect();
        let n = pad(&mut values, 1);
        let mut tuple = Vec::with_capacity(ents.len() * 3);
        for ent in ents {
            tuple.extend([ent.id.into(), ent.zone.into(), text(ent.name.as_str())]);
        }
        pad(&mut tuple, 3);
        values.extend(tuple);
        let sql = format!(
            "DELETE FROM records WHERE id IN ({}) AND (id, domain_id, name) IN ({}) \
             AND (type IS NULL OR type = '')",
            marks(n),
            tuples(n, 3)
        );
        let found = session.run("deleting empty non-terminals", &sql, values).await?;
        counted("empty non-terminals to delete", found, ents.len())?;
    }
    Ok(())
}

/// Sets `auth` and `ordername` of rows, whoever wrote them: rectify would do the same.
pub(super) async fn reorder(session: &mut Session, reorders: &[Reorder]) -> Result<(), WriteError> {
    let mut reorders: Vec<&Reorder> = reorders.iter().collect();
    reorders.sort_unstable_by_key(|reorder| reorder.id);
    for reorder in reorders {
        let sql = "UPDATE records SET ordername = ?, auth = ? WHERE id = ? AND domain_id = ? AND name = ?";
        let values = vec![
            reorder.ordername.as_deref().map_or(Value::NULL, text),
            reorder.auth.into(),
            reorder.id.into(),
            reorder.zone.into(),
            text(reorder.name.as_str()),
        ];
        counted("rows to reorder", session.run("setting order names", sql, values).await?, 1)?;
    }
    Ok(())
}
