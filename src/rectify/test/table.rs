//! A table of one zone, to which batches are applied as the writer would.

use super::super::{Rectified, rectify_zone};
use crate::model::{Content, Dnssec, NewRow, OwnerName, RecordId, RecordType, Row, Ttl, Zone};

pub const ZONE: u32 = 7;

pub fn name(text: &str) -> OwnerName {
    OwnerName::stored(text).unwrap()
}

pub fn zone(apex: &str, dnssec: Dnssec) -> Zone {
    Zone { dnssec, soa: None, ..Zone::sample(ZONE, &name(apex)) }
}

pub fn nsec3(iterations: u16, salt: &[u8], opt_out: bool, narrow: bool) -> Dnssec {
    Dnssec::Nsec3 { iterations, salt: salt.into(), opt_out, narrow }
}

pub fn modes() -> Vec<Dnssec> {
    let mut modes = vec![Dnssec::Unsigned, Dnssec::Nsec];
    for (opt_out, narrow) in [(false, false), (true, false), (false, true), (true, true)] {
        modes.push(nsec3(1, &[0xab], opt_out, narrow));
    }
    modes
}

pub fn new_row(owner: &str, rtype: RecordType) -> NewRow {
    NewRow {
        zone: ZONE,
        name: name(owner),
        content: Content::Raw(rtype.as_str().into()),
        rtype,
        ttl: Ttl(300),
        auth: false,
        ordername: None,
    }
}

/// The rows of a zone; ids are given in order.
#[derive(Debug, Clone)]
pub struct Table {
    pub zone: Zone,
    pub rows: Vec<Row>,
    next: RecordId,
}

impl Table {
    pub fn new(zone: Zone) -> Self {
        Self { zone, rows: Vec::new(), next: 1 }
    }

    /// A row as naive SQL would write it.
    pub fn put(&mut self, owner: &str, rtype: RecordType) -> RecordId {
        self.insert(&NewRow { auth: true, ..new_row(owner, rtype) })
    }

    pub fn insert(&mut self, row: &NewRow) -> RecordId {
        let id = self.next;
        self.next += 1;
        self.rows.push(Row {
            id,
            zone: row.zone,
            name: row.name.clone(),
            rtype: row.rtype.clone(),
            content: row.content.clone(),
            ttl: Some(row.ttl),
            disabled: false,
            auth: Some(row.auth),
            ordername: row.ordername.clone(),
        });
        id
    }

    /// What `rectify-zone` does.
    pub fn rectify(&mut self) {
        let whole = rectify_zone(&self.zone.name, &self.zone.dnssec, &self.rows);
        for (row, place) in self.rows.iter_mut().zip(whole.rows) {
            if let Some(place) = place {
                row.auth = Some(place.auth);
                row.ordername = place.ordername;
            }
        }
        self.rows.retain(|row| row.disabled || row.rtype != RecordType::Ent);
        for (owner, place) in whole.ents {
            let ent = new_row(owner.as_str(), RecordType::Ent);
            self.insert(&NewRow { auth: place.auth, ordername: place.ordername, ..ent });
        }
    }

    pub fn apply(&mut self, removed: impl Fn(&RecordId) -> bool, change: &Rectified) {
        self.rows.retain(|row| !removed(&row.id));
        for out in &change.ents_out {
            let before = self.rows.len();
            self.rows
                .retain(|row| !(row.id == out.id && row.name == out.name && row.rtype == RecordType::Ent));
            assert_eq!(self.rows.len(), before - 1, "{out:?} deletes exactly one row");
        }
        for reorder in &change.reorders {
            let row = self.rows.iter_mut().find(|row| row.id == reorder.id).unwrap();
            row.auth = Some(reorder.auth);
            row.ordername.clone_from(&reorder.ordername);
        }
        for row in change.inserts.iter().chain(&change.ents_in) {
            self.insert(row);
        }
    }

    /// Everything but ids, sorted.
    pub fn picture(&self) -> Vec<String> {
        let mut lines: Vec<String> = (self.rows.iter())
            .map(|row| {
                let ordername = row.ordername.as_deref().map_or("<NULL>".into(), |o| format!("\"{o}\""));
                let rtype = if row.rtype == RecordType::Ent { "(ENT)" } else { row.rtype.as_str() };
                let auth = u8::from(row.auth == Some(true));
                let disabled = if row.disabled { " disabled" } else { "" };
                format!("{}\t{rtype}\t{ordername}\t{auth}{disabled}", row.name)
            })
            .collect();
        lines.sort();
        lines
    }
}
