//! The town of the fault sweep: what one pass has to do in it, what it must leave alone, and how it looks
//! afterwards.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::{
    rules_support::dump,
    support::{ACCOUNT, sync},
};
use mysql_async::prelude::Queryable;
use testbed::{Lab, Row, VmSpec};

/// Names of VMs, deep ones included; signed with NSEC3.
pub const ACME: &str = "acme.test";
/// Where an account moves to.
pub const OTHER: &str = "other.test";
pub const V4: &str = "2.0.192.in-addr.arpa";
/// Signed with NSEC.
pub const V6: &str = "8.b.d.0.1.0.0.2.ip6.arpa";
pub const ZONES: [&str; 4] = [ACME, OTHER, V4, V6];

/// The budget counts, and holds nothing.
pub const SETTINGS: [(&str, &str); 2] = [("DNS_PARENT_ZONES", "true"), ("DNS_MAX_LOSS_PERCENT", "99")];

/// All that a pass may write.
const TABLES: [&str; 7] = [
    "records",
    "cs_powerdns_ledger",
    "cs_powerdns_zone",
    "cs_powerdns_owner",
    "cs_powerdns_budget",
    "cs_powerdns_approval",
    "cs_powerdns_history",
];

pub struct Town {
    pub lab: Lab,
    /// A VM of which the database knows nothing yet.
    pub fresh: String,
    /// Its rows before the pass.
    pub before: Vec<Row>,
    /// Those among them that are not ours.
    foreign: Vec<Row>,
    /// Entries that operators have left without their row.
    bare: Vec<String>,
}

/// What is to be the same, whatever has gone wrong: ids, times and serials apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Picture {
    rows: Vec<String>,
    ledger: Vec<String>,
    history: Vec<String>,
    /// Drawn from the budget, which shrinks by a record a minute or so.
    used: i64,
}

impl Picture {
    /// How it differs from what it should be.
    pub fn differs(&self, expected: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, found, expected) in [
            ("row", &self.rows, &expected.rows),
            ("entry", &self.ledger, &expected.ledger),
            ("ended entry", &self.history, &expected.history),
        ] {
            let missing = expected.iter().filter(|line| !found.contains(line));
            lines.extend(missing.map(|line| format!("the {what} is missing: {line}")));
            let more = found.iter().filter(|line| !expected.contains(line));
            lines.extend(more.map(|line| format!("the {what} should not be: {line}")));
            if found.len() != expected.len() {
                lines.push(format!("{} of {what}, not {}", found.len(), expected.len()));
            }
        }
        if self.used != expected.used {
            lines.push(format!("{} drawn from the budget, not {}", self.used, expected.used));
        }
        lines
    }
}

impl Town {
    /// Lets the cloud and the operators do their part; the pass that answers it is still to come.
    pub async fn found(test: &str) -> Self {
        let lab = Lab::new(test).await;
        for zone in ZONES {
            lab.db.zone(zone).await.unwrap();
        }
        sign(&lab).await;
        let world = lab.world().silent();
        let domain = world.add_domain("acme", &world.root(), Some(ACME));
        world.add_account_as(ACCOUNT, &domain, "ops", None);
        let dev = world.add_account(&domain, "dev", None);
        let moving = world.add_account(&domain, "moving", Some(ACME));
        let deep = world.add_account(&domain, "deep", Some(&format!("x.y.{ACME}")));
        let put = |owner: &str, name: &str, host: u32, group: Option<&str>| {
            let v6 = host.is_multiple_of(2).then(|| format!("2001:db8::{host}"));
            let group = group.map(str::to_owned);
            let v4 = Some(format!("192.0.2.{host}"));
            world.create_vm(VmSpec { v4, v6, group, ..VmSpec::new(name, owner) })
        };
        put(ACCOUNT, "stays", 1, Some("www"));
        let addressed = put(ACCOUNT, "addressed", 2, None);
        let renamed = put(ACCOUNT, "old", 3, None);
        let regrouped = put(ACCOUNT, "regrouped", 4, Some("www"));
        let given = put(ACCOUNT, "given", 6, Some("www"));
        let destroyed = put(ACCOUNT, "destroyed", 7, Some("www"));
        let holder = put(ACCOUNT, "twin", 8, None);
        put(&dev, "twin", 9, None);
        put(&moving, "mover1", 20, Some("farm"));
        put(&moving, "mover2", 21, Some("farm"));
        let dug = put(&deep, "dug", 25, None);
        let absent = put(ACCOUNT, "absent", 30, None);
        let edited = put(ACCOUNT, "edited", 40, None);
        put(ACCOUNT, "deleted", 41, None);
        let both = put(ACCOUNT, "both", 42, None);
        sync(&lab, &SETTINGS).await;

        world.set_address(&addressed, Some("192.0.2.12"), Some("2001:db8::12"));
        world.rename_vm(&renamed, "new");
        world.set_group(&regrouped, Some("db"));
        world.move_vm(&given, &dev);
        world.destroy_vm(&destroyed);
        world.destroy_vm(&holder);
        world.set_account_network_domain(&moving, Some(OTHER));
        world.destroy_vm(&dug);
        world.hide_vm(&absent);
        world.set_address(&edited, Some("192.0.2.49"), None);
        world.destroy_vm(&both);
        let fresh = put(ACCOUNT, "fresh", 50, None);
        put(ACCOUNT, "member", 51, Some("www"));
        put(&deep, "digs", 52, None);
        put(ACCOUNT, "his", 43, None);
        put(ACCOUNT, "pointed", 44, None);

        let sql = async |statement: &str| lab.db.exec(statement).await.unwrap();
        sql("UPDATE records SET content = '198.51.100.40' WHERE name = 'edited.acme.test' AND type = 'A'")
            .await;
        sql("DELETE FROM records WHERE name IN ('deleted.acme.test', 'both.acme.test')").await;
        for (zone, name, kind, content) in [
            (ACME, "his.acme.test", "A", "198.51.100.43"),
            (ACME, "stays.acme.test", "TXT", "\"his\""),
            (ACME, "below.new.acme.test", "TXT", "\"his\""),
            (ACME, "www-edd2ab05.acme.test", "A", "198.51.100.1"),
            (OTHER, "mail.other.test", "A", "198.51.100.2"),
            (V4, "44.2.0.192.in-addr.arpa", "PTR", "his.example.net"),
        ] {
            lab.db.insert(zone, name, kind, content, 300).await.unwrap();
        }
        rectify(&lab).await;
        keep(&lab).await;
        let mut town = Self { before: dump(&lab).await, lab, fresh, foreign: vec![], bare: vec![] };
        let ours: Vec<i64> = town.column("SELECT record_id FROM cs_powerdns_ledger").await;
        town.foreign =
            town.before.iter().filter(|row| row.kind.is_some() && !ours.contains(&row.id)).cloned().collect();
        town.bare = town.column(BARE).await;
        town
    }

    /// Everything is as it was before the pass, but for the next record id.
    pub async fn restore(&self) {
        let mut connection = self.lab.db.admin.get_conn().await.unwrap();
        connection.query_drop("START TRANSACTION").await.unwrap();
        for table in TABLES {
            connection.query_drop(format!("DELETE FROM {table}")).await.unwrap();
            connection.query_drop(format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
        }
        connection.query_drop("DELETE FROM kept_serials").await.unwrap();
        connection.query_drop("COMMIT").await.unwrap();
    }

    /// Whoever has the lease is dead, and its time is over.
    pub async fn expire(&self) {
        expire(&self.lab).await;
    }

    async fn column<T: mysql_async::prelude::FromValue + Send + 'static>(&self, sql: &str) -> Vec<T>
    where
        (T,): mysql_async::prelude::FromRow,
    {
        self.lab.db.query::<(T,)>(sql).await.unwrap().into_iter().map(|(cell,)| cell).collect()
    }

    pub async fn picture(&self) -> Picture {
        let mut rows: Vec<String> = dump(&self.lab).await.iter().map(shown).collect();
        rows.sort();
        let ledger = "SELECT CONCAT_WS(' ', zone_id, name, type, content, ttl, owner_id, vm, account, kind, \
                      held_hash, on_hold) FROM cs_powerdns_ledger ORDER BY 1";
        let history = "SELECT CONCAT_WS(' ', zone_id, name, type, content, vm, why) FROM cs_powerdns_history \
                       ORDER BY 1";
        let used: Vec<f64> = self.column("SELECT used FROM cs_powerdns_budget").await;
        #[expect(clippy::cast_possible_truncation, reason = "some dozens")]
        let used = used.iter().sum::<f64>().round() as i64;
        Picture { rows, ledger: self.column(ledger).await, history: self.column(history).await, used }
    }

    /// What must hold whenever no process is at work, also after one has died; what does not.
    pub async fn wrongs(&self) -> Vec<String> {
        let rows = dump(&self.lab).await;
        let mut wrongs = Vec::new();
        let gone = self.foreign.iter().filter(|row| !rows.iter().any(|now| same(row, now)));
        wrongs.extend(gone.map(|row| format!("an operator's row is gone or changed: {row:?}")));
        let bare: Vec<String> = self.column(BARE).await;
        let bare = bare.iter().filter(|entry| !self.bare.contains(entry));
        wrongs.extend(bare.map(|entry| format!("an entry without its row: {entry}")));
        let ours: Vec<i64> = self.column("SELECT record_id FROM cs_powerdns_ledger").await;
        let foreign = |row: &Row| self.foreign.iter().any(|his| his.id == row.id);
        let stray = rows.iter().filter(|row| row.kind.is_some() && !foreign(row) && !ours.contains(&row.id));
        wrongs.extend(stray.map(|row| format!("a row of ours without its entry: {row:?}")));
        let double: Vec<String> = self.column(DOUBLE).await;
        wrongs.extend(double.iter().map(|row| format!("it stands twice: {row}")));
        wrongs
            .extend(went_back(&self.lab).await.iter().map(|serial| format!("a serial went back: {serial}")));
        for zone in ZONES {
            let of = |rows: &[Row]| {
                let id = self.before.iter().find(|row| row.name == zone).map(|row| row.domain_id);
                let rows = rows.iter().filter(|row| Some(row.domain_id) == id);
                rows.filter(|row| row.kind.as_deref() != Some("SOA")).map(shown).collect::<Vec<_>>()
            };
            if of(&rows) != of(&self.before) && serial(&rows, zone) <= serial(&self.before, zone) {
                wrongs.push(format!("{zone} has changed, its serial has not moved"));
            }
        }
        let serials = "SELECT CONCAT(z.name, ' ', z.serial, ', but ', r.content) FROM cs_powerdns_zone z JOIN records r \
                       ON r.domain_id = z.zone_id AND r.type = 'SOA' WHERE \
                       CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(r.content, ' ', 3), ' ', -1) AS UNSIGNED) <> z.serial";
        let other: Vec<String> = self.column(serials).await;
        wrongs.extend(
            other.iter().map(|zone| format!("the serial that we remember is not the zone's: {zone}")),
        );
        wrongs
    }

    /// What `rectify-zone` would change; it has, afterwards.
    pub async fn unrectified(&self) -> Vec<String> {
        let before = dump(&self.lab).await;
        rectify(&self.lab).await;
        let after = dump(&self.lab).await;
        let changed = |one: &[Row], other: &[Row], sign| -> Vec<String> {
            let here = one.iter().filter(|row| row.kind.as_deref() != Some("SOA") && !other.contains(row));
            here.map(|row| format!("{sign} {row:?}")).collect()
        };
        [changed(&before, &after, '-'), changed(&after, &before, '+')].concat()
    }
}

/// Whoever has the lease is dead, and its time is over.
pub async fn expire(lab: &Lab) {
    lab.db.exec("UPDATE cs_powerdns_owner SET expires_at = UTC_TIMESTAMP(6)").await.unwrap();
}

/// Entries without a row of their id, zone, name, type and content.
const BARE: &str = "SELECT CONCAT_WS(' ', l.name, l.type, l.content) FROM cs_powerdns_ledger l LEFT JOIN records r \
     ON r.id = l.record_id AND r.domain_id = l.zone_id AND r.name = l.name AND r.type = l.type AND \
     r.content = l.content WHERE r.id IS NULL";

const DOUBLE: &str = "SELECT CONCAT_WS(' ', name, type, content) FROM records \
     GROUP BY domain_id, name, type, content HAVING COUNT(*) > 1";

/// Steps of serials that were committed and do not go up.
pub async fn went_back(lab: &Lab) -> Vec<String> {
    let sql = "SELECT CONCAT_WS(' to ', old, new) FROM kept_serials WHERE \
               CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(new, ' ', 3), ' ', -1) AS UNSIGNED) <= \
               CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(old, ' ', 3), ' ', -1) AS UNSIGNED)";
    lab.db.query(sql).await.unwrap()
}

/// Copies of the tables.
async fn keep(lab: &Lab) {
    for table in TABLES {
        lab.db.exec(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    witness(lab).await;
}

/// Watches the serials from now on, for [`went_back`].
pub async fn witness(lab: &Lab) {
    lab.db.exec("CREATE TABLE kept_serials (old TEXT, new TEXT) ENGINE=InnoDB").await.unwrap();
    let witness = "CREATE TRIGGER witness AFTER UPDATE ON records FOR EACH ROW BEGIN \
                   IF NEW.type = 'SOA' AND NEW.content <> OLD.content THEN INSERT INTO kept_serials VALUES (OLD.content, NEW.content); END IF; END";
    lab.db.exec(witness).await.unwrap();
}

async fn sign(lab: &Lab) {
    let dns = lab.dns().await;
    for arguments in [&["secure-zone", ACME][..], &["set-nsec3", ACME, "1 0 1 ab"], &["secure-zone", V6]] {
        dns.pdnsutil(arguments).unwrap();
    }
    rectify(lab).await;
}

async fn rectify(lab: &Lab) {
    let arguments: Vec<&str> = std::iter::once("rectify-zone").chain(ZONES).collect();
    lab.dns().await.pdnsutil(&arguments).unwrap();
}

/// A row without its id, and a SOA without its serial.
fn shown(row: &Row) -> String {
    let Row { name, kind, content, ttl, disabled, ordername, auth, domain_id, .. } = row;
    let content = content.as_deref().filter(|_| kind.as_deref() != Some("SOA"));
    format!("{domain_id} {name} {kind:?} {content:?} {ttl:?} {disabled} {ordername:?} {auth:?}")
}

fn same(row: &Row, now: &Row) -> bool {
    row.id == now.id && shown(row) == shown(now)
}

fn serial(rows: &[Row], zone: &str) -> Option<u32> {
    let soa = rows.iter().find(|row| row.name == zone && row.kind.as_deref() == Some("SOA"))?;
    soa.content.as_deref()?.split_whitespace().nth(2)?.parse().ok()
}
