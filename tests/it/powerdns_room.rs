//! The PowerDNS room against a real MariaDB with PowerDNS's own schema, one database a test: what is read,
//! the lease, the binding, and the grants.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::powerdns_lab::{Lab, held, name, owned, settings};
use cs_powerdns::{
    model::{Batch, Dnssec, Ending, HeldSet, OwnedRow, RecordType, Serial, SerialKind, ZoneKind},
    powerdns::{Acquire, Approval, Bound, Database, DbError, Settings, WriteError},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

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
