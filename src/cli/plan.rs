//! `plan`: what `sync` would do, without doing it.

use super::{Exit, PlanArgs, services};
use crate::{
    config::Config,
    model::{LeftBehind, Row},
    plan::{Cause, Plan, Refusal, Refusals, Refused, Sign},
    reconcile::Aim,
    supervise,
};
use anyhow::Result;
use serde_json::json;
use std::io::{Write, stdout};

/// Prints the plan.
pub async fn plan(config: &Config, args: &PlanArgs) -> Result<Exit> {
    let mut services = services(config, Aim::Plan);
    services.engine.unexplained = args.unexplained;
    let report = supervise::once(services).await?;
    let mut plan = report.plan;
    plan.held = report.held_sets;
    let mut out = stdout().lock();
    if args.json {
        let unexplained = args.unexplained.then_some(report.unexplained.as_slice());
        let mut whole = as_json(&plan, unexplained);
        whole["refusals"] = refusals(&plan.refusals);
        whole["counts"] = json!(report.counts);
        whole["unadopted"] = json!(report.survey.unadopted);
        whole["not_ours"] = json!(report.survey.first);
        whole["left_behind_total"] = json!(report.left_behind.len());
        if args.unexplained {
            whole["left_behind"] = report.left_behind.iter().map(left_behind).collect();
        }
        serde_json::to_writer_pretty(&mut out, &whole)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{plan}")?;
        if !plan.refusals.is_empty() {
            writeln!(out, "{}", plan.refusals)?;
        }
        if !report.survey.is_empty() {
            writeln!(out, "{}", report.survey)?;
        }
        if args.unexplained {
            writeln!(out, "rows that no VM explains: {}", report.unexplained.len())?;
            for row in &report.unexplained {
                writeln!(out, "  {} {} {}", row.name, row.rtype, row.content)?;
            }
            writeln!(out, "rows left behind: {}", report.left_behind.len())?;
            for row in &report.left_behind {
                writeln!(out, "  {row}")?;
            }
        } else if !report.left_behind.is_empty() {
            let rows = report.left_behind.len();
            writeln!(out, "rows left behind: {rows}; `plan --unexplained` lists them")?;
        }
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::ChangesWait })
}

fn left_behind(row: &LeftBehind) -> serde_json::Value {
    let LeftBehind { name, rtype, content, vm, at } = row;
    json!({ "name": name, "type": rtype, "content": content, "vm": vm, "at": at })
}

/// At most so many zones and reasons are listed; their number is always whole.
const LISTED: usize = 1000;

fn refusals(refusals: &Refusals) -> serde_json::Value {
    let causes = refusals.by_cause();
    let claim = |refusal: &Refusal| {
        let Refusal { name, kind, vm, detail } = refusal;
        json!({ "name": name, "kind": kind.as_str(), "vm": vm.to_string(), "detail": detail })
    };
    let cause = |(Cause { zone, reason, state }, refused): &(Cause, Refused)| {
        let first: Vec<_> = refused.first.iter().map(claim).collect();
        json!({ "zone": zone, "reason": reason, "state": state, "claims": refused.claims, "first": first })
    };
    json!({
        "claims": causes.iter().map(|(_, refused)| refused.claims).sum::<u64>(),
        "causes_total": causes.len(),
        "causes": causes.iter().take(LISTED).map(cause).collect::<Vec<_>>(),
    })
}

/// Version 1: `changes` in the order of zone, name, type, those that are held with their `set`; `held`
/// records wait for the budget or for `approve`, in `held_sets`, of which `held_hash` is the largest;
/// `refusals` are claims that are not written, by zone and reason, of each the `first`; `counts` says how
/// many claims are not served, by how they stand, as /status does; `unadopted` are rows of the older service
/// and `left_behind_total` those of operators' edits that outlived their VMs; `unexplained` and `left_behind`
/// stand there if they were asked for.
fn as_json(plan: &Plan, unexplained: Option<&[Row]>) -> serde_json::Value {
    let changes: Vec<_> = (plan.lines().into_iter())
        .map(|line| {
            let mut change = json!({
                "action": line.sign.word(),
                "zone": line.zone,
                "name": line.name.as_str(),
                "type": line.rtype,
                "content": line.content,
                "ttl": line.ttl.0,
                "why": line.why,
            });
            if line.sign == Sign::Hold {
                change["set"] = json!(line.set.map(|set| set.to_string()));
            }
            change
        })
        .collect();
    let [insert, delete, retime] = plan.counts();
    let sets: Vec<_> = (plan.held.iter())
        .map(|(set, records)| json!({ "hash": set.to_string(), "records": records }))
        .collect();
    let mut whole = json!({
        "version": 1,
        "changes": changes,
        "summary": { "insert": insert, "delete": delete, "retime": retime },
        "held": plan.held.iter().map(|(_, records)| records).sum::<u64>(),
        "held_hash": plan.held.first().map(|(set, _)| set.to_string()),
        "held_sets": sets,
    });
    if let Some(rows) = unexplained {
        let row = |row: &Row| json!({ "name": row.name.as_str(), "type": row.rtype.as_str(), "content": row.content.to_string() });
        whole["unexplained"] = rows.iter().map(row).collect();
    }
    whole
}
