//! Accounts, domains and projects (facts: cloudstack 3.5).

use super::{
    ApiError, Client,
    call::Params,
    page::{Pager, Restarts},
    wire::{Field, Listed, Unread},
};
use crate::model::{Account, Complete, Domain, Owners, Project};
use serde::Deserialize;
use std::{collections::HashSet, hash::Hash, str::FromStr};

#[derive(Debug, Deserialize)]
pub(super) struct WireOwner<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    domainid: Field<'a>,
    #[serde(borrow, default)]
    parentdomainid: Field<'a>,
    #[serde(borrow, default)]
    path: Field<'a>,
    #[serde(borrow, default)]
    level: Field<'a>,
    #[serde(borrow, default)]
    networkdomain: Field<'a>,
}

impl WireOwner<'_> {
    fn id<T: FromStr>(field: &Field<'_>) -> Result<T, Unread> {
        field.text().and_then(|text| text.parse().ok()).ok_or(Unread(None))
    }

    /// The network domain. A value that cannot be read is not "none": that would take names away.
    fn network_domain(&self) -> Result<Option<Box<str>>, Unread> {
        match &self.networkdomain {
            Field::Other => Err(Unread(None)),
            field => Ok(field.given().map(Box::from)),
        }
    }
}

impl Listed for Account {
    const COMMAND: &'static str = "listAccounts";
    type Wire<'a> = WireOwner<'a>;
    fn read(wire: WireOwner<'_>) -> Result<Self, Unread> {
        Ok(Self {
            id: WireOwner::id(&wire.id)?,
            name: wire.name.given().ok_or(Unread(None))?.into(),
            domain: WireOwner::id(&wire.domainid)?,
            network_domain: wire.network_domain()?,
        })
    }
}

impl Listed for Domain {
    const COMMAND: &'static str = "listDomains";
    type Wire<'a> = WireOwner<'a>;
    fn read(wire: WireOwner<'_>) -> Result<Self, Unread> {
        let parent = match wire.parentdomainid.given() {
            Some(_) => Some(WireOwner::id(&wire.parentdomainid)?),
            None => None,
        };
        let path = wire.path.text().unwrap_or_default();
        let slashes = u32::try_from(path.trim_matches('/').matches('/').count()).unwrap_or(u32::MAX);
        let level = wire.level.text().and_then(|level| level.parse().ok()).unwrap_or(slashes);
        Ok(Self {
            id: WireOwner::id(&wire.id)?,
            parent,
            level,
            // A domain's name may have a slash in it (createDomain asks only that it is new): `bank/x` below
            // ROOT would pass for a domain below ROOT/bank. Such a path lies nowhere.
            path: if slashes == level { path.into() } else { Box::default() },
            network_domain: wire.network_domain()?,
        })
    }
}

impl Listed for Project {
    const COMMAND: &'static str = "listProjects";
    type Wire<'a> = WireOwner<'a>;
    fn read(wire: WireOwner<'_>) -> Result<Self, Unread> {
        Ok(Self { id: WireOwner::id(&wire.id)?, domain: WireOwner::id(&wire.domainid)? })
    }
}

impl Client {
    /// All accounts, domains and projects that the key sees, each listing read to its end.
    pub async fn owners(&self) -> Result<Complete<Owners>, ApiError> {
        let (accounts, domains, projects) = tokio::try_join!(
            self.owner_listing(account_params(), |it: &Account| it.id),
            self.owner_listing(domain_params(), |it: &Domain| it.id),
            self.owner_listing(project_params(), |it: &Project| it.id),
        )?;
        Ok(Complete::attest(Owners { accounts, domains, projects }))
    }

    /// One listing. One that moved underneath is read once more, never for ever.
    async fn owner_listing<T: Listed, K: Eq + Hash>(
        &self,
        params: Params,
        key: fn(&T) -> K,
    ) -> Result<Vec<T>, ApiError> {
        let mut restarts = Restarts::default();
        let mut moved_before = false;
        loop {
            let size = self.page_size();
            let mut pager = Pager::<T>::new(self, params.clone(), size);
            match all_pages(&mut pager, key).await {
                Ok((_, true)) if !moved_before => moved_before = true,
                Ok((items, _)) => return Ok(items),
                Err(err) if restarts.allow(self, &err, size) => {}
                Err(err) => return Err(err),
            }
        }
    }
}

fn all(name: &'static str) -> (&'static str, String) {
    (name, "true".to_owned())
}

/// Without it the server counts the resources of each account and domain.
fn min() -> (&'static str, String) {
    ("details", "min".to_owned())
}

/// The parameters of a listing of accounts.
pub(super) fn account_params() -> Params {
    vec![all("listall"), all("isrecursive"), min()]
}

/// The parameters of a listing of domains.
pub(super) fn domain_params() -> Params {
    vec![all("listall"), min()]
}

/// The parameters of a listing of projects.
pub(super) fn project_params() -> Params {
    vec![all("listall")]
}

/// Everything of a listing without duplicates, and whether it moved.
async fn all_pages<T: Listed, K: Eq + Hash>(
    pager: &mut Pager<T>,
    key: fn(&T) -> K,
) -> Result<(Vec<T>, bool), ApiError> {
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    let mut moved = false;
    while let Some(page) = pager.next().await? {
        items.extend(page.good.into_iter().filter(|item| {
            let fresh = seen.insert(key(item));
            moved |= !fresh;
            fresh
        }));
    }
    Ok((items, moved || pager.moved()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudstack::wire::page;

    fn sample<T: Listed>(name: &str) -> Vec<T> {
        let path = format!("{}/fixtures/cloudstack/{name}", env!("CARGO_MANIFEST_DIR"));
        let page = page::<T>(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!((page.count, page.unread.len()), (Some(page.len as u64), 0));
        page.good
    }

    #[test]
    fn owner_samples_read() {
        let accounts = sample::<Account>("listAccounts.json");
        assert_eq!(accounts.len(), 4);
        assert_eq!(accounts[0].network_domain, None);
        assert_eq!(&*accounts[1].name, "acme-ops");
        assert_eq!(accounts[1].id.first8(), "edd2ab05");
        assert_eq!(accounts[1].network_domain.as_deref(), Some("ops.acme.example"));
        let domains = sample::<Domain>("listDomains.json");
        assert_eq!(domains.iter().map(|domain| domain.level).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(domains[0].parent, None);
        assert_eq!(domains[2].parent, Some(domains[1].id));
        assert_eq!(&*domains[2].path, "ROOT/acme/lab");
        let projects = sample::<Project>("listProjects.json");
        assert_eq!(projects[0].domain, domains[1].id);
    }

    #[test]
    fn a_slash_in_a_domain_s_name_leads_into_no_other_domain() {
        let path = |path: &str, level: u32| {
            let body = format!(
                r#"{{"listdomainsresponse":{{"count":1,"domain":[{{"id":"e5e50000-0000-4000-8000-000000000002",
                "path":"{path}","level":{level}}}]}}}}"#
            );
            page::<Domain>(body.as_bytes()).unwrap().good[0].path.to_string()
        };
        assert_eq!(path("ROOT/bank/x", 2), "ROOT/bank/x");
        assert_eq!(path("ROOT/bank/x", 1), "");
        assert_eq!(path("/ROOT/bank/", 1), "/ROOT/bank/");
        assert_eq!(path("ROOT", 0), "ROOT");
    }

    #[test]
    fn an_empty_network_domain_is_none_and_an_unreadable_one_spoils_the_item() {
        let body = |value: &str| {
            format!(
                r#"{{"listaccountsresponse":{{"count":1,"account":[{{"id":"edd2ab05-98ba-4b65-b94f-14ec595e37a3",
                "name":"a","domainid":"e5e50000-0000-4000-8000-000000000002","networkdomain":{value}}}]}}}}"#
            )
        };
        assert_eq!(page::<Account>(body("\"\"").as_bytes()).unwrap().good[0].network_domain, None);
        assert_eq!(page::<Account>(body("[]").as_bytes()).unwrap().unread.len(), 1);
    }
}
