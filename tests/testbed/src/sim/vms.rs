//! listVirtualMachines.

use std::collections::HashSet;
use std::sync::Arc;

use super::api::{Call, Page, listed};
use super::entities::{Details, Eyes, Owner, Vm};
use super::reply::{ApiError, Reply};
use super::state::{Class, Scope, State};

const PERMITTED: [&str; 15] = [
    "all", "group", "nics", "stats", "secgrp", "tmpl", "servoff", "diskoff", "backoff", "iso", "volume",
    "min", "affgrp", "vnfnics", "vgpu",
];

pub(super) fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.state;
    let page = call.page()?;
    let details = details(call)?;
    if call.get("id").is_some() && call.get("ids").is_some() {
        return Err(ApiError::parameter(4350, "Specify either id or ids but not both parameters"));
    }
    if let Some(id) = call.get("id") {
        return by_id(call, id, details);
    }
    let class = class(call)?;
    if let Some(ids) = call.get("ids") {
        let mut found = Vec::new();
        for id in ids.split(',').map(str::trim).collect::<HashSet<_>>() {
            match state.vm(id) {
                _ if state.hidden.get(id) == Some(&true) => {}
                Some(vm) => found.push(vm),
                None if state.was_expunged(id) => {}
                None => return Err(call.unknown("ids", id)),
            }
        }
        found.sort_by_key(|vm| vm.number);
        let filter = Filter::of(call)?;
        // Projects are skipped for `ids` as for any listing: only `id` is exempt.
        let of_class = |vm: &Vm| match class {
            Class::All => true,
            Class::Personal => matches!(vm.owner, Owner::Account(_)),
            Class::Projects => matches!(vm.owner, Owner::Project(_)),
        };
        let found: Vec<_> =
            found.into_iter().filter(|vm| of_class(vm) && filter.matches(state, vm)).cloned().collect();
        return Ok(answer(call, &page, found.len(), |range| found[range].to_vec(), details));
    }
    let numbers = state.class(class);
    let get = |numbers: &[u64]| numbers.iter().filter_map(|number| state.at(*number)).cloned().collect();
    let filter = Filter::of(call)?;
    if filter == Filter::default() && state.hidden.is_empty() {
        return Ok(answer(call, &page, numbers.len(), |range| get(&numbers[range]), details));
    }
    let numbers: Vec<u64> = numbers
        .iter()
        .copied()
        .filter(|number| {
            let shown = |vm: &Vm| !state.hidden.contains_key(&vm.id) && filter.matches(state, vm);
            state.at(*number).is_some_and(|vm| shown(vm))
        })
        .collect();
    Ok(answer(call, &page, numbers.len(), |range| get(&numbers[range]), details))
}

fn answer(
    call: &Call<'_>,
    page: &Page,
    count: usize,
    slice: impl FnOnce(std::ops::Range<usize>) -> Vec<Arc<Vm>>,
    details: Details,
) -> Reply {
    let eyes = if *call.scope == Scope::Root { Eyes::Root } else { Eyes::Tenant };
    let items = slice(page.range(count)).iter().map(|vm| vm.json(call.state, details, eyes)).collect();
    listed(count, "virtualmachine", items)
}

fn by_id(call: &Call<'_>, id: &str, details: Details) -> Result<Reply, ApiError> {
    let state = call.state;
    let nothing = || Ok(listed(0, "virtualmachine", Vec::new()));
    if state.hidden.get(id) == Some(&true) {
        return nothing();
    }
    let Some(vm) = state.vm(id) else {
        return if state.was_expunged(id) { nothing() } else { Err(call.unknown("id", id)) };
    };
    if !scope_allows(call.scope, state, vm) {
        if state.hide_foreign_ids {
            return nothing();
        }
        let domain = state.domain_of(&vm.owner).unwrap_or_default();
        let text = format!("Acct does not have permission to operate within domain id={domain}");
        return Err(ApiError::new(531, Some(4365), text));
    }
    let filter = Filter { state: call.get("state").map(str::to_owned), ..Filter::default() };
    if !filter.matches(state, vm) {
        return nothing();
    }
    Ok(answer(call, &Page::all(), 1, |range| [vm.clone()][range].to_vec(), details))
}

fn class(call: &Call<'_>) -> Result<Class, ApiError> {
    Ok(match call.get("projectid") {
        None => Class::Personal,
        Some("-1") if call.state.version >= (4, 14) => Class::All,
        Some(id) if id == "-1" || call.state.project(id).is_some() => Class::Projects,
        Some(id) => return Err(call.unknown("projectid", id)),
    })
}

fn details(call: &Call<'_>) -> Result<Details, ApiError> {
    let Some(list) = call.get("details") else { return Ok(Details::ALL) };
    let words: Vec<String> = list.split(',').map(|word| word.trim().to_lowercase()).collect();
    if words.iter().any(|word| !PERMITTED.contains(&word.as_str())) {
        let text = format!(
            "The details parameter contains a non permitted value. The allowed values are {PERMITTED:?}"
        );
        return Err(ApiError::parameter(9999, text));
    }
    let has = |wanted: &str| words.iter().any(|word| word == wanted || word == "all");
    Ok(Details { group: has("group"), nics: has("nics") })
}

/// What narrows a listing beyond its class.
#[derive(Default, PartialEq)]
struct Filter {
    scope: Option<Scope>,
    owner: Option<HashSet<String>>,
    domain: Option<(String, bool)>,
    network: Option<String>,
    state: Option<String>,
    keyword: Option<String>,
    group: Option<String>,
}

impl Filter {
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let state = call.state;
        let text = |name: &str| call.get(name).map(str::to_owned);
        let mut filter = Self {
            scope: (*call.scope != Scope::Root).then(|| call.scope.clone()),
            network: text("networkid"),
            state: text("state"),
            keyword: text("keyword"),
            group: text("groupid"),
            ..Self::default()
        };
        if let Some(id) = filter.network.as_ref().filter(|id| state.network(id).is_none()) {
            return Err(call.unknown("networkid", id));
        }
        if let Some(id) = call.get("domainid") {
            if state.domain(id).is_none() {
                return Err(call.unknown("domainid", id));
            }
            filter.domain = Some((id.to_owned(), call.flag("isrecursive")));
        }
        if let Some(name) = call.get("account") {
            let domain = call.get("domainid");
            let of = state.accounts.iter().filter(|a| a.name == name && Some(a.domain.as_str()) == domain);
            filter.owner = Some(of.map(|account| account.id.clone()).collect());
        } else if let Some(id) = call.get("projectid").filter(|id| *id != "-1") {
            filter.owner = Some([id.to_owned()].into());
        } else if !call.flag("listall") && filter.domain.is_none() {
            // What is one's own: the administrator that the key belongs to.
            let admins = state.accounts.iter().filter(|account| account.admin);
            filter.owner = Some(admins.map(|account| account.id.clone()).collect());
        }
        Ok(filter)
    }

    fn matches(&self, state: &State, vm: &Vm) -> bool {
        let (Owner::Account(owner) | Owner::Project(owner)) = &vm.owner;
        let domain = || state.domain_of(&vm.owner).unwrap_or_default();
        let in_state = |wanted: &str| match wanted {
            "Present" => !matches!(vm.state.as_str(), "Destroyed" | "Expunging"),
            other => vm.state.eq_ignore_ascii_case(other),
        };
        let in_domain =
            |(top, below): &(String, bool)| domain() == top || (*below && state.within(domain(), top));
        let named = |word: &str| vm.name.contains(word) || vm.displayname.contains(word);
        self.scope.as_ref().is_none_or(|scope| scope_allows(scope, state, vm))
            && self.owner.as_ref().is_none_or(|owners| owners.contains(owner))
            && self.domain.as_ref().is_none_or(in_domain)
            && self.network.as_ref().is_none_or(|id| vm.nics.iter().any(|nic| nic.network == *id))
            && self.state.as_deref().is_none_or(in_state)
            && self.keyword.as_deref().is_none_or(named)
            && self.group.as_ref().is_none_or(|id| vm.group.as_ref().is_some_and(|(group, _)| group == id))
    }
}

/// What a key sees. Users do not see what is destroyed.
fn scope_allows(scope: &Scope, state: &State, vm: &Vm) -> bool {
    match scope {
        Scope::Root => true,
        Scope::Domain(top) => state.domain_of(&vm.owner).is_some_and(|domain| state.within(domain, top)),
        Scope::Accounts(accounts) => {
            let living = !matches!(vm.state.as_str(), "Destroyed" | "Expunging");
            living && matches!(&vm.owner, Owner::Account(id) if accounts.contains(id))
        }
    }
}
