//! Promise 10 at awkward moments (design 9): a holder that is stopped inside its transaction,
//! an operator's lock, two owner ids whose controllers come and go.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::support::{
    LIMIT, RESYNCS, answers, beside, example, metric, metric_reaches, once, readiness, serve, vm,
};
use mysql_async::{Conn, prelude::Queryable};
use std::{collections::HashMap, time::Duration};
use testbed::{Controller, Lab, PdnsDb, poll, statements};

const RETRIES: &str = "cs_powerdns_sql_transactions_total{result=\"retry\"}";

/// A process of the same owner id with a MySQL user of its own, to tell the two apart in the general log.
async fn other_user(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    let (user, password) = (format!("{}_b", lab.db.user), "secret-of-b");
    lab.db.exec(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")).await.unwrap();
    lab.db.exec(&format!("GRANT ALL ON `{}`.* TO '{user}'@'%'", lab.db.name)).await.unwrap();
    let mut settings = vec![("MYSQL_PDNS_USER", user.as_str()), ("MYSQL_PDNS_PASSWORD", password)];
    settings.extend(more);
    beside(lab, &settings)
}

/// An operator's transaction that holds the SOA of `domain.com`, and not what lies beside it in the index.
async fn operator_locks_the_soa(lab: &Lab) -> Conn {
    let mut operator = lab.db.admin.get_conn().await.unwrap();
    operator.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
    operator.query_drop("START TRANSACTION").await.unwrap();
    let lock = "SELECT id FROM records WHERE name = 'domain.com' AND type = 'SOA' FOR UPDATE";
    operator.query_drop(lock).await.unwrap();
    operator
}

/// The epoch of an owner id, which grows when the lease changes hands.
pub async fn epoch(db: &PdnsDb, owner: &str) -> u64 {
    let sql = format!("SELECT epoch FROM cs_powerdns_owner WHERE owner_id = '{owner}'");
    db.query(&sql).await.unwrap()[0]
}

/// What the general log has of a user since a mark: writes to rows or ledger that were committed.
async fn committed(db: &PdnsDb, user: &str, mark: &str) -> Vec<String> {
    let sql = format!(
        "SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log \
         WHERE command_type IN ('Query', 'Execute') AND event_time >= '{mark}' AND user_host LIKE '{user}[%'"
    );
    let (mut open, mut out) = (HashMap::<u64, Vec<String>>::new(), Vec::new());
    let said = db.query::<(u64, String)>(&sql).await.unwrap();
    let each = |(thread, text): &(u64, String)| {
        statements(text).into_iter().map(|statement| (*thread, statement.to_owned())).collect::<Vec<_>>()
    };
    for (thread, statement) in said.iter().flat_map(each) {
        let open = open.entry(thread).or_default();
        let verb = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let ours = ["records", "cs_powerdns_ledger", "SET fence"].iter().any(|word| statement.contains(word));
        match verb.as_str() {
            "START" | "ROLLBACK" => open.clear(),
            "COMMIT" => out.append(open),
            "INSERT" | "UPDATE" | "DELETE" if ours => open.push(statement),
            _ => {}
        }
    }
    out
}

/// Two processes, the first of which was stopped inside a transaction that makes `old.domain.com`, and the
/// second of which holds the lease. Since the mark; with the VM's id.
struct Stopped {
    lab: Lab,
    first: Controller,
    second: Controller,
    mark: String,
    id: String,
}

impl Stopped {
    async fn new(test: &str) -> Self {
        let lab = Lab::new(test).await;
        example(&lab).await;
        let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "3s")];
        let first = serve(&lab, &settings).await;
        let second = other_user(&lab, &settings).await;
        readiness(&second, 200, "role: standby of ").await;
        let mut operator = operator_locks_the_soa(&lab).await;
        let id = lab.world().create_vm(vm("old", "192.0.2.1"));
        let waits = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{}' AND INFO LIKE '%FOR UPDATE%' \
             AND INFO LIKE '%SOA%' AND TIME_MS > 100",
            lab.db.user
        );
        poll("the first one waits for the SOA inside its transaction", LIMIT, async || {
            let waiting: Vec<u64> = lab.db.query(&waits).await.map_err(|error| format!("{error:#}"))?;
            if waiting[0] > 0 { Ok(()) } else { Err("it does not".into()) }
        })
        .await;
        first.signal("STOP").unwrap();
        operator.query_drop("ROLLBACK").await.unwrap();
        // From now on the SOA is locked by a process that does not move.
        readiness(&second, 200, "role: holder").await;
        let mark = lab.db.now().await.unwrap();
        lab.world().rename_vm(&id, "new");
        Self { lab, first, second, mark, id }
    }

    /// What the second one makes of it: the VM under its new name alone, forward and back.
    async fn served_by_the_second(&self) {
        poll("new.domain.com has its rows", Duration::from_secs(90), async || {
            let found =
                self.lab.db.contents("new.domain.com", "A").await.map_err(|error| format!("{error:#}"))?;
            let back = self.lab.db.contents("1.2.0.192.in-addr.arpa", "PTR").await.unwrap_or_default();
            match (&found[..], &back[..]) {
                ([a], [ptr]) if a == "192.0.2.1" && ptr == "new.domain.com" => Ok(()),
                _ => Err(format!("{found:?} and {back:?}\n{}", self.second.output())),
            }
        })
        .await;
        assert_eq!(self.lab.db.contents("old.domain.com", "A").await.unwrap(), Vec::<String>::new());
    }

    async fn nothing_was_written_by_the_first(&self) {
        let found = committed(&self.lab.db, &self.lab.db.user, &self.mark).await;
        assert_eq!(found, Vec::<String>::new(), "committed by the first\n{}", self.first.output());
        let ours = committed(&self.lab.db, &format!("{}_b", self.lab.db.user), &self.mark).await;
        assert!(
            ours.iter().any(|sql| sql.contains("INTO records")),
            "the log shows what is written: {ours:?}"
        );
    }
}

#[tokio::test]
async fn a_holder_that_was_stopped_inside_its_transaction_cannot_commit_it_after_the_take_over() {
    let it = Stopped::new("stopped_inside").await;
    it.first.signal("CONT").unwrap();
    readiness(&it.first, 200, "role: standby of ").await;
    it.served_by_the_second().await;
    let resyncs = metric(&it.first, RESYNCS).await.unwrap();
    metric_reaches(&it.first, RESYNCS, resyncs + 2.0).await;
    it.nothing_was_written_by_the_first().await;
    it.served_by_the_second().await;
}

/// The locks of its transaction end with its connection, which the server ends.
#[tokio::test]
async fn a_holder_that_stays_stopped_inside_its_transaction_does_not_lock_its_successor_out_for_ever() {
    let it = Stopped::new("stays_stopped").await;
    it.served_by_the_second().await;
    it.lab.world().rename_vm(&it.id, "newer");
    answers(&it.lab, "newer.domain.com", "A", &["192.0.2.1"]).await;
    it.nothing_was_written_by_the_first().await;
}

#[tokio::test]
async fn an_operators_lock_on_a_soa_costs_neither_the_lease_nor_the_other_zones() {
    let lab = Lab::new("soa_locked").await;
    example(&lab).await;
    let domain = lab.world().add_domain("other", &lab.world().root(), Some("other.example"));
    lab.world().add_account_as("11111111-2222-3333-4444-555555555555", &domain, "others", None);
    lab.db.zone("other.example").await.unwrap();
    let settings = [("RESYNC_INTERVAL", "1s"), ("LEASE_TTL", "6s")];
    let first = serve(&lab, &settings).await;
    let second = beside(&lab, &settings);
    readiness(&second, 200, "role: standby of ").await;
    let mut operator = operator_locks_the_soa(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let other = testbed::VmSpec {
        v4: Some("198.51.100.1".into()),
        ..testbed::VmSpec::new("web", "11111111-2222-3333-4444-555555555555")
    };
    lab.world().create_vm(other);
    answers(&lab, "web.other.example", "A", &["198.51.100.1"]).await;
    // Each waits 3 s for the lock: longer than the lease together.
    metric_reaches(&first, RETRIES, 3.0).await;
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), Vec::<String>::new());
    assert_eq!(epoch(&lab.db, "default").await, 1, "the lease changed hands\n{}", first.output());
    operator.query_drop("ROLLBACK").await.unwrap();
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    readiness(&first, 200, "role: holder").await;
    assert_eq!(epoch(&lab.db, "default").await, 1, "the lease changed hands\n{}", first.output());
}

#[tokio::test]
async fn of_two_owner_ids_neither_takes_the_others_lease_nor_its_rows() {
    let lab = Lab::new("two_owner_ids").await;
    example(&lab).await;
    lab.db.zone("common.example").await.unwrap();
    let settings = [("RESYNC_INTERVAL", "1s")];
    let other = [
        settings[0],
        ("OWNER_ID", "other"),
        ("DNS_COMMON_ZONE", "common.example"),
        ("DNS_ADD_TO_COMMON_ZONE", "true"),
    ];
    let first = serve(&lab, &settings).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    let second = beside(&lab, &other);
    answers(&lab, "web.common.example", "A", &["192.0.2.1"]).await;
    drop(first);
    // The lease of `default` lapses, and nobody takes it; its rows stay.
    let held = "SELECT expires_at > UTC_TIMESTAMP(6) FROM cs_powerdns_owner WHERE owner_id = 'default'";
    poll("the lease of the one that was killed lapses", LIMIT, async || {
        let held: Vec<u64> = lab.db.query(held).await.map_err(|error| error.to_string())?;
        if held == [0] { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    let resyncs = metric(&second, RESYNCS).await.unwrap();
    metric_reaches(&second, RESYNCS, resyncs + 2.0).await;
    assert_eq!((epoch(&lab.db, "default").await, epoch(&lab.db, "other").await), (1, 1));
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    let owners = "SELECT CONCAT(owner_id, ' ', name) FROM cs_powerdns_ledger WHERE type = 'A' ORDER BY 1";
    let found: Vec<String> = lab.db.query(owners).await.unwrap();
    assert_eq!(found, ["default web.domain.com", "other web.common.example"]);
    // Even `purge` of the one leaves what is the other's.
    let output = once(&lab, &["purge"], &settings).await;
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    answers(&lab, "web.common.example", "A", &["192.0.2.1"]).await;
    // And then the name is free for the other.
    poll("web.domain.com is the other's", LIMIT, async || {
        let found: Vec<String> = lab.db.query(owners).await.map_err(|error| error.to_string())?;
        if found == ["other web.common.example", "other web.domain.com"] {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}
