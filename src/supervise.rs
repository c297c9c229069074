//! The tasks of `run`, and how they end: a task that ends before its time ends the process by its name;
//! a shutdown stops intake, finishes the transaction in hand, stores offsets and hands back the lease.

use crate::{
    cloudstack::{ApiError, Client},
    metrics::{Metrics, chain},
    model::OwnerId,
    observe::{self, Board, HealthSettings, ObserveError, Observed, Role, ServiceManager},
    powerdns::{self, Acquire, Database, DbError, Flusher, Flushing, Lease, WebError},
    reconcile::{self, Aim, Engine, EngineError, Parts, PurgeSettings, Purged, Report, VerbError, hold},
    trigger::{self, TriggerError},
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Everything that a run needs to know.
#[derive(Debug, Clone)]
pub struct Services {
    /// The API.
    pub cloudstack: crate::cloudstack::Settings,
    /// The database.
    pub powerdns: powerdns::Settings,
    /// PowerDNS's web servers, if they are to be told of changes.
    pub web: Option<powerdns::WebSettings>,
    /// The events, if there are any.
    pub trigger: Option<trigger::Settings>,
    /// The engine.
    pub engine: reconcile::Settings,
    /// Where health, metrics and status are served.
    pub http_listen: SocketAddr,
    /// Who wants to be told that it runs, if anybody does.
    pub service_manager: Option<ServiceManager>,
}

/// Why a run ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The API client cannot be set up.
    #[error("cannot set up the CloudStack client")]
    Client(#[source] ApiError),
    /// The database client cannot be set up, or a one-shot verb cannot reach it.
    #[error("cannot use the PowerDNS database")]
    Database(#[source] DbError),
    /// The client of PowerDNS's web servers cannot be set up.
    #[error("cannot use PDNS_API_URL")]
    Web(#[source] WebError),
    /// HTTP_LISTEN is taken, or not an address of this machine.
    #[error("cannot listen on HTTP_LISTEN={address}: choose another address or port")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A one-shot verb cannot read from CloudStack.
    #[error("cannot read from CloudStack at CS_ENDPOINT={endpoint}")]
    Api {
        /// The API's URL.
        endpoint: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
    /// The engine.
    #[error("the reconciler ended")]
    Engine(#[source] EngineError),
    /// The consumer.
    #[error("the Kafka consumer ended")]
    Trigger(#[source] TriggerError),
    /// The HTTP server.
    #[error("the HTTP server ended")]
    Http(#[source] ObserveError),
    /// A task that should have gone on.
    #[error("task `{0}` ended before its time")]
    Ended(&'static str),
    /// A task panicked: a defect of this program.
    #[error("a task panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// A one-shot verb's pass.
    #[error(transparent)]
    Once(EngineError),
    /// A verb.
    #[error(transparent)]
    Verb(VerbError),
    /// Entries are to be taken from the owner id that has them.
    #[error("`{0}` is OWNER_ID itself: what is to be taken is another owner id's")]
    SameOwner(OwnerId),
    /// The lease did not come free.
    #[error("owner id `{owner}` is in the hands of {holder}: its lease did not come free within LEASE_TTL")]
    Busy {
        /// The owner id.
        owner: OwnerId,
        /// Who has it.
        holder: String,
    },
}

/// How long the end may take, before what is left is dropped. systemd and Kubernetes wait longer.
const FAREWELL: Duration = Duration::from_secs(9);
/// How much of it PowerDNS's web servers may take, once nothing more is written.
const LAST_FLUSH: Duration = Duration::from_secs(3);
/// The same at the end of a one-shot verb, which nobody is waiting to kill.
const LAST_FLUSH_ONCE: Duration = Duration::from_secs(5);

/// Serves until `shutdown`.
pub async fn run(services: Services, shutdown: impl Future<Output = ()>) -> Result<(), SuperviseError> {
    let Services { cloudstack, powerdns, web, trigger, engine, http_listen, service_manager } = services;
    let metrics = Arc::new(Metrics::default());
    let board = Arc::new(Board::new(Instant::now()));
    let health = HealthSettings {
        api_timeout: cloudstack.timeout,
        resync_interval: engine.resync_interval,
        lease_ttl: powerdns.lease_ttl,
    };
    let client = Client::new(&cloudstack, Arc::clone(&metrics)).map_err(SuperviseError::Client)?;
    let (database, mut flushing) = open(&powerdns, web.as_ref(), &metrics)?;
    let listener = TcpListener::bind(http_listen)
        .await
        .map_err(|source| SuperviseError::Listen { address: http_listen, source })?;
    let cancel = CancellationToken::new();
    let mut tasks: JoinSet<(&'static str, Result<(), SuperviseError>)> = JoinSet::new();

    let (questions_in, questions) = mpsc::channel(1);
    let observed = Arc::new(Observed {
        board: Arc::clone(&board),
        metrics: Arc::clone(&metrics),
        settings: health,
        started: Instant::now(),
        questions: questions_in,
    });
    let (token, served) = (cancel.clone(), Arc::clone(&observed));
    tasks.spawn(async move {
        ("http", observe::serve(listener, served, token).await.map_err(SuperviseError::Http))
    });

    let (tenure_in, tenure) = mpsc::channel(1);
    let holding = hold(
        database.clone(),
        holder_name(),
        None,
        powerdns.lease_ttl,
        Arc::clone(&board),
        tenure_in,
        cancel.clone(),
    );
    tasks.spawn(async move {
        holding.await;
        ("lease", Ok(()))
    });

    let (deliveries_in, deliveries) = mpsc::channel(4);
    match trigger {
        Some(settings) => {
            metrics.triggers.enabled.set(1);
            let (metrics, board, cancel) = (Arc::clone(&metrics), Arc::clone(&board), cancel.clone());
            tasks.spawn(async move {
                let ended = consume_while_holding(settings, deliveries_in, metrics, board, cancel).await;
                ("kafka", ended.map_err(SuperviseError::Trigger))
            });
        }
        None => {
            tracing::warn!("KAFKA_BOOTSTRAP is not set: no events, so changes show only with each resync");
        }
    }

    let parts = Parts { client, database: database.clone(), board, metrics, deliveries, tenure, questions };
    let token = cancel.clone();
    tasks.spawn(async move {
        let ended = Engine::new(engine, parts).run(token).await;
        ("reconciler", ended.map(drop).map_err(SuperviseError::Engine))
    });

    if let Some(manager) = service_manager {
        let token = cancel.clone();
        tasks.spawn(async move {
            observe::notify(manager, observed, token).await;
            ("service manager", Ok(()))
        });
    }

    let result = tokio::select! {
        () = shutdown => Ok(()),
        ended = tasks.join_next() => match ended {
            Some(Ok((name, Ok(())))) => Err(SuperviseError::Ended(name)),
            Some(Ok((_, Err(error)))) => Err(error),
            Some(Err(error)) => Err(SuperviseError::Panicked(error)),
            None => Err(SuperviseError::Ended("all")),
        },
        ended = flush_ended(flushing.as_mut()) => Err(ended),
    };
    tracing::info!("ends");
    cancel.cancel();
    let begun = Instant::now();
    let farewell = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("some tasks did not end in time: they are dropped");
        tasks.shutdown().await;
    }
    if let Some(flushing) = flushing {
        flushing.end(LAST_FLUSH.min(FAREWELL.saturating_sub(begun.elapsed()))).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), database.close()).await;
    result
}

/// Never comes back, unless one of these tasks ends before its time.
async fn flush_ended(flushing: Option<&mut Flushing>) -> SuperviseError {
    let Some(flushing) = flushing else { return std::future::pending().await };
    flushing.ended().await.map_or(SuperviseError::Ended("flush"), SuperviseError::Panicked)
}

/// Events are the holder's: a standby would commit offsets of what nobody acts upon.
async fn consume_while_holding(
    settings: trigger::Settings,
    out: mpsc::Sender<trigger::Delivery>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    cancel: CancellationToken,
) -> Result<(), TriggerError> {
    let holds = || matches!(board.pulse().role, Role::Holder { .. });
    // Half of what a take-over may cost in latency; a look at an atomic-sized lock costs nothing.
    let tick = Duration::from_millis(50);
    while !cancel.is_cancelled() {
        if !holds() {
            tokio::select! { () = cancel.cancelled() => {}, () = sleep(tick) => {} }
            continue;
        }
        let token = cancel.child_token();
        let consuming = trigger::consume(&settings, out.clone(), Arc::clone(&metrics), token.clone());
        let watching = async {
            while holds() && !token.is_cancelled() {
                tokio::select! { () = token.cancelled() => {}, () = sleep(tick) => {} }
            }
            token.cancel();
        };
        let (ended, ()) = tokio::join!(
            async {
                let ended = consuming.await;
                token.cancel();
                ended
            },
            watching
        );
        // Whoever consumes next reports what is left.
        metrics.triggers.lag.set(0);
        ended?;
    }
    Ok(())
}

/// Does one full pass, or plans one, then ends.
/// It counts into `metrics`, for whoever wants to see how far it is.
pub async fn once(services: Services, metrics: Arc<Metrics>) -> Result<Report, SuperviseError> {
    let Services { cloudstack, powerdns, web, engine, .. } = services;
    let board = Arc::new(Board::new(Instant::now()));
    let client = Client::new(&cloudstack, Arc::clone(&metrics)).map_err(SuperviseError::Client)?;
    let (database, flushing) = open(&powerdns, web.as_ref(), &metrics)?;
    let (_deliveries_in, deliveries) = mpsc::channel(1);
    let (_idle, mut tenure) = mpsc::channel(1);
    let mut holding = None;
    if engine.aim == Aim::Converge {
        let (held, comes) = Holding::take(&database, &powerdns, &board).await?;
        (holding, tenure) = (Some(held), comes);
    }
    let (_nobody, questions) = mpsc::channel(1);
    let parts = Parts { client, database: database.clone(), board, metrics, deliveries, tenure, questions };
    let adopts = engine.aim == Aim::Adopt;
    let engine = Engine::new(engine, parts);
    // On the heap: the engine's future is large, and every verb would carry it.
    let ended = if adopts {
        Box::pin(engine.run_adopt()).await
    } else {
        Box::pin(engine.run(CancellationToken::new())).await
    };
    let result = ended.map_err(|error| match error {
        EngineError::Api(source) => SuperviseError::Api { endpoint: cloudstack.endpoint, source },
        error => SuperviseError::Once(error),
    });
    if let Some(holding) = holding {
        holding.end().await;
    }
    if let Some(flushing) = flushing {
        flushing.end(LAST_FLUSH_ONCE).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), database.close()).await;
    result
}

/// The database, and the tasks that tell PowerDNS's web servers what is committed through it.
fn open(
    settings: &powerdns::Settings,
    web: Option<&powerdns::WebSettings>,
    metrics: &Arc<Metrics>,
) -> Result<(Database, Option<Flushing>), SuperviseError> {
    let flusher = web.map(|web| Flusher::new(web, metrics)).transpose().map_err(SuperviseError::Web)?;
    let database = Database::new(settings, Arc::clone(metrics)).map_err(SuperviseError::Database)?;
    let flushing = flusher.as_ref().map(Flusher::start);
    Ok((database.flushing(flusher), flushing))
}

/// Purges with the lease in hand; `dry_run` needs none and writes nothing.
pub async fn purge(
    powerdns: &powerdns::Settings,
    web: Option<&powerdns::WebSettings>,
    what: &PurgeSettings,
    dry_run: bool,
) -> Result<Purged, SuperviseError> {
    let (database, flushing) = open(powerdns, web, &Arc::default())?;
    let board = Arc::new(Board::new(Instant::now()));
    let purged = if dry_run {
        reconcile::purge(database.reader(), None, what).await
    } else {
        // Should the lease go, the fence in each transaction says so.
        let (holding, tenure) = Holding::take(&database, powerdns, &board).await?;
        let writer = database.writer(&holding.lease);
        let purged = reconcile::purge(database.reader(), Some(&writer), what).await;
        drop(tenure);
        holding.end().await;
        purged
    };
    if let Some(flushing) = flushing {
        flushing.end(LAST_FLUSH_ONCE).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), database.close()).await;
    purged.map_err(SuperviseError::Verb)
}

/// Takes the entries of another owner id, whose lease has lapsed. Needs no CloudStack.
pub async fn take_from_owner(
    powerdns: &powerdns::Settings,
    from: &str,
    dry_run: bool,
) -> Result<u64, SuperviseError> {
    let other = powerdns::Settings { owner: from.into(), ..powerdns.clone() };
    if other.owner == powerdns.owner {
        return Err(SuperviseError::SameOwner(other.owner));
    }
    let open = |settings| Database::new(settings, Arc::default()).map_err(SuperviseError::Database);
    let (ours, theirs) = (open(powerdns)?, open(&other)?);
    let (us, them) = ((&ours, &powerdns.owner), (&theirs, &other.owner));
    let moved = reconcile::hand_over(us, them, &holder_name(), dry_run).await;
    for database in [ours, theirs] {
        let _ = tokio::time::timeout(Duration::from_secs(1), database.close()).await;
    }
    moved.map_err(SuperviseError::Verb)
}

/// The lease in the hands of a one-shot verb, renewed until its end.
struct Holding {
    lease: Lease,
    cancel: CancellationToken,
    renewing: JoinHandle<()>,
}

impl Holding {
    /// Takes it, and tells what becomes of it.
    async fn take(
        database: &Database,
        settings: &powerdns::Settings,
        board: &Arc<Board>,
    ) -> Result<(Self, mpsc::Receiver<reconcile::Tenure>), SuperviseError> {
        let name = holder_name();
        let lease = wait_for_lease(database, &name, settings).await?;
        let (tenure_in, tenure) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let (first, ttl) = (Some(lease.clone()), settings.lease_ttl);
        let held = hold(database.clone(), name, first, ttl, Arc::clone(board), tenure_in, cancel.clone());
        Ok((Self { lease, cancel, renewing: tokio::spawn(held) }, tenure))
    }

    /// Hands it back. The receiver of what becomes of it is dropped before.
    async fn end(self) {
        self.cancel.cancel();
        let _ = tokio::time::timeout(FAREWELL, self.renewing).await;
    }
}

/// A one-shot verb gives up when the lease does not come free within its time, and says who has it;
/// when the database stays away for a minute, too (design 12).
async fn wait_for_lease(
    database: &Database,
    name: &str,
    settings: &powerdns::Settings,
) -> Result<Lease, SuperviseError> {
    let started = Instant::now();
    loop {
        let attempt = async {
            database.ensure_tables().await?;
            database.acquire(name).await
        };
        match attempt.await {
            Ok(Acquire::Held(lease)) => return Ok(lease),
            // Under our own name it is one of ours of which we were not told, and runs out by itself.
            Ok(Acquire::Busy { holder, .. }) if holder != name && started.elapsed() > settings.lease_ttl => {
                return Err(SuperviseError::Busy { owner: settings.owner.clone(), holder });
            }
            Ok(Acquire::Busy { expires_in, .. }) => {
                sleep(expires_in.clamp(Duration::from_millis(100), Duration::from_secs(1))).await;
            }
            Err(error) if error.is_transient() && started.elapsed() < Duration::from_secs(60) => {
                tracing::warn!(error = %chain(&error), "cannot reach the database: tries again");
                sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(SuperviseError::Database(error)),
        }
    }
}

/// Names this process in the lease: host, process and start, so that no two are alike.
fn holder_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(60).collect();
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}/{}/{}", if host.is_empty() { "host" } else { &host }, std::process::id(), started.as_millis())
}
