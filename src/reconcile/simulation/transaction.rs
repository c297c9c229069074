//! The PowerDNS database as a model: what is read is committed, what a transaction writes is seen by
//! itself alone, what it has touched waits for nobody else.

use super::{
    cloud::CLOUD,
    promises,
    stage::{Point, Scene, Stage, Weather},
    tables::{Key, Lock, State, key},
};
use crate::{
    model::{
        Batch, Complete, Content, Ending, Entry, EntryPut, HeldSet, LeftBehind, Mapping, NewRow, OwnedRow,
        OwnerId, OwnerName, RecordId, RecordType, Reorder, Row, Serial, SerialTime, SoaContent, Ttl, VmId,
        Zone, ZoneId, ZoneName, Zones,
    },
    powerdns::{
        Approval, AuditSummary, Bound, Committed, DbError, DeepNames, HistoryLine, Lease, Lines, NameRows,
        Transaction, WriteError, carry_out,
    },
    reconcile::servers::{Reads, Tables, Writes},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::mpsc::Sender;

/// Reads, and leads to the rest.
#[derive(Clone)]
pub struct TablesModel(pub Stage, pub u64);

/// Writes for one epoch.
#[derive(Clone)]
pub struct WriterModel {
    stage: Stage,
    engine: u64,
    epoch: u64,
}

/// One change, as it is made to whatever is committed by then.
#[derive(Debug, Clone)]
pub enum Change {
    Delete(RecordId),
    Retime(RecordId, Ttl),
    Insert(Row),
    Reorder(RecordId, bool, Option<Box<str>>),
    End(Key),
    Put(Entry),
    Use(u64),
    Serial(ZoneId, ZoneName, SoaContent),
}

impl Change {
    pub fn make(&self, state: &mut State, now: Duration) {
        match self {
            Self::Delete(id) => _ = state.rows.remove(id),
            Self::Retime(id, ttl) => state.rows.get_mut(id).unwrap().ttl = Some(*ttl),
            Self::Insert(row) => _ = state.rows.insert(row.id, row.clone()),
            Self::Reorder(id, auth, ordername) => {
                let row = state.rows.get_mut(id).unwrap();
                (row.auth, row.ordername) = (Some(*auth), ordername.clone());
            }
            Self::End(key) => _ = state.entries.remove(key),
            Self::Put(entry) => _ = state.entries.insert(key(entry), entry.clone()),
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            Self::Use(losses) => state.used = (state.used(now) + *losses as f64, now),
            Self::Serial(zone, apex, soa) => {
                let id = state.soa(*zone).unwrap().0;
                state.rows.get_mut(&id).unwrap().content = Content::Raw(soa.as_str().into());
                state.wrote.insert(*zone, (apex.clone(), soa.serial(), now));
            }
        }
    }
}

fn trouble() -> DbError {
    DbError::Timeout { server: "simulated".into(), what: "simulating", after: Duration::from_secs(3) }
}

fn refused() -> DbError {
    DbError::Answer { what: "simulating", lacks: "what it must have" }
}

fn fair(weather: Weather) -> Result<(), DbError> {
    match weather {
        Weather::Fair => Ok(()),
        Weather::Foul => Err(trouble()),
        Weather::Refused => Err(refused()),
    }
}

impl TablesModel {
    /// One statement that reads.
    async fn read<T>(&self, what: &str, look: impl FnOnce(&State, Duration) -> T) -> Result<T, DbError> {
        let begun = self.0.lock().now();
        let weather = self.0.call(Point::Read, what).await;
        let answer = {
            let scene = self.0.lock();
            look(&scene.state, scene.now())
        };
        let weather = if weather == Weather::Fair { self.0.call(Point::Got, what).await } else { weather };
        self.0.lock().busy(self.1, begun);
        fair(weather).map(|()| answer)
    }
}

fn rows_of(state: &State, names: &BTreeSet<&OwnerName>) -> Vec<Row> {
    state.rows.values().filter(|row| names.contains(&row.name)).cloned().collect()
}

fn entries_of(state: &State, names: &BTreeSet<&OwnerName>) -> Vec<Entry> {
    state.entries.values().filter(|entry| names.contains(&entry.name)).cloned().collect()
}

impl Reads for TablesModel {
    async fn zones(&self) -> Result<Zones, DbError> {
        self.read("zones", State::read_zones).await
    }

    async fn names_and_around(&self, names: &[OwnerName], around: &[OwnerName]) -> Result<NameRows, DbError> {
        let here: BTreeSet<&OwnerName> = names.iter().collect();
        let both: BTreeSet<&OwnerName> = names.iter().chain(around).collect();
        let entries = self.read("entries", |state, _| entries_of(state, &here)).await?;
        let rows = self.read("rows", |state, _| rows_of(state, &both)).await?;
        let equal = |entry: &Entry, row: &Row| {
            (entry.zone, &entry.name, &entry.rtype, &entry.content)
                == (row.zone, &row.name, &row.rtype, &row.content)
        };
        let strays: Vec<RecordId> = (entries.iter())
            .filter(|entry| !rows.iter().any(|row| equal(entry, row)))
            .map(|entry| entry.record)
            .collect();
        if strays.is_empty() {
            return Ok(NameRows::new(rows, entries, vec![]));
        }
        let strays = self.read("strays", |state, _| {
            strays.iter().filter_map(|id| state.rows.get(id)).cloned().collect::<Vec<Row>>()
        });
        let strays = strays.await?;
        Ok(NameRows::new(rows, entries, strays))
    }

    async fn deep_names(&self, zones: &[(&Zone, Option<u64>)]) -> Result<Vec<DeepNames>, DbError> {
        let of = |state: &State, zone: &Zone, since: Option<u64>| {
            let rows = || state.rows.values().filter(|row| row.zone == zone.id);
            let octets = |row: &Row| {
                row.name.is_arpa()
                    && row
                        .name
                        .as_str()
                        .split('.')
                        .all(|label| matches!(label, "in-addr" | "arpa") || label.parse::<u8>().is_ok())
            };
            let deep = |row: &&Row| {
                row.rtype != RecordType::Ent
                    && row.id > since.unwrap_or(0)
                    && row.name.depth() >= zone.name.depth() + 2
                    && !octets(row)
            };
            let names: BTreeSet<OwnerName> = rows().filter(deep).map(|row| row.name.clone()).collect();
            let upto = rows().map(|row| row.id).max().unwrap_or(0);
            DeepNames { names: names.into_iter().collect(), upto }
        };
        let all = |state: &State, _| zones.iter().map(|(zone, since)| of(state, zone, *since)).collect();
        self.read("deep names", all).await
    }

    /// What one statement sees, in chunks.
    async fn audit(&self, out: Sender<Vec<(Entry, Option<Row>)>>) -> Result<Complete<AuditSummary>, DbError> {
        let all: Vec<(Entry, Option<Row>)> = self
            .read("audit", |state, _| {
                let with_row = |entry: &Entry| (entry.clone(), state.rows.get(&entry.record).cloned());
                state.entries.values().map(with_row).collect()
            })
            .await?;
        for chunk in all.chunks(4) {
            out.send(chunk.to_vec()).await.map_err(|_| DbError::AuditStopped)?;
            fair(self.0.call(Point::Got, "audit").await)?;
        }
        Ok(Complete::attest(AuditSummary { entries: all.len() as u64, ..AuditSummary::default() }))
    }

    async fn published(&self, zone: &Zone) -> Result<Vec<Row>, DbError> {
        let of = |row: &&Row| row.zone == zone.id && !row.disabled;
        self.read("published", |state, _| state.rows.values().filter(of).cloned().collect()).await
    }

    async fn owned_count(&self) -> Result<u64, DbError> {
        self.read("owned", |state, _| state.entries.len() as u64).await
    }

    async fn bound_cloud(&self) -> Result<Option<String>, DbError> {
        self.read("cloud", |state, _| state.bound.clone()).await
    }

    async fn budget(&self) -> Result<f64, DbError> {
        self.read("budget", State::used).await
    }

    async fn approvals(&self) -> Result<Vec<Approval>, DbError> {
        self.read("approvals", |state, now| {
            let approval = |(set, at): (&HeldSet, &Duration)| Approval {
                set: *set,
                old: now > *at + Duration::from_secs(3600),
            };
            state.approvals.iter().map(approval).collect()
        })
        .await
    }

    async fn left_behind(&self) -> Result<Vec<LeftBehind>, DbError> {
        self.read("left behind", |_, _| vec![]).await
    }

    async fn history(&self, _: &OwnerName) -> Result<Vec<HistoryLine>, DbError> {
        self.read("history", |_, _| vec![]).await
    }

    async fn names_of_vm(&self, _: VmId) -> Result<Vec<OwnerName>, DbError> {
        self.read("names of a VM", |_, _| vec![]).await
    }

    async fn mapping(&self) -> Result<Option<Mapping>, DbError> {
        self.read("mapping", |_, _| None).await
    }
}

impl Tables for TablesModel {
    type Reader = Self;
    type Writer = WriterModel;

    fn reader(&self) -> Self {
        self.clone()
    }

    fn writer(&self, lease: &Lease) -> WriterModel {
        WriterModel { stage: self.0.clone(), engine: self.1, epoch: lease.epoch() }
    }

    async fn bind_cloud(&self, lease: &Lease, cloud: &str) -> Result<Bound, DbError> {
        fair(self.0.call(Point::Write, "bind").await)?;
        let bound = {
            let mut scene = self.0.lock();
            assert_eq!(cloud, CLOUD.to_string());
            if scene.state.bound.is_some() {
                Bound::Same
            } else if scene.state.epoch == lease.epoch() {
                scene.state.bound = Some(cloud.to_owned());
                Bound::New
            } else {
                return Err(refused());
            }
        };
        fair(self.0.call(Point::Done, "bind").await)?;
        Ok(bound)
    }
}

impl Writes for WriterModel {
    async fn commit(&self, batch: &Batch, zones: &Zones) -> Result<Committed, WriteError> {
        let begun = self.stage.lock().now();
        let weather = self.stage.call(Point::Write, "begin").await;
        self.stage.lock().busy(self.engine, begun);
        fair(weather)?;
        let mut transaction = Open::begin(&self.stage, self.engine);
        let owner: OwnerId = "default".into();
        let done = carry_out(&mut transaction, &owner, self.epoch, batch, zones).await;
        let done = done.inspect_err(|error| self.note(error))?;
        let begun = self.stage.lock().now();
        let answer = fair(self.stage.call(Point::Commit, "commit").await).map_err(WriteError::Retry);
        self.stage.lock().busy(self.engine, begun);
        answer.inspect_err(|error| self.note(error))?;
        transaction.commit(self.epoch);
        let begun = self.stage.lock().now();
        let answer = fair(self.stage.call(Point::Done, "committed").await).map_err(WriteError::Retry);
        self.stage.lock().busy(self.engine, begun);
        answer.inspect_err(|_| self.stage.lock().happened.lost += 1)?;
        Ok(done)
    }

    async fn withdraw(&self, set: HeldSet) -> Result<(), DbError> {
        let begun = self.stage.lock().now();
        let weather = self.stage.call(Point::Write, "withdraw").await;
        self.stage.lock().busy(self.engine, begun);
        fair(weather)?;
        self.stage.lock().state.approvals.remove(&set);
        fair(self.stage.call(Point::Done, "withdraw").await)
    }
}

impl WriterModel {
    fn note(&self, error: &WriteError) {
        let mut scene = self.stage.lock();
        scene.tell(|| format!("      {error:?}"));
        *match error {
            WriteError::Conflict(_) | WriteError::Zones(_) => &mut scene.happened.conflicts,
            WriteError::Fenced => &mut scene.happened.fenced,
            WriteError::Retry(_) | WriteError::Db(_) => &mut scene.happened.failed,
        } += 1;
    }
}

/// A transaction under way. Rolls back when dropped.
struct Open {
    stage: Stage,
    engine: u64,
    id: u64,
    changes: Vec<Change>,
    /// The rows and entries of others as the re-read saw them.
    base: Option<State>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stage.lock().unlock(self.id);
        self.stage.wake();
    }
}

impl Open {
    fn begin(stage: &Stage, engine: u64) -> Self {
        let mut scene = stage.lock();
        scene.transactions += 1;
        Self { stage: stage.clone(), engine, id: scene.transactions, changes: vec![], base: None }
    }

    /// One statement: sees what is committed and its own changes.
    async fn statement<T>(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut Self, &mut Scene, &State) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let stage = self.stage.clone();
        let begun = stage.lock().now();
        let weather = stage.call(Point::Write, what).await;
        let mut scene = stage.lock();
        scene.busy(self.engine, begun);
        fair(weather)?;
        let now = scene.now();
        let mut view = scene.state.clone();
        self.changes.iter().for_each(|change| change.make(&mut view, now));
        work(self, &mut scene, &view)
    }

    /// Waits for nobody: who is in the way for 3 s makes a time-out.
    fn take(&self, scene: &mut Scene, lock: Lock) -> Result<(), WriteError> {
        match *scene.locks.entry(lock).or_insert(self.id) {
            holder if holder == self.id => Ok(()),
            _ => Err(WriteError::Retry(trouble())),
        }
    }

    /// The row that a guard finds.
    fn guarded(&self, scene: &mut Scene, view: &State, owned: &OwnedRow) -> Result<RecordId, WriteError> {
        let row = owned.row();
        let found = view.rows.get(&row.id).is_some_and(|now| {
            (now.zone, &now.name, &now.rtype, &now.content, now.ttl, now.disabled)
                == (row.zone, &row.name, &row.rtype, &row.content, row.ttl, false)
        });
        if !found {
            return Err(WriteError::Conflict(format!("{} {} is not as it was seen", row.name, row.content)));
        }
        self.take(scene, Lock::Row(row.id))?;
        Ok(row.id)
    }

    fn commit(mut self, epoch: u64) {
        let stage = self.stage.clone();
        let mut scene = stage.lock();
        let (before, now) = (scene.state.clone(), scene.now());
        for change in std::mem::take(&mut self.changes) {
            scene.tell(|| format!("      {change:?}"));
            change.make(&mut scene.state, now);
            self.changes.push(change);
        }
        scene.happened.commits += 1;
        scene.watch();
        let base = self.base.take().unwrap_or_else(|| before.clone());
        if let Err(broken) = promises::check(&mut scene, &before, &base, &self.changes, (self.engine, epoch))
        {
            scene.breaks(broken);
        }
    }
}

impl Transaction for Open {
    async fn delete(&mut self, rows: &[OwnedRow]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.statement("delete", |open, scene, view| {
            for owned in rows {
                let id = open.guarded(scene, view, owned)?;
                open.changes.push(Change::Delete(id));
            }
            Ok(())
        })
        .await
    }

    async fn retime(&mut self, rows: &[(OwnedRow, Ttl)]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.statement("retime", |open, scene, view| {
            for (owned, ttl) in rows {
                let id = open.guarded(scene, view, owned)?;
                open.changes.push(Change::Retime(id, *ttl));
            }
            Ok(())
        })
        .await
    }

    async fn delete_ents(&mut self, ents: &[Reorder]) -> Result<(), WriteError> {
        if ents.is_empty() {
            return Ok(());
        }
        self.statement("delete ents", |open, scene, view| {
            for ent in ents {
                let found = view.rows.get(&ent.id).is_some_and(|row| row.rtype == RecordType::Ent);
                if !found {
                    return Err(WriteError::Conflict(format!("{} is none any more", ent.name)));
                }
                open.take(scene, Lock::Row(ent.id))?;
                open.changes.push(Change::Delete(ent.id));
            }
            Ok(())
        })
        .await
    }

    async fn insert(&mut self, rows: &[NewRow]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.statement("insert", |open, scene, _| {
            for new in rows {
                scene.next_row += 1;
                let ent = new.rtype == RecordType::Ent;
                let row = Row {
                    id: scene.next_row,
                    zone: new.zone,
                    name: new.name.clone(),
                    rtype: new.rtype.clone(),
                    content: if ent { Content::Raw("".into()) } else { new.content.clone() },
                    ttl: (!ent).then_some(new.ttl),
                    disabled: false,
                    auth: Some(new.auth),
                    ordername: new.ordername.clone(),
                };
                open.take(scene, Lock::Row(row.id))?;
                open.changes.push(Change::Insert(row));
            }
            Ok(())
        })
        .await
    }

    async fn reorder(&mut self, rows: &[Reorder]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.statement("reorder", |open, scene, view| {
            for row in rows {
                if view.rows.get(&row.id).is_none_or(|now| now.name != row.name || now.zone != row.zone) {
                    return Err(WriteError::Conflict(format!("{} has been replaced", row.name)));
                }
                open.take(scene, Lock::Row(row.id))?;
                open.changes.push(Change::Reorder(row.id, row.auth, row.ordername.clone()));
            }
            Ok(())
        })
        .await
    }

    async fn lock(&mut self, names: &[OwnerName], _: &OwnerId) -> Result<(Vec<Row>, Lines), WriteError> {
        let names: BTreeSet<&OwnerName> = names.iter().collect();
        let rows = self.statement("read rows again", |open, scene, view| {
            open.base = Some(scene.state.clone());
            let rows = rows_of(view, &names);
            rows.iter().try_for_each(|row| open.take(scene, Lock::Row(row.id)))?;
            Ok(rows)
        });
        let rows = rows.await?;
        let lines = self.statement("read entries again", |open, scene, view| {
            let entries = entries_of(view, &names);
            entries.iter().try_for_each(|entry| open.take(scene, Lock::Entry(key(entry))))?;
            if let Some(base) = &mut open.base {
                base.entries.clone_from(&scene.state.entries);
            }
            Ok(Lines { entries, unreadable: vec![] })
        });
        Ok((rows, lines.await?))
    }

    async fn end(&mut self, endings: &[Ending]) -> Result<(), WriteError> {
        if endings.is_empty() {
            return Ok(());
        }
        self.statement("end", |open, scene, view| {
            for Ending { entry, .. } in endings {
                if !view.entries.contains_key(&key(entry)) {
                    return Err(WriteError::Conflict(format!("an entry of {} is gone", entry.name)));
                }
                open.take(scene, Lock::Entry(key(entry)))?;
                open.changes.push(Change::End(key(entry)));
            }
            Ok(())
        })
        .await
    }

    async fn put(
        &mut self,
        _: &OwnerId,
        puts: &[EntryPut],
        ids: &[RecordId],
        known: &[bool],
    ) -> Result<(), WriteError> {
        if puts.is_empty() {
            return Ok(());
        }
        self.statement("put", |open, scene, view| {
            for ((put, id), known) in puts.iter().zip(ids).zip(known) {
                let entry = Entry { record: *id, ..put.entry.clone() };
                if !known && view.entries.contains_key(&key(&entry)) {
                    return Err(WriteError::Conflict(format!("an entry of {} has been added", entry.name)));
                }
                open.take(scene, Lock::Entry(key(&entry)))?;
                open.changes.push(Change::Put(entry));
            }
            Ok(())
        })
        .await
    }

    async fn use_budget(&mut self, _: &OwnerId, losses: u64) -> Result<(), WriteError> {
        self.statement("use budget", |open, _, _| {
            open.changes.push(Change::Use(losses));
            Ok(())
        })
        .await
    }

    async fn bump(
        &mut self,
        changed: &[ZoneId],
        lowered: &[ZoneId],
        zones: &Zones,
    ) -> Result<Vec<(ZoneId, Serial)>, WriteError> {
        let ids: BTreeSet<ZoneId> = changed.iter().chain(lowered).copied().collect();
        let mut serials = vec![];
        for id in ids {
            let moved = self.statement("serial", |open, scene, view| {
                let known = zones.with_id(id).ok_or_else(|| WriteError::Zones("an unknown zone".into()))?;
                let soa = view.soa(id).filter(|_| view.zones.get(&id) == Some(&known.name));
                let (row, soa) = soa.ok_or_else(|| WriteError::Zones(format!("{} is gone", known.name)))?;
                open.take(scene, Lock::Row(row))?;
                let floor = view.floor(&known.name, scene.now());
                if !changed.contains(&id) && floor.is_none_or(|floor| !floor.is_after(soa.serial())) {
                    return Ok(None);
                }
                // Serials count on, so that an operator's small steps back are steps back.
                let time = SerialTime { today: 0, week_day: 0, seconds: 0 };
                let moved = soa.moved(known.serial_kind, time, floor);
                let serial = moved.serial();
                open.changes.push(Change::Serial(id, known.name.clone(), moved));
                Ok(Some((id, serial)))
            });
            serials.extend(moved.await?);
        }
        Ok(serials)
    }

    async fn fence(&mut self, _: &OwnerId, epoch: u64) -> Result<bool, WriteError> {
        self.statement("fence", |open, scene, view| {
            open.take(scene, Lock::Owner)?;
            Ok(view.epoch == epoch)
        })
        .await
    }
}
