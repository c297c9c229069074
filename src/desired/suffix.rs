//! Under which names a VM's labels are put.

use super::{FrozenWhy, Owner, OwnerIndex, Settings, text::shown};
use crate::model::{Kind, OwnerName, Rejection};

/// The suffixes of an owner's VMs in the order of design 3, each once, and what cannot be one.
#[derive(Default)]
pub(super) struct Suffixes<'a> {
    own: Option<&'a OwnerName>,
    common: Option<&'a OwnerName>,
    /// Why the network domain is none.
    pub rejection: Option<Rejection>,
}

impl<'a> Suffixes<'a> {
    pub fn suffixes(&self) -> impl Iterator<Item = &'a OwnerName> + use<'a> {
        self.own.into_iter().chain(self.common)
    }

    /// Nobody has even tried to give one.
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.common.is_none() && self.rejection.is_none()
    }
}

/// Finds them. An error where a domain on the way up is in no listing.
pub(super) fn suffixes<'a>(
    owner: &Owner<'a>,
    owners: &'a OwnerIndex,
    settings: &'a Settings,
) -> Result<Suffixes<'a>, FrozenWhy> {
    let mut out = Suffixes::default();
    let (own, whose) = match owner.network_domain {
        Some(text) => (Some(text), "account"),
        None => (owners.domain_suffix(owner.domain, settings.inherit_domain)?, "domain"),
    };
    if let Some(text) = own {
        out.own = owners.name_of(text);
        let fault = if out.own.is_some() { None } else { network_domain(text).err() };
        out.rejection = fault.map(|(reason, fault)| Rejection {
            kind: Kind::Name,
            name: shown(text).into(),
            pending: false,
            reason,
            detail: format!("the network domain of the {whose}, {}, {fault}", shown(text)),
        });
    }
    out.common = settings.common_zone.as_ref().filter(|common| out.own != Some(common));
    Ok(out)
}

pub(super) fn network_domain(text: &str) -> Result<OwnerName, (&'static str, String)> {
    let name = OwnerName::host(text)
        .map_err(|error| ("bad network domain", format!("is no host name: it has {error}")))?;
    if name.is_arpa() {
        return Err(("arpa", "lies under arpa, where no network domain leads to".to_owned()));
    }
    Ok(name)
}
