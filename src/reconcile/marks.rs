//! What events say: marks, resolved through the inventory's indexes.

use super::{
    engine::Engine,
    servers::{Api, Tables},
};
use crate::{
    model::{Mark, VmId},
    queue::{Moment, Urgency},
    trigger::{Arrival, Delivery},
};

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) fn take_delivery(&mut self, delivery: Delivery) {
        let now = self.now();
        // It may have waited for the engine.
        let came = now.minus(delivery.at.elapsed());
        match &delivery.arrival {
            // Events between the first listing and the first assignment reached nobody: the resync that
            // makes up for them does not wait for its turn. A rebalance's does.
            Arrival::Assigned
                if !std::mem::replace(&mut self.assigned, true) && !self.resync.is_running() =>
            {
                tracing::info!("Kafka partitions are assigned: reads everything once more, now");
                self.resync.begin_anew();
            }
            Arrival::Assigned => {
                tracing::info!("Kafka partitions are assigned: a resync follows");
                self.resync.request(now);
            }
            Arrival::Marks(marks) => {
                for mark in marks.clone() {
                    self.take_mark(mark, came);
                }
            }
        }
        delivery.acknowledge();
        if self.vms.overflowing(self.world.inventory.len()) {
            let (world, inventory) = (&self.world, &self.world.inventory);
            self.vms.collapse(|id| inventory.get(id).is_some() || world.is_orphan(id));
            self.resync.request(now);
        }
    }

    fn take_mark(&mut self, mark: Mark, came: Moment) {
        let now = self.now();
        let inventory = &self.world.inventory;
        let all = |known: &mut dyn Iterator<Item = VmId>| known.collect::<Vec<_>>();
        let (ids, gone, owners): (Vec<VmId>, bool, bool) = match mark {
            Mark::Vm { id, said_gone } => (vec![id], said_gone, false),
            Mark::Nic(nic) => {
                (all(&mut inventory.vm_of_nic(nic).map(|known| known.vm().id).into_iter()), false, false)
            }
            Mark::Ip(ip) => {
                (all(&mut inventory.vm_of_ip(ip).map(|known| known.vm().id).into_iter()), false, false)
            }
            Mark::Network(network) => {
                (all(&mut inventory.vms_of_network(network).map(|known| known.vm().id)), false, false)
            }
            Mark::Account { id, said_gone } => {
                let ids = match self.world.owners.account_key(id) {
                    Some((domain, name)) => {
                        all(&mut inventory.vms_of_account(domain, name).map(|known| known.vm().id))
                    }
                    None => Vec::new(),
                };
                (if said_gone { ids } else { Vec::new() }, said_gone, true)
            }
            Mark::Domain { id, said_gone } => {
                let subtree = self.world.owners.subtree(id);
                let ids = subtree
                    .into_iter()
                    .flat_map(|domain| inventory.vms_of_domain(domain))
                    .map(|known| known.vm().id);
                (if said_gone { ids.collect() } else { Vec::new() }, said_gone, true)
            }
            Mark::Project { id, said_gone } => {
                (all(&mut inventory.vms_of_project(id).map(|known| known.vm().id)), said_gone, true)
            }
            Mark::Resync => {
                self.resync.request(now);
                return;
            }
        };
        self.owners_wanted |= owners;
        // An interface that no known VM has is somebody's new one. An unknown public address is not
        // worth a resync: no record of ours depends on one, and port forwarding names them all day.
        if ids.is_empty() && matches!(mark, Mark::Nic(_)) {
            self.resync.request(now);
        }
        for id in ids {
            self.vms.mark(id, gone, Urgency::Live, came);
        }
    }
}
