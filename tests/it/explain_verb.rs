//! The verb `explain`: a town with one of everything, asked about beside a controller and without one.

use super::{
    rules_support::{sql, status},
    support::{ACCOUNT, LIMIT, answers, example, once, serve, start, sync, vm},
};
use serde_json::Value;
use testbed::{Controller, Lab, VmSpec, poll};

/// What nobody announced is held, and what is stopped has no records.
const ENV: [(&str, &str); 2] = [("DNS_MAX_LOSS_PERCENT", "0"), ("DNS_STOPPED", "remove")];
const LOSE: [(&str, &str); 2] = [("DNS_MAX_LOSS_PERCENT", "100"), ("DNS_STOPPED", "remove")];

/// A question, and what its answer must say.
pub struct Case(pub String, pub Vec<String>);

/// Questions at the margin, below each what its answer must say. `$` begins an id that the town gives.
const CASES: &str = r"
WEB.Domain.com.
    web.domain.com is served: name of VM $web
    (Web)
    account ops of domain $domain (ROOT/acme)
    192.0.2.1, 2001:db8::1, of its default NIC
    the account has no network domain
    domain.com, the network domain of domain ROOT/acme
    domain.com (Native, unsigned), the longest at or above the name; it may be written
    A 192.0.2.1 (TTL 60): name of VM $web, the row is as it was written
    A 192.0.2.1 (TTL 60): ours
    nothing has ended here within 7 days
    DNS now    A 192.0.2.1 (TTL 60)|             AAAA 2001:db8::1 (TTL 60)
    next pass  changes nothing
web
    web.domain.com is served: name of VM $web
    ptr: 1.2.0.192.in-addr.arpa
$web
    1.2.0.192.in-addr.arpa is served: ptr of VM
    DNS now    PTR web.domain.com (TTL 60)
2001:DB8:0:0::1
    ip6.arpa is served: ptr of VM
    web.domain.com is served: name of VM
1.2.0.192.IN-ADDR.ARPA.
    1.2.0.192.in-addr.arpa is served: ptr of VM
lost.nozone.org
    lost.nozone.org has no record for VM $lost: pending, no zone: PowerDNS has no zone nozone.org
    -> create that zone in PowerDNS
    nozone.org, the account's network domain
    no zone of this database
198.51.100.1
    no reverse zone of this database encloses it
slave.slave.org
    rejected, zone kind: zone slave.org: the zone's type is Secondary
    -> write the record where the zone comes from, or make the zone one of this database
two_words
    rejected, bad name
    -> give the VM a name that is a host name
$hostile
    <b>?[31m?evil
    rejected, bad name
taken.domain.com
    taken.domain.com is blocked: name of VM
    A 203.0.113.9 -> delete that row, or `cs-powerdns adopt taken.domain.com`
    A 203.0.113.9 (TTL 300): not ours
    DNS now    A 203.0.113.9 (TTL 300)
alias.domain.com
    alias.domain.com is blocked: name of VM
    in its way stands CNAME web.domain.com -> delete that row, if it is not meant to suppress this name
    DNS now    CNAME web.domain.com (TTL 300)
same.domain.com
    same.domain.com is satisfied: name of VM
    same.domain.com` makes it ours
retimed.domain.com
    is released: name of VM
    released: its TTL was changed to 300
    ours, edited by an operator
disabled.domain.com
    is released: name of VM
    it was disabled
    DNS now    no such name (NXDOMAIN)
    -> delete the row or put it back
edited.domain.com
    is released: name of VM
    it was edited in place
    DNS now    A 203.0.113.1 (TTL 60)
replaced.domain.com
    is released: name of VM
    it was replaced
    A 203.0.113.2 (TTL 60): not ours
hold.domain.com
    is on hold: name of VM
    -> `cs-powerdns adopt hold.domain.com` ends the hold
oldname.domain.com
    oldname.domain.com is held: name of VM
    to let it through: cs-powerdns approve $set
    next pass  ! oldname.domain.com 60 A 192.0.2.17
twin.domain.com
    twin.domain.com is served: name of VM $holder
    is waiting: name of VM $waiter, held by VM $holder -> it follows when the holder goes
twin
    2 VMs are called so: ask by UUID
    VM $holder (twin)
    VM $waiter (twin)
frozen.frozen.org
    is frozen: name of VM
    frozen, the VM's account is in no listing
    DNS now    A 198.51.100.4
$gone
    CloudStack has no such VM
    gone.domain.com has no record any more:
    its VM is gone
gone.domain.com
    gone.domain.com has no record any more:
    A 192.0.2.15 of VM $gone: its VM is gone
    CloudStack has no such VM
    NXDOMAIN
left.domain.com
    left.domain.com is wanted by no VM
    left behind by VM
    DNS now    A 192.0.2.16 (TTL 300)
retired.retire.org
    is retired: name of VM
    the zone's type is Secondary
    or delete the row by hand
stopped.domain.com
    no VM wants this name
    is called so, and wants no name: stopped: it has no records (DNS_STOPPED=remove)
nobody.domain.com
    nobody.domain.com has no record: no VM wants this name, and nothing has ended here within 7 days
    DNS now    no such name (NXDOMAIN)
web.retire.org
    no VM wants this name
    VM $web is called so, and wants other names: web.domain.com
x.wild.domain.com
    no VM wants this name
    DNS now    A 203.0.113.8 (TTL 300), by the wildcard *.wild.domain.com
www.elsewhere.net
    no VM wants this name
    no zone of this database
    REFUSED
198.51.100.77
    no VM has the address 198.51.100.77
    77.100.51.198.in-addr.arpa has no record
";

/// The cases with the ids in their places.
pub fn cases(text: &str, ids: &[(&str, &str)]) -> Vec<Case> {
    // The longest names first: one may begin with another.
    let mut ids = ids.to_vec();
    ids.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let text = ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("${name}"), id));
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("    "), cases.last_mut()) {
            (Some(says), Some(case)) => case.1.push(says.replace('|', "\n")),
            _ => cases.push(Case(line.to_owned(), Vec::new())),
        }
    }
    cases
}

/// A VM in an account of its own with this network domain; both ids.
fn tenant(lab: &Lab, suffix: &str, name: &str, v4: &str) -> (String, String) {
    let world = lab.world();
    let account = world.add_account(&world.root(), suffix, Some(suffix));
    let id = world.create_vm(VmSpec::new(name, &account).v4(v4));
    (account, id)
}

/// Builds the town, has it written, then edits it: from here on a pass changes nothing of it.
async fn town(lab: &Lab) -> Vec<Case> {
    let domain = example(lab).await;
    for zone in ["retire.org", "frozen.org"] {
        lab.db.zone(zone).await.expect("a zone");
    }
    lab.db.zone_of("slave.org", "SLAVE", 1).await.expect("a zone");
    let world = lab.world();
    let web = world.create_vm(VmSpec { v6: Some("2001:db8::1".into()), ..vm("Web", "192.0.2.1") });
    let edited: Vec<String> =
        (["retimed", "disabled", "edited", "replaced", "hold", "gone", "left", "oldname"].iter())
            .enumerate()
            .map(|(at, name)| world.create_vm(vm(name, &format!("192.0.2.{}", at + 10))))
            .collect();
    let twin = |at: u8| {
        let created = Some(format!("2026-01-0{at}T00:00:00+0000"));
        world.create_vm(VmSpec { created, ..vm("twin", &format!("192.0.2.4{at}")) })
    };
    let (holder, waiter) = (twin(1), twin(2));
    world.create_vm(vm("taken", "192.0.2.30"));
    world.create_vm(vm("same", "192.0.2.31"));
    world.create_vm(vm("alias", "192.0.2.35"));
    world.create_vm(VmSpec { state: "Stopped".into(), ..vm("stopped", "192.0.2.32") });
    world.create_vm(vm("two_words", "192.0.2.33"));
    let hostile = world.create_vm(vm("<b>\u{1b}[31m\u{202e}evil", "192.0.2.34"));
    let (_, lost) = tenant(lab, "nozone.org", "lost", "198.51.100.1");
    tenant(lab, "slave.org", "slave", "198.51.100.2");
    tenant(lab, "retire.org", "retired", "198.51.100.3");
    let (frozen, _) = tenant(lab, "frozen.org", "frozen", "198.51.100.4");
    for (name, content) in [("taken", "203.0.113.9"), ("same", "192.0.2.31"), ("*.wild", "203.0.113.8")] {
        lab.db.insert("domain.com", &format!("{name}.domain.com"), "A", content, 300).await.expect("a row");
    }
    lab.db.insert("domain.com", "alias.domain.com", "CNAME", "web.domain.com", 300).await.expect("a row");
    sync(lab, &LOSE).await;

    for statement in [
        "UPDATE records SET ttl = 300 WHERE name IN ('retimed.domain.com', 'left.domain.com')",
        "UPDATE records SET disabled = 1 WHERE name = 'disabled.domain.com'",
        "UPDATE records SET content = '203.0.113.1' WHERE name = 'edited.domain.com'",
        "DELETE FROM records WHERE name = 'replaced.domain.com'",
        "UPDATE domains SET type = 'SLAVE' WHERE name = 'retire.org'",
    ] {
        sql(lab, statement).await;
    }
    lab.db.insert("domain.com", "replaced.domain.com", "A", "203.0.113.2", 60).await.expect("a row");
    let output = once(lab, &["release", "hold.domain.com"], &LOSE).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    for id in &edited[5..7] {
        world.destroy_vm(id);
        world.expunge_vm(id);
    }
    sync(lab, &LOSE).await;
    world.list_account(&frozen, false);
    world.silent().rename_vm(&edited[7], "newname");
    let held = once(lab, &["sync"], &ENV).await;
    assert_eq!(held.code, 3, "the old name's record is held: {}{}", held.stdout, held.stderr);

    let set = held.stdout.split("cs-powerdns approve ").nth(1);
    let set = set.and_then(|rest| rest.split_whitespace().next()).expect("a held set");
    let ids = [
        ("web", web.as_str()),
        ("domain", &domain),
        ("lost", &lost),
        ("hostile", &hostile),
        ("holder", &holder),
        ("waiter", &waiter),
        ("gone", &edited[5]),
        ("set", set),
    ];
    cases(CASES, &ids)
}

/// Asks, and looks for what the answer must say; what it does not is a fault. `by`: who has to answer.
pub async fn asked(
    lab: &Lab,
    Case(question, says): &Case,
    more: &[(&str, &str)],
    by: &str,
    faults: &mut Vec<String>,
) -> String {
    let output = once(lab, &["explain", question], more).await;
    let told = output.stdout;
    let lacks = says.iter().filter(|text| !told.contains(*text));
    faults.extend(lacks.map(|text| format!("explain {question} does not say `{text}`, {by}:\n{told}")));
    if output.code != 0 || !output.stderr.contains(by) {
        faults.push(format!("explain {question} should be answered by `{by}`: {told}{}", output.stderr));
    }
    let hides = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    if told.contains(hides) {
        faults.push(format!("explain {question} prints what a tenant typed: {told:?}"));
    }
    told
}

pub fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
}

/// What is held, and nothing else, is left to do.
pub async fn at_rest(controller: &Controller, held: u64) {
    poll("the controller explains, and has nothing left to do", LIMIT, async || {
        let (code, told) = controller.get("/explain?q=web").await.map_err(|error| format!("{error:#}"))?;
        let (_, status) = controller.get("/status").await.map_err(|error| format!("{error:#}"))?;
        let status: Value = serde_json::from_str(&status).map_err(|error| error.to_string())?;
        if code == 200 && status["dirty_names"] == 0 && status["held"] == held {
            Ok(())
        } else {
            Err(format!("{told}\n{status}"))
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_stands_or_stood_at_a_name_is_explained_alike_beside_a_controller_and_without_one() {
    let mut lab = Lab::new("explain_verb").await;
    let cases = town(&lab).await;
    let mut controller = serve(&lab, &ENV).await;
    at_rest(&controller, 2).await;
    let (mut told, mut faults) = (Vec::new(), Vec::new());
    for case in &cases {
        told.push(asked(&lab, case, &ENV, "the controller at ", &mut faults).await);
    }
    none(&faults);
    let (code, page) = controller.get("/explain?q=Web.domain.com").await.expect("an answer");
    assert_eq!((code, page.as_str()), (200, told[0].as_str()), "/explain says what the verb says");
    let (_, json) = controller.get("/explain?q=taken.domain.com&format=json").await.expect("an answer");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["version"], &json["names"][0]["claims"][0]["state"]), (&1.into(), &"blocked".into()));
    for (path, code) in [("/explain", 400), ("/explain?q=", 400), ("/explain?q=%1b", 400)] {
        let (found, body) = controller.get(path).await.expect("an answer");
        assert_eq!(found, code, "{path}: {body}");
    }
    // Another owner id's ledger is another answer.
    let output = once(&lab, &["explain", "nobody.domain.com"], &[("OWNER_ID", "other")]).await;
    assert!(output.stderr.contains("no controller of this OWNER_ID"), "{}", output.stderr);
    controller.sigterm().expect("it can be told");
    controller.wait_exit(LIMIT).await.expect("it ends");

    lab.forget_writes().await;
    for (case, told) in cases.iter().zip(&told) {
        let found = asked(&lab, case, &ENV, "no controller of this OWNER_ID answers", &mut faults).await;
        if found != *told {
            faults.push(format!("explain {} without a controller:\n{found}\nbeside one:\n{told}", case.0));
        }
    }
    none(&faults);
    assert_eq!(lab.writes(&[]).await, Vec::<String>::new(), "explain writes nothing");
    answers(&lab, "web.domain.com", "AAAA", &["2001:db8::1"]).await;
    answers(&lab, "x.wild.domain.com", "A", &["203.0.113.8"]).await;
    assert_eq!(status(&lab, "gone.domain.com").await, "NXDOMAIN");
    assert_eq!(status(&lab, "disabled.domain.com").await, "NXDOMAIN");
    assert_eq!(status(&lab, "www.elsewhere.net").await, "REFUSED");
}

/// Before the first pass everything is still to come, also the name that a reverse name waits for.
#[tokio::test]
async fn a_database_without_tables_is_explained_and_stays_without() {
    let lab = Lab::new("explain_empty").await;
    example(&lab).await;
    let id = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.1") });
    let says = [
        "next pass  + web.domain.com 60 A 192.0.2.1  (name of VM",
        "next pass  + 1.2.0.192.in-addr.arpa 60 PTR web.domain.com  (ptr of VM",
        &format!("group: www-{}.domain.com", &ACCOUNT[..8]),
        "DNS now    no such name (NXDOMAIN)",
    ];
    let about = Case(id, says.map(ToOwned::to_owned).into());
    let mut faults = Vec::new();
    asked(&lab, &about, &ENV, "no controller", &mut faults).await;
    let reverse = Case("192.0.2.1".into(), vec!["PTR web.domain.com  (ptr of VM".into()]);
    asked(&lab, &reverse, &ENV, "no controller", &mut faults).await;
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns%'").await.expect("tables");
    assert_eq!(tables, Vec::<String>::new());
    // A controller that cannot answer yet sends nobody away.
    lab.sim.heal();
    let starting = start(&lab, &[("CS_ENDPOINT", "http://127.0.0.1:1/client/api")]);
    poll("it listens", LIMIT, async || {
        starting.get("/healthz").await.map(drop).map_err(|error| format!("{error:#}"))
    })
    .await;
    asked(&lab, &reverse, &ENV, "no controller", &mut faults).await;
    none(&faults);
    for wrong in [["explain", ""], ["explain", "a\u{7}b"]] {
        let output = once(&lab, &wrong, &[]).await;
        assert_eq!(output.code, 1, "{}", output.stdout);
        assert!(output.stderr.contains("neither a DNS name"), "{}", output.stderr);
    }
}
