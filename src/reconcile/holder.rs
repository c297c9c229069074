//! The lease: waits for it, renews it, and tells the engine when it comes and goes.

use super::complaint::Complaint;
use crate::{
    metrics::chain,
    observe::{Board, Role},
    powerdns::{Acquire, Database, Lease, Sight},
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
            None => match acquire(&database, &holder, ttl, &board, &cancel).await {
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
    ttl: Duration,
    board: &Board,
    cancel: &CancellationToken,
) -> Option<Lease> {
    let (mut said, mut watch, third) = (String::new(), Watch::default(), ttl / 3);
    let mut complaint = Complaint::default();
    loop {
        let attempt = async {
            database.ensure_tables().await?;
            database.acquire_from(holder, watch.over(Instant::now())).await
        };
        let wait = match attempt.await {
            Ok(Acquire::Held(lease)) => return Some(lease),
            Ok(Acquire::Busy { holder, expires_in, sight }) => {
                complaint.over();
                watch.see(sight, expires_in, ttl, Instant::now());
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

/// What a standby has seen of another's lease, by a clock that never goes back. The lease lasts by the
/// database's clock: where that is set back, the lease of a holder that dies then would seem to last as much
/// longer. Taking it too early would cost nothing but the change: the fence stops the other one.
#[derive(Debug, Default)]
struct Watch(Option<(Sight, Instant)>);

/// A lease that looks the same for so long is over, also one that was never seen to be shorter: a living holder
/// renews it at a third of its `LEASE_TTL`.
const UNCHANGED: Duration = Duration::from_secs(300);

impl Watch {
    fn see(&mut self, sight: Sight, expires_in: Duration, ttl: Duration, now: Instant) {
        if self.0.as_ref().is_none_or(|(last, _)| *last != sight) {
            self.0 = Some((sight, now + expires_in.min(UNCHANGED.max(ttl))));
        }
    }

    /// The lease, once it must be over unless it was renewed meanwhile.
    fn over(&self, now: Instant) -> Option<&Sight> {
        self.0.as_ref().filter(|(_, end)| now >= *end).map(|(sight, _)| sight)
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

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(15);
    const HOUR: Duration = Duration::from_secs(3600);

    /// When the lease is over, after these looks: seconds, what was seen, how long it seemed to last.
    fn over_after(looks: &[(u64, &str, Duration)]) -> u64 {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for (second, seen, expires_in) in looks {
            let now = start + Duration::from_secs(*second);
            assert_eq!(watch.over(now), None, "at {second} s");
            watch.see(Sight::sample(seen), *expires_in, TTL, now);
        }
        (0..4000).find(|second| watch.over(start + Duration::from_secs(*second)).is_some()).unwrap()
    }

    #[test]
    fn a_lease_that_nobody_renews_is_over_when_it_was_first_seen_to_end() {
        assert_eq!(over_after(&[(0, "a", TTL), (5, "a", TTL * 2 / 3)]), 15);
    }

    #[test]
    fn a_renewal_is_a_lease_anew() {
        assert_eq!(over_after(&[(0, "a", TTL), (10, "b", TTL)]), 25);
    }

    #[test]
    fn a_database_whose_clock_goes_back_keeps_no_dead_holder_alive() {
        assert_eq!(over_after(&[(0, "a", TTL), (5, "a", HOUR)]), 15);
    }

    #[test]
    fn who_comes_after_the_clock_has_gone_back_waits_some_minutes_and_no_hour() {
        assert_eq!(over_after(&[(0, "a", HOUR), (60, "a", HOUR)]), 300);
    }
}
