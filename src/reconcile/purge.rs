//! The verb `purge`: takes everything of this owner id out of the database. It works instead of a
//! controller, with the lease, through the same transactions.

use super::{
    carry::{self, Load},
    deep::Deep,
    tasks,
    verb::{VerbError, again, patiently},
};
use crate::{
    desired::ZoneList,
    model::{Entry, OwnerId, OwnerName, Zone, ZoneId, ZoneName, Zones},
    plan::{self, Plan, PurgeState},
    powerdns::{NameRows, Reader, WriteError, Writer},
};
use std::collections::{BTreeSet, HashSet};
use tokio::time::Instant;

/// What to purge.
#[derive(Debug, Clone)]
pub struct PurgeSettings {
    /// Whose rows go.
    pub owner: OwnerId,
    /// Only those of this zone.
    pub only: Option<ZoneName>,
    /// Which zones may be written.
    pub zones: ZoneList,
}

/// What was purged, or would be.
#[derive(Debug, Default)]
pub struct Purged {
    /// The rows, where nothing is written.
    pub plan: Plan,
    /// How many rows went.
    pub rows: usize,
    /// How many entries ended.
    pub entries: usize,
    /// Zones that have changed.
    pub zones: BTreeSet<ZoneId>,
    /// Rows that stay without their entries, and what an operator has done to them.
    pub left: Vec<(Entry, &'static str)>,
    /// Entries that stay with their rows, and why.
    pub kept: Vec<(Entry, String)>,
    failed: Vec<(OwnerName, WriteError)>,
}

/// Names of one reading, as settling has it.
const NAMES: usize = 480;

struct Purger<'a> {
    settings: &'a PurgeSettings,
    reader: Reader,
    zones: Zones,
    deep: Deep,
    done: Purged,
}

/// Purges; without a writer only tells. A name that cannot be written does not keep the others.
pub async fn purge(
    reader: Reader,
    writer: Option<&Writer>,
    settings: &PurgeSettings,
) -> Result<Purged, VerbError> {
    let done = Purged::default();
    let mut purger = Purger { settings, reader, zones: Zones::default(), deep: Deep::default(), done };
    purger.read_zones().await?;
    if let Some(only) = settings.only.as_ref().filter(|only| purger.zones.named(only.as_str()).is_none()) {
        return Err(VerbError::NoZone(only.to_string()));
    }
    let mut names = patiently(async || purger.reader.names_of(&settings.owner).await).await?;
    // Reverse names go first: at no time is there one whose forward name does not stand.
    names.sort_by_key(|name| !name.is_arpa());
    let mut chunks: Vec<(Vec<OwnerName>, u32)> =
        names.chunks(NAMES).rev().map(|chunk| (chunk.to_vec(), 0)).collect();
    while let Some((names, mut tries)) = chunks.pop() {
        match purger.some(writer, &names).await? {
            Ok(deferred) if deferred.is_empty() => {}
            Ok(deferred) => chunks.push((deferred, 0)),
            Err(WriteError::Fenced) => return Err(VerbError::LeaseLost),
            Err(error) if again(&error, &mut tries).await => {
                if matches!(error, WriteError::Zones(_)) {
                    purger.read_zones().await?;
                }
                chunks.push((names, tries));
            }
            Err(error) => match <[OwnerName; 1]>::try_from(names) {
                Ok([name]) => purger.done.failed.push((name, error)),
                Err(names) => chunks.extend(names.into_iter().map(|name| (vec![name], 0))),
            },
        }
    }
    let mut done = purger.done;
    match done.failed.pop() {
        None => Ok(done),
        Some((name, source)) => {
            Err(VerbError::Write { name: name.to_string(), others: done.failed.len(), source })
        }
    }
}

impl Purger<'_> {
    async fn read_zones(&mut self) -> Result<(), VerbError> {
        let (zones, deep) = patiently(async || tasks::zones(&self.reader, |_| true).await).await?;
        self.zones = zones;
        for (zone, names) in deep {
            self.deep.replace(zone, names, Instant::now());
        }
        Ok(())
    }

    /// One transaction. Returns the names that it had no room for.
    async fn some(
        &mut self,
        writer: Option<&Writer>,
        names: &[OwnerName],
    ) -> Result<Result<Vec<OwnerName>, WriteError>, VerbError> {
        let around: Vec<OwnerName> = carry::around(&self.zones, names.iter()).into_iter().collect();
        let read = patiently(async || self.reader.names_and_around(names, &around).await).await?;
        let purges: Vec<_> = names.iter().map(|name| (name, self.decide(name, &read))).collect();
        let decisions =
            purges.iter().map(|(name, purge)| ((*name).clone(), purge.decision.clone())).collect();
        let load = carry::load(&self.reader, &mut self.deep, &self.zones, decisions, &read).await;
        let Load { decisions, deferred, batch } = load.map_err(VerbError::Db)?;
        if let Some(writer) = writer
            && let Err(error) = writer.commit(&batch, &self.zones).await
        {
            return Ok(Err(error));
        }
        self.done.zones.extend(batch.zones());
        for (name, decision) in &decisions {
            if writer.is_none() {
                self.done.plan.add(name, decision, &self.zones);
            }
            self.done.rows += decision.deletes.len();
            self.done.entries += decision.endings.len();
        }
        let waits: HashSet<&OwnerName> = deferred.iter().collect();
        for (_, purge) in purges.into_iter().filter(|(name, _)| !waits.contains(name)) {
            self.done.left.extend(purge.left);
            self.done.kept.extend(purge.kept);
        }
        Ok(Ok(deferred))
    }

    fn decide(&self, name: &OwnerName, read: &NameRows) -> plan::Purge {
        let PurgeSettings { owner, only, zones } = self.settings;
        let forbidden = |zone: &Zone| {
            let allowed = zones.allows_anyone(&zone.name);
            zone.unwritable().or_else(|| (!allowed).then_some(crate::model::Unwritable::NotAllowed))
        };
        let state = PurgeState {
            rows: read.rows_at(name.as_str()),
            entries: read.entries_at(name.as_str()),
            stray: &|id| read.stray(id),
            zones: &self.zones,
            forbidden: &forbidden,
            owner,
            only: only.as_ref(),
        };
        plan::purge(name, &state)
    }
}
