//! A TCP gate before a server: what it lets through, and how, is a test's to say.
//!
//! It knows nothing of what goes through it. A server behind it can be away, slow, stuck or half-open without
//! a signal to its process, so that servers which tests share can have outages of one test's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::watchdog::free_port;

/// What a gate does with connections and with what goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Lets everything through.
    Open,
    /// Lets everything through, each piece so much later.
    Slow(Duration),
    /// Accepts and holds everything back; afterwards the held pieces go on.
    Stuck,
    /// Accepts and never answers. A connection that lived then is dead ever after, and neither end is told:
    /// what a firewall makes of connections that it has forgotten.
    Silent,
    /// Refuses connections, and ends those that there are.
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct State {
    way: Way,
    /// The port of the server behind it.
    server: u16,
    /// How often the gate fell silent: a connection that is older than the latest time is dead.
    silences: usize,
}

/// A gate on a loopback port. It closes when it is dropped.
pub struct TcpGate {
    address: SocketAddr,
    state: watch::Sender<State>,
    taken: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl TcpGate {
    /// A gate before the server at 127.0.0.1 on this port, which need not be up.
    pub fn before(port: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (state, seen) = watch::channel(State { way: Way::Open, server: port, silences: 0 });
        let taken: Arc<AtomicUsize> = Arc::default();
        let counter = taken.clone();
        let first = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener(address)?)?
        };
        runtime.spawn(serve(first, address, seen, counter));
        Ok(Self { address, state, taken, runtime: Some(runtime) })
    }

    /// The gate's own port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.state.send_modify(|state| {
            state.way = way;
            state.silences += usize::from(way == Way::Silent);
        });
    }

    /// From now on new connections go to the server on this port: an address that moves.
    pub fn leads_to(&self, port: u16) {
        self.state.send_modify(|state| state.server = port);
    }

    /// How many connections it has accepted.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

impl Drop for TcpGate {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listener(address: SocketAddr) -> Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(
    first: TcpListener,
    address: SocketAddr,
    mut state: watch::Receiver<State>,
    taken: Arc<AtomicUsize>,
) {
    let mut open = Some(first);
    loop {
        if state.borrow_and_update().way == Way::Closed {
            open = None;
            if state.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(listener) = &open else {
            // The port may still be held by connections that are just going.
            match TcpListener::bind(address).await {
                Ok(listener) => open = Some(listener),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            continue;
        };
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                taken.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, state.clone()));
            },
        }
    }
}

/// One connection, until either end closes it or the gate does.
async fn carry(client: TcpStream, state: watch::Receiver<State>) {
    let mut closing = state.clone();
    let born = {
        let state = state.borrow();
        state.silences - usize::from(state.way == Way::Silent)
    };
    let through = async {
        let (mut clear, state) = (state.clone(), state);
        if !pass(&mut clear, born).await {
            return;
        }
        let server = SocketAddr::from(([127, 0, 0, 1], clear.borrow().server));
        let Ok(server) = TcpStream::connect(server).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = copy(from_client, to_server, state.clone(), born) => {}
            () = copy(from_server, to_client, state, born) => {}
        }
    };
    tokio::select! {
        _ = closing.wait_for(|state| state.way == Way::Closed) => {}
        () = through => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    born: usize,
) {
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        // The end of a connection is a piece too: who is half-open does not hear of it.
        if !pass(&mut state, born).await || read == 0 || to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until a piece may go through. False: the gate has gone.
async fn pass(state: &mut watch::Receiver<State>, born: usize) -> bool {
    loop {
        let State { way, silences, .. } = *state.borrow_and_update();
        match way {
            _ if silences > born => return std::future::pending().await,
            Way::Open => return true,
            Way::Slow(time) => {
                tokio::time::sleep(time).await;
                return true;
            }
            Way::Stuck | Way::Silent | Way::Closed => {}
        }
        if state.changed().await.is_err() {
            return false;
        }
    }
}
