//! The race of promises 2 and 3: an operator's edit lands between our reading and our COMMIT. Each is
//! forced: his transaction is open while the program plans without it, and ends once the program waits.

use super::support::{LIMIT, PROGRAM, example, quick, sync, vm};
use mysql_async::{Conn, prelude::Queryable};
use serde_json::json;
use std::time::Duration;
use testbed::{Lab, Output, VmSpec, poll, run_once};
use tokio::task::JoinHandle;

const ZONE: &str = "domain.com";
/// An operator's address.
const HIS: &str = "198.51.100.7";

/// What stands at a name: types, contents and TTLs, without what no operator chose.
async fn stands(lab: &Lab, name: &str) -> Vec<String> {
    let sql = format!("SELECT CONCAT(type, ' ', content) FROM records WHERE name = '{name}' ORDER BY 1");
    lab.db.query(&sql).await.expect("the rows")
}

/// The contents of the entries at a name.
async fn entries(lab: &Lab, name: &str) -> Vec<String> {
    let sql = format!("SELECT content FROM cs_powerdns_ledger WHERE name = '{name}' ORDER BY 1");
    lab.db.query(&sql).await.expect("the entries")
}

fn insert(name: &str, kind: &str, content: &str) -> String {
    format!(
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
         SELECT id, '{name}', '{kind}', '{content}', 300, 0, 0, 1 FROM domains WHERE name = '{ZONE}'"
    )
}

/// A pass that runs beside the test. An open transaction keeps renewals from the lease: it lasts longer.
fn pass(lab: &Lab) -> JoinHandle<Output> {
    let env = quick(lab, &[("LEASE_TTL", "60s")]);
    tokio::spawn(async move { run_once(PROGRAM, &["sync"], &env).await.expect("the program runs") })
}

async fn well(pass: JoinHandle<Output>) {
    let output = pass.await.expect("the pass ends");
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

/// Waits until a connection of this user waits inside a statement.
async fn waits(lab: &Lab, user: &str) {
    // Not INNODB_TRX: it is a cache that is not filled anew while somebody keeps asking.
    seen(lab, &format!("INFO IS NOT NULL AND TIME_MS > 300 AND USER = '{user}'")).await;
}

async fn seen(lab: &Lab, condition: &str) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND {condition}"
    );
    poll(&format!("a statement waits: {condition}"), LIMIT, async || {
        let waiting: Vec<u64> = lab.db.query(&sql).await.expect("the database answers");
        if waiting[0] > 0 { Ok(()) } else { Err("nobody waits".into()) }
    })
    .await;
}

/// Runs a pass that plans before an operator's statement and goes on after it.
async fn race(lab: &Lab, statement: &str) {
    let mut operator = lab.db.admin.get_conn().await.expect("the database answers");
    operator.query_drop("START TRANSACTION").await.expect("the database answers");
    operator.query_drop(statement).await.expect("the database answers");
    let pass = pass(lab);
    waits(lab, &lab.db.user).await;
    operator.query_drop("COMMIT").await.expect("the database answers");
    well(pass).await;
}

#[tokio::test]
async fn what_an_operator_inserts_while_the_first_row_is_written_stands_alone() {
    let lab = Lab::new("race_first").await;
    example(&lab).await;
    sync(&lab, &[]).await;
    for (at, kind, content) in [
        (1, "A", HIS),
        (2, "AAAA", "2001:db8::7"),
        (3, "CNAME", "www.example.net"),
        // What the program is about to write: it stays his.
        (4, "A", "192.0.2.4"),
    ] {
        let name = format!("vm{at}.{ZONE}");
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")));
        race(&lab, &insert(&name, kind, content)).await;
        assert_eq!(stands(&lab, &name).await, [format!("{kind} {content}")], "nothing stands beside his row");
        assert_eq!(entries(&lab, &name).await, Vec::<String>::new(), "{kind} {content}: nothing is ours");
    }
    sync(&lab, &[]).await;
}

/// The five edits of the race with a row of ours: his statement, and what is to stand then, with which
/// entries. `at` is the row that we wrote.
async fn edits(lab: &Lab, what: &str, expected: [(&[&str], &[&str]); 6], change: impl Fn(&Lab, &str)) {
    let statements = |name: &str| {
        let row = format!("WHERE name = '{name}' AND type = 'A' AND content = '192.0.2.1'");
        [
            format!("UPDATE records SET content = '{HIS}' {row}"),
            format!("DELETE FROM records {row}"),
            insert(name, "AAAA", "2001:db8::7"),
            insert(name, "CNAME", "www.example.net"),
            insert(name, "A", "192.0.2.2"),
            insert(name, "A", "192.0.2.1"),
        ]
    };
    for (at, (rows, owned)) in expected.into_iter().enumerate() {
        let label = format!("{what}{at}");
        let name = format!("{label}.{ZONE}");
        let id = lab.world().create_vm(vm(&label, "192.0.2.1"));
        sync(lab, &[]).await;
        assert_eq!(stands(lab, &name).await, ["A 192.0.2.1"]);
        change(lab, &id);
        let statement = &statements(&name)[at];
        race(lab, statement).await;
        assert_eq!(stands(lab, &name).await, rows, "rows after: {statement}");
        assert_eq!(entries(lab, &name).await, owned, "entries after: {statement}");
        lab.world().destroy_vm(&id);
        sync(lab, &[]).await;
    }
}

#[tokio::test]
async fn an_operators_edit_while_an_address_is_replaced_is_not_lost() {
    let lab = Lab::new("race_replace").await;
    example(&lab).await;
    let expected: [(&[&str], &[&str]); 6] = [
        // Edited in place: the claim is released.
        (&["A 198.51.100.7"], &["192.0.2.1"]),
        // Deleted by hand: it comes back, as the VM is now.
        (&["A 192.0.2.2"], &["192.0.2.2"]),
        // Replacing one's own is not adding: both stood before.
        (&["A 192.0.2.2", "AAAA 2001:db8::7"], &["192.0.2.2"]),
        (&["A 192.0.2.2", "CNAME www.example.net"], &["192.0.2.2"]),
        // His row serves the claim and stays his.
        (&["A 192.0.2.2"], &[]),
        (&["A 192.0.2.1", "A 192.0.2.2"], &["192.0.2.2"]),
    ];
    edits(&lab, "new", expected, |lab, id| lab.world().set_address(id, Some("192.0.2.2"), None)).await;
}

#[tokio::test]
async fn an_operators_edit_while_a_row_is_deleted_is_not_lost() {
    let lab = Lab::new("race_delete").await;
    example(&lab).await;
    let expected: [(&[&str], &[&str]); 6] = [
        (&["A 198.51.100.7"], &[]),
        (&[], &[]),
        (&["AAAA 2001:db8::7"], &[]),
        (&["CNAME www.example.net"], &[]),
        (&["A 192.0.2.2"], &[]),
        (&["A 192.0.2.1"], &[]),
    ];
    edits(&lab, "gone", expected, |lab, id| lab.world().destroy_vm(id)).await;
}

/// A lock at which each of our transactions waits, complete but for its fence, until it is opened.
async fn gate(lab: &Lab) -> Conn {
    let lock = format!("gate_{}", lab.db.name);
    let trigger = format!(
        "CREATE TRIGGER gate BEFORE UPDATE ON cs_powerdns_owner FOR EACH ROW BEGIN \
         IF NEW.fence <> OLD.fence THEN DO GET_LOCK('{lock}', 25); DO RELEASE_LOCK('{lock}'); END IF; END"
    );
    lab.db.exec(&trigger).await.expect("the database answers");
    let mut gate = lab.db.admin.get_conn().await.expect("the database answers");
    gate.query_drop(format!("DO GET_LOCK('{lock}', 0)")).await.expect("the database answers");
    gate
}

async fn open(lab: &Lab, mut gate: Conn) {
    gate.query_drop(format!("DO RELEASE_LOCK('gate_{}')", lab.db.name)).await.expect("the database answers");
    lab.db.exec("DROP TRIGGER gate").await.expect("the database answers");
}

/// An operator's request to the API arrives while our transaction is complete but for its fence: it waits
/// for our COMMIT and comes right behind it.
async fn behind(lab: &Lab, rrset: serde_json::Value) {
    let gate = gate(lab).await;
    let pass = pass(lab);
    // A trigger shows as its definer's.
    seen(lab, &format!("STATE = 'User lock' AND INFO LIKE '%gate\\_{}%'", lab.db.name)).await;
    let his = patch(lab, rrset).await;
    waits(lab, &lab.db.pdns_user).await;
    open(lab, gate).await;
    his.await.expect("the database answers");
    well(pass).await;
}

/// What an operator sends to the PowerDNS API.
async fn patch(lab: &Lab, rrset: serde_json::Value) -> JoinHandle<()> {
    let dns = lab.dns().await;
    let request = reqwest::Client::new()
        .patch(format!("{}/api/v1/servers/localhost/zones/{ZONE}.", dns.api_url()))
        .header("X-API-Key", &dns.api_key)
        .timeout(Duration::from_secs(60))
        .json(&json!({ "rrsets": [rrset] }));
    tokio::spawn(async move {
        let answer = request.send().await.expect("the API answers");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    })
}

fn replace(name: &str, content: &str) -> serde_json::Value {
    json!({"name": format!("{name}."), "type": "A", "ttl": 60, "changetype": "REPLACE",
           "records": [{ "content": content, "disabled": false }]})
}

fn delete(name: &str) -> serde_json::Value {
    json!({"name": format!("{name}."), "type": "A", "changetype": "DELETE"})
}

/// The example with web, in a zone whose serial the API moves too.
async fn with_web(test: &str) -> (Lab, String) {
    let lab = Lab::new(test).await;
    example(&lab).await;
    let kind = "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, 'SOA-EDIT-API', 'DEFAULT' \
                FROM domains WHERE name = 'domain.com'";
    lab.db.exec(kind).await.expect("an answer");
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    (lab, id)
}

/// After another pass, nothing of ours stands beside what he wrote, and the zone's serial is not lower than
/// what secondaries may have seen from us.
async fn settled(lab: &Lab, rows: &[&str], owned: &[&str]) {
    sync(lab, &[]).await;
    assert_eq!(stands(lab, "web.domain.com").await, rows, "rows after a pass");
    assert_eq!(entries(lab, "web.domain.com").await, owned, "entries after a pass");
    let sql = "SELECT serial FROM cs_powerdns_zone WHERE name = 'domain.com'";
    let written: Vec<u32> = lab.db.query(sql).await.expect("an answer");
    let serial = lab.db.serial(ZONE).await.expect("an answer");
    assert!(serial >= written[0], "the serial {serial} is lower than {}, which we wrote", written[0]);
}

const HIS_ROW: [&str; 1] = ["A 198.51.100.7"];

#[tokio::test]
async fn an_api_replace_that_waits_for_our_transaction_has_the_last_word() {
    let (lab, id) = with_web("race_replace_behind").await;
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    behind(&lab, replace("web.domain.com", HIS)).await;
    assert_eq!(stands(&lab, "web.domain.com").await, HIS_ROW);
    assert_eq!(entries(&lab, "web.domain.com").await, ["192.0.2.2"], "what we had written by then");
    settled(&lab, &HIS_ROW, &["192.0.2.2"]).await;
    lab.world().set_address(&id, Some("192.0.2.3"), Some("2001:db8::3"));
    settled(&lab, &HIS_ROW, &["192.0.2.2"]).await;
    lab.world().destroy_vm(&id);
    settled(&lab, &HIS_ROW, &[]).await;
}

#[tokio::test]
async fn an_api_replace_behind_our_first_insert_or_our_delete_stands_alone() {
    let lab = Lab::new("race_first_behind").await;
    example(&lab).await;
    sync(&lab, &[]).await;
    let id = lab.world().create_vm(VmSpec { v6: Some("2001:db8::1".into()), ..vm("web", "192.0.2.1") });
    behind(&lab, replace("web.domain.com", HIS)).await;
    // His request was about the A records; the other family stood before it.
    settled(&lab, &["A 198.51.100.7", "AAAA 2001:db8::1"], &["192.0.2.1", "2001:db8::1"]).await;
    lab.world().destroy_vm(&id);
    behind(&lab, replace("web.domain.com", "198.51.100.8")).await;
    let rows = stands(&lab, "web.domain.com").await;
    assert!(rows.contains(&"A 198.51.100.8".to_owned()), "{rows:?}");
    assert_eq!(entries(&lab, "web.domain.com").await, Vec::<String>::new());

    let (lab, id) = with_web("race_delete_behind").await;
    lab.world().destroy_vm(&id);
    behind(&lab, replace("web.domain.com", HIS)).await;
    settled(&lab, &HIS_ROW, &[]).await;
}

#[tokio::test]
async fn an_api_delete_behind_our_replacement_is_a_row_deleted_by_hand() {
    let (lab, id) = with_web("race_api_delete").await;
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    behind(&lab, delete("web.domain.com")).await;
    assert_eq!(stands(&lab, "web.domain.com").await, Vec::<String>::new());
    settled(&lab, &["A 192.0.2.2"], &["192.0.2.2"]).await;
}

#[tokio::test]
async fn our_replacement_that_waits_for_an_api_replace_gives_way_to_it() {
    for (test, rrset, rows, owned) in [
        ("race_api_first", replace("web.domain.com", HIS), HIS_ROW, "192.0.2.1"),
        ("race_api_noop", replace("web.domain.com", "192.0.2.1"), ["A 192.0.2.2"], "192.0.2.2"),
    ] {
        let (lab, id) = with_web(test).await;
        lab.world().set_address(&id, Some("192.0.2.2"), None);
        // He has replaced the RRset and waits for the SOA; we wait for the RRset.
        let mut soa = lab.db.admin.get_conn().await.unwrap();
        soa.query_drop("START TRANSACTION").await.unwrap();
        let lock = "SELECT id FROM records WHERE name = 'domain.com' AND type = 'SOA' FOR UPDATE";
        soa.query_drop(lock).await.unwrap();
        let his = patch(&lab, rrset).await;
        waits(&lab, &lab.db.pdns_user).await;
        let pass = pass(&lab);
        waits(&lab, &lab.db.user).await;
        soa.query_drop("ROLLBACK").await.unwrap();
        his.await.unwrap();
        well(pass).await;
        settled(&lab, &rows, &[owned]).await;
    }
}

/// He has read the serial before our COMMIT and writes his own behind it.
#[tokio::test]
async fn an_api_edit_of_another_name_behind_our_transaction_does_not_set_the_serial_back() {
    let (lab, id) = with_web("race_soa").await;
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    behind(&lab, replace("other.domain.com", HIS)).await;
    assert_eq!(stands(&lab, "other.domain.com").await, HIS_ROW);
    settled(&lab, &["A 192.0.2.2"], &["192.0.2.2"]).await;
}

/// What a concurrent edit by the API may do: a zone whose serial went back is heard of by nobody.
#[tokio::test]
async fn a_serial_that_was_overwritten_with_a_lower_one_is_repaired_once() {
    let (mut lab, _) = with_web("race_serial").await;
    let before = lab.db.serial(ZONE).await.unwrap();
    let lower = format!(
        "UPDATE records SET content = REPLACE(content, ' {before} ', ' {} ') WHERE type = 'SOA'",
        before - 1
    );
    lab.db.exec(&lower).await.unwrap();
    let rows = lab.db.rows("web.domain.com").await.unwrap();
    sync(&lab, &[]).await;
    assert_eq!(lab.db.serial(ZONE).await.unwrap(), before + 1, "above what we wrote, by one step");
    assert_eq!(lab.db.rows("web.domain.com").await.unwrap(), rows);
    lab.forget_writes().await;
    sync(&lab, &[]).await;
    assert_eq!(lab.writes(&["cs_powerdns_owner"]).await, Vec::<String>::new());
}

/// A scan would wait for everybody's locks. To a server that knows a small table, a scan is cheaper.
#[tokio::test]
async fn a_row_that_somebody_has_locked_keeps_no_other_name_from_being_written() {
    let lab = Lab::new("race_scan").await;
    example(&lab).await;
    let before = lab.db.insert(ZONE, "locked.domain.com", "A", HIS, 60).await.unwrap();
    lab.db.exec("ANALYZE TABLE records").await.unwrap();
    let mut his = lab.db.admin.get_conn().await.unwrap();
    his.query_drop("START TRANSACTION").await.unwrap();
    his.query_drop(format!("UPDATE records SET ttl = 61 WHERE id = {before}")).await.unwrap();
    for at in 1..=60 {
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")));
    }
    let output = tokio::time::timeout(LIMIT, pass(&lab)).await.expect("nobody waits").unwrap();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(stands(&lab, "vm60.domain.com").await, ["A 192.0.2.60"]);
    his.query_drop("ROLLBACK").await.unwrap();
    // Under a schema without that index's name it works all the same.
    lab.db.exec("ALTER TABLE records RENAME INDEX nametype_index TO by_name").await.unwrap();
    lab.world().create_vm(vm("later", "192.0.2.61"));
    sync(&lab, &[]).await;
    assert_eq!(stands(&lab, "later.domain.com").await, ["A 192.0.2.61"]);
}
