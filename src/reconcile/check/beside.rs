//! A controller that runs on this machine: what it says of itself.

use crate::{model::Finding, reconcile::first_line};
use std::net::SocketAddr;

const TOPIC: &str = "ownership";

/// Asks whoever listens at HTTP_LISTEN whether it is ready; none where nobody does.
pub async fn check(listen: SocketAddr) -> Option<Finding> {
    let (ready, line) = first_line(listen, "/readyz").await.ok()?;
    Some(match (ready, line.strip_prefix("ready: "), line.strip_prefix("not ready: ")) {
        (true, Some(why), _) => Finding::ok(TOPIC, format!("the controller at {listen} is ready: {why}")),
        (false, _, Some(why)) => Finding::error(
            TOPIC,
            format!("the controller at {listen} is not ready: {why}"),
            "its log and its page /status say more",
        ),
        _ => Finding::warning(
            TOPIC,
            format!("what listens at {listen} is no controller"),
            "choose another HTTP_LISTEN, or `run` cannot start",
        ),
    })
}
