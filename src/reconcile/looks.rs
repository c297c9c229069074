//! What is read of VMs and owners, and the names that it touches.

use super::{
    engine::Engine,
    error::EngineError,
    servers::{Api, Tables},
    tally::Cause,
    world::Applied,
};
use crate::{
    cloudstack::{ApiError, Looked},
    desired::OwnerIndex,
    metrics::chain,
    model::{OwnerName, Owners, ReadSeq, Vm, VmId},
    observe::Pass,
    queue::Priority,
};
use std::collections::HashSet;

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) fn apply(&mut self, vm: Vm, read: ReadSeq, listing: bool, triggered: bool) {
        let id = vm.id;
        let applied = self.world.apply(vm, read, listing, triggered);
        let touched = self.after(id, applied);
        if !listing {
            self.mark_live(id, &touched);
        }
    }

    /// Returns the names to mark. A listing marks nothing: the audit that follows it compares everything.
    fn after(&mut self, id: VmId, applied: Applied) -> Vec<OwnerName> {
        if applied.ownerless {
            self.owners_wanted = true;
        }
        if let Some(rejections) = applied.rejections {
            self.board.set_rejections(id, rejections);
        }
        applied.touched
    }

    pub(super) fn take_looked(
        &mut self,
        asked: Vec<(VmId, bool)>,
        read: ReadSeq,
        answer: Result<Looked, ApiError>,
    ) {
        self.tasks.looks -= 1;
        let now = self.now();
        match answer {
            Err(error) => {
                self.metrics.passes.look_failures.inc();
                self.ended(Pass::Look, Err(chain(&error)));
                tracing::warn!(error = %chain(&error), vms = asked.len(), "look-up failed: tries again");
                for (id, _) in asked {
                    let jitter = self.roll();
                    self.vms.failed(id, now, jitter);
                }
            }
            Ok(looked) => {
                self.ended(Pass::Look, Ok(()));
                let failed: HashSet<VmId> = looked.failed.iter().map(|(id, _)| *id).collect();
                if let Some((id, error)) = looked.failed.first() {
                    let (error, others) = (chain(error), looked.failed.len() - 1);
                    tracing::warn!(vm = %id, others, %error, "a look-up fails for this VM: tries again");
                }
                for (id, error) in looked.failed {
                    self.metrics.passes.look_failures.inc();
                    tracing::debug!(vm = %id, error = %chain(&error), "a look-up fails for this VM: tries again");
                    let jitter = self.roll();
                    self.vms.failed(id, now, jitter);
                }
                for (id, vm) in looked.found {
                    let said_gone = asked.iter().any(|(asked, gone)| *asked == id && *gone);
                    match vm {
                        Some(vm) => self.apply(vm, read, false, true),
                        None if said_gone => {
                            let applied = self.world.bury(id, read, true);
                            let touched = self.after(id, applied);
                            self.mark_live(id, &touched);
                        }
                        // Nobody said that it is gone: two listings have to prove it.
                        None if self.world.inventory.get(id).is_some() => self.resync.request(now),
                        None => {}
                    }
                }
                for (id, _) in asked.into_iter().filter(|(id, _)| !failed.contains(id)) {
                    self.vms.done(id, now);
                }
            }
        }
    }

    pub(super) fn take_lacking(&mut self, listing: ReadSeq, answer: Vec<(VmId, Option<Vm>)>) {
        for (id, vm) in answer {
            if let Some(vm) = vm {
                self.apply(vm, listing, true, false);
                continue;
            }
            let apart = self.settings.resync_min_interval;
            let listings = &self.listings;
            let began = |read| listings.iter().find(|(seq, _)| *seq == read).map(|(_, at)| *at);
            let proved = self.world.lacked_twice(id, listing, |first, last| {
                match (began(first), began(last)) {
                    (Some(first), Some(last)) => last.since(first) >= apart,
                    // The first has been forgotten: it is long past.
                    (None, Some(_)) => true,
                    _ => false,
                }
            });
            if proved {
                // Of one that only the ledger knew, no event came while this process ran.
                let known = self.world.inventory.get(id).is_some();
                let applied = self.world.bury(id, listing, false);
                for name in self.after(id, applied) {
                    if known {
                        self.mark_for(&name, Cause::Vms);
                    } else {
                        self.mark(&name, Priority::Repair);
                    }
                }
            }
        }
    }

    /// Takes the owners; claims are computed anew where they matter.
    pub(super) async fn take_owners(&mut self, owners: Owners) -> Result<(), EngineError> {
        let Some(cloud) = owners.topmost().map(|id| id.to_string()) else { return Err(EngineError::NoCloud) };
        self.check_cloud(&cloud).await?;
        let index = OwnerIndex::new(&owners);
        if index != self.world.owners {
            self.world.owners = index;
            self.recompute_all(Cause::Owners);
        }
        Ok(())
    }

    pub(super) fn recompute_all(&mut self, cause: Cause) {
        let ids: Vec<VmId> = self.world.inventory.iter().map(|known| known.vm().id).collect();
        let mut lost_owner = false;
        for id in ids {
            let applied = self.world.recompute(id);
            lost_owner |= applied.ownerless;
            for name in self.after(id, applied) {
                if self.audited {
                    self.mark_for(&name, cause);
                }
            }
        }
        // VMs name their account by its name, and no event tells them that it has another one by now.
        if lost_owner && !self.resync.is_running() {
            self.resync.request(self.now());
        }
    }
}
