use super::*;
use crate::{
    model::{HeldSet, Kind, Outcome, OwnerName, Rejection, VmId},
    observe::{Held, Pass, Role, Standing},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

struct Server {
    address: SocketAddr,
    observed: Arc<Observed>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), ObserveError>>,
}

async fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let observed = Arc::new(Observed {
        board: Arc::new(Board::new(now)),
        metrics: Arc::default(),
        settings: HealthSettings {
            api_timeout: second * 60,
            resync_interval: second * 600,
            lease_ttl: second * 15,
        },
        started: now,
        questions: mpsc::channel(1).0,
    });
    let cancel = CancellationToken::new();
    let task = tokio::spawn(serve(listener, Arc::clone(&observed), cancel.clone()));
    Server { address, observed, cancel, task }
}

impl Server {
    /// The whole answer: head and body. It also proves that the connection is closed.
    async fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn readiness_follows_the_passes() {
    let server = server().await;
    let board = &server.observed.board;
    assert!(server.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(server.ask("GET", "/readyz").await.starts_with("HTTP/1.1 503 "));
    board.set_role(Role::Holder { epoch: 7 }, Instant::now());
    board.note_pass(Pass::Resync, Instant::now(), Ok(()));
    board.set_held(Held { sets: vec![(HeldSet::new(0xabcd).unwrap(), 31)] });
    let answer = server.ask("GET", "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("role: holder, epoch 7\nheld: 31 records, set 0000abcd\n"), "{answer}");
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let server = server().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/", "/status", "/metrics", "/healthz", "/readyz"] {
            let answer = server.ask(method, path).await;
            assert!(answer.starts_with("HTTP/1.1 405 "), "{method} {path}: {answer}");
        }
    }
    assert!(server.ask("GET", "/nothing").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn hostile_names_are_data_on_the_page_and_in_json() {
    let server = server().await;
    let board = &server.observed.board;
    let hostile = "<img/src=x>&'.example.org";
    let vm = VmId::from_u128(5);
    let standing = Standing::new(Some(vm), Kind::Name, &Outcome::Frozen, "<b>\u{0}\n".into());
    board.set_name(OwnerName::parse(hostile).unwrap(), vec![standing]);
    let name = "</td><script>".into();
    let rejection =
        Rejection { kind: Kind::Group, name, pending: true, reason: "no zone", detail: "\"<i>".into() };
    board.set_rejections(vm, vec![rejection]);
    board.note_pass(Pass::Look, Instant::now(), Err("<u>refused".into()));

    let page = server.ask("GET", "/").await;
    assert!(page.contains("&lt;img/src=x&gt;&amp;&#39;.example.org"), "{page}");
    for raw in ["<img", "<script", "<b>\0", "<i>", "<u>"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }

    let answer = server.ask("GET", "/status").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(status["names_total"], 1);
    assert_eq!(status["names"][0]["name"], hostile);
    assert_eq!(status["names"][0]["claims"][0]["state"], "frozen");
    assert_eq!(status["names"][0]["claims"][0]["vm"], vm.to_string());
    assert_eq!(status["counts"]["frozen"], 1);
    assert_eq!(status["rejected_vms"][0]["rejections"][0]["pending"], true);
    assert_eq!(status["failing"][0]["pass"], "look");
    assert_eq!(status["role"], "starting");
    assert_eq!((&status["ready"], &status["healthy"]), (&false.into(), &true.into()));
    for key in [
        "held",
        "held_hash",
        "held_sets",
        "last_resync",
        "vms",
        "dirty_vms",
        "dirty_names",
        "uptime_seconds",
        "why",
    ] {
        assert!(status.get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let server = server().await;
    server.observed.metrics.passes.resync.good.inc();
    let answer = server.ask("GET", "/metrics").await;
    assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(
        answer.contains("\ncs_powerdns_passes_total{pass=\"resync\",result=\"success\"} 1\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn silent_clients_neither_stop_the_rest_nor_the_end() {
    let server = server().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert!(server.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
    server.cancel.cancel();
    timeout(GRACE * 2, server.task).await.unwrap().unwrap().unwrap();
}
