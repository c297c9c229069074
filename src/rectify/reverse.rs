//! The names that can stand directly below a name of the reverse trees: few enough to ask for each.

use crate::model::OwnerName;

/// The direct children that a name of the reverse trees may have: under in-addr.arpa 256 octets, and
/// below three octets also the ranges of RFC 2317 (`0-63`, `0/26`, `0-26`); under ip6.arpa 16 nibbles.
/// Empty for a complete address; none where children cannot be enumerated (forward names, names inside
/// such a range).
///
/// Since every name between an owner name and the apex has a record or an empty non-terminal, direct
/// children tell whether there is anything below at all. What this cannot see is a child with a label
/// of an operator's fancy (`customer-7.2.0.192.in-addr.arpa`): a caller that knows of such names must
/// say so beside what it read.
pub fn children_of(name: &OwnerName) -> Option<Vec<OwnerName>> {
    if let Some(octets) = labels_under(name, "in-addr.arpa", |label| label.parse::<u8>().is_ok()) {
        let mut labels: Vec<String> = Vec::new();
        if octets < 4 {
            labels.extend((0..=255).map(|octet: u16| octet.to_string()));
        }
        if octets == 3 {
            labels.extend(classless());
        }
        return Some(below(name, labels));
    }
    let nibble = |label: &str| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit());
    let nibbles = labels_under(name, "ip6.arpa", nibble)?;
    let labels =
        if nibbles < 32 { (0..16).map(|nibble: u8| format!("{nibble:x}")).collect() } else { vec![] };
    Some(below(name, labels))
}

/// How many labels the name has in front of `tree`, if all of them are as they should be.
fn labels_under(name: &OwnerName, tree: &str, good: impl Fn(&str) -> bool) -> Option<usize> {
    if name.as_str() == tree {
        return Some(0);
    }
    let head = name.as_str().strip_suffix(tree)?.strip_suffix('.')?;
    head.split('.').all(good).then(|| head.split('.').count())
}

/// RFC 2317, 4 and 5.2: 254 ranges from /25 to /31, in the three spellings that are in use.
fn classless() -> impl Iterator<Item = String> {
    (25..=31_u16).flat_map(|length| {
        let size = 1 << (32 - length);
        (0..256 / size).flat_map(move |nth| {
            let first = nth * size;
            let last = first + size - 1;
            [format!("{first}-{last}"), format!("{first}/{length}"), format!("{first}-{length}")]
        })
    })
}

fn below(name: &OwnerName, labels: Vec<String>) -> Vec<OwnerName> {
    let mut names: Vec<OwnerName> = (labels.into_iter())
        .filter_map(|label| OwnerName::stored(&format!("{label}.{}", name.as_str())).ok())
        .collect();
    names.sort_unstable();
    names.dedup();
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
    fn an_in_addr_name_has_octets_and_at_the_last_one_classless_ranges_below_it() {
        assert_eq!(children("10.in-addr.arpa").unwrap().len(), 256);
        let names = children("9.9.10.in-addr.arpa").unwrap();
        for label in ["0", "255", "0-63", "64/26", "128-25", "254-255"] {
            assert!(names.contains(&format!("{label}.9.9.10.in-addr.arpa")), "{label}");
        }
        assert_eq!(children("1.9.9.10.in-addr.arpa"), Some(vec![]));
    }

    #[test]
    fn children_of_other_names_cannot_be_enumerated() {
        assert_eq!(children("example.org"), None);
        assert_eq!(children("0-63.9.9.10.in-addr.arpa"), None);
    }
}
