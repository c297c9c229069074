//! The verb `adopt`: a full reading as for a plan, then, instead of settling, each name's rows are taken
//! as [`plan::adopt`] says. It writes beside a running controller, fenced on the epoch that was read.

use super::{
    engine::Engine,
    error::EngineError,
    heritage::Heritage,
    report::Report,
    servers::{Api, Tables},
    settle::Prepared,
    tasks,
    verb::{VerbError, again, patiently},
};
use crate::{
    model::{HeldSet, OwnerName},
    plan::{self, Adoption, Fortune, LossDigest, Take},
    powerdns::{Standing, WriteError},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tokio_util::sync::CancellationToken;

/// What to adopt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptSettings {
    /// These names, whatever stands there.
    pub names: Vec<OwnerName>,
    /// All names that are wanted or have entries: only what is equal.
    pub all: bool,
    /// Also what the older service's table lists.
    pub mapping: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// What adopting came to.
#[derive(Debug, Clone, Default)]
pub struct Adopted {
    /// For each row what becomes of it; of each kind no more than [`LINES`].
    pub lines: Vec<(OwnerName, plan::Told)>,
    /// How many there were of each kind.
    pub counts: BTreeMap<Fortune, u64>,
    /// Names that were asked for, of which no VM and no entry knows.
    pub unknown: Vec<OwnerName>,
    /// Lines of `cs_mapping` that cannot be read.
    pub unreadable: u64,
    /// Rows that were taken for VMs that are gone.
    pub inherited: u64,
}

/// So many lines of each kind are kept for people; all are counted.
const LINES: u64 = 10_000;

/// Names of one reading. With two addresses each they fit into one transaction of 1000 rows.
const NAMES: usize = 480;

impl Adopted {
    fn note(&mut self, name: &OwnerName, told: Vec<plan::Told>) {
        for told in told {
            let count = self.counts.entry(told.fortune).or_default();
            *count += 1;
            if *count <= LINES {
                self.lines.push((name.clone(), told));
            }
        }
    }

    /// Whether anything was written, or would be.
    pub fn changes(&self) -> bool {
        self.counts.iter().any(|(fortune, count)| *fortune != Fortune::Left && *count > 0)
    }
}

/// What is on its way.
struct Errand {
    what: AdoptSettings,
    heritage: Heritage,
    /// The held set of rows that are taken for VMs that are gone.
    set: Option<HeldSet>,
    /// It was approved.
    approved: bool,
    /// What the transactions fence on, once one was written.
    standing: Option<Standing>,
    /// Names that are done.
    seen: HashSet<OwnerName>,
}

/// How often a fence that has moved is read anew.
const FENCED: u32 = 8;

/// What adopting comes to at each name; what is written stands in the transaction.
type Told = HashMap<OwnerName, Adoption>;

impl<A: Api, T: Tables> Engine<A, T> {
    /// VMs that only the older service's table knows have to be proved gone like those of the ledger.
    pub(super) fn expect_heritage(&mut self) {
        for vm in self.heritage.iter().flat_map(Heritage::vms) {
            self.world.note_vm(vm);
        }
    }
}

impl Engine {
    /// Reads everything, then adopts: for [`Aim::Adopt`](super::Aim::Adopt).
    pub async fn run_adopt(mut self) -> Result<Report, EngineError> {
        self.read_heritage().await?;
        self.pass(&CancellationToken::new()).await?;
        self.adopt().await?;
        Ok(self.report)
    }

    /// Reads what the older service's table says, before the reading begins that proves absences.
    async fn read_heritage(&mut self) -> Result<(), EngineError> {
        let wanted = self.settings.adopt.as_ref().is_some_and(|adopt| adopt.mapping);
        if !wanted {
            return Ok(());
        }
        let reader = self.settler.reader.clone();
        let mapping = patiently(async || reader.mapping().await).await.map_err(EngineError::Verb)?;
        let mapping = mapping.ok_or(EngineError::NoMapping)?;
        self.report.adopted.unreadable = mapping.unreadable;
        self.heritage = Some(Heritage::new(mapping));
        Ok(())
    }

    /// Adopts, once everything is known.
    async fn adopt(&mut self) -> Result<(), EngineError> {
        let Some(what) = self.settings.adopt.clone() else { return Ok(()) };
        let heritage = self.heritage.take().unwrap_or_default();
        let mut names: BTreeSet<OwnerName> = what.names.iter().cloned().collect();
        if what.all {
            names.extend(self.world.inventory.iter().flat_map(|known| known.names().collect::<Vec<_>>()));
            names.append(&mut self.with_entries);
        }
        if what.mapping {
            names.extend(heritage.names().cloned());
        }
        // Rows for VMs that are gone are one held set, which the verb approves.
        let set = plan::hash_of(heritage.digests(&self.world).collect::<Vec<LossDigest>>());
        let (approved, standing, seen) = (false, None, HashSet::new());
        let mut errand = Errand { what, heritage, set, approved, standing, seen };
        // Forward names first: a reverse name wants what stands there by then.
        let (reverse, forward): (Vec<OwnerName>, Vec<OwnerName>) =
            names.into_iter().partition(OwnerName::is_arpa);
        for chunk in forward.chunks(NAMES).chain(reverse.chunks(NAMES)) {
            self.adopt_names(&mut errand, chunk).await?;
        }
        Ok(())
    }

    /// Some names, in as many transactions as it takes.
    async fn adopt_names(&mut self, errand: &mut Errand, names: &[OwnerName]) -> Result<(), EngineError> {
        let mut rest = vec![(names.to_vec(), 0, 0)];
        while let Some((names, mut tries, mut fenced)) = rest.pop() {
            let (prepared, told) = self.prepare_adoption(errand, &names).await?;
            let written = if errand.what.dry_run {
                Ok(())
            } else {
                self.write_adoption(errand, &prepared, &told).await
            };
            match written {
                Ok(()) => {
                    let more = self.note_adopted(errand, prepared, told);
                    rest.extend((!more.is_empty()).then_some((more, 0, 0)));
                }
                // A controller has just come or gone.
                Err(WriteError::Fenced) if fenced < FENCED => {
                    errand.standing = None;
                    fenced += 1;
                    rest.push((names, tries, fenced));
                }
                Err(error) => {
                    if matches!(error, WriteError::Zones(_)) {
                        self.read_zones_anew().await?;
                    }
                    if again(&error, &mut tries).await {
                        rest.push((names, tries, fenced));
                    } else if names.len() > 1 {
                        rest.extend(names.into_iter().map(|name| (vec![name], 0, 0)));
                    } else {
                        let name = names.first().map(ToString::to_string).unwrap_or_default();
                        let failed = VerbError::Write { name, others: 0, source: error };
                        return Err(EngineError::Verb(failed));
                    }
                }
            }
        }
        Ok(())
    }

    /// After COMMIT. Returns what is left to do of these names.
    fn note_adopted(&mut self, errand: &mut Errand, prepared: Prepared, mut told: Told) -> Vec<OwnerName> {
        for (name, decision) in prepared.decisions {
            if errand.what.dry_run {
                self.settler.overlay.note(&name, &decision);
            }
            let adoption = told.remove(&name).unwrap_or_default();
            self.report.adopted.inherited += adoption.inherited;
            self.report.adopted.note(&name, adoption.told);
            errand.seen.insert(name);
        }
        // The other end of an alias matters where everything is asked for.
        let also = prepared.also.into_iter().filter(|name| errand.what.all && !errand.seen.contains(name));
        prepared.deferred.into_iter().chain(also).collect()
    }

    async fn prepare_adoption(
        &mut self,
        errand: &Errand,
        names: &[OwnerName],
    ) -> Result<(Prepared, Told), EngineError> {
        let legacy: HashMap<&OwnerName, Vec<plan::Legacy>> =
            names.iter().map(|name| (name, errand.heritage.at(&self.world, name))).collect();
        let (settler, world, settings) = (&mut self.settler, &mut self.world, &self.settings.plan);
        let mut told = Told::new();
        let mut unknown: Vec<OwnerName> = Vec::new();
        let prepared = patiently(async || {
            told.clear();
            unknown.clear();
            let prepared = settler.prepare_by(world, names, |state| {
                let asked = errand.what.names.contains(state.name);
                let legacy = legacy.get(state.name).map_or(&[][..], Vec::as_slice);
                let take = Take { named: asked, legacy, set: errand.set };
                let mut adoption = plan::adopt(state, settings, take);
                if asked && state.claims.is_empty() && state.entries.is_empty() && legacy.is_empty() {
                    unknown.push(state.name.clone());
                }
                let decision = std::mem::take(&mut adoption.decision);
                told.insert(state.name.clone(), adoption);
                decision
            });
            prepared.await
        });
        let prepared = prepared.await.map_err(EngineError::Verb)?;
        unknown.retain(|name| !self.report.adopted.unknown.contains(name));
        self.report.adopted.unknown.append(&mut unknown);
        Ok((prepared, told))
    }

    async fn write_adoption(
        &mut self,
        errand: &mut Errand,
        prepared: &Prepared,
        told: &Told,
    ) -> Result<(), WriteError> {
        if prepared.batch.is_empty() {
            return Ok(());
        }
        let standing = match errand.standing.take() {
            Some(standing) => standing,
            None => self.database.enlist(self.cloud.as_deref()).await?,
        };
        // It may have been bound since it was looked at, and to another cloud.
        if standing.cloud.is_some() && standing.cloud != self.cloud {
            return Err(WriteError::Fenced);
        }
        let writer = self.database.writer_beside(&standing);
        errand.standing = Some(standing);
        let inherits = |name: &OwnerName| told.get(name).is_some_and(|one| one.inherited > 0);
        let inherits = prepared.decisions.iter().any(|(name, _)| inherits(name));
        if let Some(set) = errand.set.filter(|_| inherits && !errand.approved) {
            writer.approve(set).await?;
            errand.approved = true;
        }
        self.settler.commit(&self.world, &writer, &prepared.batch).await.map(drop)
    }

    async fn read_zones_anew(&mut self) -> Result<(), EngineError> {
        let reader = self.settler.reader.clone();
        let read = patiently(async || tasks::zones(&reader, |_| true).await).await;
        self.take_zones(read.map_err(EngineError::Verb)?);
        Ok(())
    }
}
