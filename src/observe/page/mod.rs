//! The pages for people: what goes on and what is not as desired, and explanations. Without a script, and with
//! nothing from outside; searching and paging are plain links and forms.
//!
//! Names and details are tenants' text: everything is escaped, and the answers' Content-Security-Policy allows
//! nothing but our own style.

mod explained;
mod html;
mod overview;
mod plot;
mod sections;

pub(super) use explained::{explanation, refusal};

use super::{
    Head, Observed,
    lists::{LISTS, List, Lists, Wanted},
};
use html::{Escaped, about, close, open, query};
use std::{
    fmt::{self, Write as _},
    time::{Duration, Instant},
};

/// How everything looks.
pub(super) const STYLE: &str = include_str!("style.css");

/// Lines of each list on the first page, and of the one list on a page of its own.
const FIRST: usize = 10;
const WHOLE: usize = 100;
/// The list that is none: zones as desired are shown, too.
const ZONES: &str = "zones";

/// What may stand behind the question mark.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Shown {
    q: Option<String>,
    list: Option<String>,
    page: Option<String>,
}

/// The same, understood; what is not is left out.
struct View {
    /// As it was typed.
    typed: String,
    /// As it is looked for.
    text: String,
    only: Option<&'static List>,
    zones: bool,
    /// From 1.
    page: usize,
}

impl View {
    fn new(shown: Shown) -> Self {
        let typed: String = shown.q.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).collect();
        let typed: String = typed.chars().take(255).collect();
        let lower = typed.to_lowercase();
        let text = lower.strip_suffix('.').unwrap_or(&lower).to_owned();
        let list = shown.list.unwrap_or_default();
        Self {
            typed,
            text,
            only: LISTS.iter().find(|known| known.id == list),
            zones: list == ZONES,
            page: shown
                .page
                .and_then(|page| page.parse().ok())
                .filter(|page| (1..=1 << 30).contains(page))
                .unwrap_or(1),
        }
    }

    fn is_first(&self) -> bool {
        self.text.is_empty() && self.only.is_none() && !self.zones
    }

    fn lines(&self) -> usize {
        if self.only.is_some() || self.zones { WHOLE } else { FIRST }
    }

    /// The address of this search in a list.
    fn link(&self, list: &str, page: usize) -> String {
        let mut link = format!("./?list={list}");
        if !self.typed.is_empty() {
            let _ = write!(link, "&amp;q={}", query(&self.typed));
        }
        if page > 1 {
            let _ = write!(link, "&amp;page={page}");
        }
        link
    }
}

/// The page at `/`; `age`: how long ago a request to the API last ended.
pub(super) fn page(observed: &Observed, age: Option<Duration>, now: Instant, shown: Shown) -> String {
    let view = View::new(shown);
    let wanted = Wanted {
        text: view.text.clone(),
        only: view.only,
        skip: if view.only.is_some() { (view.page - 1) * WHOLE } else { 0 },
        most: view.lines(),
    };
    let head = Head::read(observed, age, now);
    let lists = Lists::read(&observed.board, &wanted);
    let mut html = String::with_capacity(16 << 10);
    // Writing to a String does not fail.
    let _ = write_page(&mut html, observed, &view, &head, &lists, now);
    html
}

fn write_page(
    html: &mut String,
    observed: &Observed,
    view: &View,
    head: &Head,
    lists: &Lists,
    now: Instant,
) -> fmt::Result {
    let word = if head.ready { "ready" } else { "not ready" };
    open(html, &format!("{word} - cs-powerdns"), Some(head.ready && head.healthy), &view.typed)?;
    overview::state(html, head)?;
    if view.is_first() {
        overview::facts(html, observed, head)?;
        overview::passes(html, &observed.board.spans(), now)?;
    }
    sections::index(html, view, lists)?;
    if view.is_first() && lists.totals.is_empty() {
        html.push_str(match head.role {
            "holder" if head.last_resync.is_some() => "<p class=\"calm\">Every name is as desired.</p>",
            "standby" => "<p class=\"calm\">A standby keeps no lists: ask the holder.</p>",
            _ => "<p class=\"calm\">Nothing has been read to its end yet: the lists come with the first pass.</p>",
        });
    }
    // The page of the zones is theirs alone.
    for excerpt in lists.excerpts.iter().filter(|_| !view.zones) {
        sections::list(html, view, excerpt)?;
    }
    if view.only.is_none() {
        sections::zones(html, view, &observed.board, lists)?;
    }
    sections::nothing(html, view, lists)?;
    write!(
        html,
        "<p class=\"small\">Version {}, up for {}; {} UTC.</p>",
        Escaped(head.version),
        about(head.uptime_seconds),
        overview::clock()
    )?;
    close(html);
    Ok(())
}
