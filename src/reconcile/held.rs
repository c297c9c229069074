//! What is held: weighed against the budget, stored under a hash, let through once it is approved.

use super::{
    engine::{AGAIN, Aim, Engine},
    error::EngineError,
    servers::{Api, Reads, Tables, Writes},
    turns::proofs_are_had,
    work::NAMES,
};
use crate::{
    metrics::chain,
    model::{HeldSet, OwnerName},
    observe,
    plan::{Budget, Losses, held_line},
    powerdns::{Approval, DbError},
    queue::{Moment, Priority},
};
use std::collections::HashSet;

/// What the engine remembers of held sets since it has the lease.
#[derive(Debug, Default)]
pub struct Held {
    /// Audits that have ended.
    audits: u64,
    /// The sets in the latest audit's entries, until approvals are compared with them.
    audited: Option<HashSet<HeldSet>>,
    /// Every set seen so far: one of these that no entry is in any more is through.
    known: HashSet<HeldSet>,
    /// No look for approvals before this.
    due: Moment,
    looked: bool,
    /// The set that a plan, which stores nothing, has named.
    planned: Option<HeldSet>,
}

impl Held {
    /// An audit has ended that read entries of these sets.
    pub fn audited(&mut self, sets: HashSet<HeldSet>) {
        self.audits += 1;
        self.known.extend(&sets);
        self.audited = Some(sets);
        self.due = Moment::default();
    }

    /// The set that entries get that are in none.
    pub fn planned(&self) -> Option<HeldSet> {
        self.planned
    }

    /// Whether an approval has done its work: no entry is in its set, and one was, or an hour has passed
    /// within which what was approved in advance should have been stored.
    fn is_over(&self, approval: Approval, audited: &HashSet<HeldSet>) -> bool {
        !audited.contains(&approval.set) && (approval.old || self.known.contains(&approval.set))
    }
}

/// What an operator does about a held set.
pub fn through(set: HeldSet) -> String {
    format!("to let it through: cs-powerdns approve {set}")
}

impl<A: Api, T: Tables> Engine<A, T> {
    /// Weighs what nobody announced, once everything else is done: all of it goes, or all of it is held.
    pub(super) async fn settle_losses(&mut self) -> Result<bool, EngineError> {
        let settled = self.audited && self.audit.is_none() && !self.resync.is_running();
        if self.losses.is_empty() || !settled || self.is_collecting() {
            return Ok(false);
        }
        self.begin_settling();
        let settled = self.weigh_losses().await;
        self.end_settling();
        settled
    }

    /// Whether the next listing may prove further losses: what a pass finds is weighed as a whole, and has
    /// one hash. A controller that serves waits no longer than for its second resync.
    fn is_collecting(&self) -> bool {
        match self.settings.aim {
            Aim::Serve => self.held.audits < 2 && self.world.open_proofs() > 0,
            Aim::Converge | Aim::Plan | Aim::Adopt => !proofs_are_had(&self.open_proofs),
        }
    }

    async fn weigh_losses(&mut self) -> Result<bool, EngineError> {
        let reader = &self.settler.reader;
        let read = async {
            Ok((self.owned_before_the_pass().await?, reader.budget().await?, reader.approvals().await?))
        };
        let (owned, used, approvals) = match read.await {
            Ok(read) => read,
            Err(error) => {
                self.db_trouble(error)?;
                return Ok(false);
            }
        };
        if self.take_approvals(&approvals) {
            // Their names are settled first: what they let go counts no more.
            return Ok(true);
        }
        self.losses.weighed();
        let total = self.losses.total();
        let percent = self.settings.plan.max_loss_percent;
        let fresh = self.losses.fresh();
        let in_advance = fresh.as_ref().is_some_and(|(set, _)| self.settler.approved.contains(set));
        if !in_advance && (Budget { percent, owned, used }).allows(total) {
            self.owned_before = Some(owned);
            let names = self.losses.names();
            self.settle_all(&names, Losses::Allow).await?;
            self.show_held();
            return Ok(true);
        }
        if let Some((set, names)) = &fresh {
            if !in_advance {
                tracing::warn!(
                    records = total,
                    owned,
                    used,
                    percent,
                    "more records would go unannounced than DNS_MAX_LOSS_PERCENT allows within an hour: none of them goes"
                );
            }
            self.held.known.insert(*set);
            self.held.planned = (self.settings.aim == Aim::Plan).then_some(*set);
            self.settle_all(names, Losses::Hold { set: Some(*set) }).await?;
        }
        self.show_held();
        Ok(fresh.is_some())
    }

    async fn owned_before_the_pass(&self) -> Result<u64, DbError> {
        match self.owned_before {
            Some(owned) => Ok(owned),
            None => self.settler.reader.owned_count().await,
        }
    }

    async fn settle_all(&mut self, names: &[OwnerName], losses: Losses) -> Result<(), EngineError> {
        for chunk in names.chunks(NAMES) {
            let priorities = chunk.iter().map(|name| (name.clone(), Priority::Repair)).collect();
            self.settle(chunk.to_vec(), losses, &priorities).await?;
            Box::pin(self.serve_events()).await?;
            if !self.may_write() {
                break;
            }
        }
        Ok(())
    }

    /// What events have marked does not wait until many losses are through.
    async fn serve_events(&mut self) -> Result<(), EngineError> {
        if self.settings.aim != Aim::Serve {
            return Ok(());
        }
        self.drain_notes().await?;
        self.start_work();
        if self.may_settle() && self.names.most_urgent(self.now()) == Some(Priority::Live) {
            let failure = self.settle_failure.take();
            self.settle_some().await?;
            self.settle_failure = self.settle_failure.take().or(failure);
        }
        Ok(())
    }

    /// Shows what is held, by set; in the log each set once, also after a restart. One-shot verbs print it.
    pub(super) fn show_held(&mut self) {
        let sets = self.losses.sets();
        for (set, records) in &sets {
            let known = self.report.held_sets.iter().any(|(known, _)| known == set);
            if !known && self.settings.aim == Aim::Serve {
                tracing::warn!("{}", held_line(*set, *records));
            }
        }
        self.report.held = sets.iter().map(|(_, records)| records).sum();
        self.metrics.passes.held.set(self.report.held);
        self.metrics.passes.held_sets.set(sets.len() as u64);
        self.board.set_held(observe::Held { sets: sets.clone() });
        self.report.held_sets = sets;
    }

    /// Looks for approvals, cheaply: once after each audit, and every other second while something is held.
    pub(super) async fn read_approvals(&mut self) {
        let now = self.now();
        let wanted = !self.held.looked || self.held.audited.is_some() || self.report.held > 0;
        if !wanted || now < self.held.due || !self.listed || !self.may_write() {
            return;
        }
        self.held.due = now.plus(AGAIN);
        match self.settler.reader.approvals().await {
            Ok(approvals) => {
                self.held.looked = true;
                self.take_approvals(&approvals);
                self.withdraw(&approvals).await;
            }
            Err(error) => tracing::debug!(error = %chain(&error), "cannot read approvals: tries again"),
        }
    }

    /// Whether names have to be settled for approvals that were not known.
    fn take_approvals(&mut self, approvals: &[Approval]) -> bool {
        let approved: HashSet<HeldSet> = approvals.iter().map(|approval| approval.set).collect();
        let new: HashSet<HeldSet> = approved.difference(&self.settler.approved).copied().collect();
        self.settler.approved = approved;
        let names = self.losses.names_of(&new);
        if !names.is_empty() {
            tracing::info!(sets = ?new, names = names.len(), "approved: what was held goes");
        }
        for name in &names {
            self.mark(name, Priority::Repair);
        }
        !names.is_empty()
    }

    /// Forgets approvals that have done their work. Failing costs nothing: the next audit tries again.
    async fn withdraw(&mut self, approvals: &[Approval]) {
        let (Some(audited), Some((writer, _))) = (self.held.audited.take(), &self.writer) else { return };
        let waiting: HashSet<HeldSet> = self.losses.sets().into_iter().map(|(set, _)| set).collect();
        for approval in approvals {
            if !self.held.is_over(*approval, &audited) || waiting.contains(&approval.set) {
                continue;
            }
            match writer.withdraw(approval.set).await {
                Ok(()) => _ = self.settler.approved.remove(&approval.set),
                Err(error) => tracing::debug!(error = %chain(&error), "cannot withdraw an approval"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_over_once_its_set_is_through_or_after_an_hour_without_one() {
        let set = |hash| HeldSet::new(hash).unwrap();
        let approval = |hash, old| Approval { set: set(hash), old };
        let mut held = Held::default();
        held.audited([set(1)].into());
        let none = HashSet::new();
        assert!(held.is_over(approval(1, false), &none), "its entries are gone");
        assert!(!held.is_over(approval(1, true), &[set(1)].into()), "it has entries still");
        assert!(!held.is_over(approval(2, false), &none), "it was approved in advance");
        assert!(held.is_over(approval(2, true), &none), "and nothing of it was ever found");
    }
}
