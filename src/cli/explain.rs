//! `explain`: why a name has, or has not, or no longer has, a record.

use super::{Exit, ExplainArgs, Progress, services};
use crate::{
    config::Config,
    reconcile::{self, Aim},
    supervise,
};
use anyhow::{Context, Result};
use std::io::{Write, stderr, stdout};

/// Prints the whole decision: asks the controller that runs, or reads the servers.
pub async fn explain(config: &Config, args: &ExplainArgs, progress: &Progress) -> Result<Exit> {
    let listen = config.http_listen;
    // Not eprintln: it panics where standard error is closed.
    let told = if let Some(told) = reconcile::ask(listen, &config.owner, &args.about).await {
        let _ = writeln!(stderr(), "the controller at {listen} answers");
        told
    } else {
        let _ = writeln!(
            stderr(),
            "no controller of this OWNER_ID answers at {listen}: reads CloudStack and the database"
        );
        let mut services = services(config, Aim::Plan);
        services.engine.explain = Some(args.about.clone());
        let report = progress.watch(|metrics| supervise::once(services, metrics)).await?;
        report.explanation.context("the pass ended without an explanation")?
    };
    let mut out = stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &told)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{told}")?;
    }
    Ok(Exit::Done)
}
