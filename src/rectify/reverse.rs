//! The names that can stand directly below a name of the reverse trees: few enough to ask for each.

use crate::model::OwnerName;

/// The direct children that a name of the reverse trees may have: under in-addr.arpa 256 octets, under
/// ip6.arpa 16 nibbles. Empty for a complete address; none where children cannot be enumerated (forward
/// names, and names with a label that no address has).
///
/// Since every name between an owner name and the apex has a record or an empty non-terminal, direct
/// children tell whether there is anything below at all. What this cannot see is a child with a label
/// that no address has (`customer-7.2.0.192.in-addr.arpa`, the `0-63` of RFC 2317): a caller keeps such
/// names, which [`is_enumerated`] tells from the others, in mind.
pub fn children_of(name: &OwnerName) -> Option<Vec<OwnerName>> {
    if let Some(octets) = octets(name) {
        return Some(if octets < 4 {
            below(name, (0..=255).map(|octet: u16| octet.to_string()))
        } else {
            vec![]
        });
    }
    let nibbles = nibbles(name)?;
    Some(if nibbles < 32 { below(name, (0..16).map(|nibble: u8| format!("{nibble:x}"))) } else { vec![] })
}

/// Whether [`children_of`] its parent has this name.
pub fn is_enumerated(name: &OwnerName) -> bool {
    octets(name).is_some_and(|octets| (1..=4).contains(&octets))
        || nibbles(name).is_some_and(|nibbles| (1..=32).contains(&nibbles))
}

fn octets(name: &OwnerName) -> Option<usize> {
    labels_under(name, "in-addr.arpa", |label| {
        label.parse::<u8>().is_ok_and(|octet| octet.to_string() == label)
    })
}

fn nibbles(name: &OwnerName) -> Option<usize> {
    labels_under(name, "ip6.arpa", |label| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// How many labels the name has in front of `tree`, if all of them are as they should be.
fn labels_under(name: &OwnerName, tree: &str, good: impl Fn(&str) -> bool) -> Option<usize> {
    if name.as_str() == tree {
        return Some(0);
    }
    let head = name.as_str().strip_suffix(tree)?.strip_suffix('.')?;
    head.split('.').all(good).then(|| head.split('.').count())
}

fn below(name: &OwnerName, labels: impl Iterator<Item = String>) -> Vec<OwnerName> {
    let mut names: Vec<OwnerName> =
        labels.filter_map(|label| OwnerName::stored(&format!("{label}.{}", name.as_str())).ok()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(text: &str) -> Option<Vec<String>> {
        let names = children_of(&OwnerName::parse(text).unwrap())?;
        Some(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_ip6_name_has_sixteen_children_and_a_whole_address_none() {
        let names = children("8.b.d.0.1.0.0.2.ip6.arpa").unwrap();
        assert_eq!(names.len(), 16);
        assert_eq!(names[15], "f.8.b.d.0.1.0.0.2.ip6.arpa");
        let address = ["0"; 32].join(".") + ".ip6.arpa";
        assert_eq!(children(&address), Some(vec![]));
    }

    #[test]
    fn an_in_addr_name_has_octets_and_a_whole_address_nothing() {
        assert_eq!(children("10.in-addr.arpa").unwrap().len(), 256);
        let names = children("9.9.10.in-addr.arpa").unwrap();
        for label in ["0", "99", "255"] {
            assert!(names.contains(&format!("{label}.9.9.10.in-addr.arpa")), "{label}");
        }
        assert_eq!(children("1.9.9.10.in-addr.arpa"), Some(vec![]));
    }

    #[test]
    fn names_that_no_address_has_are_not_enumerated() {
        let whole = ["0"; 32].join(".") + ".ip6.arpa";
        for (text, expected) in [
            ("10.in-addr.arpa", true),
            ("1.9.9.10.in-addr.arpa", true),
            ("f.ip6.arpa", true),
            (&whole, true),
            ("in-addr.arpa", false),
            ("1.1.9.9.10.in-addr.arpa", false),
            (&format!("0.{whole}"), false),
            ("customer-7.9.9.10.in-addr.arpa", false),
            ("1.0-63.9.9.10.in-addr.arpa", false),
            ("007.9.9.10.in-addr.arpa", false),
            ("300.9.9.10.in-addr.arpa", false),
            ("10.8.b.d.0.1.0.0.2.ip6.arpa", false),
            ("g.ip6.arpa", false),
            ("web.example.org", false),
        ] {
            let name = OwnerName::parse(text).unwrap();
            assert_eq!(is_enumerated(&name), expected, "{text}");
            let of_parent = children_of(&name.parent().unwrap()).is_some_and(|names| names.contains(&name));
            assert_eq!(of_parent, expected, "{text}, by its parent");
        }
    }

    #[test]
    fn children_of_other_names_cannot_be_enumerated() {
        assert_eq!(children("example.org"), None);
        assert_eq!(children("0-63.9.9.10.in-addr.arpa"), None);
    }
}
