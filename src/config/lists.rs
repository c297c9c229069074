//! Values that are lists: comma-separated, blanks around an item count for nothing.

use super::{
    fault::{Wrong, wrong},
    parse::pdns_url,
    types::ZoneItem,
};
use crate::{model::ZoneName, trigger::check_extra};
use ipnet::IpNet;
use reqwest::Url;
use secrecy::SecretString;
use std::net::IpAddr;

/// The items of a list. Empty ones (a trailing comma) are left out; a list of none but such is wrong.
fn items<T>(text: &str, item: impl Fn(&str) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    let list: Vec<T> =
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(wrong("the list has no item", "write one, or leave the variable unset"));
    }
    Ok(list)
}

pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, Wrong> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Vec::new());
    }
    items(text, |item| {
        if let Ok(address) = item.parse::<IpAddr>() {
            return Err(wrong(
                format!("`{item}` is an address, not a network"),
                format!("write {}", IpNet::from(address)),
            ));
        }
        let network: IpNet = item.parse().map_err(|_| {
            wrong(format!("`{item}` is no network"), "write one such as 192.0.2.0/24 or 2001:db8::/32")
        })?;
        if network.addr() != network.network() {
            return Err(wrong(
                format!("`{item}` has bits set beyond its prefix"),
                format!("write {}", network.trunc()),
            ));
        }
        Ok(network)
    })
}

pub(super) fn zones(text: &str) -> Result<Vec<ZoneItem>, Wrong> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Vec::new());
    }
    items(text, |item| {
        let (zone, path) = match item.split_once('@') {
            Some((zone, path)) => (zone.trim(), Some(path.trim())),
            None => (item, None),
        };
        if zone.starts_with("*.") {
            return Err(wrong(
                format!("`{item}` has a wildcard"),
                format!("write {}: the zones below are meant as well", item.trim_start_matches("*.")),
            ));
        }
        let zone = ZoneName::parse(zone).map_err(|why| {
            wrong(format!("`{item}` names no zone: {why}"), "write ZONE or ZONE@DOMAIN/PATH")
        })?;
        let path = path.map(|path| path.trim_matches('/'));
        if path.is_some_and(|path| path.is_empty() || path.contains("//")) {
            return Err(wrong(format!("`{item}` names no CloudStack domain"), "write ZONE@ROOT/PATH"));
        }
        Ok(ZoneItem { zone, path: path.map(str::to_owned) })
    })
}

pub(super) fn urls(text: &str) -> Result<Vec<Url>, Wrong> {
    items(text, pdns_url)
}

/// `host:port` items, joined again as librdkafka takes them.
pub(super) fn bootstrap(text: &str) -> Result<String, Wrong> {
    let servers = items(text, |item| {
        let fits = item.rsplit_once(':').is_some_and(|(host, port)| {
            let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
                None => !host.contains(['/', ':', '@', ' ']) && ZoneName::parse(host).is_ok(),
            };
            host && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if fits {
            return Ok(item.to_owned());
        }
        if item.contains('@') {
            return Err(wrong(
                "an item is no host:port",
                "write host:9092, host:9092; passwords go elsewhere",
            ));
        }
        Err(wrong(format!("`{item}` is no host:port"), "write host:9092, comma-separated"))
    })?;
    Ok(servers.join(","))
}

/// Properties that the consumer sets itself: another value would lose events or offsets.
const OURS: &[&str] = &[
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "group.id",
    "metadata.broker.list",
];

/// `k=v,k=v`. A value may contain `=`, and a comma as `\,`. Values may be passwords: none is repeated,
/// nor is what lacks its `=`, which may be the rest of a password with a comma.
pub(super) fn properties(text: &str) -> Result<Vec<(String, SecretString)>, Wrong> {
    let mut list: Vec<(String, SecretString)> = Vec::new();
    for (number, item) in split_unescaped(text).into_iter().enumerate() {
        let item = item.trim();
        if item.is_empty() {
            continue;
        }
        let Some((key, value)) = item.split_once('=') else {
            return Err(wrong(
                format!("property {} has no `=`", number + 1),
                "write k=v,k=v, and a comma inside a value as \\,",
            ));
        };
        let key = key.trim();
        if key.is_empty()
            || !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        {
            return Err(wrong(
                format!("property {} has no librdkafka name before its `=`", number + 1),
                "write k=v,k=v, and a comma inside a value as \\,",
            ));
        }
        if OURS.contains(&key) {
            let remedy = match key {
                "bootstrap.servers" | "metadata.broker.list" => "write it into KAFKA_BOOTSTRAP",
                "group.id" => "write it into KAFKA_GROUP",
                _ => "leave it out",
            };
            return Err(wrong(format!("the property `{key}` is set by the controller itself"), remedy));
        }
        if let Err(why) = check_extra(key) {
            return Err(wrong(format!("the property `{key}` cannot be set: {why}"), "leave it out"));
        }
        if list.iter().any(|(known, _)| known == key) {
            return Err(wrong(format!("the property `{key}` is given twice"), "leave one of them"));
        }
        list.push((key.to_owned(), value.trim().into()));
    }
    Ok(list)
}

fn split_unescaped(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => {
                parts.last_mut().expect("starts with one part").extend(chars.next());
            }
            ',' => parts.push(String::new()),
            _ => parts.last_mut().expect("starts with one part").push(c),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn zone_items_keep_the_domain_path() {
        let list = zones("Example.org., lab.example@/ROOT/My Team/lab/ ,2.0.192.in-addr.arpa,").unwrap();
        let read: Vec<_> = list.iter().map(|item| (item.zone.as_str(), item.path.as_deref())).collect();
        assert_eq!(
            read,
            [
                ("example.org", None),
                ("lab.example", Some("ROOT/My Team/lab")),
                ("2.0.192.in-addr.arpa", None)
            ]
        );
        assert!(zones("all").unwrap().is_empty());
    }

    #[test]
    fn kafka_values_may_have_equals_signs_and_escaped_commas() {
        let list = properties(r"sasl.password=a=b\,c\d, security.protocol=SASL_SSL").unwrap();
        let read: Vec<_> = list.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
        assert_eq!(read, [("sasl.password", r"a=b,c\d"), ("security.protocol", "SASL_SSL")]);
    }

    #[test]
    fn kafka_servers_are_joined_without_blanks() {
        assert_eq!(bootstrap("a:9092, [::1]:9093 ,").unwrap(), "a:9092,[::1]:9093");
    }
}
