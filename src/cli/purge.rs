//! `purge`: takes back everything that was written, as far as it is still as it was written.

use super::{Exit, PurgeArgs, show::show};
use crate::{
    config::Config,
    model::{Entry, counted},
    reconcile::{Aim, PurgeSettings},
    supervise,
};
use anyhow::Result;
use std::{
    fmt::Display,
    io::{Write, stdout},
};

/// Prints what stays, and how much went.
pub async fn purge(config: &Config, args: &PurgeArgs) -> Result<Exit> {
    let powerdns = config.powerdns_settings();
    let what = PurgeSettings {
        owner: powerdns.owner.clone(),
        only: args.zone.clone(),
        zones: config.engine_settings(Aim::Plan).desired.zones,
    };
    let purged = supervise::purge(&powerdns, config.web_settings().as_ref(), &what, args.dry_run).await?;
    let mut out = stdout().lock();
    if args.dry_run {
        show(&mut anstream::AutoStream::auto(&mut out), &purged.plan)?;
    }
    list(&mut out, "rows that an operator has edited stay, and are his from now on", &purged.left)?;
    list(&mut out, "rows that may not be touched stay, with their entries", &purged.kept)?;
    let (rows, zones) = (counted(purged.rows, "row"), counted(purged.zones.len(), "zone"));
    let entries = counted(purged.entries, "entry");
    if args.dry_run {
        writeln!(out, "would delete {rows} in {zones} and end {entries}")?;
        return Ok(if purged.entries > 0 { Exit::ChangesWait } else { Exit::Done });
    }
    writeln!(out, "deleted {rows} in {zones} and ended {entries}")?;
    Ok(Exit::Done)
}

fn list<W: Display>(out: &mut impl Write, what: &str, entries: &[(Entry, W)]) -> std::io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "{what}: {}", entries.len())?;
    for (Entry { name, rtype, content, .. }, why) in entries {
        writeln!(out, "  {name} {rtype} {content}  ({why})")?;
    }
    Ok(())
}
