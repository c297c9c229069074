//! One turn after another, until the aim is reached.

use super::{
    engine::{Aim, Engine},
    error::EngineError,
    report::Report,
    servers::{Api, Reads, Tables},
    survey::unadopted,
};
use crate::{inventory::Known, model::Row, powerdns::DbError};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

impl<A: Api, T: Tables> Engine<A, T> {
    /// Runs until the aim is reached or `cancel` says so.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<Report, EngineError> {
        self.pass(&cancel).await?;
        Ok(self.report)
    }

    /// The same, without its end.
    pub(super) async fn pass(&mut self, cancel: &CancellationToken) -> Result<(), EngineError> {
        while !cancel.is_cancelled() {
            self.drain_notes().await?;
            // What has just come is looked at while names are settled.
            self.start_work();
            self.bind().await?;
            self.check_patience()?;
            self.read_approvals().await;
            self.repair_serials().await?;
            if self.may_settle() {
                let worked = self.settle_some().await?;
                if worked {
                    self.gauge();
                    continue;
                }
                if self.settle_losses().await? {
                    continue;
                }
            }
            self.end_pass();
            if self.losses.total() == 0 && self.report.held > 0 {
                // What was to go has gone, or is wanted again.
                self.show_held();
            }
            self.begin_survey();
            self.gauge();
            if self.settings.aim != Aim::Serve && self.has_converged() {
                break;
            }
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                Some(tenure) = self.tenure.recv() => self.take_tenure(tenure).await?,
                Some(note) = self.tasks.inbox.recv() => self.take_note(note).await?,
                Some(delivery) = self.deliveries.recv() => self.take_delivery(delivery),
                Some(question) = self.questions.recv() => self.answer(question).await,
                () = sleep(wake) => {}
            }
        }
        self.tasks.stop().await;
        self.sum_up(true);
        // Whoever asks about one name is not told of others.
        let asked = self.settings.explain.is_some();
        if matches!(self.settings.aim, Aim::Plan | Aim::Converge) && !asked && !cancel.is_cancelled() {
            let rows = unadopted(self.settler.reader.clone()).await;
            self.take_survey(rows);
        }
        if self.settings.unexplained {
            self.report.unexplained = self.unexplained().await.map_err(EngineError::Db)?;
        }
        if let Some(about) = self.settings.explain.take() {
            self.report.explanation = Some(Box::pin(self.explain(&about)).await.map_err(EngineError::Db)?);
        }
        if self.settings.aim == Aim::Plan && !cancel.is_cancelled() {
            self.report.left_behind = self.settler.reader.left_behind().await.map_err(EngineError::Db)?;
            self.report.counts = self.board.counts();
            let (refusals, zones) = (&mut self.report.plan.refusals, &self.world.zones);
            self.board.each_rejection(|vm, rejection| refusals.rejected(vm, rejection, zones));
        }
        if self.settings.aim != Aim::Serve && !self.unsettled.is_empty() {
            return Err(EngineError::Unsettled(self.unsettled.len()));
        }
        Ok(())
    }

    /// A, AAAA and PTR rows, in the zones that VMs have names in, that no VM explains.
    async fn unexplained(&self) -> Result<Vec<Row>, DbError> {
        let zones: BTreeSet<&str> = (self.world.inventory.iter())
            .flat_map(Known::names)
            .filter_map(|name| Some(self.world.zones.enclosing(name.as_str())?.name.as_str()))
            .collect();
        let mut rows = Vec::new();
        for zone in zones.into_iter().filter_map(|name| self.world.zones.named(name)) {
            rows.extend(self.settler.reader.published(zone).await?);
        }
        rows.retain(|row| !self.world.explains(row));
        rows.sort_by(|a, b| (&a.name, &a.rtype, &a.content).cmp(&(&b.name, &b.rtype, &b.content)));
        Ok(rows)
    }

    /// Takes what has arrived, but not for ever: settling must go on under a steady stream.
    pub(super) async fn drain_notes(&mut self) -> Result<(), EngineError> {
        if let Ok(question) = self.questions.try_recv() {
            self.answer(question).await;
        }
        for _ in 0..64 {
            if let Ok(tenure) = self.tenure.try_recv() {
                self.take_tenure(tenure).await?;
            }
            if let Ok(delivery) = self.deliveries.try_recv() {
                self.take_delivery(delivery);
            }
            let Ok(note) = self.tasks.inbox.try_recv() else { break };
            self.take_note(note).await?;
        }
        Ok(())
    }

    fn next_wake(&self) -> Duration {
        let now = self.now();
        let mut wake = self.zones_due.since(now).max(Duration::from_millis(20));
        let names = if self.may_settle() { self.names.next_due(now) } else { None };
        for due in [names, self.vms.next_due(now), self.resync.next_due(now)].into_iter().flatten() {
            wake = wake.min(due.since(now).max(Duration::from_millis(1)));
        }
        wake.min(Duration::from_secs(1))
    }

    /// What an audit marked is settled: what is lost from now on is of another pass. A one-shot run is one
    /// pass, however often it lists.
    fn end_pass(&mut self) {
        self.sum_up(false);
        if self.settings.aim == Aim::Serve && self.names.is_empty() {
            self.owned_before = None;
        }
    }

    /// Whether a one-shot run has nothing left to do.
    pub(super) fn has_converged(&self) -> bool {
        let idle = self.audited
            && !self.resync.is_running()
            && self.tasks.is_idle()
            && self.names.is_empty()
            // What could not be weighed is weighed again.
            && self.losses.is_empty()
            && self.vms.is_empty();
        if !idle {
            let stuck = !self.unsettled.is_empty() && self.unsettled.values().all(|tries| *tries >= 5);
            return stuck && !self.resync.is_running();
        }
        self.last_failure.is_none() && proofs_are_had(&self.open_proofs)
    }
}

/// Whether another listing would prove nothing more, going by how many proofs each one has left open. What
/// the first one lacks the second one proves, and what the second one lacks, the third; more than that
/// takes as many listings as the bound on look-ups wants. Where VMs go all the time, some proof is always
/// open: those are the next run's business.
pub(super) fn proofs_are_had(open: &[usize]) -> bool {
    match open {
        [.., 0] => true,
        [_, .., before, last] => last >= before,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_shot_run_lists_again_as_long_as_that_proves_something() {
        for (open, had) in [
            (&[0][..], true),
            (&[3], false),
            (&[3, 0], true),
            (&[0, 1], false),
            (&[3, 1], false),
            (&[3, 1, 0], true),
            (&[3, 1, 1], true),
            (&[3, 3, 3], true),
            (&[12_000, 7_000, 2_000], false),
            (&[12_000, 7_000, 2_000, 0], true),
        ] {
            assert_eq!(proofs_are_had(open), had, "{open:?}");
        }
    }
}
