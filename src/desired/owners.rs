//! Owners by the keys that VMs name them by.

use super::suffix::network_domain;
use crate::model::{
    Account, AccountId, BuildSpread, Domain, DomainId, OwnerKey, OwnerName, Owners, ProjectId,
};
use std::collections::{HashMap, HashSet};

/// What is in no listing, so that nothing is known of the VM's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrozenWhy {
    /// The account.
    Account,
    /// The project.
    Project,
    /// The CloudStack domain, or one above it that may have the network domain.
    Domain,
}

impl FrozenWhy {
    /// A sentence for an operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "the VM's account is in no listing",
            Self::Project => "the VM's project is in no listing",
            Self::Domain => "the VM's domain, or a domain above it, is in no listing",
        }
    }
}

/// An owner as the listings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The account, or the project in its stead.
    pub account: AccountId,
    /// The account's own network domain; projects have none.
    pub network_domain: Option<&'a str>,
    /// The CloudStack domain.
    pub domain: &'a Domain,
}

/// All owners, made once for each reading of the listings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerIndex {
    accounts: HashMap<DomainId, HashMap<Box<str>, Account>, BuildSpread>,
    account_keys: HashMap<AccountId, (DomainId, Box<str>), BuildSpread>,
    domains: HashMap<DomainId, Domain, BuildSpread>,
    children: HashMap<DomainId, Vec<DomainId>, BuildSpread>,
    projects: HashSet<ProjectId, BuildSpread>,
    /// Network domains as they were typed, those that can be a suffix, read once for all their VMs.
    names: HashMap<Box<str>, OwnerName>,
}

impl OwnerIndex {
    /// The index of these owners.
    pub fn new(owners: &Owners) -> Self {
        let mut index = Self::default();
        for account in &owners.accounts {
            index.account_keys.insert(account.id, (account.domain, account.name.clone()));
            let siblings = index.accounts.entry(account.domain).or_default();
            siblings.insert(account.name.clone(), account.clone());
        }
        for domain in &owners.domains {
            index.domains.insert(domain.id, domain.clone());
            if let Some(parent) = domain.parent {
                index.children.entry(parent).or_default().push(domain.id);
            }
        }
        let domains = owners.domains.iter().filter_map(|domain| domain.network_domain.clone());
        let accounts = owners.accounts.iter().filter_map(|account| account.network_domain.clone());
        index.names = domains
            .chain(accounts)
            .filter_map(|text| Some((text.clone(), network_domain(&text).ok()?)))
            .collect();
        index.projects = owners.projects.iter().map(|project| project.id).collect();
        index
    }

    /// The owner that a VM names, or what is in no listing.
    pub fn resolve(&self, key: &OwnerKey) -> Result<Owner<'_>, FrozenWhy> {
        let (account, network_domain) = match key {
            OwnerKey::Account(domain, name) => {
                let account = self.accounts.get(domain).and_then(|siblings| siblings.get(name));
                let account = account.ok_or(FrozenWhy::Account)?;
                (account.id, typed(account.network_domain.as_deref()))
            }
            OwnerKey::Project(_, project) => {
                let project = self.projects.get(project).ok_or(FrozenWhy::Project)?;
                (AccountId::from(*project), None)
            }
        };
        let domain = self.domains.get(&key.domain()).ok_or(FrozenWhy::Domain)?;
        Ok(Owner { account, network_domain, domain })
    }

    /// The network domain of a CloudStack domain; with `inherit` that of the nearest domain above which
    /// has one. An error where a domain on the way up is in no listing.
    pub fn domain_suffix<'a>(
        &'a self,
        domain: &'a Domain,
        inherit: bool,
    ) -> Result<Option<&'a str>, FrozenWhy> {
        let mut at = domain;
        // Listings come from outside: parents that form a circle must not hang the process.
        for _ in 0..=self.domains.len() {
            if let Some(own) = typed(at.network_domain.as_deref()) {
                return Ok(Some(own));
            }
            match at.parent {
                Some(parent) if inherit => at = self.domains.get(&parent).ok_or(FrozenWhy::Domain)?,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The suffix that a network domain is, if it is one.
    pub(super) fn name_of(&self, network_domain: &str) -> Option<&OwnerName> {
        self.names.get(network_domain)
    }

    /// By what VMs name this account, for events that carry its id.
    pub fn account_key(&self, id: AccountId) -> Option<(DomainId, &str)> {
        self.account_keys.get(&id).map(|(domain, name)| (*domain, name.as_ref()))
    }

    /// A domain and all domains below it, for events that carry its id.
    pub fn subtree(&self, top: DomainId) -> Vec<DomainId> {
        let mut found = vec![top];
        let mut seen = HashSet::from([top]);
        let mut next = 0;
        while let Some(at) = found.get(next) {
            let below = self.children.get(at).into_iter().flatten();
            let new: Vec<_> = below.copied().filter(|child| seen.insert(*child)).collect();
            found.extend(new);
            next += 1;
        }
        found
    }
}

/// CloudStack clears a network domain by setting it to an empty text.
fn typed(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(id: u128, parent: Option<u128>, network_domain: Option<&str>) -> Domain {
        Domain {
            id: DomainId::from_u128(id),
            parent: parent.map(DomainId::from_u128),
            path: format!("ROOT/{id}").into(),
            level: 0,
            network_domain: network_domain.map(Into::into),
        }
    }

    #[test]
    fn a_domain_inherits_from_the_nearest_above_only_if_asked() {
        let owners = Owners {
            domains: vec![
                domain(1, None, Some("root.org")),
                domain(2, Some(1), Some("")),
                domain(3, Some(2), None),
                domain(4, Some(3), Some("four.org")),
                domain(5, Some(99), None),
                domain(6, Some(7), None),
                domain(7, Some(6), None),
            ],
            ..Owners::default()
        };
        let index = OwnerIndex::new(&owners);
        for (id, inherit, expected) in [
            (1, false, Ok(Some("root.org"))),
            (3, false, Ok(None)),
            (3, true, Ok(Some("root.org"))),
            (4, true, Ok(Some("four.org"))),
            (5, false, Ok(None)),
            (5, true, Err(FrozenWhy::Domain)),
            (6, true, Ok(None)),
        ] {
            let domain = owners.domains.iter().find(|d| d.id == DomainId::from_u128(id)).unwrap();
            assert_eq!(index.domain_suffix(domain, inherit), expected, "{id} {inherit}");
        }
        let ids = |ids: &[u128]| ids.iter().copied().map(DomainId::from_u128).collect::<Vec<_>>();
        assert_eq!(index.subtree(DomainId::from_u128(2)), ids(&[2, 3, 4]));
        assert_eq!(index.subtree(DomainId::from_u128(6)), ids(&[6, 7]));
    }
}
