//! What is where at a moment, and traps that spring in the middle of what the engine does.

use super::{
    cloud::Cloud,
    naive::{self, Wanted},
    promises::Losses,
    tables::{Lock, State},
};
use crate::{
    model::{Entry, HeldSet, Mark, VmId, VmState},
    powerdns::Lease,
    reconcile::Tenure,
    trigger::{Arrival, Delivery},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

/// The time between two listings that prove an absence.
pub const APART: Duration = Duration::from_secs(10);
pub const RESYNC: Duration = Duration::from_secs(60);
const UNSEEN: Duration = Duration::from_secs(9);

/// A moment in what the engine does, at which others may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The API is asked, and its answer arrives.
    Ask,
    Hear,
    /// The tables are read, and the answer arrives.
    Read,
    Got,
    /// A statement of a transaction.
    Write,
    /// Its COMMIT, and the answer to that.
    Commit,
    Done,
}

impl Point {
    pub const WORDS: [(&'static str, Self); 7] = [
        ("ask", Self::Ask),
        ("hear", Self::Hear),
        ("read", Self::Read),
        ("got", Self::Got),
        ("write", Self::Write),
        ("commit", Self::Commit),
        ("done", Self::Done),
    ];
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// It fails, and may succeed later.
    Foul,
    /// It is refused.
    Refused,
}

/// `at write 3: ...`: what happens at the third such point from now on.
#[derive(Debug, Clone)]
pub struct Trap {
    pub point: Point,
    pub left: u32,
    pub what: String,
}

/// What a controller can know.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// Its look-ups: of whom, begun when, answered when.
    pub looks: Vec<(VmId, Duration, Duration)>,
    /// Since when it has been at the tables without a pause in which it could have taken an answer, and
    /// until when.
    pub busy: (Duration, Duration),
}

impl Knowledge {
    pub fn heard(&mut self, of: &[VmId], begun: Duration, now: Duration) {
        self.looks.extend(of.iter().map(|vm| (*vm, begun, now)));
    }

    pub fn is_busy(&mut self, from: Duration, upto: Duration) {
        if from > self.busy.1 {
            self.busy.0 = from;
        }
        self.busy.1 = self.busy.1.max(upto);
    }

    /// When the latest look at a VM began that it has surely taken: nothing older counts from then on.
    pub fn latest(&self, vm: VmId) -> Option<Duration> {
        let taken = self.looks.iter().filter(|(of, _, heard)| *of == vm && *heard < self.busy.0);
        taken.map(|(_, begun, _)| *begun).max()
    }
}

/// How much has happened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Happened {
    /// Lines of histories, those of traps included.
    pub acts: u64,
    /// Requests, statements, and answers to them.
    pub steps: u64,
    pub commits: u64,
    /// Transactions that did not commit, or of which nobody heard that they did.
    pub conflicts: u64,
    pub fenced: u64,
    pub failed: u64,
    pub lost: u64,
    /// Entries of held sets that were approved.
    pub held: u64,
}

impl Happened {
    pub fn add(&mut self, other: &Self) {
        let Self { acts, steps, commits, conflicts, fenced, failed, lost, held } = *other;
        self.acts += acts;
        self.steps += steps;
        self.commits += commits;
        self.conflicts += conflicts;
        self.fenced += fenced;
        self.failed += failed;
        self.lost += lost;
        self.held += held;
    }
}

/// A controller.
pub struct Slot {
    pub tenure: mpsc::Sender<Tenure>,
    pub deliveries: mpsc::Sender<Delivery>,
    pub engine: JoinHandle<()>,
}

/// What there is, and what has happened.
pub struct Scene {
    pub cloud: Cloud,
    pub state: State,
    pub next_row: u64,
    pub locks: BTreeMap<Lock, u64>,
    pub transactions: u64,
    /// Edits that wait for a lock.
    pub waiting: Vec<String>,
    pub traps: Vec<Trap>,
    pub slots: Vec<Slot>,
    pub holder: usize,
    pub started: Instant,
    /// What was wanted, since when.
    pub wanted: Vec<(Duration, BTreeSet<Wanted>)>,
    /// When an account's network domain or a zone came or went last: who knows of it, nobody can tell.
    pub unsettled: Option<Duration>,
    pub knowledge: BTreeMap<u64, Knowledge>,
    pub engines: u64,
    pub losses: Losses,
    /// The first promise that was broken.
    pub broken: Option<String>,
    pub happened: Happened,
    pub trace: Vec<String>,
}

impl Scene {
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let at = self.now().as_millis();
        self.trace.push(format!("{at:>7} {}", line()));
    }

    /// Notes that a controller has been at the tables since then.
    pub fn busy(&mut self, engine: u64, since: Duration) {
        let now = self.now();
        self.knowledge.entry(engine).or_default().is_busy(since, now);
    }

    /// Notes what is wanted now.
    pub fn watch(&mut self) {
        let now = self.now();
        let none = BTreeSet::new();
        let before = self.wanted.last().map_or(&none, |(_, wanted)| wanted);
        let wanted = naive::wanted(&self.cloud, &self.state, before, now);
        if self.wanted.last().is_none_or(|(_, before)| *before != wanted) {
            self.wanted.push((now, wanted));
        }
    }

    pub fn breaks(&mut self, what: String) {
        self.tell(|| format!("BROKEN: {what}"));
        self.broken.get_or_insert(what);
    }

    /// One line of a history; false: it has to wait for a lock.
    pub fn act(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = self.now();
        match words[0] {
            "vm" => self.cloud.set_vm(&words[1..]),
            "destroy" | "recover" => {
                let state = if words[0] == "destroy" { VmState::Destroyed } else { VmState::Live };
                if let Some(guest) = self.cloud.guest(words[1]) {
                    guest.vm.state = state;
                }
            }
            "expunge" => {
                if let Some(guest) = self.cloud.guest(words[1]) {
                    guest.expunged.get_or_insert(now);
                }
            }
            "vanish" => {
                for guest in self.cloud.guests.values_mut() {
                    guest.expunged.get_or_insert(now);
                }
            }
            // Never so long that two listings could see it, nor again before one must have seen the VM.
            "unseen" => {
                if let Some(guest) = self
                    .cloud
                    .guest(words[1])
                    .filter(|guest| guest.unseen_until.is_zero() || now > guest.unseen_until + 4 * RESYNC)
                {
                    guest.unseen_until = now + UNSEEN;
                }
            }
            "account" => match words[2] {
                "hidden" => _ = self.cloud.hidden.insert(words[1].to_owned()),
                "listed" => _ = self.cloud.hidden.remove(words[1]),
                suffix => {
                    self.unsettled = Some(now);
                    let suffix = (suffix != "-").then(|| super::text::name(suffix));
                    self.cloud.accounts.insert(words[1].to_owned(), suffix);
                }
            },
            "tell" | "tell-gone" => {
                let said_gone = words[0] == "tell-gone";
                let id = super::cloud::id(words[1].parse().unwrap());
                if let Some(guest) = self.cloud.guest(words[1]) {
                    guest.told = true;
                    guest.told_gone |= said_gone;
                } else if said_gone {
                    self.cloud.foretold.insert(id);
                }
                self.deliver(Arrival::Marks(vec![Mark::Vm { id, said_gone }]));
            }
            "tell-account" => {
                let id = super::cloud::account_id(words[1]);
                self.deliver(Arrival::Marks(vec![Mark::Account { id, said_gone: false }]));
            }
            "resync" => self.deliver(Arrival::Marks(vec![Mark::Resync])),
            "assigned" => self.deliver(Arrival::Assigned),
            "approve" => {
                let sets: Vec<HeldSet> = self.state.entries.values().filter_map(|entry| entry.held).collect();
                self.happened.held += sets.len() as u64;
                self.state.approvals.extend(sets.into_iter().map(|set| (set, now)));
            }
            word => {
                if word.ends_with("zone") {
                    self.unsettled = Some(now);
                }
                let (state, locks, next) = (&mut self.state, &self.locks, &mut self.next_row);
                if !state.edit(&words, next, |lock| locks.contains_key(&lock)) {
                    self.waiting.push(line.to_owned());
                    return false;
                }
            }
        }
        self.watch();
        true
    }

    pub fn deliver(&mut self, arrival: Arrival) {
        let (delivery, _) = Delivery::new(arrival);
        // A full channel is a lost event.
        let _ = self.slots[self.holder].deliveries.try_send(delivery);
    }

    /// The lease goes to another controller.
    pub fn grant(&mut self, to: usize, told: bool) -> bool {
        if self.locks.contains_key(&Lock::Owner) {
            return false;
        }
        self.state.epoch += 1;
        let before = std::mem::replace(&mut self.holder, to);
        if told && before != to {
            let _ = self.slots[before].tenure.try_send(Tenure::Lost);
        }
        let lease = Lease::sample(self.state.epoch);
        let _ = self.slots[to].tenure.try_send(Tenure::Held(lease));
        self.deliver(Arrival::Assigned);
        true
    }

    /// A transaction has ended: those who waited for its locks go on.
    pub fn unlock(&mut self, transaction: u64) {
        self.locks.retain(|_, holder| *holder != transaction);
    }

    /// Sets nobody any more trap.
    pub fn calm(&mut self) {
        self.traps.clear();
    }

    /// Whether no promise is broken, and both controllers live.
    pub fn sound(&mut self) -> Result<(), String> {
        match self.broken.take() {
            Some(broken) => Err(broken),
            None if self.slots.iter().any(|slot| slot.engine.is_finished()) => {
                Err("a controller has ended by itself".to_owned())
            }
            None => Ok(()),
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.state.entries.values()
    }
}
