//! `release` and `rebind` as an operator uses them, beside a running controller and without one.

use super::support::{LIMIT, answers, example, once, quick, serve, start, sync, vm};
use mysql_async::prelude::Queryable;
use testbed::{Lab, Output, Row, poll, run_once};

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

async fn contents(lab: &Lab, name: &str) -> Vec<String> {
    lab.db.contents(name, "A").await.expect("the rows")
}

/// How many entries stand at a name, and how many of them are on hold.
async fn entries(lab: &Lab, name: &str) -> (u64, u64) {
    let sql =
        format!("SELECT COUNT(*), COUNT(IF(on_hold, 1, NULL)) FROM cs_powerdns_ledger WHERE name = '{name}'");
    lab.db.query(&sql).await.expect("counts")[0]
}

#[tokio::test]
async fn what_is_released_beside_a_controller_is_written_no_more_until_its_vm_ends() {
    let lab = Lab::new("release_beside").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1s")]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.1"]).await;
    ended(&once(&lab, &["release", "--dry-run", "web.domain.com"], &[]).await, 2);
    assert_eq!(entries(&lab, "web.domain.com").await, (1, 0), "a dry run holds nothing");

    let output = once(&lab, &["release", "WEB.Domain.com."], &[]).await;
    ended(&output, 0);
    assert!(
        output.stdout.starts_with("web.domain.com A 192.0.2.1: on hold (name of VM "),
        "{}",
        output.stdout
    );
    assert_eq!(entries(&lab, "web.domain.com").await, (1, 1));
    ended(&once(&lab, &["release", "--dry-run", "web.domain.com"], &[]).await, 0);

    let before = lab.db.rows("web.domain.com").await.unwrap();
    lab.world().set_address(&id, Some("192.0.2.2"), Some("2001:db8::2"));
    lab.world().create_vm(vm("later", "192.0.2.9"));
    answers(&lab, "later.domain.com", "A", &["192.0.2.9"]).await;
    poll("the controller says that the name is on hold", LIMIT, async || {
        let (_, status) = controller.get("/status").await.map_err(|error| error.to_string())?;
        let told = status.contains("web.domain.com") && status.contains("on hold");
        if told { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(
        lab.db.rows("web.domain.com").await.unwrap(),
        before,
        "a claim on hold follows no new address"
    );

    lab.world().destroy_vm(&id);
    poll("the entries end with the VM", LIMIT, async || match entries(&lab, "web.domain.com").await {
        (0, 0) => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
    assert_eq!(lab.db.rows("web.domain.com").await.unwrap(), before, "its row is the operator's by now");
}

#[tokio::test]
async fn all_names_are_released_even_where_one_has_nothing_to_release() {
    let lab = Lab::new("release_mixed").await;
    example(&lab).await;
    let output = once(&lab, &["release", "web.domain.com"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("owner id `default` is unknown in this database"), "{}", output.stderr);

    let group = "www-edd2ab05.domain.com";
    for at in 1..=3 {
        let spec = vm(&format!("web{at}"), &format!("192.0.2.{at}"));
        lab.world().create_vm(testbed::VmSpec { group: Some("www".into()), ..spec });
    }
    sync(&lab, &[]).await;
    lab.db.insert("domain.com", "theirs.domain.com", "A", "192.0.2.77", 60).await.unwrap();
    for bad in ["a..b", "two words"] {
        let output = once(&lab, &["release", "web1.domain.com", bad], &[]).await;
        ended(&output, 1);
        assert!(output.stderr.contains("no DNS name"), "{}", output.stderr);
    }
    assert_eq!(entries(&lab, "web1.domain.com").await, (1, 0), "a usage error changes nothing");

    let output = once(
        &lab,
        &["release", "theirs.domain.com", "web1.domain.com", group, "3.2.0.192.in-addr.arpa"],
        &[],
    )
    .await;
    ended(&output, 1);
    assert!(output.stderr.contains("theirs.domain.com: nothing of owner id `default`"), "{}", output.stderr);
    assert!(output.stderr.contains("a disabled A row reserves a name"), "{}", output.stderr);
    assert_eq!(entries(&lab, "web1.domain.com").await, (1, 1));
    assert_eq!(entries(&lab, group).await, (3, 3));
    assert_eq!(entries(&lab, "3.2.0.192.in-addr.arpa").await, (1, 1));
    assert_eq!(entries(&lab, "web2.domain.com").await, (1, 0));
    let plan = once(&lab, &["plan"], &[]).await;
    ended(&plan, 0);
    let output = once(&lab, &["release", group, "web1.domain.com"], &[]).await;
    ended(&output, 0);
    assert_eq!(output.stdout.matches("on hold already").count(), 4, "{}", output.stdout);
}

/// A pass has read an entry and is about to replace its row when `release` commits: the hold stands, and
/// so does the row.
#[tokio::test]
async fn a_hold_that_lands_between_reading_and_commit_is_noticed() {
    let lab = Lab::new("release_race").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[]).await;
    let before: Vec<Row> = lab.db.rows("web.domain.com").await.unwrap();
    lab.world().set_address(&id, Some("192.0.2.2"), None);
    let mut verb = lab.db.admin.get_conn().await.unwrap();
    verb.query_drop("START TRANSACTION").await.unwrap();
    let hold = "UPDATE cs_powerdns_ledger SET on_hold = 1 WHERE name = 'web.domain.com'";
    verb.query_drop(hold).await.unwrap();
    let env = quick(&lab, &[]);
    let pass = tokio::spawn(async move { run_once(super::support::PROGRAM, &["sync"], &env).await });
    poll("the pass waits at the ledger", LIMIT, async || {
        let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                   WHERE INFO LIKE '%cs_powerdns_ledger%' AND TIME_MS > 200 AND USER = ";
        let waiting: Vec<u64> = lab.db.query(&format!("{sql}'{}'", lab.db.user)).await.unwrap();
        if waiting[0] > 0 { Ok(()) } else { Err("nobody waits".into()) }
    })
    .await;
    verb.query_drop("COMMIT").await.unwrap();
    ended(&pass.await.unwrap().unwrap(), 0);
    assert_eq!(lab.db.rows("web.domain.com").await.unwrap(), before);
    assert_eq!(entries(&lab, "web.domain.com").await, (1, 1));
}

#[tokio::test]
async fn another_cloud_at_the_same_address_is_refused_until_rebind() {
    const OTHER: &str = "11111111-2222-3333-4444-555555555555";
    let lab = Lab::new("rebind").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let first = once(&lab, &["rebind", "--dry-run"], &[]).await;
    ended(&first, 2);
    assert!(first.stdout.contains("no cloud yet"), "{}", first.stdout);
    sync(&lab, &[]).await;
    ended(&once(&lab, &["rebind", "--dry-run"], &[]).await, 0);
    lab.world().replace_root(OTHER);

    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("cs-powerdns rebind"), "{}", output.stderr);
    let mut controller = start(&lab, &[]);
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 1, "{}", controller.output());
    assert!(controller.output().contains("cs-powerdns rebind"), "{}", controller.output());

    let dry = once(&lab, &["rebind", "--dry-run"], &[]).await;
    ended(&dry, 2);
    ended(&once(&lab, &["sync"], &[]).await, 1);
    let output = once(&lab, &["rebind"], &[]).await;
    ended(&output, 0);
    assert!(output.stdout.ends_with(&format!("bound to {OTHER}\n")), "{}", output.stdout);
    lab.world().create_vm(vm("new", "192.0.2.2"));
    sync(&lab, &[]).await;
    assert_eq!(contents(&lab, "new.domain.com").await, ["192.0.2.2"]);
    let output = once(&lab, &["rebind"], &[]).await;
    ended(&output, 0);
    assert!(output.stdout.contains("nothing to do"), "{}", output.stdout);
}

/// It serves the cloud that it was bound to; it must not go on beside one for the other.
#[tokio::test]
async fn a_controller_that_runs_for_the_old_cloud_ends_at_a_rebind() {
    let lab = Lab::new("rebind_beside").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    let mut controller = serve(&lab, &[]).await;
    let other = Lab::new("rebind_other").await;
    other.world().replace_root("11111111-2222-3333-4444-555555555555");
    let reaches = [
        ("CS_ENDPOINT", other.sim.endpoint()),
        ("CS_API_KEY", other.sim.api_key.clone()),
        ("CS_SECRET_KEY", other.sim.secret_key.clone()),
    ];
    let reaches: Vec<(&str, &str)> = reaches.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ended(&once(&lab, &["rebind"], &reaches).await, 0);
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 1, "{}", controller.output());
    assert!(controller.output().contains("cs-powerdns rebind"), "{}", controller.output());
    assert_eq!(contents(&lab, "web.domain.com").await, ["192.0.2.1"], "a rebind writes no row");
}
