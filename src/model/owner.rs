//! Who owns VMs: accounts, domains and projects, as their listings say.

use super::{AccountId, DomainId, ProjectId};

/// How a VM names its owner: a VM answer carries no account UUID (facts: cloudstack 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnerKey {
    /// An account: names are unique among the active accounts of a domain, in exact case.
    Account(DomainId, Box<str>),
    /// A project, in its domain.
    Project(DomainId, ProjectId),
}

impl OwnerKey {
    /// The CloudStack domain.
    pub fn domain(&self) -> DomainId {
        match self {
            Self::Account(domain, _) | Self::Project(domain, _) => *domain,
        }
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its UUID, of which group names carry the first eight digits.
    pub id: AccountId,
    /// Its name, in exact case.
    pub name: Box<str>,
    /// The domain that it belongs to.
    pub domain: DomainId,
    /// Its network domain as it was typed, if it has one.
    pub network_domain: Option<Box<str>>,
}

/// A CloudStack domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its UUID.
    pub id: DomainId,
    /// The domain above; none for the topmost that the key sees.
    pub parent: Option<DomainId>,
    /// Its path, `ROOT/a/b`; empty where it cannot be told from another domain's.
    pub path: Box<str>,
    /// Depth below ROOT, which has 0.
    pub level: u32,
    /// Its own network domain as it was typed (the API does not inherit).
    pub network_domain: Option<Box<str>>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its UUID, which stands in for the account's.
    pub id: ProjectId,
    /// The domain that it belongs to.
    pub domain: DomainId,
}

/// All owners, read to the end of each listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// Accounts, without those of projects (the API never lists them).
    pub accounts: Vec<Account>,
    /// Domains.
    pub domains: Vec<Domain>,
    /// Projects.
    pub projects: Vec<Project>,
}

impl Owners {
    /// The topmost domain that the key sees: ROOT's id is unique per CloudStack, which makes it the
    /// cloud's name (design 7, "The right cloud").
    pub fn topmost(&self) -> Option<DomainId> {
        self.domains.iter().min_by_key(|domain| (domain.level, domain.id)).map(|domain| domain.id)
    }
}
