//! Taking the lease.

use super::{
    Acquire, Database, DbError, Lease, Sight, Standing, lease::standing, schema::VERSION, session::Session,
    sql::text,
};

/// Makes the owner's line where there is none: released, epoch 0.
pub(super) async fn ensure_owner(session: &mut Session, owner: &str) -> Result<(), DbError> {
    if standing(session, owner, false).await?.is_some() {
        return Ok(());
    }
    // IGNORE: two that start at once make one line.
    let sql = "INSERT IGNORE INTO cs_powerdns_owner (owner_id, holder, epoch, expires_at, fence, \
               schema_version) VALUES (?, '', 0, UTC_TIMESTAMP(6), 0, ?)";
    session.run("making the owner's line", sql, &[text(owner), VERSION.into()]).await?;
    Ok(())
}

impl Database {
    /// Takes the lease if it has expired or was released. `holder` names this process, in ASCII, and no
    /// other one: the same name again waits like any other.
    pub async fn acquire(&self, holder: &str) -> Result<Acquire, DbError> {
        self.acquire_from(holder, None).await
    }

    /// The same, also where the lease seems to last, if it still looks as it was seen: whoever calls this
    /// knows by a clock of its own that it is over, although the database's clock has gone back.
    pub async fn acquire_from(&self, holder: &str, over: Option<&Sight>) -> Result<Acquire, DbError> {
        let owner = &self.settings().owner;
        let mut session = self.session().await?;
        ensure_owner(&mut session, owner).await?;
        session.begin();
        match self.take(&mut session, holder, over).await {
            // On Galera two nodes may both come here: one of the COMMITs fails its certification.
            Ok(taken) => session.commit().await.map(|()| taken),
            Err(error) => {
                session.roll_back().await;
                Err(error)
            }
        }
    }

    async fn take(
        &self,
        session: &mut Session,
        holder: &str,
        over: Option<&Sight>,
    ) -> Result<Acquire, DbError> {
        const WHAT: &str = "taking the lease";
        let owner = &self.settings().owner;
        let now = standing(session, owner, true).await?;
        let now = now.ok_or(DbError::Answer { what: WHAT, lacks: "the owner's line" })?;
        if now.is_held() && over != Some(&now.sight) {
            let Standing { holder, expires_in, sight, .. } = now;
            return Ok(Acquire::Busy { holder, expires_in, sight });
        }
        let sql = "UPDATE cs_powerdns_owner SET holder = ?, epoch = epoch + 1, schema_version = ?, \
                   expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE owner_id = ? AND epoch = ?";
        let values = [text(holder), VERSION.into(), self.ttl(), text(owner), now.epoch.into()];
        if session.run(WHAT, sql, &values).await? != 1 {
            return Err(DbError::Answer { what: WHAT, lacks: "the epoch just read" });
        }
        Ok(Acquire::Held(Lease { epoch: now.epoch + 1, holder: holder.to_owned() }))
    }
}
