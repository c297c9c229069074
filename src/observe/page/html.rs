//! What every page is made of: escaping, links, the frame. Names and details are tenants' text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::{self, Display, Write as _};

/// Text with everything escaped that HTML reads, in content and in quoted attributes.
pub(super) struct Escaped<T>(pub T);

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

/// What a query may hold as it is: the rest of a name or UUID is readable in the address then.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// Text as the value of a query.
pub(super) fn query(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, QUERY)
}

/// A link to the explanation of a name, a VM or an address.
pub(super) struct Explain<'a>(pub &'a str);

impl Display for Explain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What cannot be asked about is no link: /explain would only refuse it.
        if self.0.is_empty() || self.0.len() > 255 {
            return write!(f, "{}", Escaped(self.0));
        }
        write!(f, "<a href=\"explain?q={}\">{}</a>", query(self.0), Escaped(self.0))
    }
}

/// A sentence of ours: `commands` as such, VMs' UUIDs as links, the rest escaped. A tenant's text in it gets no
/// more by that than another type, or a link to an explanation.
pub(super) struct Sentence<'a>(pub &'a str);

impl Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('`').peekable();
        let mut code = false;
        while let Some(part) = parts.next() {
            // A last mark without its pair is only a mark.
            let open = code && parts.peek().is_some();
            if open {
                write!(f, "<code>{}</code>", Escaped(part))?;
            } else {
                if code {
                    f.write_char('`')?;
                }
                with_links(f, part)?;
            }
            code = !code;
        }
        Ok(())
    }
}

const UUID: usize = 36;

/// Where the first VM's UUID begins; other things have UUIDs, too.
fn uuid(text: &str) -> Option<usize> {
    const BEFORE: &[u8] = b"VM ";
    let is_uuid = |part: &[u8]| {
        part.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let parts = &mut text.as_bytes().windows(BEFORE.len() + UUID);
    let at = parts.position(|part| part.strip_prefix(BEFORE).is_some_and(is_uuid))?;
    Some(at + BEFORE.len())
}

fn with_links(f: &mut fmt::Formatter<'_>, mut text: &str) -> fmt::Result {
    while let Some(at) = uuid(text) {
        write!(f, "{}{}", Escaped(&text[..at]), Explain(&text[at..at + UUID]))?;
        text = &text[at + UUID..];
    }
    write!(f, "{}", Escaped(text))
}

/// How long ago, or how long, in one unit.
pub(super) fn about(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A page from its head to the search field; [`close`] ends it. `well`: the colour of the tab's mark.
pub(super) fn open(html: &mut String, title: &str, well: Option<bool>, search: &str) -> fmt::Result {
    let colour = match well {
        Some(true) => "%231a7f37",
        Some(false) => "%23cf222e",
        None => "%236e7781",
    };
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'\
         %3E%3Ccircle cx='4.5' cy='4.5' r='4' fill='{colour}'/%3E%3C/svg%3E\">\
         <link rel=\"stylesheet\" href=\"style.css\"></head><body>\n\
         <header><a class=\"home\" href=\"./\">cs-powerdns</a>\
         <form class=\"search\" role=\"search\" action=\"./\">\
         <input type=\"search\" name=\"q\" value=\"{}\" maxlength=\"255\" \
         aria-label=\"a name, a VM or an address\" placeholder=\"a name, a VM's name or UUID, an address\">\
         <button>Search</button><button formaction=\"explain\">Explain</button></form></header>\n<main>",
        Escaped(title),
        Escaped(search),
    )
}

/// Ends a page.
pub(super) fn close(html: &mut String) {
    html.push_str(
        "</main>\n<footer>For machines: <a href=\"status\">status</a> <a href=\"metrics\">metrics</a> \
         <a href=\"healthz\">healthz</a> <a href=\"readyz\">readyz</a></footer></body></html>\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped() {
        let text = r#"<script>alert("x")</script>&'"#;
        assert_eq!(Escaped(text).to_string(), "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
        assert_eq!(
            Explain("\"><b>&").to_string(),
            "<a href=\"explain?q=%22%3E%3Cb%3E%26\">&quot;&gt;&lt;b&gt;&amp;</a>"
        );
        assert_eq!(Explain(&"<".repeat(256)).to_string(), "&lt;".repeat(256));
    }

    #[test]
    fn sentences_have_commands_and_links() {
        let id = "edd2ab05-98ba-4b65-b94f-14ec595e37a3";
        for (text, html) in [
            ("delete <it>, or `adopt <x>`", "delete &lt;it&gt;, or <code>adopt &lt;x&gt;</code>".to_owned()),
            ("a ` alone", "a ` alone".to_owned()),
            (&format!("held by VM {id}."), format!("held by VM <a href=\"explain?q={id}\">{id}</a>.")),
            (&format!("äVM {id}{id}"), format!("äVM <a href=\"explain?q={id}\">{id}</a>{id}")),
            (&format!("of domain {id}"), format!("of domain {id}")),
        ] {
            assert_eq!(Sentence(text).to_string(), html);
        }
    }

    #[test]
    fn times_have_one_unit() {
        let told: Vec<String> = [0, 119, 120, 7199, 7200, 200_000].into_iter().map(about).collect();
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
