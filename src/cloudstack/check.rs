//! What `check` asks of the API: whether it answers, as which version, by which clock; what the key may
//! call, and what it sees. Everything is listed, nothing is changed.

use super::{
    ApiError, Client,
    call::Params,
    listing::vm_params,
    owners,
    page::Pager,
    version,
    wire::{self, Field, Listed, Unread},
};
use crate::{
    metrics::chain,
    model::{Account, Complete, Domain, Finding, Owners, Project, Vm, VmId, counted},
};
use serde::Deserialize;
use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};
use tokio::{
    sync::mpsc,
    time::{error::Elapsed, timeout},
};

const TOPIC: &str = "cloudstack";
/// For each question that is asked to find out whether there is an answer at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// For reading everything: 100 000 VMs are 200 pages.
const LISTING: Duration = Duration::from_secs(600);
/// Clocks this far apart are worth a word; a signature is good for ten minutes (facts: cloudstack 3.1), and
/// where the server insists, dates no more than five of them ahead.
const APART: i64 = 60;
/// The oldest version whose sources were read.
const OLDEST: u32 = 11;
/// The version that brought CloudStack's own DNS framework.
const FRAMEWORK: u32 = 23;

/// What the API has shown.
#[derive(Debug, Default)]
pub struct Checked {
    /// Line by line.
    pub findings: Vec<Finding>,
    /// All that the key sees; none where it could not be read.
    pub seen: Option<Seen>,
    /// Zones of CloudStack's own DNS framework, as far as the key sees them, as they were typed.
    pub framework: Vec<String>,
}

/// What a key sees.
#[derive(Debug)]
pub struct Seen {
    /// Accounts, domains and projects.
    pub owners: Owners,
    /// VMs, each once.
    pub vms: Vec<Vm>,
}

/// Of an account no more than whose it is.
struct Role {
    admin: bool,
}

#[derive(Deserialize)]
struct WireRole<'a> {
    #[serde(borrow, default)]
    accounttype: Field<'a>,
}

impl Listed for Role {
    const COMMAND: &'static str = Account::COMMAND;
    type Wire<'a> = WireRole<'a>;
    fn read(wire: WireRole<'_>) -> Result<Self, Unread> {
        Ok(Self { admin: wire.accounttype.text() == Some("1") })
    }
}

/// A zone of CloudStack's own DNS framework.
struct FrameworkZone(String);

#[derive(Deserialize)]
struct WireZone<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
}

impl Listed for FrameworkZone {
    const COMMAND: &'static str = "listDnsZones";
    type Wire<'a> = WireZone<'a>;
    fn read(wire: WireZone<'_>) -> Result<Self, Unread> {
        wire.name.given().map(|name| Self(name.to_owned())).ok_or(Unread(None))
    }
}

impl Client {
    /// Looks at everything that a controller needs of the API.
    pub async fn check(&self) -> Checked {
        let mut checked = Checked::default();
        let found = &mut checked.findings;
        let version = match timeout(PATIENCE, self.version()).await {
            Ok(Ok(version)) => version,
            failed => {
                found.extend(self.clock());
                found.push(self.unanswered(failed));
                return checked;
            }
        };
        found.push(self.answers(version.as_deref()));
        found.extend(self.clock());
        let faults = self.rights().await;
        if !faults.is_empty() {
            found.extend(faults);
            return checked;
        }
        let rights = "the key may list VMs, accounts, domains and projects";
        found.push(Finding::ok(TOPIC, rights));
        match self.everything().await {
            Ok((seen, unreadable)) => {
                found.extend(self.sight(&seen, unreadable).await);
                checked.seen = Some(seen);
            }
            Err(error) => {
                found.push(Finding::error(TOPIC, error, "records follow VMs only where all are listed"));
            }
        }
        if version::at_least(version.as_deref(), FRAMEWORK) != Some(false) {
            // A role that lacks the call, or a server that does not know it: nothing can be said.
            checked.framework = self.framework().await.unwrap_or_default();
        }
        checked
    }

    fn unanswered(&self, failed: Result<Result<Option<String>, ApiError>, Elapsed>) -> Finding {
        let endpoint = &self.shared.endpoint;
        let (why, remedy) = match failed {
            Ok(Err(ApiError::Unauthorized { text, .. })) => (
                format!("it refuses the credentials ({text})"),
                "check CS_API_KEY and CS_SECRET_KEY, that their user is enabled, and the clocks of both machines",
            ),
            Ok(Err(error)) => {
                let other =
                    "is CS_ENDPOINT right, does the management server run, and may this machine reach it?";
                (chain(&error), error.remedy().unwrap_or(other))
            }
            _ => (
                format!("no answer within {} s", PATIENCE.as_secs()),
                "look at the management server and the network between",
            ),
        };
        Finding::error(TOPIC, format!("{endpoint}: {why}"), remedy)
    }

    fn answers(&self, version: Option<&str>) -> Finding {
        let endpoint = &self.shared.endpoint;
        match version {
            None => Finding::warning(
                TOPIC,
                format!(
                    "{endpoint} answers, and does not tell its version: VMs of projects are listed apart"
                ),
                "allow listCapabilities in the role's rules",
            ),
            Some(version) if version::at_least(Some(version), OLDEST) == Some(false) => Finding::warning(
                TOPIC,
                format!(
                    "version {version} at {endpoint} is older than 4.{OLDEST}, the oldest that this program was made for"
                ),
                "compare the names of a few VMs by hand before you trust it",
            ),
            Some(version) => Finding::ok(TOPIC, format!("version {version} answers at {endpoint}")),
        }
    }

    /// How far the clocks are apart, where an answer had a date.
    fn clock(&self) -> Option<Finding> {
        let ahead = self.clock_ahead()?;
        Some(if ahead.abs() <= APART {
            // A date has no fractions, and the answer took its time.
            Finding::ok(TOPIC, format!("its clock and this machine's agree (to {} s)", ahead.abs().max(1)))
        } else {
            let way = if ahead > 0 { "behind" } else { "ahead of" };
            Finding::warning(
                TOPIC,
                format!("this machine's clock is {} s {way} CloudStack's", ahead.abs()),
                "set both by NTP: signatures are good for ten minutes, and on some servers for five",
            )
        })
    }

    /// By how many seconds the server's clock is ahead of ours.
    fn clock_ahead(&self) -> Option<i64> {
        Some(self.shared.clock_ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    /// Each command that is needed and does not work.
    async fn rights(&self) -> Vec<Finding> {
        let (vms, accounts, domains, projects) = tokio::join!(
            self.may_list::<Vm>(vm_params(true)),
            self.may_list::<Account>(owners::account_params()),
            self.may_list::<Domain>(owners::domain_params()),
            self.may_list::<Project>(owners::project_params()),
        );
        [vms, accounts, domains, projects].into_iter().flatten().collect()
    }

    async fn may_list<T: Listed>(&self, mut params: Params) -> Option<Finding> {
        params.extend([("page", "1".to_owned()), ("pagesize", "1".to_owned())]);
        let error = match timeout(PATIENCE, self.call(T::COMMAND, &params, wire::page::<T>)).await {
            Ok(Ok(_)) => return None,
            Ok(Err(ApiError::NotAllowed { command, .. })) => {
                let what = format!("the key's role may not call {command}");
                return Some(Finding::error(TOPIC, what, format!("allow {command} in the role's rules")));
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("{}: no answer within {} s", T::COMMAND, PATIENCE.as_secs()),
        };
        Some(Finding::error(TOPIC, error, "the management server's log says more"))
    }

    /// All owners and VMs, and how many VMs could not be read.
    async fn everything(&self) -> Result<(Seen, usize), String> {
        let (pages, mut inbox) = mpsc::channel(4);
        let collecting = async {
            let mut vms: HashMap<VmId, Vm> = HashMap::new();
            while let Some(page) = inbox.recv().await {
                let page: Vec<Vm> = page;
                vms.extend(page.into_iter().map(|vm| (vm.id, vm)));
            }
            vms.into_values().collect()
        };
        let reading = async { tokio::join!(self.owners(), self.list_vms(pages), collecting) };
        let Ok((owners, listing, vms)) = timeout(LISTING, reading).await else {
            return Err(format!("its listings did not end within {} s", LISTING.as_secs()));
        };
        let owners = owners.map(Complete::into_inner).map_err(|error| chain(&error))?;
        let listing = listing.map_err(|error| chain(&error))?;
        Ok((Seen { owners, vms }, listing.get().unreadable))
    }

    /// Whether what the key sees is all that there is.
    async fn sight(&self, seen: &Seen, unreadable: usize) -> Vec<Finding> {
        let Seen { owners, vms } = seen;
        let Owners { accounts, domains, projects } = owners;
        let counts = format!(
            "the key sees {}, {}, {} and {}",
            counted(vms.len(), "VM"),
            counted(accounts.len(), "account"),
            counted(domains.len(), "domain"),
            counted(projects.len(), "project")
        );
        let all = "give it a root admin's key, or a role of the ROOT domain that may list everything";
        let topmost = owners.topmost();
        let topmost = domains.iter().find(|domain| Some(domain.id) == topmost);
        let mut found = vec![match topmost {
            None => {
                Finding::error(TOPIC, format!("{counts}: without a domain the cloud cannot be told"), all)
            }
            Some(top) if top.level > 0 => Finding::warning(
                TOPIC,
                format!(
                    "{counts}: its topmost domain is {}, what lies beside that is not seen",
                    bounded(&top.path)
                ),
                format!("if that is not meant, {all}"),
            ),
            Some(_) if accounts.len() < 2 && !self.is_admins().await => {
                Finding::warning(TOPIC, format!("{counts}: that is a user's view of his own account"), all)
            }
            Some(top) => Finding::ok(TOPIC, format!("{counts}, from {} down", bounded(&top.path))),
        }];
        if unreadable > 0 {
            found.push(Finding::warning(
                TOPIC,
                format!(
                    "{} of the listing cannot be read: they keep what they have",
                    counted(unreadable, "VM")
                ),
                "is that an answer of CloudStack's, or of something between?",
            ));
        }
        found
    }

    /// Whether the first account that the key sees is a root admin's.
    async fn is_admins(&self) -> bool {
        let mut params = owners::account_params();
        params.extend([("page", "1".to_owned()), ("pagesize", "1".to_owned())]);
        let page = self.call(Role::COMMAND, &params, wire::page::<Role>).await;
        page.is_ok_and(|page| page.good.iter().any(|role| role.admin))
    }

    async fn framework(&self) -> Result<Vec<String>, ApiError> {
        let mut zones = Vec::new();
        let mut pager = Pager::<FrameworkZone>::new(self, Params::new(), self.page_size());
        while let Some(page) = timeout(PATIENCE, pager.next()).await.unwrap_or(Ok(None))? {
            zones.extend(page.good.into_iter().map(|zone| zone.0));
        }
        Ok(zones)
    }
}

/// Text that an administrator of a domain has chosen.
fn bounded(text: &str) -> String {
    super::answer::bounded(text, &[])
}
