//! Single values: text in, value or what is wrong with the text out. No variable's name is known here.

use super::{
    fault::{Wrong, wrong},
    types::{LogFormat, Mode, Stopped, Tls},
};
use crate::model::{OwnerId, OwnerName, Ttl};
use reqwest::Url;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// 30 days: longer is a slip of the pen, and sums of durations stay far from any overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn boolean(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        "yes" | "on" | "y" | "t" => Err(wrong(format!("`{text}` is not true or false"), "write true")),
        "no" | "off" | "n" | "f" => Err(wrong(format!("`{text}` is not true or false"), "write false")),
        _ => Err(wrong(format!("`{text}` is not true or false"), "write true or false")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong(format!("`{text}` has no unit"), format!("write {text}s for seconds")));
    }
    let value = humantime::parse_duration(text)
        .map_err(|_| wrong(format!("`{text}` is no duration"), "write one such as 30s, 10m or 1h"))?;
    if value < Duration::from_secs(1) {
        return Err(wrong(format!("`{text}` is too short"), "write 1s or more"));
    }
    if value > LONGEST {
        return Err(wrong(format!("`{text}` is too long"), "write 30days or less"));
    }
    Ok(value)
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let plain = text.to_ascii_lowercase().replace('_', "-");
    choices.iter().find(|(word, _)| *word == plain).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        wrong(format!("`{text}` is none of its values"), format!("write {}", words.join(" or ")))
    })
}

pub(super) fn tls(text: &str) -> Result<Tls, Wrong> {
    choice(
        text,
        &[
            ("disabled", Tls::Disabled),
            ("preferred", Tls::Preferred),
            ("required", Tls::Required),
            ("verify-ca", Tls::VerifyCa),
            ("verify-identity", Tls::VerifyIdentity),
        ],
    )
}

pub(super) fn all_nics(text: &str) -> Result<bool, Wrong> {
    choice(text, &[("default", false), ("all", true)])
}

pub(super) fn stopped(text: &str) -> Result<Stopped, Wrong> {
    choice(text, &[("keep", Stopped::Keep), ("groups", Stopped::Groups), ("remove", Stopped::Remove)])
}

pub(super) fn mode(text: &str) -> Result<Mode, Wrong> {
    choice(
        text,
        &[("sync", Mode::Sync), ("upsert-only", Mode::UpsertOnly), ("create-only", Mode::CreateOnly)],
    )
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Wrong> {
    choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

pub(super) fn log_filter(text: &str) -> Result<String, Wrong> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(wrong(
            format!("`{text}` is no log filter"),
            "write error, warn, info, debug or trace, or module=level, comma-separated",
        )),
    }
}

pub(super) fn ttl(text: &str) -> Result<Ttl, Wrong> {
    // RFC 2181, 8: 31 bits.
    match text.parse::<u32>() {
        Ok(seconds) if i32::try_from(seconds).is_ok() => Ok(Ttl(seconds)),
        _ => Err(wrong(format!("`{text}` is no TTL"), "write a number of seconds from 0 to 2147483647")),
    }
}

pub(super) fn percent(text: &str) -> Result<u8, Wrong> {
    match text.parse::<u8>() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(wrong(
            format!("`{text}` is no percentage"),
            "write a whole number from 0 to 100, without a sign",
        )),
    }
}

pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        // Kubernetes makes such variables for every Service, of a Service `mysql-pdns` this one.
        _ if text.starts_with("tcp://") => Err(wrong(
            format!("`{text}` is no port"),
            "Kubernetes sets it for a Service of this name: set enableServiceLinks: false, or the port",
        )),
        _ => Err(wrong(format!("`{text}` is no port"), "write a number from 1 to 65535")),
    }
}

pub(super) fn host(text: &str) -> Result<String, Wrong> {
    if text.parse::<IpAddr>().is_ok() || OwnerName::parse(text).is_ok_and(|_| !text.contains([':', '/', '@']))
    {
        return Ok(text.to_owned());
    }
    if text.contains('@') {
        // It may be user:password@host.
        return Err(wrong("it is no host", "write a host name or an address, nothing else"));
    }
    Err(wrong(
        format!("`{text}` is no host"),
        "write a host name or an address; the port goes into MYSQL_PDNS_PORT",
    ))
}

/// A text that is handed on as it is: a database, a user, a group.
pub(super) fn word(text: &str) -> Result<String, Wrong> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong(format!("`{}` has blanks inside", text.escape_debug()), "write it without"));
    }
    Ok(text.to_owned())
}

pub(super) fn topic(text: &str) -> Result<String, Wrong> {
    // Kafka's own rule; a leading ^ would make librdkafka read a pattern.
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if text.len() <= 249 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(wrong(format!("`{text}` is no topic"), "write one topic, of letters, digits, dots, _ and -"))
}

pub(super) fn owner(text: &str) -> Result<OwnerId, Wrong> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if text.len() <= 64 && text.bytes().all(fits) {
        return Ok(text.into());
    }
    Err(wrong(format!("`{text}` is no owner id"), "write 1 to 64 letters, digits, dots, _ and -"))
}

pub(super) fn common_zone(text: &str) -> Result<OwnerName, Wrong> {
    let zone = OwnerName::host(text).map_err(|why| {
        wrong(format!("`{text}` is no host name: {why}"), "write a zone such as example.org")
    })?;
    if zone.is_arpa() {
        return Err(wrong(format!("`{text}` is a reverse zone"), "write a zone such as example.org"));
    }
    Ok(zone)
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        wrong(
            format!("`{text}` is no address with port"),
            "write one such as 127.0.0.1:8053, 0.0.0.0:8053 or [::]:8053",
        )
    })
}

/// An http or https URL without user, query and fragment. A text that may hold a password or a key is
/// not repeated.
fn http_url(text: &str, example: &str) -> Result<Url, Wrong> {
    let remedy = || format!("write it as {example}");
    if text.contains(['@', '?', '#']) {
        return Err(wrong("the URL has a user, a query or a fragment", remedy()));
    }
    let url = Url::parse(text).map_err(|_| wrong(format!("`{text}` is no URL"), remedy()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(format!("`{text}` is no http or https URL"), remedy()));
    }
    Ok(url)
}

pub(super) fn endpoint(text: &str) -> Result<Url, Wrong> {
    let url = http_url(text, "https://host/client/api")?;
    if url.path() == "/" {
        return Err(wrong(
            format!("`{text}` has no path"),
            format!("write the API's whole URL, {}/client/api", text.trim_end_matches('/')),
        ));
    }
    Ok(url)
}

pub(super) fn pdns_url(text: &str) -> Result<Url, Wrong> {
    let url = http_url(text, "http://host:8081")?;
    if url.path().starts_with("/api") {
        return Err(wrong(format!("`{text}` has the API's path"), "write it without, http://host:8081"));
    }
    Ok(url)
}
