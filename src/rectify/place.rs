//! The rules for one row, which the whole-zone form and the incremental form share.

use super::{Footing, order_name};
use crate::model::{Dnssec, OwnerName, RecordType, ZoneName};

/// What a row's `auth` and `ordername` shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `auth`.
    pub auth: bool,
    /// `ordername`.
    pub ordername: Option<Box<str>>,
}

/// Where a name lies with regard to delegations. The apex is never one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The zone answers for the name.
    Clear,
    /// The name has an NS record and lies below no other that has one.
    At,
    /// Some ancestor below the apex has an NS record.
    Below,
}

/// The place of an enabled record. `hashed`: the name has an NSEC3 hash at all; `signed_cut`: the name
/// has a DS record.
pub(super) fn place_row(
    zone: &ZoneName,
    dnssec: &Dnssec,
    name: &OwnerName,
    rtype: &RecordType,
    cut: Cut,
    signed_cut: bool,
    hashed: bool,
) -> Place {
    let glue = cut != Cut::Clear && rtype.is_address();
    let opted_out = matches!(dnssec, Dnssec::Nsec3 { opt_out: true, .. })
        && *rtype == RecordType::Ns
        && cut != Cut::Clear
        && !signed_cut;
    if glue || opted_out {
        return Place { auth: false, ordername: None };
    }
    let ordername = match dnssec {
        Dnssec::Nsec3 { .. } if !hashed => None,
        _ => order_name(zone, dnssec, name),
    };
    Place { auth: cut == Cut::Clear || *rtype == RecordType::Ds, ordername }
}

/// The place of an empty non-terminal with these descendants.
pub(super) fn place_ent(zone: &ZoneName, dnssec: &Dnssec, name: &OwnerName, footing: Footing) -> Place {
    match dnssec {
        // Its NSEC would name no type: RFC 4035, 2.3 gives it none.
        Dnssec::Unsigned | Dnssec::Nsec => Place { auth: footing.auth, ordername: None },
        Dnssec::Nsec3 { opt_out, .. } => Place {
            auth: footing.auth || (footing.hashed && !opt_out),
            ordername: if footing.hashed { order_name(zone, dnssec, name) } else { None },
        },
    }
}
