//! Look-ups against the fake: what proves absence, and what does not.

use super::*;
use crate::cloudstack::fake::{error, id, start};

async fn look(client: &Client, ids: &[usize]) -> Vec<(VmId, bool)> {
    let ids: Vec<VmId> = ids.iter().copied().map(id).collect();
    let mut found: Vec<(VmId, bool)> =
        client.look_up(&ids).await.unwrap().found.into_iter().map(|(id, vm)| (id, vm.is_some())).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn present_removed_and_unknown_vms_are_told_apart_in_one_look_up() {
    for version in ["4.20.3.0", "4.13.1.0"] {
        let (client, fake, _) = start(version, 20).await;
        fake.lock().unwrap().removed = vec![id(100), id(101)];
        // 9 and 19 are in a project; 200 and 201 fail their whole call.
        let found = look(&client, &[201, 3, 9, 19, 100, 101, 200, 3]).await;
        let expected =
            [(3, true), (9, true), (19, true), (100, false), (101, false), (200, false), (201, false)];
        assert_eq!(found, expected.map(|(n, there)| (id(n), there)), "{version}");
    }
}

#[tokio::test]
async fn many_ids_take_few_calls() {
    let (client, fake, metrics) = start("4.20.3.0", 1000).await;
    let ids: Vec<usize> = (0..1000).collect();
    assert_eq!(look(&client, &ids).await.len(), 1000);
    assert_eq!(metrics.api.requests(), 6);
    assert!(fake.lock().unwrap().queries.iter().all(|query| query.contains_key("signature")));
}

#[tokio::test]
async fn a_smaller_page_size_only_makes_more_calls() {
    let (client, fake, _) = start("4.20.3.0", 300).await;
    fake.lock().unwrap().max_page = 50;
    let ids: Vec<usize> = (0..300).collect();
    assert!(look(&client, &ids).await.iter().all(|(_, there)| *there));
}

#[tokio::test]
async fn other_errors_never_prove_absence() {
    for (status, text) in [
        (401, "unable to verify user credentials and/or request signature"),
        (531, "Acct does not have permission to operate within domain"),
        (431, "\"page\" parameter is required when \"pagesize\" is specified"),
        (
            431,
            "Invalid parameter projectid value=-1 due to incorrect long value format, or entity does not exist",
        ),
        (432, "The given command does not exist or it is not available for user"),
    ] {
        let (client, fake, _) = start("4.20.3.0", 0).await;
        fake.lock().unwrap().faults = vec![error(status, text); 20];
        assert!(client.look_up(&[id(1)]).await.is_err(), "{text}");
        assert!(client.look_up(&[id(1), id(2)]).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_the_question_never_prove_absence() {
    let foreign = r#"{"listvirtualmachinesresponse":{"count":1,"virtualmachine":[{"id":"FOREIGN","name":"a",
        "state":"Running","account":"a","domainid":"e5e50000-0000-4000-8000-000000000002"}]}}"#;
    let foreign = foreign.replace("FOREIGN", &id(77).to_string());
    let counted = r#"{"listvirtualmachinesresponse":{"count":1}}"#.to_owned();
    for body in [foreign, counted] {
        let (client, fake, _) = start("4.20.3.0", 3).await;
        fake.lock().unwrap().faults = vec![(200, body.clone()); 20];
        assert!(client.look_up(&[id(1)]).await.is_err(), "{body}");
        let (client, fake, _) = start("4.20.3.0", 3).await;
        fake.lock().unwrap().faults = vec![(200, body)];
        assert_eq!(look(&client, &[1, 2]).await, [(id(1), true), (id(2), true)]);
    }
}

#[tokio::test]
async fn a_vm_that_cannot_be_read_is_neither_there_nor_lacking() {
    for body in [format!(r#"{{"id":"{}"}}"#, id(1)), "{}".to_owned()] {
        let (client, fake, metrics) = start("4.20.3.0", 3).await;
        let body = format!(r#"{{"listvirtualmachinesresponse":{{"count":1,"virtualmachine":[{body}]}}}}"#);
        fake.lock().unwrap().faults = vec![(200, body); 20];
        assert_eq!(look(&client, &[1]).await, []);
        assert_eq!(metrics.api.unreadable.get(), 1);
    }
}

#[tokio::test]
async fn a_vm_about_which_the_api_errs_keeps_no_other_from_being_looked_at() {
    let (client, fake, metrics) = start("4.20.3.0", 150).await;
    fake.lock().unwrap().stumbles = vec![id(7), id(9)];
    let ids: Vec<VmId> = (0..200).map(id).collect();
    let looked = client.look_up(&ids).await.unwrap();
    let mut failed: Vec<VmId> = looked.failed.iter().map(|(id, _)| *id).collect();
    failed.sort_unstable();
    assert_eq!(failed, [id(7), id(9)]);
    assert_eq!(looked.found.iter().filter(|(_, vm)| vm.is_some()).count(), 148);
    assert_eq!(looked.found.iter().filter(|(_, vm)| vm.is_none()).count(), 50);
    assert!(client.look_up(&[id(7)]).await.is_err(), "alone it tells nothing about the API");
    // Where the API errs about everything, it is not asked about everything.
    let before = metrics.api.requests();
    fake.lock().unwrap().stumbles = ids.clone();
    assert!(client.look_up(&ids).await.is_err());
    let calls = metrics.api.requests() - before;
    assert!(calls < 400, "{calls} calls");
}
