//! The PowerDNS room against a real MariaDB: what a transaction writes, and what makes it give up.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::powerdns_lab::{Lab, entry, held, name, options, owned, port, seen, settings};
use cs_powerdns::{
    model::{
        Batch, Content, Ending, Entry, EntryPut, NewRow, OwnedRow, OwnerName, RecordType, Reorder, Row,
        Serial, Ttl,
    },
    powerdns::{Database, Settings, TlsMode, WriteError},
};
use mysql_async::{Conn, prelude::Queryable};
use std::{net::Ipv4Addr, sync::Arc};
use testbed::{Strike, Wire, WireFault};

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
async fn a_commit_without_an_answer_is_to_be_planned_again_whether_it_stands_or_not() {
    let mut lab = Lab::with_tables("lost_commit").await;
    let wire = Wire::mysql(port(), "\0").await.unwrap();
    let through = Settings { port: wire.port, tls: TlsMode::Disabled, ..settings(&lab.name, "mine") };
    let db = Database::new(&through, Arc::default()).unwrap();
    let writer = db.writer(&lab.lease().await);
    for (fault, at, stands) in [(WireFault::Cut, "a.example.org", 0), (WireFault::Lost, "b.example.org", 1)] {
        let batch = lab.publish(at, &[1]).await;
        // It has its connection: READ COMMITTED is a part of the setup.
        db.reader().zones().await.unwrap();
        wire.arm(Some(Strike::NthOf("COMMIT", 1, fault)));
        let done = lab.commit(&writer, &batch).await;
        assert!(matches!(done, Err(WriteError::Retry(_))), "{fault:?}: {done:?}");
        let rows: u64 = lab.one(&format!("SELECT COUNT(*) FROM records WHERE name = '{at}'")).await;
        assert_eq!(rows, stands, "{fault:?}");
    }
    // As the plan sees it then.
    let batch = lab.publish("a.example.org", &[1]).await;
    lab.commit(&writer, &batch).await.unwrap();
}

#[tokio::test]
async fn a_serial_moves_and_every_other_octet_of_its_soa_stays() {
    let mut lab = Lab::with_tables("soa_octets").await;
    let writer = lab.db.writer(&lab.lease().await);
    let soa = "FROM records WHERE type = 'SOA' AND domain_id = 1";
    for (nth, charset, host) in [
        (1, "utf8mb4", "h\u{f6}st\u{1d4b4}".as_bytes()),
        (2, "latin1", "h\u{f6}st\u{1d4b4}".as_bytes()),
        (3, "latin1", b"h\xf6st"),
        (4, "latin1", b"h\\'o\"s?t;--%"),
    ] {
        lab.sql("UPDATE records SET content = 'empty'").await;
        lab.sql(&format!("ALTER TABLE records MODIFY content MEDIUMTEXT CHARACTER SET {charset}")).await;
        let hex = host.iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
        lab.sql(&format!(
            "UPDATE records SET content = CONCAT(0x{hex}, ' host.example.org 7 1 2 3 4') WHERE type = 'SOA'"
        ))
        .await;
        let batch = lab.publish(&format!("w{nth}.example.org"), &[1]).await;
        lab.commit(&writer, &batch).await.unwrap();
        let now: Vec<u8> = lab.one(&format!("SELECT CAST(content AS BINARY) {soa}")).await;
        let fields: Vec<&[u8]> = now.split(|octet| *octet == b' ').collect();
        assert_eq!((fields[0], fields.len()), (host, 7), "{nth}, {charset}");
        assert_ne!(fields[2], b"7", "{nth}, {charset}");
    }
}

#[tokio::test]
async fn no_name_and_no_other_text_leaves_its_quotes() {
    let mut lab = Lab::with_tables("quotes").await;
    let holder = "a'b\\c\"d\0e\u{1a}f\r\n%_?;-- g#/*";
    let lease = held(lab.db.acquire(holder).await.unwrap());
    assert_eq!(lab.one::<String>("SELECT holder FROM cs_powerdns_owner").await, holder);
    assert!(lab.db.renew(&lease).await.unwrap(), "it is found again by that text");
    let writer = lab.db.writer(&lease);
    for at in [
        "o'brien.example.org",
        "a?b.example.org",
        "x';--.example.org",
        "';drop/**/table.example.org",
        "%_#`.example.org",
    ] {
        let batch = lab.publish(at, &[1, 2]).await;
        lab.commit(&writer, &batch).await.unwrap();
        let rows = lab.names(&[at]).await;
        assert_eq!((rows.rows_at(at).len(), rows.entries_at(at).len()), (2, 2), "{at}");
        let mut batch = Batch { seen: vec![seen(&rows, at)], ..Batch::default() };
        for (row, entry) in owned(&rows, at) {
            batch.deletes.push(row);
            batch.endings.push(Ending { entry, why: "'; --" });
        }
        lab.commit(&writer, &batch).await.unwrap();
        assert!(lab.names(&[at]).await.rows().is_empty(), "{at}");
    }
    let ended: u64 = lab.one("SELECT COUNT(*) FROM cs_powerdns_history WHERE why = '\\'; --'").await;
    assert_eq!(ended, 10);
}
