//! `adopt --from-owner`: the entries of an owner id whose lease has lapsed become ours.

use super::verb::{VerbError, again, patiently};
use crate::{
    model::OwnerId,
    powerdns::{Acquire, Database, Lease, WriteError},
};

/// How often a fence that has moved is read anew.
const FENCED: u32 = 8;

/// Hands all entries of `theirs` over to `ours`, each a database seen with that owner id. `holder` names
/// this process in their lease, which it takes so that nobody else comes in between. Returns how many
/// there were; with `dry_run` only tells.
pub async fn hand_over(
    (ours, owner): (&Database, &OwnerId),
    (theirs, from): (&Database, &OwnerId),
    holder: &str,
    dry_run: bool,
) -> Result<u64, VerbError> {
    let (our_reader, their_reader) = (ours.reader(), theirs.reader());
    let standing = patiently(async || their_reader.standing().await).await?;
    let entries = patiently(async || their_reader.owned_count().await).await?;
    let Some(standing) = standing else { return Err(VerbError::UnknownOwner(from.to_string())) };
    if standing.is_held() {
        return Err(VerbError::Held { owner: from.to_string(), holder: standing.holder });
    }
    let bound = patiently(async || our_reader.bound_cloud().await).await?;
    if let (Some(theirs), Some(ours)) = (&standing.cloud, bound)
        && *theirs != ours
    {
        return Err(VerbError::Clouds { owner: from.to_string(), theirs: theirs.clone(), ours });
    }
    if dry_run || entries == 0 {
        return Ok(entries);
    }
    let lease = match patiently(async || theirs.acquire(holder).await).await? {
        Acquire::Held(lease) => lease,
        Acquire::Busy { holder, .. } => return Err(VerbError::Held { owner: from.to_string(), holder }),
    };
    let done = hand_over_all(ours, owner, theirs, &lease, standing.cloud.as_deref()).await;
    theirs.release(lease).await;
    done
}

async fn hand_over_all(
    ours: &Database,
    owner: &OwnerId,
    theirs: &Database,
    lease: &Lease,
    cloud: Option<&str>,
) -> Result<u64, VerbError> {
    let (mut moved, mut tries, mut fenced) = (0, 0, 0);
    loop {
        // Rows of VMs of another cloud would all look gone: an owner id without a cloud gets theirs.
        let standing = patiently(async || ours.enlist(cloud).await).await?;
        if !patiently(async || theirs.renew(lease).await).await? {
            return Err(VerbError::LeaseLost);
        }
        match theirs.hand_over(lease, owner, &standing).await {
            Ok(0) => return Ok(moved),
            Ok(some) => {
                moved += some;
                (tries, fenced) = (0, 0);
            }
            // A controller of ours has just come or gone.
            Err(WriteError::Fenced) if fenced < FENCED => fenced += 1,
            Err(error) if again(&error, &mut tries).await => {}
            Err(source) => return Err(VerbError::Handover { moved, source }),
        }
    }
}
