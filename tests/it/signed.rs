//! Signed zones answer right: a validating resolver (delv) with the zone's key as its anchor accepts what
//! PowerDNS says about names that came and went, positive and negative, in forward and reverse zones.

use super::{
    rules_support::{put, rectified, tenant, zones},
    support::sync,
};
use std::{fs, process::Command};
use testbed::{Lab, VmSpec};

const PARENTS: [(&str, &str); 1] = [("DNS_PARENT_ZONES", "true")];
const FORWARD: &str = "corp.org";
const V4: &str = "192.in-addr.arpa";
const V6: &str = "8.b.d.0.1.0.0.2.ip6.arpa";

/// The reverse name of 2001:db8::N below its apex.
fn v6(last: char) -> String {
    format!("{last}.{}{V6}", "0.".repeat(23))
}

/// What a validating resolver makes of a question: the answer's contents, `no data` or `no such name`,
/// and the validator's verdict.
async fn validated(lab: &Lab, zone: &str, name: &str, kind: &str) -> String {
    let dns = lab.dns().await;
    let keys = dns.dig(zone, "DNSKEY").expect("PowerDNS answers");
    let key = keys.iter().find(|key| key.starts_with("257 ")).expect("a key that signs keys");
    let (head, data) = key.match_indices(' ').nth(2).map(|(at, _)| key.split_at(at)).expect("four fields");
    let anchors = dns.config_dir().join("anchors");
    let data = data.replace(' ', "");
    fs::write(&anchors, format!("trust-anchors {{ {zone}. static-key {head} \"{data}\"; }};\n"))
        .expect("a file");
    let done = Command::new("delv")
        .args(["@127.0.0.1", "-p", &dns.dns_port.to_string(), "-a"])
        .arg(&anchors)
        .args([&format!("+root={zone}"), "-q", name, "-t", kind])
        .output()
        .expect("delv runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    told(&said, kind)
}

fn told(said: &str, kind: &str) -> String {
    let has = |words: &str| said.contains(words);
    let verdict = said.lines().find_map(|line| {
        let line = line.strip_prefix("; ")?;
        let line = line.strip_prefix("negative response, ").unwrap_or(line);
        ["fully validated", "unsigned answer"].into_iter().find(|words| line == *words)
    });
    let Some(verdict) = verdict else { return said.to_owned() };
    if has("ncache nxdomain") {
        return format!("no such name, {verdict}");
    }
    if has("ncache nxrrset") {
        return format!("no data, {verdict}");
    }
    let answers = said.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mine = !line.starts_with(';') && fields.get(3) == Some(&kind);
        mine.then(|| fields[4..].join(" "))
    });
    format!("{}, {verdict}", answers.collect::<Vec<_>>().join(" "))
}

/// VMs come and go in zones that are signed like this.
async fn answers_are_proven(test: &str, nsec3: &[&str]) {
    let lab = Lab::new(test).await;
    let shallow = tenant(&lab, None, Some(FORWARD));
    let deep = lab.world().add_account(&lab.world().root(), "deep", Some("a.b.corp.org"));
    zones(&lab, &[FORWARD, V4, V6]).await;
    let dns = lab.dns().await;
    for zone in [FORWARD, V4, V6] {
        dns.pdnsutil(&["secure-zone", zone]).expect("secure-zone works");
        if !nsec3.is_empty() {
            let arguments: Vec<&str> = ["set-nsec3", zone].into_iter().chain(nsec3.iter().copied()).collect();
            dns.pdnsutil(&arguments).expect("set-nsec3 works");
        }
        dns.pdnsutil(&["rectify-zone", zone]).expect("rectify-zone works");
    }
    put(&lab, &shallow, "stays", "192.0.2.1");
    let web = lab.world().create_vm(VmSpec::new("web", &shallow).v4("192.0.2.2").v6("2001:db8::2"));
    let low = lab.world().create_vm(VmSpec::new("low", &deep).v4("192.7.7.7").v6("2001:db8::f"));
    sync(&lab, &PARENTS).await;

    let (nothing, nobody) = ("no data, fully validated", "no such name, fully validated");
    let (two, fifteen) = (&v6('2'), &v6('f'));
    // The same name answers otherwise once its VM is gone.
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        (FORWARD, "stays.corp.org", "A", "192.0.2.1, fully validated", "192.0.2.1, fully validated"),
        (FORWARD, "stays.corp.org", "AAAA", nothing, nothing),
        (FORWARD, "web.corp.org", "A", "192.0.2.2, fully validated", nobody),
        (FORWARD, "web.corp.org", "AAAA", "2001:db8::2, fully validated", nobody),
        (FORWARD, "web.corp.org", "TXT", nothing, nobody),
        (FORWARD, "x.web.corp.org", "A", nobody, nobody),
        (FORWARD, "nobody.corp.org", "A", nobody, nobody),
        (FORWARD, "low.a.b.corp.org", "A", "192.7.7.7, fully validated", nobody),
        (FORWARD, "a.b.corp.org", "A", nothing, nobody),
        (FORWARD, "b.corp.org", "A", nothing, nobody),
        (FORWARD, "c.b.corp.org", "A", nobody, nobody),
        (V4, "2.2.0.192.in-addr.arpa", "PTR", "web.corp.org., fully validated", nobody),
        (V4, "2.2.0.192.in-addr.arpa", "TXT", nothing, nobody),
        (V4, "2.0.192.in-addr.arpa", "PTR", nothing, nothing),
        (V4, "7.7.7.192.in-addr.arpa", "PTR", "low.a.b.corp.org., fully validated", nobody),
        (V4, "7.192.in-addr.arpa", "PTR", nothing, nobody),
        (V4, "9.2.0.192.in-addr.arpa", "PTR", nobody, nobody),
        (V6, two, "PTR", "web.corp.org., fully validated", nobody),
        (V6, fifteen, "PTR", "low.a.b.corp.org., fully validated", nobody),
        (V6, &two[4..], "PTR", nothing, nobody),
    ];
    let mut wrong = Vec::new();
    for (zone, name, kind, expected, _) in cases {
        let found = validated(&lab, zone, name, kind).await;
        if found != *expected {
            wrong.push(format!("{name} {kind} while the VMs are there: {found}; expected {expected}"));
        }
    }
    for vm in [&web, &low] {
        lab.world().destroy_vm(vm);
    }
    sync(&lab, &PARENTS).await;
    for (zone, name, kind, _, expected) in cases {
        let found = validated(&lab, zone, name, kind).await;
        if found != *expected {
            wrong.push(format!("{name} {kind} after they have gone: {found}; expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn nsec_proves_what_came_and_what_went() {
    answers_are_proven("signed_nsec", &[]).await;
}

#[tokio::test]
async fn nsec3_proves_what_came_and_what_went() {
    answers_are_proven("signed_nsec3", &["1 0 5 ab12"]).await;
}

#[tokio::test]
async fn narrow_nsec3_proves_what_came_and_what_went() {
    answers_are_proven("signed_narrow", &["1 0 0 -", "narrow"]).await;
}

#[tokio::test]
async fn nsec3_with_opt_out_proves_what_came_and_what_went() {
    answers_are_proven("signed_opt_out", &["1 1 0 -"]).await;
}

/// NSEC3 (RFC 5155) leaves insecure delegations out of the chain under opt-out: that there is no DS is then
/// proven by what stands around them. Names of ours that come and go there move the proof, and never break it.
#[tokio::test]
async fn an_insecure_delegation_is_proven_insecure_whatever_comes_and_goes_beside_it() {
    let lab = Lab::new("signed_insecure").await;
    let shallow = tenant(&lab, None, Some(FORWARD));
    let deep = lab.world().add_account(&lab.world().root(), "deep", Some("cut.corp.org"));
    zones(&lab, &[FORWARD]).await;
    let dns = lab.dns().await;
    let ds = "4711 13 2 e2d3c916f6deeac73294e8268fb5885044a833fc5459588f4a9184cfc41a5766";
    for (name, kind, content) in [
        ("sub.corp.org", "NS", "ns1.elsewhere.net"),
        ("a.cut.corp.org", "NS", "ns1.elsewhere.net"),
        ("safe.corp.org", "NS", "ns1.elsewhere.net"),
        ("safe.corp.org", "DS", ds),
    ] {
        lab.db.insert(FORWARD, name, kind, content, 3600).await.expect("a row");
    }
    for arguments in
        [&["secure-zone", FORWARD][..], &["set-nsec3", FORWARD, "1 1 0 -"], &["rectify-zone", FORWARD]]
    {
        dns.pdnsutil(arguments).expect("pdnsutil works");
    }
    put(&lab, &shallow, "stays", "192.0.2.1");
    sync(&lab, &PARENTS).await;
    let before = insecure(&lab).await;
    assert_eq!(before, ["sub.corp.org after corp.org", "cut.corp.org after stays.corp.org"], "at first");

    // Its hash is the next one before that of sub.corp.org, so the proof rests on it; and cut.corp.org, which
    // had nothing but an insecure delegation below it, is a name of the chain now.
    let near = put(&lab, &shallow, "vm144", "192.0.2.2");
    let low = put(&lab, &deep, "web", "192.0.2.3");
    sync(&lab, &PARENTS).await;
    assert_eq!(
        insecure(&lab).await,
        ["sub.corp.org after vm144.corp.org", "a.cut.corp.org after web.cut.corp.org"],
        "with names of ours beside them"
    );
    answer(
        &lab,
        &[
            ("vm144.corp.org", "A", "192.0.2.2, fully validated"),
            ("web.cut.corp.org", "A", "192.0.2.3, fully validated"),
            ("cut.corp.org", "A", "no data, fully validated"),
            ("x.corp.org", "A", "no such name, fully validated"),
        ],
    )
    .await;

    for vm in [near, low] {
        lab.world().destroy_vm(&vm);
    }
    sync(&lab, &PARENTS).await;
    assert_eq!(insecure(&lab).await, before, "when they have gone");
    answer(
        &lab,
        &[
            ("vm144.corp.org", "A", "no such name, fully validated"),
            // What has no hash of its own may be an insecure delegation for all that is proven.
            ("web.cut.corp.org", "A", "no such name, unsigned answer"),
            ("stays.corp.org", "A", "192.0.2.1, fully validated"),
        ],
    )
    .await;
    rectified(&lab, FORWARD).await;
}

async fn answer(lab: &Lab, cases: &[(&str, &str, &str)]) {
    for (name, kind, expected) in cases {
        assert_eq!(validated(lab, FORWARD, name, kind).await, *expected, "{name} {kind}");
    }
}

/// Asks below the zone's two insecure delegations, whose referrals must prove that nothing signed is there:
/// for each, which name is proven to have no hash, and the name whose NSEC3 record says so.
async fn insecure(lab: &Lab) -> Vec<String> {
    let dns = lab.dns().await;
    answer(
        lab,
        &[
            ("sub.corp.org", "DS", "no data, fully validated"),
            ("a.cut.corp.org", "DS", "no data, fully validated"),
        ],
    )
    .await;
    assert!(validated(lab, FORWARD, "safe.corp.org", "DS").await.starts_with("4711 "), "a signed delegation");
    let hash = |name: &str| {
        let said = dns.pdnsutil(&["hash-zone-record", FORWARD, name]).expect("a hash");
        said.split_whitespace().last().expect("a hash").to_lowercase()
    };
    let known = ["corp.org", "stays.corp.org", "vm144.corp.org", "cut.corp.org", "web.cut.corp.org"];
    let named = |of: &str| known.into_iter().find(|name| hash(name) == of).unwrap_or("nobody").to_owned();
    let mut proofs = Vec::new();
    for (delegation, enclosers) in [
        ("sub.corp.org", &[("corp.org", "sub.corp.org")][..]),
        ("a.cut.corp.org", &[("cut.corp.org", "a.cut.corp.org"), ("corp.org", "cut.corp.org")]),
    ] {
        let (ns, chain) = referral(lab, &format!("x.{delegation}")).await;
        assert_eq!(ns, [format!("{delegation}. ns1.elsewhere.net.")], "the referral to {delegation}");
        // RFC 5155, 8.9: one record matches an ancestor, and one with the opt-out flag covers the name below it.
        let (_, below) = enclosers
            .iter()
            .find(|(encloser, _)| chain.iter().any(|(owner, ..)| *owner == hash(encloser)))
            .unwrap_or_else(|| panic!("no NSEC3 matches an ancestor of {delegation}: {chain:?}"));
        let wanted = hash(below);
        let covers = |owner: &str, next: &str| {
            if owner < next {
                owner < wanted.as_str() && wanted.as_str() < next
            } else {
                owner < wanted.as_str() || wanted.as_str() < next
            }
        };
        let (owner, flags, _) = chain
            .iter()
            .find(|(owner, _, next)| covers(owner, next))
            .unwrap_or_else(|| panic!("no NSEC3 covers {below}, {wanted}: {chain:?}"));
        assert_eq!(flags, "1", "the opt-out flag of the NSEC3 that covers {below}");
        proofs.push(format!("{below} after {}", named(owner)));
    }
    proofs
}

/// What PowerDNS says of a name below a delegation: `delegation nameserver`, and the NSEC3 records as owner,
/// flags, next.
async fn referral(lab: &Lab, name: &str) -> (Vec<String>, Vec<(String, String, String)>) {
    let done = Command::new("dig")
        .args(["@127.0.0.1", "-p", &lab.dns().await.dns_port.to_string(), "+dnssec", "+norec", "+noall"])
        .args(["+authority", name, "A"])
        .output()
        .expect("dig runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let (mut ns, mut chain) = (Vec::new(), Vec::new());
    for line in said.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [owner, _, _, "NS", target] => ns.push(format!("{owner} {target}")),
            [owner, _, _, "NSEC3", _, flags, _, _, next, ..] => {
                let owner = owner.split('.').next().unwrap_or_default();
                chain.push((owner.to_lowercase(), flags.to_owned(), next.to_lowercase()));
            }
            _ => {}
        }
    }
    (ns, chain)
}
