//! `plan`: what `sync` would do, without doing it.

use super::{Exit, PlanArgs, services};
use crate::{config::Config, plan::Plan, reconcile::Aim, supervise};
use anyhow::Result;
use serde_json::json;
use std::io::{Write, stdout};

/// Prints the plan.
pub async fn plan(config: &Config, args: &PlanArgs) -> Result<Exit> {
    let report = supervise::once(services(config, Aim::Plan)).await?;
    let mut plan = report.plan;
    plan.held = report.held;
    let mut out = stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &as_json(&plan))?;
        writeln!(out)?;
    } else {
        writeln!(out, "{plan}")?;
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::ChangesWait })
}

/// Version 1: `changes` in the order of zone, name, type; `held` records wait for the budget.
fn as_json(plan: &Plan) -> serde_json::Value {
    let changes: Vec<_> = (plan.lines().into_iter())
        .map(|line| {
            json!({
                "action": line.sign.word(),
                "zone": line.zone,
                "name": line.name.as_str(),
                "type": line.rtype,
                "content": line.content,
                "ttl": line.ttl.0,
                "why": line.why,
            })
        })
        .collect();
    let [insert, delete, retime] = plan.counts();
    json!({
        "version": 1,
        "changes": changes,
        "summary": { "insert": insert, "delete": delete, "retime": retime },
        "held": plan.held,
    })
}
