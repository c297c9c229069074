//! Web servers that stand in for PowerDNS's: one that writes down what it is asked, one that never answers,
//! one that is not there; and a secondary's ear.

use std::{
    net::TcpListener as Closed,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Instant,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
};

/// The key that the stand-ins ask for.
pub const KEY: &str = "PlantedPdnsKey-t6R";

/// A web server that writes down what it is asked.
#[derive(Clone)]
pub struct FakeWeb {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    status: Arc<AtomicU16>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl FakeWeb {
    /// Starts one that answers with this status.
    pub async fn start(status: u16) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a port"), status)
    }

    /// The same where nothing was before.
    pub async fn start_at(url: &str, status: u16) -> Self {
        let address = url.strip_prefix("http://").expect("a URL");
        Self::on(TcpListener::bind(address).await.expect("the port is still free"), status)
    }

    fn on(listener: TcpListener, status: u16) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fake = Self { url, status: Arc::new(status.into()), asked: Arc::default() };
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().answer(stream));
            }
        });
        fake
    }

    async fn answer(self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let (mut head, mut key) = (String::new(), false);
        stream.read_line(&mut head).await.ok()?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            key |= name.eq_ignore_ascii_case("x-api-key") && value == KEY;
            if line.trim_end().is_empty() {
                break;
            }
        }
        let request = head.trim_end().strip_suffix(" HTTP/1.1")?;
        let request = request.replace("/api/v1/servers/localhost/", "");
        let status = if key { self.status.load(Ordering::Relaxed) } else { 401 };
        self.asked.lock().expect("nobody panics").push((Instant::now(), request));
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await.ok()
    }

    /// All that it was asked, `PUT cache/flush?domain=...` and `PUT zones/ID/notify`, and when.
    pub fn asked(&self) -> Vec<(Instant, String)> {
        self.asked.lock().expect("nobody panics").clone()
    }

    /// When it was asked this.
    pub fn times(&self, request: &str) -> Vec<Instant> {
        self.asked().into_iter().filter(|(_, asked)| asked == request).map(|(at, _)| at).collect()
    }
}

/// A port where nobody listens.
pub fn closed() -> String {
    let listener = Closed::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// A port that accepts and never answers, until this is dropped.
pub struct HalfOpen {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    _listener: Closed,
}

impl HalfOpen {
    /// The kernel accepts by itself.
    pub fn start() -> Self {
        let listener = Closed::bind("127.0.0.1:0").expect("a port");
        Self { url: format!("http://{}", listener.local_addr().expect("an address")), _listener: listener }
    }
}

/// Where a secondary would listen.
pub struct Secondary(UdpSocket);

impl Secondary {
    /// Listens.
    pub async fn start() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.0.local_addr().expect("an address").to_string()
    }

    /// The zones of the NOTIFYs (RFC 1996) that have arrived since the last call.
    pub fn notified(&self) -> Vec<String> {
        let (mut zones, mut packet) = (Vec::new(), [0; 512]);
        while let Ok(length) = self.0.try_recv(&mut packet) {
            let packet = &packet[..length];
            if packet.len() > 12 && (packet[2] >> 3) & 15 == 4 {
                zones.push(question(&packet[12..]));
            }
        }
        zones
    }
}

/// The name in a question, without its final dot.
fn question(mut rest: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, tail) = tail.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = tail;
    }
    labels.join(".")
}
