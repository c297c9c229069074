//! What `check` reads beyond what a plan reads.

use super::{
    Database, DbError,
    decode::Cells,
    schema,
    sql::{LIST, marks, text},
};
use crate::model::{OwnerName, ZoneId};
use mysql_async::Value;
use std::{collections::HashMap, time::Duration};

/// The most delegations that are read of some zones.
const CUTS: usize = 10_000;

/// An owner id that this database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerStanding {
    /// The id.
    pub owner: String,
    /// Who has its lease, or had it last; empty where it was released.
    pub holder: String,
    /// How long the lease still lasts; zero where it has lapsed.
    pub expires_in: Duration,
    /// Entries of the ledger.
    pub entries: u64,
}

/// What matters of a zone's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneFacts {
    /// Empty non-terminals.
    pub ents: u64,
    /// Names with NS below the apex.
    pub delegations: Vec<OwnerName>,
    /// Names with DNAME.
    pub dnames: Vec<OwnerName>,
}

impl Database {
    /// All owner ids, with the entries of each: reads the whole ledger (0.2 s for half a million entries).
    pub async fn owner_ids(&self) -> Result<Vec<OwnerStanding>, DbError> {
        let sql = "SELECT l.owner_id, COALESCE(o.holder, ''), \
                   COALESCE(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), o.expires_at), 0), l.entries \
                   FROM (SELECT owner_id, COUNT(*) entries FROM cs_powerdns_ledger GROUP BY owner_id) l \
                   LEFT JOIN cs_powerdns_owner o ON o.owner_id = l.owner_id ORDER BY l.owner_id";
        let mut session = self.session().await?;
        let rows = match session.long_rows("reading the owner ids", sql, &[]).await {
            Err(error) if schema::is_absent(&mut session, &error).await => vec![],
            rows => rows?,
        };
        let read = |row| {
            let mut cells = Cells::of(row);
            let (owner, holder) = (cells.text()?.into_owned(), cells.text()?.into_owned());
            let micros = cells.int().and_then(|micros| u64::try_from(micros).ok()).unwrap_or(0);
            let entries = cells.unsigned()?;
            Some(OwnerStanding { owner, holder, expires_in: Duration::from_micros(micros), entries })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Reads what matters of these zones' rows: all of them (0.5 s for a million).
    pub async fn zone_facts(&self, zones: &[ZoneId]) -> Result<HashMap<ZoneId, ZoneFacts>, DbError> {
        let mut session = self.session().await?;
        let mut facts: HashMap<ZoneId, ZoneFacts> = HashMap::new();
        for ids in zones.chunks(LIST) {
            let values: Vec<Value> = ids.iter().map(|id| Value::from(*id)).collect();
            let list = marks(ids.len());
            let sql = format!(
                "SELECT domain_id, COUNT(*) FROM records WHERE domain_id IN ({list}) \
                 AND (type IS NULL OR type = '') GROUP BY domain_id"
            );
            for row in session.long_rows("counting empty non-terminals", &sql, &values).await? {
                let mut cells = Cells::of(&row);
                if let (Some(zone), Some(ents)) = (cells.number(), cells.unsigned()) {
                    facts.entry(zone).or_default().ents = ents;
                }
            }
            let sql = format!(
                "SELECT r.domain_id, r.name, r.type FROM records r JOIN domains d ON d.id = r.domain_id \
                 WHERE r.domain_id IN ({list}) AND r.disabled = 0 AND (r.type = 'DNAME' \
                 OR r.type = 'NS' AND r.name <> d.name) LIMIT {CUTS}"
            );
            for row in session.long_rows("reading delegations", &sql, &values).await? {
                let mut cells = Cells::of(&row);
                let (Some(zone), name, kind) = (cells.number(), cells.text(), cells.text()) else { continue };
                let Some(name) = name.and_then(|name| OwnerName::stored(&name).ok()) else { continue };
                let facts = facts.entry(zone).or_default();
                if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("DNAME")) {
                    facts.dnames.push(name);
                } else {
                    facts.delegations.push(name);
                }
            }
        }
        Ok(facts)
    }

    /// Which of these names are in `domains`, with an enabled SOA or without.
    pub async fn domains_named(&self, names: &[OwnerName]) -> Result<Vec<OwnerName>, DbError> {
        let mut session = self.session().await?;
        let mut found = Vec::new();
        for names in names.chunks(LIST) {
            let values: Vec<Value> = names.iter().map(|name| text(name.as_str())).collect();
            let sql = format!("SELECT name FROM domains WHERE name IN ({})", marks(names.len()));
            for row in session.long_rows("looking for zones", &sql, &values).await? {
                found.extend(Cells::of(&row).text().and_then(|name| OwnerName::stored(&name).ok()));
            }
        }
        Ok(found)
    }
}
