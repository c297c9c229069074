//! `plan`: what `sync` would do, without doing it.

use super::{Exit, PlanArgs, Progress, plan_json::plan_json, services, show::show};
use crate::{config::Config, desired::shown, model::LeftBehind, reconcile::Aim, supervise};
use anyhow::Result;
use std::io::{Write, stdout};

/// Prints the plan.
pub async fn plan(config: &Config, args: &PlanArgs, progress: &Progress) -> Result<Exit> {
    let mut services = services(config, Aim::Plan);
    services.engine.unexplained = args.unexplained;
    let mut report = progress.watch(|metrics| supervise::once(services, metrics)).await?;
    let mut plan = std::mem::take(&mut report.plan);
    plan.held = std::mem::take(&mut report.held_sets);
    let count = |word| report.counts.get(word).copied().unwrap_or_default();
    (plan.blocked, plan.stopped) = (count("blocked"), count("mode"));
    let exit = if plan.is_empty() { Exit::Done } else { Exit::ChangesWait };
    if args.json {
        let mut out = stdout().lock();
        serde_json::to_writer_pretty(&mut out, &plan_json(&plan, &report, args.unexplained))?;
        writeln!(out)?;
        return Ok(exit);
    }
    // Takes the colours out where this is no terminal, and for NO_COLOR and TERM=dumb.
    let mut out = anstream::stdout().lock();
    show(&mut out, &plan)?;
    if !plan.refusals.is_empty() {
        writeln!(out, "{}", plan.refusals)?;
        writeln!(out, "what to do about one of them: cs-powerdns explain NAME")?;
    }
    if !report.survey.is_empty() {
        writeln!(out, "{}", report.survey)?;
    }
    if args.unexplained {
        writeln!(out, "rows that no VM explains: {}", report.unexplained.len())?;
        for row in &report.unexplained {
            writeln!(out, "  {} {} {}", row.name, row.rtype, shown(&row.content.to_string()))?;
        }
        writeln!(out, "rows left behind: {}", report.left_behind.len())?;
        for row in &report.left_behind {
            let content = shown(&row.content).into();
            writeln!(out, "  {}", LeftBehind { content, ..row.clone() })?;
        }
    } else if !report.left_behind.is_empty() {
        let rows = report.left_behind.len();
        writeln!(out, "rows left behind: {rows}; `plan --unexplained` lists them")?;
    }
    Ok(exit)
}
