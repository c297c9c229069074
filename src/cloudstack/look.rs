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
};

/// Ids asked about in one call: 200 make a form of 8 KiB.
const CHUNK: usize = 200;
/// Calls begun at a time; how many are in flight is the client's own limit.
const BEGUN: usize = 4;

type Found = Vec<(VmId, Option<Vm>)>;
type Look<'a> = Pin<Box<dyn Future<Output = Result<Found, ApiError>> + Send + 'a>>;

impl Client {
    /// Asks about these VMs. `None`: the API lacks the VM, proved by an empty answer or by a 431 about
    /// that very id. An id that is missing from the result names a VM that exists but cannot be read.
    ///
    /// # Errors
    /// Any error of any call fails the whole look-up; 401, 531 and the like never prove absence.
    pub async fn look_up(&self, ids: &[VmId]) -> Result<Vec<(VmId, Option<Vm>)>, ApiError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let reach = self.reach().await?;
        let looks: Vec<Look<'_>> =
            ids.chunks(CHUNK.min(self.page_size())).map(|chunk| self.look_at(chunk, reach)).collect();
        gather(looks).await
    }

    /// Asks about some ids in one call, and in halves where the call fails for what one of them is: one
    /// dead id in `ids` fails the whole call (facts: cloudstack 3.2).
    fn look_at<'a>(&'a self, ids: &'a [VmId], reach: Reach) -> Look<'a> {
        Box::pin(async move {
            if let [id] = ids {
                return self.look_at_one(*id).await;
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
                Err(err) if err.is_no_such_entity() || self.adapt(&err, ids.len()) => {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    let (mut left, right) =
                        try_join(self.look_at(left, reach), self.look_at(right, reach)).await?;
                    left.extend(right);
                    return Ok(left);
                }
                Err(err) => return Err(err),
            };
            self.judge(ids, page, reach).await
        })
    }

    /// What an answer to `ids` proves; what it does not prove is asked again, id by id.
    async fn judge(&self, ids: &[VmId], page: Page<Vm>, reach: Reach) -> Result<Found, ApiError> {
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
        let mut result = Found::with_capacity(ids.len());
        let mut lacking = Vec::new();
        for id in ids {
            match found.remove(id) {
                Some(vm) => result.push((*id, Some(vm))),
                None if unread.contains(id) => {}
                None if proves => result.push((*id, None)),
                None => lacking.push(*id),
            }
        }
        let looks = lacking.into_iter().map(|id| -> Look<'_> { Box::pin(self.look_at_one(id)) }).collect();
        result.extend(gather(looks).await?);
        Ok(result)
    }

    /// Asks about one id: `id` alone finds the VMs of projects on every version.
    async fn look_at_one(&self, id: VmId) -> Result<Found, ApiError> {
        const COMMAND: &str = "listVirtualMachines";
        let text = id.to_string();
        let mut params = vm_params(false);
        params.extend([("id", text.clone()), ("page", "1".to_owned()), ("pagesize", "1".to_owned())]);
        let page = match self.call(COMMAND, &params, wire::page::<Vm>).await {
            Ok(page) => page,
            Err(err) if err.says_missing(&text) => return Ok(vec![(id, None)]),
            Err(err) => return Err(err),
        };
        self.shared.metrics.api.unreadable.add(page.unread.len() as u64);
        if let Some(vm) = page.good.into_iter().next() {
            if vm.id == id {
                return Ok(vec![(id, Some(vm))]);
            }
            let what = "it holds another VM than the one that was asked for".to_owned();
            return Err(ApiError::BadBody { command: COMMAND, what });
        }
        match page.count {
            _ if page.len > 0 => Ok(Vec::new()),
            Some(count) if count > 0 => {
                Err(ApiError::Incomplete { command: COMMAND, page: 1, got: 0, count })
            }
            _ => Ok(vec![(id, None)]),
        }
    }
}

async fn gather(looks: Vec<Look<'_>>) -> Result<Found, ApiError> {
    let parts = stream::iter(looks).buffer_unordered(BEGUN);
    parts
        .try_fold(Found::new(), |mut all, part| async move {
            all.extend(part);
            Ok(all)
        })
        .await
}

#[cfg(test)]
mod tests;
