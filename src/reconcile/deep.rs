//! Names that lie two or more labels below a forward zone's apex: the few that decide whether a name
//! of ours that loses its last record becomes an empty non-terminal.

use crate::model::{OwnerName, Zone, ZoneId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// By zone, with the labels in reverse order, so that what is below a name is one range.
#[derive(Debug, Default)]
pub struct Deep(HashMap<ZoneId, BTreeSet<String>>);

impl Deep {
    /// Takes what a reading of the zone showed.
    pub fn replace(&mut self, zone: ZoneId, names: &[OwnerName]) {
        self.0.insert(zone, names.iter().map(|name| reversed(name.as_str())).collect());
    }

    /// The zones that were read.
    pub fn zones(&self) -> HashSet<ZoneId> {
        self.0.keys().copied().collect()
    }

    /// Notes a name that got its first record.
    pub fn add(&mut self, zone: &Zone, name: &OwnerName) {
        if !name.is_arpa() && name.ancestors_below(zone.name.as_str()).next().is_some() {
            // A zone that was never read stays unknown, so that it will be.
            if let Some(names) = self.0.get_mut(&zone.id) {
                names.insert(reversed(name.as_str()));
            }
        }
    }

    /// The names strictly below this one.
    pub fn below(&self, zone: ZoneId, name: &OwnerName) -> Vec<OwnerName> {
        let Some(names) = self.0.get(&zone) else { return Vec::new() };
        let prefix = reversed(name.as_str()) + ".";
        names
            .range(prefix.clone()..)
            .take_while(|text| text.starts_with(&prefix))
            .filter_map(|text| OwnerName::stored(&reversed(text)).ok())
            .collect()
    }
}

fn reversed(name: &str) -> String {
    let mut labels: Vec<&str> = name.split('.').collect();
    labels.reverse();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_name_is_found_and_its_namesakes_are_not() {
        let names = ["x.web.a.org", "y.x.web.a.org", "x.web2.a.org", "web.b.a.org"];
        let names: Vec<OwnerName> = names.iter().map(|text| OwnerName::parse(text).unwrap()).collect();
        let mut deep = Deep::default();
        deep.replace(1, &names);
        let below = |text: &str| deep.below(1, &OwnerName::parse(text).unwrap()).len();
        assert_eq!(
            (below("web.a.org"), below("x.web.a.org"), below("b.a.org"), below("eb.a.org")),
            (2, 1, 1, 0)
        );
        assert_eq!(deep.below(2, &names[0]).len(), 0);
    }
}
