//! The verb `adopt`: a full reading as for a plan, then, instead of settling, each name's rows are taken
//! as [`plan::adopt`] says. It writes beside a running controller, fenced on the epoch that was read.

use super::{
    engine::Engine,
    error::EngineError,
    heritage::Heritage,
    report::Report,
    settle::Prepared,
    tasks,
    verb::{VerbError, again, patiently},
};
use crate::{
    model::{HeldSet, OwnerName},
    plan::{self, Adoption, Fortune, LossDigest, Take, Told},
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
    pub lines: Vec<(OwnerName, Told)>,
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
    fn note(&mut self, name: &OwnerName, told: Vec<Told>) {
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

/// The write side, once something is to be written.
struct Pen {
    cloud: Option<String>,
    standing: Option<Standing>,
    approved: bool,
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

    /// VMs that only the older service's table knows have to be proved gone like those of the ledger.
    pub(super) fn expect_heritage(&mut self) {
        for vm in self.heritage.iter().flat_map(Heritage::vms) {
            self.world.note_vm(vm);
        }
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
        let named: HashSet<OwnerName> = what.names.iter().cloned().collect();
        let set = self.heirloom_set(&heritage);
        let mut pen = Pen { cloud: self.cloud.clone(), standing: None, approved: false };
        // Forward names first: a reverse name wants what stands there by then.
        let (reverse, forward): (Vec<OwnerName>, Vec<OwnerName>) =
            names.into_iter().partition(OwnerName::is_arpa);
        let mut seen: HashSet<OwnerName> = HashSet::new();
        for names in [forward, reverse] {
            for chunk in names.chunks(NAMES) {
                let mut rest = vec![(chunk.to_vec(), 0)];
                while let Some((names, tries)) = rest.pop() {
                    let take = |name: &OwnerName| (named.contains(name), set);
                    let (prepared, mut told) = self.prepare_adoption(&names, &heritage, take).await?;
                    if !what.dry_run
                        && let Err(error) = self.write_adoption(&prepared, set, &mut pen, &told).await
                    {
                        self.recover(&error).await?;
                        let mut tries = tries;
                        if matches!(error, WriteError::Fenced) && tries < 8 {
                            pen.standing = None;
                            rest.push((names, tries + 1));
                        } else if again(&error, &mut tries).await {
                            rest.push((names, tries));
                        } else if names.len() > 1 {
                            rest.extend(names.into_iter().map(|name| (vec![name], 0)));
                        } else {
                            let name = names.first().map(ToString::to_string).unwrap_or_default();
                            return Err(EngineError::Verb(VerbError::Write {
                                name,
                                others: 0,
                                source: error,
                            }));
                        }
                        continue;
                    }
                    let also = prepared.also.into_iter().filter(|name| what.all && !seen.contains(name));
                    let more: Vec<OwnerName> = prepared.deferred.into_iter().chain(also).collect();
                    for (name, decision) in prepared.decisions {
                        if what.dry_run {
                            self.settler.overlay.note(&name, &decision);
                        }
                        let adoption = told.remove(&name).unwrap_or_default();
                        self.report.adopted.inherited += adoption.inherited;
                        self.report.adopted.note(&name, adoption.told);
                        seen.insert(name);
                    }
                    if !more.is_empty() {
                        rest.push((more, 0));
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows for VMs that are gone are one held set, which the verb approves: its name is made of what the
    /// table lists.
    fn heirloom_set(&self, heritage: &Heritage) -> Option<HeldSet> {
        plan::hash_of(heritage.digests(&self.world).collect::<Vec<LossDigest>>())
    }

    async fn prepare_adoption(
        &mut self,
        names: &[OwnerName],
        heritage: &Heritage,
        take: impl Fn(&OwnerName) -> (bool, Option<HeldSet>),
    ) -> Result<(Prepared, HashMap<OwnerName, Adoption>), EngineError> {
        let legacy: HashMap<&OwnerName, Vec<plan::Legacy>> =
            names.iter().map(|name| (name, heritage.at(&self.world, name))).collect();
        let settings = self.settings.plan.clone();
        let (settler, world) = (&self.settler, &mut self.world);
        let mut told: HashMap<OwnerName, Adoption> = HashMap::new();
        let mut unknown: HashSet<OwnerName> = HashSet::new();
        let prepared = patiently(async || {
            (told, unknown) = (HashMap::new(), HashSet::new());
            let prepared = settler.prepare_by(world, names, |state| {
                let (named, set) = take(state.name);
                let legacy = legacy.get(state.name).map_or(&[][..], Vec::as_slice);
                let mut adoption = plan::adopt(state, &settings, Take { named, legacy, set });
                if named && state.claims.is_empty() && state.entries.is_empty() && legacy.is_empty() {
                    unknown.insert(state.name.clone());
                }
                let decision = std::mem::take(&mut adoption.decision);
                told.insert(state.name.clone(), adoption);
                decision
            });
            prepared.await
        });
        let prepared = prepared.await.map_err(EngineError::Verb)?;
        for name in unknown {
            if !self.report.adopted.unknown.contains(&name) {
                self.report.adopted.unknown.push(name);
            }
        }
        Ok((prepared, told))
    }

    async fn write_adoption(
        &mut self,
        prepared: &Prepared,
        set: Option<HeldSet>,
        pen: &mut Pen,
        told: &HashMap<OwnerName, Adoption>,
    ) -> Result<(), WriteError> {
        if prepared.batch.is_empty() {
            return Ok(());
        }
        let standing = match &pen.standing {
            Some(standing) => standing.clone(),
            None => self.database.enlist(pen.cloud.as_deref()).await?,
        };
        // A controller may have bound the owner id since it was looked at.
        if let (Some(bound), Some(cloud)) = (&standing.cloud, &pen.cloud)
            && bound != cloud
        {
            return Err(WriteError::Fenced);
        }
        let writer = self.database.writer_beside(&standing);
        pen.standing = Some(standing);
        let inherits =
            prepared.decisions.iter().any(|(name, _)| told.get(name).is_some_and(|one| one.inherited > 0));
        if let Some(set) = set.filter(|_| inherits && !pen.approved) {
            writer.approve(set).await?;
            pen.approved = true;
        }
        self.settler.commit(&self.world, &writer, &prepared.batch).await.map(drop)
    }

    /// What has to be read again before the names are planned again.
    async fn recover(&mut self, error: &WriteError) -> Result<(), EngineError> {
        if matches!(error, WriteError::Zones(_)) {
            let reader = self.settler.reader.clone();
            let read = patiently(async || tasks::zones(&reader, |_| true).await).await;
            self.take_zones(read.map_err(EngineError::Verb)?);
        }
        Ok(())
    }
}
