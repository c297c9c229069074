//! What has been settled: counted, told, and shown.

use super::{
    engine::{Aim, Engine},
    held::through,
    journal::{self, Changes},
    servers::{Api, Tables},
    settle::Prepared,
};
use crate::{
    model::{Kind, Outcome, OwnerName},
    observe::Standing,
    plan::Decision,
    queue::{Moment, Priority},
};
use std::collections::{HashMap, HashSet};

fn detail(outcome: &Outcome, decision: &Decision) -> String {
    match outcome {
        Outcome::Held => decision.held.first().and_then(|loss| loss.set).map_or_else(String::new, through),
        Outcome::Waiting { holder: Some(holder) } => format!("held by VM {holder}"),
        Outcome::Waiting { holder: None } => "the zone has no holder for it yet".to_owned(),
        Outcome::Blocked { by } => format!("foreign: {by}"),
        Outcome::Released { how } => (*how).to_owned(),
        Outcome::Retired(barrier) | Outcome::Refused(barrier) => barrier.to_string(),
        _ => String::new(),
    }
}

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) fn note_settled(&mut self, prepared: Prepared, priorities: &HashMap<OwnerName, Priority>) {
        for name in prepared.also {
            self.mark(&name, Priority::Live);
        }
        let left_behind = prepared.decisions.iter().any(|(_, decision)| decision.left_behind > 0);
        if left_behind && self.settings.aim == Aim::Serve {
            self.tasks.read_left_behind();
        }
        let changes: Changes = prepared.decisions.iter().map(|(_, decision)| Changes::of(decision)).sum();
        let aloud = self.settings.aim != Aim::Plan && self.journal.takes(changes, self.now());
        let reverse = prepared.decisions.iter().map(|(name, _)| name).filter(|name| name.is_arpa());
        let mut still: HashSet<OwnerName> = reverse.cloned().collect();
        for (name, decision) in prepared.decisions {
            still.remove(&name);
            let priority = priorities.get(&name).copied().unwrap_or(Priority::Repair);
            let event = self.tally.event_of(&name);
            let cause = self.count(&name, &decision, priority);
            if self.settings.aim != Aim::Plan {
                journal::tell(&name, &decision, cause, aloud);
            }
            self.note_decision(&name, &decision, priority, event, &still);
            self.losses.note(&name, &decision);
            self.unsettled.remove(&name);
            if decision.held.is_empty() {
                self.world.settled(&name);
            }
            self.names.done(&name);
            self.metrics.passes.settled.inc();
        }
    }

    /// After COMMIT: counts what a decision has come to. Returns what it was made for, for the log.
    fn count(&mut self, name: &OwnerName, decision: &Decision, priority: Priority) -> &'static str {
        self.report.inserted += decision.inserts.len() as u64;
        self.report.deleted += decision.deletes.len() as u64;
        self.report.retimed += decision.retimes.len() as u64;
        let passes = &self.metrics.passes;
        passes.left_behind.add(decision.left_behind);
        let (cause, latency) = self.tally.settled(name, self.now());
        if decision.rows() == 0
            && !decision.held.is_empty()
            && let Some(cause) = cause
        {
            // What goes later goes for the same reason.
            self.tally.note_cause(name, cause);
        }
        match (priority, cause) {
            (Priority::Live, _) => {
                if let Some(latency) = latency.filter(|_| decision.rows() > 0) {
                    passes.latency.note(latency);
                }
                "an event"
            }
            (Priority::Repair, Some(cause)) if decision.rows() > 0 => {
                self.report.repairs += 1;
                passes.repairs.of(cause.word()).inc();
                cause.told()
            }
            (Priority::Repair, _) => "it was missing",
            (Priority::Retime, _) => "DNS_RECORD_TTL has changed",
        }
    }

    /// After COMMIT: the board, and the reverse names whose forward name stands differently, but for those that
    /// were decided behind it.
    fn note_decision(
        &mut self,
        name: &OwnerName,
        decision: &Decision,
        priority: Priority,
        event: Option<Moment>,
        behind: &HashSet<OwnerName>,
    ) {
        if self.settings.aim == Aim::Plan {
            self.report.plan.add(name, decision, &self.world.zones);
            self.settler.overlay.note(name, decision);
        }
        let standings: Vec<Standing> = (decision.outcomes.iter())
            .filter(|(_, _, outcome)| *outcome != Outcome::Served)
            .map(|(vm, kind, outcome)| Standing::new(Some(*vm), *kind, outcome, detail(outcome, decision)))
            .collect();
        let before = self.board.name(name).map(|state| state.standings).unwrap_or_default();
        let changed = before != standings;
        self.board.set_name(name.clone(), standings);
        if changed || !decision.is_empty() {
            let mut vms: Vec<_> = (decision.outcomes.iter())
                .filter(|(_, kind, _)| *kind == Kind::Name)
                .map(|(vm, _, _)| *vm)
                .chain(decision.endings.iter().map(|ending| ending.entry.vm))
                .collect();
            vms.sort_unstable();
            vms.dedup();
            for reverse in vms.into_iter().flat_map(|vm| self.world.reverse_names(vm)).collect::<Vec<_>>() {
                if reverse != *name && !behind.contains(&reverse) {
                    if let Some(came) = event {
                        self.tally.note_event(&reverse, came);
                    }
                    self.mark(&reverse, priority);
                }
            }
        }
    }
}
