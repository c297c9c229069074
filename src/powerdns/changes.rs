//! The statements that change `records`. Each one's WHERE repeats what the plan saw, and each one's count
//! must be what was asked for.

use super::sql::{Statement, TUPLES, marks, text, tuples};
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
    let n = ids.len();
    ids.extend(values);
    (format!("id IN ({}) AND {GUARD} IN ({}) AND disabled = 0", marks(n), tuples(n, 6)), ids)
}

fn by_id<'a>(rows: impl IntoIterator<Item = &'a OwnedRow>) -> Vec<&'a OwnedRow> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by_key(|owned| owned.row().id);
    rows
}

/// Deletes rows of ours.
pub(super) fn delete(rows: &[OwnedRow]) -> Vec<Statement> {
    let statement = |rows: &[&OwnedRow]| {
        let (clause, values) = guard(rows);
        Statement::new("deleting rows", &format!("DELETE FROM records WHERE {clause}"), &values)
            .finds(rows.len(), "rows to delete")
    };
    by_id(rows).chunks(TUPLES).map(statement).collect()
}

/// Gives rows of ours another TTL.
pub(super) fn retime(retimes: &[(OwnedRow, Ttl)]) -> Vec<Statement> {
    let mut by_ttl: BTreeMap<Ttl, Vec<&OwnedRow>> = BTreeMap::new();
    for (owned, ttl) in retimes {
        by_ttl.entry(*ttl).or_default().push(owned);
    }
    let mut statements = Vec::new();
    for (ttl, rows) in by_ttl {
        for rows in by_id(rows).chunks(TUPLES) {
            let (clause, values) = guard(rows);
            let values: Vec<Value> = std::iter::once(ttl.0.into()).chain(values).collect();
            let sql = format!("UPDATE records SET ttl = ? WHERE {clause}");
            let statement = Statement::new("setting TTLs", &sql, &values);
            statements.push(statement.finds(rows.len(), "rows to give another TTL"));
        }
    }
    statements
}

/// Inserts records and empty non-terminals.
pub(super) fn insert(rows: &[NewRow]) -> Option<Statement> {
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
    (!rows.is_empty()).then(|| Statement::new("inserting rows", &sql, &values))
}

/// Deletes empty non-terminals.
pub(super) fn delete_ents(ents: &[Reorder]) -> Vec<Statement> {
    let mut ents: Vec<&Reorder> = ents.iter().collect();
    ents.sort_unstable_by_key(|ent| ent.id);
    let statement = |ents: &[&Reorder]| {
        let mut values: Vec<Value> = ents.iter().map(|ent| ent.id.into()).collect();
        for ent in ents {
            values.extend([ent.id.into(), ent.zone.into(), text(ent.name.as_str())]);
        }
        let sql = format!(
            "DELETE FROM records WHERE id IN ({}) AND (id, domain_id, name) IN ({}) \
             AND (type IS NULL OR type = '')",
            marks(ents.len()),
            tuples(ents.len(), 3)
        );
        Statement::new("deleting empty non-terminals", &sql, &values)
            .finds(ents.len(), "empty non-terminals to delete")
    };
    ents.chunks(TUPLES).map(statement).collect()
}

/// Sets `auth` and `ordername` of rows, whoever wrote them: rectify would do the same.
pub(super) fn reorder(reorders: &[Reorder]) -> Vec<Statement> {
    let mut reorders: Vec<&Reorder> = reorders.iter().collect();
    reorders.sort_unstable_by_key(|reorder| reorder.id);
    let statement = |reorder: &Reorder| {
        let sql = "UPDATE records SET ordername = ?, auth = ? WHERE id = ? AND domain_id = ? AND name = ?";
        let values = [
            reorder.ordername.as_deref().map_or(Value::NULL, text),
            reorder.auth.into(),
            reorder.id.into(),
            reorder.zone.into(),
            text(reorder.name.as_str()),
        ];
        Statement::new("setting order names", sql, &values).finds(1, "rows to reorder")
    };
    reorders.into_iter().map(statement).collect()
}
