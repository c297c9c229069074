//! A small API on loopback for this room's tests: VMs with the rules of facts 3.2 to 3.4, and faults to
//! order.

use super::{Client, Settings};
use crate::{
    metrics::Metrics,
    model::{Vm, VmId},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A VM of the fake.
#[derive(Clone)]
pub(super) struct FakeVm {
    pub(super) id: VmId,
    pub(super) project: bool,
}

/// The state of the fake.
pub(super) struct Fake {
    pub(super) version: &'static str,
    pub(super) vms: Vec<FakeVm>,
    /// Ids of rows that are removed but still known: empty, not 431.
    pub(super) removed: Vec<VmId>,
    pub(super) max_page: usize,
    /// Added to every `count`.
    pub(super) count_lie: i64,
    /// Answers to give instead, last first: HTTP status and body.
    pub(super) faults: Vec<(u16, String)>,
    /// VMs that make each call fail that asks for them.
    pub(super) stumbles: Vec<VmId>,
    /// A VM to delete after so many listing pages.
    pub(super) delete_after: Option<usize>,
    /// Queries received.
    pub(super) queries: Vec<HashMap<String, String>>,
}

pub(super) type Shared = Arc<Mutex<Fake>>;

/// The id number `n`.
pub(super) fn id(n: usize) -> VmId {
    VmId::from_u128(0x0b6f_0000_0000_4000_8000_0000_0000_0000 + n as u128)
}

/// Starts a fake with VMs 0 to `vms`, every tenth in a project.
pub(super) async fn start(version: &'static str, vms: usize) -> (Client, Shared, Arc<Metrics>) {
    let fake = Arc::new(Mutex::new(Fake {
        version,
        vms: (0..vms).map(|n| FakeVm { id: id(n), project: n % 10 == 9 }).collect(),
        removed: Vec::new(),
        max_page: 500,
        count_lie: 0,
        faults: Vec::new(),
        stumbles: Vec::new(),
        delete_after: None,
        queries: Vec::new(),
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/client/api", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(Arc::clone(&fake));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = Settings {
        endpoint,
        api_key: "the-api-key".into(),
        secret_key: "the-secret".into(),
        ca_file: None,
        timeout: Duration::from_secs(2),
    };
    let metrics = Arc::new(Metrics::default());
    (Client::new(&settings, Arc::clone(&metrics)).unwrap(), fake, metrics)
}

/// All ids of a listing.
pub(super) async fn drain(mut pages: tokio::sync::mpsc::Receiver<Vec<Vm>>) -> Vec<VmId> {
    let mut ids = Vec::new();
    while let Some(page) = pages.recv().await {
        ids.extend(page.iter().map(|vm| vm.id));
    }
    ids
}

async fn answer(State(fake): State<Shared>, uri: Uri, body: String) -> Response {
    let query = uri.query().map_or(body, str::to_owned);
    let query: HashMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| {
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            (name.to_owned(), value)
        })
        .collect();
    let mut fake = fake.lock().unwrap();
    let (status, body) = fake.answer(&query);
    fake.queries.push(query);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// An error as CloudStack words it.
pub(super) fn error(status: u16, text: &str) -> (u16, String) {
    let text = serde_json::Value::from(text);
    (
        status,
        format!(
            r#"{{"listvirtualmachinesresponse":{{"uuidList":[],"errorcode":{status},"errortext":{text}}}}}"#
        ),
    )
}

impl Fake {
    fn answer(&mut self, query: &HashMap<String, String>) -> (u16, String) {
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let command = get("command");
        if command == "listCapabilities" {
            let version = self.version;
            let body = format!(
                r#"{{"listcapabilitiesresponse":{{"capability":{{"cloudstackversion":"{version}"}}}}}}"#
            );
            return (200, body);
        }
        if let Some(fault) = self.faults.pop() {
            return fault;
        }
        if command != "listVirtualMachines" {
            return (200, format!(r#"{{"{}response":{{}}}}"#, command.to_lowercase()));
        }
        let size: usize = get("pagesize").parse().unwrap();
        let page: usize = get("page").parse().unwrap();
        if size > self.max_page {
            return error(
                431,
                &format!("Page size can't exceed max allowed page size value: {}", self.max_page),
            );
        }
        let ids: Option<Vec<VmId>> = match (get("ids"), get("id")) {
            ("", "") => None,
            ("", one) => Some(vec![one.parse().unwrap()]),
            (many, _) => Some(many.split(',').map(|id| id.parse().unwrap()).collect()),
        };
        if ids.iter().flatten().any(|id| self.stumbles.contains(id)) {
            return error(530, "Internal error executing command");
        }
        let known = |id: &VmId| self.removed.contains(id) || self.vms.iter().any(|vm| vm.id == *id);
        if let Some(dead) = ids.iter().flatten().find(|id| !known(id)) {
            return error(
                431,
                &format!(
                    "Unable to execute API command listvirtualmachines due to invalid value. Invalid parameter \
                     id value={dead} due to incorrect long value format, or entity does not exist or due to \
                     incorrect parameter annotation for the field in api cmd class."
                ),
            );
        }
        let old = self.version.starts_with("4.13");
        let visible = |vm: &&FakeVm| match (get("projectid"), get("id")) {
            ("-1", _) => !old || vm.project,
            (_, "") => !vm.project,
            _ => true,
        };
        let wanted = |vm: &&FakeVm| ids.as_ref().is_none_or(|ids| ids.contains(&vm.id));
        let all: Vec<&FakeVm> = self.vms.iter().filter(visible).filter(wanted).collect();
        let count = (i64::try_from(all.len()).unwrap() + self.count_lie).max(0);
        let items: Vec<String> = all.iter().skip((page - 1) * size).take(size).map(|vm| item(vm)).collect();
        let body = match (count, items.len()) {
            (0, 0) => "{}".to_owned(),
            (_, 0) => format!(r#"{{"count":{count}}}"#),
            _ => format!(r#"{{"count":{count},"virtualmachine":[{}]}}"#, items.join(",")),
        };
        if ids.is_none() && self.delete_after == Some(page) {
            self.vms.remove(0);
            self.delete_after = None;
        }
        (200, format!(r#"{{"listvirtualmachinesresponse":{body}}}"#))
    }
}

fn item(vm: &FakeVm) -> String {
    let owner = if vm.project {
        r#""project":"p","projectid":"f6f60000-0000-4000-8000-000000000001""#
    } else {
        r#""account":"a""#
    };
    format!(
        r#"{{"id":"{}","name":"vm","state":"Running",{owner},"domainid":"e5e50000-0000-4000-8000-000000000002",
        "created":"2026-03-04T10:15:01+0000","nic":[]}}"#,
        vm.id
    )
}
