//! `check`: everything that a controller needs, line by line.

use super::{CheckArgs, Exit};
use crate::{
    config::{Config, Fault, Faults},
    model::{Finding, Level, counted},
    reconcile::{self, Aim, CheckSettings},
};
use anyhow::Result;
use serde_json::json;
use std::io::{Write, stdout};

const TOPIC: &str = "configuration";

/// Looks at everything and prints it; an error is where a line is one. `near`: names of variables that
/// look misspelt.
pub async fn check(config: Result<Config, Faults>, near: &[String], args: &CheckArgs) -> Result<Exit> {
    let warnings = |texts: &[String]| -> Vec<Finding> {
        let warning = |text: &String| Finding::warning(TOPIC, text, "correct it, or take it away");
        texts.iter().map(warning).collect()
    };
    let mut findings = warnings(near);
    match config {
        Err(Faults(faults)) => {
            let fault = |Fault { name, what, remedy }: &Fault| {
                Finding::error(TOPIC, format!("{name}: {what}"), remedy)
            };
            findings.extend(faults.iter().map(fault));
        }
        Ok(config) => {
            findings.extend(warnings(&config.warnings));
            if findings.is_empty() {
                findings.push(Finding::ok(TOPIC, "every variable can be read"));
            }
            findings.extend(reconcile::check(&settings(&config)).await);
        }
    }
    print(&mut stdout().lock(), &findings, args.json)?;
    let error = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if error { Exit::Error } else { Exit::Done })
}

fn settings(config: &Config) -> CheckSettings {
    CheckSettings {
        cloudstack: config.cloudstack_settings(),
        powerdns: config.powerdns_settings(),
        web: config.web_settings(),
        trigger: config.trigger_settings(),
        desired: config.engine_settings(Aim::Plan).desired,
        resync_interval: config.resync_interval,
        http_listen: config.http_listen,
    }
}

/// As JSON, version 1: `findings` in the order of the text, each of `level` (ok, warning, error), `topic`,
/// `what` and, unless it is ok, `remedy`; `summary` counts the levels.
fn print(out: &mut impl Write, findings: &[Finding], as_json: bool) -> Result<()> {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let [ok, warnings, errors] = [Level::Ok, Level::Warning, Level::Error].map(count);
    if as_json {
        let line = |Finding { level, topic, what, remedy }: &Finding| {
            let mut line = json!({ "level": level.word(), "topic": topic, "what": what });
            if let Some(remedy) = remedy {
                line["remedy"] = json!(remedy);
            }
            line
        };
        let whole = json!({
            "version": 1,
            "findings": findings.iter().map(line).collect::<Vec<_>>(),
            "summary": { "ok": ok, "warning": warnings, "error": errors },
        });
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
        return Ok(());
    }
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let (warnings, errors) = (counted(warnings, "warning"), counted(errors, "error"));
    writeln!(out, "{ok} ok, {warnings}, {errors}")?;
    Ok(())
}
