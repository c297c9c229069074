//! What installations rely on: sd_notify of `run`, and the verb `health`.

use super::support::{LIMIT, PROGRAM, answers, example, quick, readiness, start, vm};
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpListener,
    os::{linux::net::SocketAddrExt, unix::net},
    time::{Duration, Instant},
};
use testbed::{Controller, Lab, Output, run_once};
use tokio::net::UnixDatagram;

/// A service manager's socket by an abstract name, and the variable that names it.
fn service_manager(name: &str) -> (UnixDatagram, String) {
    let name = format!("cs-powerdns-it-{name}-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = net::UnixDatagram::bind_addr(&address).expect("the name is free");
    socket.set_nonblocking(true).expect("a socket");
    (UnixDatagram::from_std(socket).expect("a socket"), format!("@{name}"))
}

/// Reads messages until one has a line that begins so.
async fn told(socket: &UnixDatagram, begin: &str, controller: &Controller) {
    let (end, mut all) = (Instant::now() + LIMIT, Vec::new());
    while Instant::now() < end {
        let mut bytes = [0; 4096];
        let reading = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut bytes));
        let Ok(length) = reading.await else { continue };
        let text = String::from_utf8_lossy(&bytes[..length.expect("a message")]).into_owned();
        if text.lines().any(|line| line.starts_with(begin)) {
            return;
        }
        all.push(text);
    }
    panic!("the service manager hears no `{begin}`, but {all:?}\n{}", controller.output());
}

#[tokio::test]
async fn a_start_counts_as_done_while_cloudstack_is_down_and_the_end_is_told() {
    let lab = Lab::new("notify").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.sim.down();
    let (manager, name) = service_manager("notify");
    let mut controller = start(&lab, &[("NOTIFY_SOCKET", &name), ("WATCHDOG_USEC", "3000000")]);
    told(&manager, "READY=1", &controller).await;
    told(&manager, "STATUS=holder, epoch 1; not ready: no resync has ended well yet", &controller).await;
    told(&manager, "WATCHDOG=1", &controller).await;
    lab.sim.up().unwrap();
    told(&manager, "STATUS=holder, epoch 1; ready: passes succeed", &controller).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    controller.sigterm().unwrap();
    told(&manager, "STOPPING=1", &controller).await;
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0, "{}", controller.output());
}

#[tokio::test]
async fn a_start_that_fails_is_never_called_ready_and_a_wrong_socket_fails_no_start() {
    let lab = Lab::new("notify_wrong").await;
    example(&lab).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (manager, name) = service_manager("wrong");
    let more = [("NOTIFY_SOCKET", name.as_str()), ("HTTP_LISTEN", &address)];
    let mut controller = Controller::start(PROGRAM, &["run"], &quick(&lab, &more)).unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 1, "{}", controller.output());
    let mut bytes = [0; 4096];
    let told =
        manager.try_recv(&mut bytes).map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned());
    assert!(told.is_err(), "it could not listen, and said {told:?}");

    let mut controller = start(&lab, &[("NOTIFY_SOCKET", "vsock:2:9")]);
    controller.wait_ready(LIMIT).await.unwrap();
    let output = controller.output();
    assert!(output.contains("NOTIFY_SOCKET=`vsock:2:9` is neither a path nor"), "{output}");
}

/// `health` with one variable and nothing else: no secret is needed.
async fn health(listen: &str, arguments: &[&str]) -> Output {
    let environment = HashMap::from([("HTTP_LISTEN".to_owned(), listen.to_owned())]);
    run_once(PROGRAM, &[&["health"], arguments].concat(), &environment).await.expect("the program runs")
}

fn said(output: &Output, code: i32, words: &str) {
    assert_eq!(output.code, code, "{output:?}");
    assert!(format!("{}{}", output.stdout, output.stderr).contains(words), "no `{words}` in {output:?}");
}

#[tokio::test]
async fn health_asks_the_running_controller_and_needs_only_its_address() {
    let lab = Lab::new("health_verb").await;
    example(&lab).await;
    lab.sim.down();
    let port = testbed::watchdog::free_port();
    let listen = format!("0.0.0.0:{port}");
    said(&health(&listen, &[]).await, 1, "no controller answers at HTTP_LISTEN=0.0.0.0:");
    let environment = quick(&lab, &[("HTTP_LISTEN", &listen)]);
    let mut controller = Controller::start(PROGRAM, &["run"], &environment).unwrap();
    readiness(&controller, 503, "no resync has ended well yet").await;
    said(&health(&listen, &[]).await, 0, "healthy: ");
    said(&health(&listen, &["--ready"]).await, 1, "not ready: no resync has ended well yet");
    lab.sim.up().unwrap();
    controller.wait_ready(LIMIT).await.unwrap();
    said(&health(&listen, &["--ready"]).await, 0, "ready: passes succeed\n");
    said(&health("nowhere", &[]).await, 1, "HTTP_LISTEN: `nowhere` is no address with port");
}

/// Answers one request with this, on an address of its own.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    address
}

#[tokio::test]
async fn a_controller_that_is_not_healthy_and_a_stranger_at_its_address_are_told() {
    let ill = stranger(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 51\r\n\r\n\
         not healthy: nothing has begun for 200 s\nrole: x\u{1b}[m",
    );
    let output = health(&ill, &[]).await;
    said(&output, 1, "not healthy: nothing has begun for 200 s\n");
    assert!(output.stderr.is_empty(), "{output:?}");
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nnot healthy: no",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ] {
        said(&health(&stranger(answer), &[]).await, 1, "is no controller: give the address");
    }
}
