//! The server's side of signing, written from its rules and not from the client's code.

use base64::Engine as _;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Why a request is not let in. The answer says none of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Signature,
    Expired,
    TooLong,
    NotVersion3,
}

/// The signature that the parameters, as decoded from the wire, should carry.
pub(super) fn signature(parameters: &[(String, String)], secret: &str) -> String {
    let mut parameters: Vec<_> =
        parameters.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("signature")).collect();
    // By name as sent: upper case comes before lower case.
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let text = pairs.join("&").to_lowercase();
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// Java's URLEncoder with `+` as `%20`: it leaves `*` and encodes `~`.
fn encode(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Judges a request at `now`, in seconds since 1970.
pub(super) fn verify(
    parameters: &[(String, String)],
    secret: &str,
    now: i64,
    enforce: bool,
) -> Result<(), Refusal> {
    let get = |wanted: &str| {
        parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    if get("signatureversion") == Some("3") {
        let expires = get("expires").and_then(parse_time).ok_or(Refusal::Expired)?;
        if expires < now {
            return Err(Refusal::Expired);
        }
        if enforce && expires > now + 15 * 60 {
            return Err(Refusal::TooLong);
        }
    } else if enforce {
        return Err(Refusal::NotVersion3);
    }
    if get("signature") == Some(signature(parameters, secret).as_str()) {
        Ok(())
    } else {
        Err(Refusal::Signature)
    }
}

/// `2030-01-01T00:00:00+0000`, with any offset, to seconds since 1970.
fn parse_time(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let marks = [(4, '-'), (7, '-'), (10, 'T'), (13, ':'), (16, ':')];
    let right = text.len() == 24 && marks.iter().all(|(at, mark)| text[*at..].starts_with(*mark));
    if !text.is_ascii() || !right {
        return None;
    }
    let sign = match &text[19..20] {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let offset = sign * (digits(20, 22)? * 3600 + digits(22, 24)? * 60);
    let days = days(digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    Some(days * 86_400 + digits(11, 13)? * 3600 + digits(14, 16)? * 60 + digits(17, 19)? - offset)
}

/// Days from 1970-01-01, by the usual arithmetic of years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way: `2026-03-04T10:15:01+0000`.
pub(super) fn format_time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
}

/// As the `Date` of an HTTP answer has it.
pub(super) fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = format_time(seconds);
    let day = DAYS[usize::try_from(seconds.div_euclid(86_400).rem_euclid(7)).unwrap_or_default()];
    let month = text[5..7].parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1)).unwrap_or(&"Jan");
    format!("{day}, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}
