//! An explanation as a page: the same that the verb prints.

use super::html::{Escaped, Explain, Sentence, close, open};
use crate::model::{ClaimStory, Explanation, NameStory, PastStory, RecordStory, VmStory};
use std::fmt::{self, Display, Write as _};

/// The page.
pub(in crate::observe) fn explanation(asked: &str, told: &Explanation) -> String {
    let mut html = String::with_capacity(8192);
    // Writing to a String does not fail.
    let _ = write_explanation(&mut html, asked, told);
    html
}

/// A page for a question that has no answer.
pub(in crate::observe) fn refusal(asked: &str, why: &str) -> String {
    let mut html = String::new();
    let _ = open(&mut html, "explain - cs-powerdns", None, asked);
    let _ = write!(html, "<h1><b>explain</b> {}</h1><p class=\"alarm\">{}</p>", Escaped(asked), Escaped(why));
    close(&mut html);
    html
}

fn write_explanation(html: &mut String, asked: &str, told: &Explanation) -> fmt::Result {
    open(html, &format!("{} - cs-powerdns", told.question), None, asked)?;
    write!(html, "<h1><b>explain</b> {}</h1><ul class=\"answer\">", Escaped(&told.question))?;
    for line in &told.answer {
        write!(html, "<li>{}</li>", Advice(line))?;
    }
    html.push_str("</ul>");
    for name in &told.names {
        name_story(html, name)?;
    }
    more(html, told.names_total, told.names.len(), "names")?;
    for vm in &told.vms {
        vm_story(html, vm)?;
    }
    more(html, told.vms_total, told.vms.len(), "VMs")?;
    close(html);
    Ok(())
}

/// A line that may end with what to do.
struct Advice<'a>(&'a str);

impl Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once(" -> ") {
            Some((found, remedy)) => {
                write!(f, "{} <span class=\"remedy\">{}</span>", Sentence(found), Sentence(remedy))
            }
            None => write!(f, "{}", Sentence(self.0)),
        }
    }
}

fn more(html: &mut String, total: usize, told: usize, what: &str) -> fmt::Result {
    if total > told { write!(html, "<p>and {} more {what}</p>", total - told) } else { Ok(()) }
}

/// A row of a story: its word, and its lines below each other.
fn row<T: Display>(
    html: &mut String,
    word: &str,
    lines: impl IntoIterator<Item = T>,
    hidden: usize,
    none: &str,
) -> fmt::Result {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() && none.is_empty() {
        return Ok(());
    }
    write!(html, "<dt>{}</dt>", Escaped(word))?;
    if lines.peek().is_none() {
        return write!(html, "<dd class=\"none\">{}</dd>", Escaped(none));
    }
    for line in lines {
        write!(html, "<dd>{line}</dd>")?;
    }
    if hidden > 0 {
        write!(html, "<dd class=\"none\">and {hidden} more</dd>")?;
    }
    Ok(())
}

fn vm_story(html: &mut String, story: &VmStory) -> fmt::Result {
    let VmStory { id, name, steps, wants, cannot } = story;
    write!(html, "<section class=\"story\"><h2>VM {}", Explain(id))?;
    if let Some(name) = name {
        write!(html, " <span class=\"small\">{}</span>", Escaped(name))?;
    }
    html.push_str("</h2><dl>");
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let mut lines = vec![Advice(&step.says)];
        // A step without a word goes on with the one before.
        while let Some(next) = steps.next_if(|next| next.step.is_empty()) {
            lines.push(Advice(&next.says));
        }
        row(html, &step.step, lines, 0, "")?;
    }
    let wants = wants.iter().map(|want| format!("{}: {}", Escaped(&want.step), Explain(&want.says)));
    row(html, "wants", wants, 0, "nothing")?;
    let cannot: Vec<String> = cannot.iter().map(ToString::to_string).collect();
    row(html, "cannot", cannot.iter().map(|line| Advice(line)), 0, "")?;
    html.push_str("</dl></section>");
    Ok(())
}

fn name_story(html: &mut String, story: &NameStory) -> fmt::Result {
    let NameStory { name, zone_says, claims, ledger, rows, history, dns, next, .. } = story;
    write!(html, "<section class=\"story\"><h2>{}</h2><dl>", Explain(name))?;
    row(html, "DNS now", dns.iter().map(|line| Sentence(line)), 0, "no such name (NXDOMAIN)")?;
    row(html, "next pass", next.iter().map(|line| Sentence(line)), 0, "changes nothing")?;
    let hidden = story.claims_total.saturating_sub(claims.len());
    row(html, "claims", claims.iter().map(Claim), hidden, "no VM wants this name")?;
    row(html, "zone", [Sentence(zone_says)], 0, "")?;
    let hidden = story.ledger_total.saturating_sub(ledger.len());
    row(html, "ledger", ledger.iter().map(Record), hidden, "no entry")?;
    let hidden = story.rows_total.saturating_sub(rows.len());
    row(html, "rows", rows.iter().map(Record), hidden, "none")?;
    row(html, "history", history.iter().map(Past), 0, "nothing has ended here within 7 days")?;
    html.push_str("</dl></section>");
    Ok(())
}

struct Claim<'a>(&'a ClaimStory);

impl Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClaimStory { vm, kind, state, detail, remedy } = self.0;
        let class = if state == "served" || state == "satisfied" { "good" } else { "bad" };
        write!(f, "<b class=\"{class}\">{}</b>: {} of VM {}", Escaped(state), Escaped(kind), Explain(vm))?;
        if !detail.is_empty() {
            write!(f, ", {}", Sentence(detail))?;
        }
        if !remedy.is_empty() {
            write!(f, " <span class=\"remedy\">{}</span>", Sentence(remedy))?;
        }
        Ok(())
    }
}

struct Record<'a>(&'a RecordStory);

impl Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordStory { rtype, content, ttl, says } = self.0;
        write!(f, "<code>{} {}</code>", Escaped(rtype), Escaped(content))?;
        if let Some(ttl) = ttl {
            write!(f, " (TTL {ttl})")?;
        }
        write!(f, ": {}", Sentence(says))
    }
}

struct Past<'a>(&'a PastStory);

impl Display for Past<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PastStory { at, rtype, content, vm, why } = self.0;
        write!(
            f,
            "{} UTC: <code>{} {}</code> of VM {}: {}",
            Escaped(at),
            Escaped(rtype),
            Escaped(content),
            Explain(vm),
            Sentence(why)
        )
    }
}
