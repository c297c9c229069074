//! What VMs want: claims, wishes that wait, and rejections with their reasons.

use super::{AccountId, Label, OwnerName, VmId};
use std::{fmt, net::IpAddr};

/// Why a VM wants a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Its own name under a suffix.
    Name,
    /// Its group's name under a suffix.
    Group,
    /// The reverse name of one of its addresses.
    Ptr,
}

impl Kind {
    /// The ledger's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Group => "group",
            Self::Ptr => "ptr",
        }
    }

    /// Reads the ledger's word.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Name, Self::Group, Self::Ptr].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one VM wants at one owner name for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The VM.
    pub vm: VmId,
    /// Why it wants the name.
    pub kind: Kind,
    /// The owner name.
    pub name: OwnerName,
    /// Name and group: the addresses to serve, sorted. Ptr: the one address whose reverse name it is.
    pub addresses: Vec<IpAddr>,
    /// Ptr: the VM's forward names in the order of design 3, of which the first that stands with this
    /// address becomes the target. Otherwise empty.
    pub targets: Vec<OwnerName>,
    /// The account, or the project in its stead.
    pub account: AccountId,
    /// The VM's creation time, seconds since 1970.
    pub created: i64,
    /// Ptr: the address lies in a Shared network.
    pub shared: bool,
}

/// A claim that cannot be made yet, or not at all, for want of a zone that may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which kind of claim it would be.
    pub kind: Kind,
    /// The name that was wanted, or the text that is none.
    pub name: Box<str>,
    /// It will be filled without any event once a zone appears (shown as pending).
    pub pending: bool,
    /// Why not, for an operator: a metric label of few values.
    pub reason: &'static str,
    /// The particulars, for an operator.
    pub detail: String,
}

/// Everything that a VM wants and everything that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// In the order of design 3: forward names, then reverse names.
    pub claims: Vec<Claim>,
    /// What it cannot have, and why.
    pub rejections: Vec<Rejection>,
    /// Labels that have no place under one of the VM's suffixes: it has no zone that may be written, or
    /// is no suffix at all. What stands under another one stays until they have.
    pub unplaced: Vec<(Kind, Label)>,
}
