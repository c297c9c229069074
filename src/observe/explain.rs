//! /explain: the one answer that is not made of what was noted. The question goes to the task that knows,
//! one at a time; whoever comes meanwhile waits, or is told to come back.

use crate::model::{Explanation, Subject};
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

/// A question, and where its answer goes.
#[derive(Debug)]
pub struct Question {
    /// What it is about.
    pub about: Subject,
    /// An error says why there is no answer now.
    pub answer: oneshot::Sender<Result<Explanation, String>>,
}

/// A question waits so long, with its turn.
const WAIT: Duration = Duration::from_secs(10);

/// What may stand behind the question mark.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
    format: Option<String>,
}

/// Answers `?q=…`, as JSON with `&format=json`.
pub(super) async fn explain(
    Query(Asked { q, format }): Query<Asked>,
    questions: &mpsc::Sender<Question>,
    turns: &Semaphore,
) -> Response {
    let refuse = |code: StatusCode, why: &str| (code, format!("{why}\n")).into_response();
    let Some(q) = q else {
        return refuse(StatusCode::BAD_REQUEST, "ask ?q= with a name, a VM's name or UUID, or an address");
    };
    let about: Subject = match q.parse() {
        Ok(about) => about,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let told = async {
        let _turn = turns.acquire().await.ok()?;
        let (answer, told) = oneshot::channel();
        questions.send(Question { about, answer }).await.ok()?;
        told.await.ok()
    };
    match timeout(WAIT, told).await {
        Ok(Some(Ok(told))) if format.as_deref() == Some("json") => axum::Json(told).into_response(),
        Ok(Some(Ok(told))) => format!("{told}\n").into_response(),
        Ok(Some(Err(why))) => refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
        Ok(None) | Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "busy: try again"),
    }
}
