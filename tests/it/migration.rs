//! From the older service to this one: its database as it leaves it, moved over without a gap.

use super::{
    older_service::{CALLER, COMMON, Old, reverse, started, table},
    support::{LIMIT, example, once, quick, readiness, serve, sync},
};
use std::collections::BTreeMap;
use testbed::{Lab, Output, poll};

const MORE: [(&str, &str); 2] = [("DNS_COMMON_ZONE", COMMON), ("DNS_ADD_TO_COMMON_ZONE", "true")];
const MOVE: [&str; 3] = ["adopt", "--all", "--from-cs-mapping"];

/// Everything that PowerDNS answers at these names.
async fn answers(lab: &Lab, names: &[String]) -> BTreeMap<(String, &'static str), Vec<String>> {
    let dns = lab.dns().await;
    let mut all = BTreeMap::new();
    for name in names {
        for kind in ["A", "AAAA", "PTR"] {
            all.insert((name.clone(), kind), dns.dig(name, kind).expect("an answer"));
        }
    }
    all
}

fn names_of(vm: &Old) -> Vec<String> {
    let mut names = vec![format!("{}.domain.com", vm.name), format!("{}.{COMMON}", vm.name)];
    names.push(reverse(&vm.v4).1);
    names.extend(vm.v6.as_ref().map(|v6| reverse(v6).1));
    if let Some(group) = vm.group {
        names.push(format!("{group}-{}.domain.com", vm.caller));
        names.push(format!("{group}-{}.{COMMON}", vm.caller));
    }
    names
}

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

struct Left {
    living: Vec<Old>,
    gone: Vec<Old>,
}

impl Left {
    fn names(&self) -> Vec<String> {
        self.living.iter().flat_map(names_of).collect()
    }

    fn dead(&self) -> Vec<String> {
        self.gone.iter().flat_map(names_of).filter(|name| !name.starts_with("www-")).collect()
    }
}

/// A cloud and what the older service has made of it: two members of a group, a VM whose group name was
/// hashed from the caller's account, two that are gone and whose end it has missed, one that is destroyed.
/// Every VM was started three times.
async fn leave(lab: &Lab) -> Left {
    example(lab).await;
    lab.db.zone(COMMON).await.expect("a zone");
    table(lab).await;
    let create = |name, last, group| Old::create(lab, name, last, group);
    let mut living = vec![create("web1", 1, Some("www")), create("web2", 2, Some("www"))];
    living.push(Old { caller: CALLER.into(), ..create("db", 3, Some("sql")) });
    let gone = vec![create("old1", 4, Some("www")), create("old2", 5, None), create("old3", 6, None)];
    for vm in living.iter().chain(&gone) {
        for start in 0..3 {
            started(lab, vm, start == 0).await;
        }
    }
    let world = lab.world().silent();
    for vm in &gone {
        world.destroy_vm(&vm.id);
    }
    for vm in &gone[..2] {
        world.expunge_vm(&vm.id);
    }
    Left { living, gone }
}

#[tokio::test]
async fn the_older_services_database_moves_over_without_a_gap() {
    let mut lab = Lab::new("migration").await;
    let left = leave(&lab).await;
    let names = left.names();
    let before = answers(&lab, &names).await;
    assert!(before.values().filter(|answer| !answer.is_empty()).count() > 20, "{before:?}");

    // Without `adopt`: it serves, warns at each start, and changes nobody's answer.
    for start in 1..=2 {
        let mut controller = serve(&lab, &MORE).await;
        poll(&format!("start {start} warns of rows that are not ours"), LIMIT, async || {
            let log = controller.output();
            let told = ["satisfied", "rows of the older service", "cs-powerdns adopt"];
            if told.iter().all(|words| log.contains(words)) { Ok(()) } else { Err(log) }
        })
        .await;
        readiness(&controller, 200, "").await;
        let (_, status) = controller.get("/status").await.unwrap();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert!(status["unadopted"].as_u64() > Some(20), "{status}");
        assert_eq!(answers(&lab, &names).await, before, "start {start}");
        controller.sigterm().unwrap();
        controller.wait_exit(LIMIT).await.unwrap();
    }

    let rows = super::rules_support::dump(&lab).await;
    let dry = once(&lab, &[&MOVE[..], &["--dry-run"]].concat(), &MORE).await;
    ended(&dry, 2);
    assert_eq!(super::rules_support::dump(&lab).await, rows, "--dry-run wrote");

    let moved = once(&lab, &MOVE, &MORE).await;
    ended(&moved, 0);
    let tail = |output: &Output| output.stdout.lines().last().unwrap_or_default().replace("would be: ", "");
    assert_eq!(tail(&dry), tail(&moved), "--dry-run tells what is done");
    assert_eq!(answers(&lab, &names).await, before, "adopt changes no answer:\n{}", moved.stdout);
    for name in left.dead() {
        let found = answers(&lab, std::slice::from_ref(&name)).await;
        assert!(found.values().any(|answer| !answer.is_empty()), "{name} goes with the next pass, not now");
    }
    // The caller's hash: listed, not taken.
    let foreign = format!("left: sql-{CALLER}.domain.com A 192.0.2.3");
    assert!(moved.stdout.contains(&foreign), "{foreign} is not in\n{}", moved.stdout);

    sync(&lab, &[&MORE[..], &[("DNS_MAX_LOSS_PERCENT", "0")]].concat()).await;
    let mut expected = before.clone();
    for kind in ["A", "AAAA"] {
        for zone in ["domain.com", COMMON] {
            let answer = expected.get_mut(&(format!("www-{}.{zone}", &left.living[0].caller), kind)).unwrap();
            answer.retain(|address| address != "192.0.2.4" && address != "2001:db8::4");
        }
    }
    assert_eq!(answers(&lab, &names).await, expected, "the next pass: only the dead member leaves its group");
    for name in left.dead() {
        let found = answers(&lab, std::slice::from_ref(&name)).await;
        assert!(found.values().all(Vec::is_empty), "{name} belongs to a VM that is gone: {found:?}");
    }
    super::rules_support::settled(&mut lab, &MORE).await;
    ended(&once(&lab, &[&MOVE[..], &["--dry-run"]].concat(), &MORE).await, 0);
    // Duplicates of what is ours are gone; those of the caller's group are nobody's business but his.
    for (zone, own) in [("domain.com", true), (COMMON, true), ("2.0.192.in-addr.arpa", true)] {
        let dns = lab.dns().await;
        let said = match dns.pdnsutil(&["check-zone", zone]) {
            Ok(said) => said,
            Err(error) => format!("{error:#}"),
        };
        let duplicates: Vec<&str> = said.lines().filter(|line| line.contains("uplicate")).collect();
        assert_eq!(own, duplicates.iter().all(|line| line.contains(CALLER)), "check-zone {zone}: {said}");
    }
}

#[tokio::test]
async fn what_was_edited_since_stays_and_is_listed() {
    let lab = Lab::new("migration_edited").await;
    let left = leave(&lab).await;
    // A living VM's row, a dead member's row of the group, and a dead VM's PTR.
    for edit in [
        "UPDATE records SET content = '198.51.100.1' WHERE name = 'web1.domain.com' AND type = 'A'",
        "UPDATE records SET content = '198.51.100.5' WHERE name = 'old2.domain.com' AND type = 'A'",
        "UPDATE records SET content = 'mine.domain.com' WHERE name = '5.2.0.192.in-addr.arpa'",
    ] {
        lab.db.exec(edit).await.unwrap();
    }
    let edited = ["web1.domain.com", "old2.domain.com"].map(str::to_owned);
    let a = |all: &BTreeMap<(String, &'static str), Vec<String>>| {
        edited.iter().map(|name| all[&(name.clone(), "A")].clone()).collect::<Vec<_>>()
    };
    let before = a(&answers(&lab, &edited).await);
    let moved = once(&lab, &MOVE, &MORE).await;
    ended(&moved, 0);
    for line in [
        "left: web1.domain.com A 198.51.100.1",
        "left: old2.domain.com A 198.51.100.5",
        "left: 5.2.0.192.in-addr.arpa PTR mine.domain.com",
    ] {
        assert!(moved.stdout.contains(line), "{line} is not in\n{}", moved.stdout);
    }
    sync(&lab, &MORE).await;
    assert_eq!(a(&answers(&lab, &edited).await), before, "an operator's edit stays");
    let ptr = lab.dns().await.dig("5.2.0.192.in-addr.arpa", "PTR").unwrap();
    assert_eq!(ptr, ["mine.domain.com."]);
    assert_eq!(
        lab.dns().await.dig("old2.domain.com", "AAAA").unwrap(),
        Vec::<String>::new(),
        "it was not edited"
    );
    drop(left);
}

#[tokio::test]
async fn the_controller_itself_deletes_what_was_taken_for_vms_that_are_gone() {
    let lab = Lab::new("migration_run").await;
    let left = leave(&lab).await;
    let more = [&MORE[..], &[("DNS_MAX_LOSS_PERCENT", "0"), ("RESYNC_INTERVAL", "1s")]].concat();
    let controller = serve(&lab, &more).await;
    ended(&once(&lab, &MOVE, &more).await, 0);
    for name in left.dead() {
        for kind in ["A", "AAAA", "PTR"] {
            super::support::answers(&lab, &name, kind, &[]).await;
        }
    }
    super::support::answers(&lab, "web1.domain.com", "A", &["192.0.2.1"]).await;
    drop(controller);
}

#[tokio::test]
async fn hostile_lines_of_the_table_are_passed_over() {
    let lab = Lab::new("migration_hostile").await;
    example(&lab).await;
    // The first version's table, without addresses, in another character set, and whatever somebody put in.
    lab.db.exec("CREATE TABLE cs_mapping(uuid TEXT, record TEXT CHARACTER SET utf8mb4)").await.unwrap();
    let gone = "11111111-2222-3333-4444-555555555555";
    for (uuid, record) in [
        (gone, "OLD.Domain.Com."),
        (gone, "old.domain.com"),
        ("no uuid", "old.domain.com"),
        (gone, "no name at all"),
        (gone, ""),
        (gone, "ö.domain.com"),
        ("'; DROP TABLE records; --", "x.domain.com"),
    ] {
        let (uuid, record) = (uuid.replace('\'', "''"), record.replace('\'', "''"));
        lab.db.exec(&format!("INSERT INTO cs_mapping VALUES ('{uuid}', '{record}')")).await.unwrap();
    }
    lab.db.exec("INSERT INTO cs_mapping VALUES (NULL, NULL)").await.unwrap();
    lab.db.insert("domain.com", "old.domain.com", "A", "192.0.2.9", 60).await.unwrap();
    let output = once(&lab, &["adopt", "--from-cs-mapping"], &[]).await;
    ended(&output, 0);
    assert!(output.stdout.contains("taken: old.domain.com A 192.0.2.9"), "{}", output.stdout);
    assert!(output.stdout.contains("cannot be read: 6"), "{}", output.stdout);
    sync(&lab, &[]).await;
    super::support::answers(&lab, "old.domain.com", "A", &[]).await;
}

#[tokio::test]
async fn without_the_table_or_the_right_to_read_it_the_verb_says_so() {
    let lab = Lab::new("migration_no_table").await;
    example(&lab).await;
    let output = once(&lab, &["adopt", "--all", "--from-cs-mapping"], &[]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("cs_mapping") && output.stderr.contains("schema"), "{}", output.stderr);
    let grant = format!("GRANT SELECT ON `{}`.cs_mapping TO", lab.db.name);
    let schema = async || {
        let env = quick(&lab, &[]);
        testbed::run_once(super::support::PROGRAM, &["schema"], &env).await.unwrap().stdout
    };
    assert!(!schema().await.contains(&grant), "no grant on a table that is not there");
    table(&lab).await;
    assert!(schema().await.contains(&grant), "{}", schema().await);
    ended(&once(&lab, &["adopt", "--all", "--from-cs-mapping"], &[]).await, 0);
}
