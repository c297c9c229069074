//! How `plan` reads: for people on a terminal and in a pipe, and for programs.

use super::support::{PROGRAM, example, once, quick, sync, vm};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use testbed::{Lab, Output, VmSpec, run_once};

/// The same on a terminal of util-linux's `script`: what it shows, standard error among it.
async fn on_terminal(lab: &Lab, line: &str, more: &[(&str, &str)]) -> Output {
    let command = format!("{PROGRAM} {line}");
    let environment = quick(lab, &[&[("TERM", "xterm"), ("RUST_LOG", "info")], more].concat());
    run_once("script", &["-qec", &command, "/dev/null"], &environment).await.expect("util-linux is there")
}

const GREEN: &str = "\u{1b}[32m";

#[tokio::test]
async fn a_terminal_shows_colours_and_how_far_a_pass_is_and_a_pipe_has_neither() {
    let lab = Lab::new("plan_terminal").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.sim.set_latency(Duration::from_millis(300));
    let line = "+ web.domain.com 60 A 192.0.2.10  (name of VM ";

    let shown = on_terminal(&lab, "plan", &[]).await;
    assert_eq!(shown.code, 2, "{}", shown.stdout);
    assert!(shown.stdout.contains(&format!("{GREEN}{line}")), "a green line: {:?}", shown.stdout);
    assert!(shown.stdout.contains("reads CloudStack and the database: "), "progress: {:?}", shown.stdout);
    let last = shown.stdout.rsplit("reads CloudStack").next().unwrap_or_default();
    assert!(last.contains(line), "progress ends before the plan is shown: {:?}", shown.stdout);

    let shown = on_terminal(&lab, "plan", &[("NO_COLOR", "1")]).await;
    assert!(!shown.stdout.contains(GREEN) && shown.stdout.contains(line), "NO_COLOR: {:?}", shown.stdout);
    let shown = on_terminal(&lab, "plan", &[("TERM", "dumb")]).await;
    assert!(!shown.stdout.contains('\u{1b}') && shown.stdout.contains(line), "dumb: {:?}", shown.stdout);
    let json = on_terminal(&lab, "plan --json 2>/dev/null", &[]).await;
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON, also on a terminal");
    assert_eq!(json["summary"]["add"], 2);

    let piped = once(&lab, &["plan"], &[]).await;
    assert!(piped.stdout.contains(line), "{}", piped.stdout);
    assert!(!piped.stdout.contains("reads CloudStack"), "in a pipe: {:?}", piped.stdout);
    for text in [&piped.stdout, &piped.stderr] {
        assert!(!text.contains(['\u{1b}', '\r']), "in a pipe: {text:?}");
    }
    let shown = on_terminal(&lab, "sync", &[]).await;
    assert!(shown.stdout.contains("reads CloudStack and the database: "), "progress: {:?}", shown.stdout);
}

#[tokio::test]
async fn a_long_pass_leaves_lines_of_progress_in_the_log() {
    let lab = Lab::new("plan_progress").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.sim.set_latency(Duration::from_secs(2));
    for verb in ["plan", "sync"] {
        let output = once(&lab, &[verb], &[("RUST_LOG", "info")]).await;
        let told = output.stderr.contains("reads CloudStack and the database: ");
        assert!(told, "{verb}: no line of progress in the log\n{}", output.stderr);
        assert!(!output.stdout.contains("reads CloudStack"), "{verb}: {}", output.stdout);
    }
}

/// A change, a deletion, something to add, a blocked name and a pending one.
async fn town(lab: &Lab) {
    let domain = example(lab).await;
    let world = lab.world();
    let moves = world.create_vm(vm("moves", "192.0.2.1"));
    let goes = world.create_vm(vm("goes", "192.0.2.2"));
    sync(lab, &[]).await;
    world.set_address(&moves, Some("192.0.2.9"), None);
    world.destroy_vm(&goes);
    world.create_vm(vm("comes", "192.0.2.3"));
    world.create_vm(vm("taken", "192.0.2.4"));
    lab.db.insert("domain.com", "taken.domain.com", "A", "203.0.113.9", 300).await.expect("a row");
    let waits = world.add_account(&domain, "waits", Some("nozone.org"));
    world.create_vm(VmSpec { v4: Some("192.0.2.5".into()), ..VmSpec::new("waits", &waits) });
}

#[tokio::test]
async fn a_plan_reads_by_zone_with_signs_reasons_and_a_summary() {
    let lab = Lab::new("plan_reads").await;
    town(&lab).await;
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 2, "{}{}", plan.stdout, plan.stderr);
    for line in [
        "\n  ~ moves.domain.com 60 A 192.0.2.1 -> 192.0.2.9  (its address changed; name of VM ",
        "\n  - goes.domain.com 60 A 192.0.2.2  (its VM is gone; name of VM ",
        "\n  + comes.domain.com 60 A 192.0.2.3  (name of VM ",
        "\n  + 3.2.0.192.in-addr.arpa 60 PTR comes.domain.com  (ptr of VM ",
        "\nPlan: 3 to add, 1 to change, 3 to delete; 1 blocked\n",
    ] {
        assert!(plan.stdout.contains(line), "`{line}` is not in\n{}", plan.stdout);
    }
    let zones: Vec<&str> =
        plan.stdout.lines().filter(|line| line.ends_with(".com:") || line.ends_with(".arpa:")).collect();
    assert_eq!(zones, ["2.0.192.in-addr.arpa:", "domain.com:"], "each zone once:\n{}", plan.stdout);
}

/// Every key of an object, and of those in it.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_key_of_the_json_is_documented() {
    let lab = Lab::new("plan_keys").await;
    town(&lab).await;
    let guide = include_str!("../../deploy/guides/plan-json.md");
    let mut found = BTreeSet::new();
    for percent in ["30", "0"] {
        let arguments = ["plan", "--json", "--unexplained"];
        let plan = once(&lab, &arguments, &[("DNS_MAX_LOSS_PERCENT", percent)]).await;
        assert_eq!(plan.code, 2, "{}{}", plan.stdout, plan.stderr);
        let json: Value = serde_json::from_str(&plan.stdout).expect("JSON");
        assert_eq!(json["version"], 1);
        keys(&json, &mut found);
    }
    let told = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let told: Vec<&str> = told.flat_map(|(keys, _)| keys.split(['`', ',', ' '])).collect();
    assert!(told.contains(&"held_hash") && told.contains(&"before"), "{told:?}");
    for key in told.into_iter().chain(["blocked", "first"]).filter(|key| !key.is_empty()) {
        assert!(found.contains(key), "no `{key}` is printed: {found:?}");
    }
    let missing: Vec<&String> = found.iter().filter(|key| !guide.contains(&format!("`{key}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new(), "keys that deploy/guides/plan-json.md does not tell");
}
