//! What may not be written says why, in /status, and is filled once the reason has gone.

use super::{
    bench::{Bench, rows},
    rules_support::{REVERSE, put, sql, zones},
    support::{LIMIT, answers, once, sync},
};
use serde_json::Value;
use testbed::{Lab, poll};

/// What /status says of each name that a VM cannot have: `kind reason: detail`, pending ones marked.
fn rejections(status: &Value, name: &str) -> Vec<String> {
    let vms = status["rejected_vms"].as_array().expect("rejected_vms").iter();
    let of_vm = |vm: &Value| vm["rejections"].as_array().cloned().unwrap_or_default();
    let word = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    vms.flat_map(of_vm)
        .filter(|item| item["name"] == name)
        .map(|item| {
            let pending = if item["pending"] == true { " (pending)" } else { "" };
            format!("{} {}{pending}: {}", word(&item, "kind"), word(&item, "reason"), word(&item, "detail"))
        })
        .collect()
}

async fn metadata(lab: &Lab, zone: &str, kind: &str, content: &str) {
    let values = format!("SELECT id, '{kind}', '{content}' FROM domains WHERE name = '{zone}'");
    sql(lab, &format!("INSERT INTO domainmetadata (domain_id, kind, content) {values}")).await;
}

/// A VM `web` of an account with this network domain.
fn tenant_of(lab: &Lab, domain: &str, v4: &str) {
    let world = lab.world();
    put(lab, &world.add_account(&world.root(), domain, Some(domain)), "web", v4);
}

async fn soa(lab: &Lab, zone: &str, content: &str) {
    sql(lab, &format!("UPDATE records SET content = '{content}' WHERE name = '{zone}' AND type = 'SOA'"))
        .await;
}

/// Each zone that may not be written, how it came to that, what heals it, and what is said.
const ZONES: [(&str, &str, &str); 12] = [
    (
        "slave.org",
        "SLAVE",
        "zone kind: zone slave.org: the zone's type is Secondary: its contents come from elsewhere",
    ),
    (
        "second.org",
        "secondary",
        "zone kind: zone second.org: the zone's type is Secondary: its contents come from elsewhere",
    ),
    (
        "consumer.org",
        "CONSUMER",
        "zone kind: zone consumer.org: the zone's type is Consumer: its contents come from elsewhere",
    ),
    (
        "producer.org",
        "PRODUCER",
        "zone kind: zone producer.org: the zone's type is Producer: its contents come from elsewhere",
    ),
    (
        "presigned.org",
        "NATIVE",
        "presigned: zone presigned.org: the zone is presigned: its signatures come from elsewhere",
    ),
    (
        "iterations.org",
        "NATIVE",
        "nsec3 iterations: zone iterations.org: the zone has 101 NSEC3 iterations, more than PowerDNS serves (100)",
    ),
    (
        "nsec3param.org",
        "NATIVE",
        "nsec3 parameters: zone nsec3param.org: the zone's NSEC3PARAM metadata cannot be read",
    ),
    (
        "six.org",
        "NATIVE",
        "bad SOA: zone six.org: the zone's SOA content has not the seven fields that PowerDNS needs",
    ),
    (
        "eight.org",
        "NATIVE",
        "bad SOA: zone eight.org: the zone's SOA content has not the seven fields that PowerDNS needs",
    ),
    (
        "junk.org",
        "NATIVE",
        "bad SOA: zone junk.org: the zone's SOA content has not the seven fields that PowerDNS needs",
    ),
    ("nosoa.org", "NATIVE", "no zone (pending): PowerDNS has no zone nosoa.org with an enabled SOA"),
    ("nozone.org", "", "no zone (pending): PowerDNS has no zone nozone.org with an enabled SOA"),
];

#[tokio::test]
async fn a_zone_that_may_not_be_written_says_why_and_is_filled_once_it_may() {
    let lab = Lab::new("refused").await;
    // SECONDARY does not fit into the column as PowerDNS makes it.
    sql(&lab, "ALTER TABLE domains MODIFY type VARCHAR(10) NOT NULL").await;
    for (zone, kind, _) in ZONES {
        if !kind.is_empty() {
            lab.db.zone_of(zone, kind, 7).await.expect("a zone");
        }
        tenant_of(&lab, zone, "192.0.2.1");
    }
    metadata(&lab, "presigned.org", "PRESIGNED", "1").await;
    for (zone, parameters) in [("iterations.org", "1 0 101 ab"), ("nsec3param.org", "1 0 ab")] {
        lab.dns().await.pdnsutil(&["secure-zone", zone]).expect("secure-zone works");
        metadata(&lab, zone, "NSEC3PARAM", parameters).await;
    }
    soa(&lab, "six.org", "ns1.testbed.invalid hostmaster.testbed.invalid 7 10800 3600 604800").await;
    soa(&lab, "eight.org", "ns1.testbed.invalid hostmaster.testbed.invalid 7 10800 3600 604800 60 60").await;
    soa(&lab, "junk.org", "ns1.testbed.invalid hostmaster.testbed.invalid seven 10800 3600 604800 60").await;
    sql(&lab, "UPDATE records SET disabled = 1 WHERE name = 'nosoa.org' AND type = 'SOA'").await;
    let bench = Bench::start(lab, &[]).await;
    bench.controller.signal("CONT").expect("it goes on");
    let status = bench.status().await.expect("a status");
    for (zone, _, reason) in ZONES {
        let name = format!("web.{zone}");
        assert_eq!(rows(&bench.lab, &name).await, "", "rows of {name}");
        assert_eq!(rejections(&status, &name), [format!("name {reason}")], "what /status says of {name}");
    }
    // Each reason goes; zones are read again soon, without any event.
    let lab = &bench.lab;
    sql(lab, "UPDATE domains SET type = 'NATIVE' WHERE type <> 'MASTER'").await;
    sql(lab, "DELETE FROM domainmetadata WHERE kind IN ('PRESIGNED', 'NSEC3PARAM')").await;
    sql(lab, "UPDATE records SET disabled = 0 WHERE type = 'SOA'").await;
    for zone in ["six.org", "eight.org", "junk.org"] {
        soa(lab, zone, "ns1.testbed.invalid hostmaster.testbed.invalid 7 10800 3600 604800 60").await;
    }
    lab.db.zone("nozone.org").await.expect("a zone");
    for (zone, ..) in ZONES {
        answers(lab, &format!("web.{zone}"), "A", &["192.0.2.1"]).await;
    }
    let status = bench.status().await.expect("a status");
    assert_eq!(status["rejected_vms_total"], 0, "{status:#}");
}

#[tokio::test]
async fn a_name_that_could_not_be_seen_says_why() {
    let lab = Lab::new("refused_names").await;
    zones(&lab, &["corp.org", "web.corp.org", "x.arpa", REVERSE]).await;
    for (name, kind) in [("sub.corp.org", "NS"), ("web.at.corp.org", "NS"), ("old.corp.org", "DNAME")] {
        lab.db.insert("corp.org", name, kind, "elsewhere.net", 60).await.expect("a row");
    }
    lab.dns().await.pdnsutil(&["rectify-zone", "corp.org"]).expect("rectify-zone works");
    for domain in ["corp.org", "x.sub.corp.org", "at.corp.org", "old.corp.org", "x.arpa", REVERSE] {
        tenant_of(&lab, domain, "198.51.100.1");
    }
    let bench = Bench::start(lab, &[("DNS_PARENT_ZONES", "true")]).await;
    bench.controller.signal("CONT").expect("it goes on");
    let status = bench.status().await.expect("a status");
    for (name, reason) in [
        (
            "web.corp.org",
            "name inside a longer zone: a row in corp.org would be invisible: web.corp.org answers",
        ),
        (
            "x.arpa",
            "name arpa: the network domain of the account, x.arpa, lies under arpa, where no network domain leads to",
        ),
        (
            REVERSE,
            "name arpa: the network domain of the account, 2.0.192.in-addr.arpa, lies under arpa, where no network domain leads to",
        ),
    ] {
        assert_eq!(rejections(&status, name), [reason], "what /status says of {name}");
    }
    for (name, reason) in [
        ("web.x.sub.corp.org", "delegated away at sub.corp.org"),
        ("web.at.corp.org", "delegated away at web.at.corp.org"),
        ("web.old.corp.org", "below the DNAME at old.corp.org"),
    ] {
        assert!(bench.stands(name).await.ends_with(reason), "{name}: {}", bench.stands(name).await);
    }
    for name in ["web.corp.org", "web.x.sub.corp.org", "web.at.corp.org", "web.old.corp.org", "web.x.arpa"] {
        for kind in ["A", "AAAA"] {
            assert_eq!(
                bench.lab.db.contents(name, kind).await.unwrap(),
                Vec::<String>::new(),
                "{kind} of {name}"
            );
        }
    }
}

#[tokio::test]
async fn rows_of_ours_in_a_zone_that_may_no_longer_be_written_stay_and_say_so() {
    for (test, forbid, reason) in [
        (
            "retired_kind",
            "UPDATE domains SET type = 'SLAVE' WHERE name = 'corp.org'",
            "the zone's type is Secondary",
        ),
        (
            "retired_presigned",
            "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, 'PRESIGNED', '1' \
            FROM domains WHERE name = 'corp.org'",
            "the zone is presigned",
        ),
        (
            "retired_soa",
            "UPDATE records SET content = 'a b 1 2 3 4' WHERE type = 'SOA' AND name = 'corp.org'",
            "seven fields",
        ),
        (
            "retired_cut",
            "INSERT INTO records (domain_id, name, type, content, ttl, disabled, auth) \
            SELECT id, 'gone.corp.org', 'NS', 'elsewhere.net', 60, 0, 0 FROM domains WHERE name = 'corp.org'",
            "delegated away at gone.corp.org",
        ),
    ] {
        let lab = Lab::new(test).await;
        zones(&lab, &["corp.org"]).await;
        let world = lab.world();
        let account = world.add_account(&world.root(), "ops", Some("corp.org"));
        let gone = put(&lab, &account, "gone", "192.0.2.1");
        sync(&lab, &[]).await;
        let before = rows(&lab, "gone.corp.org").await;
        lab.world().destroy_vm(&gone);
        sql(&lab, forbid).await;
        let with_it = rows(&lab, "gone.corp.org").await;
        let bench = Bench::start(lab, &[]).await;
        bench.controller.signal("CONT").expect("it goes on");
        assert_eq!(rows(&bench.lab, "gone.corp.org").await, with_it, "{test}: rows of ours stay");
        assert!(with_it.contains(&before), "{with_it} has {before}");
        poll(&format!("{test}: /status says that the row is retired, and why"), LIMIT, async || {
            let said = bench.stands("gone.corp.org").await;
            if said.contains("retired") && said.contains(reason) { Ok(()) } else { Err(said) }
        })
        .await;
    }
}

/// What `plan --json` says of a zone's refusals: `claims state, reason: first name: its detail`.
fn causes(plan: &Value, zone: &str) -> Vec<String> {
    let causes = plan["refusals"]["causes"].as_array().expect("causes").iter();
    let word = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = causes
        .filter(|cause| cause["zone"] == zone)
        .map(|cause| {
            let first = &cause["first"][0];
            let what = format!("{} {}, {}", cause["claims"], word(cause, "state"), word(cause, "reason"));
            format!("{what}: {} {}: {}", word(first, "kind"), word(first, "name"), word(first, "detail"))
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_plan_tells_which_claims_are_not_written_by_zone_and_reason() {
    let lab = Lab::new("refused_plan").await;
    zones(&lab, &["corp.org", "kept.org", REVERSE, "x.arpa", "theirs.org"]).await;
    for (name, kind) in [("sub.corp.org", "NS"), ("old.corp.org", "DNAME")] {
        lab.db.insert("corp.org", name, kind, "elsewhere.net", 60).await.expect("a row");
    }
    lab.db.insert("corp.org", "mine.corp.org", "A", "203.0.113.1", 60).await.expect("a row");
    lab.db.insert("corp.org", "same.corp.org", "A", "192.0.2.8", 60).await.expect("a row");
    lab.db.zone_of("slave.org", "SLAVE", 7).await.expect("a zone");
    let world = lab.world();
    let account = world.add_account(&world.root(), "kept", Some("kept.org"));
    put(&lab, &account, "web", "198.51.100.1");
    let settings = [("DNS_PARENT_ZONES", "true"), ("DNS_ZONES", "corp.org,slave.org,kept.org,arpa")];
    sync(&lab, &settings).await;
    metadata(&lab, "kept.org", "PRESIGNED", "1").await;
    for (at, domain) in
        ["slave.org", "x.sub.corp.org", "y.sub.corp.org", "old.corp.org", "x.arpa", "theirs.org", "no.where"]
            .into_iter()
            .enumerate()
    {
        tenant_of(&lab, domain, &format!("198.51.100.{}", at + 2));
    }
    let corp = world.add_account(&world.root(), "corp", Some("corp.org"));
    put(&lab, &corp, "mine", "192.0.2.7");
    put(&lab, &corp, "same", "192.0.2.8");
    put(&lab, &corp, "bad_name", "192.0.2.9");

    let plan = once(&lab, &["plan", "--json"], &settings).await;
    assert_eq!(plan.code, 2, "the PTR of same.corp.org is to come:\n{}\n{}", plan.stdout, plan.stderr);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    for (zone, expected) in [
        (
            "slave.org",
            vec![
                "1 rejected, zone kind: name web.slave.org: zone slave.org: the zone's type is Secondary: its contents come from elsewhere",
            ],
        ),
        (
            "kept.org",
            vec![
                "1 rejected, presigned: name web.kept.org: zone kept.org: the zone is presigned: its signatures come from elsewhere",
                "1 retired, presigned: name web.kept.org: the zone is presigned: its signatures come from elsewhere",
            ],
        ),
        (
            "corp.org",
            vec![
                "1 refused, DNAME: name web.old.corp.org: below the DNAME at old.corp.org",
                "2 refused, delegation: name web.x.sub.corp.org: delegated away at sub.corp.org",
            ],
        ),
        (
            "x.arpa",
            vec![
                "1 rejected, arpa: name x.arpa: the network domain of the account, x.arpa, lies under arpa, where no network domain leads to",
            ],
        ),
        (
            "theirs.org",
            vec![
                "1 rejected, not in DNS_ZONES: name web.theirs.org: zone theirs.org: DNS_ZONES does not allow this zone for this VM",
            ],
        ),
        (
            "no.where",
            vec![
                "1 pending, no zone: name web.no.where: PowerDNS has no zone no.where with an enabled SOA, and none above it; nor would DNS_ZONES allow it for this VM",
            ],
        ),
    ] {
        assert_eq!(causes(&plan, zone), expected, "what plan --json says of {zone}: {plan:#}");
    }
    // Those, and a name that is none.
    assert_eq!(
        (&plan["refusals"]["claims"], &plan["refusals"]["causes_total"]),
        (&10.into(), &9.into()),
        "{plan:#}"
    );
    let count = |word: &str| plan["counts"][word].as_u64().unwrap_or_default();
    assert_eq!(
        ["refused", "retired", "blocked", "satisfied", "unconfirmed"].map(count),
        [3, 1, 1, 1, 1],
        "claims that are not served: {plan:#}"
    );
    assert_eq!((&plan["unadopted"], &plan["left_behind_total"]), (&0.into(), &0.into()), "{plan:#}");

    let plan = once(&lab, &["plan"], &settings).await;
    for line in [
        "claims that are not written: 10\n",
        "\n  corp.org: 2 refused, delegation; first web.x.sub.corp.org: delegated away at sub.corp.org\n",
        "\n  theirs.org: 1 rejected, not in DNS_ZONES; first web.theirs.org: zone theirs.org: DNS_ZONES",
        "\n  no zone: 1 rejected, bad name; first bad_name: ",
        "\nnot ours: 1 claim satisfied and 1 blocked by rows of others, 0 rows of the older service",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in\n{}", plan.stdout);
    }
}
