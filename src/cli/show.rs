//! How a plan looks: by zone, in colour where a terminal shows it.

use crate::plan::{Line, Plan, Sign, held_line};
use anstyle::{AnsiColor, Style};
use std::io::{Result, Write};

const BOLD: Style = Style::new().bold();

fn style(sign: Sign) -> Style {
    let colour = match sign {
        Sign::Add => AnsiColor::Green,
        Sign::Change => AnsiColor::Yellow,
        Sign::Delete => AnsiColor::Red,
        Sign::Hold => AnsiColor::Magenta,
    };
    colour.on_default()
}

/// The changes by zone, the summary, and how to let through what is held. `out` takes the colours out where
/// they are not wanted.
pub fn show(out: &mut impl Write, plan: &Plan) -> Result<()> {
    let mut zone: Option<&str> = None;
    for line in plan.lines() {
        if zone != Some(&line.zone) {
            zone = Some(&line.zone);
            writeln!(out, "{BOLD}{}:{BOLD:#}", line.zone)?;
        }
        let Line { sign, .. } = line;
        let style = style(*sign);
        writeln!(out, "  {style}{line}{style:#}")?;
    }
    writeln!(out, "{BOLD}{}{BOLD:#}", plan.summary())?;
    for (set, records) in &plan.held {
        let style = style(Sign::Hold);
        writeln!(out, "{style}{}{style:#}", held_line(*set, *records))?;
    }
    Ok(())
}
