//! What the verbs that write beside or instead of a controller have in common.

use crate::{
    model::counted,
    powerdns::{DbError, WriteError},
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// An error that ends a verb. What it had committed by then stands, and doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// The database stayed away for a minute, or refuses.
    #[error("cannot read from or write to the PowerDNS database")]
    Db(#[source] DbError),
    /// Nothing was ever written for the owner id.
    #[error(
        "owner id `{0}` is unknown in this database: it gets a line at its first `run` or `sync`. Is OWNER_ID right?"
    )]
    NoOwner(String),
    /// There is no such zone.
    #[error(
        "PowerDNS has no zone {0} with an enabled SOA in this database: correct the name, or MYSQL_PDNS_NAME"
    )]
    NoZone(String),
    /// The lease is somebody else's by now.
    #[error("the lease of this owner id went to another process: nothing more was written")]
    LeaseLost,
    /// An owner id that nobody ever used.
    #[error("owner id `{0}` is unknown in this database: there is nothing to take from it")]
    UnknownOwner(String),
    /// An owner id that is in use.
    #[error(
        "owner id `{owner}` is in the hands of {holder}: end that process, or wait until its lease has lapsed"
    )]
    Held {
        /// The owner id.
        owner: String,
        /// Who has it.
        holder: String,
    },
    /// An owner id of another cloud.
    #[error(
        "owner id `{owner}` is bound to the cloud with topmost domain {theirs}, ours to {ours}: its VMs would all look \
         gone here. If it is the same cloud after a move, `cs-powerdns rebind` first"
    )]
    Clouds {
        /// The owner id.
        owner: String,
        /// Its cloud.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Entries that could not be taken.
    #[error("{} taken, then no more; the same again goes on from there", counted(*moved, "entry"))]
    Handover {
        /// How many were.
        moved: u64,
        /// Why not.
        #[source]
        source: WriteError,
    },
    /// A name that could not be written.
    #[error("cannot write {name}{}", besides(*others))]
    Write {
        /// One of them.
        name: String,
        /// How many more.
        others: usize,
        /// Why not.
        #[source]
        source: WriteError,
    },
}

fn besides(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", and {} besides", counted(others, "name")) }
}

/// How long a one-shot verb waits for a database that is down (design 12).
const PATIENCE: Duration = Duration::from_secs(60);
/// How often names are planned again after a conflict.
const REPLANS: u32 = 8;

/// Does it again while the database is away, up to a minute.
pub async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, DbError>) -> Result<T, VerbError> {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tracing::warn!(error = %crate::metrics::chain(&error), "cannot reach the database: tries again");
                sleep(Duration::from_secs(1)).await;
            }
            done => return done.map_err(VerbError::Db),
        }
    }
}

/// Whether the names of a batch that did not go through are to be planned again; waits a little first, the
/// longer the more often.
pub async fn again(error: &WriteError, tries: &mut u32) -> bool {
    *tries += 1;
    let again = error.is_transient() && *tries <= REPLANS;
    if again {
        tracing::debug!(error = %crate::metrics::chain(error), tries, "plans again");
        sleep(Duration::from_millis(50) * *tries).await;
    }
    again
}
