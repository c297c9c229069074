//! What operators have done to the tables, and what must therefore stand at the end.

use crate::town::{COMMON, REVERSE, TAKEN, Town};
use anyhow::{Context, Result};
use mysql_async::{Pool, prelude::Queryable};
use std::collections::{BTreeMap, BTreeSet};
use testbed::{Lab, MySql};

/// A row as it is compared: name, type, content, TTL, whether it is disabled.
pub type Line = (String, String, String, i64, bool);

pub struct Book {
    mysql: MySql,
    database: String,
    /// For those who hold the book: the server is never restarted under their hands.
    pub pool: Pool,
    /// Rows that were never ours, by id.
    pub foreign: BTreeMap<i64, Line>,
    /// What an operator has made of one of our names: type, content and TTL must stand.
    pub edits: BTreeMap<String, (String, String, i64)>,
    pub acts: BTreeMap<&'static str, usize>,
}

impl Book {
    /// Writes the rows that are not ours, and remembers them.
    pub async fn open(lab: &Lab, town: &Town) -> Result<Self> {
        for nth in 0..TAKEN {
            let name = format!("taken{nth}.{COMMON}");
            lab.db.insert(COMMON, &name, "A", &format!("198.51.100.{nth}"), 300).await?;
        }
        // Beside the members of groups, with a TTL below ours.
        for (account, suffix) in town.suffixes.iter().filter(|(_, suffix)| suffix.starts_with('a')) {
            let name = format!("www-{}.{suffix}", &account[..8]);
            lab.db.insert(suffix, &name, "A", "198.51.100.100", GROUP_TTL.try_into()?).await?;
        }
        for (zone, name, kind, content) in [
            (COMMON, "mail.cloud.test", "A", "198.51.100.101"),
            (COMMON, "ftp.cloud.test", "CNAME", "mail.cloud.test"),
            ("d0.soak.test", "below.vm1.d0.soak.test", "TXT", "\"his\""),
            (REVERSE[0], "9.9.255.10.in-addr.arpa", "PTR", "mail.cloud.test"),
        ] {
            lab.db.insert(zone, name, kind, content, 300).await?;
        }
        // What stands when we come is in order.
        let zones = town.zones.iter().map(String::as_str);
        lab.dns().await.pdnsutil(&["rectify-zone"].into_iter().chain(zones).collect::<Vec<_>>())?;
        let mut book = Self {
            mysql: lab.db.mysql,
            database: lab.db.name.clone(),
            pool: lab.db.mysql.admin(Some(&lab.db.name)),
            foreign: BTreeMap::new(),
            edits: BTreeMap::new(),
            acts: BTreeMap::new(),
        };
        book.foreign = book.rows().await?;
        Ok(book)
    }

    /// The server has other connections now.
    pub fn reconnect(&mut self) {
        self.pool = self.mysql.admin(Some(&self.database));
    }

    /// All rows but SOA, NS and empty non-terminals, by id.
    pub async fn rows(&self) -> Result<BTreeMap<i64, Line>> {
        let sql = "SELECT id, name, type, content, COALESCE(ttl, -1), disabled FROM records \
                   WHERE type IS NOT NULL AND type NOT IN ('SOA', 'NS')";
        let rows: Vec<(i64, String, String, String, i64, bool)> = self.query(sql).await?;
        Ok(rows
            .into_iter()
            .map(|(id, name, kind, content, ttl, off)| (id, (name, kind, content, ttl, off)))
            .collect())
    }

    pub async fn query<T: mysql_async::prelude::FromRow + Send + 'static>(
        &self,
        sql: &str,
    ) -> Result<Vec<T>> {
        self.pool.get_conn().await?.query(sql).await.with_context(|| format!("running {sql}"))
    }

    /// Runs a statement; how many rows it has changed.
    pub async fn run(&self, sql: &str) -> Result<u64> {
        let mut connection = self.pool.get_conn().await?;
        connection.query_drop(sql).await.with_context(|| format!("running {sql}"))?;
        Ok(connection.affected_rows())
    }

    /// Names at which operators have a hand in addresses.
    pub fn names(&self) -> BTreeSet<&str> {
        let foreign = self.foreign.values().map(|line| line.0.as_str());
        foreign.chain(self.edits.keys().map(String::as_str)).collect()
    }

    pub fn note(&mut self, act: &'static str) {
        *self.acts.entry(act).or_default() += 1;
    }
}

/// Of an operator's row beside a group.
pub const GROUP_TTL: i64 = 30;
