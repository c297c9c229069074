//! No secret appears in any output, however much is logged.

use super::{
    flush_support::{FakeWeb, KEY},
    support::{LIMIT, RESYNC_FAILURES, answers, example, metric_reaches, once, serve_events, vm},
};
use testbed::{Lab, sim::Event, sim::Scope};

const API_KEY: &str = "PlantedApiKey-Aa1Bb2Cc3";
const SECRET_KEY: &str = "PlantedSecretKey-Zz9Yy8Xx7";
const VM_PASSWORD: &str = "PlantedVmPassword-h7Q";
const KAFKA_PASSWORD: &str = "PlantedKafkaPassword-k3W";
/// In answers of the API, which has passwords and user data for whoever asks with all details.
const USER_DATA: &str = "PlantedUserData-q8D";

/// What a VM's answer may hold besides.
fn confidential() -> serde_json::Value {
    serde_json::json!({
        "password": VM_PASSWORD, "userdata": USER_DATA, "details": {"SSH.PublicKey": USER_DATA},
        "keypair": USER_DATA, "userdatadetails": USER_DATA, "vnc": {"password": VM_PASSWORD},
    })
}

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
    let secrets = [API_KEY, SECRET_KEY, VM_PASSWORD, USER_DATA, KAFKA_PASSWORD, KEY, password.as_str()];
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
    lab.world().patch_vm(&id, confidential());
    // One that cannot be read, since what cannot be read is what one wants to show.
    let broken = lab.world().create_vm(vm("broken", "192.0.2.11"));
    let mut patch = confidential();
    patch["nic"] = USER_DATA.into();
    lab.world().patch_vm(&broken, patch);
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
    metric_reaches(&controller, RESYNC_FAILURES, 1.0).await;
    lab.sim.down();
    metric_reaches(&controller, RESYNC_FAILURES, 2.0).await;
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

/// What is wrong with a setting is said without what is right with the others, and without what it may be a
/// part of.
#[tokio::test]
async fn no_secret_appears_in_the_error_of_any_wrong_setting_or_in_a_plan() {
    let lab = Lab::new("secrets_wrong").await;
    example(&lab).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.world().patch_vm(&id, confidential());
    lab.world().add_key(API_KEY, SECRET_KEY, Scope::Root);
    let password = lab.db.password.clone();
    let secrets = [API_KEY, SECRET_KEY, VM_PASSWORD, USER_DATA, KAFKA_PASSWORD, KEY, password.as_str()];
    let sasl = format!("sasl.password={KAFKA_PASSWORD}");
    let good = [
        ("CS_API_KEY", API_KEY),
        ("CS_SECRET_KEY", SECRET_KEY),
        ("KAFKA_BOOTSTRAP", "127.0.0.1:1"),
        ("KAFKA_CONFIG", sasl.as_str()),
        ("PDNS_API_URL", "http://127.0.0.1:1"),
        ("PDNS_API_KEY", KEY),
        ("RUST_LOG", "trace"),
    ];
    let arguments = ["plan", "--json"];
    let output = once(&lab, &arguments, &good).await;
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert_clean("plan --json", &format!("{}{}", output.stdout, output.stderr), &secrets);
    let folder = std::env::temp_dir().join(format!("cs-powerdns-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("key").display().to_string();
    // A secret where none belongs, and a file of secrets where certificates belong.
    std::fs::write(&file, format!("{SECRET_KEY}\n{KEY}\n")).expect("a file");
    let in_url = format!("https://u:{SECRET_KEY}@127.0.0.1/client/api");
    let in_query = format!("https://127.0.0.1/client/api?apikey={API_KEY}&signature=x");
    let in_host = format!("dns:{password}@127.0.0.1");
    let torn = format!("sasl.password=a,{KAFKA_PASSWORD}");
    let unknown = format!("sasl.passwort={KAFKA_PASSWORD}");
    let in_api_url = format!("http://u:{KEY}@127.0.0.1:8081");
    for (name, value) in [
        ("CS_ENDPOINT", in_url.as_str()),
        ("CS_ENDPOINT", &in_query),
        ("CS_CA_FILE", &file),
        ("MYSQL_PDNS_CA_FILE", &file),
        ("PDNS_API_CA_FILE", &file),
        ("CS_SECRET_KEY_FILE", &file),
        ("MYSQL_PDNS_HOST", &in_host),
        ("MYSQL_PDNS_PASSWORD", "another"),
        ("MYSQL_PDNS_NAME", "another"),
        ("MYSQL_PDNS_TLS", "verify-identity"),
        ("CS_SECRET_KEY", "another"),
        ("KAFKA_BOOTSTRAP", &in_host),
        ("KAFKA_CONFIG", &torn),
        ("KAFKA_CONFIG", &unknown),
        ("PDNS_API_URL", &in_api_url),
        ("PDNS_API_KEY", "PlantedPdnsKey-t6R\u{7f}"),
        ("LEASE_TTL", "never"),
    ] {
        let mut settings = good.to_vec();
        settings.push((name, value));
        // What only a run looks at is wrong there.
        let verb = if name.starts_with("KAFKA") || name.starts_with("PDNS") { "run" } else { "plan" };
        let output = once(&lab, &[verb], &settings).await;
        assert_eq!(output.code, 1, "{name} should be refused: {}{}", output.stdout, output.stderr);
        assert_clean(&format!("a wrong {name}"), &format!("{}{}", output.stdout, output.stderr), &secrets);
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    // A flag's value is not repeated by whoever reads the arguments either.
    let flag = format!("--cs-secrt-key={SECRET_KEY}");
    let output = once(&lab, &["plan", &flag], &good).await;
    assert_eq!(output.code, 1);
    assert_clean("a misspelt flag", &format!("{}{}", output.stdout, output.stderr), &secrets);
}
