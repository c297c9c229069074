//! What the HTTP endpoints say, and when.

use super::support::{LIMIT, PROGRAM, RESYNCS, answers, example, quick, readiness, serve, start, vm};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use testbed::{Controller, Lab, poll};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Reads the exposition format: HELP and TYPE before samples, each sample once, a number each.
fn samples(text: &str) -> HashMap<String, f64> {
    let (mut found, mut families) = (HashMap::new(), HashSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').expect("a family and its kind");
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert!(families.insert(family.to_owned()), "{family} comes twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let family = name.split('{').next().expect("a name");
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
            assert!(
                families.contains(family) || of_histogram.is_some_and(|family| families.contains(family)),
                "no TYPE before {line}"
            );
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(found.insert(name.to_owned(), value).is_none(), "{name} comes twice");
        }
    }
    found
}

#[tokio::test]
async fn readiness_waits_for_the_first_good_pass_and_health_does_not() {
    let lab = Lab::new("not_ready").await;
    example(&lab).await;
    lab.sim.down();
    let mut controller = start(&lab, &[]);
    readiness(&controller, 503, "no resync has ended well yet").await;
    let (status, body) = controller.get("/healthz").await.unwrap();
    assert_eq!(status, 200, "a server that is down is no reason to restart us: {body}");
    lab.sim.up().unwrap();
    controller.wait_ready(LIMIT).await.unwrap();
    readiness(&controller, 200, "role: holder").await;
}

#[tokio::test]
async fn metrics_parse_and_status_shows_a_conflict() {
    let lab = Lab::new("http_status").await;
    example(&lab).await;
    lab.db.insert("domain.com", "www.domain.com", "A", "203.0.113.1", 300).await.unwrap();
    let id = lab.world().create_vm(vm("www", "192.0.2.10"));
    lab.world().create_vm(vm("not_a_label", "192.0.2.11"));
    lab.world().create_vm(vm("good", "192.0.2.12"));
    let controller = serve(&lab, &[]).await;
    answers(&lab, "good.domain.com", "A", &["192.0.2.12"]).await;
    answers(&lab, "www.domain.com", "A", &["203.0.113.1"]).await;
    poll("/status shows the conflict at www.domain.com", LIMIT, async || {
        let (_, body) = controller.get("/status").await.map_err(|error| error.to_string())?;
        let status: serde_json::Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let names = status["names"].as_array().into_iter().flatten();
        let claims = names
            .filter(|name| name["name"] == "www.domain.com")
            .flat_map(|name| name["claims"].as_array().cloned().unwrap_or_default());
        let shown = claims.filter(|claim| claim["vm"] == id.as_str() && claim["state"] == "blocked").count();
        let rejected = status["rejected_vms_total"] == 1;
        let sound = status["role"] == "holder" && status["ready"] == true && status["vms"] == 3;
        if shown == 1 && rejected && sound { Ok(()) } else { Err(body) }
    })
    .await;
    let (status, text) = controller.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let samples = samples(&text);
    for (name, least) in [
        ("cs_powerdns_ready", 1.0),
        ("cs_powerdns_lease_role{role=\"holder\"}", 1.0),
        ("cs_powerdns_vms", 3.0),
        (RESYNCS, 1.0),
        ("cs_powerdns_last_success_timestamp_seconds{pass=\"resync\"}", 1.7e9),
        ("cs_powerdns_resync_duration_seconds", 0.001),
        ("cs_powerdns_claims_not_served{state=\"blocked\"}", 1.0),
        ("cs_powerdns_rows_written_total{change=\"insert\"}", 2.0),
    ] {
        let found = samples.get(name).copied().unwrap_or(-1.0);
        assert!(found >= least, "{name} should be at least {least}, not {found}:\n{text}");
    }
    let (status, page) = controller.get("/").await.unwrap();
    assert!(status == 200 && page.contains("www.domain.com"), "the page names the conflict: {page}");
    assert_eq!(controller.get("/nothing").await.unwrap().0, 404);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let lab = Lab::new("listen_taken").await;
    example(&lab).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = quick(&lab, &[("HTTP_LISTEN", &address)]);
    let mut controller = Controller::start(PROGRAM, &["run"], &environment).unwrap();
    let code = controller.wait_exit(LIMIT).await.unwrap();
    let output = controller.output();
    assert_eq!(code, 1, "{output}");
    assert!(output.contains(&format!("HTTP_LISTEN={address}")), "{output}");
}

/// The whole answer to a request, as bytes; nothing where the connection was ended.
async fn raw(address: &str, request: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address).await else { return String::new() };
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Open files of the process.
fn open_files(controller: &Controller) -> usize {
    let pid = controller.pid().expect("it runs");
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its files").count()
}

#[tokio::test]
async fn whoever_asks_can_change_nothing_and_hundreds_of_slow_clients_stop_nobody() {
    let lab = Lab::new("http_slow").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    let controller = serve(&lab, &[("RESYNC_INTERVAL", "1s")]).await;
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    let address = lab.env()["HTTP_LISTEN"].clone();
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"] {
        for path in ["/", "/status", "/metrics", "/healthz", "/readyz", "/approve", "/../etc/passwd"] {
            let body = "Content-Length: 3\r\n\r\nx=1";
            let answer = raw(&address, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{body}")).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(matches!(status, "400" | "404" | "405"), "{method} {path}: {answer}");
        }
    }
    let huge = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(4 << 20));
    assert!(!raw(&address, &huge).await.contains("200 OK"), "a request of four megabytes");
    let files = open_files(&controller);

    // Some say nothing, some begin a request and go on by a letter a second, some never read an answer.
    let mut slow = Vec::new();
    for at in 0..300 {
        let address = address.clone();
        slow.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.ok()?;
            let begin = if at % 3 == 0 { "" } else { "GET /status HTTP/1.1\r\nX-Slow: " };
            let whole = if at % 3 == 2 { "x\r\n\r\n" } else { "" };
            stream.write_all(begin.as_bytes()).await.ok()?;
            stream.write_all(whole.as_bytes()).await.ok()?;
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if at % 3 == 1 {
                    stream.write_all(b"x").await.ok()?;
                }
            }
            #[expect(unreachable_code, reason = "says what the loop's errors are")]
            Some(())
        }));
    }
    poll("as many connections as it takes at a time", LIMIT, async || {
        let more = open_files(&controller).saturating_sub(files);
        if more >= 50 { Ok(()) } else { Err(format!("{more} more files")) }
    })
    .await;
    // DNS goes on meanwhile, and in the end somebody who asks properly is answered.
    lab.world().create_vm(vm("fresh", "192.0.2.11"));
    answers(&lab, "fresh.domain.com", "A", &["192.0.2.11"]).await;
    poll("/healthz answers", LIMIT * 2, async || {
        // Whoever comes late waits until one of the slow ones is let go.
        match tokio::time::timeout(LIMIT, controller.get("/healthz")).await {
            Ok(Ok((200, _))) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let more = open_files(&controller).saturating_sub(files);
    assert!(more < 100, "its connections are bounded: {more} more files than before");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}
