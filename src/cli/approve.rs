//! `approve`: lets held sets through.

use super::{ApproveArgs, Exit, Progress, services};
use crate::{
    config::Config,
    metrics::Metrics,
    model::{HeldSet, counted},
    plan::held_line,
    powerdns::{Database, Reader},
    reconcile::{Aim, patiently},
    supervise,
};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeSet,
    io::{Write, stdout},
    sync::Arc,
};

/// A set to approve, and how many records are in it.
struct Found {
    set: HeldSet,
    records: u64,
    /// Entries carry it; otherwise the next pass would hold its records under this hash.
    stored: bool,
}

/// Approves all of the sets, or none if one of them is not there. It asks the API only for a set that no
/// entry carries: one that `plan` has shown and that no pass has stored yet.
pub async fn approve(config: &Config, args: &ApproveArgs, progress: &Progress) -> Result<Exit> {
    let settings = config.powerdns_settings();
    let database = Database::new(&settings, Arc::new(Metrics::default()))?;
    let reader = database.reader();
    let Some(standing) = patiently(async || reader.standing().await).await? else {
        bail!("nothing was ever written for owner id `{}`: nothing is held", settings.owner);
    };
    let approved = reader.approvals().await.context("cannot read what was approved before")?;
    let before: BTreeSet<HeldSet> =
        approved.iter().filter(|approval| !approval.old).map(|approval| approval.set).collect();
    let wanted: BTreeSet<HeldSet> = args.sets.iter().copied().collect();
    let found = find(config, &reader, &wanted, &before, progress).await?;
    let (mut out, writer) = (stdout().lock(), database.writer_beside(&standing));
    let mut waits = false;
    let without_records: Vec<HeldSet> =
        wanted.iter().filter(|set| !found.iter().any(|one| one.set == **set)).copied().collect();
    for Found { set, records, stored } in found {
        let records = counted(records, "record");
        if args.dry_run {
            let word = if before.contains(&set) { "is approved already" } else { "would be approved" };
            writeln!(out, "held set {set} of {records} {word}")?;
            waits |= !before.contains(&set);
            continue;
        }
        writer.approve(set).await.with_context(|| format!("cannot approve {set}"))?;
        writeln!(out, "approved: {records} of held set {set}")?;
        if stored {
            writeln!(
                out,
                "a running controller lets them through within seconds, else the next `sync` or `run`"
            )?;
        } else {
            writeln!(
                out,
                "no pass has stored this set yet: the next one lets it through, within the next hour"
            )?;
        }
    }
    for set in without_records {
        writeln!(out, "held set {set} is approved already, and no record waits in it")?;
    }
    drop(out);
    database.close().await;
    Ok(if waits { Exit::ChangesWait } else { Exit::Done })
}

/// The sets in the ledger, or, of those that are not, in a plan. One that was approved before may be
/// through by now, and is found in neither.
async fn find(
    config: &Config,
    reader: &Reader,
    wanted: &BTreeSet<HeldSet>,
    before: &BTreeSet<HeldSet>,
    progress: &Progress,
) -> Result<Vec<Found>> {
    let mut held = reader.held_sets().await.context("cannot read what is held")?;
    let stored: BTreeSet<HeldSet> = held.iter().map(|(set, _)| *set).collect();
    if !wanted.iter().all(|set| stored.contains(set) || before.contains(set)) {
        let services = services(config, Aim::Plan);
        let plan = progress.watch(|metrics| supervise::once(services, metrics)).await;
        let plan = plan.context("no entry is in such a set, and what would be held cannot be planned")?;
        held.extend(plan.held_sets.into_iter().filter(|(set, _)| !stored.contains(set)));
    }
    let one = |set: &HeldSet| {
        let records = held.iter().find(|(held, _)| held == set).map(|(_, records)| *records);
        records.map(|records| Found { set: *set, records, stored: stored.contains(set) }).ok_or(*set)
    };
    let wanted = wanted.iter().filter(|set| stored.contains(set) || !before.contains(set));
    let found: Result<Vec<Found>, HeldSet> = wanted.map(one).collect();
    match found {
        Ok(found) => Ok(found),
        Err(missing) if held.is_empty() => bail!("no held set {missing}: nothing is held"),
        Err(missing) => {
            let lines: Vec<String> = held.iter().map(|(set, records)| held_line(*set, *records)).collect();
            bail!("no held set {missing}; nothing was approved\n{}", lines.join("\n"))
        }
    }
}
