//! The board: every name and every VM that is not as desired, and the pulse. Written after COMMIT,
//! read by HTTP while it changes; a reader sees each name whole, not all names at one instant.

use super::{Held, Pass, Pulse, Role, Spans, ZoneLine, counts::Counts};
use crate::model::{Kind, LeftBehind, Outcome, OwnerName, Rejection, VmId};
use dashmap::DashMap;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// How one claim, or one entry without a claim, stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The VM; none where only rows and entries are left.
    pub vm: Option<VmId>,
    /// Why it wants the name.
    pub kind: Kind,
    /// How it stands: a word of few values.
    pub word: &'static str,
    /// The particulars, for an operator.
    pub detail: String,
}

impl Standing {
    /// From a decision's outcome.
    pub fn new(vm: Option<VmId>, kind: Kind, outcome: &Outcome, detail: String) -> Self {
        Self { vm, kind, word: outcome.word(), detail }
    }
}

/// How a name stands that is not as desired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameState {
    /// In the order of their rank.
    pub standings: Vec<Standing>,
}

/// Everything that is not as desired, and the pulse.
#[derive(Debug)]
pub struct Board {
    names: DashMap<OwnerName, NameState>,
    rejections: DashMap<VmId, Vec<Rejection>>,
    left_behind: RwLock<Vec<LeftBehind>>,
    pulse: RwLock<Pulse>,
    spans: RwLock<Spans>,
    zones: RwLock<Arc<[ZoneLine]>>,
    unadopted: AtomicU64,
    counts: Mutex<Counts>,
}

/// Who walks the whole board holds one part of it at a time: with 100 000 names on it some 1500, for a
/// millisecond or two.
const PARTS: usize = 64;

impl Board {
    /// An empty board.
    pub fn new(now: Instant) -> Self {
        Self {
            names: DashMap::with_shard_amount(PARTS),
            rejections: DashMap::with_shard_amount(PARTS),
            left_behind: RwLock::default(),
            pulse: RwLock::new(Pulse::new(now)),
            spans: RwLock::default(),
            zones: RwLock::default(),
            unadopted: AtomicU64::new(0),
            counts: Mutex::default(),
        }
    }

    /// How the claims at a name stand that are not served; none takes the name off the board.
    pub fn set_name(&self, name: OwnerName, standings: Vec<Standing>) {
        if standings.is_empty() {
            self.clear_name(&name);
            return;
        }
        let state = NameState { standings };
        let mut counts = self.counting();
        if let Some(before) = self.names.get(&name) {
            counts.name(&name, &before, false);
        }
        counts.name(&name, &state, true);
        self.names.insert(name, state);
    }

    /// The name is as desired.
    pub fn clear_name(&self, name: &OwnerName) {
        if let Some((name, before)) = self.names.remove(name) {
            self.counting().name(&name, &before, false);
        }
    }

    /// Names are another process's business from now on: what is known of them here grows stale.
    pub fn clear_names(&self) {
        self.counting().clear_names();
        self.names.clear();
    }

    /// What a VM cannot have; nothing takes it off the board.
    pub fn set_rejections(&self, vm: VmId, rejections: Vec<Rejection>) {
        if rejections.is_empty() {
            self.clear_vm(vm);
            return;
        }
        let mut counts = self.counting();
        counts.vm(&rejections, true);
        if let Some(before) = self.rejections.insert(vm, rejections) {
            counts.vm(&before, false);
        }
    }

    /// The rows that stand though their claims have ended, since an operator had edited them.
    pub fn set_left_behind(&self, rows: Vec<LeftBehind>) {
        *self.left_behind.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    /// How many of them there are.
    pub fn left_behind_total(&self) -> usize {
        self.left_behind.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many of them there are, and the first `most`.
    pub fn first_left_behind(&self, most: usize) -> (usize, Vec<LeftBehind>) {
        let rows = self.left_behind.read().unwrap_or_else(PoisonError::into_inner);
        (rows.len(), rows.iter().take(most).cloned().collect())
    }

    /// The VM is gone.
    pub fn clear_vm(&self, vm: VmId) {
        if let Some((_, before)) = self.rejections.remove(&vm) {
            self.counting().vm(&before, false);
        }
    }

    /// The zones as they were just read; by them claims are counted.
    pub fn set_zones(&self, zones: Vec<ZoneLine>) {
        let mut counts = self.counting();
        counts.set_zones(zones.iter().map(|zone| zone.name.clone()).collect());
        *self.zones.write().unwrap_or_else(PoisonError::into_inner) = zones.into();
        for item in &self.names {
            counts.name(item.key(), item.value(), true);
        }
    }

    /// How many records of ours each zone has; the empty text is no zone.
    pub fn set_records(&self, records: BTreeMap<String, u64>) {
        self.counting().records = records;
    }

    /// See [`Board::set_records`].
    pub fn records(&self) -> BTreeMap<String, u64> {
        self.counting().records.clone()
    }

    fn counting(&self) -> MutexGuard<'_, Counts> {
        // Nothing in it panics; numbers would be all that is wrong.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a name stands; none if it is as desired.
    pub fn name(&self, name: &OwnerName) -> Option<NameState> {
        self.names.get(name).map(|state| state.clone())
    }

    /// What a VM cannot have.
    pub fn rejections(&self, vm: VmId) -> Vec<Rejection> {
        self.rejections.get(&vm).map(|list| list.clone()).unwrap_or_default()
    }

    /// The role, as just seen: call it at each renewal and each look at the lease.
    pub fn set_role(&self, role: Role, now: Instant) {
        self.change(|pulse| pulse.set_role(role, now));
    }

    /// What the loss budget holds back.
    pub fn set_held(&self, held: Held) {
        self.change(|pulse| pulse.held = held);
    }

    /// A pass begins. Each ends with [`Board::note_pass`], whatever becomes of it; without the pair
    /// health takes it for hanging. Also an attempt to connect is one.
    pub fn begin_pass(&self, pass: Pass, now: Instant) {
        self.change(|pulse| pulse.begin(now));
        self.spans_now().begin(pass, now);
    }

    /// A pass that began has ended.
    pub fn note_pass(&self, pass: Pass, now: Instant, result: Result<(), String>) {
        self.spans_now().end(pass, now, result.is_ok());
        self.change(|pulse| pulse.end(pass, now, result));
    }

    /// A pass that began was given up on purpose.
    pub fn give_up_pass(&self, pass: Pass, now: Instant) {
        self.change(|pulse| pulse.give_up(now));
        self.spans_now().give_up(pass);
    }

    /// How long the last passes took.
    pub fn spans(&self) -> Spans {
        self.spans.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The zones, in the order in which they were read.
    pub fn zones(&self) -> Arc<[ZoneLine]> {
        Arc::clone(&self.zones.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The pulse now.
    pub fn pulse(&self) -> Pulse {
        self.pulse.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many rows of the older service nobody had taken over at the last start.
    pub fn set_unadopted(&self, rows: u64) {
        self.unadopted.store(rows, Ordering::Relaxed);
    }

    /// See [`Board::set_unadopted`].
    pub fn unadopted(&self) -> u64 {
        self.unadopted.load(Ordering::Relaxed)
    }

    /// Shows every name that is not as desired, in no order.
    pub fn each_name(&self, mut show: impl FnMut(&OwnerName, &NameState)) {
        for item in &self.names {
            show(item.key(), item.value());
        }
    }

    /// Shows everything that VMs cannot have, in no order.
    pub fn each_rejection(&self, mut show: impl FnMut(VmId, &Rejection)) {
        for vm in &self.rejections {
            for rejection in vm.value() {
                show(*vm.key(), rejection);
            }
        }
    }

    /// How many claims stand how, by word.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counting().by_word()
    }

    /// How many claims stand how, by zone and word; the empty text is no zone.
    pub fn zone_counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.counting().by_zone()
    }

    /// How many claims wait for their zone.
    pub fn pending(&self) -> u64 {
        self.counting().pending()
    }

    /// How many claims were rejected for which reason.
    pub fn rejection_counts(&self) -> BTreeMap<&'static str, u64> {
        self.counting().by_reason()
    }

    /// How many names are on the board, and the first `most` of them in order.
    pub fn first_names(&self, most: usize) -> (usize, Vec<(OwnerName, NameState)>) {
        first(self.names.iter().map(|item| item.key().clone()).collect(), most, |name| self.name(name))
    }

    /// How many VMs have rejections, and the first `most` of them in order.
    pub fn first_rejections(&self, most: usize) -> (usize, Vec<(VmId, Vec<Rejection>)>) {
        first(self.rejections.iter().map(|item| *item.key()).collect(), most, |vm| {
            self.rejections.get(vm).map(|list| list.clone())
        })
    }

    fn spans_now(&self) -> RwLockWriteGuard<'_, Spans> {
        self.spans.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Pulse)) {
        // Every change is an assignment: a panicking writer leaves nothing half done.
        change(&mut self.pulse.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Keys are taken first and values afterwards, so that no lock is held over a whole walk; what has
/// gone meanwhile is left out.
fn first<K: Ord, V>(mut keys: Vec<K>, most: usize, get: impl Fn(&K) -> Option<V>) -> (usize, Vec<(K, V)>) {
    let total = keys.len();
    keys.sort_unstable();
    keys.truncate(most);
    let pairs = keys.into_iter().filter_map(|key| get(&key).map(|value| (key, value))).collect();
    (total, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn waiting() -> Standing {
        let vm = VmId::from_u128(1);
        Standing::new(Some(vm), Kind::Name, &Outcome::Waiting { holder: None }, "held by nobody".into())
    }

    #[test]
    fn a_name_without_standings_leaves_the_board() {
        let board = Board::new(Instant::now());
        board.set_name(name("a.example.org"), vec![waiting()]);
        assert_eq!(board.counts(), BTreeMap::from([("waiting", 1)]));
        board.set_name(name("a.example.org"), Vec::new());
        assert!(board.counts().is_empty() && board.name(&name("a.example.org")).is_none());
    }

    #[test]
    fn numbers_follow_every_change_and_every_zone() {
        let board = Board::new(Instant::now());
        let zones = |zones: &[&str]| {
            board.set_zones(zones.iter().map(|zone| ZoneLine::plain(1, name(zone))).collect());
        };
        let by_zone = || -> Vec<(String, u64)> {
            board.zone_counts().into_iter().map(|((zone, _), count)| (zone, count)).collect()
        };
        zones(&["example.org"]);
        board.set_name(name("a.example.org"), vec![waiting()]);
        board.set_name(name("a.b.example.org"), vec![waiting(), waiting()]);
        board.set_name(name("elsewhere.net"), vec![waiting()]);
        assert_eq!(by_zone(), [(String::new(), 1), ("example.org".into(), 3)]);
        zones(&["example.org", "b.example.org"]);
        board.set_name(name("a.b.example.org"), vec![waiting()]);
        board.set_name(name("elsewhere.net"), Vec::new());
        assert_eq!(by_zone(), [("b.example.org".into(), 1), ("example.org".into(), 1)]);
        assert_eq!(board.counts(), BTreeMap::from([("waiting", 2)]));
        board.clear_names();
        assert!(
            board.counts().is_empty() && by_zone().is_empty() && board.name(&name("a.example.org")).is_none()
        );
        board.set_name(name("a.example.org"), vec![waiting()]);
        assert_eq!(by_zone(), [("example.org".into(), 1)]);

        let rejected = |reason, pending| Rejection {
            kind: Kind::Name,
            name: "x".into(),
            pending,
            reason,
            detail: String::new(),
        };
        let vm = VmId::from_u128;
        board.set_rejections(vm(1), vec![rejected("no zone", true), rejected("bad name", false)]);
        board.set_rejections(vm(2), vec![rejected("no zone", true)]);
        assert_eq!(
            (board.pending(), board.rejection_counts()),
            (2, [("bad name", 1), ("no zone", 2)].into())
        );
        board.set_rejections(vm(1), vec![rejected("bad name", false)]);
        board.clear_vm(vm(2));
        assert_eq!((board.pending(), board.rejection_counts()), (0, [("bad name", 1)].into()));
    }

    #[test]
    fn lists_are_sorted_and_bounded() {
        let board = Board::new(Instant::now());
        for text in ["c.example.org", "a.example.org", "b.example.org"] {
            board.set_name(name(text), vec![waiting()]);
        }
        let (total, list) = board.first_names(2);
        assert_eq!(total, 3);
        assert_eq!(
            list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["a.example.org", "b.example.org"]
        );
    }
}
