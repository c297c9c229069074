//! What the tests of single rules share: clouds to put VMs into, and looks at DNS and at the rows at once.

use super::support::{once, sync};
use testbed::{Lab, Row, VmSpec};

/// A reverse zone that most tests use.
pub const REVERSE: &str = "2.0.192.in-addr.arpa";

/// A domain below ROOT with an account in it; the account's id.
pub fn tenant(lab: &Lab, domain: Option<&str>, account: Option<&str>) -> String {
    let world = lab.world();
    let id = world.add_domain("acme", &world.root(), domain);
    world.add_account(&id, "ops", account)
}

/// NATIVE zones of these names.
pub async fn zones(lab: &Lab, names: &[&str]) {
    for name in names {
        lab.db.zone(name).await.expect("a zone");
    }
}

/// A running VM of an account or a project; its id.
pub fn put(lab: &Lab, owner: &str, name: &str, v4: &str) -> String {
    lab.world().create_vm(VmSpec::new(name, owner).v4(v4))
}

/// PowerDNS answers exactly this, and the table has exactly these rows of the name and type.
pub async fn says(lab: &Lab, name: &str, kind: &str, expected: &[&str]) {
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    expected.sort();
    let found = lab.dns().await.dig(name, kind).expect("PowerDNS answers");
    assert_eq!(found, expected, "dig {name} {kind}");
    let mut rows = lab.db.contents(name, kind).await.expect("the rows");
    rows.sort();
    let mut bare: Vec<&str> = expected.iter().map(|text| text.trim_end_matches('.')).collect();
    bare.sort_unstable();
    assert_eq!(rows, bare, "rows of {name} {kind}");
}

/// PowerDNS knows no such name, and the table has no row of it.
pub async fn no_such_name(lab: &Lab, name: &str) {
    assert_eq!(status(lab, name).await, "NXDOMAIN", "the response code for {name}");
    assert_eq!(lab.db.rows(name).await.expect("the rows"), Vec::<Row>::new(), "rows of {name}");
}

/// The response code to a question for an address.
pub async fn status(lab: &Lab, name: &str) -> String {
    lab.dns().await.dig_status(name, "A").expect("PowerDNS answers")
}

/// The table has no address and no PTR at the name, whatever PowerDNS makes of it.
pub async fn no_row(lab: &Lab, name: &str) {
    for kind in ["A", "AAAA", "PTR"] {
        let found = lab.db.contents(name, kind).await.expect("the rows");
        assert_eq!(found, Vec::<String>::new(), "{kind} rows of {name}");
    }
}

/// A second pass has nothing to write, and `plan` says so.
pub async fn settled(lab: &mut Lab, more: &[(&str, &str)]) {
    lab.forget_writes().await;
    sync(lab, more).await;
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    assert_eq!(writes, Vec::<String>::new(), "a pass over the same state wrote");
    let plan = once(lab, &["plan"], more).await;
    assert_eq!(plan.code, 0, "nothing is left to do:\n{}{}", plan.stdout, plan.stderr);
}

/// All rows of all zones.
pub async fn dump(lab: &Lab) -> Vec<Row> {
    let zones: Vec<String> = lab.db.query("SELECT name FROM domains ORDER BY name").await.expect("the zones");
    let mut rows = Vec::new();
    for zone in zones {
        rows.extend(lab.db.rows_of_zone(&zone).await.expect("the rows"));
    }
    rows
}

/// What check-zone finds wrong with records. How a zone is signed is its operator's choice: 5.1 warns of
/// NSEC3 with a salt or iterations.
pub fn faults(checked: &str) -> Vec<&str> {
    let wrong = |line: &&str| line.contains("[Error]") || line.contains("[Warning]");
    checked.lines().filter(wrong).filter(|line| !line.contains("RFC 9276")).collect()
}

/// `pdnsutil check-zone` finds nothing, and `pdnsutil rectify-zone` changes no row.
pub async fn rectified(lab: &Lab, zone: &str) {
    let dns = lab.dns().await;
    let checked = dns.pdnsutil(&["check-zone", zone]).expect("check-zone finds no error");
    assert_eq!(faults(&checked), Vec::<&str>::new(), "check-zone {zone}: {checked}");
    assert!(checked.contains(" 0 errors, "), "check-zone {zone}: {checked}");
    let before = dump(lab).await;
    dns.pdnsutil(&["rectify-zone", zone]).expect("rectify-zone works");
    assert_eq!(dump(lab).await, before, "rectify-zone {zone} (left) would change what was written (right)");
}

/// The empty non-terminals of a zone.
pub async fn empty_non_terminals(lab: &Lab, zone: &str) -> Vec<String> {
    let rows = lab.db.rows_of_zone(zone).await.expect("the rows").into_iter();
    rows.filter(|row| row.kind.is_none()).map(|row| row.name).collect()
}

/// Statements of an operator.
pub async fn sql(lab: &Lab, statement: &str) {
    lab.db.exec(statement).await.expect("the operator's statement");
}
