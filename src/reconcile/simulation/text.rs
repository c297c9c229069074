//! Names and contents as histories write them: `.1` is 192.0.2.1, `::1` is 2001:db8::1.

use crate::model::{Content, OwnerName, RecordType};
use std::net::IpAddr;

pub fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

pub fn address(text: &str) -> Option<IpAddr> {
    let whole = match text.strip_prefix("::") {
        Some(_) => format!("2001:db8{text}"),
        None => format!("192.0.2{text}"),
    };
    whole.parse().ok()
}

pub fn content(rtype: &RecordType, text: &str) -> Content {
    if rtype.is_address() { address(text).map(Content::from) } else { None }
        .unwrap_or_else(|| Content::read(rtype, text))
}
