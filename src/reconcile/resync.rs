//! How a resync ends, and when a one-shot run gives up.

use super::{
    audit::Waiters,
    engine::{Aim, Engine, PATIENCE},
    error::EngineError,
    servers::{Api, Tables},
    tally::Cause,
    tasks::Failure,
};
use crate::{
    metrics::chain,
    model::{Kind, Outcome, OwnerName, ReadSeq, VmId},
    observe::{Board, NameState, Pass},
    powerdns::DbError,
    queue::{Moment, Priority},
};
use std::collections::HashSet;

/// The names of which the board does not say who waits for them: settling one says it.
fn shown_wrongly(board: &Board, waiting: &Waiters) -> Vec<OwnerName> {
    let word = Outcome::Waiting { holder: None }.word();
    let shown = |state: &NameState| -> HashSet<(VmId, Kind)> {
        let standings = state.standings.iter().filter(|standing| standing.word == word);
        standings.filter_map(|standing| Some((standing.vm?, standing.kind))).collect()
    };
    let unknown = waiting.keys().filter(|name| board.name(name).is_none()).cloned();
    let mut names: Vec<OwnerName> = unknown.collect();
    board.each_name(|name, state| {
        let shown = shown(state);
        if waiting.get(name).map_or(!shown.is_empty(), |waiting| *waiting != shown) {
            names.push(name.clone());
        }
    });
    names
}

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) fn take_audited(&mut self, listing: ReadSeq) {
        let now = self.now();
        if let Some(audit) = self.audit.take() {
            let entries = audit.entries();
            self.held.audited(audit.held_sets());
            match self.settings.aim {
                Aim::Serve => self.owned_before = Some(entries),
                Aim::Converge | Aim::Plan | Aim::Adopt => _ = self.owned_before.get_or_insert(entries),
            }
            let found = audit.end(&mut self.world, listing);
            self.tally.end_audit();
            if let Some(resynced) = &mut self.resynced {
                (resynced.read, resynced.found) = (Some(now), (entries, found.marks.len()));
            }
            for name in found.marks {
                self.mark_for(&name, Cause::Vms);
            }
            if self.settings.aim == Aim::Serve {
                for name in shown_wrongly(&self.board, &found.waiting) {
                    self.mark(&name, Priority::Repair);
                }
            }
            self.audited = true;
            for name in self.losses.names() {
                self.mark(&name, Priority::Repair);
            }
            self.losses.weigh_again();
            if self.settings.aim == Aim::Serve {
                self.tasks.read_left_behind();
            }
        }
        self.failed_resyncs = 0;
        self.first_failure = None;
        self.last_failure = None;
        self.ended(Pass::Resync, Ok(()));
        self.world.inventory.prune_tombstones(listing);
        let began = self.listings.iter().find(|(seq, _)| *seq == listing).map_or(now, |(_, at)| *at);
        let passes = &self.metrics.passes;
        passes.resync_millis.set(u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX));
        self.resync.done(now);
        let open = self.world.open_proofs();
        self.open_proofs.push(open);
        if self.settings.aim == Aim::Serve && self.open_proofs.len() > 3 {
            self.open_proofs.remove(0);
        }
        // What three listings have not proved, a VM that cannot be read perhaps, waits for the next in turn.
        let stuck =
            self.settings.aim == Aim::Serve && matches!(self.open_proofs[..], [a, b, c] if a == b && b == c);
        if open > 0 && !stuck {
            self.resync.request(now);
        }
    }

    pub(super) fn take_failure(&mut self, failure: Failure) -> Result<(), EngineError> {
        let now = self.now();
        let jitter = self.roll();
        self.audit = None;
        self.resynced = None;
        self.resync.failed(now, jitter);
        self.failed_resyncs += 1;
        let (text, transient) = match &failure {
            Failure::Api(error) => (chain(error), error.is_transient()),
            Failure::Db(error) => (chain(error), error.is_transient()),
        };
        let first = *self.first_failure.get_or_insert(now);
        let given_up = self.gives_up(transient, first);
        if !given_up {
            tracing::warn!(error = %text, "resync failed: tries again");
        }
        self.ended(Pass::Resync, Err(text));
        let error = match failure {
            Failure::Api(error) => EngineError::Api(error),
            Failure::Db(error) => EngineError::Db(error),
        };
        if given_up {
            return Err(error);
        }
        if self.settings.aim == Aim::Serve {
            return Ok(());
        }
        self.last_failure = Some(error);
        Ok(())
    }

    /// Ends a one-shot run whose servers have stayed away for too long; the next try would come later.
    pub(super) fn check_patience(&mut self) -> Result<(), EngineError> {
        let waited = self.first_failure.map(|first| self.now().since(first)).unwrap_or_default();
        let over = waited > PATIENCE && !self.resync.is_running();
        match self.last_failure.take_if(|_| over) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Whether a database error ends a one-shot run.
    pub(super) fn db_trouble(&mut self, error: DbError) -> Result<(), EngineError> {
        let now = self.now();
        let first = *self.first_failure.get_or_insert(now);
        self.metrics.passes.settle_failures.inc();
        self.pause_settling();
        let text = chain(&error);
        let given_up = self.gives_up(error.is_transient(), first);
        if !given_up {
            tracing::warn!(error = %text, "cannot settle: tries again");
        }
        self.settle_failure = Some(text);
        if given_up { Err(EngineError::Db(error)) } else { Ok(()) }
    }

    /// Whether a failure ends a one-shot run, which then says so itself: the first one of this trouble came
    /// then.
    fn gives_up(&self, transient: bool, first: Moment) -> bool {
        let over = self.now().since(first) > PATIENCE;
        self.settings.aim != Aim::Serve && (!transient || over)
    }
}
