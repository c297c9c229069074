//! How each claim and each entry stands after a decision: what reports and `explain` show.

use super::VmId;
use std::fmt;

/// Why nothing may be written at a name although its zone may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barrier {
    /// No zone of the database encloses the name.
    NoZone,
    /// The zone may not be written.
    Zone(super::Unwritable),
    /// The name lies at or below a delegation.
    Delegation(Box<str>),
    /// The name lies below a DNAME.
    Dname(Box<str>),
    /// The reverse name is an alias (RFC 2317) of one in a zone that may not be written for this VM.
    Alias {
        /// Where it leads.
        target: Box<str>,
        /// Why nothing is written there.
        why: super::Unwritable,
    },
}

impl Barrier {
    /// A label of few values, for lists.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoZone => "no zone",
            Self::Zone(why) => why.word(),
            Self::Delegation(_) => "delegation",
            Self::Dname(_) => "DNAME",
            Self::Alias { .. } => "alias",
        }
    }
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone => f.write_str("no zone of this database encloses the name"),
            Self::Zone(why) => why.fmt(f),
            Self::Delegation(at) => write!(f, "delegated away at {at}"),
            Self::Dname(at) => write!(f, "below the DNAME at {at}"),
            Self::Alias { target, why } => write!(f, "an alias of {target}, and there {why}"),
        }
    }
}

/// How a claim, or an entry without a claim, stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its records stand as desired, by rows of ours.
    Served,
    /// Another claim holds the name.
    Waiting {
        /// The VM that holds it, if one does.
        holder: Option<VmId>,
    },
    /// A foreign row stands where it would be added.
    Blocked {
        /// The row, as an operator would name it.
        by: String,
    },
    /// Nothing may be written at the name, for this VM at least.
    Refused(Barrier),
    /// Foreign rows of equal content serve it, wholly or in part.
    Satisfied,
    /// An operator has edited its rows.
    Released {
        /// What was done.
        how: &'static str,
    },
    /// It is on hold, by `release` or because its row was deleted by hand under `DNS_RECREATE=false`.
    OnHold,
    /// Its losses are held until they are approved or fit the budget.
    Held,
    /// Rows of ours stand where writing is no longer allowed.
    Retired(Barrier),
    /// The VM keeps what it has and gains nothing.
    Frozen,
    /// A reverse name for which no forward name stands: nothing is added.
    Unconfirmed,
    /// More than 1000 addresses at a group name: the youngest VMs' are left out.
    Overflow,
    /// The mode forbids what it would take.
    Mode,
}

impl Outcome {
    /// The words of those that are not served.
    pub const WORDS: [&'static str; 12] = [
        "waiting",
        "blocked",
        "refused",
        "satisfied",
        "released",
        "on hold",
        "held",
        "retired",
        "frozen",
        "unconfirmed",
        "overflow",
        "mode",
    ];

    /// One word for metrics and lists.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Waiting { .. } => "waiting",
            Self::Blocked { .. } => "blocked",
            Self::Refused(_) => "refused",
            Self::Satisfied => "satisfied",
            Self::Released { .. } => "released",
            Self::OnHold => "on hold",
            Self::Held => "held",
            Self::Retired(_) => "retired",
            Self::Frozen => "frozen",
            Self::Unconfirmed => "unconfirmed",
            Self::Overflow => "overflow",
            Self::Mode => "mode",
        }
    }
}

/// A row that stands where an entry of ours ended because an operator had edited what it stood for. It is
/// shown until it is gone, or the history (7 days) no longer knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// The owner name.
    pub name: Box<str>,
    /// The type.
    pub rtype: Box<str>,
    /// What the row says.
    pub content: Box<str>,
    /// The VM whose claim it was.
    pub vm: Box<str>,
    /// When the entry ended, UTC, as `YYYY-MM-DD hh:mm:ss`.
    pub at: Box<str>,
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rtype, content, vm, at } = self;
        write!(f, "{name} {rtype} {content} (left behind by VM {vm} at {at} UTC)")
    }
}
