//! What tenants could try against others and against the operator: a line each, all of them at once, on the
//! real servers. A tenant chooses VM names, groups, addresses of his own networks, names and, as a domain's
//! administrator, network domains, ids and names of accounts and names of domains below his own.

use super::{
    rules_support::{put, sql, zones},
    support::{ACCOUNT, EVENTS_ONLY, LIMIT, RESYNCS, answers, metric, once, serve, serve_events},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use testbed::{Controller, Lab, NetworkKind, VmSpec, poll};

/// A line: what the tenant does, what he gets in DNS, and what /status says of it.
struct Abuse {
    does: &'static str,
    /// The VM's name; `x` and the line's number, if he is content with one.
    name: Option<&'static str>,
    group: Option<&'static str>,
    /// The account's network domain.
    domain: Option<&'static str>,
    /// The account's name and the first eight characters of its id.
    account: (&'static str, Option<&'static str>),
    /// Where the account is: a domain below ROOT, by its name.
    below_root: &'static str,
    /// The VM's addresses; a free one of 192.0.2.0/24, if he is content with one.
    v4: Option<&'static str>,
    v6: Option<&'static str>,
    /// Rows: `{x}` is the VM's name, `{v4}` its address, `{rev}` that one's reverse name, `{8}` the first eight
    /// characters of the account's id.
    gets: &'static [&'static str],
    /// The reason or state under which /status lists the VM; none if it is served.
    told: &'static str,
}

/// His own name and reverse name in the zone that is everybody's.
const OWN: &[&str] = &["{x}.common.org A {v4}", "{rev} PTR {x}.common.org"];

/// A tenant who does nothing.
const ABUSE: Abuse = Abuse {
    does: "",
    name: None,
    group: None,
    domain: None,
    account: ("", None),
    below_root: "evil",
    v4: None,
    v6: None,
    gets: OWN,
    told: "",
};

const fn name(does: &'static str, name: &'static str) -> Abuse {
    Abuse { does, name: Some(name), gets: &[], told: "bad name", ..ABUSE }
}

const fn suffix(does: &'static str, domain: &'static str, told: &'static str) -> Abuse {
    Abuse { does, domain: Some(domain), told, ..ABUSE }
}

const fn address(does: &'static str, v4: &'static str, told: &'static str) -> Abuse {
    Abuse { does, v4: Some(v4), gets: &[], told, ..ABUSE }
}

const fn address6(does: &'static str, v6: &'static str, told: &'static str) -> Abuse {
    Abuse { does, v6: Some(v6), told, ..ABUSE }
}

/// 255 letters.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The bank has the VM `www` of one IPv4 address in the group `www`; each of these VMs is older.
#[rustfmt::skip]
const TABLE: &[Abuse] = &[
    // Names of others.
    Abuse { does: "calls a VM as the bank does", name: Some("www"), gets: &[], told: "waiting", ..ABUSE },
    Abuse { does: "calls it so in capitals", name: Some("WWW"), gets: &[], told: "waiting", ..ABUSE },
    Abuse { does: "calls it so and has the family that the bank has not", name: Some("www"), v4: Some(""), v6: Some("2001:db8::66"), gets: &[], told: "waiting", ..ABUSE },
    Abuse { does: "calls it after the bank's group", name: Some("www-edd2ab05"), gets: &[], told: "waiting", ..ABUSE },
    Abuse { does: "calls it after the bank's group, with the other family", name: Some("www-edd2ab05"), v4: Some(""), v6: Some("2001:db8::67"), gets: &[], told: "waiting", ..ABUSE },
    Abuse { does: "calls it after what the operator has reserved", name: Some("wpad"), gets: &[], told: "blocked", ..ABUSE },
    Abuse { does: "calls it after an operator's host, with the other family", name: Some("ns"), v4: Some(""), v6: Some("2001:db8::68"), gets: &[], told: "blocked", ..ABUSE },
    // Names that are none.
    name("reaches into a longer name by a dot", "www.bank"),
    name("writes a whole name", "www.bank.org"),
    name("writes a final dot", "www."),
    name("writes a wildcard", "*"),
    name("writes the zone's apex", "@"),
    name("writes a service label", "_dmarc"),
    name("writes a DNS escape", "www\\000"),
    name("writes a null byte", "www\0"),
    name("writes a blank at the end, which SQL compares as none", "www "),
    name("writes letters that look like others", "wwẃ"),
    name("writes wide letters, which collations fold", "ｗｗｗ"),
    name("writes a letter of four bytes", "www𝔴"),
    name("writes a hyphen first", "-www"),
    name("writes 255 letters", LONG),
    name("writes SQL", "x'); DROP TABLE records; -- "),
    name("writes SQL for another quoting", "x\\'; DELETE FROM cs_powerdns_ledger; #"),
    name("writes HTML", "<script>alert(1)</script>"),
    name("writes an attribute", "\" onload=\"alert(1)"),
    name("writes a line of log", "x\n2026-01-01T00:00:00Z ERROR everything is lost"),
    name("writes a line of JSON", "x\"}\n{\"level\":\"ERROR\",\"message\":\"everything is lost\"}"),
    name("writes to the terminal", "\u{1b}[2J\u{1b}]0;owned\u{7}"),
    name("turns the text around", "\u{202e}gro.knab"),
    name("writes a metric", "x\"} 1\ncs_powerdns_ready 0\n#"),
    Abuse { does: "writes an A-label, which is a name like others", name: Some("xn--www-hoa"), ..ABUSE },
    // Groups.
    Abuse { does: "calls a group as the bank does", group: Some("www"), gets: &[OWN[0], OWN[1], "www-{8}.common.org A {v4}"], ..ABUSE },
    Abuse { does: "calls a group as the bank does, but for what is not kept", group: Some("W-w w.\n"), gets: &[OWN[0], OWN[1], "www-{8}.common.org A {v4}"], ..ABUSE },
    Abuse { does: "writes the bank's label as a group", group: Some("www-edd2ab05"), gets: &[OWN[0], OWN[1], "wwwedd2ab05-{8}.common.org A {v4}"], ..ABUSE },
    Abuse { does: "has an account of the bank's first eight characters", group: Some("www"), account: ("forger", Some(EIGHT)), told: "waiting", ..ABUSE },
    Abuse { does: "has such an account and the other family", group: Some("WwW"), account: ("forger6", Some(EIGHT)), v6: Some("2001:db8::69"), gets: &[OWN[0], OWN[1], "{x}.common.org AAAA 2001:db8::69", REVERSE_69], told: "waiting", ..ABUSE },
    Abuse { does: "writes SQL and HTML as a group", group: Some("g'; -- <b onload=\"x\">"), gets: &[OWN[0], OWN[1], "gbonloadx-{8}.common.org A {v4}"], ..ABUSE },
    Abuse { does: "writes a group of 255 letters", group: Some(LONG), told: "bad group name", ..ABUSE },
    Abuse { does: "writes a group of nothing that counts", group: Some("\u{1b}[2J…日本"), gets: &[OWN[0], OWN[1], "2j-{8}.common.org A {v4}"], ..ABUSE },
    // Network domains.
    suffix("takes the bank's network domain", "bank.org", "not in DNS_ZONES"),
    suffix("takes it in capitals", "BANK.ORG", "not in DNS_ZONES"),
    suffix("takes it with a final dot", "bank.org.", "not in DNS_ZONES"),
    suffix("takes a name of the bank's", "www.bank.org", "no zone"),
    suffix("takes what lies above", "org", "no zone"),
    suffix("takes it with a blank", " bank.org", "bad network domain"),
    suffix("takes it in another line", "evil.org\nbank.org", "bad network domain"),
    suffix("takes the root", ".", "bad network domain"),
    suffix("takes a wildcard", "*.bank.org", "bad network domain"),
    suffix("takes arpa", "arpa", "arpa"),
    suffix("takes a reverse zone", "2.0.192.IN-ADDR.arpa.", "arpa"),
    suffix("takes one of 255 letters", LONG, "bad network domain"),
    suffix("writes SQL", "evil.org' OR 'a'='a", "bad network domain"),
    suffix("writes HTML", "<img src=x onerror=alert(1)>", "bad network domain"),
    Abuse { does: "takes the bank's zone from a domain whose name has the bank's path in it", below_root: "bank/branch", domain: Some("bank.org"), told: "not in DNS_ZONES", ..ABUSE },
    Abuse { does: "takes the bank's zone from a domain whose name begins like the bank's", below_root: "bank2", domain: Some("bank.org"), told: "not in DNS_ZONES", ..ABUSE },
    // Addresses.
    Abuse { does: "uses the bank's address in a network of his own", v4: Some("192.0.2.1"), gets: &["{x}.common.org A 192.0.2.1"], told: "waiting", ..ABUSE },
    Abuse { does: "uses the address of an operator's host", v4: Some("192.0.2.53"), gets: &["{x}.common.org A 192.0.2.53"], told: "blocked", ..ABUSE },
    address("has no address at all", "0.0.0.0", "no address"),
    address("points at everybody's own machine", "127.0.0.1", "unusable address"),
    address("points at the cloud's credentials", "169.254.169.254", "unusable address"),
    address("points at everybody", "255.255.255.255", "unusable address"),
    address("points at a group of machines", "224.0.0.251", "unusable address"),
    address("writes an address with a zero before it", "192.0.2.01", "unreadable value"),
    address("writes a network", "192.0.2.0/24", "unreadable value"),
    address("writes SQL as an address", "192.0.2.9' -- ", "unreadable value"),
    address6("points at everybody's own machine", "::1", "unusable address"),
    address6("points there by an IPv4 address inside", "::ffff:127.0.0.1", "unusable address"),
    address6("points at a link", "fe80::1", "unusable address"),
    address6("names a link's interface", "fe80::1%eth0", "unreadable value"),
    // Accounts.
    Abuse { does: "calls his account as the bank's", account: ("ops", None), domain: Some("evil.org"), gets: &["{x}.evil.org A {v4}", OWN[0], "{rev} PTR {x}.evil.org"], ..ABUSE },
    Abuse { does: "writes SQL and HTML as an account's name", account: ("o'; -- <b>", None), domain: Some("evil.org"), gets: &["{x}.evil.org A {v4}", OWN[0], "{rev} PTR {x}.evil.org"], ..ABUSE },
    Abuse { does: "writes a line and a null byte as an account's name", account: ("x\n\0y", None), ..ABUSE },
];

const EIGHT: &str = "edd2ab05";
const REVERSE_69: &str =
    "9.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR {x}.common.org";

const SETTINGS: [(&str, &str); 6] = [
    ("DNS_COMMON_ZONE", "common.org"),
    ("DNS_ADD_TO_COMMON_ZONE", "true"),
    (
        "DNS_ZONES",
        "bank.org@ROOT/bank,evil.org@ROOT/evil,common.org,2.0.192.in-addr.arpa,8.b.d.0.1.0.0.2.ip6.arpa",
    ),
    ("RESYNC_INTERVAL", "1s"),
    ("DNS_MAX_LOSS_PERCENT", "100"),
    ("RUST_LOG", "trace,hyper=info,mysql_async=info"),
];

/// All rows of addresses and reverse names, and which they are.
async fn rows(lab: &Lab) -> BTreeMap<String, BTreeSet<u64>> {
    let sql =
        "SELECT CONCAT_WS(' ', name, type, content), id FROM records WHERE type IN ('A', 'AAAA', 'PTR')";
    let found: Vec<(String, u64)> = lab.db.query(sql).await.expect("rows");
    let mut rows = BTreeMap::<String, BTreeSet<u64>>::new();
    for (row, id) in found {
        rows.entry(row).or_default().insert(id);
    }
    rows
}

async fn status(controller: &Controller) -> Value {
    serde_json::from_str(&controller.get("/status").await.expect("an answer").1).expect("JSON")
}

/// Under what /status lists the VM: reasons of rejections, states of claims.
fn told(status: &Value, vm: &str) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rejected = list(&status["rejected_vms"]).into_iter().filter(|entry| entry["vm"] == vm);
    let reasons = rejected.flat_map(|entry| list(&entry["rejections"])).map(|entry| word(&entry["reason"]));
    let claims = list(&status["names"]).into_iter().flat_map(|name| list(&name["claims"]));
    reasons.chain(claims.filter(|claim| claim["vm"] == vm).map(|claim| word(&claim["state"]))).collect()
}

/// The bank, the operator's rows, and all of the zones.
async fn bank(lab: &Lab) {
    let world = lab.world();
    zones(lab, &["bank.org", "evil.org", "common.org", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"])
        .await;
    let domain = world.add_domain("bank", &world.root(), None);
    world.add_account_as(ACCOUNT, &domain, "ops", Some("bank.org"));
    world.create_vm(VmSpec::new("www", ACCOUNT).v4("192.0.2.1").group("www"));
    for (zone, name, kind, content) in [
        ("common.org", "ns.common.org", "A", "192.0.2.53"),
        ("common.org", "wpad.common.org", "A", "192.0.2.54"),
        ("2.0.192.in-addr.arpa", "53.2.0.192.in-addr.arpa", "PTR", "ns.common.org"),
    ] {
        lab.db.insert(zone, name, kind, content, 300).await.expect("an operator's row");
    }
    sql(lab, "UPDATE records SET disabled = 1 WHERE name = 'wpad.common.org'").await;
}

/// A line's VM, and the rows that it is to get.
fn abuse(lab: &Lab, at: usize, line: &Abuse, domains: &BTreeMap<&str, String>) -> (String, Vec<String>) {
    let world = lab.world();
    let domain = &domains[line.below_root];
    let (account_name, eight) = line.account;
    let account_name = if account_name.is_empty() { format!("tenant{at}") } else { account_name.to_owned() };
    let eight = eight.map_or_else(|| format!("{:08x}", 0xabcd_0000 + at), str::to_owned);
    let account = format!("{eight}-0000-4000-8000-{at:012}");
    world.add_account_as(&account, domain, &account_name, line.domain);
    let network = world.add_network(domain, "own", NetworkKind::Isolated);
    let x = line.name.map_or_else(|| format!("x{at}"), str::to_owned);
    let v4 = line.v4.map_or_else(|| format!("192.0.2.{}", 100 + at), str::to_owned);
    let mut spec = VmSpec::new(&x, &account).network(&network).created("2020-01-01T00:00:00+0000");
    spec.v4 = Some(v4.clone()).filter(|v4| !v4.is_empty());
    spec.v6 = line.v6.map(str::to_owned);
    spec.group = line.group.map(str::to_owned);
    let rev = v4.rsplit('.').next().map(|last| format!("{last}.2.0.192.in-addr.arpa")).unwrap_or_default();
    let fill = |row: &&str| {
        let row = row.replace("{x}", &x).replace("{v4}", &v4).replace("{rev}", &rev);
        row.replace("{8}", &eight)
    };
    (world.create_vm(spec), line.gets.iter().map(fill).collect())
}

#[tokio::test]
async fn nothing_that_a_tenant_can_write_takes_joins_or_breaks_what_is_another_s() {
    let lab = Lab::new("abuse").await;
    bank(&lab).await;
    let json = [&SETTINGS[..], &[("LOG_FORMAT", "json")]].concat();
    let controller = serve(&lab, &json).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["www.bank.org."]).await;
    let before = rows(&lab).await;
    assert_eq!(before.len(), 5 + 3, "the bank's rows and the operator's: {before:?}");

    let world = lab.world();
    let domains: BTreeMap<&str, String> = ["evil", "bank2", "bank/branch"]
        .map(|name| (name, world.add_domain(name, &world.root(), None)))
        .into();
    let mut expected: BTreeSet<String> = before.keys().cloned().collect();
    let mut vms = Vec::new();
    for (at, line) in TABLE.iter().enumerate() {
        let (vm, gets) = abuse(&lab, at, line, &domains);
        expected.extend(gets.iter().cloned());
        vms.push((line, vm, gets));
    }
    // Somebody who comes after all of them.
    let nobody = world.add_domain("nobody", &world.root(), None);
    let innocent = put(&lab, &world.add_account(&nobody, "innocent", None), "innocent", "192.0.2.250");
    expected.extend(
        ["innocent.common.org A 192.0.2.250", "250.2.0.192.in-addr.arpa PTR innocent.common.org"]
            .map(str::to_owned),
    );

    answers(&lab, "innocent.common.org", "A", &["192.0.2.250"]).await;
    resyncs(&controller, 3.0).await;
    let after = rows(&lab).await;
    let status_now = status(&controller).await;
    for (line, vm, gets) in &vms {
        for row in gets {
            assert!(after.contains_key(row), "who {} should have {row}", line.does);
        }
        let told = told(&status_now, vm);
        assert!(
            if line.told.is_empty() { told.is_empty() } else { told.contains(line.told) },
            "who {} should be told `{}`, not {told:?}",
            line.does,
            line.told
        );
    }
    let found: BTreeSet<String> = after.keys().cloned().collect();
    let more: Vec<_> = found.difference(&expected).collect();
    assert_eq!(more, Vec::<&String>::new(), "rows that nobody should have");
    for (row, ids) in &before {
        assert_eq!(after.get(row), Some(ids), "{row}, of the bank or the operator, is the row that it was");
    }
    assert!(after.values().all(|ids| ids.len() == 1), "no row twice: {after:?}");
    assert!(told(&status_now, &innocent).is_empty(), "the innocent one waits for nobody");
    assert_eq!(status_now["failing"].as_array().map(Vec::len), Some(0), "no pass fails: {status_now}");

    looks_harmless(&controller).await;
    let text = once(&lab, &["plan"], &SETTINGS).await;
    assert_eq!(text.code, 0, "nothing is left to do: {}{}", text.stdout, text.stderr);
    for line in text.stdout.lines().chain(text.stderr.lines()) {
        assert!(!line.contains(is_hidden), "a terminal would obey this line: {line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z ERROR"), "a line of log that a tenant has written");
    }

    // When they go, they take along what they had and nothing else.
    for (_, vm, _) in &vms {
        world.silent().destroy_vm(vm);
    }
    answers(&lab, &format!("x{}.common.org", TABLE.len() - 1), "A", &[]).await;
    resyncs(&controller, 3.0).await;
    let mut left = rows(&lab).await;
    left.retain(|row, _| !row.contains("innocent"));
    assert_eq!(left, before, "what is left of it all");
}

/// Waits until so many resyncs have ended after this moment, and nothing is left to do.
async fn resyncs(controller: &Controller, count: f64) {
    let from = metric(controller, RESYNCS).await.expect("a number");
    poll("resyncs end and nothing is left to do", LIMIT * 2, async || {
        let ended = metric(controller, RESYNCS).await? - from;
        let dirty = metric(controller, "cs_powerdns_dirty_names").await?;
        if ended >= count && dirty < 0.5 { Ok(()) } else { Err(format!("{ended} have; {dirty} are dirty")) }
    })
    .await;
}

fn is_hidden(c: char) -> bool {
    c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// The page has no mark-up of a tenant's, metrics have no word of a tenant's, and each line of the log is
/// one event of the program's own.
async fn looks_harmless(controller: &Controller) {
    let (_, first) = controller.get("/").await.expect("the page");
    let (_, page) = controller.get("/?list=rejected").await.expect("the list");
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("bad network domain"), "{page}");
    let page = first + &page;
    for raw in ["<script", "<img", "<b ", "<b>x", "\" onload=\""] {
        assert!(!page.contains(raw), "the page has `{raw}`: {page}");
    }
    assert!(!page.contains(|c| is_hidden(c) && c != '\n'), "the page has characters that hide others");
    let (_, metrics) = controller.get("/metrics").await.expect("metrics");
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let label = name.split_once('{').map_or("", |(_, label)| label);
        let known = |c: char| c.is_ascii_alphanumeric() || "=\"}_ .-,+".contains(c);
        // Zones are an operator's: `evil.org` is one.
        let tenants = !name.starts_with("cs_powerdns_zone_") && label.contains("evil");
        assert!(label.chars().all(known) && !tenants && !label.contains("alert"), "{line}");
    }
    let (_, body) = controller.get("/status").await.expect("the status");
    assert!(!body.contains(|c| is_hidden(c) && c != '\n'), "the status has characters that hide others");
    let log = controller.output();
    let mut lines = 0;
    for line in log.lines().filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no event of ours: {line}"));
        assert!(event["timestamp"].is_string() && event["target"].is_string(), "{line}");
        assert_ne!(event["message"], "everything is lost", "a line of log that a tenant has written");
        assert!(!line.contains(is_hidden), "a terminal would obey this line: {line:?}");
        lines += 1;
    }
    assert!(lines > 100, "the log is as loud as it gets: {lines} lines");
}

/// Everybody calls his VM the same: one has the name, and what is shown of the others is bounded.
#[tokio::test]
async fn a_name_that_hundreds_want_has_one_holder_and_fills_no_page() {
    let lab = Lab::new("abuse_crowd").await;
    bank(&lab).await;
    let world = lab.world();
    let evil = world.add_domain("evil", &world.root(), None);
    let controller = serve(&lab, &SETTINGS).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["www.bank.org."]).await;
    let before = rows(&lab).await;
    let account = world.add_account(&evil, "crowd", None);
    for at in 0..400 {
        let v4 = format!("198.51.{}.{}", at / 200, at % 200);
        world.create_vm(VmSpec::new("www", &account).v4(&v4).created("2020-01-01T00:00:00+0000"));
    }
    let nobody = world.add_account(&evil, "innocent", None);
    put(&lab, &nobody, "innocent", "192.0.2.250");
    answers(&lab, "innocent.common.org", "A", &["192.0.2.250"]).await;
    resyncs(&controller, 3.0).await;
    let mut after = rows(&lab).await;
    after.retain(|row, _| !row.contains("innocent"));
    assert_eq!(after, before, "the bank has its name, and nobody else anything");
    let status = status(&controller).await;
    let name = status["names"]
        .as_array()
        .and_then(|names| names.iter().find(|name| name["name"] == "www.common.org"));
    let name = name.expect("the name is shown");
    assert_eq!(
        (name["claims_total"].as_u64(), name["claims"].as_array().map(Vec::len)),
        (Some(400), Some(10))
    );
    assert_eq!(status["counts"]["waiting"], 400, "all of them are counted");
    let (_, page) = controller.get("/").await.expect("the page");
    assert!(page.contains("and 395 more") && page.len() < 40_000, "{} bytes", page.len());
}

/// A tenant who has half of all records gives them up at a stroke, which nobody has announced: they are
/// held. What others announce goes on as before.
#[tokio::test]
async fn a_tenant_who_spends_the_hour_s_losses_holds_back_nothing_that_others_announce() {
    let mut lab = Lab::new("abuse_budget").await;
    lab.kafka();
    bank(&lab).await;
    let world = lab.world().clone();
    let evil = world.add_domain("evil", &world.root(), Some("evil.org"));
    let account = world.add_account(&evil, "spender", None);
    for at in 0..30 {
        put(&lab, &account, &format!("e{at}"), &format!("198.51.100.{at}"));
    }
    let mortal = world.create_vm(VmSpec::new("mortal", ACCOUNT).v4("192.0.2.2"));
    // A resync of each second would find what an event tells before it tells it.
    let others = SETTINGS.into_iter().filter(|(name, _)| *name != "DNS_MAX_LOSS_PERCENT");
    let settings: Vec<(&str, &str)> = others.chain(EVENTS_ONLY).collect();
    let controller = serve_events(&lab, &settings).await;
    answers(&lab, "e29.evil.org", "A", &["198.51.100.29"]).await;
    answers(&lab, "mortal.bank.org", "A", &["192.0.2.2"]).await;
    world.set_domain_network_domain(&evil, None);
    poll("the spender's losses are held", LIMIT, async || {
        let held = metric(&controller, "cs_powerdns_held_records").await?;
        if held >= 30.0 { Ok(()) } else { Err(format!("{held} are")) }
    })
    .await;
    answers(&lab, "e29.evil.org", "A", &["198.51.100.29"]).await;
    world.destroy_vm(&mortal);
    answers(&lab, "mortal.bank.org", "A", &[]).await;
    world.create_vm(VmSpec::new("fresh", ACCOUNT).v4("192.0.2.3"));
    answers(&lab, "fresh.bank.org", "A", &["192.0.2.3"]).await;
    world.rename_vm(&world.vms()[0], "renamed");
    answers(&lab, "renamed.bank.org", "A", &["192.0.2.1"]).await;
    answers(&lab, "www.bank.org", "A", &[]).await;
}
