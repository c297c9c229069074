//! The lease comes and goes, and the owner id is bound to one cloud.

use super::{
    Tenure,
    engine::{AGAIN, Aim, Engine},
    error::EngineError,
    servers::{Api, Reads, Tables},
};
use crate::{metrics::chain, observe::Pass, powerdns::Bound, queue::Moment};
use std::time::Instant;

impl<A: Api, T: Tables> Engine<A, T> {
    /// The right cloud (design 7): binds the owner id at the first run, refuses another cloud ever after.
    pub(super) async fn check_cloud(&mut self, cloud: &str) -> Result<(), EngineError> {
        let other = |bound: &str, owner: &str| EngineError::OtherCloud {
            owner: owner.to_owned(),
            bound: bound.to_owned(),
            seen: cloud.to_owned(),
        };
        let owner = self.settings.plan.owner.clone();
        self.cloud = Some(cloud.to_owned());
        if let Some(bound) = &self.bound {
            return if bound == cloud { Ok(()) } else { Err(other(bound, &owner)) };
        }
        let stored = match &self.writer {
            Some((_, lease)) => match self.database.bind_cloud(lease, cloud).await {
                Ok(Bound::Same | Bound::New) => Some(cloud.to_owned()),
                Ok(Bound::Other(bound)) => return Err(other(&bound, &owner)),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot bind the owner id to its cloud");
                    None
                }
            },
            None => match self.settler.reader.bound_cloud().await {
                Ok(Some(bound)) if bound != cloud => return Err(other(&bound, &owner)),
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "cannot read the bound cloud");
                    None
                }
            },
        };
        self.bound = stored;
        Ok(())
    }

    pub(super) async fn take_tenure(&mut self, tenure: Tenure) -> Result<(), EngineError> {
        match tenure {
            Tenure::Held(lease) => {
                self.writer = Some((self.database.writer(&lease), lease));
                self.bound = None;
                self.bind_not_before = Moment::default();
                self.assigned = false;
                self.held = super::held::Held::default();
                self.surveyed = false;
                // Whoever gets the lease has just reached the database.
                (self.db_failures, self.settle_due) = (0, Moment::default());
                self.read_anew();
                self.bind().await
            }
            Tenure::Lost if self.settings.aim == Aim::Serve => {
                self.stand_down();
                Ok(())
            }
            Tenure::Lost => Err(EngineError::LeaseLost),
        }
    }

    /// Binds the owner id to the cloud, or finds that it is bound to another, as soon as both the lease
    /// and the cloud are known.
    pub(super) async fn bind(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        let due = self.writer.is_some() && self.bound.is_none() && now >= self.bind_not_before;
        match self.cloud.clone() {
            Some(cloud) if due => {
                self.bind_not_before = now.plus(AGAIN);
                self.check_cloud(&cloud).await
            }
            _ => Ok(()),
        }
    }

    /// What was read before the lease came may be older than what the last holder wrote of it: before
    /// anything is written, everything is read again, and at once.
    fn read_anew(&mut self) {
        self.listed = false;
        self.audited = false;
        self.audit = None;
        if self.resync.is_running() {
            self.tasks.abort_resync();
            self.listing = None;
            self.resynced = None;
            self.board.give_up_pass(Pass::Resync, Instant::now());
        }
        self.resync.begin_anew();
    }

    /// What is dirty is the next holder's business; what is known stays, so that a standby is warm.
    pub(super) fn stand_down(&mut self) {
        self.writer = None;
        self.bound = None;
        self.audit = None;
        self.audited = false;
        self.lowered.clear();
        self.names = crate::queue::DirtyNames::new();
        self.losses = super::losses::PendingLosses::default();
        self.held = super::held::Held::default();
        self.settler.approved.clear();
        self.show_held();
        self.owned_before = None;
        self.unsettled.clear();
        self.board.clear_names();
        self.tally.stand_down();
    }
}
