//! What the log says: a line a pass, a line a change with its reason, and no flood.

use super::support::{EVENTS_ONLY, LIMIT, answers, example, quick, serve, serve_events, vm};
use testbed::{Controller, Lab, poll};

const INFO: (&str, &str) = ("RUST_LOG", "info");

/// Waits until a line of the log has all of these words, and returns all that do.
async fn lines(controller: &Controller, words: &[&str]) -> Vec<String> {
    let find = || -> Vec<String> {
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        controller.output().lines().filter(has).map(str::to_owned).collect()
    };
    poll(&format!("the log has a line with {words:?}"), LIMIT, async || {
        if find().is_empty() { Err(controller.output()) } else { Ok(()) }
    })
    .await;
    find()
}

/// Waits until the resync at the start is over, and that at the assignment of the partitions, which would find
/// a new VM before its event does. What it lists while it waits for the lease has no line.
async fn resynced(controller: &Controller) {
    poll("two resyncs are over", LIMIT, async || match controller.output().matches("resync done").count() {
        2.. => Ok(()),
        _ => Err(controller.output()),
    })
    .await;
}

#[tokio::test]
async fn each_change_has_one_line_with_its_vm_and_its_reason() {
    let mut lab = Lab::new("log_change").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], INFO, ("LEASE_TTL", "20s")]).await;
    resynced(&controller).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    let added = lines(&controller, &["added", "name=web.domain.com"]).await;
    assert_eq!(added.len(), 1, "{added:#?}");
    for word in [" INFO ", "type=A ", "content=192.0.2.10 ", "ttl=60 ", &format!("vm={id} "), "kind=\"name\""]
    {
        assert!(added[0].contains(word), "`{word}` is not in: {}", added[0]);
    }
    assert!(added[0].contains("why=\"an event\""), "{}", added[0]);
    let reverse =
        lines(&controller, &["added", "name=10.2.0.192.in-addr.arpa", "content=web.domain.com "]).await;
    assert_eq!(reverse.len(), 1, "{reverse:#?}");

    lab.world().destroy_vm(&id);
    answers(&lab, "web.domain.com", "A", &[]).await;
    let gone = lines(&controller, &["deleted", "name=web.domain.com", "content=192.0.2.10"]).await;
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert!(
        gone[0].contains("why=\"its VM is gone\"") && gone[0].contains(&format!("vm={id}")),
        "{}",
        gone[0]
    );
    // One line for the resync at the start, and the other at the assignment of the partitions.
    let passes = lines(&controller, &["resync done", "vms=", "listed_seconds="]).await;
    assert!(passes.len() <= 2, "{passes:#?}");
}

#[tokio::test]
async fn a_first_fill_is_summed_up_and_told_row_by_row_at_debug_only() {
    const VMS: usize = 300;
    let lab = Lab::new("log_fill").await;
    example(&lab).await;
    for at in 0..VMS {
        lab.world()
            .silent()
            .create_vm(vm(&format!("vm{at}"), &format!("198.51.{}.{}", at / 200, at % 200 + 1)));
    }
    let controller = serve(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], INFO]).await;
    answers(&lab, "vm299.domain.com", "A", &["198.51.1.100"]).await;
    let done = lines(&controller, &["resync done"]).await;
    assert!(done[0].contains(&format!("added={VMS} ")) && done[0].contains("deleted=0 "), "{}", done[0]);
    lines(&controller, &["too many for a line each"]).await;
    let output = controller.output();
    let told = output.lines().filter(|line| line.contains(" added ")).count();
    assert!(told <= 50, "{told} rows have a line each");
    let all = output.lines().count();
    assert!(all <= 70, "{all} lines for {VMS} records:\n{output}");
    drop(controller);

    // The same told row by row.
    let other = Lab::new("log_fill_debug").await;
    example(&other).await;
    for at in 0..VMS {
        let address = format!("198.51.{}.{}", at / 200, at % 200 + 1);
        other.world().silent().create_vm(vm(&format!("vm{at}"), &address));
    }
    let controller = serve(&other, &EVENTS_ONLY).await;
    lines(&controller, &["resync done"]).await;
    let output = controller.output();
    for at in 0..VMS {
        let name = format!(" name=vm{at}.domain.com ");
        let told = output.lines().filter(|line| line.contains(" added ") && line.contains(&name)).count();
        assert_eq!(told, 1, "vm{at}.domain.com has {told} lines:\n{output}");
    }
}

#[tokio::test]
async fn a_log_in_json_has_the_same_as_fields() {
    let mut lab = Lab::new("log_json").await;
    lab.kafka();
    example(&lab).await;
    let json = ("LOG_FORMAT", "json");
    let settings = [EVENTS_ONLY[0], EVENTS_ONLY[1], INFO, json, ("LEASE_TTL", "20s")];
    let controller = serve_events(&lab, &settings).await;
    resynced(&controller).await;
    let id = lab.world().create_vm(vm("web", "198.51.100.10"));
    answers(&lab, "web.domain.com", "A", &["198.51.100.10"]).await;
    lines(&controller, &["web.domain.com"]).await;
    let output = controller.output();
    let events: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
        .collect();
    let told: Vec<_> = events.iter().filter(|event| event["name"] == "web.domain.com").collect();
    let [added] = told[..] else { panic!("one line for the change: {told:#?}") };
    for (key, value) in [
        ("level", "INFO"),
        ("message", "added"),
        ("type", "A"),
        ("content", "198.51.100.10"),
        ("vm", &id),
        ("kind", "name"),
        ("why", "an event"),
    ] {
        assert_eq!(added[key], value, "{key} in {added}");
    }
    assert_eq!(added["ttl"], 60);
    let pass = events.iter().find(|event| event["message"] == "resync done").expect("a line for the pass");
    assert!(pass["vms"] == 0 && pass["listed_seconds"].is_f64(), "{pass}");
}

/// A database that is away for long is complained of now and then.
#[tokio::test]
async fn a_database_that_stays_away_fills_no_log() {
    let lab = Lab::new("log_away").await;
    example(&lab).await;
    let port = testbed::watchdog::free_port().to_string();
    let environment = quick(&lab, &[("MYSQL_PDNS_PORT", &port), INFO]);
    let controller =
        Controller::start(super::support::PROGRAM, &["run"], &environment).expect("the program starts");
    lines(&controller, &["cannot get the lease"]).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let output = controller.output();
    let said = output.lines().filter(|line| line.contains("cannot get the lease")).count();
    assert_eq!(said, 1, "said again within seconds:\n{output}");
}
