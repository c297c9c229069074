//! The page for people: what /status says, without a script. Names and details are tenants' text.

use super::{LISTED, Status};
use std::fmt::{self, Display, Write as _};

/// Text with everything escaped that HTML reads, in content and in quoted attributes.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| match c {
                    '&' => self.0.write_str("&amp;"),
                    '<' => self.0.write_str("&lt;"),
                    '>' => self.0.write_str("&gt;"),
                    '"' => self.0.write_str("&quot;"),
                    '\'' => self.0.write_str("&#39;"),
                    c => self.0.write_char(c),
                })
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .8em .2em 0;\
border-bottom:1px solid #8884;vertical-align:top;overflow-wrap:anywhere}.no{color:#b00020}";

/// The page.
pub(super) fn page(status: &Status) -> String {
    let mut html = String::with_capacity(4096);
    // Writing to a String does not fail.
    let _ = write_page(&mut html, status);
    html
}

fn write_page(html: &mut String, status: &Status) -> fmt::Result {
    let (class, word) = if status.ready { ("yes", "ready") } else { ("no", "not ready") };
    write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>cs-powerdns: {word}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>cs-powerdns {}</h1><p class=\"{class}\"><b>{word}</b>: {}</p><table>",
        Escaped(status.version),
        Escaped(&status.why),
    )?;
    let never = || "never".to_owned();
    for (what, value) in [
        ("Role", status.role_detail.clone()),
        ("Up for", format!("{} s", status.uptime_seconds)),
        ("VMs known", status.vms.to_string()),
        ("Waiting", format!("{} VMs, {} names", status.dirty_vms, status.dirty_names)),
        ("Last resync", status.last_resync.map_or_else(never, moment)),
        ("Held records", held(status)),
    ] {
        write!(html, "<tr><th>{what}</th><td>{}</td></tr>", Escaped(value))?;
    }
    html.push_str("</table>");
    for failing in &status.failing {
        write!(
            html,
            "<p class=\"no\">{} has failed {} times in {} s: {}</p>",
            failing.pass,
            failing.times,
            failing.seconds,
            Escaped(&failing.error)
        )?;
    }
    for server in &status.pdns_servers {
        let (class, state) = match &server.trouble {
            Some(trouble) => ("no", trouble.as_str()),
            None => ("yes", "is told of changes"),
        };
        write!(
            html,
            "<p class=\"{class}\">PowerDNS {}: {}; {} of {} requests have failed</p>",
            Escaped(&server.url),
            Escaped(state),
            server.errors,
            server.requests
        )?;
    }
    names(html, status)?;
    left_behind(html, status)?;
    rejections(html, status)?;
    html.push_str(
        "<p>The same for machines: <a href=\"status\">status</a>, <a href=\"metrics\">metrics</a></p>",
    );
    html.push_str("</body></html>\n");
    Ok(())
}

fn held(status: &Status) -> String {
    let sets = status.held_sets.iter();
    let sets: Vec<String> = sets.map(|set| format!("{} in set {}", set.records, set.hash)).collect();
    if sets.is_empty() { "0".to_owned() } else { sets.join(", ") }
}

fn names(html: &mut String, status: &Status) -> fmt::Result {
    write!(html, "<h2>Names that are not as desired: {}</h2>", status.names_total)?;
    more(html, status.names_total)?;
    if status.names.is_empty() {
        return Ok(());
    }
    html.push_str("<table><tr><th>Name</th><th>Kind</th><th>State</th><th>VM</th><th>Why</th></tr>");
    for name in &status.names {
        for claim in &name.claims {
            write!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Escaped(&name.name),
                claim.kind,
                claim.state,
                Escaped(claim.vm.as_deref().unwrap_or_default()),
                Escaped(&claim.detail)
            )?;
        }
        if let Some(more @ 1..) = name.claims_total.checked_sub(name.claims.len()) {
            write!(html, "<tr><td>{}</td><td colspan=\"4\">and {more} more</td></tr>", Escaped(&name.name))?;
        }
    }
    html.push_str("</table>");
    Ok(())
}

fn left_behind(html: &mut String, status: &Status) -> fmt::Result {
    if status.left_behind.is_empty() {
        return Ok(());
    }
    write!(
        html,
        "<h2>Rows left behind, since an operator had edited them: {}</h2>",
        status.left_behind_total
    )?;
    more(html, status.left_behind_total)?;
    html.push_str("<table><tr><th>Name</th><th>Type</th><th>Content</th><th>VM</th><th>Since</th></tr>");
    for row in &status.left_behind {
        html.push_str("<tr>");
        for text in [&row.name, &row.rtype, &row.content, &row.vm, &row.at] {
            write!(html, "<td>{}</td>", Escaped(text))?;
        }
        html.push_str("</tr>");
    }
    html.push_str("</table>");
    Ok(())
}

fn rejections(html: &mut String, status: &Status) -> fmt::Result {
    write!(html, "<h2>VMs with names that cannot be: {}</h2>", status.rejected_vms_total)?;
    more(html, status.rejected_vms_total)?;
    if status.rejected_vms.is_empty() {
        return Ok(());
    }
    html.push_str("<table><tr><th>VM</th><th>Kind</th><th>Name</th><th>Reason</th><th>Why</th></tr>");
    for vm in &status.rejected_vms {
        for rejected in &vm.rejections {
            write!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td><td>{}</td></tr>",
                Escaped(&vm.vm),
                rejected.kind,
                Escaped(&rejected.name),
                Escaped(rejected.reason),
                if rejected.pending { " (pending)" } else { "" },
                Escaped(&rejected.detail)
            )?;
        }
    }
    html.push_str("</table>");
    Ok(())
}

fn more(html: &mut String, total: usize) -> fmt::Result {
    if total > LISTED { write!(html, "<p>The first {LISTED}:</p>") } else { Ok(()) }
}

/// Seconds since 1970 as RFC 3339.
fn moment(second: u64) -> String {
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(second));
    time.map_or_else(String::new, |time| humantime::format_rfc3339_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped() {
        let text = r#"<script>alert("x")</script>&'"#;
        assert_eq!(Escaped(text).to_string(), "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
    }
}
