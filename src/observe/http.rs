//! The HTTP server: /healthz, /readyz, /metrics, /status, /explain and / for people. GET and HEAD only; no
//! handler reads a body.

use super::{
    Board, HealthSettings, Question, Status, alive,
    explain::{self, Asked},
    health::body,
    listener::Bounded,
    metrics::{CONTENT_TYPE, render},
    page::{STYLE, Shown, page},
    ready,
};
use crate::metrics::Metrics;
use axum::{
    Router,
    extract::{Query, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE as TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What the answers are made of.
#[derive(Debug)]
pub struct Observed {
    /// What is not as desired, and the pulse.
    pub board: Arc<Board>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How long is too long.
    pub settings: HealthSettings,
    /// When the process started.
    pub started: Instant,
    /// To whoever can explain.
    pub questions: mpsc::Sender<Question>,
}

impl Observed {
    /// How long ago a request to the API last ended, if one ever did.
    pub(super) fn request_age(&self) -> Option<Duration> {
        let last = self.metrics.api.last_end.get();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        (last > 0).then(|| Duration::from_secs(now.saturating_sub(last)))
    }
}

/// Why the server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The listening socket failed.
    #[error("the HTTP server for health and metrics has failed")]
    Serve(#[source] std::io::Error),
}

/// Answers that walk the whole board: so many at a time, the rest wait.
const WALKS: usize = 2;
/// And so long, before they are told to come back.
const WAIT: Duration = Duration::from_secs(5);
/// After the end was announced, answers in hand have so long.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Shared {
    observed: Arc<Observed>,
    walks: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Serves until `cancel`.
pub async fn serve(
    listener: TcpListener,
    observed: Arc<Observed>,
    cancel: CancellationToken,
) -> Result<(), ObserveError> {
    let server = axum::serve(Bounded::new(listener), router(observed))
        .with_graceful_shutdown(cancel.clone().cancelled_owned());
    let late = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => ended.map_err(ObserveError::Serve),
        () = late => Ok(()),
    }
}

fn router(observed: Arc<Observed>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/explain", get(explain))
        .route("/", get(index))
        .route("/style.css", get(style))
        .layer(map_response(common_headers))
        .with_state(Shared {
            observed,
            walks: Arc::new(Semaphore::new(WALKS)),
            turns: Arc::new(Semaphore::new(1)),
        })
}

async fn common_headers(mut response: Response) -> Response {
    // Nothing but our own style, a picture that stands in the page itself, and forms that lead back here.
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";
    const HEADERS: [(HeaderName, &str); 5] = [
        // One request a connection: see `listener`.
        (CONNECTION, "close"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Names are nobody else's business.
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn code(ok: bool) -> StatusCode {
    if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn healthz(State(shared): State<Shared>) -> impl IntoResponse {
    let observed = &shared.observed;
    let pulse = observed.board.pulse();
    let verdict = alive(&pulse, observed.request_age(), &observed.settings, Instant::now());
    (code(verdict.ok), body("healthy", &verdict, &pulse))
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let pulse = shared.observed.board.pulse();
    let verdict = ready(&pulse, &shared.observed.settings, Instant::now());
    (code(verdict.ok), body("ready", &verdict, &pulse))
}

async fn metrics(State(shared): State<Shared>) -> Response {
    walk(shared, |observed| {
        let ready = ready(&observed.board.pulse(), &observed.settings, Instant::now()).ok;
        ([(TYPE, CONTENT_TYPE)], render(&observed.metrics, &observed.board, ready)).into_response()
    })
    .await
}

async fn status(State(shared): State<Shared>) -> Response {
    walk(shared, |observed| {
        let status = Status::read(observed, observed.request_age(), Instant::now());
        axum::Json(status).into_response()
    })
    .await
}

async fn explain(State(shared): State<Shared>, headers: HeaderMap, asked: Query<Asked>) -> Response {
    explain::explain(asked, &headers, &shared.observed.questions, &shared.turns).await
}

async fn index(State(shared): State<Shared>, Query(shown): Query<Shown>) -> Response {
    walk(shared, |observed| {
        Html(page(observed, observed.request_age(), Instant::now(), shown)).into_response()
    })
    .await
}

async fn style() -> impl IntoResponse {
    ([(TYPE, "text/css; charset=utf-8")], STYLE)
}

/// Makes an answer that walks the board: a few at a time and away from the threads that serve, so
/// that health is answered at once whatever else is asked.
async fn walk(shared: Shared, make: impl FnOnce(&Observed) -> Response + Send + 'static) -> Response {
    let Ok(place) = timeout(WAIT, shared.walks.acquire_owned()).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "busy: try again\n").into_response();
    };
    let observed = shared.observed;
    let answer = tokio::task::spawn_blocking(move || {
        let _place = place;
        make(&observed)
    });
    answer.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
