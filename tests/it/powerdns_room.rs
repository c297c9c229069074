//! The PowerDNS room against a real MariaDB with PowerDNS's own schema, one database a test.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use cs_powerdns::{
    metrics::Metrics,
    model::{
        AccountId, Batch, Content, Dnssec, Ending, Entry, EntryPut, HeldSet, Kind, NewRow, OwnedRow,
        OwnerName, RecordType, Reorder, Row, Seen, Serial, SerialKind, Ttl, VmId, ZoneKind, Zones,
    },
    powerdns::{
        Acquire, Approval, Bound, Database, DbError, Lease, NameRows, Settings, TlsMode, WriteError, Writer,
    },
};
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::sync::mpsc;

const SCHEMA: &str = "/usr/share/pdns-backend-mysql/schema/schema.mysql.sql";

fn port() -> u16 {
    testbed::shared().port
}

struct Lab {
    name: String,
    root: Conn,
    db: Database,
    metrics: Arc<Metrics>,
}

fn options(database: Option<&str>) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port())
        .user(Some("root"))
        .db_name(database)
        .prefer_socket(false)
}

fn settings(name: &str, owner: &str) -> Settings {
    Settings {
        host: "127.0.0.1".into(),
        port: port(),
        database: name.into(),
        user: "root".into(),
        password: String::new().into(),
        tls: TlsMode::Preferred,
        ca_file: None,
        owner: owner.into(),
        lease_ttl: Duration::from_secs(15),
    }
}

impl Lab {
    /// A database with zone 1 `example.org` (serial 7) and zone 2 `2.0.192.in-addr.arpa`, without our tables.
    async fn bare(test: &str) -> Self {
        let name = format!("room_{test}");
        let mut root = Conn::new(options(None)).await.unwrap();
        root.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        root.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        root.query_drop(format!("USE {name}")).await.unwrap();
        for statement in std::fs::read_to_string(SCHEMA).unwrap().split(';') {
            if !statement.trim().is_empty() {
                root.query_drop(statement).await.unwrap();
            }
        }
        root.query_drop(
            "INSERT INTO domains (id, name, type) VALUES (1, 'example.org', 'NATIVE'),
             (2, '2.0.192.in-addr.arpa', 'MASTER')",
        )
        .await
        .unwrap();
        root.query_drop(
            "INSERT INTO records (domain_id, name, type, content, ttl) VALUES
             (1, 'example.org', 'SOA', 'ns.example.org host.example.org 7 1 2 3 4', 60),
             (2, '2.0.192.in-addr.arpa', 'SOA', 'ns.example.org host.example.org 7 1 2 3 4', 60)",
        )
        .await
        .unwrap();
        let metrics = Arc::new(Metrics::default());
        let db = Database::new(&settings(&name, "mine"), Arc::clone(&metrics)).unwrap();
        Self { name, root, db, metrics }
    }

    async fn with_tables(test: &str) -> Self {
        let lab = Self::bare(test).await;
        lab.db.ensure_tables().await.unwrap();
        lab
    }

    async fn sql(&mut self, sql: &str) {
        self.root.query_drop(sql).await.unwrap();
    }

    async fn one<T: mysql_async::prelude::FromValue + Send + 'static>(&mut self, sql: &str) -> T {
        self.root.query_first::<Option<T>, _>(sql).await.unwrap().flatten().unwrap()
    }

    async fn lease(&self) -> Lease {
        held(self.db.acquire("host:1").await.unwrap())
    }

    async fn names(&self, names: &[&str]) -> NameRows {
        let names: Vec<OwnerName> = names.iter().map(|text| name(text)).collect();
        self.db.reader().names(&names).await.unwrap()
    }

    async fn zones(&self) -> Zones {
        self.db.reader().zones().await.unwrap()
    }

    /// The batch that publishes A records at a name as it stands now.
    async fn publish(&self, at: &str, addresses: &[u8]) -> Batch {
        let mut batch = Batch::default();
        for last in addresses {
            let content = Content::V4(Ipv4Addr::new(192, 0, 2, *last));
            batch.inserts.push(NewRow {
                zone: 1,
                name: name(at),
                rtype: RecordType::A,
                content: content.clone(),
                ttl: Ttl(60),
                auth: true,
                ordername: None,
            });
            batch.puts.push(EntryPut { entry: entry(at, content) });
        }
        batch.seen = vec![self.seen(at).await];
        batch
    }

    async fn seen(&self, at: &str) -> Seen {
        seen(&self.names(&[at]).await, at)
    }

    async fn commit(&self, writer: &Writer, batch: &Batch) -> Result<Vec<u64>, WriteError> {
        writer.commit(batch, &self.zones().await).await.map(|done| done.ids)
    }
}

fn held(acquire: Acquire) -> Lease {
    match acquire {
        Acquire::Held(lease) => lease,
        busy @ Acquire::Busy { .. } => panic!("{busy:?}"),
    }
}

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn entry(at: &str, content: Content) -> Entry {
    Entry {
        zone: 1,
        name: name(at),
        rtype: RecordType::A,
        content,
        ttl: Ttl(60),
        record: 0,
        owner: "mine".into(),
        vm: VmId::from_u128(1),
        account: AccountId::from_u128(2),
        kind: Kind::Name,
        held: None,
        on_hold: false,
    }
}

fn seen(rows: &NameRows, at: &str) -> Seen {
    Seen { name: name(at), rows: rows.rows_at(at).to_vec(), entries: rows.entries_at(at).to_vec() }
}

fn owned(rows: &NameRows, at: &str) -> Vec<(OwnedRow, Entry)> {
    let prove = |entry: &Entry| {
        let row = rows.rows_at(at).iter().find_map(|row| OwnedRow::prove(entry, row))?;
        Some((row, entry.clone()))
    };
    rows.entries_at(at).iter().filter_map(prove).collect()
}

#[tokio::test]
async fn zones_are_read_with_everything_that_their_rows_depend_on() {
    let mut lab = Lab::bare("zones").await;
    lab.sql(
        "INSERT INTO domains (id, name, type) VALUES (3, 'No-Soa.org', 'NATIVE'), (4, 'off.org', 'NATIVE'),
         (5, 'Nsec.org', 'NATIVE'), (6, 'nsec3.org', 'NATIVE'), (7, 'pre.org', 'SLAVE'), (8, 'bad.org', 'NATIVE')",
    )
    .await;
    lab.sql(
        "INSERT INTO records (domain_id, name, type, content, disabled) VALUES (4, 'off.org', 'SOA', 'a b 1 2 3 4 5', 1),
         (5, 'nsec.ORG', 'soa', 'a b 9 2 3 4 5', 0), (6, 'nsec3.org', 'SOA', 'a b 1 2 3 4 5', 0),
         (7, 'pre.org', 'SOA', 'a b 1 2 3 4 5', 0), (8, 'bad.org', 'SOA', 'a b 1 2', 0),
         (5, 'x.nsec.org', 'SOA', 'a b 99 2 3 4 5', 0)",
    )
    .await;
    lab.sql(
        "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (6, 'NSEC3PARAM', '1 1 5 ab12'),
         (5, 'SOA-EDIT-API', 'EPOCH'), (7, 'PRESIGNED', '1'), (1, 'NSEC3PARAM', '1 0 0 -')",
    )
    .await;
    lab.sql(
        "INSERT INTO cryptokeys (domain_id, flags, active) VALUES (5, 257, 1), (6, 257, 1), (6, 256, 1), (1, 257, 0)",
    )
    .await;
    let zones = lab.zones().await;
    let mut found: Vec<_> = zones.iter().map(|zone| zone.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["2.0.192.in-addr.arpa", "bad.org", "example.org", "nsec.org", "nsec3.org", "pre.org"]);
    let zone = |name| zones.named(name).unwrap();
    assert_eq!(zone("example.org").dnssec, Dnssec::Unsigned, "an inactive key does not sign");
    assert_eq!((&zone("nsec.org").dnssec, zone("nsec.org").serial_kind), (&Dnssec::Nsec, SerialKind::Epoch));
    assert!(matches!(zone("nsec3.org").dnssec, Dnssec::Nsec3 { iterations: 5, opt_out: true, .. }));
    assert!(zone("pre.org").presigned && zone("pre.org").kind == ZoneKind::Secondary);
    assert!(zone("bad.org").soa.is_none() && zone("bad.org").unwritable().is_some());
    assert_eq!(zone("2.0.192.in-addr.arpa").kind, ZoneKind::Primary);
    let serials = lab.db.reader().serials().await.unwrap();
    assert_eq!(
        serials,
        [(1, Serial(7)), (2, Serial(7)), (5, Serial(9)), (6, Serial(1)), (7, Serial(1))],
        "a SOA below the apex is none"
    );
}

#[tokio::test]
async fn names_come_in_odd_case_and_without_our_tables() {
    let mut lab = Lab::bare("names").await;
    lab.sql(
        "INSERT INTO records (domain_id, name, type, content, ttl, disabled, auth) VALUES
         (1, 'WWW.Example.org', 'a', '192.0.2.1', 60, 0, 1), (1, 'www.example.org ', 'A', '192.0.2.2', 60, 0, 1),
         (1, 'www.example.org.', 'A', '192.0.2.3', 60, 0, 1), (1, 'www.example.org', 'AAAA', '2001:DB8::1', -1, NULL, NULL),
         (NULL, 'www.example.org', 'A', '192.0.2.4', 60, 0, 1), (1, 'www.example.org', NULL, NULL, NULL, 0, 1)",
    )
    .await;
    assert!(!lab.db.tables_exist().await.unwrap());
    let rows = lab.names(&["www.example.org", "other.example.org"]).await;
    let at = rows.rows_at("www.example.org");
    assert_eq!(at.len(), 4, "{at:?}");
    assert_eq!((&at[0].rtype, at[0].content.to_string()), (&RecordType::A, "192.0.2.1".into()));
    assert_eq!(at[1].content.to_string(), "192.0.2.2", "PowerDNS answers a name with trailing blanks");
    assert_eq!((at[2].ttl, at[2].disabled, at[2].auth), (None, true, None));
    assert_eq!(at[3].rtype, RecordType::Ent);
    assert!(rows.rows_at("other.example.org").is_empty() && rows.entries().is_empty());
    assert!(lab.db.reader().standing().await.unwrap().is_none());
    assert_eq!(lab.db.reader().owned_count().await.unwrap(), 0);
    let (sender, _receiver) = mpsc::channel(1);
    assert_eq!(lab.db.reader().audit(sender).await.unwrap().get().entries, 0);
}

#[tokio::test]
async fn a_batch_commits_rows_entries_serial_and_fence_together() {
    let mut lab = Lab::with_tables("commit").await;
    lab.sql("INSERT INTO records (domain_id, name, auth) VALUES (1, 'b.example.org', 0)").await;
    let writer = lab.db.writer(&lab.lease().await);
    let mut batch = lab.publish("a.b.example.org", &[1, 2, 3]).await;
    let ent = lab.names(&["b.example.org"]).await.rows()[0].id;
    batch.reorders =
        vec![Reorder { id: ent, name: name("b.example.org"), zone: 1, auth: true, ordername: None }];
    batch.losses = 5;
    let zones = lab.zones().await;
    let done = writer.commit(&batch, &zones).await.unwrap();
    let today: u32 = lab.one("SELECT DATE_FORMAT(NOW(), '%Y%m%d')").await;
    assert_eq!(done.serials, [(1, Serial(today * 100 + 1))]);

    let rows = lab.names(&["a.b.example.org"]).await;
    let ids: Vec<u64> = rows.rows().iter().map(|row| row.id).collect();
    assert_eq!(done.ids, ids);
    assert_eq!(rows.entries().iter().map(|entry| entry.record).collect::<Vec<_>>(), ids);
    assert_eq!(rows.entries()[0], Entry { record: ids[0], ..batch.puts[0].entry.clone() });
    assert_eq!((rows.rows()[0].auth, rows.rows()[0].disabled), (Some(true), false));
    let row: (Option<i32>, Option<i32>) = lab
        .root
        .query_first("SELECT prio, auth FROM records WHERE content = '192.0.2.1'")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row, (Some(0), Some(1)));
    assert_eq!(lab.one::<u64>("SELECT fence FROM cs_powerdns_owner").await, 1);
    assert_eq!(lab.one::<u64>("SELECT auth FROM records WHERE type IS NULL").await, 1);
    let used = lab.db.reader().budget().await.unwrap();
    assert!((4.9..=5.0).contains(&used), "{used}");
    assert_eq!(lab.db.reader().owned_count().await.unwrap(), 3);
    assert_eq!(lab.zones().await.named("example.org").unwrap().last_serial, Some(done.serials[0].1));

    // All of it again: TTLs, a delete with its ending, and a serial that an editor has set back.
    lab.sql("UPDATE records SET content = 'ns.example.org host.example.org 3 1 2 3 4' WHERE type = 'SOA' AND domain_id = 1")
        .await;
    let owned = owned(&rows, "a.b.example.org");
    let batch = Batch {
        deletes: vec![owned[0].0.clone()],
        retimes: owned[1..].iter().map(|(row, _)| (row.clone(), Ttl(30))).collect(),
        seen: vec![lab.seen("a.b.example.org").await],
        puts: owned[1..]
            .iter()
            .map(|(_, entry)| EntryPut { entry: Entry { ttl: Ttl(30), record: 0, ..entry.clone() } })
            .collect(),
        endings: vec![Ending { entry: owned[0].1.clone(), why: "its VM is gone" }],
        losses: 5,
        ..Batch::default()
    };
    let done = writer.commit(&batch, &lab.zones().await).await.unwrap();
    assert_eq!(done.serials, [(1, Serial(today * 100 + 2))], "above what was written within the hour");
    let rows = lab.names(&["a.b.example.org"]).await;
    assert_eq!(rows.rows().iter().map(|row| row.ttl).collect::<Vec<_>>(), [Some(Ttl(30)); 2]);
    assert_eq!(rows.entries().iter().map(|entry| entry.ttl).collect::<Vec<_>>(), [Ttl(30); 2]);
    let history = lab.db.reader().history(&name("a.b.example.org")).await.unwrap();
    assert_eq!((history.len(), history[0].why.as_str()), (1, "its VM is gone"));
    let used = lab.db.reader().budget().await.unwrap();
    assert!((9.9..=10.0).contains(&used), "{used}");
    lab.sql("UPDATE cs_powerdns_budget SET at = at - INTERVAL 30 MINUTE").await;
    let used = lab.db.reader().budget().await.unwrap();
    assert!((4.9..=5.1).contains(&used), "{used}");
    assert_eq!(lab.metrics.sql.commits.get(), 2);

    // Nothing to write, nothing written.
    writer.commit(&Batch::default(), &lab.zones().await).await.unwrap();
    assert_eq!(lab.one::<u64>("SELECT fence FROM cs_powerdns_owner").await, 2);
}

#[tokio::test]
async fn a_row_that_came_after_the_plan_is_a_conflict_and_nothing_stands() {
    let mut lab = Lab::with_tables("foreign").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.sql("INSERT INTO records (domain_id, name, type, content, ttl) VALUES (1, 'WWW.example.org', 'A', '192.0.2.9', 60)")
        .await;
    let error = lab.commit(&writer, &batch).await.unwrap_err();
    assert!(
        matches!(&error, WriteError::Conflict(why) if why == "www.example.org A 192.0.2.9 has been added")
    );
    let rows = lab.names(&["www.example.org"]).await;
    assert_eq!((rows.rows().len(), rows.entries().len()), (1, 0));
    assert_eq!(lab.db.reader().serials().await.unwrap()[0], (1, Serial(7)));
    assert_eq!(lab.metrics.sql.conflicts.get(), 1);
    // Planned again from what it shows, it goes through on the same connection.
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.commit(&writer, &batch).await.unwrap();
}

#[tokio::test]
async fn a_row_that_an_operator_has_touched_is_not_deleted() {
    let mut lab = Lab::with_tables("guard").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1, 2]).await;
    lab.commit(&writer, &batch).await.unwrap();
    let rows = lab.names(&["www.example.org"]).await;
    let delete = Batch {
        deletes: owned(&rows, "www.example.org").into_iter().map(|(row, _)| row).collect(),
        seen: vec![lab.seen("www.example.org").await],
        ..Batch::default()
    };
    for edit in [
        "UPDATE records SET ttl = 61 WHERE content = '192.0.2.2'",
        "UPDATE records SET ttl = 60, disabled = 1 WHERE content = '192.0.2.2'",
        "UPDATE records SET disabled = 0, content = '192.0.2.3' WHERE content = '192.0.2.2'",
        "UPDATE records SET content = '192.0.2.2', name = 'web.example.org' WHERE content = '192.0.2.3'",
    ] {
        lab.sql(edit).await;
        let error = lab.commit(&writer, &delete).await.unwrap_err();
        assert!(matches!(error, WriteError::Conflict(_)), "{edit}: {error:?}");
        assert_eq!(lab.one::<u64>("SELECT COUNT(*) FROM records WHERE type = 'A'").await, 2);
    }
    let moved = lab.names(&["www.example.org"]).await;
    let stray = moved.entries()[1].record;
    assert_eq!(moved.stray(stray).map(|row| row.name.as_str()), Some("web.example.org"));
    assert!(moved.stray(moved.entries()[0].record).is_none(), "an entry with an equal row has no stray");
    lab.sql("UPDATE records SET name = 'www.example.org.' WHERE name = 'web.example.org'").await;
    let moved = lab.names(&["www.example.org"]).await;
    assert_eq!(moved.stray(stray).map(|row| row.id), Some(stray), "a name that is none still is an edit");
}

#[tokio::test]
async fn content_is_compared_by_bytes() {
    let mut lab = Lab::with_tables("bytes").await;
    let writer = lab.db.writer(&lab.lease().await);
    lab.sql("INSERT INTO records (domain_id, name, type, content, ttl) VALUES (2, '1.2.0.192.in-addr.arpa', 'PTR', 'www.example.org', 60)")
        .await;
    let rows = lab.names(&["1.2.0.192.in-addr.arpa"]).await;
    let row: &Row = &rows.rows()[0];
    let claim =
        Entry { zone: 2, name: row.name.clone(), rtype: RecordType::Ptr, ..entry("x", row.content.clone()) };
    let delete = Batch { deletes: vec![OwnedRow::prove(&claim, row).unwrap()], ..Batch::default() };
    lab.sql("UPDATE records SET content = 'WWW.example.org' WHERE type = 'PTR'").await;
    assert!(matches!(lab.commit(&writer, &delete).await, Err(WriteError::Conflict(_))));
    lab.sql("UPDATE records SET content = 'www.example.org' WHERE type = 'PTR'").await;
    lab.commit(&writer, &delete).await.unwrap();
}

#[tokio::test]
async fn an_entry_of_another_owner_id_is_never_overwritten() {
    let lab = Lab::with_tables("owners").await;
    let other = Database::new(&settings(&lab.name, "theirs"), Arc::default()).unwrap();
    let theirs = other.writer(&held(other.acquire("host:2").await.unwrap()));
    let mine = lab.db.writer(&lab.lease().await);
    let mut batch = lab.publish("www.example.org", &[1]).await;
    batch.puts[0].entry.owner = "theirs".into();
    assert!(matches!(lab.commit(&mine, &batch).await, Err(WriteError::Conflict(_))));
    theirs.commit(&batch, &lab.zones().await).await.unwrap();

    let before = lab.names(&["www.example.org"]).await;
    assert_eq!(&*before.entries()[0].owner, "theirs");
    let claim = Batch {
        puts: vec![EntryPut { entry: Entry { owner: "mine".into(), ..before.entries()[0].clone() } }],
        seen: vec![lab.seen("www.example.org").await],
        ..Batch::default()
    };
    let error = lab.commit(&mine, &claim).await.unwrap_err();
    assert!(matches!(&error, WriteError::Conflict(why) if why.contains("another owner id")), "{error:?}");
    assert_eq!(lab.names(&["www.example.org"]).await, before);

    // What the verb that takes over another owner id's entries does.
    let takeover = Batch {
        endings: vec![Ending { entry: before.entries()[0].clone(), why: "taken over" }],
        ..claim.clone()
    };
    lab.commit(&mine, &takeover).await.unwrap();
    assert_eq!(&*lab.names(&["www.example.org"]).await.entries()[0].owner, "mine");
    assert!(matches!(lab.commit(&mine, &takeover).await, Err(WriteError::Conflict(_))), "it has ended");
}

/// A verb beside the controller holds a claim, another owner id takes an entry over: what the plan did
/// not see is noticed, and what was edited stands.
#[tokio::test]
async fn an_entry_that_was_edited_after_the_plan_is_a_conflict_and_the_edit_stands() {
    let mut lab = Lab::with_tables("entry_edit").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1, 2]).await;
    lab.commit(&writer, &batch).await.unwrap();
    for (edit, what) in [
        (
            "UPDATE cs_powerdns_ledger SET on_hold = 1 WHERE content = '192.0.2.2'",
            "192.0.2.2 has been changed",
        ),
        (
            "UPDATE cs_powerdns_ledger SET held_hash = 9 WHERE content = '192.0.2.2'",
            "192.0.2.2 has been changed",
        ),
        (
            "UPDATE cs_powerdns_ledger SET owner_id = 'theirs' WHERE content = '192.0.2.2'",
            "192.0.2.2 has been changed",
        ),
        ("DELETE FROM cs_powerdns_ledger WHERE content = '192.0.2.2'", "192.0.2.2 has been ended"),
        (
            "INSERT INTO cs_powerdns_ledger SELECT name, type, '192.0.2.7', zone_id, ttl, 0, 'theirs', vm, account, \
             kind, 0, 0, created_at, updated_at FROM cs_powerdns_ledger WHERE content = '192.0.2.1'",
            "192.0.2.7 has been added",
        ),
    ] {
        let rows = lab.names(&["www.example.org"]).await;
        let (row, entry) = owned(&rows, "www.example.org").remove(0);
        let touched = Entry { ttl: Ttl(30), record: 0, ..entry };
        let retime = Batch {
            retimes: vec![(row, Ttl(30))],
            puts: vec![EntryPut { entry: touched }],
            seen: vec![seen(&rows, "www.example.org")],
            ..Batch::default()
        };
        lab.sql(edit).await;
        let before = lab.names(&["www.example.org"]).await;
        let error = lab.commit(&writer, &retime).await.unwrap_err();
        assert!(matches!(&error, WriteError::Conflict(why) if why.ends_with(what)), "{edit}: {error:?}");
        assert_eq!(lab.names(&["www.example.org"]).await, before, "{edit}: nothing else has changed");
    }
}

/// What the re-read cannot lock, since it is not there yet.
#[tokio::test]
async fn of_two_that_write_one_key_at_once_the_second_notices() {
    let lab = Lab::with_tables("twins").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1]).await;
    let mut theirs = Conn::new(options(Some(&lab.name))).await.unwrap();
    let insert = "INSERT INTO cs_powerdns_ledger (name, type, content, zone_id, ttl, record_id, owner_id, vm, account, \
                  kind, created_at, updated_at) VALUES ('www.example.org', 'A', '192.0.2.1', 1, 60, 1, ?, \
                  UUID(), UUID(), 'name', NOW(), NOW())";
    for owner in ["theirs", "mine"] {
        theirs.query_drop("START TRANSACTION").await.unwrap();
        theirs.exec_drop(insert, (owner,)).await.unwrap();
        let (spawned, batch, zones) = (writer.clone(), batch.clone(), lab.zones().await);
        let commit = tokio::spawn(async move { spawned.commit(&batch, &zones).await });
        let mut root = Conn::new(options(None)).await.unwrap();
        testbed::poll("the second waits", super::support::LIMIT, async || {
            let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%cs_powerdns_ledger%' \
                       AND TIME_MS > 200 AND ID <> CONNECTION_ID() AND DB = ?";
            let waiting: Option<u64> = root.exec_first(sql, (&lab.name,)).await.unwrap();
            if waiting == Some(1) { Ok(()) } else { Err(format!("{waiting:?}")) }
        })
        .await;
        theirs.query_drop("COMMIT").await.unwrap();
        let error = commit.await.unwrap().unwrap_err();
        assert!(matches!(error, WriteError::Conflict(_)), "{owner}: {error:?}");
        assert!(lab.names(&["www.example.org"]).await.rows().is_empty(), "{owner}: no row without its entry");
        theirs.query_drop("DELETE FROM cs_powerdns_ledger").await.unwrap();
    }
}

#[tokio::test]
async fn a_line_of_the_ledger_that_is_no_entry_any_more_is_written_anew() {
    let mut lab = Lab::with_tables("nonsense").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.commit(&writer, &batch).await.unwrap();
    lab.sql("UPDATE cs_powerdns_ledger SET vm = 'nonsense'").await;
    lab.sql("DELETE FROM records WHERE type = 'A'").await;
    let batch = lab.publish("www.example.org", &[1]).await;
    assert!(batch.seen[0].entries.is_empty());
    lab.commit(&writer, &batch).await.unwrap();
    assert_eq!(lab.names(&["www.example.org"]).await.entries().len(), 1);
}

#[tokio::test]
async fn a_zone_that_was_signed_after_the_plan_is_read_again() {
    let mut lab = Lab::with_tables("signed").await;
    let writer = lab.db.writer(&lab.lease().await);
    let (batch, zones) = (lab.publish("www.example.org", &[1]).await, lab.zones().await);
    lab.sql("INSERT INTO cryptokeys (domain_id, flags, active) VALUES (1, 257, 1)").await;
    assert!(matches!(writer.commit(&batch, &zones).await, Err(WriteError::Zones(_))));
    assert!(lab.names(&["www.example.org"]).await.rows().is_empty());
}

#[tokio::test]
async fn a_lease_changes_hands_when_it_has_expired_and_fences_the_old_holder() {
    let mut lab = Lab::with_tables("lease").await;
    let old = lab.lease().await;
    assert_eq!(old.epoch(), 1);
    let busy = lab.db.acquire("host:2").await.unwrap();
    assert!(matches!(&busy, Acquire::Busy { holder, expires_in, .. }
        if holder == "host:1" && *expires_in > Duration::from_secs(10)));
    assert!(lab.db.renew(&old).await.unwrap());
    assert!(lab.db.reader().standing().await.unwrap().unwrap().is_held());
    let writer = lab.db.writer(&old);

    lab.sql("UPDATE cs_powerdns_owner SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND").await;
    let new = held(lab.db.acquire("host:2").await.unwrap());
    assert_eq!(new.epoch(), 2);
    assert!(!lab.db.renew(&old).await.unwrap());
    let batch = lab.publish("www.example.org", &[1]).await;
    assert!(matches!(lab.commit(&writer, &batch).await, Err(WriteError::Fenced)));
    assert!(lab.names(&["www.example.org"]).await.rows().is_empty());
    lab.db.release(old).await;
    assert!(
        matches!(lab.db.acquire("host:3").await.unwrap(), Acquire::Busy { .. }),
        "not the old one's to end"
    );

    let beside = lab.db.writer_beside(&lab.db.reader().standing().await.unwrap().unwrap());
    lab.commit(&beside, &batch).await.unwrap();
    let set = HeldSet::new(u32::MAX).unwrap();
    beside.approve(set).await.unwrap();
    assert_eq!(lab.db.reader().approvals().await.unwrap(), [Approval { set, old: false }]);
    beside.withdraw(set).await.unwrap();
    assert!(lab.db.reader().approvals().await.unwrap().is_empty());

    lab.db.release(new).await;
    assert_eq!(held(lab.db.acquire("host:3").await.unwrap()).epoch(), 3);
}

#[tokio::test]
async fn an_owner_id_is_bound_to_one_cloud() {
    let lab = Lab::with_tables("cloud").await;
    let lease = lab.lease().await;
    assert_eq!(lab.db.reader().bound_cloud().await.unwrap(), None);
    assert_eq!(lab.db.bind_cloud(&lease, "a").await.unwrap(), Bound::New);
    assert_eq!(lab.db.bind_cloud(&lease, "a").await.unwrap(), Bound::Same);
    assert_eq!(lab.db.bind_cloud(&lease, "b").await.unwrap(), Bound::Other("a".into()));
    // Whoever holds the lease holds it for the old cloud: it ends with the binding, and only then.
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.db.rebind("a").await.unwrap();
    assert!(lab.db.renew(&lease).await.unwrap(), "bound to the same cloud, nothing ends");
    lab.db.rebind("b").await.unwrap();
    assert!(!lab.db.renew(&lease).await.unwrap());
    assert!(matches!(lab.commit(&lab.db.writer(&lease), &batch).await, Err(WriteError::Fenced)));
    assert_eq!(held(lab.db.acquire("host:2").await.unwrap()).epoch(), 3);
    assert_eq!(lab.db.reader().bound_cloud().await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn an_audit_shows_every_own_entry_with_its_row() {
    let mut lab = Lab::with_tables("audit").await;
    let writer = lab.db.writer(&lab.lease().await);
    for at in 0..10 {
        let addresses: Vec<u8> = (0..=249).collect();
        let batch = lab.publish(&format!("g{at}.example.org"), &addresses).await;
        lab.commit(&writer, &batch).await.unwrap();
    }
    lab.sql("DELETE FROM records WHERE name = 'g3.example.org' AND content = '192.0.2.7'").await;
    lab.sql("UPDATE cs_powerdns_ledger SET vm = 'nonsense' WHERE name = 'g4.example.org' AND content = '192.0.2.7'")
        .await;
    lab.sql("UPDATE cs_powerdns_ledger SET owner_id = 'theirs' WHERE name = 'g5.example.org' LIMIT 10").await;
    let (sender, mut receiver) = mpsc::channel(1);
    let reader = lab.db.reader();
    let audit = tokio::spawn(async move { reader.audit(sender).await });
    let mut all = Vec::new();
    while let Some(chunk) = receiver.recv().await {
        assert!(chunk.len() <= 1000);
        all.extend(chunk);
    }
    let summary = *audit.await.unwrap().unwrap().get();
    assert_eq!((summary.entries, summary.rowless, summary.unreadable), (2490, 1, 1));
    assert_eq!(all.len(), 2489);
    for (entry, row) in &all {
        let gone = entry.name.as_str() == "g3.example.org" && entry.content.to_string() == "192.0.2.7";
        assert_eq!(row.is_none(), gone, "{entry:?}");
        assert!(row.as_ref().is_none_or(|row| OwnedRow::prove(entry, row).is_some()));
    }
    // A receiver that goes away ends the audit with an error, and the connection is not used again.
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    assert!(matches!(lab.db.reader().audit(sender).await, Err(DbError::AuditStopped)));
    lab.db.ping().await.unwrap();
    assert_eq!(lab.db.reader().names_of("theirs").await.unwrap(), [name("g5.example.org")]);
}

#[tokio::test]
async fn deep_names_are_two_or_more_labels_below_the_apex() {
    let mut lab = Lab::bare("deep").await;
    lab.sql(
        "INSERT INTO records (domain_id, name, type, content, ttl, disabled) VALUES (1, 'a.example.org', 'A', '192.0.2.1', 60, 0),
         (1, 'A.b.example.org', 'A', '192.0.2.1', 60, 0), (1, 'a.b.example.org', 'TXT', 'x', 60, 0),
         (1, 'c.d.example.org', 'A', '192.0.2.1', 60, 1), (1, 'e.f.example.org', NULL, NULL, NULL, 0),
         (1, 'x.y.examplexorg', 'A', '192.0.2.1', 60, 0), (1, '_s._tcp.g.example.org', 'SRV', 'x', 60, 0)",
    )
    .await;
    let zones = lab.zones().await;
    let deep = lab.db.reader().deep_names(&[(zones.named("example.org").unwrap(), None)]).await.unwrap();
    assert_eq!(
        deep[0].names,
        [name("_s._tcp.g.example.org"), name("a.b.example.org"), name("c.d.example.org")]
    );
}

#[tokio::test]
async fn a_thousand_rows_go_through_in_one_batch_and_out_again() {
    let mut lab = Lab::with_tables("thousand").await;
    let writer = lab.db.writer(&lab.lease().await);
    let mut batch = Batch::default();
    for at in 0..1000_u32 {
        let one = lab.publish(&format!("h{at}.example.org"), &[]).await;
        batch.seen.extend(one.seen);
        let content = Content::V4(Ipv4Addr::from(0x0a00_0000 + at));
        batch.inserts.push(NewRow {
            zone: 1,
            name: name(&format!("h{at}.example.org")),
            rtype: RecordType::A,
            content: content.clone(),
            ttl: Ttl(60),
            auth: true,
            ordername: None,
        });
        batch.puts.push(EntryPut { entry: entry(&format!("h{at}.example.org"), content) });
    }
    let zones = lab.zones().await;
    let (spawned, rows) = (writer.clone(), batch.clone());
    let known = zones.clone();
    tokio::spawn(async move { spawned.commit(&rows, &known).await }).await.unwrap().unwrap();
    let names: Vec<OwnerName> = batch.seen.iter().map(|seen| seen.name.clone()).collect();
    let rows = lab.db.reader().names(&names).await.unwrap();
    assert_eq!((rows.rows().len(), rows.entries().len()), (1000, 1000));
    let mut out = Batch::default();
    for name in &names {
        for (row, entry) in owned(&rows, name.as_str()) {
            out.deletes.push(row);
            out.endings.push(Ending { entry, why: "test" });
        }
        out.seen.push(seen(&rows, name.as_str()));
    }
    writer.commit(&out, &zones).await.unwrap();
    assert_eq!(lab.one::<u64>("SELECT COUNT(*) FROM records WHERE type = 'A'").await, 0);
    assert_eq!(lab.db.reader().owned_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_locked_row_is_a_retry() {
    let mut lab = Lab::with_tables("locked").await;
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.sql("START TRANSACTION").await;
    lab.sql("SELECT * FROM records WHERE type = 'SOA' FOR UPDATE").await;
    let error = lab.commit(&writer, &batch).await.unwrap_err();
    assert!(matches!(error, WriteError::Retry(_)) && error.is_transient(), "{error:?}");
    lab.sql("ROLLBACK").await;
    lab.commit(&writer, &batch).await.unwrap();
}

#[tokio::test]
async fn the_grants_that_schema_prints_are_enough() {
    let mut lab = Lab::bare("grants").await;
    let user = format!("{}_u", lab.name);
    lab.sql(&format!("DROP USER IF EXISTS '{user}'@'%'")).await;
    lab.sql(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")).await;
    let settings =
        Settings { user: user.clone(), password: "secret".to_owned().into(), ..settings(&lab.name, "mine") };
    let text = {
        let root = Settings { user: "root".into(), password: String::new().into(), ..settings.clone() };
        let db = Database::new(&root, Arc::default()).unwrap();
        db.schema_text().await.unwrap().replace("'root'", &format!("'{user}'"))
    };
    // First without our tables: whoever may not create them is told which verb helps.
    let (tables, grants) = text.split_once("GRANT").unwrap();
    let grants: Vec<String> =
        format!("GRANT{grants}").split(';').map(|text| text.trim().to_owned()).collect();
    for grant in &grants[..4] {
        lab.sql(grant).await;
    }
    let db = Database::new(&settings, Arc::default()).unwrap();
    assert!(!format!("{db:?} {settings:?}").contains("secret"));
    let error = db.ensure_tables().await.unwrap_err();
    assert!(
        matches!(&error, DbError::SchemaMissing { .. }) && error.to_string().contains("schema"),
        "{error}"
    );
    assert_eq!(db.reader().zones().await.unwrap().len(), 2);
    assert!(db.reader().names(&[name("www.example.org")]).await.unwrap().rows().is_empty());

    for statement in tables.split(';').chain(grants.iter().map(String::as_str)) {
        if statement.lines().any(|line| !line.trim().is_empty() && !line.starts_with("--")) {
            lab.sql(statement).await;
        }
    }
    let db = Database::new(&settings, Arc::default()).unwrap();
    db.ensure_tables().await.unwrap();
    let lab = Lab { db, ..lab };
    let writer = lab.db.writer(&lab.lease().await);
    let batch = lab.publish("www.example.org", &[1]).await;
    lab.commit(&writer, &batch).await.unwrap();
    let rows = lab.names(&["www.example.org"]).await;
    let owned = owned(&rows, "www.example.org");
    let out = Batch {
        deletes: vec![owned[0].0.clone()],
        seen: vec![lab.seen("www.example.org").await],
        endings: vec![Ending { entry: owned[0].1.clone(), why: "test" }],
        losses: 1,
        ..Batch::default()
    };
    lab.commit(&writer, &out).await.unwrap();
    let zones = lab.zones().await;
    lab.db.reader().deep_names(&[(zones.named("example.org").unwrap(), None)]).await.unwrap();
    lab.db.close().await;
}
