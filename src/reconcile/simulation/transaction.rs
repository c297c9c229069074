//! A transaction of the model: sees what is committed and its own changes, and locks what it touches.

use super::{
    promises,
    scene::{Point, Scene, Weather},
    stage::Stage,
    tables::{Key, Lock, State, key},
};
use crate::{
    model::{
        Content, Ending, Entry, EntryPut, NewRow, OwnedRow, OwnerId, OwnerName, RecordId, RecordType,
        Reorder, Row, Serial, SerialTime, SoaContent, Ttl, ZoneId, ZoneName, Zones,
    },
    powerdns::{DbError, Lines, Transaction, WriteError},
};
use std::{collections::BTreeSet, time::Duration};

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

pub fn trouble() -> DbError {
    DbError::Timeout { server: "simulated".into(), what: "simulating", after: Duration::from_secs(3) }
}

pub fn refused() -> DbError {
    DbError::Answer { what: "simulating", lacks: "what it must have" }
}

pub fn fair(weather: Weather) -> Result<(), DbError> {
    match weather {
        Weather::Fair => Ok(()),
        Weather::Foul => Err(trouble()),
        Weather::Refused => Err(refused()),
    }
}

pub fn rows_of(state: &State, names: &BTreeSet<&OwnerName>) -> Vec<Row> {
    state.rows.values().filter(|row| names.contains(&row.name)).cloned().collect()
}

pub fn entries_of(state: &State, names: &BTreeSet<&OwnerName>) -> Vec<Entry> {
    state.entries.values().filter(|entry| names.contains(&entry.name)).cloned().collect()
}

/// A transaction under way. Rolls back when dropped.
pub struct Open {
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
    pub fn begin(stage: &Stage, engine: u64) -> Self {
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

    pub fn commit(mut self, epoch: u64) {
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
