//! The one write transaction.

use super::{Database, DbError, WriteError, sql::text, transaction};
use crate::model::{Batch, HeldSet, RecordId, Serial, ZoneId, Zones};

/// What a committed batch came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The new serial of each changed zone.
    pub serials: Vec<(ZoneId, Serial)>,
    /// The record id of each of the batch's puts, in their order.
    pub ids: Vec<RecordId>,
}

/// Writes for one epoch of one owner id. Once it has answered [`WriteError::Fenced`] it does so for ever.
#[derive(Debug, Clone)]
pub struct Writer {
    database: Database,
    epoch: u64,
}

impl Writer {
    pub(super) fn new(database: Database, epoch: u64) -> Self {
        Self { database, epoch }
    }

    /// Runs a batch as one transaction. To be awaited to its end: dropping it closes the connection and
    /// loses the outcome.
    ///
    /// Order: guarded deletes, new TTLs, empty non-terminals out, inserts, empty non-terminals in, order
    /// names; the locking re-read of rows and entries; ledger, history, budget; serials by zone id; the
    /// fence; COMMIT.
    pub async fn commit(&self, batch: &Batch, zones: &Zones) -> Result<Committed, WriteError> {
        if batch.is_empty() && batch.losses == 0 {
            return Ok(Committed::default());
        }
        let sql = &self.database.metrics().sql;
        let result = self.transact(batch, zones).await;
        match &result {
            Ok(done) => {
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                sql.commits.inc();
                sql.inserted.add(count(batch.inserts.len()));
                sql.deleted.add(count(batch.deletes.len()));
                sql.retimed.add(count(batch.retimes.len()));
                sql.serials.add(count(done.serials.len()));
            }
            Err(WriteError::Conflict(_) | WriteError::Zones(_)) => sql.conflicts.inc(),
            Err(WriteError::Retry(_)) => sql.retries.inc(),
            Err(WriteError::Fenced) => sql.fenced.inc(),
            Err(WriteError::Db(_)) => sql.refused.inc(),
        }
        result
    }

    async fn transact(&self, batch: &Batch, zones: &Zones) -> Result<Committed, WriteError> {
        let mut session = self.database.session().await?;
        session.begin();
        let owner = &self.database.settings().owner;
        let done = match transaction::carry_out(&mut session, owner, self.epoch, batch, zones).await {
            Ok(done) => done,
            Err(error) => {
                session.roll_back().await;
                return Err(error);
            }
        };
        // Whatever goes wrong here, the transaction may stand or not: planning again tells.
        let committed = session.commit().await.map_err(WriteError::Retry);
        // A flush too many harms nobody.
        self.database.changed(batch, zones);
        committed?;
        if !batch.endings.is_empty() {
            self.database.prune_history(&mut session).await;
        }
        Ok(done)
    }

    /// Lets a held set through, for the verb `approve`. It changes no row and no entry, so it needs no
    /// fence: whoever holds the lease does what it says.
    pub async fn approve(&self, set: HeldSet) -> Result<(), DbError> {
        let sql = "INSERT INTO cs_powerdns_approval (owner_id, hash, at) VALUES (?, ?, UTC_TIMESTAMP()) \
                   ON DUPLICATE KEY UPDATE at = VALUES(at)";
        self.approval("approving", sql, set).await
    }

    /// Forgets an approval whose set is through.
    pub async fn withdraw(&self, set: HeldSet) -> Result<(), DbError> {
        let sql = "DELETE FROM cs_powerdns_approval WHERE owner_id = ? AND hash = ?";
        self.approval("forgetting an approval", sql, set).await
    }

    async fn approval(&self, what: &'static str, sql: &str, set: HeldSet) -> Result<(), DbError> {
        let values = [text(&self.database.settings().owner), set.number().into()];
        self.database.session().await?.run(what, sql, &values).await?;
        Ok(())
    }
}
