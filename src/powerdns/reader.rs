//! Reading: nothing here can write.

use super::{
    AuditSummary, Database, DbError, NameRows, Standing, audit,
    decode::{self, Cells, ROW},
    lease, mapping, names, schema,
    sql::{Statement, like, text},
    zones,
};
use crate::model::{
    Complete, Entry, HeldSet, LEFT_BEHIND, LeftBehind, Mapping, OwnerName, RecordId, Row, Serial, SoaContent,
    VmId, Zone, ZoneId, Zones,
};
use mysql_async::Value;
use std::collections::{HashMap, HashSet};
use tokio::sync::mpsc;

/// An ended entry, as the history remembers it for 7 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// When, UTC, as `YYYY-MM-DD hh:mm:ss`.
    pub at: String,
    /// The owner name.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// The content.
    pub content: String,
    /// The VM whose claim it served.
    pub vm: String,
    /// Why it ended.
    pub why: String,
}

/// An operator's word that a held set may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Which set.
    pub set: HeldSet,
    /// It was given more than an hour ago, by the database's clock.
    pub old: bool,
}

/// The names deep inside a zone, of the rows up to an id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeepNames {
    /// Sorted.
    pub names: Vec<OwnerName>,
    /// The highest id of the zone's rows.
    pub upto: RecordId,
}

/// Reads the database.
#[derive(Debug, Clone)]
pub struct Reader {
    database: Database,
}

impl Reader {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// All zones with an enabled SOA at the apex.
    pub async fn zones(&self) -> Result<Zones, DbError> {
        zones::all(&mut self.database.session().await?).await
    }

    /// Everything that stands at these names.
    pub async fn names(&self, names: &[OwnerName]) -> Result<NameRows, DbError> {
        self.names_and_around(names, &[]).await
    }

    /// Everything that stands at these names, and the rows, without their entries, at those around them.
    pub async fn names_and_around(
        &self,
        names: &[OwnerName],
        around: &[OwnerName],
    ) -> Result<NameRows, DbError> {
        let mut session = self.database.session().await?;
        names::read(&mut session, names, around, &self.database.settings().owner).await
    }

    /// Sends every own entry with the row of its record id, about 1000 at a time. An error means that
    /// what was sent is not all; only the return value attests that it is.
    pub async fn audit(
        &self,
        out: mpsc::Sender<Vec<(Entry, Option<Row>)>>,
    ) -> Result<Complete<AuditSummary>, DbError> {
        audit::stream(&self.database, out).await
    }

    /// The names of records two or more labels below the apexes of these zones, which make empty non-terminals;
    /// disabled ones too, since an operator enables them in place. In the reverse trees without the names that
    /// addresses have. Of a zone only rows above an id, where one is given: a range, however large the zone
    /// is; else the whole zone is read, without locks (0.5 to 0.8 s for a million rows).
    pub async fn deep_names(&self, zones: &[(&Zone, Option<RecordId>)]) -> Result<Vec<DeepNames>, DbError> {
        let asked = zones.iter().map(|(zone, since)| ask_deep_names(zone, *since)).collect();
        let answers = self.database.session().await?.all_long(asked).await?;
        Ok(zones.iter().zip(&answers).map(|((zone, _), rows)| deep_names(zone, rows)).collect())
    }

    /// The enabled A, AAAA and PTR rows of a zone, whoever wrote them. Reads the whole zone.
    pub async fn published(&self, zone: &Zone) -> Result<Vec<Row>, DbError> {
        let sql = format!(
            "SELECT {ROW} FROM records r WHERE r.domain_id = ? AND r.disabled = 0 AND r.type IN ('A', 'AAAA', 'PTR')"
        );
        let mut session = self.database.session().await?;
        let rows = session.long_rows("reading what a zone publishes", &sql, &[zone.id.into()]).await?;
        Ok(rows.iter().filter_map(|row| decode::row(&mut Cells::of(row), None)).collect())
    }

    /// The serial of every zone, cheaply: where one is not ours, somebody else has written.
    pub async fn serials(&self) -> Result<Vec<(ZoneId, Serial)>, DbError> {
        let sql = "SELECT d.id, r.id, r.content FROM domains d STRAIGHT_JOIN records r \
                   ON r.name = d.name AND r.type = 'SOA' WHERE r.domain_id = d.id AND r.disabled = 0";
        let rows = self.database.session().await?.long_rows("reading serials", sql, &[]).await?;
        let mut first: HashMap<ZoneId, (u64, Serial)> = HashMap::new();
        for row in &rows {
            let mut cells = Cells::of(row);
            let (Some(zone), Some(id), Some(content)) = (cells.number(), cells.unsigned(), cells.text())
            else {
                continue;
            };
            let Ok(soa) = SoaContent::parse(&content) else { continue };
            let known = first.entry(zone).or_insert((id, soa.serial()));
            if id < known.0 {
                *known = (id, soa.serial());
            }
        }
        let mut serials: Vec<_> = first.into_iter().map(|(zone, (_, serial))| (zone, serial)).collect();
        serials.sort_unstable_by_key(|(zone, _)| *zone);
        Ok(serials)
    }

    /// How many records the ledger says are ours (an index scan: 0.1 s for half a million).
    pub async fn owned_count(&self) -> Result<u64, DbError> {
        let sql = "SELECT COUNT(*) FROM cs_powerdns_ledger WHERE owner_id = ?";
        let rows = self.of_owner("counting entries", sql).await?;
        Ok(rows.first().and_then(|row| Cells::of(row).unsigned()).unwrap_or(0))
    }

    /// The cloud that this owner id is bound to.
    pub async fn bound_cloud(&self) -> Result<Option<String>, DbError> {
        Ok(self.standing().await?.and_then(|standing| standing.cloud))
    }

    /// The lease as it stands; none before the first run.
    pub async fn standing(&self) -> Result<Option<Standing>, DbError> {
        let mut session = self.database.session().await?;
        match lease::standing(&mut session, &self.database.settings().owner, false).await {
            Err(error) if schema::is_absent(&mut session, &error).await => Ok(None),
            standing => standing,
        }
    }

    /// How much of the loss budget is used now, in records: what was used decays to 0 within an hour.
    pub async fn budget(&self) -> Result<f64, DbError> {
        let sql = format!("SELECT {USED} FROM cs_powerdns_budget WHERE owner_id = ?");
        let rows = self.of_owner("reading the budget", &sql).await?;
        Ok(rows.first().and_then(|row| Cells::of(row).double()).unwrap_or(0.0))
    }

    /// The held sets that were approved, and not withdrawn yet.
    pub async fn approvals(&self) -> Result<Vec<Approval>, DbError> {
        let sql = "SELECT hash, at < UTC_TIMESTAMP() - INTERVAL 1 HOUR FROM cs_powerdns_approval \
                   WHERE owner_id = ? ORDER BY hash";
        let rows = self.of_owner("reading approvals", sql).await?;
        let approval = |row| {
            let mut cells = Cells::of(row);
            let set = cells.unsigned().and_then(HeldSet::stored);
            Some(Approval { set: set?, old: cells.int() == Some(1) })
        };
        Ok(rows.iter().filter_map(approval).collect())
    }

    /// The held sets that entries are in, with their records, the largest first (reads the whole ledger:
    /// 0.2 s for half a million entries).
    pub async fn held_sets(&self) -> Result<Vec<(HeldSet, u64)>, DbError> {
        let sql = "SELECT held_hash, COUNT(*) FROM cs_powerdns_ledger WHERE owner_id = ? AND held_hash <> 0 \
                   GROUP BY held_hash ORDER BY COUNT(*) DESC, held_hash";
        let rows = self.of_owner("reading held sets", sql).await?;
        let set = |row| {
            let mut cells = Cells::of(row);
            Some((cells.unsigned().and_then(HeldSet::stored)?, cells.unsigned()?))
        };
        Ok(rows.iter().filter_map(set).collect())
    }

    /// What ended at a name within 7 days, latest first, at most 50 lines.
    pub async fn history(&self, name: &OwnerName) -> Result<Vec<HistoryLine>, DbError> {
        let sql = "SELECT DATE_FORMAT(at, '%Y-%m-%d %H:%i:%s'), name, type, content, vm, why \
                   FROM cs_powerdns_history WHERE name = ? ORDER BY id DESC LIMIT 50";
        let rows = self.ours("reading the history", sql, &[text(name.as_str())]).await?;
        let line = |row| {
            let mut cells = Cells::of(row);
            let mut next = || cells.text().unwrap_or_default().into_owned();
            HistoryLine { at: next(), name: next(), rtype: next(), content: next(), vm: next(), why: next() }
        };
        Ok(rows.iter().map(line).collect())
    }

    /// The rows that were left behind within 7 days and that still stand, latest first: no entry of
    /// anybody's matches them.
    pub async fn left_behind(&self) -> Result<Vec<LeftBehind>, DbError> {
        let sql = "SELECT r.id, h.name, r.type, r.content, h.vm, DATE_FORMAT(h.at, '%Y-%m-%d %H:%i:%s') \
                   FROM cs_powerdns_history h \
                   JOIN records r ON r.name = h.name AND r.type = h.type AND r.domain_id = h.zone_id \
                   LEFT JOIN cs_powerdns_ledger l ON l.name = r.name AND l.type = r.type \
                   AND l.content = r.content AND l.zone_id = r.domain_id \
                   WHERE h.owner_id = ? AND h.why = ? AND l.name IS NULL ORDER BY h.id DESC";
        let values = [text(&self.database.settings().owner), text(LEFT_BEHIND)];
        let mut seen = HashSet::new();
        let rows = self.ours("reading what was left behind", sql, &values).await?;
        let read = rows.iter().filter_map(|row| {
            let mut cells = Cells::of(row);
            let id = cells.unsigned()?;
            let mut next = || cells.text().unwrap_or_default().into();
            let (name, rtype, content, vm, at) = (next(), next(), next(), next(), next());
            seen.insert(id).then_some(LeftBehind { name, rtype, content, vm, at })
        });
        Ok(read.collect())
    }

    /// The older service's table; none where there is none.
    pub async fn mapping(&self) -> Result<Option<Mapping>, DbError> {
        mapping::read(&self.database).await
    }

    /// The names of all entries of an owner id, ours or another's, for `adopt --from-owner` and `purge`.
    pub async fn names_of(&self, owner: &str) -> Result<Vec<OwnerName>, DbError> {
        let sql = "SELECT DISTINCT name FROM cs_powerdns_ledger WHERE owner_id = ?";
        let rows = self.ours("reading the names of an owner id", sql, &[text(owner)]).await?;
        Ok(names::sorted(rows.iter().filter_map(|row| OwnerName::stored(&Cells::of(row).text()?).ok())))
    }

    /// The names at which a VM has entries, or had some within 7 days. Reads the ledger and the history: 0.2 s
    /// for half a million entries, for `explain`, which somebody waits for.
    pub async fn names_of_vm(&self, vm: VmId) -> Result<Vec<OwnerName>, DbError> {
        let sql = "SELECT name FROM cs_powerdns_ledger WHERE vm = ? UNION SELECT name FROM cs_powerdns_history \
                   WHERE vm = ?";
        let vm = text(&vm.to_string());
        let rows = self.ours("reading the names of a VM", sql, &[vm.clone(), vm]).await?;
        Ok(names::sorted(rows.iter().filter_map(|row| OwnerName::stored(&Cells::of(row).text()?).ok())))
    }

    async fn of_owner(&self, what: &'static str, sql: &str) -> Result<Vec<mysql_async::Row>, DbError> {
        self.ours(what, sql, &[text(&self.database.settings().owner)]).await
    }

    /// Reads one of our tables; nothing where it does not exist.
    async fn ours(
        &self,
        what: &'static str,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<mysql_async::Row>, DbError> {
        let mut session = self.database.session().await?;
        match session.long_rows(what, sql, values).await {
            Err(error) if schema::is_absent(&mut session, &error).await => Ok(vec![]),
            rows => rows,
        }
    }
}

fn ask_deep_names(zone: &Zone, since: Option<RecordId>) -> Statement {
    let addresses = addresses(zone);
    // One statement, so that both halves see the same rows. Without DISTINCT: for it the server reads the
    // whole table in the order of names, or fills a temporary table (measured: five to ten times as long).
    let sql = format!(
        "SELECT MAX(id), NULL FROM records WHERE domain_id = ? UNION ALL \
         SELECT NULL, name FROM records WHERE domain_id = ?{} \
         AND type IS NOT NULL AND type <> '' AND name LIKE ?{}",
        if since.is_some() { " AND id > ?" } else { "" },
        if addresses.is_some() { " AND name NOT REGEXP ?" } else { "" }
    );
    let mut values = vec![zone.id.into(), zone.id.into()];
    values.extend(since.map(Value::from));
    values.push(text(&format!("%.%.{}", like(zone.name.as_str()))));
    values.extend(addresses.map(text));
    Statement::new("reading the deep names of a zone", &sql, &values)
}

fn deep_names(zone: &Zone, rows: &[mysql_async::Row]) -> DeepNames {
    let mut upto = 0;
    let mut read = Vec::new();
    for row in rows {
        let mut cells = Cells::of(row);
        upto = upto.max(cells.unsigned().unwrap_or(0));
        read.extend(cells.text().and_then(|name| OwnerName::stored(&name).ok()));
    }
    // The pattern lets other blanks and cases through than a name has.
    read.retain(|name| name.is_within(zone.name.as_str()) && name.depth() >= zone.name.depth() + 2);
    DeepNames { names: names::sorted(read), upto }
}

/// The pattern of the names that addresses have: in the reverse trees nearly all.
fn addresses(zone: &Zone) -> Option<&'static str> {
    const OCTETS: &str = "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){1,4}in-addr[.]arpa$";
    const NIBBLES: &str = "^([0-9a-f][.]){1,32}ip6[.]arpa$";
    if zone.name.is_within("in-addr.arpa") {
        Some(OCTETS)
    } else if zone.name.is_within("ip6.arpa") {
        Some(NIBBLES)
    } else {
        None
    }
}

/// What is used of the budget, decayed linearly since it was last written.
pub(super) const USED: &str = "used * GREATEST(0, LEAST(1, 1 - TIMESTAMPDIFF(MICROSECOND, at, \
     UTC_TIMESTAMP(6)) / 3600000000e0))";
