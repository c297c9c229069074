//! What the verbs that reconcile have in common.

use crate::{config::Config, powerdns::DbError, reconcile::Aim, supervise::Services};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The settings of all rooms.
pub fn services(config: &Config, aim: Aim) -> Services {
    Services {
        cloudstack: config.cloudstack_settings(),
        powerdns: config.powerdns_settings(),
        trigger: config.trigger_settings(),
        engine: config.engine_settings(aim),
        http_listen: config.http_listen,
    }
}

/// A one-shot verb waits a minute for a database that is away (design 12).
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it succeeds, fails for good, or a minute is over.
pub async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, DbError>) -> Result<T, DbError> {
    let began = Instant::now();
    loop {
        match attempt().await {
            Err(error) if error.is_transient() && began.elapsed() < PATIENCE => {
                tracing::warn!(error = %crate::metrics::chain(&error), "cannot reach the database: tries again");
                sleep(Duration::from_secs(1)).await;
            }
            done => return done,
        }
    }
}
