//! `adopt`: rows that are there already become ours.

use super::{AdoptArgs, Exit, Progress, services};
use crate::{
    config::Config,
    desired::shown,
    model::counted,
    plan::Fortune,
    reconcile::{AdoptSettings, Adopted, Aim},
    supervise,
};
use anyhow::Result;
use std::io::{Write, stderr, stdout};

/// Takes over entries, then rows, and prints what became of each.
pub async fn adopt(config: &Config, args: &AdoptArgs, progress: &Progress) -> Result<Exit> {
    let mut changes = false;
    if let Some(from) = &args.from_owner {
        let entries = supervise::take_from_owner(&config.powerdns_settings(), from, args.dry_run).await?;
        let word = if args.dry_run { "would take" } else { "took" };
        writeln!(stdout().lock(), "{word} {} of owner id `{from}`", counted(entries, "entry"))?;
        changes = entries > 0;
    }
    let mut known = true;
    if args.all || args.from_cs_mapping || !args.names.is_empty() {
        let mut services = services(config, Aim::Adopt);
        services.engine.adopt = Some(AdoptSettings {
            names: args.names.clone(),
            all: args.all,
            mapping: args.from_cs_mapping,
            dry_run: args.dry_run,
        });
        let adopted = progress.watch(|metrics| supervise::once(services, metrics)).await?.adopted;
        print(&mut stdout().lock(), &adopted, args.dry_run)?;
        for name in &adopted.unknown {
            // Not eprintln: it panics where standard error is closed.
            let _ = writeln!(
                stderr(),
                "{name}: no VM wants this name, so there is nothing to adopt: `cs-powerdns explain {name}` says more"
            );
        }
        known = adopted.unknown.is_empty();
        changes |= adopted.changes();
    }
    Ok(match () {
        () if !known => Exit::Error,
        () if args.dry_run && changes => Exit::ChangesWait,
        () => Exit::Done,
    })
}

fn print(out: &mut impl Write, adopted: &Adopted, dry_run: bool) -> std::io::Result<()> {
    for (name, told) in &adopted.lines {
        let (word, rtype, content) = (told.fortune.word(), &told.rtype, shown(&told.content.to_string()));
        writeln!(out, "{word}: {name} {rtype} {content}  ({})", told.why)?;
    }
    let count = |fortune| adopted.counts.get(&fortune).copied().unwrap_or_default();
    let all: u64 = adopted.counts.values().sum();
    if all > adopted.lines.len() as u64 {
        writeln!(out, "... and {} more", all - adopted.lines.len() as u64)?;
    }
    if adopted.unreadable > 0 {
        writeln!(out, "lines of cs_mapping that cannot be read: {}", adopted.unreadable)?;
    }
    if adopted.inherited > 0 {
        writeln!(out, "of VMs that are gone: {}; they go with the next pass", adopted.inherited)?;
    }
    writeln!(
        out,
        "{}{} taken, {} removed, {} replaced, {} added, {} ended, {} left",
        if dry_run { "would be: " } else { "" },
        count(Fortune::Taken),
        counted(count(Fortune::Duplicate), "duplicate"),
        count(Fortune::Replaced),
        count(Fortune::Added),
        counted(count(Fortune::Freed), "hold"),
        count(Fortune::Left),
    )
}
