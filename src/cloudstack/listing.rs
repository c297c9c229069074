//! All VMs.

use super::{
    ApiError, Client,
    call::Params,
    page::{Pager, Restarts},
    version::Reach,
};
use crate::model::{Complete, Vm, VmId};
use std::collections::HashSet;
use tokio::sync::mpsc::Sender;

/// What a complete listing of VMs amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VmListing {
    /// Distinct VMs that were sent.
    pub total: usize,
    /// The listing moved underneath: the count changed between pages, or a VM came twice.
    pub moved: bool,
    /// Items that could not be read as a VM.
    pub unreadable: usize,
}

/// `nics` alone would drop the group; without `details` the server also loads statistics, ten times
/// slower (facts: cloudstack 3.4).
pub(super) const DETAILS: (&str, &str) = ("details", "group,nics");

/// The parameters of a listing of VMs, the project ones included if `projects`.
pub(super) fn vm_params(projects: bool) -> Params {
    let mut params = vec![(DETAILS.0, DETAILS.1.to_owned()), ("listall", "true".to_owned())];
    if projects {
        params.push(("projectid", "-1".to_owned()));
    }
    params
}

impl Client {
    /// Lists all VMs that the key sees, those of projects included, sending pages as they arrive and
    /// ending with the proof that every page came. Where the listing has to begin again, VMs that were
    /// sent before are sent once more, as newly read.
    ///
    /// # Errors
    /// [`ApiError::Incomplete`] where pages do not add up twice in a row; [`ApiError::Abandoned`] where
    /// the receiver has gone; whatever a call can meet.
    pub async fn list_vms(&self, pages: Sender<Vec<Vm>>) -> Result<Complete<VmListing>, ApiError> {
        let mut restarts = Restarts::default();
        loop {
            let size = self.page_size();
            match self.list_once(&pages, size).await {
                Ok(listing) => return Ok(Complete::attest(listing)),
                Err(err) if restarts.allow(self, &err, size) => {
                    tracing::debug!(error = %err, "listing VMs again from the first page");
                }
                Err(err) => return Err(err),
            }
        }
    }

    async fn list_once(&self, pages: &Sender<Vec<Vm>>, size: usize) -> Result<VmListing, ApiError> {
        let passes: &[bool] = match self.reach().await? {
            Reach::Everything => &[true],
            Reach::ProjectsApart => &[false, true],
        };
        let mut listing = VmListing::default();
        let mut seen: HashSet<VmId> = HashSet::new();
        for projects in passes {
            let mut listed = Pager::<Vm>::new(self, vm_params(*projects), size);
            let mut of_this_pass: HashSet<VmId> = HashSet::new();
            while let Some(page) = listed.next().await? {
                listing.unreadable += page.unread.len();
                let mut fresh = page.good;
                fresh.retain(|vm| {
                    // Twice in one pass: rows shifted. In both passes: a new server of unknown version.
                    listing.moved |= !of_this_pass.insert(vm.id);
                    seen.insert(vm.id)
                });
                listing.total += fresh.len();
                if !fresh.is_empty() && pages.send(fresh).await.is_err() {
                    return Err(ApiError::Abandoned);
                }
            }
            listing.moved |= listed.moved();
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests;
