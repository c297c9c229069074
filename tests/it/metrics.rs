//! What /metrics says over a story, and that Prometheus's own tools agree with it and with deploy/.

use super::support::{
    ACCOUNT, EVENTS_ONLY, LIMIT, RESYNCS, answers, beside, example, metric, metric_reaches, serve_events, vm,
};
use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use testbed::{
    Controller, Lab, VmSpec, broker, poll,
    sim::{Event, Fault},
};
use tokio::io::AsyncWriteExt;

/// Runs promtool on a text, or on files of deploy/; what it says.
async fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut tool = tokio::process::Command::new("promtool")
        .args(arguments)
        .current_dir(deploy)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: apt-get install --no-install-recommends prometheus");
    let mut stdin = tool.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = tool.wait_with_output().await.expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn promtool_takes_the_alerts_and_each_fires_when_it_should() {
    for arguments in [&["check", "rules", "alerts.yml"][..], &["test", "rules", "alerts_test.yml"]] {
        let (well, said) = promtool(arguments, "").await;
        assert!(well, "promtool {arguments:?} says:\n{said}");
    }
    let read = |name: &str| std::fs::read_to_string(format!("{}/deploy/{name}", env!("CARGO_MANIFEST_DIR")));
    let (rules, played) = (read("alerts.yml").unwrap(), read("alerts_test.yml").unwrap());
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in &alerts {
        let fires = format!("alertname=\"{alert}\"");
        assert!(played.contains(&fires), "alerts_test.yml lets {alert} never fire");
    }
    assert_eq!(rules.matches("description: >-").count(), alerts.len(), "each alert says what to do");
}

#[test]
fn the_dashboard_can_be_imported() {
    let text = include_str!("../../deploy/dashboard.json");
    let board: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(board["__inputs"][0]["pluginId"], "prometheus");
    let panels = board["panels"].as_array().expect("panels");
    let mut ids = std::collections::HashSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{panel} has another's id");
        let kind = panel["type"].as_str().unwrap_or_default();
        assert!(["row", "stat", "timeseries", "table", "heatmap"].contains(&kind), "{kind} needs a plugin");
        if kind != "row" {
            assert_eq!(panel["datasource"]["uid"], "${DS_PROMETHEUS}", "{panel}");
            assert!(!panel["targets"].as_array().expect("queries").is_empty(), "{panel}");
        }
    }
    assert!(panels.len() > 20, "{}", panels.len());
}

/// Waits until each of these samples, sums over a family's labels or not, has this value.
async fn says(controller: &Controller, what: &str, expected: &[(&str, f64)]) {
    poll(what, LIMIT * 2, async || {
        let mut wrong = Vec::new();
        for (name, value) in expected {
            let found = metric(controller, &format!("cs_powerdns_{name}")).await?;
            if (found - value).abs() > 1e-9 {
                wrong.push(format!("{name} is {found} and should be {value}"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{}", wrong.join("\n"), controller.output())) }
    })
    .await;
}

/// How many entries the ledger has in each zone.
async fn entries(lab: &Lab) -> HashMap<String, usize> {
    let sql = "SELECT d.name FROM cs_powerdns_ledger l JOIN domains d ON d.id = l.zone_id";
    let mut counts = HashMap::new();
    for zone in lab.db.query::<String>(sql).await.expect("the ledger") {
        *counts.entry(zone).or_default() += 1;
    }
    counts
}

/// An event that names nothing that could be looked at.
const ASKS_FOR_A_RESYNC: &str =
    include_str!("../../fixtures/events/action-vm-expunge-background-no-uuid.json");

/// Waits until two more resyncs have ended: the first may have begun before.
async fn resyncs(lab: &Lab, controller: &Controller) {
    for _ in 0..2 {
        let before = metric(controller, RESYNCS).await.expect("a number");
        lab.world().publish(&Event { key: None, value: ASKS_FOR_A_RESYNC.into() });
        metric_reaches(controller, RESYNCS, before + 1.0).await;
    }
}

/// Before the start: an operator's row, a name that is none, a network domain without a zone, an owner whom no
/// listing shows.
async fn plant(lab: &Lab, domain: &str) {
    let silent = lab.world().silent();
    lab.db.insert("domain.com", "www.domain.com", "A", "203.0.113.1", 300).await.expect("a row");
    silent.create_vm(vm("www", "198.51.100.1"));
    silent.create_vm(vm("not_a_label", "198.51.100.2"));
    let nowhere = silent.add_account(domain, "nowhere", Some("nowhere.org"));
    silent.create_vm(VmSpec::new("lone", &nowhere).v4("198.51.100.3"));
    let hidden = silent.add_account(domain, "hidden", None);
    silent.create_vm(VmSpec::new("frozen", &hidden).v4("198.51.100.4"));
    silent.list_account(&hidden, false);
}

/// A VM is created, another one wants its name, it is renamed: the other one takes over.
async fn takes_over(lab: &Lab, controller: &Controller) {
    let web = lab.world().create_vm(vm("web", "192.0.2.10"));
    answers(lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    lab.world().create_vm(vm("web", "192.0.2.11"));
    let contended =
        [("claims_not_served{state=\"waiting\"}", 1.0), ("claims_not_served{state=\"unconfirmed\"}", 1.0)];
    says(controller, "two VMs want web.domain.com", &contended).await;
    lab.world().rename_vm(&web, "web2");
    answers(lab, "web.domain.com", "A", &["192.0.2.11"]).await;
    answers(lab, "11.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    answers(lab, "10.2.0.192.in-addr.arpa", "PTR", &["web2.domain.com."]).await;
    let renamed = [
        ("claims_not_served{state=\"waiting\"}", 0.0),
        ("claims_not_served{state=\"unconfirmed\"}", 0.0),
        ("rows_written_total{change=\"insert\"}", 6.0),
        ("rows_written_total{change=\"delete\"}", 2.0),
        ("zone_records{zone=\"domain.com\"}", 2.0),
        ("zone_records{zone=\"2.0.192.in-addr.arpa\"}", 2.0),
        // web and its PTR; web, web2 and both PTRs.
        ("event_commit_seconds_count", 6.0),
        ("repairs_total", 0.0),
        ("vms", 6.0),
    ];
    says(controller, "the rename", &renamed).await;
}

/// An operator's edit outlives its VM.
async fn outlives(lab: &Lab, controller: &Controller) {
    let kept = lab.world().create_vm(vm("kept", "198.51.100.5"));
    answers(lab, "kept.domain.com", "A", &["198.51.100.5"]).await;
    lab.db
        .exec("UPDATE records SET content = '203.0.113.5' WHERE name = 'kept.domain.com'")
        .await
        .expect("an edit");
    lab.world().destroy_vm(&kept);
    let left = [
        ("left_behind_total", 1.0),
        ("left_behind_records", 1.0),
        ("zone_records{zone=\"domain.com\"}", 2.0),
    ];
    says(controller, "kept.domain.com is left behind", &left).await;
}

/// A lost event and a row that somebody deletes are told apart; a zone appears that was waited for.
async fn is_repaired(lab: &Lab, controller: &Controller) {
    let silent = lab.world().silent();
    silent.create_vm(vm("lost", "198.51.100.6"));
    resyncs(lab, controller).await;
    answers(lab, "lost.domain.com", "A", &["198.51.100.6"]).await;
    says(
        controller,
        "lost.domain.com is repaired",
        &[("repairs_total{cause=\"vms\"}", 1.0), ("repairs_total", 1.0)],
    )
    .await;
    lab.db.exec("DELETE FROM records WHERE name = 'lost.domain.com'").await.expect("a row less");
    resyncs(lab, controller).await;
    let repaired = [("repairs_total{cause=\"vms\"}", 1.0), ("repairs_total{cause=\"rows\"}", 1.0)];
    says(controller, "lost.domain.com is repaired again", &repaired).await;
    lab.db.zone("nowhere.org").await.expect("a zone");
    resyncs(lab, controller).await;
    answers(lab, "lone.nowhere.org", "A", &["198.51.100.3"]).await;
    says(
        controller,
        "nowhere.org is filled",
        &[
            ("pending_claims", 0.0),
            ("zones", 4.0),
            ("repairs_total{cause=\"zones\"}", 1.0),
            ("zone_records{zone=\"nowhere.org\"}", 1.0),
        ],
    )
    .await;
}

/// The numbers at the end, after CloudStack has failed once.
async fn adds_up(lab: &Lab, controller: &Controller, published: usize) {
    let accounts = lab.sim.requests("listAccounts");
    says(
        controller,
        "the end",
        &[
            ("api_requests_total{command=\"listAccounts\",result=\"unreachable\"}", 1.0),
            #[expect(clippy::cast_precision_loss, reason = "some dozens")]
            ("api_requests_total{command=\"listAccounts\",result=\"success\"}", (accounts - 1) as f64),
            #[expect(clippy::cast_precision_loss, reason = "some dozens")]
            ("trigger_messages_total", published as f64),
            ("trigger_lag_messages", 0.0),
            ("trigger_enabled", 1.0),
            ("trigger_partitions", 3.0),
            ("trigger_waiting_seconds", 0.0),
            ("trigger_marks_total{kind=\"resync\"}", 8.0),
            ("dirty_names", 0.0),
            ("oldest_dirty_seconds", 0.0),
            ("trigger_ignored_messages_total{reason=\"irrelevant\"}", 1.0),
            ("trigger_ignored_messages_total{reason=\"unreadable\"}", 1.0),
            ("sql_transactions_total{result=\"error\"}", 0.0),
            ("settle_failures_total", 0.0),
            ("held_records", 0.0),
        ],
    )
    .await;
    let ledger = entries(lab).await;
    for (zone, count) in &ledger {
        let name = format!("zone_records{{zone=\"{zone}\"}}");
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        says(controller, "records by zone", &[(&name, *count as f64)]).await;
    }
    assert_eq!(ledger.len(), 3, "{ledger:?}");
}

/// What has no number that can be known beforehand.
async fn has_moved(controller: &Controller) {
    for name in [
        "ready",
        "trigger_marks_total{kind=\"vm\"}",
        "trigger_lag_timestamp_seconds",
        "trigger_last_message_timestamp_seconds",
        "api_request_seconds_total{command=\"listVirtualMachines\"}",
        "sql_seconds_total",
        "sql_statements_total",
        "sql_round_trips_total",
        "sql_transactions_total{result=\"commit\"}",
        "serials_moved_total",
        "names_settled_total",
        "event_commit_seconds_sum",
        "resync_duration_seconds",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(
        ["owners", "zones", "list", "look", "audit", "read", "plan", "write"]
            .map(|phase| format!("phase_seconds_total{{phase=\"{phase}\"}}")),
    )
    .chain(["resync", "look", "settle"].into_iter().flat_map(|pass| {
        ["last_attempt", "last_success"].map(|when| format!("{when}_timestamp_seconds{{pass=\"{pass}\"}}"))
    })) {
        let found = metric(controller, &format!("cs_powerdns_{name}")).await.expect("metrics");
        assert!(found > 0.0, "{name} is {found}");
    }
}

#[tokio::test]
async fn each_family_tells_its_part_of_the_story() {
    let mut lab = Lab::new("metrics").await;
    lab.kafka();
    let domain = example(&lab).await;
    let published = Arc::new(AtomicUsize::new(0));
    let (sink, count) = (broker().sink(&lab.topic), Arc::clone(&published));
    lab.world().publish_to(Arc::new(move |event: &Event| {
        count.fetch_add(1, Ordering::SeqCst);
        sink(event);
    }));

    plant(&lab, &domain).await;
    let settings = [EVENTS_ONLY[0], ("RESYNC_MIN_INTERVAL", "1s")];
    let controller = serve_events(&lab, &settings).await;
    // The resync at the start, and the one that the assignment of partitions asks for.
    metric_reaches(&controller, RESYNCS, 2.0).await;
    says(
        &controller,
        "the start",
        &[
            ("vms", 4.0),
            ("frozen_vms", 1.0),
            ("pending_claims", 1.0),
            ("rejections{reason=\"bad name\"}", 1.0),
            ("rejections{reason=\"no zone\"}", 1.0),
            ("claims_not_served{state=\"blocked\"}", 1.0),
            ("zone_claims_not_served{zone=\"domain.com\",state=\"blocked\"}", 1.0),
            ("rows_written_total", 0.0),
            ("lease_role{role=\"holder\"}", 1.0),
            ("lease_epoch", 1.0),
            ("resync_interval_seconds", 600.0),
            ("zones", 3.0),
        ],
    )
    .await;

    let alert = include_str!("../../fixtures/events/alert-sync.json");
    for value in [alert, "no JSON"] {
        lab.world().publish(&Event { key: None, value: value.into() });
    }
    takes_over(&lab, &controller).await;
    outlives(&lab, &controller).await;
    is_repaired(&lab, &controller).await;
    lab.sim.fail_next_of("listAccounts", 1, Fault::Html503);
    resyncs(&lab, &controller).await;
    adds_up(&lab, &controller, published.load(Ordering::SeqCst)).await;
    has_moved(&controller).await;
    let (_, text) = controller.get("/metrics").await.unwrap();
    assert!(!text.contains(ACCOUNT) && !text.contains("web2"), "no label of a tenant's: {text}");
    let (well, said) = promtool(&["check", "metrics"], &text).await;
    assert!(well && said.trim().is_empty(), "promtool check metrics says:\n{said}");
}

#[tokio::test]
async fn what_cannot_be_written_grows_old_until_it_can() {
    let mut lab = Lab::new("metrics_old").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON records FOR EACH ROW \
                  IF NEW.name = 'bad.domain.com' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF";
    lab.db.exec(refuse).await.unwrap();
    lab.world().create_vm(vm("bad", "198.51.100.1"));
    lab.world().create_vm(vm("good", "198.51.100.2"));
    answers(&lab, "good.domain.com", "A", &["198.51.100.2"]).await;
    // Longer than the first waits between two tries, none of which makes it young again.
    metric_reaches(&controller, "cs_powerdns_oldest_dirty_seconds{queue=\"names\"}", 4.0).await;
    metric_reaches(&controller, "cs_powerdns_settle_failures_total", 2.0).await;
    metric_reaches(&controller, "cs_powerdns_sql_errors_total", 2.0).await;
    metric_reaches(&controller, "cs_powerdns_sql_transactions_total{result=\"error\"}", 2.0).await;
    lab.db.exec("DROP TRIGGER refuse").await.unwrap();
    answers(&lab, "bad.domain.com", "A", &["198.51.100.1"]).await;
    says(
        &controller,
        "nothing is old",
        &[("oldest_dirty_seconds{queue=\"names\"}", 0.0), ("dirty_names", 0.0)],
    )
    .await;
}

#[tokio::test]
async fn a_standby_says_so_and_has_no_events() {
    let mut lab = Lab::new("metrics_standby").await;
    lab.kafka();
    example(&lab).await;
    let first = serve_events(&lab, &EVENTS_ONLY).await;
    let mut second = beside(&lab, &EVENTS_ONLY);
    second.wait_ready(LIMIT).await.unwrap();
    says(
        &second,
        "the second stands by",
        &[
            ("lease_role{role=\"standby\"}", 1.0),
            ("lease_role{role=\"holder\"}", 0.0),
            ("lease_epoch", 0.0),
            ("trigger_partitions", 0.0),
        ],
    )
    .await;
    first.sigterm().unwrap();
    says(&second, "it takes over", &[("lease_role{role=\"holder\"}", 1.0), ("lease_epoch", 2.0)]).await;
}
