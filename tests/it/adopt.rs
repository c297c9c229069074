//! `adopt`: an operator's word that rows which are there already are to be ours.

use super::{
    rules_support::{dump, rectified, settled},
    support::{ACCOUNT, LIMIT, PROGRAM, answers, example, once, quick, serve, sync, vm},
};
use std::collections::BTreeSet;
use testbed::{Lab, Output, VmSpec, poll, run_once};

const ZONE: &str = "domain.com";

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

fn says(output: &Output, words: &str) {
    assert!(output.stdout.contains(words), "`{words}` is not in\n{}\n{}", output.stdout, output.stderr);
}

async fn owner_of(lab: &Lab, name: &str) -> Vec<String> {
    let sql = format!("SELECT owner_id FROM cs_powerdns_ledger WHERE name = '{name}' ORDER BY type");
    lab.db.query(&sql).await.unwrap_or_default()
}

/// Type, content, TTL and whether it is enabled, of every row of a name.
async fn rows(lab: &Lab, name: &str) -> BTreeSet<(String, String, i64, bool)> {
    let rows = lab.db.rows(name).await.expect("rows").into_iter();
    rows.map(|row| {
        (row.kind.unwrap_or_default(), row.content.unwrap_or_default(), row.ttl.unwrap_or(-1), !row.disabled)
    })
    .collect()
}

async fn hand(lab: &Lab, name: &str, kind: &str, content: &str, ttl: u32) {
    lab.db.insert(ZONE, name, kind, content, ttl).await.expect("an operator's row");
}

#[tokio::test]
async fn all_takes_what_is_equal_and_replaces_nothing() {
    let lab = Lab::new("adopt_all").await;
    example(&lab).await;
    let equal = lab.world().create_vm(vm("equal", "192.0.2.1"));
    lab.world().create_vm(vm("other", "192.0.2.2"));
    lab.world().create_vm(vm("never", "192.0.2.3"));
    for _ in 0..3 {
        hand(&lab, "equal.domain.com", "A", "192.0.2.1", 300).await;
    }
    hand(&lab, "other.domain.com", "A", "198.51.100.1", 300).await;
    hand(&lab, "never.domain.com", "A", "192.0.2.3", 60).await;
    lab.db.exec("UPDATE records SET disabled = 1 WHERE name = 'never.domain.com'").await.unwrap();
    let untouched = [rows(&lab, "other.domain.com").await, rows(&lab, "never.domain.com").await];
    // Before the first run: there are no tables yet, and --dry-run makes none.
    let dry = once(&lab, &["adopt", "--all", "--dry-run"], &[]).await;
    ended(&dry, 2);
    says(&dry, "taken: equal.domain.com A 192.0.2.1");
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns\\_%'").await.unwrap();
    assert_eq!(tables, Vec::<String>::new(), "--dry-run made tables");

    let output = once(&lab, &["adopt", "--all"], &[]).await;
    ended(&output, 0);
    says(&output, "left: other.domain.com A 198.51.100.1");
    says(&output, "cs-powerdns adopt other.domain.com");
    says(&output, "left: never.domain.com A 192.0.2.3");
    says(&output, "1 taken, 2 duplicates removed, 0 replaced, 0 added, 0 holds ended, 2 left");
    assert_eq!(lab.db.rows("equal.domain.com").await.unwrap().len(), 1, "one of three equal rows stays");
    answers(&lab, "equal.domain.com", "A", &["192.0.2.1"]).await;
    assert_eq!([rows(&lab, "other.domain.com").await, rows(&lab, "never.domain.com").await], untouched);
    ended(&once(&lab, &["adopt", "--all", "--dry-run"], &[]).await, 0);

    // From now on it is ours: it follows its VM, and goes with it.
    lab.world().set_address(&equal, Some("192.0.2.7"), None);
    sync(&lab, &[]).await;
    answers(&lab, "equal.domain.com", "A", &["192.0.2.7"]).await;
    lab.world().destroy_vm(&equal);
    sync(&lab, &[]).await;
    answers(&lab, "equal.domain.com", "A", &[]).await;
    assert_eq!([rows(&lab, "other.domain.com").await, rows(&lab, "never.domain.com").await], untouched);
}

#[tokio::test]
async fn a_named_name_replaces_an_operators_row_and_says_so() {
    let lab = Lab::new("adopt_name").await;
    example(&lab).await;
    let id = lab.world().create_vm(VmSpec { v6: Some("2001:db8::1".into()), ..vm("web", "192.0.2.1") });
    lab.world().create_vm(vm("edited", "192.0.2.2"));
    lab.world().create_vm(vm("never", "192.0.2.3"));
    hand(&lab, "web.domain.com", "A", "198.51.100.1", 300).await;
    hand(&lab, "never.domain.com", "A", "198.51.100.3", 300).await;
    hand(&lab, "never.domain.com", "AAAA", "2001:db8::bad", 300).await;
    lab.db.exec("UPDATE records SET disabled = 1 WHERE content = '2001:db8::bad'").await.unwrap();
    sync(&lab, &[]).await;
    let edit = "UPDATE records SET content = '198.51.100.2', ttl = 77 WHERE name = 'edited.domain.com'";
    lab.db.exec(edit).await.unwrap();
    sync(&lab, &[]).await;
    let never = rows(&lab, "never.domain.com").await;

    let names = ["adopt", "WEB.domain.com.", "edited.domain.com", "never.domain.com"];
    let dry = once(&lab, &[&names[..], &["--dry-run"]].concat(), &[]).await;
    ended(&dry, 2);
    answers(&lab, "web.domain.com", "A", &["198.51.100.1"]).await;
    // No mode and no bound on losses forbids what is asked for by name.
    let strict = [("DNS_MODE", "create-only"), ("DNS_MAX_LOSS_PERCENT", "0")];
    let output = once(&lab, &names, &strict).await;
    ended(&output, 0);
    says(&output, "replaced: web.domain.com A 198.51.100.1");
    says(&output, "added: web.domain.com AAAA 2001:db8::1");
    says(&output, "replaced: edited.domain.com A 198.51.100.2");
    says(&output, "left: never.domain.com AAAA 2001:db8::bad");
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "web.domain.com", "AAAA", &["2001:db8::1"]).await;
    answers(&lab, "edited.domain.com", "A", &["192.0.2.2"]).await;
    assert_eq!(rows(&lab, "never.domain.com").await, never, "a disabled row says no, whatever is asked");
    let used: Vec<f64> = lab.db.query("SELECT used FROM cs_powerdns_budget WHERE used > 0").await.unwrap();
    assert_eq!(used, Vec::<f64>::new(), "it draws nothing from the budget");

    lab.world().destroy_vm(&id);
    sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    let unknown = once(&lab, &["adopt", "nobody.domain.com", "edited.domain.com"], &[]).await;
    ended(&unknown, 1);
    assert!(unknown.stderr.contains("nobody.domain.com"), "{}", unknown.stderr);
    ended(&once(&lab, &["adopt"], &[]).await, 1);
    ended(&once(&lab, &["adopt", "--all", "web.domain.com"], &[]).await, 1);
}

/// The older service wrote order names and empty non-terminals in no zone, signed or not.
#[tokio::test]
async fn what_is_adopted_is_as_rectify_zone_would_have_it_in_every_kind_of_zone() {
    let mut lab = Lab::new("adopt_rectify").await;
    example(&lab).await;
    let (world, dns) = (lab.world().clone(), lab.dns().await);
    let deep = world.add_account(&world.root(), "deep", Some("a.b.domain.com"));
    let [v4, v6] = ["2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
    for arguments in [
        &["secure-zone", ZONE][..],
        &["set-nsec3", ZONE, "1 0 5 ab12"],
        &["rectify-zone", ZONE],
        &["secure-zone", v4],
        &["rectify-zone", v4],
    ] {
        dns.pdnsutil(arguments).expect("pdnsutil works");
    }
    world.create_vm(vm("web", "192.0.2.1").v6("2001:db8::1").group("www"));
    world.create_vm(VmSpec::new("low", &deep).v4("192.0.2.2"));
    world.create_vm(vm("other", "192.0.2.3"));
    let ptr = format!("1.{}{v6}", "0.".repeat(23));
    for (zone, name, kind, content) in [
        (ZONE, "web.domain.com", "A", "192.0.2.1"),
        (ZONE, "web.domain.com", "AAAA", "2001:db8::1"),
        (ZONE, "www-edd2ab05.domain.com", "A", "192.0.2.1"),
        (ZONE, "low.a.b.domain.com", "A", "192.0.2.2"),
        (ZONE, "other.domain.com", "A", "198.51.100.3"),
        (v4, "1.2.0.192.in-addr.arpa", "PTR", "web.domain.com"),
        (v4, "2.2.0.192.in-addr.arpa", "PTR", "low.a.b.domain.com"),
        (v6, ptr.as_str(), "PTR", "web.domain.com"),
    ] {
        lab.db.insert(zone, name, kind, content, 60).await.expect("a row of the older service");
    }
    assert_eq!(dns.dig_status("b.domain.com", "A").unwrap(), "NXDOMAIN", "as it was left");
    let parents = [("DNS_PARENT_ZONES", "true")];
    let ids = async || -> Vec<i64> {
        let rows = dump(&lab).await.into_iter();
        rows.filter(|row| matches!(row.kind.as_deref(), Some("A" | "AAAA" | "PTR")))
            .map(|row| row.id)
            .collect()
    };
    let before = ids().await;
    let output = once(&lab, &["adopt", "--all"], &parents).await;
    ended(&output, 0);
    says(&output, "7 taken, 0 duplicates removed");
    assert_eq!(ids().await, before, "the rows themselves stay");
    for zone in [v4, v6] {
        rectified(&lab, zone).await;
    }
    // An operator's row is nobody's to touch, until it is asked for.
    let order = "SELECT ordername IS NULL FROM records WHERE name = 'other.domain.com'";
    assert_eq!(lab.db.query::<bool>(order).await.unwrap(), [true], "the order name of an operator's row");
    ended(&once(&lab, &["adopt", "other.domain.com"], &parents).await, 0);
    rectified(&lab, ZONE).await;
    dns.pdns_control(&["purge"]).expect("PowerDNS forgets what it was asked");
    assert_eq!(dns.dig_status("b.domain.com", "A").unwrap(), "NOERROR", "an empty non-terminal");
    sync(&lab, &parents).await;
    settled(&mut lab, &parents).await;
}

#[tokio::test]
async fn holds_end_also_where_nothing_is_recreated() {
    let lab = Lab::new("adopt_holds").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("released", "192.0.2.1"));
    lab.world().create_vm(vm("deleted", "192.0.2.2"));
    sync(&lab, &[]).await;
    ended(&once(&lab, &["release", "released.domain.com"], &[]).await, 0);
    lab.db.exec("DELETE FROM records WHERE name = 'deleted.domain.com'").await.unwrap();
    let never = [("DNS_RECREATE", "false")];
    lab.world().set_address(&id, Some("192.0.2.9"), None);
    sync(&lab, &never).await;
    answers(&lab, "released.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "deleted.domain.com", "A", &[]).await;
    let output = once(&lab, &["adopt", "--all"], &never).await;
    ended(&output, 0);
    says(&output, "hold ended: released.domain.com A 192.0.2.1");
    says(&output, "hold ended: deleted.domain.com A 192.0.2.2");
    sync(&lab, &never).await;
    answers(&lab, "released.domain.com", "A", &["192.0.2.9"]).await;
    answers(&lab, "deleted.domain.com", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn a_running_controller_serves_what_was_adopted_beside_it() {
    let lab = Lab::new("adopt_beside").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    hand(&lab, "web.domain.com", "A", "198.51.100.1", 300).await;
    let more = [("RESYNC_INTERVAL", "1s")];
    let controller = serve(&lab, &more).await;
    ended(&once(&lab, &["adopt", "web.domain.com"], &more).await, 0);
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    answers(&lab, "web.domain.com", "A", &["192.0.2.2"]).await;
    let (status, body) = controller.get("/readyz").await.unwrap();
    assert_eq!(status, 200, "it still holds its lease: {body}");
}

#[tokio::test]
async fn adopting_for_another_cloud_is_refused() {
    let lab = Lab::new("adopt_other_cloud").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    hand(&lab, "web.domain.com", "A", "192.0.2.1", 300).await;
    // The first verb binds the owner id as a first run would.
    ended(&once(&lab, &["adopt", "--all"], &[]).await, 0);
    lab.db.exec("DELETE FROM cs_powerdns_ledger").await.unwrap();
    lab.world().replace_root("11111111-2222-3333-4444-555555555555");
    let output = once(&lab, &["adopt", "--all"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("11111111-2222-3333-4444-555555555555"), "{}", output.stderr);
    assert_eq!(owner_of(&lab, "web.domain.com").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_operators_edit_while_adopting_is_noticed() {
    let lab = Lab::new("adopt_race").await;
    example(&lab).await;
    sync(&lab, &[]).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    hand(&lab, "web.domain.com", "A", "192.0.2.1", 60).await;
    hand(&lab, "web.domain.com", "A", "192.0.2.1", 60).await;
    let mut operator = lab.db.admin.get_conn().await.unwrap();
    {
        use mysql_async::prelude::Queryable;
        operator.query_drop("START TRANSACTION").await.unwrap();
        let edit = "UPDATE records SET content = '198.51.100.1' WHERE name = 'web.domain.com'";
        operator.query_drop(edit).await.unwrap();
    }
    let env = quick(&lab, &[]);
    let verb = tokio::spawn(async move { run_once(PROGRAM, &["adopt", "--all"], &env).await });
    poll("the verb waits for the operator", LIMIT, async || {
        let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                   WHERE INFO LIKE '%records%' AND COMMAND = 'Query' AND TIME_MS > 300 AND USER = ";
        let waiting: Vec<u64> = lab.db.query(&format!("{sql}'{}'", lab.db.user)).await.unwrap();
        if waiting[0] > 0 { Ok(()) } else { Err("nobody waits".into()) }
    })
    .await;
    {
        use mysql_async::prelude::Queryable;
        operator.query_drop("COMMIT").await.unwrap();
    }
    ended(&verb.await.unwrap().unwrap(), 0);
    assert_eq!(lab.db.contents("web.domain.com", "A").await.unwrap(), ["198.51.100.1"; 2]);
    assert_eq!(
        owner_of(&lab, "web.domain.com").await,
        Vec::<String>::new(),
        "an entry for a row that was edited"
    );
}

#[tokio::test]
async fn entries_of_an_owner_id_that_lapsed_are_taken_and_served() {
    let mut lab = Lab::new("adopt_owner").await;
    example(&lab).await;
    // More than one transaction takes.
    let ids: Vec<String> = (0..600)
        .map(|at| lab.world().create_vm(vm(&format!("vm{at}"), &format!("198.51.{}.{}", at / 250, at % 250))))
        .collect();
    let web = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.1") });
    let old = [("OWNER_ID", "old")];
    let take = ["adopt", "--from-owner", "old"];
    let unknown = once(&lab, &take, &[]).await;
    ended(&unknown, 1);
    assert!(unknown.stderr.contains("`old` is unknown"), "{}", unknown.stderr);
    let controller = serve(&lab, &old).await;
    // 601 addresses, a group's, a reverse name: killed any sooner, there would be something left to do.
    poll("`old` has written everything", LIMIT, async || {
        let found: Vec<u64> =
            lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.unwrap_or_default();
        if found == [603] { Ok(()) } else { Err(format!("{found:?} entries")) }
    })
    .await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    let refused = once(&lab, &take, &[]).await;
    ended(&refused, 1);
    assert!(refused.stderr.contains("in the hands of"), "{}", refused.stderr);
    assert_eq!(owner_of(&lab, "web.domain.com").await, ["old"]);
    controller.kill().unwrap();
    let entries: Vec<u64> = lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.unwrap();
    poll("the lease of `old` lapses, and --dry-run says what would be taken", LIMIT, async || {
        let dry = once(&lab, &["adopt", "--from-owner", "old", "--dry-run"], &[]).await;
        if dry.code == 2 && dry.stdout.contains(&format!("{} entries", entries[0])) {
            return Ok(());
        }
        Err(format!("{} {}{}", dry.code, dry.stdout, dry.stderr))
    })
    .await;
    assert_eq!(owner_of(&lab, "web.domain.com").await, ["old"], "--dry-run took something");
    let output = once(&lab, &take, &[]).await;
    ended(&output, 0);
    says(&output, &format!("took {} entries", entries[0]));
    let left: Vec<u64> =
        lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger WHERE owner_id <> 'default'").await.unwrap();
    assert_eq!(left, [0]);
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&web);
    lab.world().set_address(&ids[7], Some("198.51.100.77"), None);
    sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    answers(&lab, &format!("www-{}.domain.com", &ACCOUNT[..8]), "A", &[]).await;
    answers(&lab, "vm7.domain.com", "A", &["198.51.100.77"]).await;
    ended(&once(&lab, &take, &[]).await, 0);
    ended(&once(&lab, &["adopt", "--from-owner", "default"], &[]).await, 1);
}

#[tokio::test]
async fn an_owner_id_of_another_cloud_is_not_taken() {
    let lab = Lab::new("adopt_owner_cloud").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[("OWNER_ID", "old")]).await;
    sync(&lab, &[]).await;
    lab.db
        .exec("UPDATE cs_powerdns_owner SET cloud = '11111111-2222-3333-4444-555555555555' WHERE owner_id = 'old'")
        .await
        .unwrap();
    let output = once(&lab, &["adopt", "--from-owner", "old"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("11111111-2222-3333-4444-555555555555"), "{}", output.stderr);
    assert_eq!(owner_of(&lab, "web.domain.com").await, ["old"]);
}
