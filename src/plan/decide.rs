//! The decision on one owner name (design 4, 5 and 6).

use super::{
    column::Column,
    serve::Ground,
    state::{Decision, Losses, NameState, Settings},
};
use crate::model::{Claim, Entry, Kind, Outcome};

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
        let claims: Vec<Claim> =
            state.claims.iter().filter(|claim| (claim.kind != Kind::Ptr) == forward).cloned().collect();
        if !own.is_empty() || !claims.is_empty() {
            decide_column(&mut Column::new(state, settings, own, &claims, forward, losses), &mut decision);
        }
    }
    decision
}

/// First what becomes of our entries, then what each claim gets, then the TTLs of what stays.
fn decide_column(column: &mut Column<'_, '_>, out: &mut Decision) {
    column.choose_fates();
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
    }
}
