//! `DNS_MODE` and the exit codes (design 7 and 10): what each mode changes, what it leaves, and what `plan`
//! and `sync` say of it.

use super::{
    losses_support::{NOTHING, ended},
    support::{ACCOUNT, example, once, sync, vm},
};
use std::collections::BTreeMap;
use testbed::{Lab, VmSpec};

const UPSERT: (&str, &str) = ("DNS_MODE", "upsert-only");
const CREATE: (&str, &str) = ("DNS_MODE", "create-only");

/// The ids of what [`served`] has made.
struct Vms {
    moved: String,
    renamed: String,
    dead: String,
    holder: String,
    gains: String,
}

/// VMs with their records, and one that waits for a name that another holds.
async fn served(test: &str) -> (Lab, Vms) {
    let lab = Lab::new(test).await;
    let domain = example(&lab).await;
    let world = lab.world();
    let others = world.add_account(&domain, "others", None);
    let vms = Vms {
        moved: world.create_vm(vm("moved", "192.0.2.1")),
        renamed: world.create_vm(vm("old", "192.0.2.2")),
        dead: world.create_vm(vm("dead", "192.0.2.3")),
        holder: world.create_vm(vm("www", "192.0.2.4")),
        gains: world.create_vm(vm("gains", "192.0.2.6")),
    };
    world.create_vm(VmSpec::new("www", &others).v4("192.0.2.5"));
    sync(&lab, &[]).await;
    assert_eq!(records(&lab).await, before());
    (lab, vms)
}

/// Everything that can happen to them, and a VM that is new.
fn change(lab: &Lab, vms: &Vms) {
    let world = lab.world();
    world.set_address(&vms.moved, Some("192.0.2.11"), None);
    world.rename_vm(&vms.renamed, "new");
    world.destroy_vm(&vms.dead);
    world.destroy_vm(&vms.holder);
    world.set_address(&vms.gains, Some("192.0.2.6"), Some("2001:db8::6"));
    world.create_vm(vm("fresh", "192.0.2.7"));
}

type Records = BTreeMap<String, Vec<String>>;

/// All A, AAAA and PTR records: by owner name, each as `TTL content`.
async fn records(lab: &Lab) -> Records {
    let mut found = Records::new();
    for zone in ["domain.com", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        for row in lab.db.rows_of_zone(zone).await.expect("rows") {
            let (Some("A" | "AAAA" | "PTR"), Some(content)) = (row.kind.as_deref(), row.content) else {
                continue;
            };
            let name = row.name.replace(".2.0.192.in-addr.arpa", ".rev").replace(".domain.com", "");
            let name = if name.ends_with("ip6.arpa") { "v6.rev".to_owned() } else { name };
            let text = format!("{} {}", row.ttl.unwrap_or(-1), content.replace(".domain.com", ""));
            found.entry(name).or_default().push(text);
        }
    }
    found
}

/// From lines of `name: TTL content, TTL content`.
fn these(lines: &[&str]) -> Records {
    let line = |line: &&str| {
        let (name, records) = line.split_once(": ").expect("a name and its records");
        (name.to_owned(), records.split(", ").map(str::to_owned).collect())
    };
    lines.iter().map(line).collect()
}

fn before() -> Records {
    these(&[
        "moved: 60 192.0.2.1",
        "old: 60 192.0.2.2",
        "dead: 60 192.0.2.3",
        "www: 60 192.0.2.4",
        "gains: 60 192.0.2.6",
        "1.rev: 60 moved",
        "2.rev: 60 old",
        "3.rev: 60 dead",
        "4.rev: 60 www",
        "6.rev: 60 gains",
    ])
}

/// `plan` says that changes wait, `sync` makes these of it, and after that neither finds anything to do.
async fn comes_to(lab: &mut Lab, mode: &[(&str, &str)], expected: &[&str]) {
    let was = records(lab).await;
    for verb in [&["plan"][..], &["sync", "--dry-run"]] {
        ended(&once(lab, verb, mode).await, 2);
        assert_eq!(records(lab).await, was, "{verb:?} writes nothing");
    }
    sync(lab, mode).await;
    assert_eq!(records(lab).await, these(expected));
    ended(&once(lab, &["plan"], mode).await, 0);
    lab.forget_writes().await;
    sync(lab, mode).await;
    assert_eq!(
        lab.writes(&["cs_powerdns_owner"]).await,
        Vec::<String>::new(),
        "a second pass writes nothing"
    );
}

#[tokio::test]
async fn mode_sync_makes_everything_as_it_should_be() {
    let (mut lab, vms) = served("mode_sync").await;
    change(&lab, &vms);
    let expected = [
        "moved: 60 192.0.2.11",
        "new: 60 192.0.2.2",
        "www: 60 192.0.2.5",
        "gains: 60 192.0.2.6, 60 2001:db8::6",
        "fresh: 60 192.0.2.7",
        "11.rev: 60 moved",
        "2.rev: 60 new",
        "5.rev: 60 www",
        "6.rev: 60 gains",
        "v6.rev: 60 gains",
        "7.rev: 60 fresh",
    ];
    comes_to(&mut lab, &[], &expected).await;
    comes_to(
        &mut lab,
        &[("DNS_RECORD_TTL", "300")],
        &expected.map(|line| line.replace("60 ", "300 ")).each_ref().map(String::as_str),
    )
    .await;
}

#[tokio::test]
async fn mode_upsert_only_lets_go_of_nothing_but_what_its_vm_replaces_and_what_a_waiter_needs() {
    let (mut lab, vms) = served("mode_upsert").await;
    change(&lab, &vms);
    let expected = [
        "moved: 60 192.0.2.11",
        "old: 60 192.0.2.2",
        "new: 60 192.0.2.2",
        "dead: 60 192.0.2.3",
        "www: 60 192.0.2.5",
        "gains: 60 192.0.2.6, 60 2001:db8::6",
        "fresh: 60 192.0.2.7",
        "1.rev: 60 moved",
        "11.rev: 60 moved",
        "2.rev: 60 new",
        "3.rev: 60 dead",
        "4.rev: 60 www",
        "5.rev: 60 www",
        "6.rev: 60 gains",
        "v6.rev: 60 gains",
        "7.rev: 60 fresh",
    ];
    comes_to(&mut lab, &[UPSERT], &expected).await;
    // Back in mode sync, what should not be there goes: those are entries still, not foreign rows.
    sync(&lab, &[]).await;
    assert!(!records(&lab).await.contains_key("dead") && !records(&lab).await.contains_key("old"));
}

#[tokio::test]
async fn mode_create_only_changes_no_rrset_that_exists() {
    let (mut lab, vms) = served("mode_create").await;
    change(&lab, &vms);
    let expected = [
        "moved: 60 192.0.2.1",
        "old: 60 192.0.2.2",
        "new: 60 192.0.2.2",
        "dead: 60 192.0.2.3",
        "www: 60 192.0.2.4",
        "gains: 60 192.0.2.6, 60 2001:db8::6",
        "fresh: 60 192.0.2.7",
        "1.rev: 60 moved",
        "2.rev: 60 old",
        "3.rev: 60 dead",
        "4.rev: 60 www",
        "6.rev: 60 gains",
        "v6.rev: 60 gains",
        "7.rev: 60 fresh",
    ];
    comes_to(&mut lab, &[CREATE], &expected).await;
    // Not even the TTL.
    let more = [CREATE, ("DNS_RECORD_TTL", "300")];
    ended(&once(&lab, &["plan"], &more).await, 0);
    sync(&lab, &more).await;
    assert_eq!(records(&lab).await, these(&expected));
}

#[tokio::test]
async fn a_group_gets_a_member_in_upsert_only_and_none_in_create_only() {
    let lab = Lab::new("mode_group").await;
    example(&lab).await;
    let first = lab.world().create_vm(vm("one", "198.51.100.1").group("www"));
    sync(&lab, &[]).await;
    lab.world().create_vm(vm("two", "198.51.100.2").group("www"));
    lab.world().destroy_vm(&first);
    let group = format!("www-{}.domain.com", &ACCOUNT[..8]);
    let members = async || lab.db.contents(&group, "A").await.unwrap();
    sync(&lab, &[CREATE]).await;
    assert_eq!(members().await, ["198.51.100.1"], "the group's RRset exists");
    sync(&lab, &[UPSERT]).await;
    assert_eq!(members().await, ["198.51.100.1", "198.51.100.2"], "a member comes, and none goes");
    sync(&lab, &[]).await;
    assert_eq!(members().await, ["198.51.100.2"]);
}

#[tokio::test]
async fn a_mode_holds_only_what_it_would_let_go() {
    for (mode, name, sync_ends, plan_ends) in [
        ("sync", "held_sync", 3, 2),
        ("upsert-only", "held_upsert", 3, 2),
        ("create-only", "held_create", 0, 0),
    ] {
        let (lab, vms) = served(name).await;
        // Found by a resync: nobody announced it, and nothing may go unannounced.
        lab.world().silent().set_address(&vms.moved, Some("192.0.2.11"), None);
        let settings = [("DNS_MODE", mode), NOTHING];
        let plan = once(&lab, &["plan"], &settings).await;
        assert_eq!(plan.code, plan_ends, "{mode}: {}\n{}", plan.stdout, plan.stderr);
        let output = once(&lab, &["sync"], &settings).await;
        assert_eq!(output.code, sync_ends, "{mode}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(output.stdout.contains("held: "), sync_ends == 3, "{mode}: {}", output.stdout);
        assert_eq!(
            records(&lab).await,
            before(),
            "{mode}: a held replacement keeps the old row, and nothing else comes"
        );
    }
}

#[tokio::test]
async fn sync_in_upsert_only_leaves_what_it_may_not_delete_and_says_that_nothing_is_left_to_do() {
    let (lab, vms) = served("upsert_leaves").await;
    lab.world().silent().destroy_vm(&vms.dead);
    lab.world().silent().expunge_vm(&vms.dead);
    for _ in 0..2 {
        let output = once(&lab, &["sync"], &[UPSERT, NOTHING]).await;
        ended(&output, 0);
        assert!(!output.stdout.contains("held"), "{}", output.stdout);
        ended(&once(&lab, &["plan"], &[UPSERT, NOTHING]).await, 0);
    }
    assert_eq!(records(&lab).await, before());
}

#[tokio::test]
async fn errors_of_use_and_configuration_exit_1_in_every_mode() {
    let lab = Lab::new("exit_codes").await;
    example(&lab).await;
    for (arguments, more) in [
        (&["sync"][..], &[("DNS_MODE", "upsert")][..]),
        (&["plan"], &[("DNS_MAX_LOSS_PERCENT", "101")]),
        (&["sync", "--dry"], &[]),
        (&["synchronise"], &[]),
        (&["plan"], &[("CS_SECRET_KEY", "another")]),
        (&["sync"], &[UPSERT, ("MYSQL_PDNS_PASSWORD", "another")]),
    ] {
        let output = once(&lab, arguments, more).await;
        assert_eq!(output.code, 1, "{arguments:?} {more:?}: {}\n{}", output.stdout, output.stderr);
        assert!(!output.stderr.is_empty(), "{arguments:?} {more:?} says why");
    }
    lab.world().create_vm(vm("web", "192.0.2.1"));
    ended(&once(&lab, &["plan"], &[CREATE]).await, 2);
    ended(&once(&lab, &["sync"], &[CREATE]).await, 0);
    ended(&once(&lab, &["plan"], &[CREATE]).await, 0);
}
