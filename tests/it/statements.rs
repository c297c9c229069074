//! Every statement that the program sends: a life with all its verbs, and what the general log has of it.

use super::{
    rules_support::sql,
    support::{ACCOUNT, LIMIT, RESYNCS, example, metric_reaches, once, serve, vm},
};
use std::collections::{BTreeMap, HashSet};
use testbed::{Lab, Output, VmSpec};

const ANY: (&str, &str) = ("DNS_MAX_LOSS_PERCENT", "100");

/// A reverse zone of its own for each VM, so that one transaction meets as many zones as names.
fn address(at: usize) -> (String, String) {
    let (high, low) = (20 + at / 250, at % 250);
    (format!("10.{high}.{low}.1"), format!("{low}.{high}.10.in-addr.arpa"))
}

async fn does(lab: &Lab, arguments: &[&str], more: &[(&str, &str)], code: i32) -> Output {
    let output = once(lab, arguments, more).await;
    assert_eq!(output.code, code, "{arguments:?}: {}\n{}", output.stdout, output.stderr);
    output
}

/// So many VMs are served, changed, held, approved, adopted, released, handed over and purged, in signed zones, by
/// every verb that there is.
pub async fn everything(lab: &Lab, size: usize) {
    let domain = example(lab).await;
    lab.db.zone("10.in-addr.arpa").await.expect("a zone");
    let signed = ["domain.com", "8.b.d.0.1.0.0.2.ip6.arpa"];
    for zone in signed {
        lab.dns().await.pdnsutil(&["secure-zone", zone]).expect("a signed zone");
    }
    lab.dns().await.pdnsutil(&["set-nsec3", signed[1], "1 0 0 ab"]).expect("NSEC3");
    // Names below those of VMs: empty non-terminals come and go with them.
    lab.db.insert("domain.com", "x.vm1.domain.com", "A", "198.51.100.1", 300).await.expect("a row");
    // One that is above a delegation alone, until a VM of an account of its own comes below it.
    lab.db.insert("domain.com", "cut.deep.domain.com", "NS", "ns.example.org", 300).await.expect("a row");
    lab.dns().await.pdnsutil(&["rectify-zone", signed[0]]).expect("a rectified zone");
    let mut ids = Vec::new();
    for at in 0..size {
        let group = if at % 2 == 0 { "all".to_owned() } else { format!("g{at}") };
        // Each brings twenty empty non-terminals.
        let v6 = (at < 80).then(|| format!("2001:db8:{at:x}::1"));
        let spec = VmSpec { v6, group: Some(group), ..vm(&format!("vm{at}"), &address(at).0) };
        ids.push(lab.world().silent().create_vm(spec));
    }
    let account = lab.world().add_account(&domain, "deep", Some("deep.domain.com"));
    lab.world().silent().create_vm(VmSpec::new("below", &account).v4("198.51.100.2"));
    does(lab, &["plan", "--unexplained"], &[], 2).await;
    does(lab, &["sync"], &[("DNS_PARENT_ZONES", "true")], 0).await;
    does(lab, &["sync"], &[("DNS_RECORD_TTL", "90")], 0).await;

    // All rows have other ids, as after edits by the API; then other contents, as after Poweradmin's.
    let ours = "type IN ('A', 'AAAA', 'PTR')";
    sql(lab, &format!("UPDATE records SET id = id + 10000000 WHERE {ours}")).await;
    does(lab, &["sync"], &[], 0).await;
    sql(lab, &format!("UPDATE records SET ttl = 7, content = CONCAT(content, '9') WHERE {ours}")).await;
    does(lab, &["sync"], &[], 0).await;
    sql(
        lab,
        &format!("UPDATE records SET ttl = 60, content = LEFT(content, LENGTH(content) - 1) WHERE {ours}"),
    )
    .await;
    does(lab, &["sync"], &[], 0).await;
    sql(lab, &format!("DELETE FROM records WHERE {ours} AND id % 3 = 0")).await;
    does(lab, &["sync"], &[], 0).await;

    // What nobody announced is held until it is approved.
    for (at, id) in ids.iter().enumerate() {
        lab.world().silent().rename_vm(id, &format!("new{at}"));
    }
    let held = does(lab, &["sync"], &[], 3).await;
    let hash =
        held.stdout.split("cs-powerdns approve ").nth(1).and_then(|rest| rest.split_whitespace().next());
    does(lab, &["approve", hash.expect("a hash")], &[], 0).await;
    does(lab, &["sync"], &[], 0).await;
    does(lab, &["explain", &ids[0]], &[], 0).await;
    for id in &ids[..ids.len() / 4] {
        lab.world().silent().destroy_vm(id);
        lab.world().silent().expunge_vm(id);
    }
    does(lab, &["sync"], &[ANY], 0).await;

    // All reverse names move at once, each into a zone of its own.
    for at in 0..size {
        lab.db.zone(&address(at).1).await.expect("a zone");
    }
    does(lab, &["sync"], &[ANY], 0).await;

    let name = format!("new{}.domain.com", size - 1);
    does(lab, &["release", &name], &[], 0).await;
    sql(lab, "DELETE FROM cs_powerdns_ledger").await;
    sql(lab, "CREATE TABLE cs_mapping(uuid CHAR(36), record VARCHAR(255), ipaddress CHAR(39))").await;
    sql(lab, &format!("GRANT SELECT ON cs_mapping TO '{}'@'%'", lab.db.user)).await;
    does(lab, &["adopt", "--all", "--from-cs-mapping"], &[], 0).await;
    does(lab, &["adopt", &name], &[], 0).await;
    let other = ("OWNER_ID", "other");
    does(lab, &["adopt", "--from-owner", "default"], &[other], 0).await;
    does(lab, &["schema"], &[], 0).await;

    sql(lab, "UPDATE cs_powerdns_approval SET owner_id = 'other', at = at - INTERVAL 2 HOUR").await;
    let mut controller = serve(lab, &[other, ANY, ("RESYNC_INTERVAL", "1s")]).await;
    lab.world().create_vm(VmSpec::new("late", ACCOUNT).v4("192.0.2.200"));
    metric_reaches(&controller, RESYNCS, 3.0).await;
    controller.get("/status").await.expect("the status");
    controller.sigterm().expect("it ends");
    controller.wait_exit(LIMIT).await.expect("it ends");

    lab.world().replace_root("11111111-2222-3333-4444-555555555555");
    does(lab, &["rebind"], &[other], 0).await;
    does(lab, &["purge", "--zone", "domain.com"], &[other], 0).await;
    does(lab, &["purge"], &[other], 0).await;
    let left: Vec<String> = lab.db.query("SELECT name FROM cs_powerdns_ledger").await.expect("the ledger");
    assert_eq!(left, Vec::<String>::new(), "entries after a purge");
}

/// Of each shape the statement with the most values.
pub async fn longest(lab: &Lab, mark: &str) -> BTreeMap<String, String> {
    let mut longest: BTreeMap<String, String> = BTreeMap::new();
    for sql in lab.db.statements_since(mark).await.expect("the general log can be read") {
        let known = longest.entry(shape(&sql)).or_default();
        if known.is_empty() || values(&sql) > values(known) {
            *known = sql;
        }
    }
    longest
}

/// How many different values a statement has.
pub fn values(sql: &str) -> usize {
    sql.split([',', '(', ')']).collect::<HashSet<_>>().len()
}

/// A statement without its values, whatever their number.
pub fn shape(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            while let Some(c) = rest.next() {
                match c {
                    '\\' => _ = rest.next(),
                    '\'' => break,
                    _ => {}
                }
            }
            out.push('?');
        } else if c.is_ascii_digit() && !out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            while rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.').is_some() {}
            out.push('?');
        } else {
            out.push(c);
        }
    }
    let mut out = out.replace("NULL,", "?,").replace(",NULL", ",?").replace("-?", "?").replace(", ", ",");
    for (many, one) in [("?,?", "?"), ("(?),(?)", "(?)")] {
        while out.contains(many) {
            out = out.replace(many, one);
        }
    }
    match out.split_once(" VALUES ") {
        Some((insert, values)) if out.starts_with("INSERT") => {
            let end = values.find(" ON DUPLICATE").map_or("", |at| &values[at..]);
            format!("{insert} VALUES ..{end}")
        }
        _ => out,
    }
}

#[test]
fn statements_of_different_values_have_one_shape() {
    let of = |list: &str| format!("SELECT a1 FROM records r WHERE r.name IN ({list}) AND x > -7 FOR UPDATE");
    assert_eq!(shape(&of("'a','b\\'c','d'")), shape(&of("'a'")));
    assert_eq!(shape(&of("'a'")), "SELECT a1 FROM records r WHERE r.name IN (?) AND x > ? FOR UPDATE");
    assert_eq!(shape("D WHERE (a,b) IN ((1,'x'),(2,'y'))"), "D WHERE (a,b) IN ((?))");
    assert_eq!(
        shape("INSERT INTO t (a) VALUES (1,NULL),(2,UTC_TIMESTAMP(6))"),
        "INSERT INTO t (a) VALUES .."
    );
}
