//! Tenants' text made fit for an operator's eyes.

/// The most characters of a text that are shown.
const MOST: usize = 80;

/// A text that a tenant may have chosen, for a message: control characters and those that hide or turn
/// other text are replaced, and what is longer than 80 characters is cut. Not escaped for HTML.
pub fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(MOST).map(|c| if is_plain(c) { c } else { '?' }).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

fn is_plain(c: char) -> bool {
    let hides = matches!(
        u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfe00..=0xfe0f
            | 0xfeff | 0xfff0..=0xfffb | 0xe000..=0xf8ff | 0xe0000..=0x0010_ffff
    );
    !c.is_control() && !hides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_short_and_hides_nothing() {
        assert_eq!(shown("wéb 1"), "wéb 1");
        assert_eq!(shown("a\nb\x1b[31m\u{202e}c\u{0}"), "a?b?[31m?c?");
        assert_eq!(shown(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(shown(&"ä".repeat(81)), format!("{}…", "ä".repeat(80)));
    }
}
