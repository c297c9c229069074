//! Rows of PowerDNS's `records` table, and entries of the ledger.

use super::{AccountId, HeldSet, Kind, OwnerName, VmId, ZoneId};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// The primary key of `records`. It does not last: an API edit re-inserts a whole RRset.
pub type RecordId = u64;

/// The owner id of a controller (`OWNER_ID`), at most 64 characters.
pub type OwnerId = Arc<str>;

/// A TTL in seconds, 0 to 2^31-1 (RFC 2181, 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(pub u32);

/// The types that decisions tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A reverse name's target.
    Ptr,
    /// An alias: nothing may stand beside it (RFC 1034, 3.6.2).
    Cname,
    /// Below the apex, a delegation.
    Ns,
    /// An alias of everything below (RFC 6672).
    Dname,
    /// A signed delegation.
    Ds,
    /// Start of authority.
    Soa,
    /// PowerDNS's empty non-terminal: `type IS NULL`.
    Ent,
    /// Anything else, upper-case.
    Other(Box<str>),
}

impl RecordType {
    /// Reads the column, which PowerDNS compares without case.
    pub fn read(column: Option<&str>) -> Self {
        let Some(text) = column else { return Self::Ent };
        let known = [
            ("A", Self::A),
            ("AAAA", Self::Aaaa),
            ("PTR", Self::Ptr),
            ("CNAME", Self::Cname),
            ("NS", Self::Ns),
            ("DNAME", Self::Dname),
            ("DS", Self::Ds),
            ("SOA", Self::Soa),
            ("", Self::Ent),
        ];
        for (word, value) in known {
            if text.eq_ignore_ascii_case(word) {
                return value;
            }
        }
        Self::Other(text.to_ascii_uppercase().into())
    }

    /// The column's text; empty for an empty non-terminal, which is stored as NULL.
    pub fn as_str(&self) -> &str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Ptr => "PTR",
            Self::Cname => "CNAME",
            Self::Ns => "NS",
            Self::Dname => "DNAME",
            Self::Ds => "DS",
            Self::Soa => "SOA",
            Self::Ent => "",
            Self::Other(text) => text,
        }
    }

    /// A or AAAA.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::A | Self::Aaaa)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The content column. Canonical texts are kept as values, so that equality is equality of bytes
/// without the bytes: two contents are equal exactly if their stored texts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// An IPv4 address in canonical text.
    V4(Ipv4Addr),
    /// An IPv6 address in the canonical text of Rust, which PowerDNS answers unchanged.
    V6(Ipv6Addr),
    /// A name in canonical text.
    Name(OwnerName),
    /// Any other text, byte for byte.
    Raw(Box<str>),
}

impl Content {
    /// Reads the content of a row or entry of this type.
    pub fn read(rtype: &RecordType, text: &str) -> Self {
        match rtype {
            RecordType::A => match text.parse::<Ipv4Addr>() {
                Ok(v4) if v4.to_string() == text => Self::V4(v4),
                _ => Self::Raw(text.into()),
            },
            RecordType::Aaaa => match text.parse::<Ipv6Addr>() {
                Ok(v6) if v6.to_string() == text => Self::V6(v6),
                _ => Self::Raw(text.into()),
            },
            RecordType::Ptr | RecordType::Cname => match OwnerName::stored(text) {
                Ok(name) if name.as_str() == text => Self::Name(name),
                _ => Self::Raw(text.into()),
            },
            _ => Self::Raw(text.into()),
        }
    }

    /// The address that PowerDNS answers for this content, also where the text is not canonical.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::V4(v4) => Some(IpAddr::V4(*v4)),
            Self::V6(v6) => Some(IpAddr::V6(*v6)),
            Self::Raw(text) => text.trim().parse().ok().or_else(|| decimal(text.trim()).map(IpAddr::V4)),
            Self::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Content {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6(v6),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(v4) => v4.fmt(f),
            Self::V6(v6) => v6.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Raw(text) => f.write_str(text),
        }
    }
}

/// A row of `records`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `id`.
    pub id: RecordId,
    /// `domain_id`.
    pub zone: ZoneId,
    /// `name`, read as a DNS name.
    pub name: OwnerName,
    /// `type`.
    pub rtype: RecordType,
    /// `content`.
    pub content: Content,
    /// `ttl`; none where the column is NULL or negative.
    pub ttl: Option<Ttl>,
    /// `disabled`: anything but 0, NULL included (facts: powerdns 5).
    pub disabled: bool,
    /// `auth`, none where NULL.
    pub auth: Option<bool>,
    /// `ordername`.
    pub ordername: Option<Box<str>>,
}

/// A line of the ledger: a row that a controller says it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `domains.id` of the zone when the row was written.
    pub zone: ZoneId,
    /// The owner name.
    pub name: OwnerName,
    /// A, AAAA or PTR.
    pub rtype: RecordType,
    /// What was written.
    pub content: Content,
    /// The TTL as last seen.
    pub ttl: Ttl,
    /// The record id as last seen.
    pub record: RecordId,
    /// Whose entry it is.
    pub owner: OwnerId,
    /// The VM whose claim it serves.
    pub vm: VmId,
    /// That VM's account or project.
    pub account: AccountId,
    /// The claim's kind.
    pub kind: Kind,
    /// The held set that it is in.
    pub held: Option<HeldSet>,
    /// The claim is on hold: nothing is written for it until it ends.
    pub on_hold: bool,
}

/// A row together with the proof that the ledger says that it is ours and that it is still what we
/// wrote. Only such a row can be deleted or re-timed (promise 2); the same compare stands again in
/// the statement's WHERE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRow {
    row: Row,
    entry_zone: ZoneId,
    vm: VmId,
    kind: Kind,
}

impl OwnedRow {
    /// The proof, if `entry` and `row` agree in name, type and content and the row is enabled. The
    /// zones' equality is the caller's: zones are matched by name, and ids may have changed.
    pub fn prove(entry: &Entry, row: &Row) -> Option<Self> {
        (entry.name == row.name && entry.rtype == row.rtype && entry.content == row.content && !row.disabled)
            .then(|| Self { row: row.clone(), entry_zone: entry.zone, vm: entry.vm, kind: entry.kind })
    }

    /// The row as the plan saw it.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The zone id that the entry carries.
    pub fn entry_zone(&self) -> ZoneId {
        self.entry_zone
    }

    /// The VM for which it was written.
    pub fn vm(&self) -> VmId {
        self.vm
    }

    /// By which rule it was written.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// Four numbers with zeros before them, which PowerDNS reads as decimal ones.
fn decimal(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()))?;
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then_some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_equal_exactly_if_their_texts_are() {
        let read = |text| Content::read(&RecordType::Aaaa, text);
        assert_eq!(read("2001:db8::1"), Content::V6("2001:db8::1".parse().unwrap()));
        assert_ne!(read("2001:db8::1"), read("2001:DB8::1"));
        assert_ne!(read("2001:db8::1"), read("2001:db8:0::1"));
        assert_eq!(read("2001:DB8::1").address(), read("2001:db8::1").address());
        let v4 = |text| Content::read(&RecordType::A, text).address();
        assert_eq!(v4("192.0.02.010"), v4("192.0.2.10"));
        assert_eq!([v4("192.0.2.300"), v4("192.0.2.+1"), v4("192.0.2"), v4("1.2.3.4.5")], [None; 4]);
        assert_ne!(
            Content::read(&RecordType::Ptr, "A.example.org"),
            Content::read(&RecordType::Ptr, "a.example.org")
        );
    }

    #[test]
    fn types_are_read_without_case() {
        assert_eq!(RecordType::read(Some("aaaa")), RecordType::Aaaa);
        assert_eq!(RecordType::read(None), RecordType::Ent);
        assert_eq!(RecordType::read(Some("txt")).as_str(), "TXT");
    }
}
