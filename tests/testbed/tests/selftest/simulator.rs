//! The simulator's strictness.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use testbed::sim::{Body, Event, Scope};
use testbed::{Fault, Generation, NetworkKind, Simulator, VmSpec};

use crate::client::{call, call_as, names, openssl_signature, query, send};

const LIST: &str = "listVirtualMachines";
const ALL: (&str, &str) = ("listall", "true");

fn cloud() -> (Simulator, String) {
    let sim = Simulator::start().unwrap();
    let domain = sim.world().add_domain("acme", &sim.world().root(), Some("acme.example"));
    let account = sim.world().add_account(&domain, "ops", None);
    (sim, account)
}

#[tokio::test]
async fn testbed_signature_that_is_wrong_or_expired_is_refused() {
    let (sim, _) = cloud();
    let basic =
        [("command", LIST), ("apikey", sim.api_key.as_str()), ("response", "json"), ("keyword", "a b*~")];
    let right = openssl_signature(&basic, &sim.secret_key);
    assert_eq!(send(&sim, &query(&basic, &right)).await.0, 200);
    let (status, body) = send(&sim, &query(&basic, &openssl_signature(&basic, "another"))).await;
    assert_eq!(status, 401);
    let sample = r#"{"listvirtualmachinesresponse":{"uuidList":[],"errorcode":401,"errortext":"unable to verify user credentials and/or request signature"}}"#;
    assert_eq!(body, sample);

    // Version 3 needs a time to come; the vector's format, with offsets.
    let mut later = basic.to_vec();
    for (expires, expected) in [
        ("2030-01-01T00:00:00+0000", 200),
        ("2030-01-01T00:00:00+0530", 200),
        ("2020-01-01T00:00:00+0000", 401),
        ("soon", 401),
    ] {
        later.truncate(4);
        later.extend([("signatureversion", "3"), ("expires", expires)]);
        let signed = query(&later, &openssl_signature(&later, &sim.secret_key));
        assert_eq!(send(&sim, &signed).await.0, expected, "{expires}");
    }
    later.truncate(5);
    assert_eq!(send(&sim, &query(&later, &openssl_signature(&later, &sim.secret_key))).await.0, 401);

    // Enforced, neither version 1 nor a time beyond 15 minutes is let in.
    sim.world().set_enforce(true);
    assert_eq!(send(&sim, &query(&basic, &right)).await.0, 401);
    later.push(("expires", "2030-01-01T00:00:00+0000"));
    assert_eq!(send(&sim, &query(&later, &openssl_signature(&later, &sim.secret_key))).await.0, 401);
}

#[tokio::test]
async fn testbed_signature_in_a_form_is_accepted() {
    let (sim, account) = cloud();
    sim.world().create_vm(VmSpec::new("web", &account));
    let basic = [("command", LIST), ("apikey", sim.api_key.as_str()), ("response", "json"), ALL];
    let form = query(&basic, &openssl_signature(&basic, &sim.secret_key));
    let request = reqwest::Client::new().post(sim.endpoint()).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("\"name\":\"web\""));
}

#[tokio::test]
async fn testbed_paging_rules_are_kept() {
    let (sim, account) = cloud();
    let ids: Vec<String> =
        (0..12).map(|n| sim.world().create_vm(VmSpec::new(&format!("vm{n}"), &account))).collect();
    let page = |page, size| [ALL, ("page", page), ("pagesize", size)];
    assert_eq!(call(&sim, LIST, &[ALL, ("page", "1")]).await.0, 431);
    assert_eq!(call(&sim, LIST, &[ALL, ("pagesize", "5")]).await.0, 431);
    let (status, body) = call(&sim, LIST, &page("1", "501")).await;
    assert_eq!((status, &body["listvirtualmachinesresponse"]["cserrorcode"]), (431, &json!(4350)));
    sim.world().set_max_page(5);
    // Without a page silently the first so many, of a truthful count.
    let (_, body) = call(&sim, LIST, &[ALL]).await;
    assert_eq!(names(&body), ["vm0", "vm1", "vm2", "vm3", "vm4"]);
    assert_eq!(body["listvirtualmachinesresponse"]["count"], 12);
    // Offsets: who goes shifts the rest.
    sim.before_page(LIST, 2, move |world| world.expunge_vm(&ids[0]));
    assert_eq!(names(&call(&sim, LIST, &page("1", "5")).await.1).len(), 5);
    assert_eq!(names(&call(&sim, LIST, &page("2", "5")).await.1), ["vm6", "vm7", "vm8", "vm9", "vm10"]);
    assert_eq!(
        call(&sim, LIST, &page("9", "5")).await.1,
        json!({"listvirtualmachinesresponse": {"count": 11}})
    );
    let nothing = call(&sim, LIST, &[ALL, ("keyword", "absent")]).await.1;
    assert_eq!(nothing, json!({"listvirtualmachinesresponse": {}}));
    assert_eq!(call(&sim, LIST, &[]).await.1, json!({"listvirtualmachinesresponse": {}}), "without listall");
}

#[tokio::test]
async fn testbed_ids_that_are_dead_or_unknown_are_told_apart() {
    let (sim, account) = cloud();
    let (a, b) = (
        sim.world().create_vm(VmSpec::new("a", &account)),
        sim.world().create_vm(VmSpec::new("b", &account).state("Destroyed")),
    );
    let none = json!({"listvirtualmachinesresponse": {}});
    let both = format!("{a},{b}");
    assert_eq!(names(&call(&sim, LIST, &[ALL, ("ids", &both)]).await.1), ["a", "b"]);
    assert_eq!(call(&sim, LIST, &[ALL, ("ids", &both), ("id", &a)]).await.0, 431);
    sim.world().expunge_vm(&b);
    assert_eq!(call(&sim, LIST, &[("id", &b)]).await, (200, none));
    assert_eq!(names(&call(&sim, LIST, &[ALL, ("ids", &both)]).await.1), ["a"]);
    sim.world().purge_vm(&b);
    assert_eq!(call(&sim, LIST, &[("id", &b)]).await.0, 431);
    let (status, body) = call(&sim, LIST, &[ALL, ("ids", &both)]).await;
    let text = body["listvirtualmachinesresponse"]["errortext"].as_str().unwrap();
    assert!(status == 431 && text.contains(&format!("Invalid parameter ids value={b} due to")), "{text}");
    assert_eq!(call(&sim, "listZones", &[]).await.0, 432);
}

#[tokio::test]
async fn testbed_project_vms_are_visible_by_version() {
    let (sim, account) = cloud();
    let world = sim.world();
    let project = world.add_project(&world.root(), "apollo");
    world.create_vm(VmSpec::new("own", &account));
    let api = world.create_vm(VmSpec::new("api", &project));
    let all = ("projectid", "-1");
    assert_eq!(names(&call(&sim, LIST, &[ALL]).await.1), ["own"]);
    assert_eq!(names(&call(&sim, LIST, &[ALL, all]).await.1), ["own", "api"]);
    assert_eq!(names(&call(&sim, LIST, &[ALL, ("projectid", &project)]).await.1), ["api"]);
    world.set_version(4, 13);
    assert_eq!(names(&call(&sim, LIST, &[ALL, all]).await.1), ["api"]);
    let found = call(&sim, LIST, &[("id", &api)]).await.1;
    assert_eq!(names(&found), ["api"]);
    let vm = &found["listvirtualmachinesresponse"]["virtualmachine"][0];
    assert!(vm.get("account").is_none() && vm["projectid"] == project.as_str());
    assert!(names(&call(&sim, LIST, &[ALL, ("ids", &api)]).await.1).is_empty(), "ids is a listing");
    assert_eq!(names(&call(&sim, LIST, &[ALL, ("ids", &api), all]).await.1), ["api"]);
    let listed = call(&sim, "listAccounts", &[ALL]).await.1;
    let accounts = listed["listaccountsresponse"]["account"].as_array().unwrap();
    assert_eq!(accounts.len(), 2, "no project account: {accounts:?}");
}

#[tokio::test]
async fn testbed_details_decide_what_is_shown() {
    let (sim, account) = cloud();
    let net = sim.world().add_network(&sim.world().root(), "net", NetworkKind::Isolated);
    let spec =
        VmSpec::new("Web", &account).group("www (blue)").v4("10.1.1.21").v6("2001:db8::1").network(&net);
    let id = sim.world().create_vm(spec);
    let shown = async |details: &str| {
        let body = call(&sim, LIST, &[("id", &id), ("details", details)]).await.1;
        body["listvirtualmachinesresponse"]["virtualmachine"][0].clone()
    };
    let full = shown("group,nics").await;
    assert_eq!((&full["group"], &full["nic"][0]["type"]), (&json!("www (blue)"), &json!("Isolated")));
    assert_eq!(full["nic"][0]["ip6address"], "2001:db8::1");
    let nics = shown("nics").await;
    assert!(nics.get("group").is_none() && nics["nic"][0]["ipaddress"] == "10.1.1.21");
    assert_eq!(shown("min").await["nic"], json!([]));
    assert_eq!(call(&sim, LIST, &[ALL, ("details", "everything")]).await.0, 431);
    sim.world().patch_vm(&id, json!({"name": "<&>\u{7f}", "domainid": null}));
    let hostile = shown("group,nics").await;
    assert!(hostile["name"] == "<&>\u{7f}" && hostile.get("domainid").is_none());
}

#[tokio::test]
async fn testbed_roles_limit_what_a_key_sees() {
    let (sim, account) = cloud();
    let world = sim.world();
    let other = world.add_account(&world.root(), "other", None);
    world.create_vm(VmSpec::new("mine", &account));
    let foreign = world.create_vm(VmSpec::new("foreign", &other));
    world.add_key("user", "pass", Scope::Accounts(HashSet::from([account])));
    let ask = async |command: &str, more: &[(&str, &str)]| call_as(&sim, "user", "pass", command, more).await;
    let listed = ask(LIST, &[ALL]).await.1;
    assert_eq!(names(&listed), ["mine"]);
    assert!(listed["listvirtualmachinesresponse"]["virtualmachine"][0].get("instancename").is_none());
    assert_eq!(ask(LIST, &[("id", &foreign)]).await.0, 531);
    assert_eq!(ask("listDomains", &[ALL]).await.1["listdomainsresponse"]["domain"][0]["path"], "ROOT/acme");
    world.allow("user", "listDomains", false);
    let (status, body) = ask("listDomains", &[ALL]).await;
    let text = "The given command 'listDomains' either does not exist, is not available for user.";
    assert_eq!(
        (status, body),
        (401, json!({"listdomainsresponse": {"uuidList": [], "errorcode": 401, "errortext": text}}))
    );
}

#[tokio::test]
async fn testbed_faults_come_as_ordered() {
    let (sim, account) = cloud();
    sim.world().create_vm(VmSpec::new("a", &account));
    sim.world().create_vm(VmSpec::new("b", &account));
    let raw = async || {
        let basic = [("command", LIST), ("apikey", sim.api_key.as_str()), ("response", "json"), ALL];
        let signed = query(&basic, &openssl_signature(&basic, &sim.secret_key));
        let answer = reqwest::get(format!("{}?{signed}", sim.endpoint())).await.map_err(|e| e.to_string())?;
        Ok::<_, String>((answer.status().as_u16(), answer.text().await.map_err(|e| e.to_string())?))
    };
    sim.fail_next_of(LIST, 1, Fault::Status(530, Body::Json("broken".into())));
    sim.fail_after(Some(LIST), 1, 1, Fault::Truncate);
    sim.fail_after(Some(LIST), 2, 1, Fault::Reset);
    sim.fail_after(Some(LIST), 3, 1, Fault::ShortPage);
    sim.fail_after(Some(LIST), 4, 1, Fault::EmptyObject);
    assert_eq!(call(&sim, "listAccounts", &[ALL]).await.0, 200);
    assert_eq!(raw().await.unwrap().0, 530);
    assert!(raw().await.is_err(), "half an answer");
    assert!(raw().await.is_err(), "a reset");
    let short: serde_json::Value = serde_json::from_str(&raw().await.unwrap().1).unwrap();
    assert_eq!((names(&short), &short["listvirtualmachinesresponse"]["count"]), (vec!["a"], &json!(2)));
    assert_eq!(raw().await.unwrap().1, r#"{"listvirtualmachinesresponse":{}}"#);
    assert_eq!(raw().await.unwrap().0, 200);
    assert_eq!(sim.requests(LIST), 6);
    sim.down();
    assert!(raw().await.is_err(), "down");
    sim.up().unwrap();
    assert_eq!(raw().await.unwrap().0, 200);
}

#[tokio::test]
async fn testbed_events_have_the_shape_of_their_generation() {
    let (sim, account) = cloud();
    let sent: Arc<Mutex<Vec<Event>>> = Arc::default();
    let copy = sent.clone();
    sim.world().publish_to(Arc::new(move |event| copy.lock().unwrap().push(event.clone())));
    let events = || -> Vec<(Option<String>, serde_json::Value)> {
        let taken = std::mem::take(&mut *sent.lock().unwrap());
        taken.into_iter().map(|e| (e.key, serde_json::from_str(&e.value).unwrap())).collect()
    };
    let id = sim.world().create_vm(VmSpec::new("web", &account).v4("10.0.0.1"));
    let new = events();
    let job = &new.last().unwrap().1;
    assert_eq!((&job["jobResult"]["id"], &job["status"]), (&json!(id), &json!("SUCCEEDED")));
    assert!(new.iter().all(|(key, _)| key.as_ref() == Some(&id)));
    assert!(
        new.iter().all(|(_, event)| event["account"] != account.as_str() || event["resource"].is_string())
    );
    let old = sim.world().generation(Generation::Old);
    old.destroy_vm(&id);
    let job = events().pop().unwrap().1;
    let result = job["jobResult"].as_str().unwrap();
    let (head, body) = result.split_once("/virtualmachine/").unwrap();
    assert_eq!(head, "org.apache.cloudstack.api.response.UserVmResponse");
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["state"], "Destroyed");
    old.set_address(&id, Some("10.0.0.2"), None);
    let action = events().remove(0);
    assert!(action.0.is_none() && action.1["Nic"].is_string() && action.1.get("entity").is_none());
    old.rename_vm(&id, "web2");
    assert_eq!(events()[0].1["entity"], "com.cloud.vm.VirtualMachine");
    sim.world().silent().rename_vm(&id, "web3");
    assert!(events().is_empty());
    sim.world().publish_before_visible(Duration::from_millis(200)).rename_vm(&id, "web4");
    assert_eq!((events().len(), sim.world().vm(&id).unwrap().name.clone()), (1, "web3".into()));
    testbed::poll("the change shows", Duration::from_secs(5), async || {
        let name = sim.world().vm(&id).unwrap().name.clone();
        if name == "web4" { Ok(()) } else { Err(name) }
    })
    .await;
}

#[tokio::test]
async fn testbed_pages_of_a_large_cloud_come_quickly() {
    let (sim, account) = cloud();
    let quiet = sim.world().silent();
    for n in 0..100_000 {
        quiet.create_vm(VmSpec::new(&format!("vm{n}"), &account).v4("10.0.0.1"));
    }
    let page = [ALL, ("page", "200"), ("pagesize", "500"), ("details", "group,nics")];
    assert_eq!(names(&call(&sim, LIST, &page).await.1)[499], "vm99999");
    let begin = Instant::now();
    let (status, _) = send(&sim, "command=none").await;
    let base = begin.elapsed();
    assert_eq!(status, 401);
    let signature = {
        let mut parameters = vec![("command", LIST), ("apikey", sim.api_key.as_str()), ("response", "json")];
        parameters.extend(page);
        query(&parameters, &openssl_signature(&parameters, &sim.secret_key))
    };
    let begin = Instant::now();
    let (_, body) = send(&sim, &signature).await;
    let took = begin.elapsed();
    println!("a page of {} bytes: {took:?}, an empty answer: {base:?}", body.len());
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn testbed_control_endpoint_drives_the_cloud() {
    let (sim, account) = cloud();
    let post = async |what: &str, body: serde_json::Value| {
        let client = reqwest::Client::new();
        let answer = client.post(format!("{}/{what}", sim.control_url())).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let (status, made) = post("create_vm", json!({"name": "web", "owner": account, "v4": "10.0.0.1"})).await;
    assert_eq!(status, 200, "{made}");
    let id = made["id"].clone();
    assert_eq!(post("rename", json!({"id": id, "name": "www"})).await.0, 200);
    assert_eq!(post("destroy", json!({"id": id, "silent": true})).await.0, 200);
    assert_eq!(post("rename", json!({"id": "none", "name": "www"})).await.0, 400);
    let vms = post("world", json!({})).await.1["vms"].clone();
    assert_eq!(vms, json!([{"id": id, "name": "www", "state": "Destroyed", "owner": account}]));
}
