//! What the engine asks of its servers, and no more: a simulation can stand in for them, with a clock and
//! faults of its own.

use crate::{
    cloudstack::{ApiError, Client, Looked, VmListing},
    model::{
        Batch, Complete, Entry, HeldSet, LeftBehind, Mapping, OwnerName, Owners, Row, Vm, VmId, Zone, Zones,
    },
    powerdns::{
        Approval, AuditSummary, Bound, Committed, Database, DbError, DeepNames, HistoryLine, Lease, NameRows,
        Reader, WriteError, Writer,
    },
};
use std::future::Future;
use tokio::sync::mpsc::Sender;

/// CloudStack's API: see [`Client`].
pub trait Api: Clone + Send + Sync + 'static {
    /// Asks about VMs by their ids.
    fn look_up(&self, ids: &[VmId]) -> impl Future<Output = Result<Looked, ApiError>> + Send;
    /// Lists accounts, domains and projects.
    fn owners(&self) -> impl Future<Output = Result<Complete<Owners>, ApiError>> + Send;
    /// Lists VMs, page by page.
    fn list_vms(
        &self,
        pages: Sender<Vec<Vm>>,
    ) -> impl Future<Output = Result<Complete<VmListing>, ApiError>> + Send;
}

/// What is read of the PowerDNS database: see [`Reader`].
pub trait Reads: Clone + Send + Sync + 'static {
    /// All zones.
    fn zones(&self) -> impl Future<Output = Result<Zones, DbError>> + Send;
    /// Rows and entries at names, and the rows at those around them.
    fn names_and_around(
        &self,
        names: &[OwnerName],
        around: &[OwnerName],
    ) -> impl Future<Output = Result<NameRows, DbError>> + Send;
    /// Names deep inside each of some zones, of rows above an id.
    fn deep_names(
        &self,
        zones: &[(&Zone, Option<u64>)],
    ) -> impl Future<Output = Result<Vec<DeepNames>, DbError>> + Send;
    /// The ledger with its rows.
    fn audit(
        &self,
        out: Sender<Vec<(Entry, Option<Row>)>>,
    ) -> impl Future<Output = Result<Complete<AuditSummary>, DbError>> + Send;
    /// What a zone publishes.
    fn published(&self, zone: &Zone) -> impl Future<Output = Result<Vec<Row>, DbError>> + Send;
    /// How many entries are ours.
    fn owned_count(&self) -> impl Future<Output = Result<u64, DbError>> + Send;
    /// The cloud that the owner id is bound to.
    fn bound_cloud(&self) -> impl Future<Output = Result<Option<String>, DbError>> + Send;
    /// What is used of the budget.
    fn budget(&self) -> impl Future<Output = Result<f64, DbError>> + Send;
    /// What was approved.
    fn approvals(&self) -> impl Future<Output = Result<Vec<Approval>, DbError>> + Send;
    /// Rows that were left behind.
    fn left_behind(&self) -> impl Future<Output = Result<Vec<LeftBehind>, DbError>> + Send;
    /// What ended at a name.
    fn history(&self, name: &OwnerName) -> impl Future<Output = Result<Vec<HistoryLine>, DbError>> + Send;
    /// The names at which a VM has entries, or had some.
    fn names_of_vm(&self, vm: VmId) -> impl Future<Output = Result<Vec<OwnerName>, DbError>> + Send;
    /// The older service's table.
    fn mapping(&self) -> impl Future<Output = Result<Option<Mapping>, DbError>> + Send;
}

/// What is written to it: see [`Writer`].
pub trait Writes: Clone + Send + Sync + 'static {
    /// Runs a batch as one transaction.
    fn commit(
        &self,
        batch: &Batch,
        zones: &Zones,
    ) -> impl Future<Output = Result<Committed, WriteError>> + Send;
    /// Forgets an approval.
    fn withdraw(&self, set: HeldSet) -> impl Future<Output = Result<(), DbError>> + Send;
}

/// The ways to reading and writing: see [`Database`].
pub trait Tables: Clone + Send + Sync + 'static {
    /// What reads.
    type Reader: Reads;
    /// What writes.
    type Writer: Writes;
    /// For everybody.
    fn reader(&self) -> Self::Reader;
    /// For the holder of the lease.
    fn writer(&self, lease: &Lease) -> Self::Writer;
    /// Binds the owner id to a cloud.
    fn bind_cloud(&self, lease: &Lease, cloud: &str) -> impl Future<Output = Result<Bound, DbError>> + Send;
}

impl Api for Client {
    async fn look_up(&self, ids: &[VmId]) -> Result<Looked, ApiError> {
        Self::look_up(self, ids).await
    }
    async fn owners(&self) -> Result<Complete<Owners>, ApiError> {
        Self::owners(self).await
    }
    async fn list_vms(&self, pages: Sender<Vec<Vm>>) -> Result<Complete<VmListing>, ApiError> {
        Self::list_vms(self, pages).await
    }
}

impl Reads for Reader {
    async fn zones(&self) -> Result<Zones, DbError> {
        Self::zones(self).await
    }
    async fn names_and_around(&self, names: &[OwnerName], around: &[OwnerName]) -> Result<NameRows, DbError> {
        Self::names_and_around(self, names, around).await
    }
    async fn deep_names(&self, zones: &[(&Zone, Option<u64>)]) -> Result<Vec<DeepNames>, DbError> {
        Self::deep_names(self, zones).await
    }
    async fn audit(&self, out: Sender<Vec<(Entry, Option<Row>)>>) -> Result<Complete<AuditSummary>, DbError> {
        Self::audit(self, out).await
    }
    async fn published(&self, zone: &Zone) -> Result<Vec<Row>, DbError> {
        Self::published(self, zone).await
    }
    async fn owned_count(&self) -> Result<u64, DbError> {
        Self::owned_count(self).await
    }
    async fn bound_cloud(&self) -> Result<Option<String>, DbError> {
        Self::bound_cloud(self).await
    }
    async fn budget(&self) -> Result<f64, DbError> {
        Self::budget(self).await
    }
    async fn approvals(&self) -> Result<Vec<Approval>, DbError> {
        Self::approvals(self).await
    }
    async fn left_behind(&self) -> Result<Vec<LeftBehind>, DbError> {
        Self::left_behind(self).await
    }
    async fn history(&self, name: &OwnerName) -> Result<Vec<HistoryLine>, DbError> {
        Self::history(self, name).await
    }
    async fn names_of_vm(&self, vm: VmId) -> Result<Vec<OwnerName>, DbError> {
        Self::names_of_vm(self, vm).await
    }
    async fn mapping(&self) -> Result<Option<Mapping>, DbError> {
        Self::mapping(self).await
    }
}

impl Writes for Writer {
    async fn commit(&self, batch: &Batch, zones: &Zones) -> Result<Committed, WriteError> {
        Self::commit(self, batch, zones).await
    }
    async fn withdraw(&self, set: HeldSet) -> Result<(), DbError> {
        Self::withdraw(self, set).await
    }
}

impl Tables for Database {
    type Reader = Reader;
    type Writer = Writer;
    fn reader(&self) -> Reader {
        Self::reader(self)
    }
    fn writer(&self, lease: &Lease) -> Writer {
        Self::writer(self, lease)
    }
    async fn bind_cloud(&self, lease: &Lease, cloud: &str) -> Result<Bound, DbError> {
        Self::bind_cloud(self, lease, cloud).await
    }
}
