//! Listings of owners and networks, and listCapabilities.

use std::sync::Arc;

use super::api::{Call, listed};
use super::entities::Owner;
use super::json::Object;
use super::reply::{ApiError, Reply};
use super::state::{NetworkKind, Scope};

const CREATED: &str = "2025-01-02T03:04:05+0000";

/// One page of what passes.
fn paged<T>(
    call: &Call<'_>,
    key: &'static str,
    all: &[T],
    pass: impl Fn(&T) -> bool,
    json: impl Fn(&T) -> String,
) -> Result<Reply, ApiError> {
    let page = call.page()?;
    let all: Vec<&T> = all.iter().filter(|item| pass(item)).collect();
    let items = all[page.range(all.len())].iter().map(|item| Arc::from(json(item))).collect();
    Ok(listed(all.len(), key, items))
}

fn sees_domain(call: &Call<'_>, domain: &str) -> bool {
    match call.scope {
        Scope::Root => true,
        Scope::Domain(top) => call.state.within(domain, top),
        Scope::Accounts(accounts) => {
            accounts.iter().filter_map(|id| call.state.account(id)).any(|account| account.domain == domain)
        }
    }
}

/// The id filter of a listing: what never was is 431.
fn wanted<'a>(call: &'a Call<'_>, exists: impl Fn(&str) -> bool) -> Result<Option<&'a str>, ApiError> {
    match call.get("id") {
        Some(id) if !exists(id) => Err(call.unknown("id", id)),
        other => Ok(other),
    }
}

pub(super) fn accounts(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.state;
    let only = wanted(call, |id| state.account(id).is_some())?;
    let all = call.flag("listall") || only.is_some();
    paged(
        call,
        "account",
        &state.accounts,
        |account| {
            let visible = match call.scope {
                Scope::Root => all || account.admin,
                Scope::Domain(top) => state.within(&account.domain, top),
                Scope::Accounts(accounts) => accounts.contains(&account.id),
            };
            let named = call.get("name").is_none_or(|name| name == account.name);
            let there = call.get("domainid").is_none_or(|id| id == account.domain);
            let listed = !state.unlisted.contains(&account.id);
            visible && listed && named && there && only.is_none_or(|id| id == account.id)
        },
        |account| {
            let domain = state.domain(&account.domain);
            let role = if account.admin { "Admin" } else { "User" };
            let mut object = Object::new()
                .text("id", &account.id)
                .text("name", &account.name)
                .raw("accounttype", if account.admin { "1" } else { "0" })
                .text("roletype", role)
                .text("rolename", role)
                .text("domainid", &account.domain)
                .maybe("domain", domain.map(|d| d.name.as_str()));
            if state.version >= (4, 20) {
                object = object.maybe("domainpath", domain.map(|d| d.path.as_str()));
            }
            object
                .text("state", &account.state)
                .text("created", CREATED)
                .maybe("networkdomain", account.networkdomain.as_deref())
                .raw("user", "[]")
                .flag("isdefault", false)
                .end()
        },
    )
}

pub(super) fn domains(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.state;
    let only = wanted(call, |id| state.domain(id).is_some())?;
    let all = call.flag("listall") || only.is_some();
    paged(
        call,
        "domain",
        &state.domains,
        |domain| {
            let own = all || *call.scope != Scope::Root || domain.parent.is_none();
            own && sees_domain(call, &domain.id) && only.is_none_or(|id| id == domain.id)
        },
        |domain| {
            let parent = domain.parent.as_deref();
            let name = parent.and_then(|id| state.domain(id)).map(|parent| parent.name.as_str());
            let has_child = state.domains.iter().any(|other| other.parent.as_ref() == Some(&domain.id));
            Object::new()
                .text("id", &domain.id)
                .text("name", &domain.name)
                .raw("level", &state.above(domain).to_string())
                .maybe("parentdomainid", parent)
                .maybe("parentdomainname", name)
                .flag("haschild", has_child)
                .maybe("networkdomain", domain.networkdomain.as_deref())
                .text("path", &domain.path)
                .text("state", "Active")
                .text("created", CREATED)
                .end()
        },
    )
}

pub(super) fn projects(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.state;
    let only = wanted(call, |id| state.project(id).is_some())?;
    let all = call.flag("listall") || only.is_some();
    paged(
        call,
        "project",
        &state.projects,
        |project| {
            let visible = match call.scope {
                Scope::Root => all,
                _ => sees_domain(call, &project.domain),
            };
            visible && only.is_none_or(|id| id == project.id)
        },
        |project| {
            Object::new()
                .text("id", &project.id)
                .text("name", &project.name)
                .text("displaytext", &project.name)
                .text("domainid", &project.domain)
                .maybe("domain", state.domain(&project.domain).map(|d| d.name.as_str()))
                .raw("owner", "[{\"account\":\"admin\"}]")
                .text("created", CREATED)
                .text("projectaccountname", &format!("PrjAcct-{}-{}", project.name, project.number))
                .text("state", "Active")
                .raw("tags", "[]")
                .end()
        },
    )
}

pub(super) fn networks(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.state;
    let only = wanted(call, |id| state.network(id).is_some())?;
    paged(
        call,
        "network",
        &state.networks,
        |network| {
            let all = call.flag("listall") || only.is_some();
            all && sees_domain(call, &network.domain) && only.is_none_or(|id| id == network.id)
        },
        |network| {
            let account = state.accounts.first().map(|account| account.name.as_str());
            let shared = network.kind == NetworkKind::Shared;
            let domain = state.domain(&network.domain);
            let suffix = domain.and_then(|d| d.networkdomain.as_deref());
            Object::new()
                .text("id", &network.id)
                .text("name", &network.name)
                .text("displaytext", &network.name)
                .text("traffictype", "Guest")
                .text("zoneid", "99990000-0000-4000-8000-000000000001")
                .text("zonename", "zone1")
                .flag("issystem", false)
                .text("state", "Implemented")
                .text("type", network.kind.name())
                .text("acltype", if shared { "Domain" } else { "Account" })
                .text("domainid", &network.domain)
                .maybe("domain", domain.map(|d| d.name.as_str()))
                .flag("ispersistent", false)
                .flag("canusefordeploy", true)
                .raw("service", "[{\"name\":\"Dns\"},{\"name\":\"Dhcp\"}]")
                .maybe("networkdomain", suffix.filter(|_| network.kind != NetworkKind::L2))
                .maybe("account", account.filter(|_| !shared))
                .end()
        },
    )
}

/// Of its own DNS framework each account sees its own zones only, an administrator too: `listall` is no
/// parameter here.
pub(super) fn dns_zones(call: &Call<'_>) -> Result<Reply, ApiError> {
    let own = *call.scope == Scope::Root;
    let name = call.get("name");
    paged(
        call,
        "dnszone",
        &call.state.dns_zones,
        |(_, zone)| own && name.is_none_or(|name| zone.contains(name)),
        |(id, zone)| {
            Object::new()
                .text("id", id)
                .text("name", zone)
                .text("dnsserverid", "d5d50000-0000-4000-8000-000000000001")
                .text("dnsservername", "pdns1")
                .text("account", "admin")
                .text("domain", "ROOT")
                .text("state", "Active")
                .end()
        },
    )
}

pub(super) fn capabilities(call: &Call<'_>) -> Reply {
    let (major, minor) = call.state.version;
    let inner = Object::new()
        .flag("securitygroupsenabled", false)
        .flag("dynamicrolesenabled", true)
        .text("cloudstackversion", &format!("{major}.{minor}.0.0"))
        .text("supportELB", "false")
        .flag("projectinviterequired", false)
        .flag("allowusercreateprojects", true)
        .flag("kvmsnapshotenabled", false)
        .raw("apilimitmax", "25")
        .raw("apilimitinterval", "1")
        .end();
    let outer = Object::new().raw("capability", &inner).end();
    Reply::Plain(Object::new().raw("listcapabilitiesresponse", &outer).end())
}

/// The owner of a VM, for the control endpoint's overview.
pub(super) fn owner_id(owner: &Owner) -> &str {
    let (Owner::Account(id) | Owner::Project(id)) = owner;
    id
}
