//! The decision on one owner name in words: what stands, whose it is, and what would change.

use super::{
    render::Plan,
    state::{Decision, NameState, Settings},
};
use crate::{
    desired::shown,
    ledger::{Verdict, assess},
    model::{
        Barrier, ClaimStory, Entry, Kind, NameStory, Outcome, OwnerName, RecordStory, RecordType, Row,
        Unwritable, VmId, Zone, Zones,
    },
};
use std::fmt::Write as _;

/// At most so many lines of each list: a group has a thousand members, and a tenant as many VMs of one name as
/// he likes.
const LISTED: usize = 100;

/// Tells a name; its claims are told by [`tell_claims`], its history by whoever has read it.
pub fn explain(state: &NameState<'_>, settings: &Settings, decision: &Decision) -> NameStory {
    let own: Vec<&Entry> = state.entries.iter().filter(|entry| entry.owner == settings.owner).collect();
    let zone_of = |entry: &Entry| state.zones.of_entry(entry.zone, &entry.name);
    let (verdicts, places) =
        assess(&own, state.rows, |entry| zone_of(entry).map(|zone| zone.id), state.stray);
    let mut ledger: Vec<RecordStory> = own
        .iter()
        .zip(&verdicts)
        .map(|(entry, verdict)| entry_story(entry, &verdict_words(entry, verdict)))
        .collect();
    let others = state.entries.iter().filter(|entry| entry.owner != settings.owner);
    ledger.extend(others.map(|entry| entry_story(entry, &format!("of owner id {}", shown(&entry.owner)))));
    let rows = state.rows.iter().enumerate().map(|(at, row)| {
        let ours = places.iter().position(|place| *place == Some(at)).map(|own| &verdicts[own]);
        row_story(state, settings, row, ours)
    });
    let (zone, zone_says) = zone_words(state);
    NameStory {
        name: state.name.to_string(),
        zone: zone.map(|zone| zone.name.to_string()),
        zone_says,
        ledger_total: ledger.len(),
        ledger: ledger.into_iter().take(LISTED).collect(),
        rows_total: state.rows.len(),
        rows: rows.take(LISTED).collect(),
        dns: shortened(answers(state)),
        next: shortened(changes(state.name, decision, state.zones)),
        ..NameStory::default()
    }
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if let Some(more @ 1..) = lines.len().checked_sub(LISTED) {
        lines.truncate(LISTED);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Tells how each claim stands, those that wait last.
pub fn tell_claims(name: &OwnerName, story: &mut NameStory, decision: &Decision) {
    let (waiting, others): (Vec<_>, Vec<_>) =
        decision.outcomes.iter().partition(|(_, _, outcome)| matches!(outcome, Outcome::Waiting { .. }));
    story.claims_total = decision.outcomes.len();
    let first = others.into_iter().chain(waiting).take(LISTED);
    story.claims = first.map(|outcome| claim_story(name, outcome, decision)).collect();
}

fn zone_words<'a>(state: &NameState<'a>) -> (Option<&'a Zone>, String) {
    let name = state.name.as_str();
    let Some(zone) = state.zones.enclosing(name) else {
        let none = "no zone of this database with an enabled SOA is this name or above it";
        return (None, none.to_owned());
    };
    let above = zone.name.parent().and_then(|above| state.zones.enclosing(above.as_str()));
    let above = above.map(|above| format!("; {} is a shorter one, and does not answer", above.name));
    let writable = match &state.zone {
        Ok(_) => "it may be written".to_owned(),
        Err(barrier) => format!("nothing may be written here: {barrier}"),
    };
    let says = format!(
        "{} ({:?}, {}), the longest at or above the name{}; {writable}",
        zone.name,
        zone.kind,
        if zone.dnssec == crate::model::Dnssec::Unsigned { "unsigned" } else { "signed" },
        above.unwrap_or_default()
    );
    (Some(zone), says)
}

fn entry_story(entry: &Entry, says: &str) -> RecordStory {
    RecordStory {
        rtype: entry.rtype.to_string(),
        content: shown(&entry.content.to_string()),
        ttl: Some(entry.ttl.0),
        says: format!("{} of VM {}, {says}", entry.kind, entry.vm),
    }
}

fn verdict_words(entry: &Entry, verdict: &Verdict) -> String {
    let mut says = match verdict {
        Verdict::Intact(_) => "the row is as it was written".to_owned(),
        Verdict::Retimed(owned) => {
            let ttl = owned.row().ttl.map_or(0, |ttl| ttl.0);
            format!("an operator has given the row TTL {ttl}, which a group keeps")
        }
        Verdict::TtlEdited(row) => {
            let ttl = row.ttl.map_or_else(|| "none".to_owned(), |ttl| ttl.0.to_string());
            format!("released: its TTL was changed to {ttl}")
        }
        Verdict::Disabled(_) => "released: it was disabled".to_owned(),
        Verdict::EditedInPlace => "released: it was edited in place".to_owned(),
        Verdict::Replaced => "released: it was replaced".to_owned(),
        Verdict::Deleted => "the row was deleted by hand".to_owned(),
        Verdict::ZoneGone => "its zone is gone".to_owned(),
    };
    if entry.on_hold {
        says.push_str("; on hold");
    }
    if let Some(set) = entry.held {
        let _ = write!(says, "; its loss is held in set {set}");
    }
    says
}

fn row_story(state: &NameState<'_>, settings: &Settings, row: &Row, ours: Option<&Verdict>) -> RecordStory {
    let anothers = state.entries.iter().find(|entry| {
        entry.owner != settings.owner && entry.rtype == row.rtype && entry.content == row.content
    });
    let mut says = match (ours, anothers) {
        (Some(verdict), _) if verdict.edit().is_some() => "ours, edited by an operator".to_owned(),
        (Some(_), _) => "ours".to_owned(),
        (None, Some(entry)) => format!("of owner id {}", shown(&entry.owner)),
        (None, None) if row.rtype == RecordType::Ent => "an empty non-terminal".to_owned(),
        (None, None) => "not ours".to_owned(),
    };
    if row.disabled {
        says.push_str(", disabled");
    }
    let answers = state.zones.enclosing(state.name.as_str());
    if answers.is_none_or(|zone| zone.id != row.zone) {
        let zone = state.zones.with_id(row.zone);
        let zone = zone.map_or_else(|| format!("zone {}", row.zone), |zone| zone.name.to_string());
        let _ = write!(says, ", in {zone}, which does not answer for this name");
    }
    RecordStory {
        rtype: if row.rtype == RecordType::Ent { "ENT".to_owned() } else { shown(row.rtype.as_str()) },
        content: if row.rtype == RecordType::Ent { String::new() } else { shown(&row.content.to_string()) },
        ttl: row.ttl.map(|ttl| ttl.0),
        says,
    }
}

/// What PowerDNS should answer by the rows of the name; nothing where it has none. Its caches may say
/// otherwise for a while.
fn answers(state: &NameState<'_>) -> Vec<String> {
    let Some(zone) = state.zones.enclosing(state.name.as_str()) else {
        return vec!["nothing: no zone here is asked for it (REFUSED)".to_owned()];
    };
    match &state.zone {
        Err(Barrier::Delegation(at)) => return vec![format!("a referral to the servers of {at}")],
        Err(Barrier::Dname(at)) => return vec![format!("what the DNAME at {at} leads to")],
        _ => {}
    }
    visible(state.rows, zone)
}

/// What rows of one name answer in their zone, beside what concerns DNSSEC.
pub fn visible(rows: &[Row], zone: &Zone) -> Vec<String> {
    let live: Vec<&Row> = rows.iter().filter(|row| row.zone == zone.id && !row.disabled).collect();
    let told = |row: &&&Row| {
        matches!(row.rtype, RecordType::A | RecordType::Aaaa | RecordType::Ptr | RecordType::Cname)
            && row.auth != Some(false)
    };
    let told: Vec<String> = (live.iter().filter(told))
        .map(|row| {
            let ttl = row.ttl.map_or(0, |ttl| ttl.0);
            format!("{} {} (TTL {ttl})", row.rtype, shown(&row.content.to_string()))
        })
        .collect();
    if told.is_empty() && !live.is_empty() {
        return vec!["the name exists, without A, AAAA, PTR or CNAME (NODATA)".to_owned()];
    }
    told
}

fn changes(name: &OwnerName, decision: &Decision, zones: &Zones) -> Vec<String> {
    let mut plan = Plan::default();
    plan.add(name, decision, zones);
    let mut lines: Vec<String> = plan.lines().into_iter().map(ToString::to_string).collect();
    let goes = |ending: &Entry| {
        decision
            .deletes
            .iter()
            .any(|(owned, _)| (&owned.row().rtype, &owned.row().content) == (&ending.rtype, &ending.content))
    };
    let ended = decision.endings.iter().filter(|ending| !goes(&ending.entry));
    lines.extend(ended.map(|ending| {
        let Entry { rtype, content, .. } = &ending.entry;
        format!("the entry of {rtype} {} ends: {}", shown(&content.to_string()), ending.why)
    }));
    lines
}

/// Tells how one claim stands, and what to do about it.
fn claim_story(
    name: &OwnerName,
    (vm, kind, outcome): &(VmId, Kind, Outcome),
    decision: &Decision,
) -> ClaimStory {
    let set = || decision.held.iter().find_map(|loss| loss.set).or(decision.carried.first().copied());
    let detail = match outcome {
        Outcome::Served => String::new(),
        Outcome::Waiting { holder: Some(holder) } => format!("held by VM {holder}"),
        Outcome::Waiting { holder: None } => "nobody holds it yet".to_owned(),
        Outcome::Blocked { by } => format!("in its way stands {}", shown(by)),
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
    let remedy = match outcome {
        Outcome::Served | Outcome::Overflow => String::new(),
        Outcome::Waiting { .. } => "it follows when the holder goes; or rename one of the two VMs".to_owned(),
        Outcome::Blocked { by } if by.starts_with("an entry of another owner id") => {
            "its own controller has to give it up, or `cs-powerdns adopt --from-owner ID`".to_owned()
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
        Outcome::Held => set().map_or_else(
            || "`cs-powerdns plan` shows the set to approve".to_owned(),
            |set| format!("to let it through: cs-powerdns approve {set}"),
        ),
        Outcome::Frozen => "see its VM: the API key must see its owner, or the next listings tell".to_owned(),
        Outcome::Unconfirmed => "see its forward names: once one stands, the PTR follows".to_owned(),
        Outcome::Mode => "set DNS_MODE=sync".to_owned(),
    };
    let (vm, kind, state) = (vm.to_string(), kind.to_string(), outcome.word().to_owned());
    ClaimStory { vm, kind, state, detail, remedy }
}

fn barrier_remedy(barrier: &Barrier) -> &'static str {
    match barrier {
        Barrier::NoZone => "create the zone",
        Barrier::Zone(Unwritable::NotAllowed) | Barrier::Alias { why: Unwritable::NotAllowed, .. } => {
            "add the zone to DNS_ZONES, if this VM may write there"
        }
        Barrier::Zone(_) | Barrier::Alias { .. } => {
            "mend the zone, or write the record where the zone comes from"
        }
        Barrier::Delegation(_) => "write the record at the servers that it is delegated to",
        Barrier::Dname(_) => "take the DNAME away",
    }
}
