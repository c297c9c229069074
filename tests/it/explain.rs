//! Every statement that the program sends, at its longest, on filled tables: what reads a whole table is
//! listed here by name, with its reason.

use super::{
    rules_support::sql,
    statements::{everything, longest},
};
use mysql_async::{Conn, Row, prelude::Queryable};
use testbed::Lab;

/// Of more rows than this (of 200 000) an index is no help.
const FEW: u64 = 10_000;

/// What reads whole tables, by a piece of its text, and why it may.
const READS_ALL: [(&str, &str); 0] = [];

#[tokio::test]
async fn no_statement_scans_records_or_the_ledger_but_those_that_read_everything() {
    explained("latin1").await;
}

#[tokio::test]
async fn nor_does_any_where_the_tables_are_of_utf8mb4() {
    explained("utf8mb4").await;
}

async fn explained(charset: &str) {
    let lab = Lab::new(&format!("explain_{charset}")).await;
    if charset != "latin1" {
        for table in ["domains", "records"] {
            sql(&lab, &format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}")).await;
        }
    }
    let mark = lab.db.now().await.unwrap();
    everything(&lab, 520).await;
    let sent = longest(&lab, &mark).await;
    fill(&lab).await;

    let mut connection = lab.db.admin.get_conn().await.unwrap();
    // As the program's own sessions are.
    for set in sent.values().filter(|sql| sql.starts_with("SET SESSION")) {
        connection.query_drop(set).await.unwrap();
    }
    let mut scans = Vec::new();
    for (shape, sql) in &sent {
        if ["SELECT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb)) {
            let plan = plan(&mut connection, sql).await;
            println!("{} {shape}\n   {plan:?}", sql.len());
            if plan.iter().any(|step| step.is_scan())
                && !READS_ALL.iter().any(|(part, _)| shape.contains(part))
            {
                scans.push(format!("{shape}\n    {plan:?}"));
            }
        }
    }
    assert!(scans.is_empty(), "{} statements scan:\n{}", scans.len(), scans.join("\n"));
    panic!("look");
}

/// 200 000 rows in two zones beside those that there are, and as many entries of two owner ids.
async fn fill(lab: &Lab) {
    let rows = "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth)";
    let zone = |name: &str| format!("(SELECT id FROM domains WHERE name = '{name}')");
    let (forward, reverse) = (zone("domain.com"), zone("0.20.10.in-addr.arpa"));
    for statement in [
        format!(
            "{rows} SELECT {forward}, CONCAT('f', seq, '.domain.com'), 'A', CONCAT('10.9.', seq % 250, '.', \
             seq % 249), 60, 0, 0, 1 FROM seq_1_to_100000"
        ),
        format!(
            "{rows} SELECT {reverse}, CONCAT(seq, '.0.20.10.in-addr.arpa'), 'PTR', CONCAT('f', seq, \
             '.domain.com'), 60, 0, 0, 1 FROM seq_1_to_100000"
        ),
        "INSERT INTO cs_powerdns_ledger (name, type, content, zone_id, ttl, record_id, owner_id, vm, account, \
         kind, created_at, updated_at) SELECT name, type, content, domain_id, ttl, id, IF(id % 2, 'default', \
         'other'), UUID(), UUID(), 'name', NOW(), NOW() FROM records \
         WHERE type IN ('A', 'PTR') AND (name LIKE 'f%' OR name LIKE '%.0.20.10.in-addr.arpa')"
            .to_owned(),
        "INSERT INTO cs_powerdns_history (owner_id, zone_id, name, type, content, vm, why, at) SELECT \
         owner_id, zone_id, CONCAT('h', name), type, content, vm, 'its VM is gone', NOW() FROM cs_powerdns_ledger LIMIT 50000"
            .to_owned(),
        "ANALYZE TABLE domains, records, cs_powerdns_ledger, cs_powerdns_history".to_owned(),
    ] {
        sql(lab, &statement).await;
    }
}

/// A table's part in a plan.
#[derive(Debug)]
struct Step {
    table: String,
    kind: String,
    key: Option<String>,
    rows: u64,
}

impl Step {
    fn is_scan(&self) -> bool {
        let large = ["r", "records", "l", "cs_powerdns_ledger", "h", "cs_powerdns_history"];
        large.contains(&&*self.table) && (matches!(&*self.kind, "ALL" | "index") || self.rows > FEW)
    }
}

async fn plan(connection: &mut Conn, sql: &str) -> Vec<Step> {
    let rows: Vec<Row> =
        connection.query(format!("EXPLAIN {sql}")).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let step = |row: Row| {
        let text = |column: &str| row.get::<Option<String>, _>(column).flatten();
        Some(Step {
            table: text("table")?,
            kind: text("type")?,
            key: text("key"),
            rows: text("rows").and_then(|rows| rows.parse().ok()).unwrap_or(0),
        })
    };
    rows.into_iter().filter_map(step).collect()
}
