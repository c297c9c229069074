//! The decision on one owner name in words: what stands, whose it is, and what would change.

use super::{
    render::Plan,
    state::{Decision, NameState, Settings},
};
use crate::{
    desired::shown,
    ledger::{Verdict, assess},
    model::{
        Barrier, Dnssec, Entry, NameStory, OwnerName, RecordStory, RecordType, Row, Zone, ZoneName, Zones,
    },
};
use std::fmt::Write as _;

/// At most so many lines of each list: a group has a thousand members, and a tenant as many VMs of one name as
/// he likes.
pub(super) const LISTED: usize = 100;
/// What stands in front of an owner id, where a row belongs to another one.
pub(super) const ANOTHERS: &str = "of owner id ";

/// Tells a name; its claims are told by [`tell_claims`](super::tell_claims), its history by whoever has read
/// it. `allows`: whether a zone may be written for somebody, as far as DNS_ZONES goes.
pub fn explain(
    state: &NameState<'_>,
    settings: &Settings,
    decision: &Decision,
    allows: &dyn Fn(&ZoneName) -> bool,
) -> NameStory {
    let own: Vec<&Entry> = state.entries.iter().filter(|entry| entry.owner == settings.owner).collect();
    let zone_of = |entry: &Entry| state.zones.of_entry(entry.zone, &entry.name);
    let (verdicts, places) =
        assess(&own, own.iter().map(|entry| zone_of(entry).map(|zone| zone.id)), state.rows, state.stray);
    let mut ledger: Vec<RecordStory> = own
        .iter()
        .zip(&verdicts)
        .map(|(entry, verdict)| entry_story(entry, &verdict_words(entry, verdict)))
        .collect();
    let others = state.entries.iter().filter(|entry| entry.owner != settings.owner);
    ledger.extend(others.map(|entry| entry_story(entry, &format!("{ANOTHERS}{}", shown(&entry.owner)))));
    let rows = state.rows.iter().enumerate().map(|(at, row)| {
        let ours = places.iter().position(|place| *place == Some(at)).map(|own| &verdicts[own]);
        row_story(state, settings, row, ours)
    });
    let (zone, zone_says) = zone_words(state, allows);
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

fn zone_words<'a>(state: &NameState<'a>, allows: &dyn Fn(&ZoneName) -> bool) -> (Option<&'a Zone>, String) {
    let name = state.name.as_str();
    let Some(zone) = state.zones.enclosing(name) else {
        let none = "no zone of this database with an enabled SOA is this name or above it";
        return (None, none.to_owned());
    };
    let above = zone.name.parent().and_then(|above| state.zones.enclosing(above.as_str()));
    let above = above.map(|above| format!("; {} is a shorter one, and does not answer", above.name));
    let writable = match &state.zone {
        Ok(zone) if !allows(&zone.name) => {
            "nothing may be written here for any VM: DNS_ZONES does not list it".to_owned()
        }
        Ok(zone) if zone.dnssec == Dnssec::Unsigned => "it may be written".to_owned(),
        Ok(_) => "it may be written, and each change keeps its order names, and so its proofs of what does \
                  not exist, as rectify-zone would"
            .to_owned(),
        Err(barrier) => format!("nothing may be written here: {barrier}"),
    };
    let says = format!(
        "{} ({:?}, {}), the longest at or above the name{}; {writable}",
        zone.name,
        zone.kind,
        zone.dnssec.word(),
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
        (None, Some(entry)) => format!("{ANOTHERS}{}", shown(&entry.owner)),
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
