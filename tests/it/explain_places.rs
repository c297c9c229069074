//! The verb `explain` where zones and settings say no: `fixtures/explain.txt` has the questions, and what the
//! answers must say.

use super::{
    explain_verb::{asked, cases, none},
    rules_support::sql,
    support::{ACCOUNT, example, serve, sync, vm},
};
use testbed::{Lab, VmSpec};

const ENV: [(&str, &str); 5] = [
    ("DNS_PARENT_ZONES", "true"),
    ("DNS_STOPPED", "groups"),
    ("DNS_ADDRESSES", "192.0.2.0/24,198.51.100.0/24"),
    ("DNS_ZONES", "domain.com,signed.org,presigned.org,slave.org"),
    ("DNS_MAX_LOSS_PERCENT", "100"),
];

/// A VM in an account of its own with this network domain.
fn tenant(lab: &Lab, suffix: &str, name: &str, v4: &str) -> String {
    let world = lab.world();
    let account = world.add_account(&world.root(), suffix, Some(suffix));
    world.create_vm(VmSpec::new(name, &account).v4(v4))
}

async fn row(lab: &Lab, zone: &str, name: &str, kind: &str, content: &str) {
    lab.db.insert(zone, name, kind, content, 300).await.expect("a row");
}

/// Builds the town and has it written; what the fixture's `$names` stand for.
async fn town(lab: &Lab) -> Vec<(&'static str, String)> {
    example(lab).await;
    for zone in ["signed.org", "presigned.org", "closed.org", "deep.domain.com"] {
        lab.db.zone(zone).await.expect("a zone");
    }
    lab.db.zone_of("slave.org", "SLAVE", 1).await.expect("a zone");
    let metadata = "INSERT INTO domainmetadata (domain_id, kind, content) \
                    SELECT id, 'PRESIGNED', '1' FROM domains WHERE name = 'presigned.org'";
    sql(lab, metadata).await;
    let dns = lab.dns().await;
    for arguments in [["secure-zone", "signed.org"], ["set-nsec3", "signed.org"]] {
        dns.pdnsutil(&arguments).expect("pdnsutil works");
    }
    let world = lab.world();
    let former = world.create_vm(vm("theirs", "192.0.2.4"));
    let other: Vec<_> = ENV.into_iter().chain([("OWNER_ID", "other")]).collect();
    sync(lab, &other).await;
    world.destroy_vm(&former);
    world.expunge_vm(&former);

    row(lab, "domain.com", "sub.domain.com", "NS", "ns1.testbed.invalid").await;
    row(lab, "domain.com", "dn.domain.com", "DNAME", "elsewhere.net").await;
    for (at, target) in [(1, "1.rev.domain.com"), (2, "2.rev.closed.org"), (3, "3.elsewhere.net")] {
        row(lab, "2.0.192.in-addr.arpa", &format!("{at}.2.0.192.in-addr.arpa"), "CNAME", target).await;
    }
    let grouped = |name: &str, v4: &str, group: &str| VmSpec { group: Some(group.into()), ..vm(name, v4) };
    let ids = vec![
        ("dele", tenant(lab, "sub.domain.com", "x", "198.51.100.1")),
        ("under", tenant(lab, "dn.domain.com", "under", "198.51.100.2")),
        ("web", world.create_vm(grouped("web", "192.0.2.1", "www"))),
        ("two", world.create_vm(grouped("two", "192.0.2.2", "www"))),
        ("three", world.create_vm(vm("three", "192.0.2.3"))),
        ("theirs", world.create_vm(vm("theirs", "192.0.2.5"))),
        ("signed", tenant(lab, "signed.org", "s", "198.51.100.3")),
        ("pre", tenant(lab, "presigned.org", "pre", "198.51.100.4")),
        ("serf", tenant(lab, "slave.org", "serf", "198.51.100.5")),
        ("out", tenant(lab, "closed.org", "out", "198.51.100.6")),
        ("naked", world.create_vm(vm("naked", "192.0.2.6"))),
        ("far", world.create_vm(vm("far", "203.0.113.77"))),
        ("rest", world.create_vm(VmSpec { state: "Stopped".into(), ..grouped("rest", "192.0.2.7", "www") })),
        ("signs", world.create_vm(grouped("under_score", "192.0.2.8", "!!!"))),
    ];
    let naked = ids.iter().find(|(name, _)| *name == "naked").map(|(_, id)| id.as_str());
    world.set_address(naked.expect("it is there"), None, None);
    sync(lab, &ENV).await;
    ids
}

#[tokio::test]
async fn whatever_says_no_to_a_name_is_named_with_what_to_do() {
    let lab = Lab::new("explain_places").await;
    let ids = town(&lab).await;
    assert_eq!(&ACCOUNT[..8], "edd2ab05", "the fixture has the group's name");
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/explain.txt"));
    let ids: Vec<(&str, &str)> = ids.iter().map(|(name, id)| (*name, id.as_str())).collect();
    let cases = cases(&text.expect("the fixture"), &ids);
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut faults = Vec::new();
    let controller = serve(&lab, &ENV).await;
    super::explain_verb::at_rest(&controller, 0).await;
    for case in &cases {
        asked(&lab, case, &ENV, "the controller at ", &mut faults).await;
    }
    none(&faults);
}
