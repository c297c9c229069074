//! Connections, statements with a time limit, and the rule that a connection whose last statement did
//! not end is never used again.
//!
//! Statements that nobody needs an answer of wait for the next one that somebody does, and go to the server
//! with it: a transaction is a few round trips, however many statements it has. The server runs them in
//! their order and leaves out what follows one that fails.
//!
//! Why not the client library's pool: it takes back a connection whose statement was given up and rolls
//! back on it, which on a half-open connection waits for ever and costs the pool a place.

use super::{DbError, Settings, TlsMode, sql::Statement};
use crate::metrics::Metrics;
use mysql_async::{Conn, DriverError, Error, IoError, Opts, Row, Value, prelude::Queryable};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    /// PowerDNS's index by name was found missing.
    no_index: AtomicBool,
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
            no_index: AtomicBool::new(false),
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
        let (conn, waiting) = (Some(conn), Vec::new());
        Session { home: Arc::clone(self), conn, usable: true, open: false, waiting, begun, _place: place }
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

/// What a statement came to.
struct Answer {
    rows: Vec<Row>,
    /// How many rows it found, if it is none that reads.
    found: u64,
}

/// Asks for so many answers to one text.
async fn answers(conn: &mut Conn, text: String, count: usize, out: &mut Vec<Answer>) -> Result<(), Error> {
    let mut result = conn.query_iter(text).await?;
    for _ in 0..count {
        let found = result.affected_rows();
        out.push(Answer { rows: result.collect().await?, found });
    }
    Ok(())
}

/// A connection in use. Goes back when dropped, unless a statement was given up or a transaction is open:
/// then it is closed, which rolls back.
pub(super) struct Session {
    home: Arc<Sessions>,
    conn: Option<Conn>,
    usable: bool,
    open: bool,
    /// They go with the next one.
    waiting: Vec<Statement>,
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
    /// The connection, for so many statements in one round trip: not usable again before [`Self::ended`] has
    /// seen its end.
    fn asks(&mut self, statements: usize) -> &mut Conn {
        self.home.metrics.sql.statements.add(statements as u64);
        self.home.metrics.sql.trips.inc();
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

    /// Statements whose answers nobody waits for.
    pub(super) fn later(&mut self, statements: impl IntoIterator<Item = Statement>) {
        self.waiting.extend(statements);
    }

    /// Sends what waits, and these.
    async fn send(&mut self, limit: Duration, last: Vec<Statement>) -> Result<Vec<Answer>, DbError> {
        let mut statements = std::mem::take(&mut self.waiting);
        statements.extend(last);
        let count = statements.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let texts: Vec<&str> = statements.iter().map(|statement| &*statement.sql).collect();
        let (text, mut out) = (texts.join(";\n"), Vec::with_capacity(count));
        let end = timeout(limit, answers(self.asks(count), text, count, &mut out)).await;
        self.ended(statements[out.len().min(count - 1)].what, limit, end)?;
        for (statement, answer) in statements.iter().zip(&out) {
            if let Some((wanted, what)) = statement.wanted
                && usize::try_from(answer.found) != Ok(wanted)
            {
                return Err(DbError::Changed { what, wanted, found: answer.found });
            }
        }
        Ok(out)
    }

    /// The rows of several statements, in one round trip.
    pub(super) async fn all(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        self.all_within(STATEMENT, statements).await
    }

    /// The same for statements that read much.
    pub(super) async fn all_long(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, DbError> {
        self.all_within(LONG, statements).await
    }

    async fn all_within(
        &mut self,
        limit: Duration,
        statements: Vec<Statement>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let before = self.waiting.len();
        let answers = self.send(limit, statements).await?;
        Ok(answers.into_iter().skip(before).map(|answer| answer.rows).collect())
    }

    /// All rows of a statement.
    pub(super) async fn rows(
        &mut self,
        what: &'static str,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let answers = self.all(vec![Statement::new(what, sql, values)]).await?;
        Ok(answers.into_iter().next_back().unwrap_or_default())
    }

    /// The same for statements that read much.
    pub(super) async fn long_rows(
        &mut self,
        what: &'static str,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let answers = self.all_long(vec![Statement::new(what, sql, values)]).await?;
        Ok(answers.into_iter().next_back().unwrap_or_default())
    }

    /// Runs a statement; the number of rows that it found.
    pub(super) async fn run(
        &mut self,
        what: &'static str,
        sql: &str,
        values: &[Value],
    ) -> Result<u64, DbError> {
        let answers = self.send(STATEMENT, vec![Statement::new(what, sql, values)]).await?;
        Ok(answers.last().map_or(0, |answer| answer.found))
    }

    /// Has the server read a statement and judge whether this user may run it, without running it.
    pub(super) async fn prepare(&mut self, what: &'static str, sql: &str) -> Result<(), DbError> {
        let end = timeout(STATEMENT, self.asks(1).prep(sql)).await;
        self.ended(what, STATEMENT, end).map(drop)
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
            timeout(LONG, self.asks(1).exec_iter(sql, values)).await.map_err(late)?.map_err(failed)?;
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
        let end = timeout(STATEMENT, self.asks(1).ping()).await;
        self.ended("pinging", STATEMENT, end)
    }

    /// The transaction begins with the next statement.
    pub(super) fn begin(&mut self) {
        self.later([Statement::new("beginning a transaction", "START TRANSACTION", &[])]);
        self.open = true;
    }

    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        self.run("committing", "COMMIT", &[]).await?;
        self.open = false;
        Ok(())
    }

    /// Rolls back; where that fails the connection is closed, which does the same.
    pub(super) async fn roll_back(&mut self) {
        self.waiting.clear();
        if self.open && self.usable && self.run("rolling back", "ROLLBACK", &[]).await.is_ok() {
            self.open = false;
        }
    }

    /// Names PowerDNS's index by name, unless it was found missing.
    pub(super) fn by_name(&self) -> &'static str {
        if self.home.no_index.load(Ordering::Relaxed) { "" } else { " FORCE INDEX (nametype_index)" }
    }

    /// Whether a statement failed because it named that index: no other one will.
    pub(super) fn misses_index(&self, error: &DbError) -> bool {
        error.is_absent_index() && !self.home.no_index.swap(true, Ordering::Relaxed)
    }
}
