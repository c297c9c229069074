//! PowerDNS's schema as older versions made it, and as operators alter it: made from the newest one, backwards.

use anyhow::{Context, Result};

use crate::database::PdnsDb;
use crate::powerdns::PowerDnsOptions;

const FOREIGN_KEYS: &str = "/usr/share/pdns-backend-mysql/schema/enable-foreign-keys.mysql.sql";

/// What the schema was made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Made {
    /// 4.1 and before: `records.change_date`, and a signed `domains.notified_serial`.
    V41,
    /// 4.2.
    V42,
    /// 4.3 to 4.6: `cryptokeys.published`.
    V43,
    /// 4.7 and since: `domains.options` and `domains.catalog`.
    V47,
}

impl PdnsDb {
    /// Alters the tables of a new database into those of another version, with the optional foreign keys or
    /// without, of a character set.
    pub async fn remake(&self, made: Made, foreign_keys: bool, charset: &str) -> Result<()> {
        let mut statements: Vec<String> = Vec::new();
        let mut add = |sql: &str| statements.push(sql.to_owned());
        if made == Made::V47 {
            // Otherwise it is too long for most character sets.
            add("ALTER TABLE domains MODIFY options TEXT");
        } else {
            add("DROP INDEX catalog_idx ON domains");
            add("ALTER TABLE domains DROP options, DROP catalog, MODIFY type VARCHAR(6) NOT NULL");
        }
        if made < Made::V43 {
            add("ALTER TABLE cryptokeys DROP published");
        }
        if made < Made::V42 {
            add("ALTER TABLE domains MODIFY notified_serial INT DEFAULT NULL");
            add("ALTER TABLE records ADD change_date INT DEFAULT NULL AFTER prio");
        }
        if charset != "latin1" {
            statements.extend(conversion(charset));
        }
        if foreign_keys {
            let text = std::fs::read_to_string(FOREIGN_KEYS).context(FOREIGN_KEYS)?;
            let text = text.split_once("*/").map_or(&*text, |(_, sql)| sql);
            statements
                .extend(text.split(';').map(str::trim).filter(|sql| !sql.is_empty()).map(str::to_owned));
        }
        for statement in statements {
            self.exec(&statement).await?;
        }
        Ok(())
    }
}

/// The statements that give PowerDNS's tables another character set.
fn conversion(charset: &str) -> Vec<String> {
    let mut statements = vec!["ALTER TABLE records MODIFY content TEXT".to_owned()];
    for table in ["domains", "records", "domainmetadata", "cryptokeys", "comments"] {
        statements.push(format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}"));
    }
    let column = format!("VARCHAR(255) CHARACTER SET {charset} COLLATE {charset}_bin");
    statements.push(format!("ALTER TABLE records MODIFY ordername {column}"));
    statements
}

/// Lets the installed PowerDNS read a schema that is older than it: without the columns that it lacks.
pub fn reading(made: Made) -> PowerDnsOptions {
    let mut extra = Vec::new();
    if made < Made::V47 {
        extra.push(
            "gmysql-info-zone-query=select id,name,master,last_check,notified_serial,type,'' as options,\
             '' as catalog,account from domains where name=?"
                .to_owned(),
        );
    }
    if made < Made::V43 {
        extra.push(
            "gmysql-list-domain-keys-query=select cryptokeys.id, flags, active, 1 as published, content \
             from domains, cryptokeys where cryptokeys.domain_id=domains.id and name=?"
                .to_owned(),
        );
    }
    PowerDnsOptions { extra, ..PowerDnsOptions::default() }
}
