//! Child tasks: they read, and hand over what they read. None touches the inventory.

use crate::{
    cloudstack::{ApiError, Client, VmListing},
    model::{Complete, Entry, OwnerName, Owners, ReadSeq, Row, Vm, VmId, ZoneId, Zones},
    powerdns::{DbError, Reader},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
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
        answer: Result<Vec<(VmId, Option<Vm>)>, ApiError>,
    },
    /// All owners.
    Owners(Result<Complete<Owners>, ApiError>),
    /// All zones, and the names deep inside those that asked for it.
    Zones(Result<ZonesRead, DbError>),
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
        /// For the VMs to look up, and whether the ledger is to be read.
        next: oneshot::Sender<Next>,
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
    /// A resync, or an audit alone, was read to its end.
    Audited {
        /// When its listing began.
        listing: ReadSeq,
        /// Which of the two.
        scope: Scope,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// Which of the two.
        scope: Scope,
    },
}

/// What a resync is to do once its listing is complete.
pub struct Next {
    /// VMs to look up.
    pub lacking: Vec<VmId>,
    /// Read the ledger, too: only who may write needs to.
    pub audit: bool,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Resync,
    /// The ledger alone: a standby that takes over knows the rest.
    Audit,
}

/// Zones, and the names deep inside some of them.
pub type ZonesRead = (Zones, Vec<(ZoneId, Vec<OwnerName>)>);

/// What made a resync fail.
pub enum Failure {
    /// The API.
    Api(ApiError),
    /// The database.
    Db(DbError),
}

/// The child tasks, and where their notes arrive.
pub struct Tasks {
    client: Client,
    reader: Reader,
    notes: mpsc::Sender<Note>,
    /// Where notes arrive. Bounded: a reader waits for the engine, never the other way round.
    pub inbox: mpsc::Receiver<Note>,
    running: JoinSet<()>,
    /// Look-ups, readings of owners and of zones under way.
    pub looks: usize,
    /// Owners are being read.
    pub owners: bool,
    /// Zones are being read.
    pub zones: bool,
}

impl Tasks {
    /// No task yet.
    pub fn new(client: Client, reader: Reader) -> Self {
        // 16 notes of at most 1000 items: a few MB at the most.
        let (notes, inbox) = mpsc::channel(16);
        Self { client, reader, notes, inbox, running: JoinSet::new(), looks: 0, owners: false, zones: false }
    }

    /// Whether nothing is under way but perhaps a resync.
    pub fn is_idle(&self) -> bool {
        self.looks == 0 && !self.owners && !self.zones && self.inbox.is_empty()
    }

    /// Ends all tasks: they only read.
    pub async fn stop(&mut self) {
        self.running.shutdown().await;
    }

    /// Asks about VMs.
    pub fn look(&mut self, asked: Vec<(VmId, bool)>, read: ReadSeq) {
        let (client, notes) = (self.client.clone(), self.notes.clone());
        self.looks += 1;
        self.reap();
        self.running.spawn(async move {
            let ids: Vec<VmId> = asked.iter().map(|(id, _)| *id).collect();
            let answer = client.look_up(&ids).await;
            let _ = notes.send(Note::Looked { asked, read, answer }).await;
        });
    }

    /// Reads the owners.
    pub fn read_owners(&mut self) {
        let (client, notes) = (self.client.clone(), self.notes.clone());
        self.owners = true;
        self.reap();
        self.running.spawn(async move {
            let _ = notes.send(Note::Owners(client.owners().await)).await;
        });
    }

    /// Reads the zones, and the names deep inside these.
    pub fn read_zones(&mut self, deep: Vec<ZoneId>) {
        let (reader, notes) = (self.reader.clone(), self.notes.clone());
        self.zones = true;
        self.reap();
        self.running.spawn(async move {
            let _ = notes.send(Note::Zones(zones(&reader, |id| deep.contains(&id)).await)).await;
        });
    }

    /// Reads everything: owners, zones, VMs and, if the engine then says so, the ledger.
    pub fn resync(&mut self, listing: ReadSeq) {
        let (client, reader, notes) = (self.client.clone(), self.reader.clone(), self.notes.clone());
        self.reap();
        self.running.spawn(async move {
            let ended = resync(&client, &reader, &notes, listing).await;
            let _ = notes.send(note(ended, listing, Scope::Resync)).await;
        });
    }

    /// Reads the ledger alone.
    pub fn audit(&mut self, listing: ReadSeq) {
        let (reader, notes) = (self.reader.clone(), self.notes.clone());
        self.reap();
        self.running.spawn(async move {
            let ended = audit(&reader, &notes).await;
            let _ = notes.send(note(ended, listing, Scope::Audit)).await;
        });
    }

    fn reap(&mut self) {
        while self.running.try_join_next().is_some() {}
    }
}

async fn zones(reader: &Reader, deep: impl Fn(ZoneId) -> bool) -> Result<ZonesRead, DbError> {
    let zones = reader.zones().await?;
    let mut names = Vec::new();
    for zone in
        zones.iter().filter(|zone| deep(zone.id) && !zone.name.is_arpa() && zone.unwritable().is_none())
    {
        names.push((zone.id, reader.deep_names(zone).await?));
    }
    Ok((zones, names))
}

fn note(ended: Result<(), Failure>, listing: ReadSeq, scope: Scope) -> Note {
    match ended {
        Ok(()) => Note::Audited { listing, scope },
        Err(failure) => Note::Failed { failure, scope },
    }
}

async fn resync(
    client: &Client,
    reader: &Reader,
    notes: &mpsc::Sender<Note>,
    read: ReadSeq,
) -> Result<(), Failure> {
    let owners = client.owners().await.map_err(Failure::Api)?;
    let _ = notes.send(Note::Owners(Ok(owners))).await;
    let zones = zones(reader, |_| true).await.map_err(Failure::Db)?;
    let _ = notes.send(Note::Zones(Ok(zones))).await;
    let mut listing = list(client, notes, read).await?;
    if listing.get().moved {
        // Read once more at most: a busy cloud's listing always moves. What was known and is lacking
        // is looked up by id; what is new has its events, and the next resync.
        listing = list(client, notes, read).await?;
    }
    let (next, wanted) = oneshot::channel();
    let _ = notes.send(Note::Listed { read, listing, next }).await;
    let Ok(Next { mut lacking, audit: wanted }) = wanted.await else { return Ok(()) };
    lacking.truncate(LOOKUPS);
    for ids in lacking.chunks(200) {
        let answer = client.look_up(ids).await.map_err(Failure::Api)?;
        let _ = notes.send(Note::Lacking { listing: read, answer }).await;
    }
    if wanted { audit(reader, notes).await } else { Ok(()) }
}

async fn audit(reader: &Reader, notes: &mpsc::Sender<Note>) -> Result<(), Failure> {
    let (entries, mut chunks) = mpsc::channel(4);
    let forward = async {
        while let Some(chunk) = chunks.recv().await {
            let _ = notes.send(Note::Entries(chunk)).await;
        }
    };
    let (summary, ()) = tokio::join!(reader.audit(entries), forward);
    summary.map(drop).map_err(Failure::Db)
}

async fn list(
    client: &Client,
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
