//! What a decision is made from, and what it says.

use super::held::HeldLoss;
use crate::model::{
    Barrier, Claim, Content, Ending, Entry, EntryPut, HeldSet, Kind, Outcome, OwnedRow, OwnerId, OwnerName,
    RecordId, RecordType, Row, Ttl, Unwritable, VmId, Zone, ZoneId, Zones,
};
use std::collections::HashSet;

/// Which changes are allowed at all (`DNS_MODE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Sync,
    /// Nothing goes but what a row of the same VM replaces, or what must go for another VM's name once
    /// its holder is proved gone.
    UpsertOnly,
    /// RRsets that exist are not changed.
    CreateOnly,
}

/// What an operator has set for decisions.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose entries are ours.
    pub owner: OwnerId,
    /// `DNS_RECORD_TTL`.
    pub ttl: Ttl,
    /// `DNS_MODE`.
    pub mode: Mode,
    /// `DNS_RECREATE`: a row that was deleted by hand is written again.
    pub recreate: bool,
    /// `DNS_MAX_LOSS_PERCENT`.
    pub max_loss_percent: u8,
}

/// Whether this decision may lose what nobody announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// It may: the pass has counted them against the budget.
    Allow,
    /// It must hold them.
    Hold {
        /// The set that entries get that are in none yet; none while it is not named yet.
        set: Option<HeldSet>,
    },
}

/// What is known about the VM of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lives, and its claims are known. `announced`: a trigger named it and it reads back changed,
    /// so that what it loses needs no budget.
    Living {
        /// See above.
        announced: bool,
    },
    /// Its entries stay as they are: frozen, or its absence is not proved, or the name's successor is
    /// pending.
    Keep,
    /// It is gone by the proofs of design 7.
    Gone {
        /// By the API's own word or a trigger's.
        announced: bool,
    },
}

/// Everything that a decision on one owner name knows.
pub struct NameState<'a> {
    /// The name.
    pub name: &'a OwnerName,
    /// The zone in which the name is written, or why it is not.
    pub zone: Result<&'a Zone, Barrier>,
    /// All rows of the name, in every zone.
    pub rows: &'a [Row],
    /// All entries of the name, of every owner id.
    pub entries: &'a [Entry],
    /// The claims on the name, frozen VMs' excepted.
    pub claims: &'a [Claim],
    /// All zones.
    pub zones: &'a Zones,
    /// A row by its id, wherever it stands.
    pub stray: &'a dyn Fn(u64) -> Option<&'a Row>,
    /// What is known about an entry's VM, given whether it claims the name for the entry's reason.
    pub standing: &'a dyn Fn(&Entry, bool) -> Standing,
    /// Why an entry's row in this zone may not be touched, if it may not.
    pub forbidden: &'a dyn Fn(&Entry, &Zone) -> Option<Unwritable>,
    /// For reverse names: whether this address stands, enabled, at this forward name.
    pub stands: &'a dyn Fn(&OwnerName, &Content) -> bool,
    /// Whether the zone of an entry has been lacking for two resyncs.
    pub zone_gone: &'a dyn Fn(&Entry) -> bool,
    /// Held sets that an operator lets through: their losses are neither held nor counted.
    pub approved: &'a HashSet<HeldSet>,
}

/// A row to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The zone.
    pub zone: ZoneId,
    /// A, AAAA or PTR.
    pub rtype: RecordType,
    /// What it says.
    pub content: Content,
    /// Its TTL.
    pub ttl: Ttl,
    /// For whom.
    pub vm: VmId,
    /// By which rule.
    pub kind: Kind,
}

/// What to change at one owner name, and how everybody stands who has to do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Rows to delete, and why.
    pub deletes: Vec<(OwnedRow, &'static str)>,
    /// Rows to give another TTL.
    pub retimes: Vec<(OwnedRow, Ttl)>,
    /// Rows to add.
    pub inserts: Vec<Insert>,
    /// Entries to write; an entry of an added row has record id 0.
    pub puts: Vec<EntryPut>,
    /// Rows that stand already and become ours (`adopt`): whoever wrote them may have left their order names
    /// and the empty non-terminals above them as they fell.
    pub adopted: Vec<(ZoneId, RecordId)>,
    /// Entries to end.
    pub endings: Vec<Ending>,
    /// Of the deletes, how many nobody announced.
    pub losses: u64,
    /// Losses that nobody announced and that this decision holds.
    pub held: Vec<HeldLoss>,
    /// The sets, one an entry, of entries that were held and stay because nothing certain is known of
    /// their VMs for now: whether they go is open.
    pub carried: Vec<HeldSet>,
    /// How each claim, and each VM with entries but no claim, stands.
    pub outcomes: Vec<(VmId, Kind, Outcome)>,
    /// Rows whose entries end while they stay: an operator's edit outlived the claim.
    pub left_behind: u64,
}

impl Decision {
    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.deletes.is_empty()
            && self.retimes.is_empty()
            && self.inserts.is_empty()
            && self.puts.is_empty()
            && self.endings.is_empty()
    }

    /// How many records are held back, with those of which it is open whether they still have to go.
    pub fn held_records(&self) -> u64 {
        (self.held.len() + self.carried.len()) as u64
    }

    /// How many rows it would write.
    pub fn rows(&self) -> usize {
        self.deletes.len() + self.retimes.len() + self.inserts.len() + self.adopted.len()
    }

    /// Whether the outcomes are all as desired: nothing to show an operator.
    pub fn is_plain(&self) -> bool {
        self.outcomes.iter().all(|(_, _, outcome)| *outcome == Outcome::Served)
    }
}
