//! One PowerDNS database: its zones, its rows, and what was written into it by whom.

use anyhow::{Context, Result};
use mysql_async::{Pool, Value, prelude::Queryable};

use crate::mariadb::MySql;

const SCHEMA_FILES: [&str; 2] = [
    "/usr/share/pdns-backend-mysql/schema/schema.mysql.sql",
    "/usr/share/doc/pdns-backend-mysql/schema.mysql.sql",
];

/// The name servers of the zones made here: no address of theirs is in any zone.
const NS: &str = "ns1.testbed.invalid";

/// A row of `records`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Row {
    pub name: String,
    pub kind: Option<String>,
    pub content: Option<String>,
    pub ttl: Option<i64>,
    pub disabled: bool,
    pub ordername: Option<String>,
    pub auth: Option<bool>,
    pub domain_id: i64,
    pub id: i64,
}

/// The database of one test.
pub struct PdnsDb {
    /// Its name.
    pub name: String,
    /// The controller's user: all rights on this database, until [`PdnsDb::limit_to`].
    pub user: String,
    /// That user's password.
    pub password: String,
    /// PowerDNS's own user, so that its statements are not taken for the controller's.
    pub pdns_user: String,
    /// The server.
    pub mysql: MySql,
    /// Root, with this database as the default one.
    pub admin: Pool,
}

impl PdnsDb {
    /// See [`MySql::create`].
    pub(crate) async fn create(mysql: MySql, name: &str) -> Result<Self> {
        let file = SCHEMA_FILES.iter().find(|file| std::path::Path::new(file).exists());
        let file = file.with_context(|| format!("no PowerDNS schema; {}", crate::APT_LINE))?;
        let schema = std::fs::read_to_string(file)?;
        let password = format!("secret-of-{name}");
        let pdns_user = format!("pdns_{name}");
        let root = mysql.admin(None);
        let mut connection = root.get_conn().await?;
        connection.query_drop(format!("CREATE DATABASE `{name}`")).await?;
        for user in [name, &pdns_user] {
            connection.query_drop(format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")).await?;
            connection.query_drop(format!("GRANT ALL ON `{name}`.* TO '{user}'@'%'")).await?;
        }
        drop(connection);
        root.disconnect().await?;
        let admin = mysql.admin(Some(name));
        let database = Self { name: name.into(), user: name.into(), password, pdns_user, mysql, admin };
        for statement in schema.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            database.exec(statement).await?;
        }
        Ok(database)
    }

    /// The same database at another node of its cluster.
    #[must_use]
    pub fn at(&self, mysql: MySql) -> Self {
        Self {
            name: self.name.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            pdns_user: self.pdns_user.clone(),
            mysql,
            admin: mysql.admin(Some(&self.name)),
        }
    }

    /// Runs a statement as root.
    pub async fn exec(&self, sql: &str) -> Result<()> {
        self.admin.get_conn().await?.query_drop(sql).await.with_context(|| format!("running {sql}"))
    }

    /// Runs a query as root.
    pub async fn query<T: mysql_async::prelude::FromRow + Send + 'static>(
        &self,
        sql: &str,
    ) -> Result<Vec<T>> {
        self.admin.get_conn().await?.query(sql).await.with_context(|| format!("running {sql}"))
    }

    /// Takes the controller's user all rights, then runs the given GRANTs, and whatever else `schema`
    /// prints, in this database. Connections that there are keep what they had.
    pub async fn limit_to(&self, statements: &[&str]) -> Result<()> {
        self.exec(&format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{}'@'%'", self.user)).await?;
        for statement in statements {
            self.exec(statement).await?;
        }
        Ok(())
    }

    /// A NATIVE zone with SOA and NS. Returns its id.
    pub async fn zone(&self, zone: &str) -> Result<i64> {
        self.zone_of(zone, "NATIVE", 2_024_010_101).await
    }

    /// A zone of the given type and serial.
    pub async fn zone_of(&self, zone: &str, kind: &str, serial: u32) -> Result<i64> {
        let mut connection = self.admin.get_conn().await?;
        connection.exec_drop("INSERT INTO domains (name, type) VALUES (?, ?)", (zone, kind)).await?;
        let id = connection.last_insert_id().context("the zone has an id")?;
        let soa = format!("{NS} hostmaster.testbed.invalid {serial} 10800 3600 604800 60");
        let insert = "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                      VALUES (?, ?, ?, ?, 3600, 0, 0, 1)";
        connection.exec_batch(insert, [(id, zone, "SOA", soa.as_str()), (id, zone, "NS", NS)]).await?;
        Ok(i64::try_from(id)?)
    }

    /// An operator's row, in the zone of that name. Returns its id.
    pub async fn insert(&self, zone: &str, name: &str, kind: &str, content: &str, ttl: u32) -> Result<i64> {
        let mut connection = self.admin.get_conn().await?;
        let insert = "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                      SELECT id, ?, ?, ?, ?, 0, 0, 1 FROM domains WHERE name = ?";
        connection.exec_drop(insert, (name, kind, content, ttl, zone)).await?;
        Ok(i64::try_from(connection.last_insert_id().context("the zone exists")?)?)
    }

    /// All rows at an owner name, enabled or not, in order of type and content.
    pub async fn rows(&self, name: &str) -> Result<Vec<Row>> {
        self.select("name = ?", name).await
    }

    /// All rows of a zone, in order.
    pub async fn rows_of_zone(&self, zone: &str) -> Result<Vec<Row>> {
        self.select("domain_id = (SELECT id FROM domains WHERE name = ?)", zone).await
    }

    /// The contents at a name and type, sorted.
    pub async fn contents(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        let rows = self.rows(name).await?.into_iter();
        Ok(rows.filter(|row| row.kind.as_deref() == Some(kind)).filter_map(|row| row.content).collect())
    }

    async fn select(&self, condition: &str, value: &str) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT id, domain_id, name, type, content, ttl, disabled, ordername, auth FROM records WHERE {condition}"
        );
        let found: Vec<mysql_async::Row> =
            self.admin.get_conn().await?.exec(sql, (Value::from(value),)).await?;
        let mut rows: Vec<Row> = found.into_iter().map(row).collect();
        rows.sort();
        Ok(rows)
    }

    /// The SOA serial as it stands in the table.
    pub async fn serial(&self, zone: &str) -> Result<u32> {
        let content = self.contents(zone, "SOA").await?.into_iter().next();
        let content = content.with_context(|| format!("no SOA of {zone}"))?;
        Ok(content.split_whitespace().nth(2).context("an SOA has a serial")?.parse()?)
    }

    /// The server's clock, as a mark for [`PdnsDb::writes_since`].
    pub async fn now(&self) -> Result<String> {
        let now: Vec<String> = self.query("SELECT CAST(NOW(6) AS CHAR)").await?;
        now.into_iter().next().context("the clock")
    }

    /// The writing statements of the controller's user since a mark, from the general log, without those
    /// that contain one of `except`. Prepared statements count as often as they were executed.
    pub async fn writes_since(&self, mark: &str, except: &[&str]) -> Result<Vec<String>> {
        let all = self.statements_since(mark).await?.into_iter();
        Ok(all.filter(|sql| writes(sql) && !except.iter().any(|word| sql.contains(word))).collect())
    }

    /// All statements of the controller's user since a mark, as they were executed, with their values.
    pub async fn statements_since(&self, mark: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for (command, text) in self.round_trips_since(mark).await? {
            if matches!(&*command, "Query" | "Execute") {
                all.extend(statements(&text).into_iter().map(str::to_owned));
            }
        }
        Ok(all)
    }

    /// What the controller's user has sent since a mark that the server answers: the kind of command, and all
    /// statements that went together.
    pub async fn round_trips_since(&self, mark: &str) -> Result<Vec<(String, String)>> {
        let sql = "SELECT CONVERT(command_type USING utf8mb4), CONVERT(argument USING utf8mb4) \
                   FROM mysql.general_log WHERE event_time >= ? AND LEFT(user_host, ?) = ? \
                   AND command_type NOT IN ('Close stmt', 'Long Data', 'Quit')";
        let user = format!("{}[", self.user);
        Ok(self.admin.get_conn().await?.exec(sql, (mark, user.len(), user)).await?)
    }
}

/// The statements that went to a server together.
pub fn statements(text: &str) -> Vec<&str> {
    let (mut out, mut from, mut quoted, mut skip) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if skip => skip = false,
            '\\' if quoted => skip = true,
            '\'' => quoted = !quoted,
            ';' if !quoted => {
                out.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(text[from..].trim());
    out.retain(|statement| !statement.is_empty());
    out
}

/// Whether a statement is INSERT, UPDATE, DELETE or REPLACE, also behind a comment.
fn writes(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    while let Some((_, after)) = rest.strip_prefix("/*").and_then(|inner| inner.split_once("*/")) {
        rest = after.trim_start();
    }
    let verb: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    matches!(verb.to_ascii_uppercase().as_str(), "INSERT" | "UPDATE" | "DELETE" | "REPLACE")
}

fn row(mut row: mysql_async::Row) -> Row {
    let mut text = |index| row.take::<Option<Vec<u8>>, _>(index).flatten();
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (name, kind, content) = (text("name"), text("type"), text("content"));
    let ordername = text("ordername");
    let number = |index| row.get::<Option<i64>, _>(index).flatten();
    Row {
        name: name.map(lossy).unwrap_or_default(),
        kind: kind.map(lossy),
        content: content.map(lossy),
        ttl: number("ttl"),
        disabled: number("disabled") != Some(0),
        ordername: ordername.map(lossy),
        auth: number("auth").map(|auth| auth != 0),
        domain_id: number("domain_id").unwrap_or_default(),
        id: number("id").unwrap_or_default(),
    }
}
