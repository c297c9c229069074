//! `sync`: one full pass, then exit.

use super::{Exit, services};
use crate::{config::Config, reconcile::Aim, supervise};
use anyhow::Result;
use std::io::{Write, stdout};

/// Does one pass and prints what it did.
pub async fn sync(config: &Config) -> Result<Exit> {
    let report = supervise::once(services(config, Aim::Converge)).await?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "{} inserted, {} deleted, {} given another TTL",
        report.inserted, report.deleted, report.retimed
    )?;
    if report.held == 0 {
        return Ok(Exit::Done);
    }
    writeln!(out, "held: {} records: more than DNS_MAX_LOSS_PERCENT allows within an hour", report.held)?;
    Ok(Exit::Held)
}
