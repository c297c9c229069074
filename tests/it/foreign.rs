//! Foreign rows first (design 5) on the real servers: where an operator's row stands, nothing is added.

use super::{
    rules_support::{put, settled, sql},
    support::{ACCOUNT, answers, example, metric_reaches, serve, sync, vm},
};
use std::time::Duration;
use testbed::{Lab, Row, VmSpec, poll};

const ZONE: &str = "domain.com";

/// A row of an operator in `domain.com` or the reverse zone.
async fn foreign(lab: &Lab, name: &str, kind: &str, content: &str, disabled: bool) -> i64 {
    let reverse = "2.0.192.in-addr.arpa";
    let zone = if name.ends_with("arpa") { reverse } else { ZONE };
    let id = lab.db.insert(zone, name, kind, content, 300).await.expect("an operator's row");
    if disabled {
        sql(lab, &format!("UPDATE records SET disabled = 1 WHERE id = {id}")).await;
    }
    id
}

async fn at(lab: &Lab, name: &str) -> Vec<Row> {
    lab.db.rows(name).await.expect("the rows")
}

/// Contents and TTLs of the enabled rows at a name.
async fn ttls(lab: &Lab, name: &str) -> Vec<(String, i64)> {
    let told = |row: Row| (row.content.unwrap_or_default(), row.ttl.unwrap_or(-1));
    at(lab, name).await.into_iter().filter(|row| !row.disabled).map(told).collect()
}

/// How many entries the ledger has at a name.
async fn entries(lab: &Lab, name: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM cs_powerdns_ledger WHERE name = '{name}'");
    lab.db.query(&sql).await.expect("a count")[0]
}

/// Type and content of the rows at a name.
async fn says(lab: &Lab, name: &str) -> Vec<String> {
    let told = |row: Row| {
        let off = if row.disabled { " disabled" } else { "" };
        format!("{} {}{off}", row.kind.unwrap_or_default(), row.content.unwrap_or_default())
    };
    at(lab, name).await.into_iter().map(told).collect()
}

#[tokio::test]
async fn an_operators_row_of_any_kind_keeps_the_whole_name_until_it_goes() {
    let mut lab = Lab::new("any_kind").await;
    example(&lab).await;
    // As an operator may write it: the collation and PowerDNS overlook case and trailing blanks.
    let cases = [
        ("A", "198.51.100.9", "@"),
        ("AAAA", "2001:db8:9::9", "@"),
        ("CNAME", "web.example.org", "@"),
        ("a", "198.51.100.9", "@"),
        ("A", "198.51.100.9 ", "@"),
        ("aaaa", "2001:DB8:9::9", "@"),
        ("cname", "Web.Example.ORG", "@"),
        ("A", "198.51.100.9", "upper"),
        ("A", "198.51.100.9", "blank"),
    ];
    let mut names = Vec::new();
    for (number, (kind, content, spelling)) in cases.into_iter().enumerate() {
        for disabled in [false, true] {
            // One family each, and both: a foreign row blocks them alike.
            for family in ["v4", "v6", "both"] {
                let label = format!("w{number}-{disabled}-{family}");
                let name = format!("{label}.{ZONE}");
                let written = match spelling {
                    "upper" => name.to_uppercase(),
                    "blank" => format!("{name} "),
                    _ => name.clone(),
                };
                foreign(&lab, &written, kind, content, disabled).await;
                let spec = VmSpec::new(&label, ACCOUNT);
                let spec = if family == "v6" { spec } else { spec.v4("192.0.3.1") };
                lab.world().create_vm(if family == "v4" { spec } else { spec.v6("2001:db8:3::1") });
                names.push(name);
            }
        }
    }
    let mut before = Vec::new();
    for name in &names {
        before.push(at(&lab, name).await);
    }
    sync(&lab, &[]).await;
    for (name, before) in names.iter().zip(&before) {
        assert_eq!(at(&lab, name).await, *before, "rows of {name}, where an operator's row stands");
        assert_eq!(entries(&lab, name).await, 0, "entries of {name}");
    }
    settled(&mut lab, &[]).await;
    sql(&lab, "DELETE FROM records WHERE name LIKE 'w%' AND type NOT IN ('SOA', 'NS')").await;
    sync(&lab, &[]).await;
    for name in &names {
        let mut expected = Vec::new();
        if !name.contains("v6") {
            expected.push("A 192.0.3.1");
        }
        if !name.contains("v4") {
            expected.push("AAAA 2001:db8:3::1");
        }
        assert_eq!(says(&lab, name).await, expected, "{name} once the operator's row has gone");
    }
}

#[tokio::test]
async fn an_equal_row_satisfies_its_part_and_stays_the_operators() {
    let mut lab = Lab::new("equal").await;
    example(&lab).await;
    let both = |name: &str, v4: &str| vm(name, v4).v6("2001:db8::1f");
    foreign(&lab, "part.domain.com", "A", "192.0.2.1", false).await;
    foreign(&lab, "six.domain.com", "AAAA", "2001:DB8:0::1F", false).await;
    foreign(&lab, "off.domain.com", "A", "192.0.2.3", true).await;
    foreign(&lab, "more.domain.com", "A", "192.0.2.4", false).await;
    foreign(&lab, "more.domain.com", "A", "198.51.100.4", false).await;
    let names = ["part", "six", "off", "more"];
    let mut ids = Vec::new();
    for (number, name) in names.iter().enumerate() {
        ids.push(lab.world().create_vm(both(name, &format!("192.0.2.{}", number + 1))));
    }
    let expected = [
        ("part.domain.com", vec!["A 192.0.2.1", "AAAA 2001:db8::1f"]),
        ("six.domain.com", vec!["A 192.0.2.2", "AAAA 2001:DB8:0::1F"]),
        ("off.domain.com", vec!["A 192.0.2.3 disabled"]),
        ("more.domain.com", vec!["A 192.0.2.4", "A 198.51.100.4"]),
    ];
    for pass in ["the first", "the second"] {
        sync(&lab, &[]).await;
        for (name, rows) in &expected {
            assert_eq!(says(&lab, name).await, *rows, "{name} after {pass} pass");
        }
    }
    settled(&mut lab, &[]).await;
    // The reverse name needs its address to stand, enabled, by whomever.
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["part.domain.com."]).await;
    answers(&lab, "3.2.0.192.in-addr.arpa", "PTR", &[]).await;
    for id in &ids {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &[]).await;
    for (name, rows) in &expected {
        let theirs: Vec<&str> =
            rows.iter().copied().filter(|row| !row.starts_with("AAAA 2001:db8::")).collect();
        let theirs: Vec<&str> = theirs.into_iter().filter(|row| *row != "A 192.0.2.2").collect();
        assert_eq!(says(&lab, name).await, theirs, "{name} after the VM's end: the operator's rows stay");
    }
}

#[tokio::test]
async fn a_group_tolerates_foreign_members_and_takes_the_lowest_ttl() {
    let mut lab = Lab::new("foreign_members").await;
    example(&lab).await;
    let name = |group: &str| format!("{group}-{}.{ZONE}", &ACCOUNT[..8]);
    let (plain, off, alias) = (name("plain"), name("off"), name("alias"));
    foreign(&lab, &plain, "A", "198.51.100.1", false).await;
    sql(&lab, &format!("UPDATE records SET ttl = 30 WHERE name = '{plain}'")).await;
    // What he left at two TTLs is his business; ours takes the lower one.
    foreign(&lab, &plain, "A", "198.51.100.2", false).await;
    foreign(&lab, &plain, "AAAA", "2001:db8:9::9", true).await;
    foreign(&lab, &off, "A", "192.0.2.3", true).await;
    foreign(&lab, &alias, "CNAME", "web.example.org", false).await;
    for (number, group) in ["plain", "plain", "off", "off", "alias"].iter().enumerate() {
        let spec = vm(&format!("m{number}"), &format!("192.0.2.{}", number + 1));
        lab.world().create_vm(spec.group(group));
    }
    sync(&lab, &[]).await;
    let members =
        |rows: &[(&str, i64)]| rows.iter().map(|(it, ttl)| ((*it).to_owned(), *ttl)).collect::<Vec<_>>();
    assert_eq!(
        ttls(&lab, &plain).await,
        members(&[("192.0.2.1", 30), ("192.0.2.2", 30), ("198.51.100.1", 30), ("198.51.100.2", 300)]),
        "a group beside a foreign member, at its TTL"
    );
    assert_eq!(
        ttls(&lab, &off).await,
        members(&[("192.0.2.4", 60)]),
        "a disabled row suppresses its member only"
    );
    assert_eq!(
        ttls(&lab, &alias).await,
        members(&[("web.example.org", 300)]),
        "nothing stands beside a CNAME"
    );
    settled(&mut lab, &[]).await;
    sql(&lab, &format!("UPDATE records SET ttl = 20 WHERE name = '{plain}' AND content = '198.51.100.1'"))
        .await;
    sync(&lab, &[]).await;
    lab.world().create_vm(vm("late", "192.0.2.9").group("plain"));
    sync(&lab, &[]).await;
    assert!(
        ttls(&lab, &plain).await.contains(&("192.0.2.9".to_owned(), 20)),
        "{:?}",
        ttls(&lab, &plain).await
    );
    sql(&lab, &format!("DELETE FROM records WHERE name = '{off}' AND disabled = 1")).await;
    sync(&lab, &[]).await;
    assert_eq!(ttls(&lab, &off).await, members(&[("192.0.2.3", 60), ("192.0.2.4", 60)]));
}

#[tokio::test]
async fn a_foreign_ptr_or_cname_keeps_a_reverse_name() {
    let mut lab = Lab::new("foreign_ptr").await;
    example(&lab).await;
    let reverse = |number: usize| format!("{number}.2.0.192.in-addr.arpa");
    let rows = [
        ("PTR", "mail.example.org", false),
        ("PTR", "mail.example.org", true),
        ("CNAME", "1.rev.example.org", false),
        ("CNAME", "1.rev.example.org", true),
        // Equal in DNS: it satisfies.
        ("PTR", "VM5.Domain.com. ", false),
        // Equal, but disabled: it reserves the name.
        ("PTR", "vm6.domain.com", true),
        // Of a type that says nothing about a reverse name's target.
        ("TXT", "\"rack 7\"", false),
    ];
    let mut before = Vec::new();
    for (number, (kind, content, disabled)) in (1..).zip(rows) {
        foreign(&lab, &reverse(number), kind, content, disabled).await;
        before.push(says(&lab, &reverse(number)).await);
        lab.world().create_vm(vm(&format!("vm{number}"), &format!("192.0.2.{number}")));
    }
    before[6].insert(0, "PTR vm7.domain.com".to_owned());
    sync(&lab, &[]).await;
    for (number, before) in (1..).zip(&before) {
        assert_eq!(says(&lab, &reverse(number)).await, *before, "rows of {}", reverse(number));
        let name = format!("vm{number}.domain.com");
        answers(&lab, &name, "A", &[&format!("192.0.2.{number}")]).await;
    }
    settled(&mut lab, &[]).await;
    sql(&lab, "DELETE FROM records WHERE content = 'mail.example.org'").await;
    sync(&lab, &[]).await;
    answers(&lab, &reverse(1), "PTR", &["vm1.domain.com."]).await;
    answers(&lab, &reverse(2), "PTR", &["vm2.domain.com."]).await;
}

#[tokio::test]
async fn reverse_stays_forward_confirmed_after_an_operators_edit() {
    let mut lab = Lab::new("confirmed_edit").await;
    example(&lab).await;
    let first = put(&lab, ACCOUNT, "one", "192.0.2.1");
    put(&lab, ACCOUNT, "two", "192.0.2.2");
    // The operator's own row carries this VM's address.
    foreign(&lab, "three.domain.com", "A", "192.0.2.3", false).await;
    put(&lab, ACCOUNT, "three", "192.0.2.3");
    // His row says something else: nothing confirms the address.
    foreign(&lab, "four.domain.com", "A", "198.51.100.4", false).await;
    put(&lab, ACCOUNT, "four", "192.0.2.4");
    sync(&lab, &[]).await;
    let ptr = async |number: u8, expected: &[&str]| {
        answers(&lab, &format!("{number}.2.0.192.in-addr.arpa"), "PTR", expected).await;
    };
    ptr(1, &["one.domain.com."]).await;
    ptr(2, &["two.domain.com."]).await;
    ptr(3, &["three.domain.com."]).await;
    ptr(4, &[]).await;
    // Edited to the address of another VM: neither reverse name changes.
    sql(&lab, "UPDATE records SET content = '192.0.2.2' WHERE name = 'one.domain.com' AND type = 'A'").await;
    sync(&lab, &[]).await;
    ptr(1, &["one.domain.com."]).await;
    ptr(2, &["two.domain.com."]).await;
    // What is unconfirmed stays, and is not written again once it has gone.
    sql(&lab, "DELETE FROM records WHERE type = 'PTR' AND name = '1.2.0.192.in-addr.arpa'").await;
    sync(&lab, &[]).await;
    ptr(1, &[]).await;
    // A new address that stands nowhere gets no reverse name.
    lab.world().set_address(&first, Some("192.0.2.5"), None);
    sync(&lab, &[]).await;
    ptr(5, &[]).await;
    answers(&lab, "one.domain.com", "A", &["192.0.2.2"]).await;
    // He gives the name back, in one case by a row of his own.
    sql(&lab, "UPDATE records SET content = '192.0.2.5' WHERE name = 'one.domain.com' AND type = 'A'").await;
    sql(&lab, "UPDATE records SET content = '192.0.2.4' WHERE name = 'four.domain.com' AND type = 'A'").await;
    sync(&lab, &[]).await;
    ptr(5, &["one.domain.com."]).await;
    ptr(4, &["four.domain.com."]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_running_controller_serves_a_blocked_name_soon_after_the_operators_row_has_gone() {
    let lab = Lab::new("unblocked").await;
    example(&lab).await;
    foreign(&lab, "web.domain.com", "A", "198.51.100.9", false).await;
    foreign(&lab, "1.2.0.192.in-addr.arpa", "PTR", "mail.example.org", false).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1").v6("2001:db8::1"));
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "1h")]).await;
    metric_reaches(&controller, "cs_powerdns_names_settled_total", 1.0).await;
    answers(&lab, "web.domain.com", "A", &["198.51.100.9"]).await;
    // By the API, as operators do: it moves the serials, which are read at least every 30 s.
    let dns = lab.dns().await;
    let delete = async |zone: &str, name: &str, kind: &str| {
        let url = format!("{}/api/v1/servers/localhost/zones/{zone}.", dns.api_url());
        let rrset = serde_json::json!({"name": format!("{name}."), "type": kind, "changetype": "DELETE"});
        let request = reqwest::Client::new().patch(url).header("X-API-Key", &dns.api_key);
        let answer = request.json(&serde_json::json!({ "rrsets": [rrset] })).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
        dns.pdnsutil(&["increase-serial", zone]).expect("increase-serial works");
    };
    delete(ZONE, "web.domain.com", "A").await;
    delete("2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa", "PTR").await;
    for (name, kind, expected) in [
        ("web.domain.com", "A", "192.0.2.1"),
        ("web.domain.com", "AAAA", "2001:db8::1"),
        ("1.2.0.192.in-addr.arpa", "PTR", "web.domain.com."),
    ] {
        poll(&format!("{name} {kind} answers {expected}"), Duration::from_secs(90), async || {
            let found = dns.dig(name, kind).map_err(|error| error.to_string())?;
            if found == [expected] { Ok(()) } else { Err(format!("it answers {found:?}")) }
        })
        .await;
    }
    drop(controller);
    // When his row comes back beside ours, ours stays: it goes on following the VM, and nothing is added.
    foreign(&lab, "web.domain.com", "A", "198.51.100.9", false).await;
    lab.world().set_address(&id, Some("192.0.2.7"), Some("2001:db8::1"));
    sync(&lab, &[]).await;
    assert_eq!(says(&lab, "web.domain.com").await, ["A 192.0.2.7", "A 198.51.100.9", "AAAA 2001:db8::1"]);
    lab.world().destroy_vm(&id);
    sync(&lab, &[]).await;
    assert_eq!(says(&lab, "web.domain.com").await, ["A 198.51.100.9"], "after the VM's end");
}

/// As PowerDNS reads them (facts: powerdns 5), and then left alone: by a fill, by a change, by the VM's end.
#[tokio::test]
async fn duplicates_odd_spellings_and_dots_are_read_right_and_left_alone() {
    let mut lab = Lab::new("odd_rows").await;
    example(&lab).await;
    let theirs: [(&str, &str, &str); 9] = [
        // Equal, twice: one answer for PowerDNS.
        ("twice.domain.com", "A", "192.0.2.1"),
        ("twice.domain.com", "A", "192.0.2.1"),
        // One address in two spellings, neither canonical.
        ("spelt.domain.com", "AAAA", "2001:DB8::5"),
        ("spelt.domain.com", "AAAA", "2001:db8:0:0::05"),
        ("TYPE.Domain.com", "a", "192.0.2.3"),
        // PowerDNS answers with .10 and .11.
        ("zeros.domain.com", "A", "192.0.2.010"),
        ("blank.domain.com", "A", " 192.0.2.11"),
        ("12.2.0.192.in-addr.arpa", "PTR", "Dotted.domain.com."),
        // A name that PowerDNS never answers: it keeps nobody from his.
        ("dot.domain.com.", "A", "198.51.100.1"),
    ];
    for (name, kind, content) in theirs {
        foreign(&lab, name, kind, content, false).await;
    }
    let ids: Vec<i64> = lab.db.query("SELECT id FROM records").await.unwrap();
    let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let stand = async |lab: &Lab| -> Vec<(i64, String, String, String, u32, bool)> {
        let sql = format!(
            "SELECT id, name, type, content, ttl, disabled FROM records WHERE id IN ({ids}) AND type <> 'SOA' ORDER BY id"
        );
        lab.db.query(&sql).await.expect("the rows")
    };
    let before = stand(&lab).await;
    let names = ["twice", "spelt", "type", "zeros", "blank", "dotted", "dot"];
    let last = [1, 2, 3, 10, 11, 12, 13];
    let mut vms = Vec::new();
    for (name, last) in names.iter().zip(last) {
        let spec = VmSpec::new(name, ACCOUNT);
        let six = *name == "spelt";
        vms.push(lab.world().create_vm(if six {
            spec.v6("2001:db8::5")
        } else {
            spec.v4(&format!("192.0.2.{last}"))
        }));
    }
    sync(&lab, &[]).await;
    assert_eq!(stand(&lab).await, before, "the operator's rows after a fill");
    for (name, expected) in
        [("twice", 2), ("spelt", 2), ("type", 1), ("zeros", 1), ("blank", 1), ("dotted", 1), ("dot", 1)]
    {
        let found = says(&lab, &format!("{name}.{ZONE}")).await;
        assert_eq!(
            found.len(),
            expected,
            "rows at {name}: nothing is added to what serves or blocks: {found:?}"
        );
    }
    answers(&lab, "dot.domain.com", "A", &["192.0.2.13"]).await;
    answers(&lab, "zeros.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "blank.domain.com", "A", &["192.0.2.11"]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["twice.domain.com."]).await;
    answers(&lab, "3.2.0.192.in-addr.arpa", "PTR", &["type.domain.com."]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["zeros.domain.com."]).await;
    answers(&lab, "11.2.0.192.in-addr.arpa", "PTR", &["blank.domain.com."]).await;
    let spelt = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    answers(&lab, spelt, "PTR", &["spelt.domain.com."]).await;
    assert_eq!(says(&lab, "12.2.0.192.in-addr.arpa").await, ["PTR Dotted.domain.com."]);
    settled(&mut lab, &[]).await;

    // A copy of a row of ours, by whomever: ours goes with its VM, the copy stays.
    foreign(&lab, "dot.domain.com", "A", "192.0.2.13", false).await;
    sync(&lab, &[]).await;
    settled(&mut lab, &[]).await;
    assert_eq!(says(&lab, "dot.domain.com").await.len(), 2);
    for id in &vms {
        lab.world().destroy_vm(id);
    }
    sync(&lab, &[]).await;
    assert_eq!(stand(&lab).await, before, "the operator's rows after the VMs' end");
    assert_eq!(says(&lab, "dot.domain.com").await, ["A 192.0.2.13"], "the copy");
    assert_eq!(entries(&lab, "dot.domain.com").await, 0);
    let ours: Vec<String> = lab.db.query("SELECT name FROM cs_powerdns_ledger").await.unwrap();
    assert_eq!(ours, Vec::<String>::new(), "entries after the VMs' end");
}
