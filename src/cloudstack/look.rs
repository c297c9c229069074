//! Look-ups by id, in as few calls as possible, and the proof of absence (design 7).

use super::{
    ApiError, Client,
    listing::vm_params,
    version::Reach,
    wire::{self, Page},
};
use crate::model::{Vm, VmId};
use futures_util::{
    future::try_join,
    stream::{self, StreamExt, TryStreamExt},
};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Ids asked about in one call: 200 make a form of 8 KiB.
const CHUNK: usize = 200;
/// Calls begun at a time; how many are in flight is the client's own limit.
const BEGUN: usize = 4;

/// Calls of one look-up that may fail for what one of their VMs is, before it counts as the API's failure.
/// To single out one of 200 ids takes nine.
const SPARE: usize = 64;

/// What look-ups brought.
#[derive(Debug, Default)]
pub struct Looked {
    /// The VMs that the API has, and those that it lacks.
    pub found: Vec<(VmId, Option<Vm>)>,
    /// VMs about which it only errs, while it tells of others.
    pub failed: Vec<(VmId, ApiError)>,
}

impl Looked {
    fn of(id: VmId, vm: Option<Vm>) -> Self {
        Self { found: vec![(id, vm)], failed: Vec::new() }
    }

    fn extend(&mut self, other: Self) {
        self.found.extend(other.found);
        self.failed.extend(other.failed);
    }
}

type Look<'a> = Pin<Box<dyn Future<Output = Result<Looked, ApiError>> + Send + 'a>>;

/// How many failures are left.
struct Spare(AtomicUsize);

impl Spare {
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

impl Client {
    /// Asks about these VMs. `None`: the API lacks the VM, proved by an empty answer or by a 431 about
    /// that very id. An id that is missing from the result names a VM that exists but cannot be read. One VM
    /// about which the API errs does not keep the others from being looked at.
    ///
    /// # Errors
    /// Where the API errs about all of them, or cannot be asked; 401, 531 and the like never prove absence.
    pub async fn look_up(&self, ids: &[VmId]) -> Result<Looked, ApiError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Looked::default());
        }
        let reach = self.reach().await?;
        let spare = Spare(AtomicUsize::new(SPARE));
        let chunks = ids.chunks(CHUNK.min(self.page_size()));
        let looks: Vec<Look<'_>> = chunks.map(|chunk| self.look_at(chunk, reach, &spare)).collect();
        let mut looked = gather(looks).await?;
        match looked.failed.pop() {
            // Nothing but failures: that is not for what these VMs are.
            Some((_, error)) if looked.found.is_empty() => Err(error),
            last => {
                looked.failed.extend(last);
                Ok(looked)
            }
        }
    }

    /// Asks about some ids in one call, and in halves where the call fails for what one of them is: one
    /// dead id in `ids` fails the whole call (facts: cloudstack 3.2), and so does one that makes the server
    /// stumble.
    fn look_at<'a>(&'a self, ids: &'a [VmId], reach: Reach, spare: &'a Spare) -> Look<'a> {
        Box::pin(async move {
            if let [id] = ids {
                return self.look_alone(*id, spare).await;
            }
            let mut list = String::with_capacity(ids.len() * 37);
            for id in ids {
                // Writing to a String cannot fail.
                let _ = write!(list, "{}{id}", if list.is_empty() { "" } else { "," });
            }
            let mut params = vm_params(reach == Reach::Everything);
            params.extend([("ids", list), ("page", "1".to_owned()), ("pagesize", ids.len().to_string())]);
            let page = match self.call("listVirtualMachines", &params, wire::page::<Vm>).await {
                Ok(page) => page,
                Err(err)
                    if err.is_no_such_entity()
                        || self.adapt(&err, ids.len())
                        || err.may_be_about_one() && spare.take() =>
                {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    let (mut left, right) =
                        try_join(self.look_at(left, reach, spare), self.look_at(right, reach, spare)).await?;
                    left.extend(right);
                    return Ok(left);
                }
                Err(err) => return Err(err),
            };
            self.judge(ids, page, reach, spare).await
        })
    }

    /// What an answer to `ids` proves; what it does not prove is asked again, id by id.
    async fn judge(
        &self,
        ids: &[VmId],
        page: Page<Vm>,
        reach: Reach,
        spare: &Spare,
    ) -> Result<Looked, ApiError> {
        self.shared.metrics.api.unreadable.add(page.unread.len() as u64);
        let asked: HashSet<VmId> = ids.iter().copied().collect();
        let whole = page.count.is_none_or(|count| count <= page.len as u64);
        let anonymous = page.unread.iter().any(|unread| unread.0.is_none());
        let unread: HashSet<VmId> = page.unread.iter().filter_map(|unread| unread.0).collect();
        let mut found: HashMap<VmId, Vm> = page.good.into_iter().map(|vm| (vm.id, vm)).collect();
        // A server that answers with VMs that nobody asked for has not understood `ids`.
        let understood = found.keys().all(|id| asked.contains(id));
        // Up to 4.13 `ids` skips the VMs of projects, `id` does not (facts: cloudstack 3.4).
        let proves = reach == Reach::Everything && whole && !anonymous && understood;
        let mut result = Looked::default();
        let mut lacking = Vec::new();
        for id in ids {
            match found.remove(id) {
                Some(vm) => result.found.push((*id, Some(vm))),
                None if unread.contains(id) => {}
                None if proves => result.found.push((*id, None)),
                None => lacking.push(*id),
            }
        }
        let looks =
            lacking.into_iter().map(|id| -> Look<'_> { Box::pin(self.look_alone(id, spare)) }).collect();
        result.extend(gather(looks).await?);
        Ok(result)
    }

    /// Asks about one id, whose failure may be its own.
    async fn look_alone(&self, id: VmId, spare: &Spare) -> Result<Looked, ApiError> {
        match self.look_at_one(id).await {
            Err(err) if err.may_be_about_one() && spare.take() => {
                Ok(Looked { failed: vec![(id, err)], ..Looked::default() })
            }
            answer => answer,
        }
    }

    /// Asks about one id: `id` alone finds the VMs of projects on every version.
    async fn look_at_one(&self, id: VmId) -> Result<Looked, ApiError> {
        const COMMAND: &str = "listVirtualMachines";
        let text = id.to_string();
        let mut params = vm_params(false);
        params.extend([("id", text.clone()), ("page", "1".to_owned()), ("pagesize", "1".to_owned())]);
        let page = match self.call(COMMAND, &params, wire::page::<Vm>).await {
            Ok(page) => page,
            Err(err) if err.says_missing(&text) => return Ok(Looked::of(id, None)),
            Err(err) => return Err(err),
        };
        self.shared.metrics.api.unreadable.add(page.unread.len() as u64);
        if let Some(vm) = page.good.into_iter().next() {
            if vm.id == id {
                return Ok(Looked::of(id, Some(vm)));
            }
            let what = "it holds another VM than the one that was asked for".to_owned();
            return Err(ApiError::BadBody { command: COMMAND, what });
        }
        match page.count {
            _ if page.len > 0 => Ok(Looked::default()),
            Some(count) if count > 0 => {
                Err(ApiError::Incomplete { command: COMMAND, page: 1, got: 0, count })
            }
            _ => Ok(Looked::of(id, None)),
        }
    }
}

async fn gather(looks: Vec<Look<'_>>) -> Result<Looked, ApiError> {
    let parts = stream::iter(looks).buffer_unordered(BEGUN);
    parts
        .try_fold(Looked::default(), |mut all, part| async move {
            all.extend(part);
            Ok(all)
        })
        .await
}

#[cfg(test)]
mod tests;
