//! What `schema` prints is exactly enough, and without it the program says so.

use super::support::{LIMIT, answers, example, once, sync, vm};
use mysql_async::{OptsBuilder, Pool, prelude::Queryable};
use testbed::{Lab, VmSpec};

/// The statements that `schema` prints for this lab.
async fn schema(lab: &Lab) -> Vec<String> {
    let output = once(lab, &["schema"], &[]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    let lines = output.stdout.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Runs the tables as an administrator and leaves the user nothing but the printed grants, of those that
/// `keep` likes.
async fn apply(lab: &Lab, keep: impl Fn(&str) -> bool) {
    let statements = schema(lab).await;
    let (grants, tables): (Vec<_>, Vec<_>) =
        statements.iter().map(String::as_str).partition(|sql| sql.starts_with("GRANT"));
    for table in tables.into_iter().filter(|sql| keep(sql)) {
        lab.db.exec(table).await.unwrap();
    }
    let grants: Vec<&str> = grants.into_iter().filter(|sql| keep(sql)).collect();
    lab.db.limit_to(&grants).await.unwrap();
}

/// Asks as the controller's user.
async fn ask(lab: &Lab, sql: &str) -> Result<(), String> {
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(lab.db.mysql.port)
        .prefer_socket(false)
        .db_name(Some(&lab.db.name))
        .user(Some(&lab.db.user))
        .pass(Some(&lab.db.password));
    let pool = Pool::new(options);
    let mut connection = pool.get_conn().await.map_err(|error| error.to_string())?;
    let asked = connection.query_drop(sql).await.map_err(|error| error.to_string());
    drop(connection);
    pool.disconnect().await.map_err(|error| error.to_string())?;
    asked
}

async fn our_tables(lab: &Lab) -> usize {
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns\\_%'").await.unwrap();
    tables.len()
}

#[tokio::test]
async fn the_printed_grants_are_enough_and_private_keys_stay_unreadable() {
    let lab = Lab::new("grants").await;
    example(&lab).await;
    apply(&lab, |_| true).await;
    assert_eq!(our_tables(&lab).await, 6);
    // Signed, so that keys, metadata, order names and empty non-terminals are all in play.
    lab.dns().await.pdnsutil(&["secure-zone", "domain.com"]).unwrap();
    let id = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.10") });
    sync(&lab, &[]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.10"]).await;
    lab.world().rename_vm(&id, "web2");
    sync(&lab, &[("DNS_RECORD_TTL", "90")]).await;
    answers(&lab, "web2.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    lab.world().expunge_vm(&id);
    sync(&lab, &[]).await;
    answers(&lab, "web2.domain.com", "A", &[]).await;
    ask(&lab, "SELECT domain_id, active FROM cryptokeys").await.expect("whether a zone is signed");
    for forbidden in [
        "SELECT content FROM cryptokeys",
        "SELECT * FROM cryptokeys",
        "SELECT secret FROM tsigkeys",
        "UPDATE domains SET type = 'SLAVE'",
        "UPDATE records SET name = 'x'",
        "CREATE TABLE mine (a INT)",
        "DROP TABLE cs_powerdns_ledger",
    ] {
        let refused = ask(&lab, forbidden).await.expect_err(forbidden);
        assert!(refused.contains("denied"), "{forbidden}: {refused}");
    }
}

#[tokio::test]
async fn each_printed_grant_on_the_tables_of_powerdns_is_needed() {
    for needed in ["domains", "records", "domainmetadata", "cryptokeys"] {
        let lab = Lab::new(&format!("grant_{needed}")).await;
        example(&lab).await;
        apply(&lab, |sql| !sql.contains(&format!(".{needed} TO"))).await;
        lab.world().create_vm(vm("web", "192.0.2.10"));
        let output = once(&lab, &["sync"], &[]).await;
        assert_eq!(output.code, 1, "without {needed}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(needed), "the error should name {needed}: {}", output.stderr);
    }
}

#[tokio::test]
async fn without_tables_and_the_right_to_make_them_sync_names_schema() {
    let lab = Lab::new("no_tables").await;
    example(&lab).await;
    apply(&lab, |sql| !sql.contains("cs_powerdns_")).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let output = once(&lab, &["sync"], &[]).await;
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("cs-powerdns schema"), "{}", output.stderr);
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "plan works without tables: {}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("web.domain.com"), "{}", plan.stdout);
    assert_eq!(our_tables(&lab).await, 0, "nothing was created");
    // `run` waits for an administrator, and goes on once he has been there.
    let mut controller = super::support::start(&lab, &[]);
    super::support::readiness(&controller, 503, "not ready").await;
    testbed::poll("the log names the verb `schema`", LIMIT, async || {
        let output = controller.output();
        if output.contains("cs-powerdns schema") { Ok(()) } else { Err(output) }
    })
    .await;
    apply(&lab, |_| true).await;
    controller.wait_ready(LIMIT).await.unwrap();
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
}

#[tokio::test]
async fn plan_creates_nothing_even_where_it_could() {
    let lab = Lab::new("plan_creates_nothing").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "{}{}", plan.stdout, plan.stderr);
    assert_eq!(our_tables(&lab).await, 0, "plan created tables");
    assert_eq!(lab.writes_by_user(&[]).await, 0, "plan wrote: {:?}", lab.writes(&[]).await);
}
