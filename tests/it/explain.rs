//! Every statement that the program sends, at its longest, on filled tables: what reads a whole table is
//! listed here by name, with its reason.

use super::{
    rules_support::sql,
    statements::{everything, longest, shape, values},
};
use mysql_async::{Conn, Row, prelude::Queryable};
use testbed::{Lab, schema::Made};

/// More rows than this (of 200 000, and 20 000 zones) is no use of an index.
const FEW: u64 = 2000;

/// What reads whole tables, by a piece of its text, and why it may.
const READS_ALL: [(&str, &str); 12] = [
    (
        "FROM cs_powerdns_ledger l IGNORE INDEX (owner_record) LEFT JOIN records r ON r.id",
        "the audit's stream",
    ),
    ("SELECT COUNT(*) FROM cs_powerdns_ledger WHERE owner_id", "counts what is owned"),
    ("SELECT held_hash,COUNT(*) FROM cs_powerdns_ledger", "counts what is held, for `approve`"),
    ("SELECT DISTINCT name FROM cs_powerdns_ledger WHERE owner_id", "all names, for `purge`"),
    ("SELECT name FROM cs_powerdns_ledger WHERE vm = ? UNION SELECT", "all names of a VM, for `explain`"),
    (
        "UNION ALL SELECT ?,name FROM records WHERE domain_id = ? AND type IS NOT NULL",
        "the deep names of a zone, once in a resync interval",
    ),
    (
        "FROM records r WHERE r.domain_id = ? AND r.disabled = ? AND r.type IN",
        "what a zone publishes, for `plan`",
    ),
    ("FROM cs_powerdns_history h JOIN records r", "what was left behind, of a week's history"),
    (
        "FROM domains d STRAIGHT_JOIN records r ON r.name = d.name AND r.type = ? WHERE r.domain_id = d.id AND r.disabled = ?$",
        "all zones",
    ),
    ("SELECT DISTINCT domain_id FROM cryptokeys WHERE active = ?$", "of all zones"),
    ("FROM domainmetadata WHERE kind IN (?)$", "of all zones"),
    ("FROM cs_powerdns_zone$", "the serials of all zones"),
];

/// The lists that a transaction reads and writes by, each at its greatest length.
const LISTS: [(&str, usize); 10] = [
    ("FROM domainmetadata WHERE domain_id IN (?)", 300),
    ("FROM records r FORCE INDEX (nametype_index) WHERE r.name IN (?)$", 500),
    ("FROM records r FORCE INDEX (nametype_index) WHERE r.name IN (?) FOR UPDATE", 450),
    ("FROM records r FORCE INDEX (PRIMARY) WHERE r.id IN (?)", 450),
    ("FROM cs_powerdns_ledger l FORCE INDEX (PRIMARY) WHERE l.name IN (?)$", 450),
    ("FROM cs_powerdns_ledger l FORCE INDEX (PRIMARY) WHERE l.name IN (?) FOR UPDATE", 450),
    ("DELETE FROM records WHERE id IN (?) AND (id,domain_id,name,type", 64),
    ("DELETE FROM records WHERE id IN (?) AND (id,domain_id,name) IN", 64),
    ("UPDATE records SET ttl = ? WHERE id IN (?)", 64),
    ("DELETE FROM cs_powerdns_ledger WHERE name IN (?)", 64),
];

/// What has come to a zone since it was read: a range, of which the end is all that is ever read.
const NEWS: &str = "UNION ALL SELECT ?,name FROM records WHERE domain_id = ? AND id > ? AND type IS NOT NULL";

#[tokio::test]
async fn no_statement_scans_a_large_table_but_those_that_mean_to_read_all_of_it() {
    let lab = Lab::new("explain").await;
    let mark = lab.db.now().await.unwrap();
    everything(&lab, 520).await;
    let mut sent = longest(&lab, &mark).await;
    for (part, length) in LISTS {
        let found = sent.iter().filter(|(shape, _)| has(shape, part)).map(|(_, sql)| values(sql)).max();
        assert!(found >= Some(length), "a list of {length} values in `{part}`: {found:?}");
    }
    fill(&lab).await;
    let news: Vec<_> = sent.iter_mut().filter(|(shape, _)| has(shape, NEWS)).collect();
    assert!(!news.is_empty(), "nobody has looked what is new in a zone");
    for (_, sql) in news {
        *sql = of_a_thousand(&lab, sql).await;
    }
    for charset in ["latin1", "utf8mb4"] {
        if charset != "latin1" {
            convert(&lab, charset).await;
        }
        let scans = scans(&lab, sent.values()).await;
        let unknown: Vec<&String> =
            scans.iter().filter(|(shape, _)| reason(shape).is_none()).map(|(_, told)| told).collect();
        assert!(unknown.is_empty(), "{charset}: {} statements scan:\n{unknown:#?}", unknown.len());
    }
}

/// The statement as it would be sent now, in the largest zone: it reads a thousand ids again, at most.
async fn of_a_thousand(lab: &Lab, sql: &str) -> String {
    let largest =
        "SELECT domain_id, MAX(id) - 1000 FROM records GROUP BY domain_id ORDER BY COUNT(*) DESC LIMIT 1";
    let (zone, since) = lab.db.query::<(u32, u64)>(largest).await.expect("a zone")[0];
    let (head, rest) = sql.split_once(" AND id > ").expect("a range");
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let (before, _) = head.rsplit_once("domain_id = ").expect("a zone");
    format!("{before}domain_id = {zone} AND id > {since}{rest}")
}

fn has(shape: &str, part: &str) -> bool {
    match part.strip_suffix('$') {
        Some(end) => shape.ends_with(end),
        None => shape.contains(part),
    }
}

fn reason(shape: &str) -> Option<&'static str> {
    READS_ALL.iter().find(|(part, _)| has(shape, part)).map(|(_, why)| *why)
}

/// The statements that read many rows of a table, with their plans.
async fn scans(lab: &Lab, sent: impl Iterator<Item = &String>) -> Vec<(String, String)> {
    let sent: Vec<&String> = sent.collect();
    let mut connection = lab.db.admin.get_conn().await.expect("a connection");
    // As the program's own sessions are.
    for set in sent.iter().filter(|sql| sql.starts_with("SET SESSION")) {
        connection.query_drop(set.as_str()).await.expect("the settings");
    }
    let mut scans = Vec::new();
    for sql in
        sent.iter().filter(|sql| ["SELECT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb)))
    {
        let plan = plan(&mut connection, sql).await;
        if plan.iter().any(|step| step.is_scan(sql.contains(" LIMIT "))) {
            let shape = shape(sql);
            let plan: Vec<String> = plan.iter().map(|step| format!("{step:?}")).collect();
            scans.push((shape.clone(), format!("{shape}: {}", plan.join("; "))));
        }
    }
    assert!(scans.len() > 5, "the audit's stream at least: {scans:?}");
    scans
}

/// 200 000 rows in two zones beside those that there are, as many entries of two owner ids, a history, and
/// 20 000 zones.
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
        "INSERT INTO cs_powerdns_history (owner_id, zone_id, name, type, content, vm, why, at) SELECT owner_id, \
         zone_id, CONCAT('h', name), type, content, vm, 'its VM is gone', NOW() FROM cs_powerdns_ledger LIMIT 50000"
            .to_owned(),
        "INSERT INTO domains (name, type) SELECT CONCAT('zone', seq, '.org'), 'NATIVE' FROM seq_1_to_20000".to_owned(),
        format!(
            "{rows} SELECT id, name, 'SOA', 'a.invalid b.invalid 1 2 3 4 5', 60, 0, 0, 1 FROM domains \
             WHERE name LIKE 'zone%'"
        ),
        "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, 'SOA-EDIT-API', 'DEFAULT' FROM domains"
            .to_owned(),
        "INSERT INTO cryptokeys (domain_id, flags, active, content) SELECT id, 257, 1, '' FROM domains".to_owned(),
        "REPLACE INTO cs_powerdns_zone SELECT id, name, 1, NOW(6) FROM domains".to_owned(),
    ] {
        sql(lab, &statement).await;
    }
    analyze(lab).await;
}

async fn analyze(lab: &Lab) {
    let tables = "domains, records, domainmetadata, cryptokeys, cs_powerdns_ledger, cs_powerdns_history, cs_powerdns_zone";
    sql(lab, &format!("ANALYZE TABLE {tables}")).await;
}

/// As if our tables had been made beside a `records` of this character set.
async fn convert(lab: &Lab, charset: &str) {
    lab.db.remake(Made::V47, false, charset).await.expect("another character set");
    for table in ["cs_powerdns_ledger", "cs_powerdns_history", "cs_powerdns_zone"] {
        sql(lab, &format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}")).await;
    }
    analyze(lab).await;
}

/// A table's part in a plan.
#[derive(Debug)]
#[expect(dead_code, reason = "the key is for the message")]
struct Step {
    table: String,
    kind: String,
    key: Option<String>,
    rows: u64,
    extra: String,
}

impl Step {
    /// With `limit` no more rows are read than are asked for, unless they are sorted first; the estimate
    /// leaves that out.
    fn is_scan(&self, limit: bool) -> bool {
        let small = [
            "TABLES",
            "COLUMNS",
            "cs_mapping",
            "cs_powerdns_owner",
            "cs_powerdns_budget",
            "cs_powerdns_approval",
        ];
        let many = self.rows > FEW && (!limit || self.extra.contains("filesort"));
        !small.contains(&&*self.table) && (matches!(&*self.kind, "ALL" | "index") || many)
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
            extra: text("Extra").unwrap_or_default(),
        })
    };
    rows.into_iter().filter_map(step).collect()
}
