//! Child tasks: they read, and hand over what they read. None touches the inventory.

use super::{
    deep::Whole,
    servers::{Api, Reads},
};
use crate::{
    cloudstack::{ApiError, Looked, VmListing},
    metrics::{Metrics, chain},
    model::{Complete, Entry, LeftBehind, Owners, ReadSeq, Row, Vm, VmId, Zone, ZoneId, Zones},
    powerdns::DbError,
};
use std::{collections::HashSet, sync::Arc, time::Instant};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time,
};

/// Look-ups a pass at most, beyond those that events ask for: absence that is not proved yet is held.
pub const LOOKUPS: usize = 5000;

/// What was read.
pub enum Note {
    /// Answers about these VMs.
    Looked {
        /// Who was asked about, and what an event had said of it.
        asked: Vec<(VmId, bool)>,
        /// When the read began.
        read: ReadSeq,
        /// The answer.
        answer: Result<Looked, ApiError>,
    },
    /// All owners.
    Owners {
        /// When the read began.
        read: ReadSeq,
        /// The answer.
        answer: Result<Complete<Owners>, ApiError>,
    },
    /// All zones, and the names deep inside those that asked for it.
    Zones(Result<ReadZones, DbError>),
    /// The names deep inside zones.
    Deep(Vec<(ZoneId, Whole)>),
    /// Rows that were left behind and still stand.
    LeftBehind(Result<Vec<LeftBehind>, DbError>),
    /// A page of a listing.
    Page {
        /// When the listing began.
        read: ReadSeq,
        /// Its VMs.
        vms: Vec<Vm>,
    },
    /// A listing was read to its end; the answer names the VMs that it lacks.
    Listed {
        /// When it began.
        read: ReadSeq,
        /// The proof.
        listing: Complete<VmListing>,
        /// When the API had given it.
        ended: time::Instant,
        /// For the VMs to look up.
        lacking: oneshot::Sender<Vec<VmId>>,
    },
    /// What look-ups say of the VMs that a listing lacks.
    Lacking {
        /// When the listing began.
        listing: ReadSeq,
        /// The answer.
        answer: Vec<(VmId, Option<Vm>)>,
    },
    /// A part of the ledger with its rows.
    Entries(Vec<(Entry, Option<Row>)>),
    /// Rows of the older service that are nobody's: how many, and the first of them.
    Surveyed(Result<(u64, Vec<String>), DbError>),
    /// The resync was read to its end.
    Audited {
        /// When its listing began.
        listing: ReadSeq,
    },
    /// The resync failed.
    Failed {
        /// When its listing began.
        listing: ReadSeq,
        /// Why.
        failure: Failure,
    },
}

/// Zones, and the names deep inside some of them.
pub type ReadZones = (Zones, Vec<(ZoneId, Whole)>);

/// What made a resync fail.
pub enum Failure {
    /// The API.
    Api(ApiError),
    /// The database.
    Db(DbError),
}

/// The child tasks, and where their notes arrive.
pub struct Tasks<A, R> {
    client: A,
    reader: R,
    metrics: Arc<Metrics>,
    notes: mpsc::Sender<Note>,
    /// Where notes arrive. Bounded: a reader waits for the engine, never the other way round.
    pub inbox: mpsc::Receiver<Note>,
    running: JoinSet<()>,
    resync: Option<AbortHandle>,
    /// Look-ups under way.
    pub looks: usize,
    /// Owners are being read, beside any resync.
    pub owners: Option<ReadSeq>,
    /// Zones are being read.
    pub zones: bool,
    /// What was left behind is being read.
    pub left_behind: bool,
}

impl<A: Api, R: Reads> Tasks<A, R> {
    /// No task yet.
    pub fn new(client: A, reader: R, metrics: Arc<Metrics>) -> Self {
        // 16 notes of at most 1000 items: a few MB at the most.
        let (notes, inbox) = mpsc::channel(16);
        Self {
            client,
            reader,
            metrics,
            notes,
            inbox,
            running: JoinSet::new(),
            resync: None,
            looks: 0,
            owners: None,
            zones: false,
            left_behind: false,
        }
    }

    /// Whether nothing is under way but perhaps a resync.
    pub fn is_idle(&self) -> bool {
        self.looks == 0 && self.owners.is_none() && !self.zones && self.inbox.is_empty()
    }

    /// Ends all tasks: they only read.
    pub async fn stop(&mut self) {
        self.running.shutdown().await;
    }

    /// Asks about VMs.
    pub fn look(&mut self, asked: Vec<(VmId, bool)>, read: ReadSeq) {
        let (client, notes, metrics) = (self.client.clone(), self.notes.clone(), Arc::clone(&self.metrics));
        self.looks += 1;
        self.reap();
        self.running.spawn(async move {
            let ids: Vec<VmId> = asked.iter().map(|(id, _)| *id).collect();
            let begun = Instant::now();
            let answer = client.look_up(&ids).await;
            metrics.passes.phases.of("look").add_since(begun);
            let _ = notes.send(Note::Looked { asked, read, answer }).await;
        });
    }

    /// Reads the owners.
    pub fn read_owners(&mut self, read: ReadSeq) {
        let (client, notes) = (self.client.clone(), self.notes.clone());
        self.owners = Some(read);
        self.reap();
        self.running.spawn(async move {
            let answer = client.owners().await;
            let _ = notes.send(Note::Owners { read, answer }).await;
        });
    }

    /// Reads the zones, and the names deep inside those that are new.
    pub fn read_zones(&mut self, known: HashSet<ZoneId>) {
        let (reader, notes) = (self.reader.clone(), self.notes.clone());
        self.zones = true;
        self.reap();
        self.running.spawn(async move {
            let _ = notes.send(Note::Zones(zones(&reader, |id| !known.contains(&id)).await)).await;
        });
    }

    /// Reads what was left behind, unless that is under way: each resync does it again.
    pub fn read_left_behind(&mut self) {
        if std::mem::replace(&mut self.left_behind, true) {
            return;
        }
        let (reader, notes) = (self.reader.clone(), self.notes.clone());
        self.reap();
        self.running.spawn(async move {
            let _ = notes.send(Note::LeftBehind(reader.left_behind().await)).await;
        });
    }

    /// Looks for rows of the older service that are nobody's.
    pub fn survey(&mut self) {
        let (reader, notes) = (self.reader.clone(), self.notes.clone());
        self.reap();
        self.running.spawn(async move {
            let _ = notes.send(Note::Surveyed(super::survey::unadopted(reader).await)).await;
        });
    }

    /// Reads everything: owners, zones, VMs, the names deep inside the zones but those that are `fresh`, and,
    /// with `audit`, the ledger. `strict`: a look-up that fails for one VM alone fails all of it, since nobody
    /// will ask again.
    pub fn resync(&mut self, listing: ReadSeq, fresh: HashSet<ZoneId>, audit: bool, strict: bool) {
        let metrics = Arc::clone(&self.metrics);
        let (client, reader, notes) = (self.client.clone(), self.reader.clone(), self.notes.clone());
        self.reap();
        self.resync = Some(self.running.spawn(async move {
            let note = match resync(&client, &reader, &notes, &metrics, listing, &fresh, audit, strict).await
            {
                Ok(()) => Note::Audited { listing },
                Err(failure) => Note::Failed { listing, failure },
            };
            let _ = notes.send(note).await;
        }));
    }

    /// Gives up the resync under way; a note of it may still arrive.
    pub fn abort_resync(&mut self) {
        if let Some(resync) = self.resync.take() {
            resync.abort();
        }
    }

    fn reap(&mut self) {
        while self.running.try_join_next().is_some() {}
    }
}

/// All zones, and the names deep inside those that `deep` chooses.
pub(super) async fn zones(reader: &impl Reads, deep: impl Fn(ZoneId) -> bool) -> Result<ReadZones, DbError> {
    let zones = reader.zones().await?;
    let chosen: Vec<Zone> = zones.iter().filter(|zone| deep(zone.id)).cloned().collect();
    let names = deep_names(reader, &chosen).await?;
    Ok((zones, names))
}

/// The names deep inside those of the zones that may be written.
async fn deep_names(reader: &impl Reads, zones: &[Zone]) -> Result<Vec<(ZoneId, Whole)>, DbError> {
    let mut names = Vec::new();
    for zone in zones.iter().filter(|zone| zone.unwritable().is_none()) {
        let read = reader.deep_names(&[(zone, None)]).await?;
        names.extend(read.iter().map(|read| (zone.id, Whole::from(read))));
    }
    Ok(names)
}

#[expect(clippy::too_many_arguments, reason = "what one task takes along")]
async fn resync(
    client: &impl Api,
    reader: &impl Reads,
    notes: &mpsc::Sender<Note>,
    metrics: &Metrics,
    read: ReadSeq,
    fresh: &HashSet<ZoneId>,
    audit: bool,
    strict: bool,
) -> Result<(), Failure> {
    let phases = &metrics.passes.phases;
    let begun = Instant::now();
    let owners = client.owners().await;
    phases.of("owners").add_since(begun);
    let owners = owners.map_err(Failure::Api)?;
    let _ = notes.send(Note::Owners { read, answer: Ok(owners) }).await;
    let begun = Instant::now();
    let zones = reader.zones().await.map_err(Failure::Db)?;
    phases.of("zones").add_since(begun);
    let stale: Vec<Zone> = zones.iter().filter(|zone| !fresh.contains(&zone.id)).cloned().collect();
    let _ = notes.send(Note::Zones(Ok((zones, Vec::new())))).await;
    let begun = Instant::now();
    let mut listing = list(client, notes, read).await?;
    if listing.get().moved {
        // Read once more at most: a busy cloud's listing always moves. What was known and is lacking
        // is looked up by id; what is new has its events, and the next resync.
        listing = list(client, notes, read).await?;
    }
    let ended = time::Instant::now();
    phases.of("list").add_since(begun);
    // Last of what must be known before anything is settled: where the lease comes meanwhile, all begins anew.
    let begun = Instant::now();
    let names = deep_names(reader, &stale).await.map_err(Failure::Db)?;
    phases.of("zones").add_since(begun);
    let _ = notes.send(Note::Deep(names)).await;
    let (lacking, wanted) = oneshot::channel();
    let _ = notes.send(Note::Listed { read, listing, ended, lacking }).await;
    let mut wanted = wanted.await.unwrap_or_default();
    wanted.truncate(LOOKUPS);
    let begun = Instant::now();
    for ids in wanted.chunks(200) {
        let mut looked = client.look_up(ids).await.map_err(Failure::Api)?;
        if let Some((vm, error)) = looked.failed.pop() {
            if strict {
                return Err(Failure::Api(error));
            }
            let (error, others) = (chain(&error), looked.failed.len());
            tracing::warn!(%vm, others, %error, "a look-up fails for this VM: its absence stays unproved");
        }
        let _ = notes.send(Note::Lacking { listing: read, answer: looked.found }).await;
    }
    phases.of("look").add_since(begun);
    if !audit {
        return Ok(());
    }
    let begun = Instant::now();
    let (entries, mut chunks) = mpsc::channel(4);
    let forward = async {
        while let Some(chunk) = chunks.recv().await {
            let _ = notes.send(Note::Entries(chunk)).await;
        }
    };
    let (summary, ()) = tokio::join!(reader.audit(entries), forward);
    phases.of("audit").add_since(begun);
    summary.map_err(Failure::Db)?;
    Ok(())
}

async fn list(
    client: &impl Api,
    notes: &mpsc::Sender<Note>,
    read: ReadSeq,
) -> Result<Complete<VmListing>, Failure> {
    let (pages, mut arrived) = mpsc::channel(2);
    let forward = async {
        while let Some(vms) = arrived.recv().await {
            let _ = notes.send(Note::Page { read, vms }).await;
        }
    };
    let (listing, ()) = tokio::join!(client.list_vms(pages), forward);
    listing.map_err(Failure::Api)
}
