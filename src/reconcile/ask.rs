//! Asks a controller that runs on this machine to explain: it knows what it waits for.

use super::check::near;
use crate::model::{Explanation, OwnerId, Subject};
use std::{net::SocketAddr, time::Duration};

/// Longer than the controller itself lets a question wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// What whoever listens at HTTP_LISTEN says; none where nobody does, or one that is not ready, of another
/// version or of another owner id.
pub async fn ask(listen: SocketAddr, owner: &OwnerId, about: &Subject) -> Option<Explanation> {
    let address = SocketAddr::new(near(listen.ip()), listen.port());
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let query = [("q", about.to_string()), ("format", "json".to_owned())];
    let answer = http.get(format!("http://{address}/explain")).query(&query).send().await.ok()?;
    let answer: Explanation = answer.error_for_status().ok()?.json().await.ok()?;
    (answer.version == 1 && *answer.owner_id == **owner).then_some(answer)
}
