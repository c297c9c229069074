//! Under which names a VM's labels are put.

use super::{FrozenWhy, Owner, OwnerIndex, Settings, text::shown};
use crate::model::{Kind, OwnerName, Rejection};

/// The suffixes of an owner's VMs in the order of design 3, each once, and what cannot be one.
pub(super) struct Suffixes {
    pub suffixes: Vec<OwnerName>,
    pub rejections: Vec<Rejection>,
}

/// Finds them. An error where a domain on the way up is in no listing.
pub(super) fn suffixes(
    owner: &Owner<'_>,
    owners: &OwnerIndex,
    settings: &Settings,
) -> Result<Suffixes, FrozenWhy> {
    let mut out = Suffixes { suffixes: Vec::new(), rejections: Vec::new() };
    let (own, whose) = match owner.network_domain {
        Some(text) => (Some(text), "account"),
        None => (owners.domain_suffix(owner.domain, settings.inherit_domain)?, "domain"),
    };
    match own.map(|text| (text, owners.name_of(text).map_or_else(|| network_domain(text), Ok))) {
        Some((_, Ok(suffix))) => out.suffixes.push(suffix),
        Some((text, Err((reason, fault)))) => out.rejections.push(Rejection {
            kind: Kind::Name,
            name: shown(text).into(),
            pending: false,
            reason,
            detail: format!("the network domain of the {whose}, {}, {fault}", shown(text)),
        }),
        None => {}
    }
    if let Some(common) = &settings.common_zone
        && !out.suffixes.contains(common)
    {
        out.suffixes.push(common.clone());
    }
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
