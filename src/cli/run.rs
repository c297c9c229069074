//! `run`: serve until told to end.

use super::{Exit, services};
use crate::{config::Config, metrics::chain, observe::ServiceManager, reconcile::Aim, supervise};
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
    let mut services = services(config, Aim::Serve);
    services.service_manager =
        ServiceManager::from_variables(|name| std::env::var_os(name), std::process::id()).unwrap_or_else(
            |error| {
                tracing::warn!(error = %chain(&error), "goes on without the service manager");
                None
            },
        );
    supervise::run(services, shutdown).await?;
    Ok(Exit::Done)
}
