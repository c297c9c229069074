//! `rebind`: another CloudStack is meant from now on.

use super::{Exit, RebindArgs};
use crate::{
    cloudstack::Client,
    config::Config,
    metrics::{Metrics, chain},
    powerdns::Database,
    reconcile::patiently,
};
use anyhow::{Context, Result, anyhow};
use std::{
    io::{Write, stdout},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long it waits for CloudStack (design 12).
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows both clouds and binds to the one that is reached.
pub async fn rebind(config: &Config, args: &RebindArgs) -> Result<Exit> {
    let metrics = Arc::new(Metrics::default());
    let seen = reached(config, Arc::clone(&metrics)).await?;
    let settings = config.powerdns_settings();
    let database = Database::new(&settings, metrics)?;
    if !args.dry_run {
        patiently(async || database.ensure_tables().await).await?;
    }
    let reader = database.reader();
    let bound = patiently(async || reader.bound_cloud().await).await?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "owner id `{}` is bound to: {}",
        settings.owner,
        bound.as_deref().unwrap_or("no cloud yet")
    )?;
    writeln!(out, "CS_ENDPOINT reaches the cloud with topmost domain: {seen}")?;
    let exit = if bound.as_ref() == Some(&seen) {
        writeln!(out, "the same: nothing to do")?;
        Exit::Done
    } else if args.dry_run {
        writeln!(out, "would be bound to {seen}")?;
        Exit::ChangesWait
    } else {
        patiently(async || database.rebind(&seen).await).await?;
        writeln!(out, "bound to {seen}")?;
        Exit::Done
    };
    database.close().await;
    Ok(exit)
}

/// The cloud that the key sees.
async fn reached(config: &Config, metrics: Arc<Metrics>) -> Result<String> {
    let settings = config.cloudstack_settings();
    let client = Client::new(&settings, metrics)?;
    let begun = Instant::now();
    let owners = loop {
        match client.owners().await {
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tracing::warn!(error = %chain(&error), "cannot read from CloudStack: tries again");
                sleep(Duration::from_secs(1)).await;
            }
            answer => {
                break answer.with_context(|| {
                    format!("cannot read from CloudStack at CS_ENDPOINT={}", settings.endpoint)
                })?;
            }
        }
    };
    let topmost = owners.get().topmost().map(|id| id.to_string());
    topmost.ok_or_else(|| anyhow!("the API key sees no domain at all, so the cloud cannot be told: it needs the right to listDomains"))
}
