//! What `check` asks of the database server: whether it answers and lets us in, and whether transactions
//! work there as this room needs them. Rights are `check_rights`'s, web servers `check_web`'s.

use super::{Database, DbError, TlsMode, check_rights, decode::Cells, schema::VERSION, session::Session};
use crate::{metrics::chain, model::Finding};
use mysql_async::Row;
use std::{collections::HashMap, net::IpAddr};

pub(super) const TOPIC: &str = "database";

/// What the database has shown.
#[derive(Debug, Default)]
pub struct Checked {
    /// Line by line.
    pub findings: Vec<Finding>,
    /// Everything that a plan reads may be read.
    pub readable: bool,
}

/// The server's variables that matter, by name in lower case; MySQL and MariaDB have different ones.
type Variables = HashMap<String, String>;

const VARIABLES: &str = "SHOW SESSION VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'log_bin', \
     'binlog_format', 'sql_mode', 'tx_isolation', 'transaction_isolation', 'read_only', 'super_read_only', \
     'innodb_read_only')";

impl Database {
    /// Looks at everything that reading and writing need. Runs no statement that writes.
    pub async fn check(&self) -> Checked {
        let mut checked = Checked::default();
        // What was found before an error stays.
        if let Err(error) = self.look(&mut checked).await {
            checked.findings.push(Finding::error(TOPIC, chain(&error), error.remedy()));
            checked.readable = false;
        }
        checked
    }

    async fn look(&self, Checked { findings, readable }: &mut Checked) -> Result<(), DbError> {
        let mut session = self.session().await?;
        let variables = read_variables(&mut session, VARIABLES).await?;
        let status = read_variables(&mut session, "SHOW SESSION STATUS LIKE 'Ssl_cipher'").await?;
        findings.push(self.version(&variables));
        findings.extend(self.encryption(&status));
        findings.extend(writable(&variables));
        findings.extend(binary_log(&variables));
        findings.extend(strictness(&variables));
        let rights = check_rights::check(&mut session, self.settings()).await?;
        findings.extend(rights.findings);
        *readable = rights.readable;
        if rights.readable {
            findings.extend(tables(&mut session).await?);
        }
        Ok(())
    }

    fn version(&self, variables: &Variables) -> Finding {
        let version = variables.get("version").map_or("of unknown version", String::as_str);
        let server = self.settings().server();
        let what = format!("{} {version} at {server}", if is_mariadb(version) { "MariaDB" } else { "MySQL" });
        if is_old(version) {
            return Finding::warning(
                TOPIC,
                format!("{what} is older than MySQL 5.7 and MariaDB 10.3, for which this program was made"),
                "update it",
            );
        }
        Finding::ok(TOPIC, what)
    }

    fn encryption(&self, status: &Variables) -> Option<Finding> {
        let settings = self.settings();
        let near = settings.host == "localhost"
            || settings.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let plain = status.get("ssl_cipher").is_none_or(String::is_empty);
        (plain && !near && settings.tls != TlsMode::Disabled).then(|| {
            Finding::warning(
                TOPIC,
                format!("the connection to {} is not encrypted: the server has no TLS", settings.server()),
                "give the server a certificate, then set MYSQL_PDNS_TLS=verify-identity; or say that it is meant \
                 so, MYSQL_PDNS_TLS=disabled",
            )
        })
    }
}

async fn read_variables(session: &mut Session, sql: &str) -> Result<Variables, DbError> {
    let rows = session.rows("reading the server's variables", sql, &[]).await?;
    let read = |row: &Row| {
        let mut cells = Cells::of(row);
        Some((cells.text()?.to_ascii_lowercase(), cells.text()?.into_owned()))
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn is_mariadb(version: &str) -> bool {
    version.to_ascii_lowercase().contains("mariadb")
}

fn is_old(version: &str) -> bool {
    // Some MariaDB servers put 5.5.5- before their version, for the sake of old clients.
    let mariadb = is_mariadb(version);
    let number = if mariadb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
    let mut numbers = number.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < if mariadb { (10, 3) } else { (5, 7) },
        _ => false,
    }
}

fn is_on(variables: &Variables, name: &str) -> bool {
    variables.get(name).is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "ON" | "1"))
}

fn writable(variables: &Variables) -> Option<Finding> {
    let names = ["super_read_only", "innodb_read_only", "read_only"];
    let name = names.into_iter().find(|name| is_on(variables, name))?;
    Some(Finding::error(
        TOPIC,
        format!("the server is read-only ({name}=ON): nothing can be written there"),
        "if it is a replica, name the primary in MYSQL_PDNS_HOST; else switch it off",
    ))
}

/// Statements of READ COMMITTED transactions cannot be written to a binary log of statements (error 1665).
fn binary_log(variables: &Variables) -> Option<Finding> {
    if !is_on(variables, "log_bin") {
        return Some(Finding::ok(TOPIC, "there is no binary log, whose format would matter"));
    }
    let format = variables.get("binlog_format")?;
    Some(if format.eq_ignore_ascii_case("STATEMENT") {
        Finding::error(
            TOPIC,
            "binlog_format is STATEMENT: the server refuses every write of a READ COMMITTED transaction, and \
             PowerDNS's own too",
            "set binlog_format to ROW or MIXED, then connect anew",
        )
    } else {
        Finding::ok(TOPIC, format!("the binary log's format is {format}"))
    })
}

/// A proxy between may keep a session's settings from the server.
fn strictness(variables: &Variables) -> Vec<Finding> {
    let text = |name: &str| variables.get(name).map(|value| value.to_ascii_uppercase()).unwrap_or_default();
    let strict = text("sql_mode").contains("STRICT_ALL_TABLES");
    let isolation = [text("transaction_isolation"), text("tx_isolation")].concat();
    if strict && isolation.contains("READ-COMMITTED") {
        return vec![Finding::ok(TOPIC, "this program's sessions are strict and READ COMMITTED")];
    }
    let lost = [
        (!strict).then_some("strict mode"),
        (!isolation.contains("READ-COMMITTED")).then_some("READ COMMITTED"),
    ];
    lost.into_iter()
        .flatten()
        .map(|what| {
            Finding::error(
                TOPIC,
                format!("the session did not keep {what}, which it was given"),
                "connect to the server itself, without a proxy that resets sessions",
            )
        })
        .collect()
}

/// What matters of the tables themselves: engine, the index by name, character sets.
async fn tables(session: &mut Session) -> Result<Vec<Finding>, DbError> {
    let mut findings = Vec::new();
    let sql = "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
               AND TABLE_NAME IN ('domains', 'records', 'domainmetadata', 'cryptokeys') AND ENGINE <> 'InnoDB'";
    for row in session.rows("reading the tables' engines", sql, &[]).await? {
        let mut cells = Cells::of(&row);
        let (table, engine) = (cells.text().unwrap_or_default(), cells.text().unwrap_or_default());
        findings.push(Finding::error(
            TOPIC,
            format!("the table {table} is of engine {engine}, which has no transactions"),
            format!("ALTER TABLE {table} ENGINE=InnoDB"),
        ));
    }
    let sql = "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
               AND TABLE_NAME = 'records' AND COLUMN_NAME = 'name' AND SEQ_IN_INDEX = 1";
    if session.rows("looking for the index by name", sql, &[]).await?.is_empty() {
        findings.push(Finding::error(
            TOPIC,
            "the table records has no index that begins with the name: each look at a name reads it all",
            "CREATE INDEX nametype_index ON records (name, type), as PowerDNS's schema has it",
        ));
    }
    // Equal columns give one line, unequal ones two.
    let sql = "SELECT DISTINCT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
               WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'name' \
               AND TABLE_NAME IN ('records', 'cs_powerdns_ledger')";
    let sets = session.rows("comparing character sets", sql, &[]).await?;
    if let [first, second, ..] = sets.as_slice() {
        let of = |row| {
            let mut cells = Cells::of(row);
            format!("{}/{}", cells.text().unwrap_or_default(), cells.text().unwrap_or_default())
        };
        findings.push(Finding::warning(
            TOPIC,
            format!("records and cs_powerdns_ledger differ in character set ({}, {}): joins miss their index", of(first), of(second)),
            "convert the tables cs_powerdns_* to that of records (ALTER TABLE ... CONVERT TO CHARACTER SET ...)",
        ));
    }
    Ok(findings)
}

/// What the schema version of our tables is, as somebody may read who sees them.
pub(super) fn schema_version(found: Option<u32>) -> Finding {
    match found {
        Some(found) if found > VERSION => Finding::error(
            TOPIC,
            format!("the tables cs_powerdns_* have schema version {found}, this program knows {VERSION}"),
            "update this program",
        ),
        Some(found) => {
            Finding::ok(TOPIC, format!("the tables cs_powerdns_* are there, of schema version {found}"))
        }
        None => Finding::ok(TOPIC, "the tables cs_powerdns_* are there, and empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;

    #[test]
    fn versions_of_both_makes_are_read() {
        for old in ["5.6.51-log", "5.5.68-MariaDB", "10.2.44-MariaDB-log", "5.5.5-10.1.48-MariaDB"] {
            assert!(is_old(old), "{old}");
        }
        for new in
            ["5.7.44", "8.0.36-0ubuntu0.22.04.1", "10.3.39-MariaDB", "5.5.5-10.11.6-MariaDB-0+deb12u1", "odd"]
        {
            assert!(!is_old(new), "{new}");
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_session_that_a_proxy_has_reset_is_told() {
        let levels =
            |pairs: &[_]| strictness(&variables(pairs)).iter().map(|one| one.level).collect::<Vec<_>>();
        let (strict, mysql) =
            (("sql_mode", "STRICT_ALL_TABLES"), ("transaction_isolation", "READ-COMMITTED"));
        assert_eq!(levels(&[strict, mysql]), [Level::Ok]);
        assert_eq!(levels(&[strict, ("tx_isolation", "READ-COMMITTED")]), [Level::Ok]);
        assert_eq!(levels(&[strict, ("tx_isolation", "REPEATABLE-READ")]), [Level::Error]);
        assert_eq!(levels(&[mysql]), [Level::Error]);
        assert_eq!(levels(&[]), [Level::Error, Level::Error]);
    }
}
