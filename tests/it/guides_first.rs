//! The guides that begin and end an installation, worked through: first install, moving, backup.

use super::{
    guide_support::Guide,
    older_service::{COMMON, Old, reverse, started, table},
    rules_support::dump,
    support::{LIMIT, answers, example, once, sync, vm},
};
use testbed::{Lab, MariaDb, MariaDbOptions, Row, VmSpec};

const ZONE: &str = "cloud.example.org";
const REVERSE: &str = "2.0.192.in-addr.arpa";

/// A cloud whose only domain has the guides' network domain; its account.
fn cloud(lab: &Lab) -> String {
    let world = lab.world();
    let domain = world.add_domain("acme", &world.root(), Some(ZONE));
    world.add_account(&domain, "ops", None)
}

/// Zones of the guides, with an operator's row in the way, and one that says what a VM wants.
async fn live(lab: &Lab) -> String {
    let account = cloud(lab);
    for zone in [ZONE, REVERSE] {
        lab.dns().await.pdnsutil(&["create-zone", zone, "ns1.example.org"]).expect("a zone");
    }
    for (at, name) in ["web1", "www", "same"].into_iter().enumerate() {
        lab.world().create_vm(VmSpec::new(name, &account).v4(&format!("192.0.2.{}", 10 + at)));
    }
    lab.db.insert(ZONE, "www.cloud.example.org", "A", "203.0.113.1", 300).await.expect("a row");
    lab.db.insert(ZONE, "same.cloud.example.org", "A", "192.0.2.12", 300).await.expect("a row");
    account
}

/// Lines of a plan that begin with that mark.
fn marked(plan: &str, mark: &str) -> usize {
    plan.lines().filter(|line| line.trim_start().starts_with(mark)).count()
}

/// Rows that are not SOA, whose serial moves.
async fn rows(lab: &Lab) -> Vec<Row> {
    let rows = dump(lab).await.into_iter();
    rows.filter(|row| row.kind.as_deref() != Some("SOA")).map(|row| Row { id: 0, ..row }).collect()
}

#[tokio::test]
async fn the_first_install_goes_as_its_guide_says() {
    // The guide makes a user, which others must not meet.
    let server = MariaDb::new(MariaDbOptions::default()).unwrap();
    let lab = Lab::on(server.mysql(), "guide_first").await.unwrap();
    live(&lab).await;
    let before = rows(&lab).await;
    let mut guide = Guide::open(&lab, "first-install").await;
    guide.sets("DNS_MODE");
    guide.env.insert("MYSQL_PDNS_USER".into(), "cs_powerdns".into());
    std::fs::write(&guide.env["MYSQL_PDNS_PASSWORD_FILE"], "...\n").unwrap();

    guide.runs("mysqldump --single-transaction pdns > pdns.sql", 0).await;
    guide.sql("CREATE USER 'cs_powerdns'").await;
    guide.sql("GRANT SELECT ON pdns.records TO 'cs_powerdns'").await;
    guide.runs("cs-powerdns schema > schema.sql", 0).await;
    guide.runs("mysql pdns < schema.sql", 0).await;

    let checked = guide.runs("cs-powerdns check", 0).await;
    assert_eq!(checked.lines().filter(|line| line.starts_with("error")).count(), 0, "{checked}");
    let plan = guide.runs("cs-powerdns plan", 2).await;
    assert!(plan.contains("+ web1.cloud.example.org 60 A 192.0.2.10"), "{plan}");
    assert!(plan.contains("; 1 blocked") && plan.contains("1 claim satisfied"), "{plan}");
    assert_eq!((marked(&plan, "- "), marked(&plan, "~ ")), (0, 0), "{plan}");
    assert_eq!(rows(&lab).await, before, "`plan` writes nothing");
    let why = guide.shell("cs-powerdns explain www.cloud.example.org", 0).await;
    assert!(why.contains("203.0.113.1"), "{why}");

    guide.runs("DNS_MODE=create-only cs-powerdns sync", 0).await;
    let web1 = guide.runs("dig +short web1.cloud.example.org @10.252.2.1", 0).await;
    assert_eq!(web1, "192.0.2.10\n");
    let dry = guide.runs("cs-powerdns adopt --all --dry-run", 2).await;
    assert!(dry.contains("same.cloud.example.org A 192.0.2.12"), "{dry}");
    guide.runs("cs-powerdns adopt --all", 0).await;
    answers(&lab, "same.cloud.example.org", "A", &["192.0.2.12"]).await;
    answers(&lab, "www.cloud.example.org", "A", &["203.0.113.1"]).await;

    // The TTL of what was taken becomes ours.
    guide.runs("DNS_MODE=sync cs-powerdns plan", 2).await;
    let mut controller = guide.serves("DNS_MODE=sync cs-powerdns run").await;
    guide.shell("cs-powerdns purge", 1).await;
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();

    guide.runs("cs-powerdns purge --dry-run", 2).await;
    guide.runs("cs-powerdns purge", 0).await;
    let left: Vec<Row> = before.into_iter().filter(|row| !row.name.starts_with("same.")).collect();
    assert_eq!(rows(&lab).await, left, "what it found is there again, but for what `adopt` took");
    guide.shell("mysql pdns < pdns.sql", 0).await;
    guide.ends();
}

#[tokio::test]
async fn moving_from_the_older_service_goes_as_its_guide_says() {
    let lab = Lab::new("guide_moving").await;
    example(&lab).await;
    lab.db.zone(COMMON).await.unwrap();
    table(&lab).await;
    let (living, gone) =
        (Old::create(&lab, "web1", 1, Some("www")), Old::create(&lab, "old1", 2, Some("www")));
    for vm in [&living, &gone] {
        started(&lab, vm, true).await;
    }
    lab.world().silent().destroy_vm(&gone.id);
    let mut guide = Guide::open(&lab, "moving").await;
    guide.env.insert("DNS_COMMON_ZONE".into(), COMMON.into());
    guide.env.insert("DNS_ADD_TO_COMMON_ZONE".into(), "true".into());
    let schema = guide.runs("cs-powerdns schema", 0).await;
    assert!(schema.contains(".cs_mapping TO "), "{schema}");
    guide.runs("cs-powerdns adopt --all --from-cs-mapping --dry-run", 2).await;
    guide.runs("cs-powerdns adopt --all --from-cs-mapping", 0).await;
    answers(&lab, "web1.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "old1.domain.com", "A", &["192.0.2.2"]).await;
    let plan = guide.runs("cs-powerdns plan", 2).await;
    assert!(plan.contains("- old1.domain.com 60 A 192.0.2.2"), "{plan}");
    let controller = guide.serves("cs-powerdns run").await;
    answers(&lab, "old1.domain.com", "A", &[]).await;
    answers(&lab, "web1.common.org", "A", &["192.0.2.1"]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &[]).await;
    answers(&lab, &reverse("2001:db8::2").1, "PTR", &[]).await;
    drop(controller);
    let left = guide.runs("cs-powerdns plan --unexplained", 0).await;
    assert!(!left.contains("old1"), "{left}");
    guide.sql("DROP TABLE cs_mapping").await;
    guide.ends();
}

#[tokio::test]
async fn backup_and_restore_go_as_their_guide_says() {
    let lab = Lab::new("guide_backup").await;
    example(&lab).await;
    let world = lab.world().silent();
    let [_, changed, gone] = [("kept", 1), ("changed", 2), ("gone", 3)]
        .map(|(name, at)| world.create_vm(vm(name, &format!("192.0.2.{at}"))));
    sync(&lab, &[]).await;
    let mut guide = Guide::open(&lab, "backup").await;
    guide.runs("mysqldump --single-transaction pdns > pdns.sql", 0).await;
    world.set_address(&changed, Some("192.0.2.12"), None);
    world.destroy_vm(&gone);
    world.create_vm(vm("new", "192.0.2.4"));
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;

    guide.runs("mysql pdns < pdns.sql", 0).await;
    guide.runs("cs-powerdns check", 0).await;
    let plan = guide.runs("cs-powerdns plan", 2).await;
    for line in [
        "+ new.domain.com 60 A 192.0.2.4",
        "- gone.domain.com 60 A 192.0.2.3",
        "~ changed.domain.com 60 A 192.0.2.2 -> 192.0.2.12",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    let mut controller = guide.serves("cs-powerdns run").await;
    answers(&lab, "new.domain.com", "A", &["192.0.2.4"]).await;
    answers(&lab, "gone.domain.com", "A", &[]).await;
    answers(&lab, "changed.domain.com", "A", &["192.0.2.12"]).await;
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();

    // The ledger is lost.
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs\\_powerdns\\_%'").await.unwrap();
    assert!(tables.len() > 3, "{tables:?}");
    for table in tables {
        lab.db.exec(&format!("DROP TABLE {table}")).await.unwrap();
    }
    let plan = once(&lab, &["plan"], &[]).await;
    assert!(plan.code == 0 && plan.stdout.contains("6 claims satisfied"), "{}", plan.stdout);
    guide.runs("cs-powerdns adopt --all --dry-run", 2).await;
    guide.runs("cs-powerdns adopt --all", 0).await;
    let plan = once(&lab, &["plan"], &[]).await;
    assert!(plan.code == 0 && !plan.stdout.contains("satisfied"), "{}", plan.stdout);
    lab.db.insert("domain.com", "stray.domain.com", "A", "192.0.2.99", 60).await.unwrap();
    let stray = guide.runs("cs-powerdns plan --unexplained", 0).await;
    assert!(stray.contains("stray.domain.com"), "{stray}");

    // The rows are lost.
    lab.db.exec("DELETE FROM records WHERE type IN ('A', 'PTR')").await.unwrap();
    sync(&lab, &[]).await;
    answers(&lab, "kept.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "4.2.0.192.in-addr.arpa", "PTR", &["new.domain.com."]).await;
    guide.ends();
}
