//! The engine: one task that owns what is known and what is dirty.

use super::{
    adopt::AdoptSettings,
    audit::Audit,
    complaint::Complaint,
    deep::Deep,
    error::EngineError,
    held::Held,
    heritage::Heritage,
    journal::Journal,
    losses::PendingLosses,
    report::Report,
    servers::{Api, Tables},
    settle::{Overlay, Settler},
    show::Resynced,
    tally::Tally,
    tasks::Tasks,
    world::World,
};
use crate::{
    cloudstack::Client,
    desired,
    metrics::Metrics,
    model::{OwnerName, ReadSeq, Serial, Subject, ZoneId},
    observe::{Board, Question},
    plan,
    powerdns::{Database, Lease},
    queue::{DirtyNames, DirtyVms, Moment, Priority, Resync},
    trigger::Delivery,
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Serve until told to end.
    Serve,
    /// One full pass: ends when nothing is left to do.
    Converge,
    /// Like [`Aim::Converge`], but nothing is written.
    Plan,
    /// Read as for a plan, then take rows over instead of settling names (`adopt`).
    Adopt,
}

/// How often things happen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the run is for.
    pub aim: Aim,
    /// Claims.
    pub desired: desired::Settings,
    /// Decisions.
    pub plan: plan::Settings,
    /// What [`Aim::Adopt`] takes.
    pub adopt: Option<AdoptSettings>,
    /// Also report rows that no VM explains ([`Aim::Plan`]).
    pub unexplained: bool,
    /// Also explain this ([`Aim::Plan`]).
    pub explain: Option<Subject>,
    /// Time between full resyncs.
    pub resync_interval: Duration,
    /// Shortest time between full resyncs, and between two listings that prove an absence.
    pub resync_min_interval: Duration,
}

/// What the engine is put together from.
pub struct Parts<A = Client, T = Database> {
    /// The API.
    pub client: A,
    /// The database.
    pub database: T,
    /// For HTTP to read.
    pub board: Arc<Board>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Marks from events; closed where there are none.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// The lease, as it comes and goes.
    pub tenure: mpsc::Receiver<super::Tenure>,
    /// What HTTP is asked to explain.
    pub questions: mpsc::Receiver<Question>,
}

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state machine")]
pub struct Engine<A: Api = Client, T: Tables = Database> {
    pub(super) settings: Settings,
    pub(super) world: World,
    pub(super) settler: Settler<T::Reader>,
    pub(super) writer: Option<(T::Writer, Lease)>,
    /// The cloud that the key sees and that this owner id is bound to.
    pub(super) bound: Option<String>,
    /// The cloud that the key sees.
    pub(super) cloud: Option<String>,
    pub(super) bind_not_before: Moment,
    pub(super) vms: DirtyVms,
    pub(super) names: DirtyNames,
    pub(super) resync: Resync,
    pub(super) audit: Option<Audit>,
    /// When the latest listings began, to tell how far two of them are apart.
    pub(super) listings: Vec<(ReadSeq, Moment)>,
    /// The latest one, unless it was given up: what comes of that is not listened to.
    pub(super) listing: Option<ReadSeq>,
    /// Kafka partitions were assigned since the lease was taken.
    pub(super) assigned: bool,
    /// A complete listing was read.
    pub(super) listed: bool,
    /// An audit has ended since the lease was taken.
    pub(super) audited: bool,
    /// How many proofs of absence each resync that ended well has left open; of a controller that serves, the
    /// last three.
    pub(super) open_proofs: Vec<usize>,
    /// The serial of each zone, and when we wrote it.
    pub(super) serials: HashMap<ZoneId, (Serial, Moment)>,
    /// Zones whose serial somebody has overwritten with one lower than what we wrote within the hour.
    pub(super) lowered: BTreeSet<ZoneId>,
    pub(super) losses: PendingLosses,
    pub(super) held: Held,
    /// How many records were owned before the pass that the budget weighs (design 12); none between passes.
    pub(super) owned_before: Option<u64>,
    /// When zones and serials are to be read next, and when the latest reading of them began.
    pub(super) zones_due: Moment,
    pub(super) zones_begun: Moment,
    pub(super) owners_wanted: bool,
    /// When the reading began whose owners are known.
    pub(super) owners_read: ReadSeq,
    /// No sooner than this, after a reading that failed.
    pub(super) owners_due: Moment,
    /// Why the settling under way fails, if it does.
    pub(super) settle_failure: Option<String>,
    /// How often in a row the database itself, not a name, has made settling fail, and until when nothing is
    /// tried for that: names back off one by one, which would ask as often as there are names.
    pub(super) db_failures: u32,
    pub(super) settle_due: Moment,
    pub(super) failed_resyncs: u32,
    pub(super) first_failure: Option<Moment>,
    /// Why the last resync of a one-shot run failed, until one succeeds.
    pub(super) last_failure: Option<EngineError>,
    pub(super) unsettled: HashMap<OwnerName, u32>,
    /// What stands by rows of others was told since the lease was taken.
    pub(super) surveyed: bool,
    /// What the older service's table says, and the names that have entries: for [`Aim::Adopt`].
    pub(super) heritage: Option<Heritage>,
    pub(super) with_entries: BTreeSet<OwnerName>,
    pub(super) report: Report,
    pub(super) tally: Tally,
    pub(super) journal: Journal,
    pub(super) owners_trouble: Complaint,
    pub(super) zones_trouble: Complaint,
    /// The resync of which the log has not told yet what it has come to.
    pub(super) resynced: Option<Resynced>,
    /// When the numbers that take some work to know were last shown.
    pub(super) gauged: Option<Moment>,
    pub(super) tasks: Tasks<A, T::Reader>,
    pub(super) database: T,
    pub(super) board: Arc<Board>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) deliveries: mpsc::Receiver<Delivery>,
    pub(super) tenure: mpsc::Receiver<super::Tenure>,
    pub(super) questions: mpsc::Receiver<Question>,
    started: Instant,
    /// For jitter.
    pub(super) dice: u64,
}

/// How long one-shot verbs wait for servers that are down (design 12).
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Zones and serials are read at least this often (design 3).
pub(super) const ZONES_EVERY: Duration = Duration::from_secs(30);

/// A reading of zones or owners that failed is done again no sooner.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

impl<A: Api, T: Tables> Engine<A, T> {
    /// Puts the engine together.
    pub fn new(settings: Settings, parts: Parts<A, T>) -> Self {
        let Parts { client, database, board, metrics, deliveries, tenure, questions } = parts;
        let interval = u64::try_from(settings.resync_interval.as_millis()).unwrap_or(u64::MAX);
        metrics.passes.resync_interval_millis.set(interval);
        let settler = Settler {
            reader: database.reader(),
            settings: settings.plan.clone(),
            deep: Deep::default(),
            overlay: Overlay::default(),
            approved: HashSet::new(),
            metrics: Arc::clone(&metrics),
        };
        Self {
            world: World::new(settings.desired.clone()),
            settler,
            writer: None,
            bound: None,
            cloud: None,
            bind_not_before: Moment::default(),
            vms: DirtyVms::new(),
            names: DirtyNames::new(),
            resync: Resync::new(settings.resync_interval, settings.resync_min_interval),
            audit: None,
            listings: Vec::new(),
            listing: None,
            assigned: false,
            listed: false,
            audited: false,
            open_proofs: Vec::new(),
            serials: HashMap::new(),
            lowered: BTreeSet::new(),
            losses: PendingLosses::default(),
            held: Held::default(),
            owned_before: None,
            zones_due: Moment::default(),
            zones_begun: Moment::default(),
            owners_wanted: false,
            owners_read: ReadSeq::default(),
            owners_due: Moment::default(),
            settle_failure: None,
            db_failures: 0,
            settle_due: Moment::default(),
            failed_resyncs: 0,
            first_failure: None,
            last_failure: None,
            unsettled: HashMap::new(),
            surveyed: false,
            heritage: None,
            with_entries: BTreeSet::new(),
            report: Report::default(),
            tally: Tally::default(),
            journal: Journal::default(),
            owners_trouble: Complaint::default(),
            zones_trouble: Complaint::default(),
            resynced: None,
            gauged: None,
            tasks: Tasks::new(client, database.reader(), Arc::clone(&metrics)),
            database,
            board,
            metrics,
            deliveries,
            tenure,
            questions,
            started: Instant::now(),
            dice: u64::from(std::process::id()) | 1,
            settings,
        }
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> Moment {
        Moment::at(self.started.elapsed())
    }

    /// A number for jitter (xorshift): it only has to differ from process to process.
    pub(super) fn roll(&mut self) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        u32::try_from(self.dice >> 32).unwrap_or_default()
    }

    /// Nothing is decided before the first complete listing; nothing is written without the lease, or
    /// before the owner id is bound to this cloud.
    pub(super) fn may_settle(&self) -> bool {
        let bound = self.settings.aim == Aim::Plan || self.bound.is_some();
        let work = !(self.names.is_empty() && self.losses.is_empty());
        self.listed && bound && self.may_write() && work && self.now() >= self.settle_due
    }

    /// Marks a name, if this process is to settle names at all.
    pub(super) fn mark(&mut self, name: &OwnerName, priority: Priority) {
        if !self.may_write() || self.settings.aim == Aim::Adopt {
            return;
        }
        let zone = self.world.zones.enclosing(name.as_str()).map_or(0, |zone| zone.id);
        let now = self.now();
        self.names.mark(name, zone, priority, now);
    }
}
