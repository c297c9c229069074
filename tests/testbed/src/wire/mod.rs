//! A wire between the program and one of its servers on which every request has a number, and where the
//! request of a chosen number meets a fault: for sweeps over all points at which something can go wrong.
//!
//! The numbers go over all connections, in the order of arrival. They repeat from run to run as long as the
//! program sends the same in the same order; what a timer sends (renewals of a lease) can be left out.
//! Refuses: to lie. What a fault says of the server is true of it: where an answer is lost, the server has
//! given it; where a deadlock is reported, the transaction is rolled back.

mod connection;
mod http;
mod mysql;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

pub use http::status;

/// What the bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    MySql,
    Http,
}

/// What becomes of the request that is struck.
#[derive(Clone, Copy, Debug)]
pub enum WireFault {
    /// It does not reach the server; its connection ends.
    Cut,
    /// The server does it and answers; the answer does not arrive, and the connection ends.
    Lost,
    /// The same, but half of the answer's first part arrives.
    Half,
    /// MySQL: refused with this error, and the connection goes on. After 1213 the transaction is rolled back,
    /// after any other number only the statement has not happened; after 1053 the connection ends.
    Refused(u16),
    /// HTTP: answered in the server's place by what this makes of the request; the connection ends.
    Answered(fn(&str) -> Vec<u8>),
    /// It is kept from the server until [`Wire::release`], or until its sender is gone.
    Held,
    /// The server does it; the answer is kept back until [`Wire::release`], or until who asked is gone.
    AnswerHeld,
}

/// Which request is struck.
#[derive(Clone, Debug)]
pub enum Strike {
    /// The request of this number, from 1.
    Nth(usize, WireFault),
    /// The request of this number among those that contain a text.
    NthOf(&'static str, usize, WireFault),
    /// Each with this chance in a thousand, by one of these faults; the last one is the seed.
    Chance(usize, Vec<WireFault>, u64),
}

#[derive(Default)]
struct State {
    log: Vec<String>,
    strike: Option<Strike>,
    matches: usize,
    struck: Vec<String>,
    hit: Arc<Notify>,
    released: Arc<Notify>,
}

struct Shared {
    protocol: Protocol,
    server: SocketAddr,
    /// Requests that contain this are not counted: a timer sends them.
    uncounted: &'static str,
    state: Mutex<State>,
}

/// See the module. Its connections end when it is dropped.
pub struct Wire {
    /// Where the program is to connect, at 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl Wire {
    /// In front of a MySQL server at 127.0.0.1, without TLS. What contains `uncounted` passes unseen.
    pub async fn mysql(server: u16, uncounted: &'static str) -> Result<Self> {
        Self::start(Protocol::MySql, server, uncounted).await
    }

    /// In front of an HTTP server at 127.0.0.1.
    pub async fn http(server: u16) -> Result<Self> {
        Self::start(Protocol::Http, server, "\0").await
    }

    async fn start(protocol: Protocol, server: u16, uncounted: &'static str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            protocol,
            server: SocketAddr::from(([127, 0, 0, 1], server)),
            uncounted,
            state: Mutex::default(),
        });
        let serve = serve(listener, Arc::clone(&shared));
        Ok(Self { port, shared, serving: tokio::spawn(serve).abort_handle() })
    }

    /// Counts anew from here, and strikes what this says.
    pub fn arm(&self, strike: Option<Strike>) {
        *self.shared.state() = State { strike, ..State::default() };
    }

    /// All requests since then, in the order of their numbers.
    pub fn log(&self) -> Vec<String> {
        self.shared.state().log.clone()
    }

    /// The requests that were struck since then.
    pub fn struck(&self) -> Vec<String> {
        self.shared.state().struck.clone()
    }

    /// Waits until a request is held ([`WireFault::Held`]), or an answer.
    pub async fn holds(&self) {
        let (hit, _) = self.shared.gates();
        hit.notified().await;
    }

    /// Lets go of what is held.
    pub fn release(&self) {
        let (_, released) = self.shared.gates();
        released.notify_one();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection::relay(client, Arc::clone(&shared)));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn gates(&self) -> (Arc<Notify>, Arc<Notify>) {
        let state = self.state();
        (Arc::clone(&state.hit), Arc::clone(&state.released))
    }

    /// Counts a request; the fault that it meets.
    fn count(&self, request: &str) -> Option<WireFault> {
        if request.contains(self.uncounted) {
            return None;
        }
        let mut state = self.state();
        let state = &mut *state;
        state.log.push(request.to_owned());
        let fault = match &mut state.strike {
            None => None,
            Some(Strike::Nth(number, fault)) => (*number == state.log.len()).then_some(*fault),
            Some(Strike::NthOf(text, number, fault)) => {
                state.matches += usize::from(request.contains(*text));
                (request.contains(*text) && *number == state.matches).then_some(*fault)
            }
            Some(Strike::Chance(chance, faults, seed)) => {
                (below(seed, 1000) < *chance).then(|| faults[below(seed, faults.len())])
            }
        };
        if fault.is_some() {
            state.struck.push(request.to_owned());
        }
        fault
    }
}

/// Random numbers that are the same for the same seed (splitmix64).
fn below(seed: &mut u64, end: usize) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *seed;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((x ^ (x >> 31)) % end as u64).expect("it is below a usize")
}
