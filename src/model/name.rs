//! DNS names: owner names, zone names, host-name labels, reverse names.

use std::{borrow::Borrow, fmt, net::IpAddr, sync::Arc};

/// The most characters of a name.
const MOST: usize = 253;

/// Why a text is no name that this program writes or compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No text, or two dots in a row.
    #[error("an empty label")]
    Empty,
    /// A label of more than 63 octets (RFC 1035, 2.3.4).
    #[error("a label longer than 63 characters")]
    LongLabel,
    /// More than 253 characters, which is 255 octets on the wire (RFC 1035, 2.3.4).
    #[error("a name longer than 253 characters")]
    LongName,
    /// A character that the name may not have.
    #[error("a character that a host name may not have (only a-z, 0-9 and, inside a label, -)")]
    Character,
}

/// A host-name label: letters, digits and inner hyphens, 1 to 63 of them (RFC 952, RFC 1123 2.1),
/// lower-cased. An owner that starts with a digit is allowed, as RFC 1123 does.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Box<str>);

impl Label {
    /// Reads a label in any case.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    fn check(text: &str) -> Result<(), NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.bytes().any(|b| !(b.is_ascii_alphanumeric() || b == b'-'))
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(NameError::Character);
        }
        if text.len() > 63 {
            return Err(NameError::LongLabel);
        }
        Ok(())
    }

    /// The label's text, lower-case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this label in front of a suffix is that name.
    pub fn leads_to(&self, suffix: &OwnerName, name: &OwnerName) -> bool {
        let rest = name.as_str().strip_prefix(self.as_str()).and_then(|rest| rest.strip_prefix('.'));
        rest == Some(suffix.as_str())
    }

    /// This label in front of `zone` (or of any suffix).
    pub fn at(&self, suffix: &OwnerName) -> Result<OwnerName, NameError> {
        if self.0.len() + 1 + suffix.as_str().len() > MOST {
            return Err(NameError::LongName);
        }
        let mut draft = Draft::new();
        draft.push(self.0.as_bytes());
        draft.push(b".");
        draft.push(suffix.as_str().as_bytes());
        Ok(draft.finish())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A DNS name in lower case without the final dot, at most 253 characters. Cloning shares the text.
///
/// Wider than a host name (an operator's `_x.example.org` is one), but without blanks, escapes or
/// anything outside printable ASCII: a stored name that has these answers nothing and is left alone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerName(Arc<str>);

impl OwnerName {
    /// Reads a name in any case, with or without a final dot.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::stored(text.strip_suffix('.').unwrap_or(text))
    }

    /// Reads a name as PowerDNS stores it: a final dot is an error, since such a row answers nothing.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        if is_plain(text) {
            return Ok(Self(text.into()));
        }
        if text.len() > MOST {
            return Err(NameError::LongName);
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err(NameError::Empty);
            }
            if label.len() > 63 {
                return Err(NameError::LongLabel);
            }
            if label.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\' || b == b'"') {
                return Err(NameError::Character);
            }
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Ok(Self(text.into()))
    }

    /// Reads a name all of whose labels are host-name labels, as a network domain must be.
    pub fn host(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        for label in text.split('.') {
            Label::check(label)?;
        }
        Self::stored(text)
    }

    /// The text, lower-case, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first label.
    pub fn first_label(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// The name without its first label; none for a single label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// How many labels the name has.
    pub fn depth(&self) -> usize {
        self.0.split('.').count()
    }

    /// Whether the name is `zone` or lies below it.
    pub fn is_within(&self, zone: &str) -> bool {
        self.0.strip_suffix(zone).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }

    /// The strict ancestors of the name that lie below the apex `zone`, nearest first; empty if the
    /// name is not within the zone.
    pub fn ancestors_below<'a>(&'a self, zone: &'a str) -> impl Iterator<Item = &'a str> {
        let within = self.is_within(zone);
        let mut rest: &str = &self.0;
        std::iter::from_fn(move || {
            let (_, parent) = rest.split_once('.')?;
            rest = parent;
            (within && parent.len() > zone.len()).then_some(parent)
        })
    }

    /// Whether the name lies in the reverse tree (in-addr.arpa, ip6.arpa, or arpa at all).
    pub fn is_arpa(&self) -> bool {
        self.is_within("arpa")
    }
}

impl Borrow<str> for OwnerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a name in lower case: one look at each character, for the millions that databases hold.
fn is_plain(text: &str) -> bool {
    let mut label = 0;
    let fits = |byte: u8| {
        let empty = label == 0;
        label = if byte == b'.' { 0 } else { label + 1 };
        match byte {
            b'.' => !empty,
            b'\\' | b'"' | b'A'..=b'Z' => false,
            _ => byte.is_ascii_graphic() && label <= 63,
        }
    };
    text.len() <= MOST && text.bytes().all(fits) && label > 0
}

/// The name of a zone's apex.
pub type ZoneName = OwnerName;

/// The reverse name of an address: octets (RFC 1035, 3.5) or nibbles (RFC 3596, 2.5), last first.
pub fn reverse_name(address: IpAddr) -> OwnerName {
    reverse_draft(address).finish()
}

/// Whether a name is the reverse name of an address.
pub fn is_reverse_name(name: &OwnerName, address: IpAddr) -> bool {
    let draft = reverse_draft(address);
    name.as_str().as_bytes() == &draft.text[..draft.length]
}

fn reverse_draft(address: IpAddr) -> Draft {
    let mut draft = Draft::new();
    match address {
        IpAddr::V4(v4) => {
            for octet in v4.octets().into_iter().rev() {
                let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10, b'.'];
                draft.push(&digits[usize::from(octet < 100) + usize::from(octet < 10)..]);
            }
            draft.push(b"in-addr.arpa");
        }
        IpAddr::V6(v6) => {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            for octet in v6.octets().into_iter().rev() {
                draft.push(&[digit(octet & 15), b'.', digit(octet >> 4), b'.']);
            }
            draft.push(b"ip6.arpa");
        }
    }
    draft
}

/// A name that is put together where it costs no allocation: names are made for every claim.
struct Draft {
    text: [u8; MOST],
    length: usize,
}

impl Draft {
    fn new() -> Self {
        Self { text: [0; MOST], length: 0 }
    }

    /// Whoever pushes knows that the name is short enough.
    fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        self.text[self.length..end].copy_from_slice(part);
        self.length = end;
    }

    fn finish(self) -> OwnerName {
        let text = str::from_utf8(&self.text[..self.length]).expect("parts of names are ASCII");
        OwnerName(text.into())
    }
}

/// The address of which this is the whole reverse name.
pub fn address_of(name: &OwnerName) -> Option<IpAddr> {
    let text = name.as_str();
    let address: IpAddr = if let Some(octets) = text.strip_suffix(".in-addr.arpa") {
        let octets: Vec<&str> = octets.split('.').rev().collect();
        octets.join(".").parse().ok()?
    } else {
        let nibbles: Vec<&str> = text.strip_suffix(".ip6.arpa")?.split('.').rev().collect();
        let groups: Vec<String> = nibbles.chunks(4).map(<[&str]>::concat).collect();
        groups.join(":").parse().ok()?
    };
    // Forms that no reverse name has (`1.2.3.192.0.in-addr.arpa`, nibbles of two digits) are none.
    (reverse_name(address) == *name).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_lose_the_final_dot() {
        assert_eq!(OwnerName::parse("WWW.Example.ORG.").unwrap().as_str(), "www.example.org");
    }

    #[test]
    fn a_stored_final_dot_is_no_name() {
        assert_eq!(OwnerName::stored("www.example.org."), Err(NameError::Empty));
        assert_eq!(OwnerName::stored("www.example.org "), Err(NameError::Character));
    }

    #[test]
    fn labels_are_host_name_labels() {
        assert_eq!(Label::parse("Web-01").unwrap().as_str(), "web-01");
        for (text, error) in [
            ("", NameError::Empty),
            ("-a", NameError::Character),
            ("a-", NameError::Character),
            ("a_b", NameError::Character),
            ("a.b", NameError::Character),
            ("ä", NameError::Character),
            (&"a".repeat(64), NameError::LongLabel),
        ] {
            assert_eq!(Label::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_name_of_254_characters_is_too_long() {
        let label = "a".repeat(61);
        let zone = OwnerName::parse(&[label.as_str(); 4].join(".")[..]).unwrap();
        assert_eq!(zone.as_str().len(), 247);
        assert!(Label::parse("abcde").unwrap().at(&zone).is_ok());
        assert_eq!(Label::parse("abcdef").unwrap().at(&zone), Err(NameError::LongName));
    }

    #[test]
    fn within_is_by_whole_labels() {
        let name = OwnerName::parse("a.b.example.org").unwrap();
        assert!(name.is_within("example.org") && name.is_within("a.b.example.org"));
        assert!(!name.is_within("ample.org") && !name.is_within("x.example.org"));
    }

    #[test]
    fn ancestors_stop_below_the_apex() {
        let name = OwnerName::parse("a.b.c.example.org").unwrap();
        assert_eq!(
            name.ancestors_below("example.org").collect::<Vec<_>>(),
            ["b.c.example.org", "c.example.org"]
        );
        assert_eq!(name.ancestors_below("other.org").count(), 0);
    }

    #[test]
    fn a_reverse_name_tells_its_address() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(address_of(&reverse_name(address)), Some(address));
        }
        for text in ["2.0.192.in-addr.arpa", "01.2.0.192.in-addr.arpa", "www.example.org", "8.b.d.0.ip6.arpa"]
        {
            assert_eq!(address_of(&OwnerName::parse(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn reverse_names_of_both_families() {
        assert_eq!(reverse_name("192.0.2.1".parse().unwrap()).as_str(), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse_name("2001:db8::1".parse().unwrap()).as_str(),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
