//! What `check` asks of PowerDNS's web servers: who they are, how long they cache, whether they serve this
//! database's zones.

use super::{WebError, WebSettings, web::Web};
use crate::{
    metrics::chain,
    model::{Finding, ZoneName},
};
use futures_util::future::join_all;
use serde::Deserialize;

const TOPIC: &str = "powerdns";

/// What the web servers have shown.
#[derive(Debug, Default)]
pub struct Checked {
    /// Line by line.
    pub findings: Vec<Finding>,
    /// The lowest `max-ent-entries` that one of them has.
    pub max_ents: Option<u64>,
}

#[derive(Deserialize)]
struct Server {
    #[serde(default)]
    daemon_type: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct Setting {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
}

/// Asks all of them at a time, each for at most a few seconds. `zone`: one that they should know.
pub async fn check_web(settings: &WebSettings, zone: Option<&ZoneName>) -> Checked {
    let asked = settings.urls.iter().map(async |url| {
        match Web::new(url, &settings.key, settings.ca_file.as_deref()) {
            Ok(web) => look(&web, zone).await,
            Err(error) => refused(url, &error),
        }
    });
    let mut all = Checked::default();
    for checked in join_all(asked).await {
        all.findings.extend(checked.findings);
        all.max_ents = all.max_ents.into_iter().chain(checked.max_ents).min();
    }
    all
}

fn refused(url: &str, error: &WebError) -> Checked {
    let remedy = match error {
        WebError::Key => "write PDNS_API_KEY as pdns.conf's api-key has it",
        WebError::Denied(_) => "the same key for all of them; until then caches keep what they have",
        _ => "check PDNS_API_URL, and api=yes, webserver-address and webserver-allow-from in its pdns.conf",
    };
    let what = format!("{url}: {}", chain(error));
    Checked { findings: vec![Finding::error(TOPIC, what, remedy)], max_ents: None }
}

async fn look(web: &Web, zone: Option<&ZoneName>) -> Checked {
    let url = &web.counts.url;
    let server: Server = match web.get("").await.map(|bytes| serde_json::from_slice(&bytes)) {
        Ok(Ok(server)) => server,
        Ok(Err(_)) => {
            let what = format!("{url} is no web server of PowerDNS's: its answer cannot be read");
            return Checked {
                findings: vec![Finding::error(TOPIC, what, "check PDNS_API_URL")],
                max_ents: None,
            };
        }
        Err(error) => return refused(url, &error),
    };
    let Server { daemon_type, version } = server;
    if daemon_type != "authoritative" {
        let what = format!("{url} is a PowerDNS {}, not the authoritative server", words(&daemon_type));
        return Checked {
            findings: vec![Finding::error(TOPIC, what, "name the authoritative one's in PDNS_API_URL")],
            max_ents: None,
        };
    }
    let config: Vec<Setting> = match web.get("/config").await.map(|bytes| serde_json::from_slice(&bytes)) {
        Ok(Ok(config)) => config,
        _ => Vec::new(),
    };
    let number = |name: &str| config.iter().find(|one| one.name == name)?.value.parse::<u64>().ok();
    let caches = match (number("negquery-cache-ttl"), number("cache-ttl")) {
        // The packet cache may be filled from the query cache just before that ends (facts: powerdns 3).
        (Some(negative), Some(packets)) => {
            format!("; unflushed, its caches would keep a missing name for {} s", negative + packets)
        }
        _ => String::new(),
    };
    let mut findings =
        vec![Finding::ok(TOPIC, format!("PowerDNS {} answers at {url}{caches}", words(&version)))];
    findings.extend(known(web, zone).await);
    Checked { findings, max_ents: number("max-ent-entries") }
}

/// Whether it serves a zone of this database.
async fn known(web: &Web, zone: Option<&ZoneName>) -> Option<Finding> {
    let (zone, url) = (zone?, &web.counts.url);
    match web.get(&format!("/zones/{}?rrsets=false", super::web::zone_id(zone))).await {
        Err(WebError::Refused { .. }) => Some(Finding::error(
            TOPIC,
            format!("{url} does not serve zone {zone} of this database"),
            "does it read another database? Name the servers of this one in PDNS_API_URL",
        )),
        Err(error) => Some(Finding::warning(
            TOPIC,
            format!("{url} does not tell about zone {zone}: {}", chain(&error)),
            "look at its log",
        )),
        Ok(_) => None,
    }
}

/// A word of an answer, fit to be shown.
fn words(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}
