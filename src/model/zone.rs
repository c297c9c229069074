//! Zones as the database has them, and which of them a name falls into.

use super::{BuildSpread, OwnerName, SerialKind, SoaContent, ZoneName};
use std::{collections::HashMap, fmt};

/// `domains.id`.
pub type ZoneId = u32;

/// `domains.type`, read as PowerDNS reads it: without case, unknown words are NATIVE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneKind {
    /// Replicated by the database.
    Native,
    /// Sends NOTIFY to secondaries (MASTER, PRIMARY).
    Primary,
    /// Filled by transfer (SLAVE, SECONDARY).
    Secondary,
    /// A catalog that PowerDNS generates.
    Producer,
    /// A catalog filled by transfer.
    Consumer,
}

impl ZoneKind {
    /// Reads the column.
    pub fn read(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "MASTER" | "PRIMARY" => Self::Primary,
            "SLAVE" | "SECONDARY" => Self::Secondary,
            "PRODUCER" => Self::Producer,
            "CONSUMER" => Self::Consumer,
            _ => Self::Native,
        }
    }

    /// The column's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Native => "NATIVE",
            Self::Primary => "MASTER",
            Self::Secondary => "SLAVE",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }
}

/// What order names the zone's rows carry (facts: powerdns 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dnssec {
    /// No active key: NULL.
    Unsigned,
    /// NSEC (RFC 4034): relative labels in reverse order.
    Nsec,
    /// NSEC3 (RFC 5155): hashes.
    Nsec3 {
        /// Additional iterations.
        iterations: u16,
        /// The salt's octets.
        salt: Box<[u8]>,
        /// Opt-out: insecure delegations have no hash.
        opt_out: bool,
        /// Narrow: hashes are made while answering; rows carry NULL.
        narrow: bool,
    },
}

impl Dnssec {
    /// Whether the zone is signed, and how: for people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Nsec => "signed, NSEC",
            Self::Nsec3 { narrow: true, .. } => "signed, NSEC3 narrow",
            Self::Nsec3 { opt_out: true, .. } => "signed, NSEC3 opt-out",
            Self::Nsec3 { .. } => "signed, NSEC3",
        }
    }
}

/// Why a zone is never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritable {
    /// SLAVE, SECONDARY, PRODUCER, CONSUMER: somebody else fills it.
    Kind(ZoneKind),
    /// Signed elsewhere.
    Presigned,
    /// More NSEC3 iterations than the server serves (100).
    Iterations(u16),
    /// NSEC3PARAM metadata that cannot be read.
    Nsec3Param,
    /// `DNS_ZONES` does not allow it, or not for this VM's domain.
    NotAllowed,
    /// The SOA's content has not seven fields.
    Soa,
}

impl Unwritable {
    /// A metric label of few values.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kind(_) => "zone kind",
            Self::Presigned => "presigned",
            Self::Iterations(_) => "nsec3 iterations",
            Self::Nsec3Param => "nsec3 parameters",
            Self::NotAllowed => "not in DNS_ZONES",
            Self::Soa => "bad SOA",
        }
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "the zone's type is {kind:?}: its contents come from elsewhere"),
            Self::Presigned => f.write_str("the zone is presigned: its signatures come from elsewhere"),
            Self::Iterations(n) => {
                write!(f, "the zone has {n} NSEC3 iterations, more than PowerDNS serves (100)")
            }
            Self::Nsec3Param => f.write_str("the zone's NSEC3PARAM metadata cannot be read"),
            Self::NotAllowed => f.write_str("DNS_ZONES does not allow this zone for this VM"),
            Self::Soa => f.write_str("the zone's SOA content has not the seven fields that PowerDNS needs"),
        }
    }
}

/// A zone with an enabled SOA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// `domains.id`.
    pub id: ZoneId,
    /// The apex.
    pub name: ZoneName,
    /// `domains.type`.
    pub kind: ZoneKind,
    /// Signed elsewhere.
    pub presigned: bool,
    /// What order names its rows carry.
    pub dnssec: Dnssec,
    /// The NSEC3PARAM metadata could not be read.
    pub bad_nsec3param: bool,
    /// The SOA, none where its content has not seven fields.
    pub soa: Option<SoaContent>,
    /// How the serial moves (`SOA-EDIT-API` metadata).
    pub serial_kind: SerialKind,
    /// The last serial that we wrote, while it is remembered (one hour).
    pub last_serial: Option<super::Serial>,
}

impl Zone {
    /// An ordinary zone, for tests: native, unsigned, with a SOA.
    #[cfg(test)]
    pub(crate) fn sample(id: ZoneId, name: &OwnerName) -> Self {
        Self {
            id,
            name: name.clone(),
            kind: ZoneKind::Native,
            presigned: false,
            dnssec: Dnssec::Unsigned,
            bad_nsec3param: false,
            soa: SoaContent::parse("ns1 host 1 2 3 4 5").ok(),
            serial_kind: SerialKind::Default,
            last_serial: None,
        }
    }

    /// Why the zone is never written, if it is not.
    pub fn unwritable(&self) -> Option<Unwritable> {
        match self.kind {
            ZoneKind::Native | ZoneKind::Primary => {}
            other => return Some(Unwritable::Kind(other)),
        }
        if self.presigned {
            return Some(Unwritable::Presigned);
        }
        if self.bad_nsec3param {
            return Some(Unwritable::Nsec3Param);
        }
        match &self.dnssec {
            Dnssec::Nsec3 { iterations, .. } if *iterations > 100 => {
                Some(Unwritable::Iterations(*iterations))
            }
            _ if self.soa.is_none() => Some(Unwritable::Soa),
            _ => None,
        }
    }
}

/// All zones with an enabled SOA, by name and by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zones {
    by_name: HashMap<ZoneName, Zone, BuildSpread>,
    names: HashMap<ZoneId, ZoneName, BuildSpread>,
    /// A bit for each number of labels that some zone's name has: what lies above a name is looked for only
    /// there. A name in ip6.arpa has 34 labels. Of 253 characters no name has more than 127.
    depths: u128,
    /// Ids that entries of the ledger may still carry, of zones that were deleted and made anew.
    former: HashMap<ZoneId, ZoneName, BuildSpread>,
}

impl Zones {
    /// The zones, and the names that ids had when we last wrote them.
    pub fn new(
        zones: impl IntoIterator<Item = Zone>,
        former: impl IntoIterator<Item = (ZoneId, ZoneName)>,
    ) -> Self {
        let by_name: HashMap<_, _, BuildSpread> =
            zones.into_iter().map(|zone| (zone.name.clone(), zone)).collect();
        let names = by_name.values().map(|zone| (zone.id, zone.name.clone())).collect();
        let depths = by_name.keys().fold(0, |depths, name: &ZoneName| depths | depth_bit(name.depth()));
        Self { by_name, names, depths, former: former.into_iter().collect() }
    }

    /// The zone of exactly this name.
    pub fn named(&self, name: &str) -> Option<&Zone> {
        self.by_name.get(name)
    }

    /// The zone with this id.
    pub fn with_id(&self, id: ZoneId) -> Option<&Zone> {
        self.by_name.get(self.names.get(&id)?)
    }

    /// The longest zone that is the name or lies above it: the one that answers (facts: powerdns 6).
    pub fn enclosing(&self, name: &str) -> Option<&Zone> {
        let mut depth = 1 + name.bytes().filter(|byte| *byte == b'.').count();
        let mut from = 0;
        loop {
            if self.depths & depth_bit(depth) != 0
                && let Some(zone) = self.by_name.get(&name[from..])
            {
                return Some(zone);
            }
            // Labels are short: looking for their end with more effort costs more.
            from += 1 + name.as_bytes()[from..].iter().position(|byte| *byte == b'.')?;
            depth -= 1;
        }
    }

    /// The zone that an entry with this zone id and owner name belongs to: by the name that the id had
    /// when we wrote it, since ids may change; by the owner name where the id now is another zone's.
    pub fn of_entry(&self, id: ZoneId, owner: &OwnerName) -> Option<&Zone> {
        let name = self.former.get(&id).or_else(|| self.names.get(&id));
        match name {
            Some(name) if owner.is_within(name.as_str()) => self.by_name.get(name),
            _ => self.enclosing(owner.as_str()),
        }
    }

    /// Whether claims could differ: another set of zones, or other properties than a serial.
    pub fn differ_in_place(&self, other: &Self) -> bool {
        self.by_name.len() != other.by_name.len()
            || self.by_name.values().any(|zone| {
                other.by_name.get(&zone.name).is_none_or(|old| {
                    (old.id, old.kind, old.presigned, old.bad_nsec3param, &old.dnssec, old.soa.is_some())
                        != (
                            zone.id,
                            zone.kind,
                            zone.presigned,
                            zone.bad_nsec3param,
                            &zone.dnssec,
                            zone.soa.is_some(),
                        )
                })
            })
    }

    /// All zones, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.by_name.values()
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

fn depth_bit(depth: usize) -> u128 {
    u32::try_from(depth).ok().and_then(|depth| 1_u128.checked_shl(depth)).unwrap_or_default()
}
