//! `check`: what is wrong with the database server, its tables or the rights there.

use super::{
    check_support::check,
    flush_support::closed,
    grants::{Right, apply, grant, rights, schema},
    support::{example, once, sync, vm},
};
use testbed::{Lab, MariaDb, MariaDbOptions};

#[tokio::test]
async fn each_missing_right_has_its_line_and_the_grant_that_heals_it() {
    const ROUNDS: usize = 4;
    let lab = Lab::new("check_grants").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    apply(&lab, |sql| !sql.contains("cs_powerdns_")).await;
    let checked = check(&lab, &[]).await;
    checked
        .has("error", &["there are no tables cs_powerdns_*", "may not create them", "`cs-powerdns schema`"]);
    apply(&lab, |_| true).await;
    check(&lab, &[]).await.has_no("error");
    let rights = rights(&schema(&lab).await);
    assert!(rights.len() > 30, "{rights:?}");
    // Several at a time, since all that are missing are told at once.
    for round in 0..ROUNDS {
        let (missing, there): (Vec<_>, Vec<_>) =
            rights.iter().enumerate().partition(|(at, _)| at % ROUNDS == round);
        grant(&lab, there.into_iter().map(|(_, right)| right)).await;
        let checked = check(&lab, &[]).await;
        for (_, Right { table, verb, column }) in &missing {
            let (dotted, limited) = match column {
                Some(column) => (format!(".{column}"), format!(" ({column})")),
                None => (String::new(), String::new()),
            };
            let may_not = format!("this user may not {verb} {table}{dotted} -> ");
            let (database, user) = (&lab.db.name, &lab.db.user);
            let remedy = format!("GRANT {verb}{limited} ON `{database}`.{table} TO '{user}'@'%'");
            checked.has("error", &[&may_not, &remedy, "cs-powerdns schema"]);
        }
        assert_eq!(checked.of("error").len(), missing.len(), "{}", checked.said);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_has_its_line() {
    let lab = Lab::new("check_database").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let closed = closed();
    let port = closed.rsplit(':').next().unwrap();
    for (more, words) in [
        (("MYSQL_PDNS_PASSWORD", "PlantedPassword"), &["check MYSQL_PDNS_USER and MYSQL_PDNS_PASSWORD"][..]),
        (("MYSQL_PDNS_NAME", "nowhere"), &["check MYSQL_PDNS_NAME"]),
        (("MYSQL_PDNS_PORT", port), &["cannot connect to MySQL", "check MYSQL_PDNS_HOST, MYSQL_PDNS_PORT"]),
        (("MYSQL_PDNS_NAME", "information_schema"), &["database: "]),
    ] {
        let checked = check(&lab, &[more]).await;
        checked.has("error", words);
        checked.has("ok", &["the key sees 1 VM,"]);
    }
    for (breaks, words) in [
        ("ALTER TABLE records RENAME old", "has no table records -> is MYSQL_PDNS_NAME PowerDNS's database?"),
        ("ALTER TABLE old RENAME records, CHANGE auth auth_ TINYINT", "UPDATE records.auth"),
        (
            "ALTER TABLE records CHANGE auth_ auth TINYINT, DROP INDEX nametype_index",
            "no index that begins with the name",
        ),
        ("ALTER TABLE records ADD INDEX nametype_index (name, type), ENGINE=MyISAM", "engine MyISAM"),
    ] {
        lab.db.exec(breaks).await.unwrap();
        check(&lab, &[]).await.has("error", &["database: ", words]);
    }
    lab.db.exec("ALTER TABLE records ENGINE=InnoDB").await.unwrap();
    sync(&lab, &[]).await;
    check(&lab, &[]).await.has_no("error");
    for (breaks, level, words) in [
        (
            "ALTER TABLE cs_powerdns_ledger CONVERT TO CHARACTER SET utf8mb4",
            "warning",
            "differ in character set",
        ),
        (
            "UPDATE cs_powerdns_owner SET schema_version = 99",
            "error",
            "schema version 99, this program knows 1 -> update",
        ),
        ("DROP TABLE cs_powerdns_budget", "error", "has no table cs_powerdns_budget"),
    ] {
        lab.db.exec(breaks).await.unwrap();
        check(&lab, &[]).await.has(level, &["database: ", words]);
    }
}

/// A server of the test's own, since its settings are everybody's.
#[tokio::test]
async fn a_server_that_would_refuse_writes_has_its_line() {
    let log = ["--log-bin", "--server-id=1", "--binlog-format=ROW"].map(str::to_owned).to_vec();
    let server = MariaDb::new(MariaDbOptions { extra: log, ..MariaDbOptions::default() }).unwrap();
    let lab = Lab::on(server.mysql(), "check_server").await.unwrap();
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.db.exec("SET GLOBAL binlog_format = 'STATEMENT'").await.unwrap();
    let checked = check(&lab, &[]).await;
    checked.has("error", &["binlog_format is STATEMENT", "ROW or MIXED"]);
    // It says so since it is so.
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    for format in ["MIXED", "ROW"] {
        lab.db.exec(&format!("SET GLOBAL binlog_format = '{format}'")).await.unwrap();
        let checked = check(&lab, &[]).await;
        checked.has_no("error");
        checked.has("ok", &[&format!("the binary log's format is {format}")]);
    }
    lab.db.exec("SET GLOBAL read_only = 1").await.unwrap();
    check(&lab, &[]).await.has("error", &["read-only (read_only=ON)", "MYSQL_PDNS_HOST"]);
}
