//! Asks a controller that runs on this machine: how it is, and to explain, since it knows what it waits for.

use crate::model::{Explanation, OwnerId, Subject};
use reqwest::{Client, Error, RequestBuilder};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// Longer than the controller itself lets a question wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// What whoever listens at HTTP_LISTEN says; none where nobody does, or one that is not ready, of another
/// version or of another owner id.
pub async fn ask(listen: SocketAddr, owner: &OwnerId, about: &Subject) -> Option<Explanation> {
    let query = [("q", about.to_string()), ("format", "json".to_owned())];
    let answer = get(listen, "/explain", PATIENCE).ok()?.query(&query).send().await.ok()?;
    let answer: Explanation = answer.error_for_status().ok()?.json().await.ok()?;
    (answer.version == 1 && *answer.owner_id == **owner).then_some(answer)
}

/// For an answer that waits for nobody, but perhaps for a connection: slow clients are let go after 10 s.
const FIRST_LINE: Duration = Duration::from_secs(12);

/// Whether /healthz or /readyz of whoever listens at HTTP_LISTEN says yes, and what its first line is.
pub async fn first_line(listen: SocketAddr, path: &str) -> Result<(bool, String), Error> {
    let answer = get(listen, path, FIRST_LINE)?.send().await?;
    let well = answer.status().is_success();
    let text = answer.text().await.unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    Ok((well, line.chars().filter(|c| !c.is_control()).take(300).collect()))
}

fn get(listen: SocketAddr, path: &str, patience: Duration) -> Result<RequestBuilder, Error> {
    let address = SocketAddr::new(near(listen.ip()), listen.port());
    Ok(Client::builder().timeout(patience).no_proxy().build()?.get(format!("http://{address}{path}")))
}

/// Where to reach what listens everywhere.
fn near(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
