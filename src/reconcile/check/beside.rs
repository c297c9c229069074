//! A controller that runs on this machine: what it says of itself.

use crate::model::Finding;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

const TOPIC: &str = "ownership";
/// For its answer, which waits for nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks whoever listens at HTTP_LISTEN whether it is ready; none where nobody does.
pub async fn check(listen: SocketAddr) -> Option<Finding> {
    let address = SocketAddr::new(near(listen.ip()), listen.port());
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let answer = http.get(format!("http://{address}/readyz")).send().await.ok()?;
    let ready = answer.status().is_success();
    let text = answer.text().await.unwrap_or_default();
    let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).take(300).collect();
    Some(match (ready, line.strip_prefix("ready: "), line.strip_prefix("not ready: ")) {
        (true, Some(why), _) => Finding::ok(TOPIC, format!("the controller at {address} is ready: {why}")),
        (false, _, Some(why)) => Finding::error(
            TOPIC,
            format!("the controller at {address} is not ready: {why}"),
            "its log and its page /status say more",
        ),
        _ => Finding::warning(
            TOPIC,
            format!("what listens at {address} is no controller"),
            "choose another HTTP_LISTEN, or `run` cannot start",
        ),
    })
}

/// Where to reach what listens everywhere.
pub(in crate::reconcile) fn near(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
