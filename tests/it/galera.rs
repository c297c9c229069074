//! A real cluster (design 9): controllers on two nodes of three, an editor on the third.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::support::{ACCOUNT, beside, example, metric, readiness, serve, vm};
use cs_powerdns::{
    metrics::Metrics,
    model::{Batch, Content, NewRow, OwnerName, RecordType, Seen, Ttl},
    powerdns::{Acquire, Database, Settings, TlsMode},
};
use mysql_async::{Pool, prelude::Queryable};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testbed::{Galera, Lab, PdnsDb, VmSpec, poll};

/// Longer than elsewhere: a node that is gone is missed after 5 s, and then the lease has to lapse.
const LIMIT: Duration = Duration::from_secs(90);
const RETRIES: &str = "cs_powerdns_sql_transactions_total{result=\"retry\"}";

/// Waits until a node shows these addresses at a name, each in one row.
async fn stands(node: &PdnsDb, name: &str, expected: &[&str]) {
    poll(&format!("{name} A is {expected:?}"), LIMIT, async || {
        let found = node.contents(name, "A").await.map_err(|error| format!("{error:#}"))?;
        if found == expected { Ok(()) } else { Err(format!("it is {found:?}")) }
    })
    .await;
}

/// Writes at its node until it is told to end: rows of its own beside the controller's, each time with a step
/// of the serial, and many rows of another zone, which keep the other nodes busy applying them. Returns how
/// many rows of its own were committed.
async fn edit(admin: Pool, over: Arc<AtomicBool>) -> usize {
    let mut connection = admin.get_conn().await.expect("a connection");
    let insert =
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) SELECT id, ";
    let mut written = 0;
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let statements = [
            "START TRANSACTION".to_owned(),
            format!(
                "{insert} CONCAT('b', {round}, '-', seq, '.busy.example'), 'TXT', '\"busy\"', 60, 0, 0, 1 \
                 FROM domains, seq_1_to_100 WHERE domains.name = 'busy.example'"
            ),
            format!("{insert} 'ops{round}.domain.com', 'A', '198.51.100.1', 60, 0, 0, 1 FROM domains WHERE name = 'domain.com'"),
            "UPDATE records SET content = REPLACE(content, CONCAT(' ', SUBSTRING_INDEX(SUBSTRING_INDEX(content, \
             ' ', 3), ' ', -1), ' '), CONCAT(' ', SUBSTRING_INDEX(SUBSTRING_INDEX(content, ' ', 3), ' ', -1) + 1, \
             ' ')) WHERE name = 'domain.com' AND type = 'SOA'"
                .to_owned(),
            "COMMIT".to_owned(),
        ];
        let mut done = Ok(());
        for statement in &statements {
            done = connection.query_drop(statement).await;
            if done.is_err() {
                break;
            }
        }
        match done {
            Ok(()) => written += 1,
            // Whoever comes second at certification has lost.
            Err(_) => connection.query_drop("ROLLBACK").await.expect("it rolls back"),
        }
    }
    written
}

#[tokio::test]
async fn a_cluster_is_written_by_one_controller_at_a_time_beside_its_editors_and_outlives_its_nodes() {
    let mut cluster = Galera::start().await.unwrap();
    let lab = Lab::on(cluster.node(0), "galera").await.unwrap();
    example(&lab).await;
    lab.db.zone("busy.example").await.unwrap();
    let third = lab.db.at(cluster.node(2));
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "6s"), ("DNS_MAX_LOSS_PERCENT", "100")];
    let first = serve(&lab, &settings).await;
    let port = cluster.node(1).port.to_string();
    let mut second = beside(&lab, &[settings[0], settings[1], settings[2], ("MYSQL_PDNS_PORT", &port)]);
    readiness(&second, 200, "role: standby of ").await;

    // Ids are not counted up by one, and the ledger has those that came.
    let step: Vec<u64> = lab.db.query("SELECT @@auto_increment_increment").await.unwrap();
    assert_eq!(step, [3]);
    let ids: Vec<String> = (1..=40)
        .map(|n| {
            let spec = VmSpec { v4: Some(format!("192.0.2.{n}")), ..VmSpec::new(&format!("vm{n}"), ACCOUNT) };
            lab.world().create_vm(spec)
        })
        .collect();
    stands(&third, "vm40.domain.com", &["192.0.2.40"]).await;
    let astray = "SELECT l.name FROM cs_powerdns_ledger l LEFT JOIN records r ON r.id = l.record_id \
                  AND r.name = l.name AND r.type = l.type AND r.content = l.content WHERE r.id IS NULL";
    let unknown = |db: PdnsDb| async move { db.query::<String>(astray).await.unwrap() };
    assert_eq!(unknown(lab.db.at(cluster.node(0))).await, Vec::<String>::new(), "entries without their rows");

    // An editor on another node who changes the same SOA: somebody loses at certification, plans again, and
    // nothing is lost.
    let over = Arc::new(AtomicBool::new(false));
    let editor = tokio::spawn(edit(third.admin.clone(), Arc::clone(&over)));
    let mut round = 0;
    poll("transactions of the controller have lost against the editor's", LIMIT, async || {
        for (n, id) in ids.iter().enumerate() {
            lab.world().set_address(id, Some(&format!("10.0.{round}.{}", n + 1)), None);
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let lost = cluster.status(0, "wsrep_local_bf_aborts").await.map_err(|error| error.to_string())?
            + cluster.status(0, "wsrep_local_cert_failures").await.map_err(|error| error.to_string())?;
        let retries = metric(&first, RETRIES).await?;
        if lost >= 3 && retries >= 3.0 { Ok(()) } else { Err(format!("{lost} have, {retries} tried again")) }
    })
    .await;
    over.store(true, Ordering::Relaxed);
    let written = editor.await.unwrap();
    assert!(written > 0, "the editor never came through");
    for n in 1..=ids.len() {
        stands(&third, &format!("vm{n}.domain.com"), &[&format!("10.0.{}.{n}", round - 1)]).await;
    }
    let his: Vec<usize> =
        third.query("SELECT COUNT(*) FROM records WHERE name LIKE 'ops%.domain.com'").await.unwrap();
    assert_eq!(his, [written], "the editor's rows");
    assert_eq!(unknown(lab.db.at(cluster.node(0))).await, Vec::<String>::new(), "entries without their rows");
    readiness(&first, 200, "role: holder").await;
    readiness(&second, 200, "role: standby of ").await;

    // The holder's node dies.
    cluster.kill(0);
    lab.world().create_vm(vm("orphan", "192.0.2.100"));
    poll("the standby on another node takes over", LIMIT, async || match second.get("/readyz").await {
        Ok((200, body)) if body.contains("role: holder") => Ok(()),
        other => Err(format!("{other:?}\n{}", second.output())),
    })
    .await;
    stands(&third, "orphan.domain.com", &["192.0.2.100"]).await;

    // It comes back, and its controller with it, which takes over when the other one ends.
    cluster.launch(0).await.unwrap();
    readiness(&first, 200, "role: standby of ").await;
    second.sigterm().unwrap();
    assert_eq!(second.wait_exit(LIMIT).await.unwrap(), 0, "{}", second.output());
    readiness(&first, 200, "role: holder").await;
    lab.world().create_vm(vm("later", "192.0.2.101"));
    stands(&third, "later.domain.com", &["192.0.2.101"]).await;
    let nodes = [lab.db.at(cluster.node(0)), lab.db.at(cluster.node(1))];
    for node in &nodes {
        stands(node, "later.domain.com", &["192.0.2.101"]).await;
        assert_eq!(
            node.rows_of_zone("domain.com").await.unwrap(),
            third.rows_of_zone("domain.com").await.unwrap(),
            "all nodes have the same rows"
        );
    }
    assert_eq!(unknown(lab.db.at(cluster.node(2))).await, Vec::<String>::new(), "entries without their rows");
    drop(first);
    no_commit_comes_behind_a_take_over(&cluster, &lab).await;
}

/// A node that is busy applying has not heard of a take-over yet: there the old holder still finds its epoch. It
/// must not commit all the same.
async fn no_commit_comes_behind_a_take_over(cluster: &Galera, lab: &Lab) {
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: cluster.node(0).port,
        database: lab.db.name.clone(),
        user: lab.db.user.clone(),
        password: lab.db.password.clone().into(),
        tls: TlsMode::Disabled,
        ca_file: None,
        owner: "raced".into(),
        lease_ttl: Duration::from_secs(60),
    };
    let old = Database::new(&settings, Arc::new(Metrics::default())).unwrap();
    let (next, editor) = (lab.db.at(cluster.node(1)), lab.db.at(cluster.node(2)));
    let zones = old.reader().zones().await.unwrap();
    let zone = next.query::<u32>("SELECT id FROM domains WHERE name = 'domain.com'").await.unwrap()[0];
    for round in 0..3 {
        let lease = match old.acquire("old").await.unwrap() {
            Acquire::Held(lease) => lease,
            busy @ Acquire::Busy { .. } => panic!("{busy:?}"),
        };
        let text = format!("raced{round}.domain.com");
        let at = OwnerName::parse(&text).unwrap();
        let row = NewRow {
            zone,
            name: at.clone(),
            rtype: RecordType::A,
            content: Content::V4([192, 0, 2, 200].into()),
            ttl: Ttl(60),
            auth: true,
            ordername: None,
        };
        let batch = Batch {
            inserts: vec![row],
            seen: vec![Seen { name: at, rows: vec![], entries: vec![] }],
            ..Batch::default()
        };
        // Much to apply, then the take-over, then the old holder's transaction.
        let much = format!(
            "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) SELECT id, \
             CONCAT('m{round}-', seq, '.busy.example'), 'TXT', '\"much\"', 60, 0, 0, 1 \
             FROM domains, seq_1_to_30000 WHERE domains.name = 'busy.example'"
        );
        editor.exec(&much).await.unwrap();
        let take_over = async {
            next.exec("UPDATE cs_powerdns_owner SET epoch = epoch + 1 WHERE owner_id = 'raced'")
                .await
                .unwrap();
            // Whatever stands before it in the cluster's order has been applied here by now.
            next.contents(&text, "A").await.unwrap()
        };
        let late = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            old.writer(&lease).commit(&batch, &zones).await
        };
        let (before, committed) = tokio::join!(take_over, late);
        let free = "UPDATE cs_powerdns_owner SET holder = '', expires_at = UTC_TIMESTAMP(6) WHERE owner_id = 'raced'";
        next.exec(free).await.unwrap();
        let expected: &[&str] = &[];
        if before == expected {
            assert!(committed.is_err(), "{text} was committed behind the take-over");
        }
        let after: Vec<String> = lab.db.contents(&text, "A").await.unwrap();
        assert_eq!(after, before, "{text} has what it had at the take-over, {committed:?}");
        poll("the node of the old holder has heard of it", LIMIT, async || {
            let held: Vec<String> = lab
                .db
                .query("SELECT holder FROM cs_powerdns_owner WHERE owner_id = 'raced'")
                .await
                .map_err(|error| format!("{error:#}"))?;
            if held == [""] { Ok(()) } else { Err(format!("{held:?} holds it")) }
        })
        .await;
    }
}
