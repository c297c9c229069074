//! How each claim on a name stands, in words, and what to do about it.

use super::{
    explain::{ANOTHERS, LISTED},
    state::Decision,
};
use crate::{
    desired::shown,
    model::{
        Barrier, ClaimStory, HeldSet, Kind, NameStory, Outcome, OwnerName, RecordStory, Unwritable, VmId,
    },
};

/// Tells how each claim stands, those that wait last.
pub fn tell_claims(name: &OwnerName, story: &mut NameStory, decision: &Decision) {
    let (waiting, others): (Vec<_>, Vec<_>) =
        decision.outcomes.iter().partition(|(_, _, outcome)| matches!(outcome, Outcome::Waiting { .. }));
    story.claims_total = decision.outcomes.len();
    let first = others.into_iter().chain(waiting).take(LISTED);
    story.claims = first.map(|outcome| claim_story(name, outcome, decision, &story.rows)).collect();
}

/// The other owner id to which the row belongs that stands in a claim's way, or serves it.
fn anothers<'a>(outcome: &Outcome, rows: &'a [RecordStory]) -> Option<&'a str> {
    let row = rows.iter().find(|row| match outcome {
        Outcome::Blocked { by } => {
            row.says.starts_with(ANOTHERS) && *by == format!("{} {}", row.rtype, row.content)
        }
        Outcome::Satisfied => row.says.starts_with(ANOTHERS),
        _ => false,
    })?;
    row.says.strip_prefix(ANOTHERS)?.split(',').next()
}

/// Tells how one claim stands, and what to do about it.
fn claim_story(
    name: &OwnerName,
    (vm, kind, outcome): &(VmId, Kind, Outcome),
    decision: &Decision,
    rows: &[RecordStory],
) -> ClaimStory {
    let other = anothers(outcome, rows);
    let set = || decision.held.iter().find_map(|loss| loss.set).or(decision.carried.first().copied());
    let detail = match outcome {
        Outcome::Served => String::new(),
        Outcome::Waiting { holder: Some(holder) } => format!("held by VM {holder}"),
        Outcome::Waiting { holder: None } => "nobody holds it yet".to_owned(),
        Outcome::Blocked { by } => {
            let whose = other.map_or_else(String::new, |other| format!(", {ANOTHERS}{other}"));
            format!("in its way stands {}{whose}", shown(by))
        }
        Outcome::Refused(barrier) | Outcome::Retired(barrier) => barrier.to_string(),
        Outcome::Satisfied => "by a row that is not ours and says the same".to_owned(),
        Outcome::Released { how } => (*how).to_owned(),
        Outcome::OnHold => "nothing is written until the claim ends".to_owned(),
        Outcome::Held => set()
            .map_or_else(|| "its loss is held".to_owned(), |set| format!("its loss is held in set {set}")),
        Outcome::Frozen => {
            "it keeps what it has until its owner, its absence or its zone is known for certain".to_owned()
        }
        Outcome::Unconfirmed => "no forward name stands with this address".to_owned(),
        Outcome::Overflow => "a group has at most 1000 addresses, the oldest VMs first".to_owned(),
        Outcome::Mode => "DNS_MODE forbids what it would take".to_owned(),
    };
    let remedy = match other {
        Some(other) => format!(
            "that owner id's controller keeps it; if there is none any more, `cs-powerdns adopt --from-owner {other}`"
        ),
        None => remedy(name, *kind, outcome, set()),
    };
    let (vm, kind, state) = (vm.to_string(), kind.to_string(), outcome.word().to_owned());
    ClaimStory { vm, kind, state, detail, remedy }
}

/// What to do about a claim that is not served; `set`: the one that its loss is held in.
fn remedy(name: &OwnerName, kind: Kind, outcome: &Outcome, set: Option<HeldSet>) -> String {
    match outcome {
        Outcome::Served | Outcome::Overflow => String::new(),
        Outcome::Waiting { .. } => "it follows when the holder goes; or rename one of the two VMs".to_owned(),
        Outcome::Blocked { by } if by.starts_with("an entry of another owner id") => {
            "its own controller has to give it up, or `cs-powerdns adopt --from-owner ID`".to_owned()
        }
        Outcome::Blocked { by } if by.starts_with("CNAME") && kind == Kind::Ptr => {
            "write the PTR where the alias leads, at that name's own servers; or delete the alias".to_owned()
        }
        Outcome::Blocked { by } if by.starts_with("CNAME") || by.ends_with("(disabled)") => {
            "delete that row, if it is not meant to suppress this name: `adopt` leaves it".to_owned()
        }
        Outcome::Blocked { .. } => format!("delete that row, or `cs-powerdns adopt {name}`"),
        Outcome::Refused(barrier) => barrier_remedy(barrier).to_owned(),
        Outcome::Retired(barrier) => {
            format!("{}; or delete the row by hand, if it is to go", barrier_remedy(barrier))
        }
        Outcome::Satisfied => format!("nothing; `cs-powerdns adopt {name}` makes it ours"),
        Outcome::Released { .. } => {
            format!(
                "delete the row or put it back as it was written, or `cs-powerdns adopt {name}`, to have it served again"
            )
        }
        Outcome::OnHold => format!("`cs-powerdns adopt {name}` ends the hold"),
        Outcome::Held => set.map_or_else(
            || "`cs-powerdns plan` shows the set to approve".to_owned(),
            |set| format!("to let it through: cs-powerdns approve {set}"),
        ),
        Outcome::Frozen => "see its VM: the API key must see its owner, or the next listings tell".to_owned(),
        Outcome::Unconfirmed => "see its forward names: once one stands, the PTR follows".to_owned(),
        Outcome::Mode => "set DNS_MODE=sync".to_owned(),
    }
}

/// What to do where a zone is never written.
pub(super) fn zone_remedy(why: &Unwritable) -> &'static str {
    match why {
        Unwritable::Kind(_) | Unwritable::Presigned => {
            "write the record where the zone comes from, or make the zone one of this database"
        }
        Unwritable::Iterations(_) | Unwritable::Nsec3Param => "mend it with `pdnsutil set-nsec3 ZONE`",
        Unwritable::Soa => "mend the zone's SOA",
        Unwritable::NotAllowed => "add the zone to DNS_ZONES, if this VM may write there",
    }
}

fn barrier_remedy(barrier: &Barrier) -> &'static str {
    match barrier {
        Barrier::NoZone => "create the zone",
        Barrier::Zone(why) | Barrier::Alias { why, .. } => zone_remedy(why),
        Barrier::Delegation(_) => "write the record at the servers that it is delegated to",
        Barrier::Dname(_) => "take the DNAME away",
    }
}
