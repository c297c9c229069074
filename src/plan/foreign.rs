//! Foreign rows first: where a row may be added, and at which TTL (design 5).

use crate::model::{Content, Kind, OwnerName, RecordType, Row, Ttl, ZoneId};

/// The rows of one name that no entry of ours accounts for.
pub struct Foreign<'a> {
    rows: Vec<&'a Row>,
}

impl<'a> Foreign<'a> {
    /// The rows of `zone` but for those at which `ours` says so.
    pub fn new(rows: &'a [Row], ours: &[bool], zone: ZoneId) -> Self {
        let rows = rows.iter().zip(ours).filter(|(row, ours)| row.zone == zone && !**ours);
        Self { rows: rows.map(|(row, _)| row).collect() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// An enabled row of equal content, which satisfies its part of a claim. An operator's AAAA in
    /// other text (`2001:DB8::1`) is the same RR to everybody who asks, so it counts as equal.
    pub fn satisfies(&self, rtype: &RecordType, content: &Content) -> bool {
        self.rows.iter().any(|row| !row.disabled && row.rtype == *rtype && same_rdata(row, content))
    }

    /// The disabled row that says `content`: an operator suppresses it.
    pub fn suppressor(&self, rtype: &RecordType, content: &Content) -> Option<&'a Row> {
        self.rows.iter().copied().find(|row| row.disabled && row.rtype == *rtype && same_rdata(row, content))
    }

    /// The row that forbids adding `content` for a claim of `kind` that wants `wanted`, if one does.
    ///
    /// A disabled row always forbids, also one of equal content: that is how an operator suppresses or
    /// reserves a name for good. Group names tolerate foreign addresses, but there too a disabled row
    /// suppresses what it says, and nothing stands beside a CNAME (RFC 1034, 3.6.2).
    pub fn blocker(
        &self,
        kind: Kind,
        wanted: &[(RecordType, Content)],
        content: &Content,
    ) -> Option<&'a Row> {
        self.rows.iter().copied().find(|row| match (&row.rtype, kind) {
            (RecordType::Cname, _) => true,
            (RecordType::A | RecordType::Aaaa, Kind::Name) | (RecordType::Ptr, Kind::Ptr) => {
                row.disabled
                    || !wanted.iter().any(|(rtype, content)| row.rtype == *rtype && same_rdata(row, content))
            }
            (RecordType::A | RecordType::Aaaa, Kind::Group) => row.disabled && same_rdata(row, content),
            _ => false,
        })
    }

    /// The lowest TTL of enabled rows of this type.
    pub fn ttl(&self, rtype: &RecordType) -> Option<Ttl> {
        self.rows.iter().filter(|row| !row.disabled && row.rtype == *rtype).filter_map(|row| row.ttl).min()
    }
}

fn same_rdata(row: &Row, content: &Content) -> bool {
    if row.content == *content {
        return true;
    }
    match content {
        Content::V4(_) | Content::V6(_) => row.content.address() == content.address(),
        // PowerDNS answers a target with a final dot, trailing blanks or in another case all the same.
        Content::Name(name) => match &row.content {
            Content::Raw(text) => OwnerName::parse(text.trim_end()).is_ok_and(|target| target == *name),
            _ => false,
        },
        Content::Raw(_) => false,
    }
}
