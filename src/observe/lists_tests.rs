use super::*;
use crate::{
    model::{Barrier, Outcome, OwnerName},
    observe::{Standing, ZoneLine},
};
use std::time::Instant;

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

/// 30 names in the way of an operator's row, of which one is wanted by nine VMs that wait, besides.
fn board() -> Board {
    let board = Board::new(Instant::now());
    let blocked = |at| {
        let outcome = Outcome::Blocked { by: "A 203.0.113.1".into() };
        Standing::new(Some(VmId::from_u128(at)), Kind::Name, &outcome, "foreign: A 203.0.113.1".into())
    };
    for at in 0..30 {
        board.set_name(name(&format!("vm{at:02}.example.org")), vec![blocked(at)]);
    }
    let waits = |at| {
        let outcome = Outcome::Waiting { holder: None };
        Standing::new(Some(VmId::from_u128(at)), Kind::Name, &outcome, "held by VM Nobody".into())
    };
    board.set_name(name("vm07.example.org"), [blocked(7)].into_iter().chain((100..109).map(waits)).collect());
    let rejection = |pending, reason| Rejection {
        kind: Kind::Name,
        name: "A <b>".into(),
        pending,
        reason,
        detail: "it has Blanks".into(),
    };
    board.set_rejections(VmId::from_u128(1), vec![rejection(false, "bad name"), rejection(true, "no zone")]);
    board.set_left_behind(vec![LeftBehind {
        name: "old.example.org".into(),
        rtype: "A".into(),
        content: "192.0.2.9".into(),
        vm: "gone".into(),
        at: "2026-01-01 00:00:00".into(),
    }]);
    let zone = |id, text| ZoneLine::plain(id, name(text));
    board.set_zones(vec![zone(1, "example.org"), zone(2, "vm07.example.org"), zone(3, "other.org")]);
    board
}

fn read(board: &Board, text: &str, only: &str, skip: usize) -> Lists {
    let only = LISTS.iter().find(|list| list.id == only);
    Lists::read(board, &Wanted { text: text.into(), only, skip, most: 10 })
}

fn told(lists: &Lists) -> Vec<(&str, usize, usize, usize)> {
    let told = |excerpt: &Excerpt| (excerpt.list.id, excerpt.total, excerpt.matching, excerpt.lines.len());
    lists.excerpts.iter().map(told).collect()
}

#[test]
fn every_list_is_sorted_counted_whole_and_cut() {
    let board = board();
    let lists = read(&board, "", "", 0);
    let one = |id| (id, 1, 1, 1);
    let expected =
        [("blocked", 30, 30, 10), one("contended"), one("rejected"), one("pending"), one("left-behind")];
    assert_eq!(told(&lists), expected);
    assert_eq!(lists.excerpts[0].lines[9].name, "vm09.example.org");
    let waiting = &lists.excerpts[1].lines[0];
    assert_eq!((waiting.name.as_str(), waiting.claims.len(), waiting.more), ("vm07.example.org", 5, 4));
    // A name counts for the zone that answers for it.
    let zones = [("example.org".to_owned(), 29), ("vm07.example.org".to_owned(), 1)];
    assert_eq!(lists.by_zone, HashMap::from(zones));
    let last = read(&board, "", "blocked", 25);
    assert_eq!(told(&last), [("blocked", 30, 30, 5)]);
    assert_eq!(last.excerpts[0].lines[4].name, "vm29.example.org");
    assert_eq!(told(&read(&board, "", "blocked", 30)), [("blocked", 30, 30, 0)]);
    assert_eq!(last.totals.len(), 5, "the other lists are only counted");
}

#[test]
fn a_search_looks_at_names_vms_and_particulars_in_any_case() {
    let board = board();
    assert_eq!(told(&read(&board, "vm1", "", 0)), [("blocked", 30, 10, 10)]);
    assert_eq!(told(&read(&board, "nobody", "", 0)), [("contended", 1, 1, 1)]);
    assert_eq!(told(&read(&board, "no zone", "", 0)), [("pending", 1, 1, 1)]);
    assert_eq!(told(&read(&board, "a <b>", "rejected", 0)), [("rejected", 1, 1, 1)]);
    assert_eq!(told(&read(&board, "192.0.2.9", "", 0)), [("left-behind", 1, 1, 1)]);
    let vm = VmId::from_u128(105).to_string();
    assert_eq!(told(&read(&board, &vm, "", 0)), [("contended", 1, 1, 1)]);
    assert_eq!(told(&read(&board, "vm1", "contended", 0)), []);
}

#[test]
fn whatever_is_not_served_has_its_list() {
    let zone = Barrier::NoZone;
    for outcome in [
        Outcome::Waiting { holder: None },
        Outcome::Blocked { by: String::new() },
        Outcome::Refused(zone.clone()),
        Outcome::Satisfied,
        Outcome::Released { how: "" },
        Outcome::OnHold,
        Outcome::Held,
        Outcome::Retired(zone),
        Outcome::Frozen,
        Outcome::Unconfirmed,
        Outcome::Overflow,
        Outcome::Mode,
    ] {
        let board = Board::new(Instant::now());
        board.set_name(name("a.example.org"), vec![Standing::new(None, Kind::Name, &outcome, String::new())]);
        let lists = read(&board, "", "", 0);
        assert_eq!((lists.totals.len(), lists.excerpts.len()), (1, 1), "{outcome:?}");
    }
}
