//! Other people's programs: a Python client of CloudStack, and another Kafka broker.

use super::support::{answers, example, serve_events, vm};
use testbed::{Lab, Tansu, VmSpec, python_cs};

#[tokio::test]
async fn the_python_client_cs_lists_the_same_vms() {
    let lab = Lab::new("python_cs").await;
    let domain = example(&lab).await;
    let project = lab.world().add_project(&domain, "p");
    lab.world().create_vm(vm("one", "192.0.2.1"));
    lab.world().create_vm(VmSpec { owner: project, ..vm("two", "192.0.2.2") });
    let names = python_cs(&lab.sim.endpoint(), &lab.sim.api_key, &lab.sim.secret_key).unwrap();
    assert_eq!(names, ["one", "two"]);
}

#[tokio::test]
async fn events_come_through_tansu_too() {
    let lab = Lab::new("tansu").await;
    example(&lab).await;
    let tansu = Tansu::start().expect("Tansu starts");
    tansu.create_topic(&lab.topic, 3).await.expect("a topic");
    lab.world().publish_to(tansu.publisher().expect("a producer").sink(&lab.topic));
    let settings = [
        ("KAFKA_BOOTSTRAP", tansu.bootstrap()),
        ("KAFKA_TOPIC", lab.topic.clone()),
        ("KAFKA_CONFIG", Tansu::kafka_config().to_owned()),
        ("RESYNC_INTERVAL", "10m".to_owned()),
        ("RESYNC_MIN_INTERVAL", "10m".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let controller = serve_events(&lab, &settings).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    lab.world().rename_vm(&id, "web2");
    answers(&lab, "web2.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    drop(controller);
}
