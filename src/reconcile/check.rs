//! The verb `check`: what the servers show, joined. Each room looks at its own; here is what takes two of
//! them to tell. Needs no lease, writes nothing, and goes on where one of the servers is down.

mod beside;
mod owner;
mod wanted;
mod zones;

use crate::{
    cloudstack::{self, Client},
    desired::{self, OwnerIndex},
    metrics::{Metrics, chain},
    model::{Finding, ZoneName, Zones},
    powerdns::{self, Database, WebSettings, check_web},
    trigger::{self, Events},
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use wanted::{Wanted, wanted};

/// How long a bus may be silent before that is told, where no VM has been created meanwhile.
const SILENT: i64 = 24 * 3600;
/// An event may come so much after the time that CloudStack gives a VM.
const LATE: i64 = 600;

/// What a controller would be run with.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// The API.
    pub cloudstack: cloudstack::Settings,
    /// The database.
    pub powerdns: powerdns::Settings,
    /// PowerDNS's web servers, if there are any.
    pub web: Option<WebSettings>,
    /// The events, if there are any.
    pub trigger: Option<trigger::Settings>,
    /// What VMs want.
    pub desired: desired::Settings,
    /// How long a change may wait without events.
    pub resync_interval: Duration,
    /// Where a controller on this machine would serve.
    pub http_listen: SocketAddr,
}

/// Looks at everything, the servers at the same time.
pub async fn check(settings: &CheckSettings) -> Vec<Finding> {
    let metrics = Arc::<Metrics>::default();
    let database = match Database::new(&settings.powerdns, Arc::clone(&metrics)) {
        Ok(database) => database,
        Err(error) => return vec![Finding::error("database", chain(&error), "correct the configuration")],
    };
    let api = async {
        match Client::new(&settings.cloudstack, Arc::clone(&metrics)) {
            Ok(client) => client.check().await,
            Err(error) => {
                let finding = Finding::error("cloudstack", chain(&error), "correct the configuration");
                cloudstack::Checked { findings: vec![finding], ..cloudstack::Checked::default() }
            }
        }
    };
    let events = async {
        match &settings.trigger {
            Some(settings) => Some(trigger::check(settings).await),
            None => None,
        }
    };
    let beside = beside::check(settings.http_listen);
    let (api, sql, events, beside) = tokio::join!(api, database.check(), events, beside);
    let mut findings = zone_list(settings, api.seen.as_ref());
    findings.extend(api.findings);
    findings.extend(kafka(settings, events, api.seen.as_ref()));
    findings.extend(sql.findings);
    let zones = if sql.readable { Some(database.reader().zones().await) } else { None };
    match zones {
        Some(Ok(zones)) => {
            let seen = api.seen.as_ref();
            let wanted =
                seen.map(|seen| wanted(&seen.vms, &OwnerIndex::new(&seen.owners), &zones, &settings.desired));
            let web = web_servers(settings, asked_for(wanted.as_ref(), &zones)).await;
            let (desired, max_ents) = (&settings.desired, web.max_ents);
            let all = zones::Looking { settings: desired, zones: &zones, wanted: wanted.as_ref(), max_ents };
            findings.extend(zones::check(&database, &all, &api.framework).await);
            let cloud = seen.and_then(|seen| seen.owners.topmost());
            findings.extend(owner::check(&database, &settings.powerdns.owner, cloud).await);
            findings.extend(web.findings);
        }
        failed => {
            let error = failed.and_then(Result::err);
            findings.extend(
                error.map(|error| Finding::error("zones", chain(&error), "look at the database server")),
            );
            findings.extend(web_servers(settings, None).await.findings);
        }
    }
    findings.extend(beside);
    let _ = tokio::time::timeout(Duration::from_secs(1), database.close()).await;
    findings
}

/// A zone that PowerDNS's web servers should know, if there is any: one that VMs want, else any.
fn asked_for<'a>(wanted: Option<&'a Wanted>, zones: &'a Zones) -> Option<&'a ZoneName> {
    let wanted = wanted.and_then(|wanted| wanted.zones.keys().next());
    wanted.or_else(|| zones.iter().map(|zone| &zone.name).min())
}

async fn web_servers(settings: &CheckSettings, zone: Option<&ZoneName>) -> powerdns::CheckedWeb {
    match &settings.web {
        Some(web) => check_web(web, zone).await,
        None => powerdns::CheckedWeb {
            findings: vec![Finding::warning(
                "powerdns",
                "PDNS_API_URL is not set: a name that was asked for before it existed takes up to 78 s to show \
                 with PowerDNS's default caches, a changed one up to 40 s, and secondaries hear of it within 60 s",
                "set it to the web servers of all PowerDNS servers, to have all of that at once",
            )],
            max_ents: None,
        },
    }
}

fn kafka(
    settings: &CheckSettings,
    checked: Option<trigger::Checked>,
    seen: Option<&cloudstack::Seen>,
) -> Vec<Finding> {
    let Some(checked) = checked else {
        let every = humantime::format_duration(settings.resync_interval);
        return vec![Finding::warning(
            "kafka",
            format!("KAFKA_BOOTSTRAP is not set: changes show only with each resync, every {every}"),
            "set it to CloudStack's Kafka event bus",
        )];
    };
    let mut findings = checked.findings;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let newest = seen.and_then(|seen| seen.vms.iter().map(|vm| vm.created).max());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    findings.extend(checked.events.map(|events| silence(&events, newest, now)));
    findings
}

/// What the time of the latest event says of the event bus (facts: cloudstack 1.1). `newest`: when the
/// newest VM was created.
fn silence(events: &Events, newest: Option<i64>, now: i64) -> Finding {
    const TOPIC: &str = "kafka";
    const REMEDY: &str = "is the event bus configured in META-INF/cloudstack/event of every management server (up to \
         4.19: META-INF/cloudstack/core), with this topic in kafka.producer.properties, and do they reach the brokers?";
    let Events { held, ever, latest } = *events;
    match latest {
        _ if ever == 0 => Finding::warning(TOPIC, "the event bus is silent: no event has ever come", REMEDY),
        _ if held == 0 => Finding::warning(
            TOPIC,
            "the event bus is silent: no event is as young as the topic's retention",
            REMEDY,
        ),
        None => Finding::ok(TOPIC, "there are events, whose time is not told"),
        Some(latest) => {
            let ago = ago(now - latest);
            match newest {
                Some(newest) if newest > latest + LATE => Finding::warning(
                    TOPIC,
                    format!(
                        "the event bus is silent: the latest event came {ago}, and a VM has been created since"
                    ),
                    REMEDY,
                ),
                _ if now - latest > SILENT => Finding::warning(
                    TOPIC,
                    format!("the latest event came {ago}: the cloud is quiet, or the event bus is silent"),
                    REMEDY,
                ),
                _ => Finding::ok(TOPIC, format!("the latest event came {ago}")),
            }
        }
    }
}

fn ago(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds @ 120..) => {
            let unit = if seconds > 2 * 86_400 { 3600 } else { 60 };
            format!("{} ago", humantime::format_duration(Duration::from_secs(seconds / unit * unit)))
        }
        Ok(seconds) => format!("{seconds} s ago"),
        // Another machine's clock.
        Err(_) => "just now".into(),
    }
}

/// `DNS_ZONES` itself: whether it is set, and means domains that there are.
fn zone_list(settings: &CheckSettings, seen: Option<&cloudstack::Seen>) -> Vec<Finding> {
    const TOPIC: &str = "configuration";
    let list = &settings.desired.zones;
    if list.is_unset() {
        return vec![Finding::warning(
            TOPIC,
            "DNS_ZONES is not set: whoever may set a network domain in CloudStack reaches every zone of this database",
            "list the zones that VMs may have names in",
        )];
    }
    let Some(seen) = seen else { return vec![] };
    let known = |path: &str| seen.owners.domains.iter().any(|domain| domain.path.trim_matches('/') == path);
    let unknown = list.items().filter(|(_, path)| path.is_some_and(|path| !known(path)));
    unknown
        .map(|(zone, path)| {
            let path = path.unwrap_or_default();
            Finding::warning(
                TOPIC,
                format!(
                    "DNS_ZONES: `{zone}@{path}` is for nobody: the key sees no CloudStack domain of that path"
                ),
                "correct the path: it is case-sensitive, and begins at ROOT",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;

    #[test]
    fn a_bus_is_silent_where_a_vm_is_younger_than_the_latest_event() {
        const NOW: i64 = 1_800_000_000;
        let events = |held, ever, ago: Option<i64>| Events { held, ever, latest: ago.map(|ago| NOW - ago) };
        for (events, newest, level, words) in [
            (events(0, 0, None), None, Level::Warning, "no event has ever come"),
            (events(0, 9, None), None, Level::Warning, "retention"),
            (events(1, 9, None), Some(NOW), Level::Ok, "not told"),
            (events(1, 9, Some(5)), None, Level::Ok, "5 s ago"),
            (events(1, 9, Some(-5)), None, Level::Ok, "just now"),
            (events(1, 9, Some(7200)), None, Level::Ok, "2h ago"),
            (events(1, 9, Some(7200)), Some(NOW - 7000), Level::Ok, "2h ago"),
            (events(1, 9, Some(7200)), Some(NOW - 60), Level::Warning, "a VM has been created since"),
            (events(1, 9, Some(3 * 86_400)), Some(NOW - 9 * 86_400), Level::Warning, "3days ago"),
        ] {
            let finding = silence(&events, newest, NOW);
            assert_eq!(finding.level, level, "{finding}");
            assert!(finding.what.contains(words), "{finding}");
        }
    }
}
