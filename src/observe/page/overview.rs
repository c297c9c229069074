//! The top of the page: role, health, what fails, what is held, the figures, the last passes.

use super::{
    html::{Escaped, about},
    plot::{plot, seconds},
};
use crate::{
    model::counted,
    observe::{Head, Observed, Pass, Span, Spans},
};
use std::{
    fmt::{self, Write as _},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The host's clock.
pub(super) fn clock() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace('T', " ").replace('Z', "")
}

fn since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What somebody has to know who has just been woken.
pub(super) fn state(html: &mut String, head: &Head) -> fmt::Result {
    let (class, word) = if head.ready { ("good", "ready") } else { ("bad", "not ready") };
    write!(
        html,
        "<h1 class=\"{class}\"><b>{word}</b> {}</h1><p>{}</p>",
        Escaped(&head.role_detail),
        Escaped(&head.why)
    )?;
    if !head.healthy {
        html.push_str("<p class=\"alarm\">Nothing ends any more: /healthz says no, and whoever watches it will restart this process.</p>");
    }
    for failing in &head.failing {
        write!(
            html,
            "<p class=\"alarm\"><b>{}</b> has failed {} in {}: {}</p>",
            failing.pass,
            counted(failing.times, "time"),
            about(failing.seconds),
            Escaped(&failing.error)
        )?;
    }
    for server in &head.pdns_servers {
        if let Some(trouble) = &server.trouble {
            write!(
                html,
                "<p class=\"alarm\">PowerDNS at {} is not told of changes, its caches may be old: {} ({} of {} failed)</p>",
                Escaped(&server.url),
                Escaped(trouble),
                server.errors,
                counted(server.requests, "request")
            )?;
        }
    }
    for set in &head.held_sets {
        write!(
            html,
            "<p class=\"alarm\">The loss of {} is held: nobody announced it. If it is meant: \
             <code>cs-powerdns approve {}</code> <a href=\"./?list=held\">what would go</a></p>",
            counted(set.records, "record"),
            Escaped(&set.hash)
        )?;
    }
    if head.unadopted > 0 {
        write!(
            html,
            "<p class=\"note\">Not taken over at the last start: {} of the older service. \
             <code>cs-powerdns adopt --from-cs-mapping --dry-run</code> shows more.</p>",
            counted(head.unadopted, "row")
        )?;
    }
    Ok(())
}

/// The figures.
pub(super) fn facts(html: &mut String, observed: &Observed, head: &Head) -> fmt::Result {
    let last = head.last_resync.map_or_else(
        || "never".to_owned(),
        |second| format!("{} ago", about(since_1970().saturating_sub(second))),
    );
    let zones = observed.board.zones();
    let records: u64 = observed.board.records().values().sum();
    let triggers = &observed.metrics.triggers;
    html.push_str("<dl class=\"facts\">");
    for (what, value) in [
        ("VMs known", head.vms.to_string()),
        ("Records of ours", records.to_string()),
        ("Zones", zones.len().to_string()),
        ("VMs to look at", head.dirty_vms.to_string()),
        ("Names to settle", head.dirty_names.to_string()),
        ("Last resync", last),
        ("Events read", triggers.messages.get().to_string()),
        ("Kafka partitions", triggers.partitions.get().to_string()),
    ] {
        write!(html, "<div><dt>{what}</dt><dd>{}</dd></div>", Escaped(value))?;
    }
    html.push_str("</dl>");
    Ok(())
}

/// A plot for each kind of pass.
pub(super) fn passes(html: &mut String, spans: &Spans, now: Instant) -> fmt::Result {
    html.push_str("<h2>Last passes</h2><div class=\"plots\">");
    for (pass, what) in [
        (Pass::Resync, "Resync: all is read and compared"),
        (Pass::Look, "Look: CloudStack is asked about VMs"),
        (Pass::Settle, "Settle: names are decided and written"),
        (Pass::Zones, "Zones: zones and serials are read"),
    ] {
        let all: Vec<Span> = spans.of(pass).copied().collect();
        write!(html, "<figure><figcaption>{what}</figcaption>")?;
        plot(html, pass.word(), &all, now)?;
        html.push_str("<p>");
        let longest = all.iter().map(|span| span.took).max();
        match (all.last(), longest) {
            (Some(last), Some(longest)) => {
                let ago = about(now.saturating_duration_since(last.ended).as_secs());
                let how = if last.good { "" } else { " <b class=\"bad\">failed</b>" };
                let (took, longest) = (seconds(last.took), seconds(longest));
                write!(html, "{ago} ago: {took}{how}; longest of {}: {longest}", all.len())?;
            }
            _ => html.push_str("none yet"),
        }
        // What has only just begun is none to tell of.
        let under_way = spans.under_way(pass).map(|began| now.saturating_duration_since(began));
        if let Some(age) = under_way.filter(|age| *age >= Duration::from_secs(1)) {
            write!(html, "; one has been under way for {}", seconds(age))?;
        }
        html.push_str("</p></figure>");
    }
    html.push_str("</div>");
    Ok(())
}
