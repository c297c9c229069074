//! The verdict table of design 5, row by row.

use super::verdict::{Verdict, assess};
use crate::model::{
    AccountId, Content, Entry, Kind, OwnerName, RecordId, RecordType, Row, Ttl, VmId, ZoneId,
};

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn row(id: RecordId, last: u8) -> Row {
    Row {
        id,
        zone: 1,
        name: name("www.domain.com"),
        rtype: RecordType::A,
        content: Content::V4([192, 0, 2, last].into()),
        ttl: Some(Ttl(60)),
        disabled: false,
        auth: Some(true),
        ordername: None,
    }
}

fn entry(record: RecordId, last: u8, kind: Kind) -> Entry {
    let Row { zone, name, rtype, content, .. } = row(record, last);
    Entry {
        zone,
        name,
        rtype,
        content,
        ttl: Ttl(60),
        record,
        owner: "default".into(),
        vm: VmId::from_u128(1),
        account: AccountId::from_u128(7),
        kind,
        held: None,
        on_hold: false,
    }
}

fn words(verdicts: &[Verdict]) -> Vec<String> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Intact(owned) => format!("intact #{}", owned.row().id),
        Verdict::Retimed(owned) => format!("retimed #{}", owned.row().id),
        Verdict::TtlEdited(_) => "ttl edited".into(),
        Verdict::Disabled(_) => "disabled".into(),
        Verdict::EditedInPlace => "edited in place".into(),
        Verdict::Replaced => "replaced".into(),
        Verdict::Deleted => "deleted".into(),
        Verdict::ZoneGone => "zone gone".into(),
    };
    verdicts.iter().map(word).collect()
}

fn of(entries: &[Entry], rows: &[Row], strays: &[Row]) -> Vec<String> {
    let zone_of = |entry: &Entry| -> Option<ZoneId> { (entry.zone != 9).then_some(1) };
    let stray = |id| rows.iter().chain(strays).find(|row| row.id == id);
    let own: Vec<&Entry> = entries.iter().collect();
    words(&assess(&own, rows, zone_of, stray).0)
}

#[test]
fn one_entry_has_the_verdict_of_the_table() {
    let aaaa = Row { rtype: RecordType::Aaaa, content: Content::Raw("::9".into()), ..row(12, 9) };
    let elsewhere = Row { name: name("other.domain.com"), ..row(10, 1) };
    let other_zone = Row { zone: 2, ..row(10, 1) };
    for (says, kind, rows, strays, verdict) in [
        ("exactly as written", Kind::Name, vec![row(10, 1)], vec![], "intact #10"),
        ("another id", Kind::Name, vec![row(11, 1)], vec![], "intact #11"),
        ("the entry's id comes first", Kind::Name, vec![row(9, 1), row(10, 1)], vec![], "intact #10"),
        ("then the lowest", Kind::Name, vec![row(12, 1), row(11, 1)], vec![], "intact #11"),
        ("a group's TTL", Kind::Group, vec![Row { ttl: Some(Ttl(5)), ..row(10, 1) }], vec![], "retimed #10"),
        ("a name's TTL", Kind::Name, vec![Row { ttl: Some(Ttl(5)), ..row(10, 1) }], vec![], "ttl edited"),
        ("a reverse name's TTL", Kind::Ptr, vec![Row { ttl: None, ..row(10, 1) }], vec![], "ttl edited"),
        ("disabled", Kind::Name, vec![Row { disabled: true, ..row(10, 1) }], vec![], "disabled"),
        ("disabled in a group", Kind::Group, vec![Row { disabled: true, ..row(11, 1) }], vec![], "disabled"),
        ("other content", Kind::Name, vec![row(10, 9)], vec![], "edited in place"),
        ("other name", Kind::Name, vec![], vec![elsewhere], "edited in place"),
        ("other type", Kind::Name, vec![Row { id: 10, ..aaaa.clone() }], vec![], "edited in place"),
        ("the id in another zone is another row", Kind::Name, vec![], vec![other_zone.clone()], "deleted"),
        ("an equal row in another zone is another row", Kind::Name, vec![other_zone], vec![], "deleted"),
        ("a foreign row in the RRset", Kind::Name, vec![row(11, 9)], vec![], "replaced"),
        ("also a disabled one", Kind::Name, vec![Row { disabled: true, ..row(11, 9) }], vec![], "replaced"),
        ("a foreign row of another type", Kind::Name, vec![aaaa], vec![], "deleted"),
        ("nothing at all", Kind::Name, vec![], vec![], "deleted"),
    ] {
        assert_eq!(of(&[entry(10, 1, kind)], &rows, &strays), [verdict], "{says}");
    }
    assert_eq!(of(&[Entry { zone: 9, ..entry(10, 1, Kind::Name) }], &[row(10, 1)], &[]), ["zone gone"]);
}

#[test]
fn entries_of_one_rrset_do_not_take_each_other_for_foreign() {
    let two = [entry(10, 1, Kind::Group), entry(11, 2, Kind::Group)];
    assert_eq!(of(&two, &[row(11, 2)], &[]), ["deleted", "intact #11"]);
    assert_eq!(of(&two, &[row(11, 2), row(12, 9)], &[]), ["replaced", "intact #11"]);
    assert_eq!(of(&two, &[row(10, 2), row(11, 1)], &[]), ["intact #11", "intact #10"], "swapped ids");
    // The id that the first entry knew has been handed out anew, to the second's row.
    assert_eq!(of(&two, &[row(10, 2)], &[]), ["deleted", "intact #10"]);
    // An operator has written the second's address over the first's row: that one is edited, the second's
    // own row is not.
    assert_eq!(of(&two, &[row(10, 2), row(11, 2)], &[]), ["edited in place", "intact #11"]);
}
