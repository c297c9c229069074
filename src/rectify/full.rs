//! All rows of a zone at once: the reference for the incremental form.

use super::{
    Footing, Place,
    place::{Cut, place_ent, place_row},
};
use crate::model::{Dnssec, OwnerName, RecordType, Row, ZoneName};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What `rectify-zone` leaves of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whole {
    /// The places of the enabled records, in the order of the rows; none for disabled rows, which
    /// `rectify-zone` never touches, and for empty non-terminals.
    pub rows: Vec<Option<Place>>,
    /// The empty non-terminals that the zone has afterwards.
    pub ents: BTreeMap<OwnerName, Place>,
}

/// What `rectify-zone` makes of these rows, which are all rows of the zone. Its cost grows with the
/// zone: this is for tests and for checking, not for writing.
pub fn rectify_zone(zone: &ZoneName, dnssec: &Dnssec, rows: &[Row]) -> Whole {
    let records: Vec<&Row> = rows.iter().filter(|row| counts(row)).collect();
    let names_of = |rtype: &RecordType| -> HashSet<&str> {
        records.iter().filter(|row| row.rtype == *rtype).map(|row| row.name.as_str()).collect()
    };
    let mut cuts = names_of(&RecordType::Ns);
    cuts.remove(zone.as_str());
    let signed_cuts = names_of(&RecordType::Ds);
    let cut_of = |name: &OwnerName| {
        if name.ancestors_below(zone.as_str()).any(|above| cuts.contains(above)) {
            Cut::Below
        } else if cuts.contains(name.as_str()) {
            Cut::At
        } else {
            Cut::Clear
        }
    };

    let opt_out = matches!(dnssec, Dnssec::Nsec3 { opt_out: true, .. });
    let owners: HashSet<&str> = records.iter().map(|row| row.name.as_str()).collect();
    let (mut hashed, mut auth, mut ents) = (HashSet::new(), HashSet::new(), BTreeSet::new());
    for row in &records {
        let cut = cut_of(&row.name);
        let above = || row.name.ancestors_below(zone.as_str());
        ents.extend(above().filter(|name| !owners.contains(name)));
        if cut != Cut::Below && !(opt_out && row.rtype == RecordType::Ns) {
            hashed.extend(std::iter::once(row.name.as_str()).chain(above()));
        }
        if cut == Cut::Clear {
            auth.extend(above());
        }
    }

    let place = |row: &Row| {
        counts(row).then(|| {
            let name = row.name.as_str();
            let (cut, signed) = (cut_of(&row.name), signed_cuts.contains(name));
            place_row(zone, dnssec, &row.name, &row.rtype, cut, signed, hashed.contains(name))
        })
    };
    let ent = |name: &str| {
        let footing = Footing { auth: auth.contains(name), hashed: hashed.contains(name) };
        let name = OwnerName::stored(name).ok()?;
        let place = place_ent(zone, dnssec, &name, footing);
        Some((name, place))
    };
    Whole { rows: rows.iter().map(place).collect(), ents: ents.into_iter().filter_map(ent).collect() }
}

/// Whether the row is a record that answers: enabled, and no empty non-terminal.
pub(super) fn counts(row: &Row) -> bool {
    !row.disabled && row.rtype != RecordType::Ent
}
