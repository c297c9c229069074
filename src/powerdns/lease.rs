//! The lease: who writes for this owner id, by the database's clock alone.

use super::{Database, DbError, decode::Cells, schema::VERSION, session::Session, sql::text};
use crate::metrics::chain;
use mysql_async::Value;
use std::time::Duration;

/// The right to write, until somebody else's epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub(super) epoch: u64,
    pub(super) holder: String,
}

impl Lease {
    /// Grows by one whenever the lease changes hands.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// One that nobody has granted, for tests.
    #[cfg(test)]
    pub(crate) fn sample(epoch: u64) -> Self {
        Self { epoch, holder: format!("holder {epoch}") }
    }

    /// Who holds it.
    pub fn holder(&self) -> &str {
        &self.holder
    }
}

/// What trying to get the lease came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquire {
    /// It is ours.
    Held(Lease),
    /// Somebody else has it.
    Busy {
        /// Who, as that process calls itself.
        holder: String,
        /// How long until it ends unless it is renewed.
        expires_in: Duration,
        /// How it was seen.
        sight: Sight,
    },
}

/// A lease as somebody has seen it: as long as it looks the same, nobody has renewed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    pub(super) epoch: u64,
    /// When it ends, as the table has it.
    pub(super) expires_at: String,
}

impl Sight {
    /// One that nobody has seen, for tests.
    #[cfg(test)]
    pub(crate) fn sample(expires_at: &str) -> Self {
        Self { epoch: 1, expires_at: expires_at.to_owned() }
    }
}

/// The lease as it stands, whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The epoch, on which a writing verb fences.
    pub epoch: u64,
    /// The last holder; empty where it was released.
    pub holder: String,
    /// How long until it ends; zero where it has ended.
    pub expires_in: Duration,
    /// How it looks.
    pub sight: Sight,
    /// Transactions committed for this owner id so far.
    pub fence: u64,
    /// The cloud that the owner id is bound to.
    pub cloud: Option<String>,
}

impl Standing {
    /// Whether some process holds the lease now.
    pub fn is_held(&self) -> bool {
        !self.holder.is_empty() && !self.expires_in.is_zero()
    }
}

/// What binding the owner id to a cloud came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// It was bound to this cloud already.
    Same,
    /// It was bound to none and now is to this one.
    New,
    /// It is bound to another one, and stays so.
    Other(String),
}

/// Reads the owner's line; with `lock` it stays as it is until the transaction ends.
pub(super) async fn standing(
    session: &mut Session,
    owner: &str,
    lock: bool,
) -> Result<Option<Standing>, DbError> {
    const WHAT: &str = "reading the lease";
    let end = if lock { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT epoch, holder, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at), \
         CAST(expires_at AS CHAR), fence, cloud, schema_version FROM cs_powerdns_owner WHERE owner_id = ?{end}"
    );
    let rows = session.rows(WHAT, &sql, &[text(owner)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut cells = Cells::of(row);
    let epoch = cells.unsigned();
    let holder = cells.text();
    let micros = cells.int().unwrap_or(0);
    let expires_at = cells.text().unwrap_or_default().into_owned();
    let fence = cells.unsigned().unwrap_or(0);
    let cloud = cells.text().map(std::borrow::Cow::into_owned);
    let found = cells.number().unwrap_or(0);
    if found > VERSION {
        return Err(DbError::SchemaVersion { found, known: VERSION });
    }
    let epoch = epoch.ok_or(DbError::Answer { what: WHAT, lacks: "an epoch" })?;
    Ok(Some(Standing {
        epoch,
        sight: Sight { epoch, expires_at },
        holder: holder.unwrap_or_default().into_owned(),
        expires_in: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
        fence,
        cloud,
    }))
}

impl Database {
    /// Keeps the lease. False: it is somebody else's by now, stop writing. On a connection of its own, and
    /// given up after a third of the lease's time, so that another try still comes in time.
    pub async fn renew(&self, lease: &Lease) -> Result<bool, DbError> {
        const WHAT: &str = "renewing the lease";
        let sql = "UPDATE cs_powerdns_owner SET expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND \
                   WHERE owner_id = ? AND epoch = ? AND holder = ?";
        let values = [self.ttl(), text(&self.settings().owner), lease.epoch.into(), text(&lease.holder)];
        let after = self.settings().lease_ttl / 3;
        let work = async { self.lease_session().await?.run(WHAT, sql, &values).await };
        match tokio::time::timeout(after, work).await {
            Ok(found) => Ok(found? == 1),
            Err(_) => Err(DbError::Timeout { server: self.settings().server(), what: WHAT, after }),
        }
    }

    /// Lets the next one in at once. Failing costs the next one the rest of the lease's time.
    pub async fn release(&self, lease: Lease) {
        let sql = "UPDATE cs_powerdns_owner SET holder = '', expires_at = UTC_TIMESTAMP(6) \
                   WHERE owner_id = ? AND epoch = ? AND holder = ?";
        let values = [text(&self.settings().owner), lease.epoch.into(), text(&lease.holder)];
        let done = match self.lease_session().await {
            Ok(mut session) => session.run("releasing the lease", sql, &values).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(error = %chain(&error), "lease not released: the next holder waits until it has expired");
        }
    }

    /// Binds the owner id to a cloud, once (design 7, "The right cloud").
    pub async fn bind_cloud(&self, lease: &Lease, cloud: &str) -> Result<Bound, DbError> {
        let owner = &self.settings().owner;
        let sql = "UPDATE cs_powerdns_owner SET cloud = ? WHERE owner_id = ? AND epoch = ? AND cloud IS NULL";
        let mut session = self.session().await?;
        let values = [text(cloud), text(owner), lease.epoch.into()];
        if session.run("binding the cloud", sql, &values).await? == 1 {
            return Ok(Bound::New);
        }
        match standing(&mut session, owner, false).await?.and_then(|standing| standing.cloud) {
            Some(bound) if bound == cloud => Ok(Bound::Same),
            Some(bound) => Ok(Bound::Other(bound)),
            // Not bound and not ours to bind: the lease is gone, which the next renewal says too.
            None => Err(DbError::Answer { what: "binding the cloud", lacks: "our lease's epoch" }),
        }
    }

    /// Binds the owner id to another cloud, for the verb `rebind`. Whoever holds the lease holds it for the
    /// cloud that it was bound to: it is ended, and taking it again finds out which cloud is meant now.
    pub async fn rebind(&self, cloud: &str) -> Result<(), DbError> {
        let owner = &self.settings().owner;
        let mut session = self.session().await?;
        super::acquire::ensure_owner(&mut session, owner).await?;
        let sql = "UPDATE cs_powerdns_owner SET cloud = ?, epoch = epoch + 1, holder = '', \
                   expires_at = UTC_TIMESTAMP(6) WHERE owner_id = ? AND (cloud IS NULL OR cloud <> ?)";
        session.run("binding the cloud", sql, &[text(cloud), text(owner), text(cloud)]).await?;
        Ok(())
    }

    pub(super) fn ttl(&self) -> Value {
        Value::UInt(u64::try_from(self.settings().lease_ttl.as_micros()).unwrap_or(u64::MAX))
    }
}
