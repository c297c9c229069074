//! `plan --json`: version 1 of what programs read. Each key is told in deploy/guides/plan-json.md.

use crate::{
    model::{LeftBehind, Row},
    plan::{Before, Cause, Counts, Line, Plan, Refusal, Refusals, Refused, Sign},
    reconcile::Report,
};
use serde_json::{Value, json};

/// At most so many zones and reasons are listed; their number is always whole.
const LISTED: usize = 1000;

/// All of a plan. `unexplained`: with the rows that no VM explains.
pub fn plan_json(plan: &Plan, report: &Report, unexplained: bool) -> Value {
    let Counts { add, change, delete } = plan.counts();
    let sets: Vec<_> = (plan.held.iter())
        .map(|(set, records)| json!({ "hash": set.to_string(), "records": records }))
        .collect();
    let mut whole = json!({
        "version": 1,
        "changes": plan.lines().into_iter().map(line).collect::<Vec<_>>(),
        "summary": {
            "add": add,
            "change": change,
            "delete": delete,
            "held": plan.held_records(),
            "blocked": plan.blocked,
            "stopped": plan.stopped,
        },
        "held": plan.held_records(),
        "held_hash": plan.held.first().map(|(set, _)| set.to_string()),
        "held_sets": sets,
        "refusals": refusals(&plan.refusals),
        "counts": report.counts,
        "unadopted": report.survey.unadopted,
        "not_ours": report.survey.first,
        "left_behind_total": report.left_behind.len(),
    });
    if unexplained {
        whole["unexplained"] = report.unexplained.iter().map(row).collect();
        whole["left_behind"] = report.left_behind.iter().map(left_behind).collect();
    }
    whole
}

fn line(line: &Line) -> Value {
    let Line { zone, name, rtype, sign, content, ttl, before, why, vm, kind, set } = line;
    let mut change = json!({
        "action": sign.word(),
        "zone": zone,
        "name": name.as_str(),
        "type": rtype,
        "content": content,
        "ttl": ttl.0,
        "why": why,
        "vm": vm.to_string(),
        "kind": kind.as_str(),
    });
    if let Some(Before { content, ttl, vm }) = before {
        change["before"] = json!({ "content": content, "ttl": ttl.map(|ttl| ttl.0), "vm": vm.to_string() });
    }
    if *sign == Sign::Hold {
        change["set"] = json!(set.map(|set| set.to_string()));
    }
    change
}

fn refusals(refusals: &Refusals) -> Value {
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

fn row(row: &Row) -> Value {
    json!({ "name": row.name.as_str(), "type": row.rtype.as_str(), "content": row.content.to_string() })
}

fn left_behind(row: &LeftBehind) -> Value {
    let LeftBehind { name, rtype, content, vm, at } = row;
    json!({ "name": name, "type": rtype, "content": content, "vm": vm, "at": at })
}
