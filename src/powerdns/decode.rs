//! Rows of answers as rows, entries and plain values.

use crate::model::{Content, Entry, HeldSet, Kind, OwnerId, OwnerName, RecordType, Row, Ttl, ZoneId};
use mysql_async::{Row as Answer, Value};
use std::borrow::Cow;

/// The columns of `records r` that [`row`] reads, in its order.
pub(super) const ROW: &str =
    "r.id, r.domain_id, r.name, r.type, r.content, r.ttl, r.disabled, r.auth, r.ordername";

/// The columns of `cs_powerdns_ledger l` that [`entry`] reads, in its order.
pub(super) const ENTRY: &str = "l.zone_id, l.name, l.type, l.content, l.ttl, l.record_id, l.owner_id, l.vm, \
     l.account, l.kind, l.held_hash, l.on_hold";

/// Reads the columns of one answer row from left to right.
pub(super) struct Cells<'a> {
    answer: &'a Answer,
    at: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn of(answer: &'a Answer) -> Self {
        Self { answer, at: 0 }
    }

    fn next(&mut self) -> Option<&'a Value> {
        self.at += 1;
        self.answer.as_ref(self.at - 1)
    }

    /// A text, none where NULL. Bytes that are no UTF-8 are read as latin1.
    pub(super) fn text(&mut self) -> Option<Cow<'a, str>> {
        match self.next()? {
            Value::Bytes(bytes) => Some(match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => bytes.iter().copied().map(char::from).collect::<String>().into(),
            }),
            _ => None,
        }
    }

    /// A text's octets, none where NULL.
    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        match self.next()? {
            Value::Bytes(octets) => Some(octets),
            _ => None,
        }
    }

    /// A whole number, none where NULL.
    pub(super) fn int(&mut self) -> Option<i64> {
        match self.next()? {
            Value::Int(n) => Some(*n),
            Value::UInt(n) => i64::try_from(*n).ok(),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// A whole number that fits `T`, none where NULL or too large.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        self.int().and_then(|n| T::try_from(n).ok())
    }

    /// An unsigned number of 64 bits.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        match self.next()? {
            Value::UInt(n) => Some(*n),
            Value::Int(n) => u64::try_from(*n).ok(),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// A DOUBLE.
    pub(super) fn double(&mut self) -> Option<f64> {
        match self.next()? {
            Value::Double(n) => Some(*n),
            Value::Float(n) => Some(f64::from(*n)),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// A row of `records`; none where it is in no zone or its name is none, since such a row answers nothing.
/// `instead` stands in for a name that is none: for a row that was found by its id.
pub(super) fn row(cells: &mut Cells<'_>, instead: Option<&OwnerName>) -> Option<Row> {
    let id = cells.unsigned();
    let zone = cells.number();
    let name = cells.text();
    let rtype = RecordType::read(cells.text().as_deref());
    let content = Content::read(&rtype, &cells.text().unwrap_or_default());
    let ttl = cells.number::<u32>().map(Ttl);
    let disabled = cells.int() != Some(0);
    let auth = cells.int().map(|auth| auth != 0);
    let ordername = cells.text().map(|text| text.into_owned().into());
    // The tables' collation overlooks trailing blanks, so PowerDNS answers such a row's name without them.
    let name = name.and_then(|text| OwnerName::stored(text.trim_end_matches(' ')).ok());
    let name = name.or_else(|| instead.cloned())?;
    Some(Row { id: id?, zone: zone?, name, rtype, content, ttl, disabled, auth, ordername })
}

/// Of a line of `cs_powerdns_ledger l` that is no entry: its key, if it is of this owner id.
pub(super) fn own_key(
    cells: &mut Cells<'_>,
    owner: &OwnerId,
) -> Option<(OwnerName, RecordType, Content, ZoneId)> {
    let zone = cells.number();
    let name = cells.text();
    let rtype = RecordType::read(cells.text().as_deref());
    let content = cells.text();
    let (_ttl, _record) = (cells.int(), cells.unsigned());
    let by = cells.text()?;
    let content = Content::read(&rtype, &content?);
    (*by == **owner).then_some((OwnerName::stored(&name?).ok()?, rtype, content, zone?))
}

/// An entry; none where somebody has edited the ledger into something that is none. `owner` is our own
/// owner id, whose text is then shared.
pub(super) fn entry(cells: &mut Cells<'_>, owner: &OwnerId) -> Option<Entry> {
    let zone = cells.number();
    let name = cells.text();
    let rtype = RecordType::read(cells.text().as_deref());
    let content = cells.text();
    let ttl = cells.number::<u32>().map(Ttl);
    let record = cells.unsigned();
    let by = cells.text();
    let vm = cells.text();
    let account = cells.text();
    let kind = cells.text();
    let held = cells.unsigned();
    let on_hold = cells.int() != Some(0);
    let by = by?;
    Some(Entry {
        zone: zone?,
        name: OwnerName::stored(&name?).ok()?,
        content: Content::read(&rtype, &content?),
        rtype,
        ttl: ttl?,
        record: record?,
        owner: if *by == **owner { OwnerId::clone(owner) } else { by.as_ref().into() },
        vm: vm?.parse().ok()?,
        account: account?.parse().ok()?,
        kind: Kind::read(&kind?)?,
        held: HeldSet::stored(held?),
        on_hold,
    })
}
