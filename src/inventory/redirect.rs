//! Reverse names that a classless delegation (RFC 2317) has made aliases of other names.

use crate::model::OwnerName;
use std::collections::HashMap;

/// CNAMEs at reverse names, both ways.
#[derive(Debug, Default)]
pub(super) struct Redirects {
    targets: HashMap<OwnerName, OwnerName>,
    sources: HashMap<OwnerName, Vec<OwnerName>>,
}

impl Redirects {
    pub(super) fn set(&mut self, from: OwnerName, to: Option<OwnerName>) -> bool {
        if self.targets.get(&from) == to.as_ref() {
            return false;
        }
        if let Some(old) = self.targets.remove(&from)
            && let Some(sources) = self.sources.get_mut(&old)
        {
            sources.retain(|source| *source != from);
            if sources.is_empty() {
                self.sources.remove(&old);
            }
        }
        if let Some(to) = to {
            self.sources.entry(to.clone()).or_default().push(from.clone());
            self.targets.insert(from, to);
        }
        true
    }

    pub(super) fn to(&self, name: &str) -> &[OwnerName] {
        self.sources.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of(&self, name: &str) -> Option<&OwnerName> {
        self.targets.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_found_from_both_ends() {
        let name = |text: &str| OwnerName::parse(text).unwrap();
        let (one, two) = (name("1.2.0.192.in-addr.arpa"), name("2.2.0.192.in-addr.arpa"));
        let (old, new) = (name("1.0-25.2.0.192.in-addr.arpa"), name("1.rev.example.org"));
        let mut redirects = Redirects::default();
        assert!(redirects.set(one.clone(), Some(old.clone())));
        assert!(!redirects.set(one.clone(), Some(old.clone())), "nothing has changed");
        assert!(redirects.set(two.clone(), Some(old.clone())));
        assert_eq!(redirects.to(old.as_str()), [one.clone(), two.clone()]);
        assert!(redirects.set(one.clone(), Some(new.clone())));
        assert_eq!(
            (redirects.of(one.as_str()), redirects.to(old.as_str())),
            (Some(&new), &[two.clone()][..])
        );
        assert!(redirects.set(two.clone(), None) && !redirects.set(two.clone(), None));
        assert!(redirects.to(old.as_str()).is_empty() && redirects.sources.len() == 1);
    }
}
