//! The database as a whole: connections, settings, and the ways to reading and writing.

use super::{
    DbError, Flusher, Lease, Reader, Settings, Standing, Writer, session::Session, session::Sessions,
};
use crate::{
    metrics::{Metrics, chain},
    model::{Batch, Zones},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Connections for reading and writing; the lease has one of its own.
const SIZE: usize = 8;
/// How often old history is deleted.
const PRUNE: Duration = Duration::from_secs(300);

/// PowerDNS's database. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Database {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    sessions: Arc<Sessions>,
    renewals: Arc<Sessions>,
    pruned: Arc<Mutex<Option<Instant>>>,
    flusher: Option<Flusher>,
}

impl Database {
    /// Connects to nothing yet.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, DbError> {
        Ok(Self {
            settings: Arc::new(settings.clone()),
            sessions: Sessions::new(settings, SIZE, Arc::clone(&metrics)),
            renewals: Sessions::new(settings, 1, Arc::clone(&metrics)),
            metrics,
            pruned: Arc::default(),
            flusher: None,
        })
    }

    /// The same, and whoever commits through it tells PowerDNS's web servers.
    #[must_use]
    pub fn flushing(self, flusher: Option<Flusher>) -> Self {
        Self { flusher, ..self }
    }

    /// Whether the server answers and lets us in.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.session().await?.ping().await
    }

    /// What reads.
    pub fn reader(&self) -> Reader {
        Reader::new(self.clone())
    }

    /// What writes for the holder of the lease.
    pub fn writer(&self, lease: &Lease) -> Writer {
        Writer::new(self.clone(), lease.epoch())
    }

    /// What writes beside the process that holds the lease, for verbs: fenced on the epoch that was read.
    pub fn writer_beside(&self, standing: &Standing) -> Writer {
        Writer::new(self.clone(), standing.epoch)
    }

    /// Says good-bye to the server.
    pub async fn close(self) {
        self.sessions.close().await;
        self.renewals.close().await;
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A transaction stands, or may stand.
    pub(super) fn changed(&self, batch: &Batch, zones: &Zones) {
        if let Some(flusher) = &self.flusher {
            flusher.note(batch, zones);
        }
    }

    pub(super) async fn session(&self) -> Result<Session, DbError> {
        self.sessions.get().await
    }

    /// The connection that only the lease uses, so that no long transaction delays a renewal.
    pub(super) async fn lease_session(&self) -> Result<Session, DbError> {
        self.renewals.get().await
    }

    /// Deletes history older than 7 days, now and then, a slice at a time. Failing matters to nobody: the
    /// next one deletes more.
    pub(super) async fn prune_history(&self, session: &mut Session) {
        {
            let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
            if pruned.is_some_and(|at| at.elapsed() < PRUNE) {
                return;
            }
            *pruned = Some(Instant::now());
        }
        let sql = "DELETE FROM cs_powerdns_history WHERE at < UTC_TIMESTAMP() - INTERVAL 7 DAY LIMIT 10000";
        let done = session.run("pruning the history", sql, &[]).await;
        if let Err(error @ DbError::Denied { .. }) = &done {
            tracing::warn!(error = %chain(error), "the history grows for ever");
        } else if let Err(error) = done {
            tracing::debug!(error = %chain(&error), "history not pruned");
        }
    }
}
