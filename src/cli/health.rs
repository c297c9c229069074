//! `health`: whether the controller that runs here is well, for those who cannot ask by HTTP.

use super::{Exit, HealthArgs};
use crate::{
    config::{Config, Given},
    reconcile,
};
use anyhow::{Context, Result, bail};
use std::io::{Write, stdout};

/// Prints what /healthz (`--ready`: /readyz) says, and errs where that is not well. Needs HTTP_LISTEN only.
pub async fn health(given: &Given, args: &HealthArgs) -> Result<Exit> {
    let listen = Config::http_listen(given)?;
    let (path, word) = if args.ready { ("/readyz", "ready") } else { ("/healthz", "healthy") };
    let (well, line) = reconcile::first_line(listen, path).await.with_context(|| {
        format!("no controller answers at HTTP_LISTEN={listen}: start one, or give the address that it has")
    })?;
    let told = if well {
        line.strip_prefix(word)
    } else {
        line.strip_prefix("not ").and_then(|rest| rest.strip_prefix(word))
    };
    if !told.is_some_and(|rest| rest.starts_with(':')) {
        bail!(
            "what listens at HTTP_LISTEN={listen} is no controller: give the address that the controller has"
        );
    }
    writeln!(stdout().lock(), "{line}")?;
    Ok(if well { Exit::Done } else { Exit::Error })
}
