//! Everything that stands at some names: rows, entries, and rows that entries still point at.

use super::{
    DbError,
    decode::{self, Cells, ENTRY, ROW},
    schema,
    session::Session,
    sql::{LIST, Statement, marks, text},
};
use crate::model::{Content, Entry, OwnerId, OwnerName, RecordId, RecordType, Row, ZoneId};
use mysql_async::{Row as Answer, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rows and entries at some names, in every zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameRows {
    rows: Vec<Row>,
    entries: Vec<Entry>,
    strays: HashMap<RecordId, Row>,
}

impl NameRows {
    /// Sorts what was read. `strays` are rows by record id of entries that lack an equal row.
    pub fn new(mut rows: Vec<Row>, mut entries: Vec<Entry>, strays: Vec<Row>) -> Self {
        rows.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        entries.sort_by(|a, b| {
            (&a.name, &a.rtype, &a.content, a.zone).cmp(&(&b.name, &b.rtype, &b.content, b.zone))
        });
        Self { rows, entries, strays: strays.into_iter().map(|row| (row.id, row)).collect() }
    }

    /// All rows, by name and id.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All entries of all owner ids, by name, type and content.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The rows at one name, by id.
    pub fn rows_at(&self, name: &str) -> &[Row] {
        at(&self.rows, name, |row| row.name.as_str())
    }

    /// The entries at one name.
    pub fn entries_at(&self, name: &str) -> &[Entry] {
        at(&self.entries, name, |entry| entry.name.as_str())
    }

    /// The row with the record id of an own entry that has no equal row at its name, wherever that row
    /// stands by now. Where its name has become none, it carries the entry's.
    pub fn stray(&self, id: RecordId) -> Option<&Row> {
        self.strays.get(&id)
    }
}

fn at<'a, T>(sorted: &'a [T], name: &str, of: impl Fn(&T) -> &str) -> &'a [T] {
    let from = sorted.partition_point(|item| of(item) < name);
    let len = sorted[from..].partition_point(|item| of(item) == name);
    &sorted[from..from + len]
}

/// Sorted, each once.
pub(super) fn sorted(names: impl IntoIterator<Item = OwnerName>) -> Vec<OwnerName> {
    let mut names: Vec<OwnerName> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Asks for the rows of these names in every zone; locked, they stay as they are until the transaction ends.
/// Odd case is the same name, and so are trailing blanks, which the collation overlooks.
fn ask_rows(names: &[OwnerName], index: &str, lock: bool) -> Vec<Statement> {
    // A table that seems small to the server would be scanned, and in a first fill it seems small for long:
    // measured, three quarters of its time. A locking scan waits for everybody's locks: measured, edits by the
    // PowerDNS API died of deadlocks.
    let sql = format!("SELECT {ROW} FROM records r{index} WHERE r.name");
    ask("reading the rows of names", &sql, names, lock)
}

/// Asks for the entries of all owner ids at these names. Locked, they stay as they are until the transaction
/// ends: never by a scan, which would wait for everybody's.
fn ask_entries(names: &[OwnerName], lock: bool) -> Vec<Statement> {
    let sql = format!("SELECT {ENTRY} FROM cs_powerdns_ledger l FORCE INDEX (PRIMARY) WHERE l.name");
    ask("reading the entries of names", &sql, names, lock)
}

fn ask(what: &'static str, sql: &str, names: &[OwnerName], lock: bool) -> Vec<Statement> {
    let end = if lock { " FOR UPDATE" } else { "" };
    let statement = |names: &[OwnerName]| {
        let values: Vec<Value> = names.iter().map(|name| text(name.as_str())).collect();
        Statement::new(what, &format!("{sql} IN ({}){end}", marks(names.len())), &values)
    };
    names.chunks(LIST).map(statement).collect()
}

fn rows(answers: &[Vec<Answer>]) -> Vec<Row> {
    answers.iter().flatten().filter_map(|row| decode::row(&mut Cells::of(row), None)).collect()
}

/// The lines of the ledger at some names.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Of all owner ids.
    pub entries: Vec<Entry>,
    /// The keys of lines of this owner id that somebody has edited into something that is no entry.
    pub unreadable: Vec<(OwnerName, RecordType, Content, ZoneId)>,
}

fn lines(answers: &[Vec<Answer>], owner: &OwnerId) -> Lines {
    let mut lines = Lines::default();
    for row in answers.iter().flatten() {
        if let Some(entry) = decode::entry(&mut Cells::of(row), owner) {
            lines.entries.push(entry);
        } else {
            tracing::warn!("a line of cs_powerdns_ledger cannot be read and is passed over");
            lines.unreadable.extend(decode::own_key(&mut Cells::of(row), owner));
        }
    }
    lines
}

/// Locks names: their rows, then their entries, as whoever else changes both does.
pub(super) async fn lock(
    session: &mut Session,
    names: &[OwnerName],
    owner: &OwnerId,
) -> Result<(Vec<Row>, Lines), DbError> {
    let mut asked = ask_rows(names, session.by_name(), true);
    let of_rows = asked.len();
    asked.extend(ask_entries(names, true));
    let answers = session.all(asked).await?;
    let (of_rows, of_entries) = answers.split_at(of_rows);
    Ok((rows(of_rows), lines(of_entries, owner)))
}

/// Entries first: a row that another owner id writes meanwhile is foreign either way. There are none where our
/// tables do not exist.
async fn ask_both(
    session: &mut Session,
    names: &[OwnerName],
    all: &[OwnerName],
    owner: &OwnerId,
) -> Result<(Vec<Row>, Vec<Entry>), DbError> {
    let mut with_entries = true;
    loop {
        let mut asked = if with_entries { ask_entries(names, false) } else { Vec::new() };
        let of_entries = asked.len();
        asked.extend(ask_rows(all, session.by_name(), false));
        match session.all(asked).await {
            Ok(answers) => {
                let (of_entries, of_rows) = answers.split_at(of_entries);
                return Ok((rows(of_rows), lines(of_entries, owner).entries));
            }
            Err(error) if session.misses_index(&error) => {}
            Err(error) if with_entries && schema::is_absent(session, &error).await => with_entries = false,
            Err(error) => return Err(error),
        }
    }
}

/// Reads names; of those `around` only the rows.
pub(super) async fn read(
    session: &mut Session,
    names: &[OwnerName],
    around: &[OwnerName],
    owner: &OwnerId,
) -> Result<NameRows, DbError> {
    let all = sorted(names.iter().chain(around).cloned());
    let (rows, entries) = ask_both(session, &sorted(names.iter().cloned()), &all, owner).await?;

    let same: HashSet<_> = rows.iter().map(|row| (row.zone, &row.name, &row.rtype, &row.content)).collect();
    let wanted: BTreeMap<RecordId, &OwnerName> = entries
        .iter()
        .filter(|entry| entry.owner == *owner && entry.record != 0)
        .filter(|entry| !same.contains(&(entry.zone, &entry.name, &entry.rtype, &entry.content)))
        .map(|entry| (entry.record, &entry.name))
        .collect();
    let mut strays = Vec::new();
    let ids: Vec<RecordId> = wanted.keys().copied().collect();
    for ids in ids.chunks(LIST) {
        let values: Vec<Value> = ids.iter().map(|id| Value::from(*id)).collect();
        let list = marks(ids.len());
        let sql = format!("SELECT {ROW} FROM records r FORCE INDEX (PRIMARY) WHERE r.id IN ({list})");
        for row in session.rows("reading rows by id", &sql, &values).await? {
            let name = Cells::of(&row).unsigned().and_then(|id| wanted.get(&id).copied());
            strays.extend(decode::row(&mut Cells::of(&row), name));
        }
    }
    Ok(NameRows::new(rows, entries, strays))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ttl;

    fn row(id: RecordId, name: &str) -> Row {
        Row {
            id,
            zone: 1,
            name: OwnerName::parse(name).unwrap(),
            rtype: RecordType::A,
            content: Content::V4([192, 0, 2, 1].into()),
            ttl: Some(Ttl(60)),
            disabled: false,
            auth: Some(true),
            ordername: None,
        }
    }

    #[test]
    fn rows_are_found_by_name() {
        let names = NameRows::new(vec![row(3, "b.org"), row(2, "a.org"), row(1, "b.org")], vec![], vec![]);
        let ids = |name| names.rows_at(name).iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!((ids("a.org"), ids("b.org"), ids("c.org")), (vec![2], vec![1, 3], vec![]));
    }
}
