//! The verb `release`: puts claims on hold. It writes beside a running controller, fenced on the epoch
//! that was read, and touches the ledger alone.

use super::verb::{VerbError, again, patiently};
use crate::{
    model::{Entry, OwnerId, OwnerName, Zones},
    plan::{self, Decision, MAX_ROWS},
    powerdns::{Database, NameRows, WriteError},
};

/// A name, and what is on hold there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnHold {
    /// The name.
    pub name: OwnerName,
    /// All entries of ours, each of them on hold by now.
    pub entries: Vec<Entry>,
    /// How many of them were not before.
    pub changed: usize,
}

/// Names of one reading.
const NAMES: usize = 480;

/// Puts all claims that have entries at these names on hold; with `dry_run` only tells.
pub async fn release(
    database: &Database,
    owner: &OwnerId,
    names: &[OwnerName],
    dry_run: bool,
) -> Result<Vec<OnHold>, VerbError> {
    let reader = database.reader();
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    let (mut rest, mut out, mut tries) = (names.as_slice(), Vec::new(), 0);
    while !rest.is_empty() {
        let standing = patiently(async || reader.standing().await).await?;
        let standing = standing.ok_or_else(|| VerbError::NoOwner(owner.to_string()))?;
        let some = &rest[..rest.len().min(NAMES)];
        let read = patiently(async || reader.names(some).await).await?;
        let (decisions, mut held) = plan(some, &read, owner);
        let carried = held.len();
        let batch = plan::assemble(decisions, read.rows(), read.entries(), Vec::new());
        if !dry_run && !batch.is_empty() {
            match database.writer_beside(&standing).commit(&batch, &Zones::default()).await {
                Ok(_) => {}
                // The lease changed hands: the next look reads the new epoch.
                Err(error @ WriteError::Fenced) if tries >= 8 => return Err(failed(some, error)),
                Err(WriteError::Fenced) => {
                    tries += 1;
                    continue;
                }
                Err(error) if again(&error, &mut tries).await => continue,
                Err(error) => return Err(failed(some, error)),
            }
        }
        tries = 0;
        out.append(&mut held);
        rest = &rest[carried..];
    }
    Ok(out)
}

fn failed(names: &[OwnerName], source: WriteError) -> VerbError {
    let name = names.first().map(ToString::to_string).unwrap_or_default();
    VerbError::Write { name, others: names.len().saturating_sub(1), source }
}

/// As many of the names as one transaction may carry.
fn plan(names: &[OwnerName], read: &NameRows, owner: &OwnerId) -> (Vec<(OwnerName, Decision)>, Vec<OnHold>) {
    let (mut decisions, mut held, mut lines) = (Vec::new(), Vec::new(), 0);
    for name in names {
        let entries = read.entries_at(name.as_str());
        let decision = plan::release(entries, owner);
        let changed = decision.puts.len();
        if lines > 0 && lines + changed > MAX_ROWS {
            break;
        }
        lines += changed;
        let ours = entries.iter().filter(|entry| entry.owner == *owner).cloned().collect();
        held.push(OnHold { name: name.clone(), entries: ours, changed });
        decisions.push((name.clone(), decision));
    }
    (decisions, held)
}
