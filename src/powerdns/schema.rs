//! Our tables, and the grants that are exactly enough.

use super::{Database, DbError, decode::Cells, session::Session};
use std::fmt::Write as _;

/// What `cs_powerdns_owner.schema_version` says.
pub(super) const VERSION: u32 = 1;

/// A table, and what the program does to it.
pub(super) struct Needs {
    pub(super) table: &'static str,
    /// Verbs, each with the columns that it is limited to; none of them for the whole table.
    pub(super) rights: &'static [(&'static str, &'static [&'static str])],
}

impl Needs {
    /// As GRANT has it.
    fn text(&self) -> String {
        let right = |(verb, columns): &(&str, &[&str])| match columns {
            [] => (*verb).to_owned(),
            columns => format!("{verb} ({})", columns.join(", ")),
        };
        self.rights.iter().map(right).collect::<Vec<_>>().join(", ")
    }
}

const fn needs(table: &'static str, rights: &'static [(&'static str, &'static [&'static str])]) -> Needs {
    Needs { table, rights }
}

const WHOLE: &[&str] = &[];

/// Our tables.
pub(super) const TABLES: [Needs; 6] = [
    needs(
        "cs_powerdns_ledger",
        &[("SELECT", WHOLE), ("INSERT", WHOLE), ("UPDATE", WHOLE), ("DELETE", WHOLE)],
    ),
    needs("cs_powerdns_zone", &[("SELECT", WHOLE), ("INSERT", WHOLE), ("UPDATE", WHOLE)]),
    needs("cs_powerdns_owner", &[("SELECT", WHOLE), ("INSERT", WHOLE), ("UPDATE", WHOLE)]),
    needs("cs_powerdns_budget", &[("SELECT", WHOLE), ("INSERT", WHOLE), ("UPDATE", WHOLE)]),
    needs(
        "cs_powerdns_approval",
        &[("SELECT", WHOLE), ("INSERT", WHOLE), ("UPDATE", WHOLE), ("DELETE", WHOLE)],
    ),
    needs("cs_powerdns_history", &[("SELECT", WHOLE), ("INSERT", WHOLE), ("DELETE", WHOLE)]),
];

/// PowerDNS's tables. Of `domains` and `cryptokeys` only columns that every schema since 4.1 has.
pub(super) const OTHERS: [Needs; 4] = [
    needs("domains", &[("SELECT", &["id", "name", "type"])]),
    needs(
        "records",
        &[
            ("SELECT", WHOLE),
            ("INSERT", WHOLE),
            ("DELETE", WHOLE),
            ("UPDATE", &["content", "ttl", "ordername", "auth"]),
        ],
    ),
    needs("domainmetadata", &[("SELECT", &["domain_id", "kind", "content"])]),
    needs("cryptokeys", &[("SELECT", &["domain_id", "active"])]),
];

/// Each table's definition. `{t}` is the end of every table, `{b}` the collation that compares bytes.
/// ROW_FORMAT for servers whose default limits an index column to 767 bytes.
const DEFINITIONS: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS cs_powerdns_ledger (
  name       VARCHAR(255) NOT NULL,
  type       VARCHAR(10) NOT NULL,
  content    VARCHAR(255) COLLATE {b} NOT NULL,
  zone_id    INT NOT NULL,
  ttl        INT NOT NULL,
  record_id  BIGINT NOT NULL,
  owner_id   VARCHAR(64) COLLATE {b} NOT NULL,
  vm         CHAR(36) NOT NULL,
  account    CHAR(36) NOT NULL,
  kind       VARCHAR(8) NOT NULL,
  held_hash  BIGINT UNSIGNED NOT NULL DEFAULT 0,
  on_hold    TINYINT NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  PRIMARY KEY (name, type, content, zone_id),
  KEY owner_record (owner_id, record_id)
){t}",
    "CREATE TABLE IF NOT EXISTS cs_powerdns_zone (
  zone_id    INT NOT NULL,
  name       VARCHAR(255) NOT NULL,
  serial     INT UNSIGNED NOT NULL,
  serial_at  DATETIME(6) NOT NULL,
  PRIMARY KEY (zone_id),
  KEY name (name)
){t}",
    "CREATE TABLE IF NOT EXISTS cs_powerdns_owner (
  owner_id   VARCHAR(64) COLLATE {b} NOT NULL,
  cloud      VARCHAR(64) DEFAULT NULL,
  holder     VARCHAR(255) NOT NULL DEFAULT '',
  epoch      BIGINT UNSIGNED NOT NULL DEFAULT 0,
  expires_at DATETIME(6) NOT NULL,
  fence      BIGINT UNSIGNED NOT NULL DEFAULT 0,
  schema_version INT NOT NULL,
  PRIMARY KEY (owner_id)
){t}",
    "CREATE TABLE IF NOT EXISTS cs_powerdns_budget (
  owner_id   VARCHAR(64) COLLATE {b} NOT NULL,
  used       DOUBLE NOT NULL,
  at         DATETIME(6) NOT NULL,
  PRIMARY KEY (owner_id)
){t}",
    "CREATE TABLE IF NOT EXISTS cs_powerdns_approval (
  owner_id   VARCHAR(64) COLLATE {b} NOT NULL,
  hash       BIGINT UNSIGNED NOT NULL,
  at         DATETIME NOT NULL,
  PRIMARY KEY (owner_id, hash)
){t}",
    "CREATE TABLE IF NOT EXISTS cs_powerdns_history (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  owner_id   VARCHAR(64) COLLATE {b} NOT NULL,
  zone_id    INT NOT NULL,
  name       VARCHAR(255) NOT NULL,
  type       VARCHAR(10) NOT NULL,
  content    VARCHAR(255) COLLATE {b} NOT NULL,
  vm         CHAR(36) NOT NULL,
  why        VARCHAR(255) NOT NULL,
  at         DATETIME NOT NULL,
  PRIMARY KEY (id),
  KEY at (at),
  KEY name (name)
){t}",
];

fn definitions(charset: &str, collation: &str) -> impl Iterator<Item = String> {
    let bytes = if charset == "binary" { "binary".to_owned() } else { format!("{charset}_bin") };
    let end =
        format!(" ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET {charset} COLLATE {collation}");
    DEFINITIONS.into_iter().map(move |text| text.replace("{b}", &bytes).replace("{t}", &end))
}

/// Our tables for a `records` table of this character set and collation: others would keep joins from
/// their index (measured).
pub fn ddl(charset: &str, collation: &str) -> String {
    let mut out = String::new();
    for text in definitions(charset, collation) {
        let _ = writeln!(out, "{text};\n");
    }
    out
}

/// Exactly what the program needs: private keys (`cryptokeys.content`) stay unreadable.
fn grants(database: &str, user: &str) -> String {
    let database = database.replace('`', "``");
    let user = user.replace('\'', "''");
    let mut out = String::new();
    for needs in OTHERS.iter().chain(&TABLES) {
        let (what, table) = (needs.text(), needs.table);
        let _ = writeln!(out, "GRANT {what} ON `{database}`.{table} TO '{user}'@'%';");
    }
    out
}

/// For `adopt --from-cs-mapping`, once.
fn mapping_grant(database: &str, user: &str) -> String {
    let (database, user) = (database.replace('`', "``"), user.replace('\'', "''"));
    format!("GRANT SELECT ON `{database}`.cs_mapping TO '{user}'@'%';\n")
}

fn text(database: &str, user: &str, charset: &str, collation: &str) -> String {
    format!(
        "-- The tables of cs-powerdns, in PowerDNS's database, and the grants of its user.\n\
         -- Run as an administrator. The user must exist: CREATE USER '{user}'@'%' IDENTIFIED BY '...'\n\n\
         USE `{}`;\n\n{}{}",
        database.replace('`', "``"),
        ddl(charset, collation),
        grants(database, user)
    )
}

/// The SQL of `schema` for PowerDNS's own schema, for when no database can be asked: it says why, and what to
/// look at before it is run.
pub fn schema_text_default(database: &str, user: &str, why: &str) -> String {
    let mut said = String::new();
    for line in why.lines() {
        let _ = writeln!(said, "-- {line}");
    }
    said + "-- So nobody knows here which character set the table `records` has. This is for latin1, collation\n\
            -- latin1_swedish_ci, as PowerDNS makes it. If SHOW CREATE TABLE records says otherwise, first\n\
            -- GRANT SELECT ON that table to the user below and run `cs-powerdns schema` once more: tables of\n\
            -- another character set find no row of `records` by its index.\n"
        + &text(database, user, "latin1", "latin1_swedish_ci")
}

impl Database {
    /// The SQL of `schema` for this database and user.
    pub async fn schema_text(&self) -> Result<String, DbError> {
        let mut session = self.session().await?;
        let (charset, collation) = self.charset(&mut session).await?;
        let settings = self.settings();
        let mut text = text(&settings.database, &settings.user, &charset, &collation);
        drop(session);
        if super::mapping::exists(self).await? {
            text.push_str(&mapping_grant(&settings.database, &settings.user));
        }
        Ok(text)
    }

    /// Whether all our tables exist and this user may use them.
    pub async fn tables_exist(&self) -> Result<bool, DbError> {
        tables_exist(&mut self.session().await?).await
    }

    /// Creates our tables where they are missing. Not allowed to: an error that names the verb `schema`.
    pub async fn ensure_tables(&self) -> Result<(), DbError> {
        let mut session = self.session().await?;
        if tables_exist(&mut session).await? {
            return Ok(());
        }
        let (charset, collation) = self.charset(&mut session).await?;
        for definition in definitions(&charset, &collation) {
            match session.run("creating tables", &definition, &[]).await {
                Ok(_) => {}
                Err(DbError::Denied { source, .. }) => {
                    let database = self.settings().database.clone();
                    return Err(DbError::SchemaMissing { database, source });
                }
                // The server is read-only, which a user with more rights passes by.
                Err(DbError::Query { source, .. }) if matches!(source.as_ref(), mysql_async::Error::Server(error) if error.code == 1290) =>
                {
                    let database = self.settings().database.clone();
                    return Err(DbError::SchemaMissing { database, source });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn charset(&self, session: &mut Session) -> Result<(String, String), DbError> {
        let rows = session
            .rows(
                "reading the character set of records",
                "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'records' AND COLUMN_NAME = 'name'",
                &[],
            )
            .await?;
        let read = rows.first().and_then(|row| {
            let mut cells = Cells::of(row);
            Some((cells.text()?.into_owned(), cells.text()?.into_owned()))
        });
        read.ok_or_else(|| DbError::NotPowerDns { database: self.settings().database.clone() })
    }
}

async fn tables_exist(session: &mut Session) -> Result<bool, DbError> {
    Ok(visible(session).await? == TABLES.len())
}

/// How many of our tables there are as far as this user may know: those that he has any right on.
pub(super) async fn visible(session: &mut Session) -> Result<usize, DbError> {
    let rows = session
        .rows(
            "looking for our tables",
            "SELECT COUNT(*) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?,?,?,?,?,?)",
            &TABLES.map(|needs| super::sql::text(needs.table)),
        )
        .await?;
    Ok(rows
        .first()
        .and_then(|row| Cells::of(row).number::<i32>())
        .and_then(|n| n.try_into().ok())
        .unwrap_or(0))
}

/// Whether a statement failed because there are no tables of ours, so that nothing is ours yet. A user
/// without any right on a table that is missing is told that he has none (1142), as he is on one that is
/// there: so it is none only where he sees none of them. Otherwise a lost right would look like an empty
/// ledger.
pub(super) async fn is_absent(session: &mut Session, error: &DbError) -> bool {
    match error.code() {
        Some(1146) => true,
        Some(1142) => matches!(visible(session).await, Ok(0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_is_plain_sql_with_every_table_and_its_grant() {
        let text = schema_text_default("pdns", "cs_powerdns", "no database:\nnot one");
        assert!(text.starts_with("-- no database:\n-- not one\n-- So nobody knows"), "{text}");
        for Needs { table, .. } in TABLES {
            assert!(text.contains(&format!("CREATE TABLE IF NOT EXISTS {table} (")), "{table}");
            let grant =
                text.lines().find(|line| line.contains(&format!(" ON `pdns`.{table} TO 'cs_powerdns'@'%';")));
            assert!(grant.is_some_and(|grant| grant.starts_with("GRANT SELECT, INSERT")), "{table}");
        }
        let records =
            "GRANT SELECT, INSERT, DELETE, UPDATE (content, ttl, ordername, auth) ON `pdns`.records TO";
        assert!(text.contains(records), "{text}");
        assert!(text.contains("COLLATE latin1_bin NOT NULL") && !text.contains('{'));
        assert!(!text.contains("FOREIGN"));
    }
}
