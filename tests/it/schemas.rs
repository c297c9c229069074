//! Every schema of PowerDNS since 4.1, with and without its optional foreign keys, on servers that are strict
//! and that are not, in latin1 and utf8mb4: each pair of these once, and a short life of a few VMs on it.

use super::{
    rules_support::{no_such_name, rectified, says, settled, sql},
    support::{ACCOUNT, example, once, sync, vm},
};
use cs_powerdns::{
    metrics::Metrics,
    powerdns::{Database, Settings, TlsMode},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use testbed::{
    Lab, MariaDb, MariaDbOptions, MySql, Row,
    schema::{Made, reading},
    shared,
};

/// A server whose sessions cut off what is too long, unless they say otherwise.
fn lax() -> MySql {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    let options =
        || MariaDbOptions { extra: vec!["--sql-mode=".into()], flush_log: 0, ..MariaDbOptions::default() };
    SERVER.get_or_init(|| MariaDb::new(options()).expect("MariaDB starts")).mysql()
}

#[tokio::test]
async fn schema_of_4_1_strict_with_foreign_keys_in_utf8mb4() {
    life(shared(), Made::V41, true, "utf8mb4").await;
}

#[tokio::test]
async fn schema_of_4_1_not_strict_in_latin1() {
    life(lax(), Made::V41, false, "latin1").await;
}

#[tokio::test]
async fn schema_of_4_2_strict_in_latin1() {
    life(shared(), Made::V42, false, "latin1").await;
}

#[tokio::test]
async fn schema_of_4_2_not_strict_with_foreign_keys_in_utf8mb4() {
    life(lax(), Made::V42, true, "utf8mb4").await;
}

#[tokio::test]
async fn schema_of_4_3_strict_with_foreign_keys_in_latin1() {
    life(shared(), Made::V43, true, "latin1").await;
}

#[tokio::test]
async fn schema_of_4_3_not_strict_in_utf8mb4() {
    life(lax(), Made::V43, false, "utf8mb4").await;
}

#[tokio::test]
async fn schema_of_4_7_strict_in_utf8mb4() {
    life(shared(), Made::V47, false, "utf8mb4").await;
}

#[tokio::test]
async fn schema_of_4_7_not_strict_with_foreign_keys_in_latin1() {
    life(lax(), Made::V47, true, "latin1").await;
}

/// Comes, changes, meets an operator's edit, and goes.
async fn life(server: MySql, made: Made, foreign_keys: bool, charset: &str) {
    let name = format!("schema_{made:?}_{charset}_{foreign_keys}");
    let mut lab = Lab::on(server, &name).await.expect("the servers work");
    lab.db.remake(made, foreign_keys, charset).await.expect("another schema");
    example(&lab).await;
    lab.dns_with(&reading(made)).await;
    // PowerDNS itself makes no keys in an older schema.
    if made >= Made::V43 {
        lab.dns().await.pdnsutil(&["secure-zone", "domain.com"]).expect("keys");
    }
    let before = rows(&lab).await;

    let group = "www-edd2ab05.domain.com";
    let one = lab.world().create_vm(vm("one", "192.0.2.1").v6("2001:db8::1").group("www"));
    let two = lab.world().create_vm(vm("two", "192.0.2.2").group("www"));
    sync(&lab, &[]).await;
    says(&lab, "one.domain.com", "A", &["192.0.2.1"]).await;
    says(&lab, "one.domain.com", "AAAA", &["2001:db8::1"]).await;
    says(&lab, group, "A", &["192.0.2.1", "192.0.2.2"]).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.domain.com."]).await;
    settled(&mut lab, &[]).await;
    fits(&lab).await;

    lab.world().rename_vm(&one, "first");
    lab.world().set_address(&two, Some("192.0.2.3"), None);
    sync(&lab, &[("DNS_RECORD_TTL", "90")]).await;
    no_such_name(&lab, "one.domain.com").await;
    says(&lab, "first.domain.com", "AAAA", &["2001:db8::1"]).await;
    says(&lab, group, "A", &["192.0.2.1", "192.0.2.3"]).await;
    says(&lab, "3.2.0.192.in-addr.arpa", "PTR", &["two.domain.com."]).await;
    for zone in ["domain.com", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        rectified(&lab, zone).await;
    }

    sql(&lab, "UPDATE records SET content = '198.51.100.9' WHERE name = 'two.domain.com' AND type = 'A'")
        .await;
    lab.world().set_address(&two, Some("192.0.2.4"), None);
    sync(&lab, &[]).await;
    says(&lab, "two.domain.com", "A", &["198.51.100.9"]).await;
    settled(&mut lab, &[]).await;
    sql(&lab, "DELETE FROM records WHERE name = 'two.domain.com' AND type = 'A'").await;
    sync(&lab, &[]).await;
    says(&lab, "two.domain.com", "A", &["192.0.2.4"]).await;

    lab.world().destroy_vm(&one);
    sync(&lab, &[]).await;
    no_such_name(&lab, "first.domain.com").await;
    says(&lab, group, "A", &["192.0.2.4"]).await;

    // With foreign keys its rows go with the zone; the entries know that it is not a VM that went.
    if foreign_keys {
        lab.db.zone("9.9.10.in-addr.arpa").await.expect("a zone");
        lab.world().create_vm(testbed::VmSpec::new("three", ACCOUNT).v4("10.9.9.1"));
        sync(&lab, &[]).await;
        says(&lab, "1.9.9.10.in-addr.arpa", "PTR", &["three.domain.com."]).await;
        sql(&lab, "DELETE FROM domains WHERE name = '9.9.10.in-addr.arpa'").await;
        let left = lab.db.rows("1.9.9.10.in-addr.arpa").await.expect("the rows");
        assert_eq!(left, [], "the rows went with their zone");
        sync(&lab, &[]).await;
        settled(&mut lab, &[]).await;
    }

    let purge = once(&lab, &["purge"], &[]).await;
    assert_eq!(purge.code, 0, "{}\n{}", purge.stdout, purge.stderr);
    assert_eq!(rows(&lab).await, before, "after a purge");
}

/// The rows of the example's zones, without serials and ids.
async fn rows(lab: &Lab) -> Vec<Row> {
    let mut rows = super::rules_support::dump(lab).await;
    rows.retain(|row| row.kind.as_deref() != Some("SOA"));
    for row in &mut rows {
        row.id = 0;
    }
    rows.sort();
    rows
}

/// Our tables are made for joins with `records`: each side finds the other's row by its index.
async fn fits(lab: &Lab) {
    let of = async |table: &str| -> Vec<(String, String)> {
        let sql = format!(
            "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = '{table}' \
             AND TABLE_SCHEMA = DATABASE() AND COLUMN_NAME IN ('name', 'type') ORDER BY COLUMN_NAME"
        );
        lab.db.query(&sql).await.expect("the columns")
    };
    for table in ["cs_powerdns_ledger", "cs_powerdns_history"] {
        assert_eq!(of(table).await, of("records").await, "the character set of {table}");
    }
    let equal = "l.name = r.name AND l.type = r.type";
    for (first, second, index) in [
        ("cs_powerdns_ledger l", "records r", "nametype_index"),
        ("records r", "cs_powerdns_ledger l", "PRIMARY"),
    ] {
        let sql = format!("EXPLAIN SELECT l.vm, r.id FROM {first} STRAIGHT_JOIN {second} ON {equal}");
        let plan: Vec<mysql_async::Row> = lab.db.query(&sql).await.expect("a plan");
        let key: Option<String> = plan[1].get("key").expect("a column");
        assert_eq!(key.as_deref(), Some(index), "how {first} finds {second}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_strict_cuts_nothing_off() {
    let lab = Lab::on(lax(), "not_strict").await.unwrap();
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: lab.db.mysql.port,
        database: lab.db.name.clone(),
        user: lab.db.user.clone(),
        password: lab.db.password.clone().into(),
        tls: TlsMode::Preferred,
        ca_file: None,
        owner: "default".into(),
        lease_ttl: Duration::from_secs(15),
    };
    let database = Database::new(&settings, Arc::new(Metrics::default())).unwrap();
    database.ensure_tables().await.unwrap();
    let taken = database.acquire(&"h".repeat(256)).await;
    assert!(taken.is_err(), "a holder's name that was cut would never renew its lease: {taken:?}");
    database.close().await;
}
