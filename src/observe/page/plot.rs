//! The last passes of a kind as bars: how long each took, and which failed.

use super::html::about;
use crate::observe::{Span, spans::REMEMBERED};
use std::{
    fmt::{self, Write as _},
    time::{Duration, Instant},
};

/// A bar and the gap after it.
const STEP: usize = 5;
const HIGH: u128 = 48;

/// Seconds with as many digits as say something.
pub(super) fn seconds(took: Duration) -> String {
    match took.as_secs_f64() {
        short if short < 0.0995 => format!("{:.0} ms", short * 1000.0),
        some if some < 10.0 => format!("{some:.1} s"),
        _ => about(took.as_secs()),
    }
}

/// The plot, newest on the right; the tallest bar is the longest pass.
pub(super) fn plot(html: &mut String, what: &str, spans: &[Span], now: Instant) -> fmt::Result {
    let longest = spans.iter().map(|span| span.took).max().unwrap_or_default();
    let failed = spans.iter().filter(|span| !span.good).count();
    let wide = REMEMBERED * STEP;
    write!(
        html,
        "<svg viewBox=\"0 0 {wide} {HIGH}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{what}: the last {}, {failed} of them failed\">\
         <path class=\"base\" d=\"M0 {HIGH}h{wide}\"/>",
        spans.len()
    )?;
    let left = REMEMBERED.saturating_sub(spans.len());
    for (at, span) in spans.iter().enumerate() {
        let high = (span.took.as_micros() * (HIGH - 4) / longest.as_micros().max(1)).max(2);
        let ago = about(now.saturating_duration_since(span.ended).as_secs());
        let (class, how) = if span.good { ("good", "") } else { ("bad", ", failed") };
        write!(
            html,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{high}\"><title>{} ago: {}{how}</title></rect>",
            (left + at) * STEP,
            HIGH - high,
            STEP - 1,
            ago,
            seconds(span.took)
        )?;
    }
    html.push_str("</svg>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pass_is_the_tallest_bar_and_a_failed_one_is_marked() {
        let now = Instant::now();
        let span = |millis, good| Span { ended: now, took: Duration::from_millis(millis), good };
        let mut html = String::new();
        plot(&mut html, "resync", &[span(2000, true), span(1000, false), span(0, true)], now).unwrap();
        for part in [
            "aria-label=\"resync: the last 3, 1 of them failed\"",
            "class=\"good\" x=\"285\" y=\"4\" width=\"4\" height=\"44\"><title>0 s ago: 2.0 s</title>",
            "class=\"bad\" x=\"290\" y=\"26\" width=\"4\" height=\"22\"><title>0 s ago: 1.0 s, failed</title>",
            "x=\"295\" y=\"46\" width=\"4\" height=\"2\"><title>0 s ago: 0 ms</title>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(seconds(Duration::from_millis(12)), "12 ms");
        assert_eq!(seconds(Duration::from_secs(75)), "75 s");
    }
}
