//! pdnsutil on the real server: what works on one RRset inserts it anew, `edit-zone` only what differs,
//! `load-zone` everything (facts: powerdns 8).

use super::{
    bench::{Bench, Case, KEPT, Stages, case, create},
    support::example,
};
use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};
use testbed::{Lab, VmSpec};

/// Runs pdnsutil with an editor that is a script: yes, the serial moves; apply.
async fn edit_zone(lab: &Lab, zone: &str, script: &str) {
    let folder = lab.dns().await.config_dir();
    let editor = folder.join("editor.sh");
    // PowerDNS hands over the file behind the line to start at.
    std::fs::write(&editor, format!("#!/bin/sh\nfor file; do :; done\n{script}\n")).expect("a script");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let said = run(&folder, zone, &editor, "ya");
    assert!(said.contains("Detected the following changes"), "{zone}: {said}");
}

/// It asks for ever where it does not like an answer: what it says is cut off, which ends it.
fn run(folder: &Path, zone: &str, editor: &Path, input: &str) -> String {
    let pdnsutil = testbed::powerdns_program("pdnsutil").expect("pdnsutil is there");
    let mut child = Command::new("sh")
        .args(["-c", "timeout 60 \"$1\" --config-dir=\"$2\" edit-zone \"$3\" 2>&1 | head -c 20000", "sh"])
        .args([pdnsutil.as_os_str(), folder.as_os_str(), zone.as_ref()])
        .env("EDITOR", editor)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pdnsutil starts");
    // It may end without reading all of it.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let done = child.wait_with_output().expect("pdnsutil ends");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// An account with a zone of its own, and a VM in it for each name; they count on from `from`.
async fn tenant(lab: &Lab, domain: &str, zone: &str, from: usize, names: &[&str]) {
    lab.db.zone(zone).await.expect("a zone");
    let owner = lab.world().add_account(domain, zone, Some(zone));
    for (at, name) in names.iter().enumerate() {
        lab.world().create_vm(VmSpec::new(name, &owner).v4(&format!("192.0.2.{}", from + at)));
    }
}

#[tokio::test]
async fn what_pdnsutil_replaces_stays_and_what_it_leaves_alone_follows_the_vm() {
    let lab = Lab::new("pdnsutil_rrsets").await;
    example(&lab).await;
    let names = ["same", "other", "ttl", "sibling", "delete", "g1/member", "g2/member", "p1", "p2", "p3"];
    create(&lab, &names);
    let mut bench = Bench::start(lab, &[]).await;
    let dns = bench.lab.dns().await;
    // Before 5.0 a name is always one below the zone.
    let whole_names = !dns.pdnsutil(&["--version"]).unwrap().starts_with("pdnsutil 4.");
    for arguments in [
        &["replace-rrset", "domain.com", "same", "A", "60", "192.0.2.1"][..],
        &["replace-rrset", "domain.com", "other", "A", "60", "198.51.100.2"],
        &["replace-rrset", "domain.com", "ttl", "A", "300", "192.0.2.3"],
        &["add-record", "domain.com", "sibling", "A", "60", "198.51.100.4"],
        &["delete-rrset", "domain.com", "delete", "A"],
        &["replace-rrset", "domain.com", "member-edd2ab05", "A", "60", "192.0.2.6", "198.51.100.6"],
        &["replace-rrset", "2.0.192.in-addr.arpa", "8", "PTR", "60", "p1.domain.com"],
        &["replace-rrset", "2.0.192.in-addr.arpa", "9", "PTR", "60", "mail.example.org"],
        &["delete-rrset", "2.0.192.in-addr.arpa", "10", "PTR"],
    ] {
        let [verb, zone, name, rest @ ..] = arguments else { unreachable!("a verb, a zone and a name") };
        let name = if whole_names { format!("{name}.{zone}") } else { (*name).to_owned() };
        dns.pdnsutil(&[&[*verb, *zone, name.as_str()][..], rest].concat()).unwrap();
    }
    let cases: &[Case] = &[
        case("same.domain.com", "new id", "", ["=", "A 192.0.2.101 60", ""]),
        case("other.domain.com", "gone; +A", "name released: it was replaced", KEPT),
        case("ttl.domain.com", "new id, ttl", "name released: its TTL was changed", KEPT),
        case(
            "sibling.domain.com",
            "new id; +A",
            "",
            ["=", "A 192.0.2.104 60; A 198.51.100.4 60", "A 198.51.100.4 60"],
        ),
        case("delete.domain.com", "gone", "", ["A 192.0.2.5 60", "A 192.0.2.105 60", ""]),
        case(
            "member-edd2ab05.domain.com",
            "new id; gone; +A",
            "group released: it was replaced",
            ["=", "A 192.0.2.106 60; A 198.51.100.6 60", "A 198.51.100.6 60"],
        ),
        case("8.2.0.192.in-addr.arpa", "new id", "", ["=", "", ""]),
        case("9.2.0.192.in-addr.arpa", "gone; +PTR", "ptr released: it was replaced", KEPT),
        case("10.2.0.192.in-addr.arpa", "gone", "", ["PTR p3.domain.com 60", "", ""]),
    ];
    bench.check(cases).await;
}

#[tokio::test]
async fn what_pdnsutil_does_to_whole_zones_touches_only_what_was_edited() {
    let lab = Lab::new("pdnsutil_zones").await;
    let domain = example(&lab).await;
    tenant(&lab, &domain, "edit.org", 1, &["content", "ttl", "gone", "left"]).await;
    tenant(&lab, &domain, "load.org", 5, &["content", "ttl", "gone", "left", "off"]).await;
    tenant(&lab, &domain, "rectify.org", 10, &["web"]).await;
    tenant(&lab, &domain, "serial.org", 11, &["web"]).await;
    tenant(&lab, &domain, "sign.org", 12, &["web"]).await;
    lab.db.insert("load.org", "foreign.load.org", "A", "198.51.100.1", 300).await.unwrap();
    let mut bench = Bench::start(lab, &[]).await;
    let lab = &bench.lab;
    let dns = lab.dns().await;
    edit_zone(
        lab,
        "edit.org",
        "sed -i -e '/^content/s/192.0.2.1$/198.51.100.1/' -e '/^ttl/s/60/300/' -e '/^gone/d' \"$file\"",
    )
    .await;
    // An operator had disabled a row: it is not in the zone file, so load-zone drops it.
    lab.db.exec("UPDATE records SET disabled = 1 WHERE name = 'off.load.org'").await.unwrap();
    let text = dns.pdnsutil(&["list-zone", "load.org"]).unwrap();
    let edited: Vec<String> = (text.lines())
        .filter(|line| !line.starts_with("gone"))
        .map(|line| {
            if line.starts_with("content") { line.replace("192.0.2.5", "198.51.100.5") } else { line.into() }
        })
        .map(|line| if line.starts_with("ttl") { line.replace("\t60\t", "\t300\t") } else { line })
        .collect();
    let file = dns.config_dir().join("load.zone");
    std::fs::write(&file, edited.join("\n") + "\n").unwrap();
    dns.pdnsutil(&["load-zone", "load.org", &file.display().to_string()]).unwrap();
    dns.pdnsutil(&["rectify-zone", "rectify.org"]).unwrap();
    let before = lab.db.serial("serial.org").await.unwrap();
    dns.pdnsutil(&["increase-serial", "serial.org"]).unwrap();
    assert_eq!(lab.db.serial("serial.org").await.unwrap(), before + 1);
    dns.pdnsutil(&["secure-zone", "sign.org"]).unwrap();
    dns.pdnsutil(&["set-nsec3", "sign.org", "1 0 0 -"]).unwrap();
    dns.pdnsutil(&["rectify-zone", "sign.org"]).unwrap();
    let ours = |moved| -> Stages { ["=", moved, ""] };
    let replaced = "name released: it was replaced";
    let retimed = "name released: its TTL was changed";
    let cases: &[Case] = &[
        case("content.edit.org", "gone; +A", replaced, KEPT),
        case("ttl.edit.org", "new id, ttl", retimed, KEPT),
        case("gone.edit.org", "gone", "", ["A 192.0.2.3 60", "A 192.0.2.103 60", ""]),
        case("left.edit.org", "same id", "", ours("A 192.0.2.104 60")),
        case("content.load.org", "gone; +A", replaced, KEPT),
        case("ttl.load.org", "new id, ttl", retimed, KEPT),
        case("gone.load.org", "gone", "", ["A 192.0.2.7 60", "A 192.0.2.107 60", ""]),
        case("left.load.org", "new id", "", ours("A 192.0.2.108 60")),
        // Nothing tells the disabled row that load-zone dropped from one that was deleted.
        case("off.load.org", "gone", "", ["A 192.0.2.9 60", "A 192.0.2.109 60", ""]),
        case("foreign.load.org", "new id", "", KEPT),
        case("web.rectify.org", "same id", "", ours("A 192.0.2.110 60")),
        case("web.serial.org", "same id", "", ours("A 192.0.2.111 60")),
        case("web.sign.org", "same id", "", ours("A 192.0.2.112 60")),
    ];
    bench.check(cases).await;
    let after = bench.lab.db.serial("serial.org").await.unwrap();
    assert!(after > before + 1, "the serial goes on from the operator's: {after} after {before}");
    let dns = bench.lab.dns().await;
    // load-zone leaves its rows without order names, increase-serial an empty one, until somebody rectifies.
    for zone in ["edit.org", "rectify.org", "sign.org"] {
        let before = bench.lab.db.rows_of_zone(zone).await.unwrap();
        dns.pdnsutil(&["rectify-zone", zone]).unwrap();
        let after = bench.lab.db.rows_of_zone(zone).await.unwrap();
        assert_eq!(before, after, "{zone}: rectify-zone finds nothing to do");
    }
}
