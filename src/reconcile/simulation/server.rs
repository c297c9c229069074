//! The PowerDNS database as a model: what is read is committed. What is written is a
//! [`transaction`](super::transaction).

use super::{
    cloud::CLOUD,
    scene::{Point, Weather},
    stage::Stage,
    tables::State,
    transaction::{Open, entries_of, fair, refused, rows_of},
};
use crate::{
    model::{
        Batch, Complete, Entry, HeldSet, LeftBehind, Mapping, OwnerId, OwnerName, RecordId, RecordType, Row,
        VmId, Zone, Zones,
    },
    powerdns::{
        Approval, AuditSummary, Bound, Committed, DbError, DeepNames, HistoryLine, Lease, NameRows,
        WriteError, carry_out,
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
