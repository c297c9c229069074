//! The order of a write transaction's statements, whoever runs them.

use super::{
    WriteError, changes, ledger, names, recheck, session::Session, soa, sql::text, writer::Committed,
};
use crate::model::{
    Batch, Ending, EntryPut, NewRow, OwnedRow, OwnerId, OwnerName, RecordId, Reorder, Row, Serial, Ttl,
    ZoneId, Zones,
};
use std::future::Future;

pub(crate) use super::names::Lines;

/// Its statements. Each compares what it changes with what the plan saw, and errs where that differs, at once or
/// with the next one that answers.
pub(crate) trait Transaction: Send {
    /// Deletes rows of ours.
    fn delete(&mut self, rows: &[OwnedRow]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Gives rows of ours another TTL.
    fn retime(&mut self, rows: &[(OwnedRow, Ttl)]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Deletes empty non-terminals.
    fn delete_ents(&mut self, ents: &[Reorder]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Inserts rows.
    fn insert(&mut self, rows: &[NewRow]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Sets order names.
    fn reorder(&mut self, rows: &[Reorder]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// The rows of names, then their entries, which stay as they are from now on.
    fn lock(
        &mut self,
        names: &[OwnerName],
        owner: &OwnerId,
    ) -> impl Future<Output = Result<(Vec<Row>, Lines), WriteError>> + Send;
    /// Ends entries.
    fn end(&mut self, endings: &[Ending]) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Writes entries.
    fn put(
        &mut self,
        owner: &OwnerId,
        puts: &[EntryPut],
        ids: &[RecordId],
        known: &[bool],
    ) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Draws on the budget.
    fn use_budget(
        &mut self,
        owner: &OwnerId,
        losses: u64,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// Moves serials.
    fn bump(
        &mut self,
        changed: &[ZoneId],
        lowered: &[ZoneId],
        zones: &Zones,
    ) -> impl Future<Output = Result<Vec<(ZoneId, Serial)>, WriteError>> + Send;
    /// Whether the owner id's epoch is this one; it is until COMMIT. All statements before it went well.
    fn fence(&mut self, owner: &OwnerId, epoch: u64)
    -> impl Future<Output = Result<bool, WriteError>> + Send;
}

/// Runs a batch up to its COMMIT. Under READ COMMITTED what an operator inserted before the re-read is
/// seen by it, what he inserts after it arrives beside ours.
pub(crate) async fn carry_out(
    transaction: &mut impl Transaction,
    owner: &OwnerId,
    epoch: u64,
    batch: &Batch,
    zones: &Zones,
) -> Result<Committed, WriteError> {
    transaction.delete(&batch.deletes).await?;
    transaction.retime(&batch.retimes).await?;
    transaction.delete_ents(&batch.ents_out).await?;
    transaction.insert(&batch.inserts).await?;
    transaction.insert(&batch.ents_in).await?;
    transaction.reorder(&batch.reorders).await?;

    let (ids, known) = reread(transaction, owner, batch).await?;

    transaction.end(&batch.endings).await?;
    transaction.put(owner, &batch.puts, &ids, &known).await?;
    if batch.losses > 0 {
        transaction.use_budget(owner, batch.losses).await?;
    }
    let serials = transaction.bump(&batch.zones(), &batch.lowered, zones).await?;
    if !transaction.fence(owner, epoch).await? {
        return Err(WriteError::Fenced);
    }
    Ok(Committed { serials, ids })
}

/// Reads the batch's names again, locking them, and finds the record ids of its entries, and which of
/// these the ledger has already. Rows come first: whoever else changes both takes them in that order.
async fn reread(
    transaction: &mut impl Transaction,
    owner: &OwnerId,
    batch: &Batch,
) -> Result<(Vec<RecordId>, Vec<bool>), WriteError> {
    let seen = batch.seen.iter().map(|seen| &seen.name);
    let put = batch.puts.iter().map(|put| &put.entry.name);
    let names = names::sorted(seen.chain(put).cloned());
    let (rows, lines) = transaction.lock(&names, owner).await?;
    if let Some(difference) = recheck::difference(batch, &rows) {
        return Err(WriteError::Conflict(difference));
    }
    if let Some(difference) = recheck::entry_difference(batch, &lines.entries) {
        return Err(WriteError::Conflict(difference));
    }
    let ids = recheck::record_ids(&batch.puts, &rows).map_err(WriteError::Conflict)?;
    Ok((ids, recheck::known(batch, &lines).map_err(WriteError::Conflict)?))
}

/// The real ones: what only writes waits for what reads, so that a batch takes four round trips with its COMMIT.
impl Transaction for Session {
    async fn delete(&mut self, rows: &[OwnedRow]) -> Result<(), WriteError> {
        self.later(changes::delete(rows));
        Ok(())
    }
    async fn retime(&mut self, rows: &[(OwnedRow, Ttl)]) -> Result<(), WriteError> {
        self.later(changes::retime(rows));
        Ok(())
    }
    async fn delete_ents(&mut self, ents: &[Reorder]) -> Result<(), WriteError> {
        self.later(changes::delete_ents(ents));
        Ok(())
    }
    async fn insert(&mut self, rows: &[NewRow]) -> Result<(), WriteError> {
        self.later(changes::insert(rows));
        Ok(())
    }
    async fn reorder(&mut self, rows: &[Reorder]) -> Result<(), WriteError> {
        self.later(changes::reorder(rows));
        Ok(())
    }
    async fn lock(&mut self, names: &[OwnerName], owner: &OwnerId) -> Result<(Vec<Row>, Lines), WriteError> {
        Ok(names::lock(self, names, owner).await?)
    }
    async fn end(&mut self, endings: &[Ending]) -> Result<(), WriteError> {
        self.later(ledger::end(endings));
        Ok(())
    }
    async fn put(
        &mut self,
        owner: &OwnerId,
        puts: &[EntryPut],
        ids: &[RecordId],
        known: &[bool],
    ) -> Result<(), WriteError> {
        self.later(ledger::put(owner, puts, ids, known)?);
        Ok(())
    }
    async fn use_budget(&mut self, owner: &OwnerId, losses: u64) -> Result<(), WriteError> {
        self.later([ledger::use_budget(owner, losses)]);
        Ok(())
    }
    async fn bump(
        &mut self,
        changed: &[ZoneId],
        lowered: &[ZoneId],
        zones: &Zones,
    ) -> Result<Vec<(ZoneId, Serial)>, WriteError> {
        soa::bump(self, changed, lowered, zones).await
    }
    async fn fence(&mut self, owner: &OwnerId, epoch: u64) -> Result<bool, WriteError> {
        let sql = "UPDATE cs_powerdns_owner SET fence = fence + 1 WHERE owner_id = ? AND epoch = ?";
        Ok(self.run("fencing", sql, &[text(owner), epoch.into()]).await? == 1)
    }
}
