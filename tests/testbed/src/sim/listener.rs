//! Connections that can be reset from within a request.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Default)]
pub(super) struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Ends the connection: what reads or writes next fails, and the socket is closed with a reset.
    pub fn cut(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// All living connections.
pub(super) type Cuts = Arc<Mutex<Vec<Weak<Cut>>>>;

#[derive(Clone, Debug)]
pub(super) struct Peer(pub Arc<Cut>);

impl Connected<IncomingStream<'_, CutListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.remote_addr().clone()
    }
}

pub(super) struct CutListener {
    pub inner: TcpListener,
    pub cuts: Cuts,
}

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (CutStream, Peer) {
        let (inner, _) = Listener::accept(&mut self.inner).await;
        let _ = inner.set_nodelay(true);
        let cut = Arc::new(Cut::default());
        let mut cuts = self.cuts.lock().expect("no holder panics");
        cuts.retain(|known| known.strong_count() > 0);
        cuts.push(Arc::downgrade(&cut));
        (CutStream { inner, cut: cut.clone() }, Peer(cut))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(Arc::default()))
    }
}

pub(super) struct CutStream {
    inner: TcpStream,
    cut: Arc<Cut>,
}

impl CutStream {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.cut.waker.register(context.waker());
        if self.cut.done.load(Ordering::SeqCst) {
            let _ = self.inner.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
