//! `DNS_ZONES`: which zones may be written, and for whose VMs.

use super::text::shown;
use crate::model::ZoneName;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    zone: ZoneName,
    /// `ROOT/a/b`: only for VMs of that CloudStack domain and those below it.
    path: Option<Box<str>>,
}

impl Item {
    fn covers(&self, zone: &ZoneName, domain_path: Option<&str>) -> bool {
        zone.is_within(self.zone.as_str())
            && self.path.as_deref().is_none_or(|top| domain_path.is_some_and(|path| lies_in(path, top)))
    }
}

/// Whether a domain path is `top` or lies below it: by whole components, in exact case.
fn lies_in(path: &str, top: &str) -> bool {
    path.trim_matches('/').strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The zones that may be written. Without items: all of them.
///
/// Reverse zones (below in-addr.arpa or ip6.arpa) are limited only if an item is one, so that a list of
/// tenants' zones does not end reverse names. Every other zone is limited by any item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneList {
    items: Vec<Item>,
}

impl ZoneList {
    /// Reads `ZONE` or `ZONE@DOMAIN/PATH`, separated by commas; nothing but blanks means all zones. A
    /// path starts at ROOT, which may be left out. All errors are reported at once.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut items = Vec::new();
        let mut errors = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match item(part) {
                Ok(item) => items.push(item),
                Err(error) => errors.push(format!("{}: {error}", shown(part))),
            }
        }
        if items.is_empty() && errors.is_empty() && !text.trim().is_empty() {
            errors.push("only commas: name a zone, or leave it unset to allow all zones".to_owned());
        }
        if errors.is_empty() { Ok(Self { items }) } else { Err(errors) }
    }

    /// The list of these zones, each for everybody or for the domain subtree of this path only; a path
    /// starts at ROOT, which may be left out.
    pub fn of(items: impl IntoIterator<Item = (ZoneName, Option<String>)>) -> Self {
        let items = items.into_iter().map(|(zone, path)| Item { zone, path: path.map(|path| rooted(&path)) });
        Self { items: items.collect() }
    }

    /// Whether a zone may be written for a VM of the CloudStack domain with this path.
    pub fn allows(&self, zone: &ZoneName, domain_path: Option<&str>) -> bool {
        let limited = if is_reverse(zone) {
            self.items.iter().any(|item| is_reverse(&item.zone))
        } else {
            !self.is_unset()
        };
        !limited || self.items.iter().any(|item| item.covers(zone, domain_path))
    }

    /// Whether a zone may be written for somebody's VMs: asked where the owner is known no more.
    pub fn allows_anyone(&self, zone: &ZoneName) -> bool {
        self.allows(zone, None)
            || self.items.iter().any(|item| item.path.is_some() && zone.is_within(item.zone.as_str()))
    }

    /// The zones that are listed, each with the path of the domain that it is for, if it is for one alone.
    pub fn items(&self) -> impl Iterator<Item = (&ZoneName, Option<&str>)> {
        self.items.iter().map(|item| (&item.zone, item.path.as_deref()))
    }

    /// Whether there is no list at all, of which `run` and `check` warn.
    pub fn is_unset(&self) -> bool {
        self.items.is_empty()
    }
}

fn item(part: &str) -> Result<Item, String> {
    let (zone, path) = match part.split_once('@') {
        Some((zone, path)) => (zone.trim_end(), Some(path)),
        None => (part, None),
    };
    let zone = ZoneName::parse(zone).map_err(|error| format!("no zone name: {error}"))?;
    let path = match path {
        None => None,
        Some(path) => {
            let path = path.trim().trim_matches('/');
            if path.split('/').any(|component| component.trim().is_empty()) {
                return Err("an @ without a domain path such as ROOT/acme after it".to_owned());
            }
            Some(rooted(path))
        }
    };
    Ok(Item { zone, path })
}

fn rooted(path: &str) -> Box<str> {
    let path = path.trim_matches('/');
    if lies_in(path, "ROOT") { path.into() } else { format!("ROOT/{path}").into() }
}

/// Whether a zone holds reverse names. Not every zone under arpa does (home.arpa, RFC 8375).
fn is_reverse(zone: &ZoneName) -> bool {
    zone.is_within("in-addr.arpa") || zone.is_within("ip6.arpa") || zone.as_str() == "arpa"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_allows_a_zone_and_those_below_it_for_one_subtree_of_domains() {
        let acme = Some("ROOT/acme");
        for (list, zone, path, allowed) in [
            ("", "any.org", None, true),
            (" ", "10.in-addr.arpa", None, true),
            ("example.org", "example.org", None, true),
            ("Example.ORG.", "a.b.example.org", acme, true),
            ("example.org", "ample.org", acme, false),
            ("a.example.org", "example.org", acme, false),
            ("example.org", "other.org", acme, false),
            ("example.org", "10.in-addr.arpa", acme, true),
            ("example.org,home.arpa", "10.in-addr.arpa", acme, true),
            ("example.org,20.in-addr.arpa", "10.in-addr.arpa", acme, false),
            ("example.org,10.in-addr.arpa", "1.10.in-addr.arpa", acme, true),
            ("10.in-addr.arpa", "example.org", acme, false),
            ("10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", acme, false),
            ("10.in-addr.arpa@ROOT/acme", "10.in-addr.arpa", acme, true),
            ("10.in-addr.arpa@ROOT/acme", "10.in-addr.arpa", Some("ROOT/evil"), false),
            ("t.org@ROOT/acme", "t.org", acme, true),
            ("t.org@ROOT/acme", "t.org", Some("ROOT/acme/lab"), true),
            ("t.org@ROOT/acme/lab", "t.org", acme, false),
            ("t.org@ROOT/acme", "t.org", Some("ROOT/acme2"), false),
            ("t.org@ROOT/acme", "t.org", Some("ROOT/Acme"), false),
            ("t.org@ROOT/acme", "t.org", Some("ROOT/x/ROOT/acme"), false),
            ("t.org@ROOT/acme", "t.org", None, false),
            ("t.org@ROOT", "t.org", Some("ROOT/evil"), true),
            ("t.org@acme", "t.org", acme, true),
            ("t.org@/acme/", "t.org", acme, true),
            ("t.org@ROOT/a@b c", "t.org", Some("ROOT/a@b c"), true),
            ("t.org@ROOT/x, t.org@ROOT/acme ,", "t.org", acme, true),
        ] {
            let parsed = ZoneList::parse(list).unwrap();
            let zone = ZoneName::parse(zone).unwrap();
            assert_eq!(parsed.allows(&zone, path), allowed, "{list} for {zone} and {path:?}");
        }
    }

    #[test]
    fn all_errors_of_a_list_are_reported() {
        let errors = ZoneList::parse("ok.org, a..b, t.org@, t.org@ROOT//x, @ROOT").unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[0].starts_with("a..b: no zone name: an empty label"));
        assert!(ZoneList::parse(",").is_err());
        assert!(ZoneList::parse("").unwrap().is_unset());
    }
}
