//! The lists of what is not as desired, and the zones: searched, and a page at a time.

use super::{
    View, WHOLE, ZONES,
    html::{Escaped, Explain, Sentence, query},
};
use crate::observe::{
    Board, ZoneLine,
    lists::{Excerpt, Lists, has},
};
use std::{
    cmp::Reverse,
    fmt::{self, Write as _},
};

/// Links to all lists that have something in them.
pub(super) fn index(html: &mut String, view: &View, lists: &Lists) -> fmt::Result {
    if lists.totals.is_empty() {
        return Ok(());
    }
    html.push_str("<h2>Not as desired</h2><nav class=\"lists\">");
    for (list, total) in &lists.totals {
        let here = if view.only == Some(*list) { " aria-current=\"page\"" } else { "" };
        write!(html, "<a href=\"./?list={}\"{here}>{} <b>{total}</b></a>", list.id, list.title)?;
    }
    html.push_str("</nav>");
    Ok(())
}

/// The heading of a list, and, on its own page, its search.
fn heading(html: &mut String, view: &View, id: &str, title: &str, about: &str, whole: bool) -> fmt::Result {
    write!(html, "<section id=\"{id}\"><h2>{title}</h2><p class=\"small\">{about}</p>")?;
    if whole {
        write!(
            html,
            "<form class=\"within\" action=\"./\"><input type=\"hidden\" name=\"list\" value=\"{id}\">\
             <input type=\"search\" name=\"q\" value=\"{}\" maxlength=\"255\" aria-label=\"search {title}\" \
             placeholder=\"search this list\"><button>Search this list</button></form>",
            Escaped(&view.typed)
        )?;
    }
    Ok(())
}

/// What is not shown, and where it is.
fn rest(html: &mut String, view: &View, id: &str, whole: bool, matching: usize, shown: usize) -> fmt::Result {
    if !whole {
        return match matching.checked_sub(shown) {
            Some(more @ 1..) => {
                write!(
                    html,
                    "<p class=\"pages\"><a href=\"{}\">{more} more</a>, or search</p>",
                    view.link(id, 1)
                )
            }
            _ => Ok(()),
        };
    }
    let pages = matching.div_ceil(WHOLE);
    if pages < 2 && view.page == 1 {
        return Ok(());
    }
    html.push_str("<p class=\"pages\">");
    if view.page > 1 {
        write!(html, "<a rel=\"prev\" href=\"{}\">Previous</a> ", view.link(id, (view.page - 1).min(pages)))?;
    }
    write!(html, "page {} of {pages}", view.page)?;
    if view.page < pages {
        write!(html, " <a rel=\"next\" href=\"{}\">Next</a>", view.link(id, view.page + 1))?;
    }
    html.push_str("</p>");
    Ok(())
}

fn how_many(matching: usize, total: usize) -> String {
    if matching == total { total.to_string() } else { format!("{matching} of {total}") }
}

/// One list.
pub(super) fn list(html: &mut String, view: &View, excerpt: &Excerpt) -> fmt::Result {
    let Excerpt { list, total, matching, lines } = excerpt;
    let whole = view.only.is_some();
    let title = format!("{}: {}", list.title, how_many(*matching, *total));
    heading(html, view, list.id, &title, list.about, whole)?;
    if !lines.is_empty() {
        html.push_str(
            "<table class=\"list\"><thead><tr><th>Name</th><th>Kind</th><th>Why</th><th>VM</th></tr></thead><tbody>",
        );
    }
    for line in lines {
        for (at, claim) in line.claims.iter().enumerate() {
            let class = if at == 0 { "" } else { " class=\"again\"" };
            write!(
                html,
                "<tr{class}><td data-of=\"Name\">{}</td><td data-of=\"Kind\">{}</td>\
                 <td data-of=\"Why\">{}</td><td data-of=\"VM\" class=\"vm\">{}</td></tr>",
                Explain(&line.name),
                Escaped(&claim.kind),
                Sentence(&claim.why),
                Explain(claim.vm.as_deref().unwrap_or_default()),
            )?;
        }
        if line.more > 0 {
            write!(
                html,
                "<tr class=\"again\"><td data-of=\"Name\">{}</td><td colspan=\"3\">and {} more</td></tr>",
                Explain(&line.name),
                line.more
            )?;
        }
    }
    if !lines.is_empty() {
        html.push_str("</tbody></table>");
    }
    rest(html, view, list.id, whole, *matching, lines.len())?;
    html.push_str("</section>\n");
    Ok(())
}

/// The zones: those with names that are not as desired first, then those with most records of ours.
pub(super) fn zones(html: &mut String, view: &View, board: &Board, lists: &Lists) -> fmt::Result {
    let (all, records) = (board.zones(), board.records());
    let ours = |zone: &ZoneLine| records.get(zone.name.as_str()).copied().unwrap_or_default();
    let wrong = |zone: &ZoneLine| lists.by_zone.get(zone.name.as_str()).copied().unwrap_or_default();
    let mut found: Vec<(usize, u64, &ZoneLine)> = (all.iter())
        .filter(|zone| {
            has(zone.name.as_str(), &view.text)
                || zone.shut.as_deref().is_some_and(|why| has(why, &view.text))
        })
        .map(|zone| (wrong(zone), ours(zone), zone))
        .collect();
    if found.is_empty() && !view.zones {
        return Ok(());
    }
    found.sort_unstable_by(|(a, b, one), (c, d, other)| {
        (Reverse(a), Reverse(b), &one.name).cmp(&(Reverse(c), Reverse(d), &other.name))
    });
    let title = format!("Zones: {}", how_many(found.len(), all.len()));
    let about = "With records of ours, as the ledger has them, and names that are not as desired.";
    heading(html, view, ZONES, &title, about, view.zones)?;
    let skip = if view.zones { (view.page - 1) * WHOLE } else { 0 };
    let shown: Vec<_> = found.iter().skip(skip).take(view.lines()).collect();
    if !shown.is_empty() {
        html.push_str(
            "<table class=\"zones\"><thead><tr><th>Zone</th><th class=\"number\">Records</th>\
             <th class=\"number\">Not as desired</th><th>Kind</th><th>Written</th></tr></thead><tbody>",
        );
    }
    for (wrong, records, zone) in &shown {
        write!(
            html,
            "<tr><td data-of=\"Zone\"><a href=\"./?q={}\">{}</a></td>\
             <td class=\"number\" data-of=\"Records\">{records}</td>\
             <td class=\"number\" data-of=\"Not as desired\">{wrong}</td>\
             <td data-of=\"Kind\">{}, {}</td><td data-of=\"Written\">{}</td></tr>",
            query(zone.name.as_str()),
            Escaped(&zone.name),
            zone.kind,
            zone.signed,
            Escaped(zone.shut.as_deref().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"))),
        )?;
    }
    if !shown.is_empty() {
        html.push_str("</tbody></table>");
    }
    rest(html, view, ZONES, view.zones, found.len(), shown.len())?;
    html.push_str("</section>\n");
    Ok(())
}

/// A search that finds nothing says where the answer is; a list that is empty by now says so.
pub(super) fn nothing(html: &mut String, view: &View, lists: &Lists) -> fmt::Result {
    if view.is_first() || view.zones || !lists.excerpts.is_empty() {
        return Ok(());
    }
    if let Some(list) = view.only {
        heading(html, view, list.id, &format!("{}: none", list.title), list.about, true)?;
        html.push_str("</section>");
    }
    if !view.typed.is_empty() {
        write!(
            html,
            "<p class=\"calm\">Nothing that has “{}” in it is listed here. <a href=\"explain?q={}\">Explain it</a>: \
             why it has, or has not, a record.</p>",
            Escaped(&view.typed),
            query(&view.typed)
        )?;
    }
    Ok(())
}
