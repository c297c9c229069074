//! What the tests share: running the program, and asking DNS.

use std::{collections::HashMap, time::Duration};
use testbed::{Controller, Lab, Output, VmSpec, poll};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cs-powerdns");

/// Longest wait for anything: generous, since machines are shared.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The account of the README's example.
pub const ACCOUNT: &str = "edd2ab05-98ba-4b65-b94f-14ec595e37a3";

/// Runs a one-shot verb; a second resync of it follows the first after a second.
pub async fn once(lab: &Lab, arguments: &[&str], more: &[(&str, &str)]) -> Output {
    testbed::run_once(PROGRAM, arguments, &quick(lab, more)).await.expect("the program runs")
}

/// `sync`, which must end well.
pub async fn sync(lab: &Lab, more: &[(&str, &str)]) -> String {
    let output = once(lab, &["sync"], more).await;
    assert_eq!(output.code, 0, "sync should end well:\n{}\n{}", output.stdout, output.stderr);
    output.stdout
}

/// Starts `run` and waits until it is ready.
pub async fn serve(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    let mut controller = Controller::start(PROGRAM, &["run"], &quick(lab, more)).expect("the program starts");
    controller.wait_ready(LIMIT).await.expect("it becomes ready");
    controller
}

/// The environment of the lab, with intervals that suit tests.
pub fn quick(lab: &Lab, more: &[(&str, &str)]) -> HashMap<String, String> {
    let mut env = lab.env_with(&[
        ("RESYNC_MIN_INTERVAL", "1s"),
        ("LEASE_TTL", "2s"),
        ("RUST_LOG", "info,cs_powerdns=debug"),
    ]);
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env
}

/// A domain with network domain `domain.com`, the example's account in it, and both zones.
pub async fn example(lab: &Lab) -> String {
    let world = lab.world();
    let domain = world.add_domain("acme", &world.root(), Some("domain.com"));
    world.add_account_as(ACCOUNT, &domain, "ops", None);
    lab.db.zone("domain.com").await.expect("a zone");
    lab.db.zone("2.0.192.in-addr.arpa").await.expect("a zone");
    lab.db.zone("8.b.d.0.1.0.0.2.ip6.arpa").await.expect("a zone");
    domain
}

/// A VM of the example's account.
pub fn vm(name: &str, v4: &str) -> VmSpec {
    VmSpec { v4: Some(v4.into()), ..VmSpec::new(name, ACCOUNT) }
}

/// Waits until PowerDNS answers this and nothing else.
pub async fn answers(lab: &Lab, name: &str, kind: &str, expected: &[&str]) {
    let dns = lab.dns().await;
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    expected.sort();
    poll(&format!("{name} {kind} answers {expected:?}"), LIMIT, async || {
        let found = dns.dig(name, kind).map_err(|error| error.to_string())?;
        if found == expected { Ok(()) } else { Err(format!("it answers {found:?}")) }
    })
    .await;
}

/// No resync after the first one: what shows in DNS was brought by events.
pub const EVENTS_ONLY: [(&str, &str); 2] = [("RESYNC_INTERVAL", "10m"), ("RESYNC_MIN_INTERVAL", "10m")];

/// Starts `run` without waiting for anything.
pub fn start(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    Controller::start(PROGRAM, &["run"], &quick(lab, more)).expect("the program starts")
}

/// A second process of the same owner id, with an HTTP port of its own.
pub fn beside(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    let listen = format!("127.0.0.1:{}", testbed::watchdog::free_port());
    let mut environment = quick(lab, more);
    environment.insert("HTTP_LISTEN".into(), listen);
    Controller::start(PROGRAM, &["run"], &environment).expect("the program starts")
}

/// Starts `run` and waits until it is ready, takes events, and has ended the resync that the first assignment of
/// partitions brings: none follows but in its turn.
pub async fn serve_events(lab: &Lab, more: &[(&str, &str)]) -> Controller {
    const ATTEMPT: &str = r#"cs_powerdns_last_attempt_timestamp_seconds{pass="resync"}"#;
    const SUCCESS: &str = r#"cs_powerdns_last_success_timestamp_seconds{pass="resync"}"#;
    let controller = serve(lab, more).await;
    let quiet = std::cell::Cell::new(0);
    poll("the topic's three partitions are assigned, and no resync runs", LIMIT, async || {
        let partitions = metric(&controller, "cs_powerdns_trigger_partitions").await?;
        let heard = controller.output().contains("Kafka partitions are assigned");
        let runs = metric(&controller, ATTEMPT).await? > metric(&controller, SUCCESS).await?;
        quiet.set(if partitions > 2.5 && heard && !runs { quiet.get() + 1 } else { 0 });
        // What is due begins with the engine's next turn.
        if quiet.get() > 1 { Ok(()) } else { Err(format!("{partitions} are; {}", controller.output())) }
    })
    .await;
    controller
}

/// Resyncs that ended well.
pub const RESYNCS: &str = r#"cs_powerdns_passes_total{pass="resync",result="success"}"#;
/// Resyncs that failed.
pub const RESYNC_FAILURES: &str = r#"cs_powerdns_passes_total{pass="resync",result="failure"}"#;
/// Look-ups that ended well.
pub const LOOKS: &str = r#"cs_powerdns_passes_total{pass="look",result="success"}"#;

/// A sample of /metrics, by its name with labels; by a family's name, the sum of its samples.
pub async fn metric(controller: &Controller, name: &str) -> Result<f64, String> {
    let (status, text) = controller.get("/metrics").await.map_err(|error| format!("{error:#}"))?;
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{') && !name.contains('{'))
    };
    let mut values = text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' ')?.1.parse().ok());
    let first: f64 = values.next().ok_or_else(|| format!("{status}: no {name} in\n{text}"))?;
    Ok(first + values.sum::<f64>())
}

/// Waits until a sample of /metrics is at least this.
pub async fn metric_reaches(controller: &Controller, name: &str, least: f64) {
    poll(&format!("{name} reaches {least}"), LIMIT, async || {
        let found = metric(controller, name).await?;
        if found >= least { Ok(()) } else { Err(format!("it is {found}")) }
    })
    .await;
}

/// Waits until /readyz answers with this status and a body that contains `words`.
pub async fn readiness(controller: &Controller, status: u16, words: &str) {
    poll(&format!("/readyz is {status} and says `{words}`"), LIMIT, async || {
        match controller.get("/readyz").await {
            Ok((found, body)) if found == status && body.contains(words) => Ok(()),
            Ok((found, body)) => Err(format!("it is {found}: {body}\n{}", controller.output())),
            Err(error) => Err(format!("{error:#}\n{}", controller.output())),
        }
    })
    .await;
}
