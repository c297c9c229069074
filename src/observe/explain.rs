//! /explain: the one answer that is not made of what was noted. The question goes to the task that knows,
//! one at a time; whoever comes meanwhile waits, or is told to come back.

use super::page::{explanation, refusal};
use crate::model::{Explanation, Subject, SubjectError};
use axum::{
    extract::Query,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT, VARY},
    },
    response::{Html, IntoResponse, Response},
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

/// Whether somebody looks at the answer in a browser: those name HTML, nothing else does.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
}

/// Answers `?q=…`: as text, as JSON with `&format=json`, as a page for browsers (but for `&format=text`).
pub(super) async fn explain(
    Query(Asked { q, format }): Query<Asked>,
    headers: &HeaderMap,
    questions: &mpsc::Sender<Question>,
    turns: &Semaphore,
) -> Response {
    let html = format.is_none() && wants_html(headers);
    let asked = q.unwrap_or_default();
    let mut response = match told(&asked, questions, turns).await {
        Ok(told) if format.as_deref() == Some("json") => axum::Json(told).into_response(),
        Ok(told) if html => Html(explanation(&asked, &told)).into_response(),
        Ok(told) => format!("{told}\n").into_response(),
        Err((code, why)) if html => (code, Html(refusal(&asked, &why))).into_response(),
        Err((code, why)) => (code, format!("{why}\n")).into_response(),
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

async fn told(
    asked: &str,
    questions: &mpsc::Sender<Question>,
    turns: &Semaphore,
) -> Result<Explanation, (StatusCode, String)> {
    let about = asked.parse().map_err(|error: SubjectError| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let told = async {
        let _turn = turns.acquire().await.ok()?;
        let (answer, told) = oneshot::channel();
        questions.send(Question { about, answer }).await.ok()?;
        told.await.ok()
    };
    match timeout(WAIT, told).await {
        Ok(Some(told)) => told.map_err(|why| (StatusCode::SERVICE_UNAVAILABLE, why)),
        Ok(None) | Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, "busy: try again".to_owned())),
    }
}
