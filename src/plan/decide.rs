//! The decision on one owner name (design 4, 5 and 6).

use super::{
    column::{Column, holding_of},
    serve::Ground,
    state::{Decision, Losses, NameState, Settings},
};
use crate::model::{Claim, Entry, Kind, Outcome};
use std::borrow::Cow;

/// Decides one owner name: what to write, and how everybody stands.
///
/// Forward records (A, AAAA) and reverse records (PTR) of one name are decided apart; a name has both
/// only where an operator points a classless reverse delegation (RFC 2317) into a forward zone.
pub fn decide(state: &NameState<'_>, settings: &Settings, losses: Losses) -> Decision {
    let mut decision = Decision::default();
    for forward in [true, false] {
        let own: Vec<&Entry> = (state.entries.iter())
            .filter(|entry| entry.owner == settings.owner && entry.rtype.is_address() == forward)
            .collect();
        let here = |claim: &Claim| (claim.kind != Kind::Ptr) == forward;
        let claims = if state.claims.iter().all(here) {
            Cow::Borrowed(state.claims)
        } else {
            Cow::Owned(state.claims.iter().filter(|claim| here(claim)).cloned().collect())
        };
        if own.is_empty() && claims.is_empty() {
            continue;
        }
        let mut column = Column::new(state, settings, own, &claims, forward, losses);
        if claims.len() < 2 {
            decide_column(&mut column, &mut decision);
            continue;
        }
        // A holder that ends up with nothing at the name (its rows go, and an operator's keep it from new
        // ones) holds it no more. Whoever is next is served in the same transaction, or the next pass would
        // find something to do. Each round takes the name from one holder more, and gives it to nobody who
        // had it before: an unconfirmed reverse name would keep the very row that its last holder gave up.
        let base = decision.clone();
        let mut had: Vec<Vec<bool>> = Vec::new();
        loop {
            had.push(column.served());
            decision = base.clone();
            decide_column(&mut column, &mut decision);
            let added = decision.inserts[base.inserts.len()..].iter();
            let adds = |claim: &&Claim| added.clone().any(|row| (row.vm, row.kind) == (claim.vm, claim.kind));
            let mut holdings = column.holdings();
            holdings.extend(claims.iter().filter(adds).map(holding_of));
            column.rank(&claims, &holdings, forward);
            if had.contains(&column.served()) {
                break;
            }
        }
    }
    decision
}

/// First what becomes of our entries, then what each claim gets, then the TTLs of what stays.
fn decide_column(column: &mut Column<'_, '_>, out: &mut Decision) {
    column.choose_fates();
    column.restrain();
    column.leave_to_old_holders();
    column.restrain();
    column.note_entries(out);
    let ground = Ground::new(column);
    for (at, want) in column.wants.iter().enumerate() {
        let outcome = match (column.standing_aside(at), &ground) {
            (Some(outcome), _) => outcome,
            (None, Some(ground)) => ground.serve(want, out),
            // Without a zone every claim stands aside.
            (None, None) => Outcome::Waiting { holder: None },
        };
        out.outcomes.push((want.claim.vm, want.claim.kind, outcome));
    }
    column.report_rest(out);
    if let Some(ground) = ground {
        ground.retime(out);
        ground.bequeath(out);
    }
}
