//! What arrives: pages, look-ups, zones, the ledger's stream, events, the lease.

use super::{
    audit::{Audit, Flaw},
    engine::{AGAIN, Aim, Engine},
    error::EngineError,
    servers::{Api, Tables},
    tally::Cause,
    tasks::Note,
};
use crate::{metrics::chain, queue::Priority};

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) async fn take_note(&mut self, note: Note) -> Result<(), EngineError> {
        match note {
            Note::Looked { asked, read, answer } => self.take_looked(asked, read, answer),
            Note::Owners { read, answer } => {
                self.tasks.owners.take_if(|own| *own == read);
                match answer {
                    // A resync that began later has brought newer ones.
                    Ok(_) if read < self.owners_read => {}
                    Ok(owners) => {
                        self.owners_read = read;
                        self.owners_trouble.over();
                        self.take_owners(owners.into_inner()).await?;
                    }
                    Err(error) => {
                        self.owners_trouble.tell(&chain(&error), "cannot read the owners: tries again");
                        self.owners_wanted = true;
                        self.owners_due = self.now().plus(AGAIN);
                    }
                }
            }
            Note::Zones(answer) => self.take_zones_answer(answer),
            Note::Deep(names) => self.take_deep(names),
            Note::LeftBehind(answer) => {
                self.tasks.left_behind = false;
                match answer {
                    Ok(rows) => self.board.set_left_behind(rows),
                    // Only shown, and read again with the next resync.
                    Err(error) => {
                        tracing::debug!(error = %chain(&error), "cannot read what was left behind");
                    }
                }
            }
            Note::Page { read, vms } => {
                for vm in vms {
                    self.apply(vm, read, true, false);
                }
            }
            // Of a resync that was given up.
            Note::Listed { read, .. }
            | Note::Audited { listing: read }
            | Note::Failed { listing: read, .. }
                if self.listing != Some(read) => {}
            Note::Listed { read, listing, ended, lacking } => {
                self.expect_heritage();
                let mut ids = self.world.inventory.lacking(read);
                ids.extend(self.world.orphans());
                tracing::debug!(vms = listing.get().total, lacking = ids.len(), "listed");
                self.listed = true;
                let now = self.now();
                // A transaction that this note has waited for took none of the API's time.
                self.resync.listed(now.minus(ended.elapsed()));
                if let Some(resynced) = &mut self.resynced {
                    resynced.listed = now;
                }
                self.tally.begin_audit();
                // A standby does not read the ledger: it is to be warm, not to judge.
                self.audit = self
                    .may_write()
                    .then(|| Audit::new(self.settings.plan.owner.clone(), self.settings.plan.ttl));
                if let (Some(audit), Some(heritage)) = (&mut self.audit, &self.heritage) {
                    audit.also_of(heritage.vms());
                }
                let _ = lacking.send(ids);
            }
            Note::Lacking { listing, answer } => self.take_lacking(listing, answer),
            Note::Entries(entries) => {
                for (entry, row) in entries {
                    if self.settings.adopt.is_some() {
                        self.with_entries.insert(entry.name.clone());
                    }
                    let Some(audit) = &mut self.audit else { continue };
                    let flaw = audit.take(&mut self.world, &entry, row.as_ref());
                    if entry.owner == self.settings.plan.owner {
                        self.tally.note_entry(entry.zone);
                    }
                    match flaw {
                        Some(Flaw::Differs) => self.mark_for(&entry.name, Cause::Rows),
                        Some(Flaw::Unclaimed) => self.mark_for(&entry.name, Cause::Vms),
                        Some(Flaw::Ttl) => self.mark(&entry.name, Priority::Retime),
                        None => {}
                    }
                }
            }
            Note::Surveyed(rows) => self.take_survey(rows),
            Note::Audited { listing } => self.take_audited(listing),
            Note::Failed { failure, .. } => self.take_failure(failure)?,
        }
        Ok(())
    }

    /// Whether decisions are this process's business: it plans, or it holds the lease.
    pub(super) fn may_write(&self) -> bool {
        matches!(self.settings.aim, Aim::Plan | Aim::Adopt) || self.writer.is_some()
    }
}
