//! `sync`: one full pass, then exit.

use super::{Exit, Progress, services};
use crate::{config::Config, plan::held_line, reconcile::Aim, supervise};
use anyhow::Result;
use std::io::{Write, stdout};

/// Does one pass and prints what it did.
pub async fn sync(config: &Config, progress: &Progress) -> Result<Exit> {
    let services = services(config, Aim::Converge);
    let report = progress.watch(|metrics| supervise::once(services, metrics)).await?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "{} inserted, {} deleted, {} given another TTL",
        report.inserted, report.deleted, report.retimed
    )?;
    if !report.survey.is_empty() {
        writeln!(out, "{}", report.survey)?;
    }
    for (set, records) in &report.held_sets {
        writeln!(out, "{}", held_line(*set, *records))?;
    }
    Ok(if report.held == 0 { Exit::Done } else { Exit::Held })
}
