//! The audit stream: every entry of ours with the row that it points at.

use super::{
    Database, DbError,
    decode::{self, Cells, ENTRY, ROW},
    schema,
    sql::text,
};
use crate::model::{Complete, Entry, Row};
use tokio::sync::mpsc;

/// How many entries go into one message.
const CHUNK: usize = 1000;

/// What an audit read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditSummary {
    /// Entries of this owner id.
    pub entries: u64,
    /// Of those, entries whose record id is no row's.
    pub rowless: u64,
    /// Lines of the ledger that cannot be read and were passed over.
    pub unreadable: u64,
}

/// One plain statement without order: the whole ledger once, rows by primary key. The index on the owner
/// id would visit the same entries in an order that jumps.
pub(super) async fn stream(
    database: &Database,
    out: mpsc::Sender<Vec<(Entry, Option<Row>)>>,
) -> Result<Complete<AuditSummary>, DbError> {
    let owner = &database.settings().owner;
    let sql = format!(
        "SELECT {ENTRY}, {ROW} FROM cs_powerdns_ledger l IGNORE INDEX (owner_record) \
         LEFT JOIN records r ON r.id = l.record_id WHERE l.owner_id = ?"
    );
    let mut summary = AuditSummary::default();
    let read = |answer: &mysql_async::Row| {
        let mut cells = Cells::of(answer);
        summary.entries += 1;
        let Some(entry) = decode::entry(&mut cells, owner) else {
            summary.unreadable += 1;
            return None;
        };
        let row = decode::row(&mut cells, None);
        summary.rowless += u64::from(row.is_none());
        Some((entry, row))
    };
    let mut session = database.session().await?;
    match session.stream("auditing the ledger", &sql, vec![text(owner)], (CHUNK, &out), read).await {
        Err(error) if schema::is_absent(&mut session, &error).await => {}
        done => done?,
    }
    Ok(Complete::attest(summary))
}
