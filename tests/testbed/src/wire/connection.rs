//! One connection: requests one way, answers the other, and what a fault makes of them.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::mysql::{self, Commands};
use super::{Protocol, Shared, WireFault};

/// One end, and what has come from it.
pub(super) struct End {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl End {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, bytes: Vec::new() })
    }

    /// Waits for more. It may be given up: nothing is lost.
    async fn more(&mut self) -> io::Result<()> {
        // Room for a whole request of HTTP, which is taken as it comes.
        self.bytes.reserve(0x10000);
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The next part: a packet of MySQL, of HTTP whatever has come.
    fn part(&mut self, protocol: Protocol) -> Option<Vec<u8>> {
        let length = match protocol {
            Protocol::MySql => mysql::packet_length(&self.bytes)?,
            Protocol::Http => self.bytes.len(),
        };
        (length > 0 && length <= self.bytes.len()).then(|| self.bytes.drain(..length).collect())
    }

    /// Waits for the next part, of MySQL.
    pub(super) async fn packet(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(packet) = self.part(Protocol::MySql) {
                return Ok(packet);
            }
            self.more().await?;
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until it is closed.
    async fn gone(&mut self) {
        while self.more().await.is_ok() {}
    }
}

/// What finds the requests among the parts.
enum Reading {
    MySql(Commands),
    /// Who asks speaks first, and then only when the answer has begun: nothing is sent ahead.
    Http {
        answered: bool,
    },
}

/// Ends with the connection. Whatever ends it, both sides see it.
pub(super) async fn relay(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.server).await else { return };
    let (Ok(client), Ok(server)) = (End::new(client), End::new(server)) else { return };
    let reading = match shared.protocol {
        Protocol::MySql => Reading::MySql(Commands::default()),
        Protocol::Http => Reading::Http { answered: true },
    };
    let _ended = Relay { client, server, reading, keeps: None, shared }.run().await;
}

struct Relay {
    client: End,
    server: End,
    reading: Reading,
    /// What is to become of the answer.
    keeps: Option<WireFault>,
    shared: Arc<Shared>,
}

impl Relay {
    async fn run(mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                more = self.client.more() => more?,
                more = self.server.more() => more?,
            }
            while let Some(part) = self.client.part(self.shared.protocol) {
                self.asked(part).await?;
            }
            while let Some(part) = self.server.part(self.shared.protocol) {
                self.answered(part).await?;
            }
        }
    }

    async fn asked(&mut self, part: Vec<u8>) -> io::Result<()> {
        let request = match &mut self.reading {
            Reading::MySql(commands) => commands.request(&part),
            Reading::Http { answered } => {
                std::mem::take(answered).then(|| String::from_utf8_lossy(&part).into_owned())
            }
        };
        let Some(request) = request else { return self.server.send(&part).await };
        match self.shared.count(&request) {
            None => {}
            Some(WireFault::Cut) => return ended(),
            Some(WireFault::Refused(code)) => return self.refuse(code).await,
            Some(WireFault::Answered(answer)) => {
                self.client.send(&answer(&request)).await?;
                return ended();
            }
            Some(WireFault::Held) => self.hold().await?,
            Some(fault @ (WireFault::Lost | WireFault::Half | WireFault::AnswerHeld)) => {
                self.keeps = Some(fault);
            }
        }
        self.server.send(&part).await
    }

    async fn answered(&mut self, part: Vec<u8>) -> io::Result<()> {
        match &mut self.reading {
            Reading::MySql(commands) => commands.answer(&part),
            Reading::Http { answered } => *answered = true,
        }
        match self.keeps.take() {
            Some(WireFault::Lost) => return ended(),
            Some(WireFault::Half) => {
                self.client.send(&part[..part.len() / 2]).await?;
                return ended();
            }
            Some(_) => self.hold().await?,
            None => {}
        }
        self.client.send(&part).await
    }

    async fn refuse(&mut self, code: u16) -> io::Result<()> {
        if code == mysql::DEADLOCK {
            self.server.send(&mysql::query("ROLLBACK")).await?;
            self.server.packet().await?;
        }
        self.client.send(&mysql::error(code)).await?;
        if code == mysql::SHUTDOWN { ended() } else { Ok(()) }
    }

    async fn hold(&mut self) -> io::Result<()> {
        let (hit, released) = self.shared.gates();
        hit.notify_one();
        tokio::select! {
            () = released.notified() => Ok(()),
            () = self.client.gone() => ended(),
        }
    }
}

fn ended() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionAborted.into())
}
