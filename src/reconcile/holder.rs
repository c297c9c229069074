//! The lease: waits for it, renews it, and tells the engine when it comes and goes.

use super::complaint::Complaint;
use crate::{
    metrics::chain,
    observe::{Board, Role},
    powerdns::{Acquire, Database, Lease},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

/// The lease, as it comes and goes.
#[derive(Debug, Clone)]
pub enum Tenure {
    /// It is ours from now on.
    Held(Lease),
    /// It is ours no more.
    Lost,
}

/// Waits for the lease and renews it at a third of its time, until cancelled; then hands it back, so
/// that a standby takes over at once. Errors of the database are waited out: a controller outlives
/// its servers' restarts. `first` is the lease, if it was taken already.
pub async fn hold(
    database: Database,
    holder: String,
    mut first: Option<Lease>,
    ttl: Duration,
    board: Arc<Board>,
    tenure: mpsc::Sender<Tenure>,
    cancel: CancellationToken,
) {
    let third = ttl / 3;
    loop {
        let lease = match first.take() {
            Some(lease) => lease,
            None => match acquire(&database, &holder, third, &board, &cancel).await {
                Some(lease) => lease,
                None => return,
            },
        };
        board.set_role(Role::Holder { epoch: lease.epoch() }, Instant::now());
        tracing::info!(epoch = lease.epoch(), "holds the lease");
        if tenure.send(Tenure::Held(lease.clone())).await.is_err() {
            database.release(lease).await;
            return;
        }
        if !keep(&database, &lease, ttl, third, &board, &cancel).await {
            // The engine ends the transaction in hand before it lets go of its side.
            tenure.closed().await;
            database.release(lease).await;
            return;
        }
        tracing::warn!("lost the lease: stands by");
        // Trying to get it again may take a database that does not answer a long time.
        board.set_role(Role::Standby { holder: None }, Instant::now());
        if tenure.send(Tenure::Lost).await.is_err() {
            return;
        }
    }
}

async fn acquire(
    database: &Database,
    holder: &str,
    third: Duration,
    board: &Board,
    cancel: &CancellationToken,
) -> Option<Lease> {
    let mut said = String::new();
    let mut complaint = Complaint::default();
    loop {
        let attempt = async {
            database.ensure_tables().await?;
            database.acquire(holder).await
        };
        let wait = match attempt.await {
            Ok(Acquire::Held(lease)) => return Some(lease),
            Ok(Acquire::Busy { holder, expires_in }) => {
                complaint.over();
                board.set_role(Role::Standby { holder: Some(holder.clone()) }, Instant::now());
                if said != holder {
                    tracing::info!(%holder, "stands by: another process holds the lease");
                    said.clone_from(&holder);
                }
                // A clean exit releases the lease early: look at least at every third of it.
                expires_in.clamp(Duration::from_millis(100), third)
            }
            Err(error) => {
                complaint.tell(&chain(&error), "cannot get the lease: tries again");
                board.set_role(Role::Standby { holder: None }, Instant::now());
                said.clear();
                third.min(Duration::from_secs(2))
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return None,
            () = sleep(wait) => {}
        }
    }
}

/// Renews until told to end (false) or until the lease is lost (true).
async fn keep(
    database: &Database,
    lease: &Lease,
    ttl: Duration,
    third: Duration,
    board: &Board,
    cancel: &CancellationToken,
) -> bool {
    let mut renewed = Instant::now();
    let mut complaint = Complaint::default();
    loop {
        let wait = if renewed.elapsed() > third { Duration::from_millis(200) } else { third };
        tokio::select! {
            () = cancel.cancelled() => return false,
            () = sleep(wait) => {}
        }
        match database.renew(lease).await {
            Ok(true) => {
                renewed = Instant::now();
                complaint.over();
                board.set_role(Role::Holder { epoch: lease.epoch() }, renewed);
            }
            Ok(false) => return true,
            Err(error) => {
                complaint.tell(&chain(&error), "cannot renew the lease: tries again");
                // The fence in each transaction is what counts; this only stops the attempts.
                if renewed.elapsed() > ttl {
                    return true;
                }
            }
        }
    }
}
