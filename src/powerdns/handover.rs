//! Entries of one owner id become another's: `adopt --from-owner`.

use super::DbError;
use super::{
    Database, Lease, Standing, WriteError, acquire::ensure_owner, lease::standing, session::Session,
    sql::text,
};

/// How many entries one transaction hands over.
const ENTRIES: u32 = 1000;

impl Database {
    /// The standing of this owner id for a verb that writes beside a controller, or before the first one:
    /// makes tables and line where they are missing, and binds the owner id to `cloud` if it is bound to
    /// none. What it is bound to is in the answer.
    pub async fn enlist(&self, cloud: Option<&str>) -> Result<Standing, DbError> {
        const WHAT: &str = "reading the lease";
        self.ensure_tables().await?;
        let owner = &self.settings().owner;
        let mut session = self.session().await?;
        ensure_owner(&mut session, owner).await?;
        if let Some(cloud) = cloud {
            let sql = "UPDATE cs_powerdns_owner SET cloud = ? WHERE owner_id = ? AND cloud IS NULL";
            session.run("binding the cloud", sql, &[text(cloud), text(owner)]).await?;
        }
        let now = standing(&mut session, owner, false).await?;
        now.ok_or(DbError::Answer { what: WHAT, lacks: "the owner's line" })
    }

    /// Hands at most 1000 entries of this owner id, whose lease is ours, over to another one, of which the
    /// standing is given: both are fenced. Held sets are their old owner's business and end. Returns how
    /// many there were.
    pub async fn hand_over(&self, lease: &Lease, to: &str, standing: &Standing) -> Result<u64, WriteError> {
        let mut session = self.session().await?;
        session.begin();
        let done = self.hand_over_in(&mut session, lease, to, standing).await;
        match done {
            Ok(moved) => {
                session.commit().await.map_err(WriteError::Retry)?;
                Ok(moved)
            }
            Err(error) => {
                session.roll_back().await;
                Err(error)
            }
        }
    }

    async fn hand_over_in(
        &self,
        session: &mut Session,
        lease: &Lease,
        to: &str,
        standing: &Standing,
    ) -> Result<u64, WriteError> {
        let from = &self.settings().owner;
        // In no order of ours: any would read, sort and lock all that are left, each time.
        let sql = "UPDATE cs_powerdns_ledger SET owner_id = ?, held_hash = 0, updated_at = UTC_TIMESTAMP() \
                   WHERE owner_id = ? LIMIT ?";
        let values = [text(to), text(from), ENTRIES.into()];
        let moved = session.run("handing over entries", sql, &values).await?;
        // In one order for all, or two that cross would lock each other out.
        let mut fences = [(&**from, lease.epoch()), (to, standing.epoch)];
        fences.sort_unstable();
        for (owner, epoch) in fences {
            let sql = "UPDATE cs_powerdns_owner SET fence = fence + 1 WHERE owner_id = ? AND epoch = ?";
            if session.run("fencing", sql, &[text(owner), epoch.into()]).await? != 1 {
                return Err(WriteError::Fenced);
            }
        }
        Ok(moved)
    }
}
