//! Connections, statements with a time limit, and the rule that a connection whose last statement did
//! not end is never used again.
//!
//! Why not the client library's pool: it takes back a connection whose statement was given up and rolls
//! back on it, which on a half-open connection waits for ever and costs the pool a place.

use super::{DbError, Settings, TlsMode};
use crate::metrics::Metrics;
use mysql_async::{Conn, DriverError, Error, IoError, Opts, Row, Value, prelude::Queryable};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{error::Elapsed, timeout},
};

/// For connecting and logging in.
const CONNECT: Duration = Duration::from_secs(10);
/// For one statement: the lock wait is 3 s, the rest is a slow disk.
pub(super) const STATEMENT: Duration = Duration::from_secs(30);
/// For statements that read a whole zone or the whole ledger.
pub(super) const LONG: Duration = Duration::from_secs(180);
/// An idle connection older than this is asked whether it lives.
const STALE: Duration = Duration::from_secs(20);
const PING: Duration = Duration::from_secs(3);

/// A bounded set of connections.
pub(super) struct Sessions {
    server: Arc<str>,
    options: Opts,
    /// Without TLS, for a server that has none and a mode that allows it.
    plain: Option<Opts>,
    metrics: Arc<Metrics>,
    idle: Mutex<Vec<(Conn, Instant)>>,
    places: Arc<Semaphore>,
}

/// The client library's options show the password.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new(settings: &Settings, size: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let plain = (settings.tls == TlsMode::Preferred).then(|| settings.options(false).into());
        Arc::new(Self {
            server: settings.server().into(),
            options: settings.options(true).into(),
            plain,
            metrics,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(size)),
        })
    }

    /// A connection that has just been seen alive, or a new one.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Session, DbError> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| DbError::Answer { what: "taking a connection", lacks: "an open pool" })?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((mut conn, since)) = idle else { break };
            if since.elapsed() < STALE || matches!(timeout(PING, conn.ping()).await, Ok(Ok(()))) {
                return Ok(self.session(conn, place));
            }
        }
        let conn = self.connect().await.inspect_err(|_| self.metrics.sql.errors.inc())?;
        Ok(self.session(conn, place))
    }

    fn session(self: &Arc<Self>, conn: Conn, place: OwnedSemaphorePermit) -> Session {
        let begun = Instant::now();
        Session { home: Arc::clone(self), conn: Some(conn), usable: true, open: false, begun, _place: place }
    }

    async fn connect(&self) -> Result<Conn, DbError> {
        let error = match self.connect_with(&self.options).await {
            Ok(conn) => return Ok(conn),
            Err(error) => error,
        };
        let no_tls = matches!(&error, DbError::Connect { source, .. } if matches!(
            source.as_ref(),
            Error::Driver(DriverError::NoClientSslFlagFromServer) | Error::Io(IoError::Tls(_))
        ));
        match &self.plain {
            Some(plain) if no_tls => self.connect_with(plain).await,
            _ => Err(error),
        }
    }

    async fn connect_with(&self, options: &Opts) -> Result<Conn, DbError> {
        match timeout(CONNECT, Conn::new(options.clone())).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(source)) => Err(match DbError::failed(self.server.to_string(), "connecting", source) {
                DbError::Query { server, source, .. } => DbError::Connect { server, source },
                denied => denied,
            }),
            Err(_) => Err(self.late("connecting", CONNECT)),
        }
    }

    fn late(&self, what: &'static str, after: Duration) -> DbError {
        DbError::Timeout { server: self.server.to_string(), what, after }
    }

    fn failed(&self, what: &'static str, source: Error) -> DbError {
        DbError::failed(self.server.to_string(), what, source)
    }

    /// Says good-bye on all idle connections and hands out no more.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for (conn, _) in idle {
            // The server notices the end of the stream as well.
            let _ = timeout(PING, conn.disconnect()).await;
        }
    }
}

/// A connection in use. Goes back when dropped, unless a statement was given up or a transaction is open:
/// then it is closed, which rolls back.
pub(super) struct Session {
    home: Arc<Sessions>,
    conn: Option<Conn>,
    usable: bool,
    open: bool,
    /// When the last statement was sent.
    begun: Instant,
    _place: OwnedSemaphorePermit,
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if self.usable && !self.open {
            self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).push((conn, Instant::now()));
        }
    }
}

impl Session {
    /// The connection, for one statement: not usable again before [`Self::ended`] has seen its end.
    fn statement(&mut self) -> &mut Conn {
        self.home.metrics.sql.statements.inc();
        self.usable = false;
        self.begun = Instant::now();
        self.conn.as_mut().expect("a session has its connection until it is dropped")
    }

    fn ended<T>(
        &mut self,
        what: &'static str,
        limit: Duration,
        end: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, DbError> {
        let sql = &self.home.metrics.sql;
        sql.micros.add_since(self.begun);
        if !matches!(end, Ok(Ok(_))) {
            sql.errors.inc();
        }
        match end {
            Ok(Ok(value)) => {
                self.usable = true;
                Ok(value)
            }
            Ok(Err(error)) => {
                self.usable = !error.is_fatal();
                Err(self.home.failed(what, error))
            }
            Err(_) => Err(self.home.late(what, limit)),
        }
    }

    /// All rows of a prepared statement.
    pub(super) async fn rows(
        &mut self,
        what: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        let end = timeout(STATEMENT, self.statement().exec(sql, values)).await;
        self.ended(what, STATEMENT, end)
    }

    /// The same for statements that read much.
    pub(super) async fn long_rows(
        &mut self,
        what: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        let end = timeout(LONG, self.statement().exec(sql, values)).await;
        self.ended(what, LONG, end)
    }

    /// Runs a prepared statement; the number of rows that it found.
    pub(super) async fn run(
        &mut self,
        what: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<u64, DbError> {
        let end = timeout(STATEMENT, self.statement().exec_drop(sql, values)).await;
        self.ended(what, STATEMENT, end)?;
        Ok(self.conn.as_ref().map_or(0, Conn::affected_rows))
    }

    /// Has the server read a statement and judge whether this user may run it, without running it.
    pub(super) async fn prepare(&mut self, what: &'static str, sql: &str) -> Result<(), DbError> {
        let end = timeout(STATEMENT, self.statement().prep(sql)).await;
        self.ended(what, STATEMENT, end).map(drop)
    }

    /// Runs a statement that cannot be prepared.
    pub(super) async fn plain(&mut self, what: &'static str, sql: &str) -> Result<(), DbError> {
        let end = timeout(STATEMENT, self.statement().query_drop(sql)).await;
        self.ended(what, STATEMENT, end)
    }

    /// Sends what `read` makes of the rows of a statement, as they arrive, `chunk` at a time. Waiting for
    /// the receiver does not count as waiting for the server.
    pub(super) async fn stream<T>(
        &mut self,
        what: &'static str,
        sql: &str,
        values: Vec<Value>,
        (chunk, out): (usize, &mpsc::Sender<Vec<T>>),
        mut read: impl FnMut(&Row) -> Option<T>,
    ) -> Result<(), DbError> {
        let home = Arc::clone(&self.home);
        let sql_metrics = &home.metrics.sql;
        let late = |_| {
            sql_metrics.errors.inc();
            home.late(what, LONG)
        };
        let failed = |error| {
            sql_metrics.errors.inc();
            home.failed(what, error)
        };
        let mut begun = Instant::now();
        let mut rows =
            timeout(LONG, self.statement().exec_iter(sql, values)).await.map_err(late)?.map_err(failed)?;
        let mut items = Vec::with_capacity(chunk);
        while let Some(row) = timeout(LONG, rows.next()).await.map_err(late)?.map_err(failed)? {
            items.extend(read(&row));
            if items.len() == chunk {
                let full = std::mem::replace(&mut items, Vec::with_capacity(chunk));
                sql_metrics.micros.add_since(begun);
                out.send(full).await.map_err(|_| DbError::AuditStopped)?;
                begun = Instant::now();
            }
        }
        drop(rows);
        sql_metrics.micros.add_since(begun);
        self.usable = true;
        if items.is_empty() {
            return Ok(());
        }
        out.send(items).await.map_err(|_| DbError::AuditStopped)
    }

    pub(super) async fn ping(&mut self) -> Result<(), DbError> {
        let end = timeout(STATEMENT, self.statement().ping()).await;
        self.ended("pinging", STATEMENT, end)
    }

    pub(super) async fn begin(&mut self) -> Result<(), DbError> {
        self.plain("beginning a transaction", "START TRANSACTION").await?;
        self.open = true;
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        self.plain("committing", "COMMIT").await?;
        self.open = false;
        Ok(())
    }

    /// Rolls back; where that fails the connection is closed, which does the same.
    pub(super) async fn roll_back(&mut self) {
        if self.open && self.usable && self.plain("rolling back", "ROLLBACK").await.is_ok() {
            self.open = false;
        }
    }
}
