//! No secret appears in any output, however much is logged.

use super::{
    flush_support::{FakeWeb, KEY},
    support::{LIMIT, answers, example, metric_reaches, once, serve_events, vm},
};
use testbed::{Lab, sim::Event, sim::Scope};

const API_KEY: &str = "PlantedApiKey-Aa1Bb2Cc3";
const SECRET_KEY: &str = "PlantedSecretKey-Zz9Yy8Xx7";
const VM_PASSWORD: &str = "PlantedVmPassword-h7Q";
const KAFKA_PASSWORD: &str = "PlantedKafkaPassword-k3W";

fn assert_clean(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(at) = text.find(secret) {
            let from = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let line = text[from..].lines().next().unwrap_or_default();
            panic!("{what} shows {secret}: {line}");
        }
    }
}

#[tokio::test]
async fn no_secret_appears_in_log_status_metrics_or_errors() {
    let mut lab = Lab::new("secrets").await;
    lab.kafka();
    example(&lab).await;
    lab.world().add_key(API_KEY, SECRET_KEY, Scope::Root);
    let password = lab.db.password.clone();
    let web = FakeWeb::start(500).await;
    let secrets = [API_KEY, SECRET_KEY, VM_PASSWORD, KAFKA_PASSWORD, KEY, password.as_str()];
    // A password that no listener asks for is kept by librdkafka all the same.
    let sasl = format!("sasl.password={KAFKA_PASSWORD}");
    let settings = [
        ("CS_API_KEY", API_KEY),
        ("CS_SECRET_KEY", SECRET_KEY),
        ("KAFKA_CONFIG", sasl.as_str()),
        ("PDNS_API_URL", &web.url),
        ("PDNS_API_KEY", KEY),
        ("RUST_LOG", "trace"),
        ("RESYNC_INTERVAL", "1s"),
    ];
    let controller = serve_events(&lab, &settings).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    let job = format!(
        r#"{{"command":"DeployVMCmd","status":"SUCCEEDED","instanceType":"VirtualMachine","instanceUuid":"{id}",
        "commandEventType":"VM.CREATE","jobId":"{id}","cmdInfo":{{"apikey":"{API_KEY}","sessionkey":"{VM_PASSWORD}"}},
        "jobResult":{{"id":"{id}","password":"{VM_PASSWORD}","class":"x","object":"virtualmachine"}}}}"#
    );
    lab.world().publish(&Event { key: Some(id.clone()), value: job.clone() });
    // The same broken off, and as text within text, so that what cannot be read is not shown either.
    lab.world().publish(&Event { key: None, value: job[..job.len() - 4].to_owned() });
    lab.world().publish(&Event { key: Some(VM_PASSWORD.into()), value: format!("[\"{VM_PASSWORD}\"]") });
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    let unreadable = "cs_powerdns_trigger_ignored_messages_total{reason=\"unreadable\"}";
    metric_reaches(&controller, unreadable, 2.0).await;
    assert!(!web.asked().is_empty(), "the web server was told");
    // Errors, too: of the API, which is then answered by a proxy, and of the database.
    lab.world().allow(API_KEY, "listVirtualMachines", false);
    metric_reaches(&controller, "cs_powerdns_resync_failures_total", 1.0).await;
    lab.sim.down();
    metric_reaches(&controller, "cs_powerdns_resync_failures_total", 2.0).await;
    lab.db.exec(&format!("ALTER USER '{}'@'%' IDENTIFIED BY 'another'", lab.db.user)).await.unwrap();
    lab.db.exec("DELETE FROM cs_powerdns_owner").await.unwrap();
    for path in ["/status", "/metrics", "/", "/readyz", "/healthz"] {
        let (_, body) = controller.get(path).await.unwrap();
        assert_clean(path, &body, &secrets);
    }
    let mut controller = controller;
    controller.sigterm().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    let output = controller.output();
    assert!(output.contains("TRACE"), "the log is as loud as it gets");
    assert_clean("the log", &output, &secrets);
}

#[tokio::test]
async fn no_secret_appears_in_what_one_shot_verbs_print() {
    let lab = Lab::new("secrets_once").await;
    example(&lab).await;
    let password = "PlantedMysqlPassword-m2V";
    let secrets = [API_KEY, SECRET_KEY, KAFKA_PASSWORD, password];
    let sasl = format!("sasl.password={KAFKA_PASSWORD},=broken");
    for more in [
        &[("CS_API_KEY", API_KEY), ("CS_SECRET_KEY", SECRET_KEY)][..],
        &[("MYSQL_PDNS_PASSWORD", password)],
        &[("KAFKA_BOOTSTRAP", "127.0.0.1:1"), ("KAFKA_CONFIG", sasl.as_str()), ("CS_SECRET_KEY", SECRET_KEY)],
    ] {
        for verb in ["sync", "plan", "schema", "run"] {
            if verb == "run" && !more[0].0.starts_with("KAFKA") {
                continue;
            }
            let mut more = more.to_vec();
            more.push(("RUST_LOG", "trace"));
            let output = once(&lab, &[verb], &more).await;
            if verb != "schema" {
                assert_eq!(output.code, 1, "{verb} {more:?}: {}{}", output.stdout, output.stderr);
            }
            assert_clean(verb, &format!("{}{}", output.stdout, output.stderr), &secrets);
        }
    }
}
