//! Answers and refusals in CloudStack's shape.

use super::json::{Object, quote};

/// What a command answers with.
pub(super) enum Reply {
    /// A listing: how many match, the name of the list, and this page's members.
    List { count: usize, key: &'static str, items: Vec<std::sync::Arc<str>> },
    /// Any other object, as text.
    Plain(String),
    /// A refusal.
    Error(ApiError),
}

/// A refusal: status, inner code, text.
pub(super) struct ApiError {
    pub status: u16,
    pub cserrorcode: Option<u32>,
    pub text: String,
}

impl ApiError {
    pub fn new(status: u16, cserrorcode: Option<u32>, text: impl Into<String>) -> Self {
        Self { status, cserrorcode, text: text.into() }
    }

    /// 431.
    pub fn parameter(code: u32, text: impl Into<String>) -> Self {
        Self::new(431, Some(code), text)
    }

    pub fn credentials() -> Self {
        Self::new(401, None, "unable to verify user credentials and/or request signature")
    }

    pub fn body(&self, command: &str) -> String {
        let mut inner = Object::new().raw("uuidList", "[]").raw("errorcode", &self.status.to_string());
        if let Some(code) = self.cserrorcode {
            inner = inner.raw("cserrorcode", &code.to_string());
        }
        let inner = inner.text("errortext", &self.text).end();
        let key = if self.status == 432 { "errorresponse".into() } else { response_key(command) };
        Object::new().raw(&key, &inner).end()
    }
}

pub(super) fn response_key(command: &str) -> String {
    format!("{}response", command.to_lowercase())
}

/// A listing's body. Nothing at all where nothing matches, only the count past the end.
pub(super) fn list_body(command: &str, count: i64, key: &str, items: &[std::sync::Arc<str>]) -> String {
    let size: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut text = String::with_capacity(size + 100);
    text.push('{');
    text.push_str(&quote(&response_key(command)));
    text.push_str(":{");
    if count > 0 {
        text.push_str("\"count\":");
        text.push_str(&count.to_string());
        if !items.is_empty() {
            text.push(',');
            text.push_str(&quote(key));
            text.push_str(":[");
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(item);
            }
            text.push(']');
        }
    }
    text.push_str("}}");
    text
}
