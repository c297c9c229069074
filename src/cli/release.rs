//! `release`: an operator wants a name for himself, without touching a row yet.

use super::{Exit, ReleaseArgs};
use crate::{config::Config, metrics::Metrics, powerdns, reconcile};
use anyhow::Result;
use std::{
    io::{Write, stderr, stdout},
    sync::Arc,
};

/// Prints what is on hold at each name.
pub async fn release(config: &Config, args: &ReleaseArgs) -> Result<Exit> {
    let settings = config.powerdns_settings();
    let database = powerdns::Database::new(&settings, Arc::new(Metrics::default()))?;
    let held = reconcile::release(&database, &settings.owner, &args.names, args.dry_run).await;
    database.close().await;
    let held = held?;
    let mut out = stdout().lock();
    for name in held.iter().filter(|one| !one.entries.is_empty()) {
        let word = match (name.changed, args.dry_run) {
            (0, _) => "on hold already",
            (_, true) => "would be on hold",
            (_, false) => "on hold",
        };
        for entry in &name.entries {
            let (rtype, content) = (&entry.rtype, &entry.content);
            writeln!(out, "{} {rtype} {content}: {word} ({} of VM {})", name.name, entry.kind, entry.vm)?;
        }
    }
    let mut nothing = held.iter().filter(|one| one.entries.is_empty()).peekable();
    if nothing.peek().is_some() {
        for name in nothing {
            // Not eprintln: it panics where standard error is closed.
            let _ = writeln!(
                stderr(),
                "{}: nothing of owner id `{}` stands here, so there is nothing to release (a disabled A row reserves a name)",
                name.name,
                settings.owner
            );
        }
        return Ok(Exit::Error);
    }
    let changes = held.iter().any(|one| one.changed > 0);
    Ok(if args.dry_run && changes { Exit::ChangesWait } else { Exit::Done })
}
