//! The servers start, answer, and end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use rdkafka::Message;
use rdkafka::consumer::{Consumer, StreamConsumer};
use testbed::{Lab, Tansu, VmSpec, poll};

const TESTBED: &str = env!("CARGO_BIN_EXE_testbed");

#[tokio::test]
async fn testbed_servers_answer_a_dig_and_count_writes() {
    let mut lab = Lab::new("dig: Answers!").await;
    lab.db.zone("example.com").await.unwrap();
    let dns = lab.dns().await;
    assert_eq!(dns.dig_status("www.example.com", "A").unwrap(), "NXDOMAIN");
    let opts = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(lab.db.mysql.port)
        .user(Some(&lab.db.user))
        .pass(Some(&lab.db.password))
        .prefer_socket(false)
        .db_name(Some(&lab.db.name));
    let mut user = mysql_async::Conn::new(opts.clone()).await.unwrap();
    for address in ["192.0.2.2", "192.0.2.1"] {
        let insert = "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                      SELECT id, 'www.example.com', 'A', ?, 60, 0, 0, 1 FROM domains WHERE name = 'example.com'";
        user.exec_drop(insert, (address,)).await.unwrap();
    }
    user.query_drop("UPDATE domains SET account = 'a' WHERE id = -1").await.unwrap();
    assert_eq!(dns.dig("www.example.com", "A").unwrap(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(dns.dig_ttl("www.example.com", "A").unwrap(), [60, 60]);
    assert!(dns.pdnsutil(&["check-zone", "example.com"]).unwrap().contains("0 errors"));
    assert_eq!(lab.db.serial("example.com").await.unwrap(), 2_024_010_101);
    assert_eq!(lab.db.contents("www.example.com", "A").await.unwrap(), ["192.0.2.1", "192.0.2.2"]);
    let writes = lab.writes(&[]).await;
    assert_eq!(writes.len(), 3, "{writes:?}");
    assert_eq!(lab.writes_by_user(&["UPDATE domains"]).await, 2);
    lab.forget_writes().await;
    assert_eq!(lab.writes_by_user(&[]).await, 0);
    lab.db.limit_to(&[&format!("GRANT SELECT ON records TO '{}'@'%'", lab.db.user)]).await.unwrap();
    user.disconnect().await.unwrap();
    let mut user = mysql_async::Conn::new(opts).await.unwrap();
    user.query_drop("DELETE FROM records").await.unwrap_err();
    user.query_drop("SELECT * FROM records").await.unwrap();
    user.disconnect().await.unwrap();
}

fn consumer(bootstrap: &str, group: &str) -> StreamConsumer {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group).set("auto.offset.reset", "earliest");
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "1000");
    config.create().unwrap()
}

#[tokio::test]
async fn testbed_events_reach_a_consumer() {
    let mut lab = Lab::new("events").await;
    let account = lab.world().add_account(&lab.world().root(), "ops", None);
    lab.kafka();
    let env = lab.env();
    let id = lab.world().create_vm(VmSpec::new("web", &account));
    let consumer = consumer(&env["KAFKA_BOOTSTRAP"], &env["KAFKA_GROUP"]);
    consumer.subscribe(&[&env["KAFKA_TOPIC"]]).unwrap();
    let message = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await.unwrap().unwrap();
    assert_eq!(message.key().unwrap(), id.as_bytes());
    assert!(String::from_utf8_lossy(message.payload().unwrap()).contains("VM.CREATE"));
}

#[tokio::test]
async fn testbed_tansu_carries_messages() {
    let tansu = Tansu::start().unwrap();
    tansu.create_topic("t", 3).await.unwrap();
    tansu.publisher().unwrap().publish("t", Some("k"), "v").await.unwrap();
    let consumer = consumer(&tansu.bootstrap(), "g");
    consumer.subscribe(&["t"]).unwrap();
    let message = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await.unwrap().unwrap();
    assert_eq!(message.payload().unwrap(), b"v");
}

#[tokio::test]
async fn testbed_python_client_lists_vms() {
    let sim = testbed::Simulator::start().unwrap();
    let account = sim.world().add_account(&sim.world().root(), "ops", None);
    for name in ["a", "b"] {
        sim.world().create_vm(VmSpec::new(name, &account));
    }
    let names = testbed::python_cs(&sim.endpoint(), &sim.api_key, &sim.secret_key).unwrap();
    assert_eq!(names, ["a", "b"]);
    testbed::python_cs(&sim.endpoint(), &sim.api_key, "wrong").unwrap_err();
}

/// A supervisor, and its line of exports.
fn up(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(TESTBED)
        .arg("up")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

/// The folders of a process's servers. Every server below it names one of them on its command line.
fn left_behind(pid: u32) -> Vec<String> {
    let mine = |text: &str| {
        text.split('-').collect::<Vec<_>>().windows(2).any(|pair| {
            pair[0] != "testbed"
                && pair[1].split(|c: char| !c.is_ascii_digit()).next() == Some(&pid.to_string())
        }) && text.contains("testbed-")
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) && mine(&command) {
            found.push(command);
        }
    }
    let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let folders = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    found.extend(folders.filter(|name| mine(name)));
    found
}

async fn nothing_left(pid: u32) {
    poll("nothing is left behind", Duration::from_secs(20), async || {
        let left = left_behind(pid);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    })
    .await;
}

#[tokio::test]
async fn testbed_leaves_nothing_after_kill_9_of_the_supervisor() {
    let (mut child, line) = up(&["--demo"]);
    for name in ["TESTBED_MYSQL_PORT", "CS_ENDPOINT", "KAFKA_BOOTSTRAP", "TESTBED_DNS_PORT", "HTTP_LISTEN"] {
        assert!(line.contains(&format!("export {name}='")), "{line}");
    }
    // Two servers below a watchdog each, and their folders.
    assert!(left_behind(child.id()).len() >= 8, "{:#?}", left_behind(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_left(child.id()).await;
}

#[tokio::test]
async fn testbed_leaves_nothing_after_the_end_of_its_input() {
    let (mut child, _) = up(&["--empty"]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    nothing_left(child.id()).await;
}

#[tokio::test]
async fn testbed_run_ends_with_the_code_of_its_command() {
    let script = "test -n \"$TESTBED_MYSQL_PORT\" && test -n \"$TESTBED_KAFKA\" && exit 7";
    let mut child = Command::new(TESTBED).args(["run", "--", "sh", "-c", script]).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    nothing_left(child.id()).await;
}

#[tokio::test]
async fn testbed_mariadb_keeps_its_data_when_killed() {
    let mut server = testbed::MariaDb::new(testbed::MariaDbOptions::default()).unwrap();
    let lab = Lab::on(server.mysql(), "own").await.unwrap();
    lab.db.zone("example.com").await.unwrap();
    server.kill();
    lab.db.serial("example.com").await.unwrap_err();
    server.launch().unwrap();
    assert_eq!(lab.db.serial("example.com").await.unwrap(), 2_024_010_101);
}

#[tokio::test]
async fn testbed_controller_is_started_asked_and_ended() {
    let env = std::collections::HashMap::from([("CS_ENDPOINT".to_owned(), "there".to_owned())]);
    let script = "echo at $CS_ENDPOINT $HOME; echo no >&2; exit 3";
    let said = testbed::run_once("/bin/sh", &["-c", script], &env).await.unwrap();
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (3, "at there\n", "no\n"));
    let script = "trap 'echo ending; exit 5' TERM; echo started; while :; do sleep 0.05; done";
    let mut controller = testbed::Controller::start("/bin/sh", &["-c", script], &env).unwrap();
    poll("it starts", Duration::from_secs(5), async || match controller.output() {
        said if said.contains("started") => Ok(()),
        said => Err(said),
    })
    .await;
    assert_eq!(controller.exit_code(), None);
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(Duration::from_secs(5)).await.unwrap(), 5);
    assert!(controller.output().contains("ending"));
    let mut controller = testbed::Controller::start("/bin/sh", &["-c", script], &env).unwrap();
    controller.kill().unwrap();
    assert_eq!(controller.wait_exit(Duration::from_secs(5)).await.unwrap(), 128 + 9);
}
