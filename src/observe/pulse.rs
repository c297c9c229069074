//! The controller's pulse: its role, and when which kind of pass began, ended well, ended badly.

use crate::model::HeldSet;
use std::time::Instant;

/// What the controller is, as far as the lease goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It does not know yet.
    Starting,
    /// Another one writes, or could.
    Standby {
        /// The living holder of the lease; none where the lease cannot be read or has lapsed.
        holder: Option<String>,
    },
    /// It writes.
    Holder {
        /// The epoch that fences its transactions.
        epoch: u64,
    },
}

/// The kinds of passes whose failing is told apart: one that fails for ever is not hidden by the
/// others' success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// A full resync, from listing to the last settled name.
    Resync,
    /// Look-ups at the API.
    Look,
    /// Names settled in the database.
    Settle,
    /// Zones and serials read.
    Zones,
}

impl Pass {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Resync, Self::Look, Self::Settle, Self::Zones];

    /// One word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Look => "look",
            Self::Settle => "settle",
            Self::Zones => "zones",
        }
    }
}

/// A kind of pass that has failed and not succeeded since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When the first one of the row ended.
    pub since: Instant,
    /// How many there were.
    pub times: u64,
    /// What the last one said.
    pub error: String,
}

/// What the loss budget holds back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The sets with their records, the largest first.
    pub sets: Vec<(HeldSet, u64)>,
}

impl Held {
    /// How many records.
    pub fn records(&self) -> u64 {
        self.sets.iter().map(|(_, records)| records).sum()
    }
}

/// What health is judged by.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// What the controller is.
    pub role: Role,
    /// When that was last known to be so.
    pub role_seen: Instant,
    /// Passes begun and not ended; the start itself counts as one until the first pass has ended.
    pub under_way: u32,
    /// When a pass last ended, or began while none was under way.
    pub sign: Instant,
    /// A resync has ended well since the start, as a holder.
    pub good: bool,
    /// What the loss budget holds back.
    pub held: Held,
    failing: [Option<Failure>; Pass::ALL.len()],
    started: bool,
}

impl Pulse {
    /// At the process's start.
    pub fn new(now: Instant) -> Self {
        Self {
            role: Role::Starting,
            role_seen: now,
            under_way: 1,
            sign: now,
            good: false,
            held: Held::default(),
            failing: [const { None }; Pass::ALL.len()],
            started: false,
        }
    }

    /// The failure of this kind of pass, if its last one failed.
    pub fn failing(&self, pass: Pass) -> Option<&Failure> {
        self.failing[pass as usize].as_ref()
    }

    /// A pass begins.
    pub fn begin(&mut self, now: Instant) {
        if self.under_way == 0 {
            self.sign = now;
        }
        self.under_way += 1;
    }

    /// A pass has ended.
    pub fn end(&mut self, pass: Pass, now: Instant, result: Result<(), String>) {
        if !self.started {
            self.started = true;
            self.under_way = self.under_way.saturating_sub(1);
        }
        self.under_way = self.under_way.saturating_sub(1);
        self.sign = now;
        let failing = &mut self.failing[pass as usize];
        match result {
            Ok(()) => {
                *failing = None;
                // What a process lists before it holds the lease writes nothing yet.
                self.good |= pass == Pass::Resync && matches!(self.role, Role::Holder { .. });
            }
            Err(error) => {
                let (since, times) = failing.as_ref().map_or((now, 0), |last| (last.since, last.times));
                *failing = Some(Failure { since, times: times + 1, error });
            }
        }
    }

    /// A pass was given up on purpose: neither well nor badly.
    pub fn give_up(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.sign = now;
    }

    /// The role, as just seen.
    pub fn set_role(&mut self, role: Role, now: Instant) {
        self.role = role;
        self.role_seen = now;
    }
}
