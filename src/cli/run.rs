//! `run`: serve until told to end.

use super::{Exit, services};
use crate::{config::Config, reconcile::Aim, supervise};
use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: &Config) -> Result<Exit> {
    if config.dns.zones.is_empty() {
        tracing::warn!(
            "DNS_ZONES is not set: whoever may set a network domain in CloudStack reaches every zone of this database"
        );
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    supervise::run(services(config, Aim::Serve), shutdown).await?;
    Ok(Exit::Done)
}
