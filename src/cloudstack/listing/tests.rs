//! Listings against the fake: completeness, projects, page sizes, faults.

use super::*;
use crate::cloudstack::fake::{Shared, drain, error, id, start};

async fn list(client: &Client) -> (Result<VmListing, ApiError>, Vec<VmId>) {
    let (pages, received) = tokio::sync::mpsc::channel(2);
    let (listing, ids) = tokio::join!(client.list_vms(pages), drain(received));
    (listing.map(Complete::into_inner), ids)
}

fn listings(fake: &Shared) -> usize {
    let queries = &fake.lock().unwrap().queries;
    queries.iter().filter(|query| query["command"] == "listVirtualMachines" && query["page"] == "1").count()
}

#[tokio::test]
async fn every_page_arrives_once_projects_included_on_new_and_old_servers() {
    for (version, passes) in [("4.20.3.0", 1), ("4.13.1.0", 2), ("24.0.0", 1), ("unknown", 2)] {
        let (client, fake, metrics) = start(version, 1203).await;
        let (listing, mut ids) = list(&client).await;
        assert_eq!(listing.unwrap(), VmListing { total: 1203, moved: false, unreadable: 0 }, "{version}");
        ids.sort_unstable();
        assert_eq!(ids, (0..1203).map(id).collect::<Vec<_>>(), "{version}");
        assert_eq!(listings(&fake), passes, "{version}");
        assert!(metrics.api.last_answer.get() > 0);
    }
}

#[tokio::test]
async fn empty_and_exactly_full_listings_are_complete() {
    for vms in [0, 1, 500, 1000] {
        let (client, _fake, _) = start("4.20.0.0", vms).await;
        let (listing, ids) = list(&client).await;
        assert_eq!((listing.unwrap().total, ids.len()), (vms, vms));
    }
}

#[tokio::test]
async fn page_size_adapts_to_the_server_and_is_remembered() {
    let (client, fake, _) = start("4.20.0.0", 45).await;
    fake.lock().unwrap().max_page = 20;
    assert_eq!(list(&client).await.0.unwrap().total, 45);
    assert_eq!(list(&client).await.0.unwrap().total, 45);
    let queries = &fake.lock().unwrap().queries;
    assert_eq!(
        queries.iter().filter(|query| query.get("pagesize").is_some_and(|size| size == "500")).count(),
        1
    );
}

#[tokio::test]
async fn a_vm_that_goes_while_pages_are_read_shows_as_a_moved_listing() {
    let (client, fake, _) = start("4.20.0.0", 1700).await;
    fake.lock().unwrap().delete_after = Some(1);
    let (listing, ids) = list(&client).await;
    let listing = listing.unwrap();
    assert!(listing.moved);
    assert_eq!((listing.total, ids.len()), (1699, 1699));
}

#[tokio::test]
async fn a_count_above_what_comes_is_read_once_more_and_then_an_error() {
    let (client, fake, _) = start("4.20.0.0", 30).await;
    fake.lock().unwrap().count_lie = 5;
    let (listing, _) = list(&client).await;
    assert!(matches!(listing, Err(ApiError::Incomplete { got: 30, count: 35, .. })));
    assert_eq!(listings(&fake), 2);
}

#[tokio::test]
async fn a_count_below_what_comes_loses_nothing() {
    let (client, fake, _) = start("4.20.0.0", 1203).await;
    fake.lock().unwrap().count_lie = -900;
    let (listing, ids) = list(&client).await;
    assert_eq!((listing.unwrap().total, ids.len()), (1203, 1203));
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let html = "<html><body><h1>503 Service Unavailable</h1></body></html>".to_owned();
    let truncated = r#"{"listvirtualmachinesresponse":{"count":3,"virtualm"#.to_owned();
    for fault in [
        (503, html.clone()),
        (200, html),
        (200, truncated),
        error(530, "Internal error executing command"),
        error(429, "reached his/her account api limit, please retry after [10] ms."),
    ] {
        let (client, fake, metrics) = start("4.20.0.0", 3).await;
        fake.lock().unwrap().faults.push(fault.clone());
        assert_eq!(list(&client).await.0.unwrap().total, 3, "{fault:?}");
        assert_eq!(metrics.api.errors(), 1);
    }
}

#[tokio::test]
async fn lasting_faults_are_errors_after_a_bounded_number_of_tries() {
    let (client, fake, metrics) = start("4.20.0.0", 3).await;
    fake.lock().unwrap().faults = vec![error(530, "Internal error"); 50];
    let err = list(&client).await.0.unwrap_err();
    assert!(matches!(err, ApiError::Internal { .. }) && err.is_transient());
    assert_eq!(metrics.api.errors(), 3);
    let (client, fake, metrics) = start("4.20.0.0", 3).await;
    fake.lock().unwrap().faults = vec![error(401, "unable to verify user credentials"); 50];
    let err = list(&client).await.0.unwrap_err();
    assert!(matches!(err, ApiError::Unauthorized { .. }) && !err.is_transient());
    assert_eq!(metrics.api.errors(), 1);
}

#[tokio::test]
async fn a_reader_that_goes_ends_the_listing() {
    let (client, _fake, _) = start("4.20.0.0", 3).await;
    let (pages, received) = tokio::sync::mpsc::channel(1);
    drop(received);
    assert!(matches!(client.list_vms(pages).await, Err(ApiError::Abandoned)));
}

#[tokio::test]
async fn errors_of_the_connection_show_neither_key_nor_signature() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/client/api", listener.local_addr().unwrap());
    drop(listener);
    let settings = crate::cloudstack::Settings {
        endpoint,
        api_key: "the-api-key".into(),
        secret_key: "the-secret".into(),
        ca_file: None,
        timeout: std::time::Duration::from_secs(2),
    };
    let client = Client::new(&settings, std::sync::Arc::default()).unwrap();
    let err = client.version().await.unwrap_err();
    assert!(matches!(err, ApiError::Connect { .. }) && err.is_transient());
    let mut shown = format!("{err:?} {err} {settings:?} {client:?}");
    let mut cause = std::error::Error::source(&err);
    while let Some(inner) = cause {
        shown.push_str(&inner.to_string());
        cause = inner.source();
    }
    for secret in ["the-api-key", "the-secret", "signature="] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn owners_of_an_empty_cloud_are_complete() {
    let (client, _fake, _) = start("4.20.0.0", 0).await;
    assert!(client.owners().await.unwrap().get().accounts.is_empty());
}
