//! The owner id: its cloud and its lease, what is held, and what nobody serves.

use crate::{
    metrics::chain,
    model::{DomainId, Finding, OwnerId, counted},
    powerdns::{Database, DbError, OwnerStanding, Standing},
    reconcile::survey::unadopted,
};

const TOPIC: &str = "ownership";

/// Looks at what the ledger says of us and of others. `seen`: the topmost domain that the key sees.
pub async fn check(database: &Database, owner: &OwnerId, seen: Option<DomainId>) -> Vec<Finding> {
    match look(database, owner, seen).await {
        Ok(findings) => findings,
        // A later schema version is told where the tables are looked at.
        Err(error) => vec![Finding::error(TOPIC, chain(&error), "look at the database server")],
    }
}

async fn look(database: &Database, owner: &OwnerId, seen: Option<DomainId>) -> Result<Vec<Finding>, DbError> {
    let reader = database.reader();
    let standing = reader.standing().await?;
    let all = database.owner_ids().await?;
    let entries = all.iter().find(|one| *one.owner == **owner).map_or(0, |one| one.entries);
    let mut findings = vec![lease(owner, standing.as_ref(), entries)];
    findings.extend(cloud(owner, standing.as_ref(), seen));
    findings.extend(all.iter().filter(|one| *one.owner != **owner).map(other));
    for (set, records) in reader.held_sets().await? {
        findings.push(Finding::warning(
            TOPIC,
            format!("the loss of {} is held", counted(records, "record")),
            format!("`cs-powerdns plan` shows them; to let them through: cs-powerdns approve {set}"),
        ));
    }
    // Somebody who has nothing to do with the older service need not grant its table.
    if let Ok((rows @ 1.., first)) = unadopted(reader).await {
        let first = first.first().map_or("", String::as_str);
        findings.push(Finding::warning(
            TOPIC,
            format!("nobody has taken over {} of the older service, such as {first}", counted(rows, "row")),
            "`cs-powerdns adopt --all --from-cs-mapping --dry-run` shows what would become of them",
        ));
    }
    Ok(findings)
}

fn lease(owner: &str, standing: Option<&Standing>, entries: u64) -> Finding {
    let records = counted(entries, "record");
    match standing {
        None => Finding::ok(TOPIC, format!("owner id `{owner}` is new: nothing was ever written for it")),
        Some(standing) if standing.is_held() => {
            let holder = &standing.holder;
            Finding::ok(TOPIC, format!("owner id `{owner}` has {records} and is served by {holder}"))
        }
        Some(_) if entries == 0 => {
            Finding::ok(TOPIC, format!("owner id `{owner}` has no record, and nobody serves it now"))
        }
        Some(_) => Finding::warning(
            TOPIC,
            format!("owner id `{owner}` has {records}, and nobody serves it now"),
            "start `cs-powerdns run`, unless `sync` is run now and then",
        ),
    }
}

fn cloud(owner: &str, standing: Option<&Standing>, seen: Option<DomainId>) -> Option<Finding> {
    let (bound, seen) = (standing?.cloud.as_ref()?, seen?.to_string());
    Some(if *bound == seen {
        Finding::ok(TOPIC, format!("owner id `{owner}` is bound to this cloud (topmost domain {seen})"))
    } else {
        Finding::error(
            TOPIC,
            format!(
                "owner id `{owner}` is bound to the cloud with topmost domain {bound}, the key's is {seen}"
            ),
            "a key that lost its rights, or another cloud? If this one is meant: cs-powerdns rebind",
        )
    })
}

fn other(OwnerStanding { owner, holder, expires_in, entries }: &OwnerStanding) -> Finding {
    let records = counted(*entries, "record");
    if holder.is_empty() || expires_in.is_zero() {
        return Finding::warning(
            TOPIC,
            format!("owner id `{owner}` has {records}, and nobody serves it: they follow no VM"),
            format!(
                "run its controller; or take them over: cs-powerdns adopt --from-owner {owner} --dry-run"
            ),
        );
    }
    Finding::ok(TOPIC, format!("owner id `{owner}`, with {records}, is served by {holder}"))
}
