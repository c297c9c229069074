//! `adopt NAME`: the claim that has the name gets it, whatever an operator's enabled rows say.
//!
//! The way: his rows count, for one decision, as rows of the claim, so that [`decide`] itself replaces
//! what differs, keeps what is equal and adds what is missing. The ledger never had those entries, so
//! their ends are not written; each row that goes is told.

use super::{
    adopt::{Adoption, Fortune, Table, is_edited, of, whose},
    column::{Column, Want},
    decide::decide,
    state::{Decision, Losses, Mode, NameState, Settings, Standing},
};
use crate::{
    ledger::Verdict,
    model::{Claim, Content, Ending, Entry, EntryPut, OwnedRow, RecordType, Row},
};

/// Takes the name over for `want`. False, and nothing done, where a disabled row or a CNAME says no, or
/// where nothing can be wanted.
pub(super) fn take_over(
    table: &mut Table<'_, '_>,
    column: &Column<'_, '_>,
    want: &Want<'_>,
    equal: &[Entry],
    out: &mut Adoption,
) -> bool {
    if want.is_unconfirmed() || !table.refusals().is_empty() {
        return false;
    }
    let (kept, ended) = stored(column, want.claim);
    let mut guests: Vec<Entry> = equal.to_vec();
    for row in &table.free {
        let known = guests.iter().any(|guest| is_same(guest, &row.rtype, &row.content));
        guests.extend(table.entry(want.claim, row).filter(|_| !known));
    }
    let others = table.state.entries.iter().filter(|entry| entry.owner != table.settings.owner).cloned();
    let entries: Vec<Entry> = kept.iter().chain(&guests).cloned().chain(others).collect();
    let own = kept.iter().filter(|entry| (entry.vm, entry.kind) == (want.claim.vm, want.claim.kind));
    let twins: Vec<(OwnedRow, &'static str)> = own.chain(&guests).flat_map(|one| twins(table, one)).collect();
    // They are left out of the decision, so that their TTL is not the RRset's.
    let is_twin = |row: &Row| twins.iter().any(|(owned, _)| owned.row().id == row.id);
    let rows: Vec<Row> = table.state.rows.iter().filter(|row| !is_twin(row)).cloned().collect();
    let mut decision = decide_for(table, column, want.claim, &entries, &rows);
    for (owned, why) in &twins {
        out.tell(Fortune::Duplicate, &owned.row().rtype, &owned.row().content, (*why).to_owned());
    }
    decision.deletes.extend(twins);
    tell(&decision, &guests, &ended, want.claim, out);

    let goes = |entry: &Entry| {
        decision.endings.iter().any(|ending| is_same(entry, &ending.entry.rtype, &ending.entry.content))
    };
    // Duplicates are found by the TTL that stands, not by the one that comes.
    table.entries = kept.into_iter().chain(guests.iter().cloned()).filter(|entry| !goes(entry)).collect();
    let is_put =
        |entry: &Entry| decision.puts.iter().any(|put| is_same(entry, &put.entry.rtype, &put.entry.content));
    let news = |entry: &&Entry| !is_put(entry) && !table.state.entries.contains(entry);
    let news: Vec<EntryPut> =
        table.entries.iter().filter(news).map(|entry| EntryPut { entry: entry.clone() }).collect();
    decision.puts.extend(news);
    // The ledger never had the guests.
    decision
        .endings
        .retain(|end| !guests.iter().any(|guest| is_same(guest, &end.entry.rtype, &end.entry.content)));
    decision.endings.extend(ended);
    for ending in &mut decision.endings {
        let stored = (table.state.entries.iter()).find(|entry| {
            entry.zone == ending.entry.zone && is_same(entry, &ending.entry.rtype, &ending.entry.content)
        });
        ending.entry = stored.unwrap_or(&ending.entry).clone();
    }
    merge(decision, out);
    table.drop_duplicates(out);
    true
}

/// What was an operator's and now is the claim's, then what is new.
fn tell(decision: &Decision, guests: &[Entry], ended: &[Ending], claim: &Claim, out: &mut Adoption) {
    let vm = of(claim.kind, claim.vm);
    for Ending { entry, .. } in ended {
        out.tell(Fortune::Replaced, &entry.rtype, &entry.content, format!("your edit of it; now {vm}"));
    }
    for guest in guests {
        let goes = decision.endings.iter().any(|end| is_same(guest, &end.entry.rtype, &end.entry.content));
        let (fortune, why) = if goes {
            (Fortune::Replaced, format!("a row of yours, which goes; the name is {vm}'s now"))
        } else {
            (Fortune::Taken, whose(guest))
        };
        out.tell(fortune, &guest.rtype, &guest.content, why);
    }
    for row in &decision.inserts {
        out.tell(Fortune::Added, &row.rtype, &row.content, of(row.kind, row.vm));
    }
}

/// Our entries that stay for the decision, and those that end: what an operator has edited is his no
/// more, be it of this claim or of one that has ended. A row of which he changed the TTL alone is the
/// claim's at that TTL.
fn stored(column: &Column<'_, '_>, claim: &Claim) -> (Vec<Entry>, Vec<Ending>) {
    let (mut kept, mut ended) = (Vec::new(), Vec::new());
    for own in &column.own {
        let entry = own.entry.clone();
        match &own.verdict {
            _ if !is_edited(own) || !(own.is_of(claim) || own.ended()) => kept.push(entry),
            Verdict::TtlEdited(row) if row.ttl.is_some() => kept.push(Entry {
                ttl: row.ttl.unwrap_or(entry.ttl),
                record: row.id,
                vm: claim.vm,
                kind: claim.kind,
                account: claim.account,
                ..entry
            }),
            _ => ended.push(Ending { entry, why: "adopted: the operator's edit is taken over" }),
        }
    }
    (kept, ended)
}

/// The decision as if the rows were the claim's. It is asked for, so the mode does not forbid it, it is
/// no loss, and what was deleted by hand comes back; what others lose here is held as ever.
fn decide_for(
    table: &Table<'_, '_>,
    column: &Column<'_, '_>,
    claim: &Claim,
    entries: &[Entry],
    rows: &[Row],
) -> Decision {
    let state = table.state;
    let stray = |id| (state.stray)(id);
    let standing = |entry: &Entry, claimed: bool| {
        let asked = (entry.vm, entry.kind) == (claim.vm, claim.kind);
        if asked { Standing::Living { announced: true } } else { (state.standing)(entry, claimed) }
    };
    let claims: Vec<Claim> = column.wants.iter().map(|want| want.claim.clone()).collect();
    let state = NameState {
        name: state.name,
        zone: state.zone.clone(),
        rows,
        entries,
        claims: &claims,
        zones: state.zones,
        stray: &stray,
        standing: &standing,
        forbidden: state.forbidden,
        stands: state.stands,
        zone_gone: state.zone_gone,
        approved: state.approved,
    };
    let settings = Settings { recreate: true, mode: Mode::Sync, ..table.settings.clone() };
    decide(&state, &settings, Losses::Hold { set: None })
}

fn merge(decision: Decision, out: &mut Adoption) {
    let all = &mut out.decision;
    all.puts.extend(decision.puts);
    all.endings.extend(decision.endings);
    all.deletes.extend(decision.deletes);
    all.retimes.extend(decision.retimes);
    all.inserts.extend(decision.inserts);
    all.outcomes.extend(decision.outcomes);
}

/// The other rows that say what an entry's row says: at its own TTL they are duplicates, at another one
/// they would keep the RRset at the lower TTL.
fn twins(table: &Table<'_, '_>, entry: &Entry) -> Vec<(OwnedRow, &'static str)> {
    let equal: Vec<&Row> = table.rows().filter(|row| is_same(entry, &row.rtype, &row.content)).collect();
    let kept = equal.iter().find(|row| row.id == entry.record).or(equal.first()).map(|row| row.id);
    let others = equal.into_iter().filter(|row| Some(row.id) != kept);
    others
        .filter_map(|row| Some((OwnedRow::prove(entry, row)?, "it says the same as a row of ours")))
        .collect()
}

fn is_same(entry: &Entry, rtype: &RecordType, content: &Content) -> bool {
    entry.rtype == *rtype && entry.content == *content
}
