use super::*;
use crate::{
    model::{HeldSet, Kind, LeftBehind, Outcome, OwnerName, Rejection, VmId},
    observe::{Held, Pass, Role, Standing, ZoneLine},
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
async fn every_answer_forbids_scripts_caches_and_frames() {
    let server = server().await;
    for path in
        ["/", "/status", "/metrics", "/healthz", "/readyz", "/style.css", "/explain?q=%00", "/nothing"]
    {
        let answer = server.ask("GET", path).await.to_lowercase();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; ",
            "frame-ancestors 'none'",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path}: no `{header}` in {head}");
        }
    }
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

/// How a cloud looks in which 100 000 names are not as desired, each wanted by three VMs that may have none;
/// half as many rows are left behind, in 2000 zones.
fn crowded(board: &Board) {
    const NAMES: u128 = 100_000;
    let zone = |at: u128| OwnerName::parse(&format!("zone{:04}.example.org", at % 2000)).unwrap();
    board.set_zones((0..2000).map(|at| ZoneLine::plain(at, zone(at.into()))).collect());
    let outcomes = [
        Outcome::Held,
        Outcome::Waiting { holder: None },
        Outcome::Frozen,
        Outcome::Blocked { by: "A 203.0.113.1".into() },
    ];
    for at in 0..NAMES {
        let standing = |claim: u128| {
            let outcome = &outcomes[(at % 4) as usize];
            let detail = format!("in its way stands A 203.0.113.{claim} of number-{at}");
            Standing::new(Some(VmId::from_u128(at * 3 + claim)), Kind::Name, outcome, detail)
        };
        let name = OwnerName::parse(&format!("vm{at:06}.{}", zone(at))).unwrap();
        board.set_name(name, (0..3).map(standing).collect());
        let rejection = |pending| Rejection {
            kind: Kind::Name,
            name: format!("no_label{at:06}").into(),
            pending,
            reason: "bad name",
            detail: "an underscore is no part of a host name".into(),
        };
        board.set_rejections(VmId::from_u128(at), vec![rejection(true), rejection(false)]);
    }
    let left = |at: u128| LeftBehind {
        name: format!("left{at:06}.example.org").into(),
        rtype: "A".into(),
        content: "203.0.113.9".into(),
        vm: VmId::from_u128(at).to_string().into(),
        at: "2026-01-01 00:00:00".into(),
    };
    board.set_left_behind((0..NAMES / 2).map(left).collect());
}

/// What this thread has had of a core: a machine that is busy with other things makes it no longer.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let nanos = text.split(' ').next().and_then(|field| field.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}

/// An answer, with neither the patience nor the turns of the server, and its time.
fn answer(observed: &Observed, path: &str) -> (String, Duration) {
    let (began, now) = (used(), Instant::now());
    let text = match path.strip_prefix("/?") {
        Some(asked) => {
            page(observed, None, now, Query::try_from_uri(&format!("/?{asked}").parse().unwrap()).unwrap().0)
        }
        None if path == "/" => page(observed, None, now, Shown::default()),
        None if path == "/status" => serde_json::to_string(&Status::read(observed, None, now)).unwrap(),
        None => render(&observed.metrics, &observed.board, true),
    };
    (text, used().saturating_sub(began))
}

#[tokio::test]
async fn a_hundred_thousand_names_make_short_pages_on_which_search_finds_each() {
    let server = server().await;
    crowded(&server.observed.board);
    for (path, most, says) in [
        ("/", 80_000, "Contended: 25000"),
        ("/?q=vm099997", 30_000, "Contended: 1 of 25000"),
        ("/?q=number-99998", 30_000, "Frozen: 1 of 25000"),
        ("/?q=0000000493d4", 30_000, "Held: 1 of 25000"),
        ("/?q=no_label099999", 30_000, "Rejected: 1 of 100000"),
        ("/?q=left049999", 30_000, "Left behind: 1 of 50000"),
        ("/?q=zone1999.example.org", 80_000, "Zones: 1 of 2000"),
        ("/?list=blocked&page=250", 300_000, "page 250 of 250"),
        ("/?list=left-behind&page=500", 100_000, "left049999"),
        ("/?list=zones&page=20", 100_000, "zone1999"),
        ("/status", 2_000_000, "\"names_total\":100000"),
        ("/metrics", 100_000, "cs_powerdns_pending_claims 100000"),
    ] {
        let (text, took) = answer(&server.observed, path);
        println!("{path}: {} octets in {took:?} of a core", text.len());
        assert!(text.contains(says), "{path}: no `{says}`");
        assert!(text.len() < most, "{path}: {} octets", text.len());
        // Without the compiler's optimizations, which make it ten times faster.
        assert!(took < Duration::from_secs(5), "{path}: {took:?}");
    }
}

#[tokio::test]
async fn a_name_that_everybody_wants_fills_neither_page_nor_status() {
    let server = server().await;
    let outcome = Outcome::Waiting { holder: None };
    for at in 0..1000 {
        let name = OwnerName::parse(&format!("vm{at:04}.example.org")).unwrap();
        let waits = |vm| {
            Standing::new(Some(VmId::from_u128(vm)), Kind::Name, &outcome, "held by VM Nobody".repeat(5))
        };
        server.observed.board.set_name(name, (0..200).map(waits).collect());
    }
    for (path, most, says) in [
        ("/", 50_000, "and 195 more"),
        ("/?list=contended", 300_000, "and 195 more"),
        ("/status", 2_500_000, "\"claims_total\":200"),
    ] {
        let (text, _) = answer(&server.observed, path);
        println!("{path}: {} octets", text.len());
        assert!(text.len() < most && text.contains(says), "{path}: {} octets", text.len());
    }
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
