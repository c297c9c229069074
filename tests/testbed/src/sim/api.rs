//! From parameters to a command's answer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use super::reply::{ApiError, Reply};
use super::state::{Scope, State};
use super::{accounts, sign, vms};

/// The commands that are known here; all others are 432.
const COMMANDS: [&str; 7] = [
    "listvirtualmachines",
    "listaccounts",
    "listdomains",
    "listprojects",
    "listnetworks",
    "listcapabilities",
    "listdnszones",
];

/// A request that was let in.
pub(super) struct Call<'a> {
    pub state: &'a State,
    pub scope: &'a Scope,
    pub command: String,
    /// Names in lower case.
    pub parameters: BTreeMap<String, String>,
}

/// Which rows of a listing.
pub(super) struct Page {
    skip: usize,
    size: usize,
}

impl Page {
    pub fn all() -> Self {
        Self { skip: 0, size: usize::MAX }
    }

    pub fn range(&self, count: usize) -> Range<usize> {
        let start = self.skip.min(count);
        start..start.saturating_add(self.size).min(count)
    }
}

pub(super) fn listed(count: usize, key: &'static str, items: Vec<Arc<str>>) -> Reply {
    Reply::List { count, key, items }
}

impl Call<'_> {
    /// A parameter; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub fn page(&self) -> Result<Page, ApiError> {
        let most = self.state.max_page;
        let number = |name: &str| {
            let text = self.get(name);
            text.map(|text| text.parse::<i64>().map_err(|_| self.unknown(name, text))).transpose()
        };
        match (number("page")?, number("pagesize")?) {
            (None, None) => Ok(Page { skip: 0, size: most }),
            (None, Some(_)) => Err(ApiError::parameter(
                9999,
                "\"page\" parameter is required when \"pagesize\" is specified",
            )),
            (Some(_), None) => Err(ApiError::parameter(
                9999,
                "\"pageSize\" parameter is required when \"page\" is specified",
            )),
            (Some(page), Some(size)) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > most {
                    let text = format!("Page size can't exceed max allowed page size value: {most}");
                    return Err(ApiError::parameter(4350, text));
                }
                let before = usize::try_from(page - 1)
                    .map_err(|_| ApiError::parameter(9999, "Page number must be positive"))?;
                Ok(Page { skip: before.saturating_mul(size), size })
            }
        }
    }

    pub fn unknown(&self, parameter: &str, value: &str) -> ApiError {
        let command = &self.command;
        ApiError::parameter(
            9999,
            format!(
                "Unable to execute API command {command} due to invalid value. Invalid parameter {parameter} \
                 value={value} due to incorrect long value format, or entity does not exist or due to incorrect \
                 parameter annotation for the field in api cmd class."
            ),
        )
    }
}

/// Seconds since 1970 by this server's clock.
pub(super) fn now(state: &State) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX) + state.skew
}

/// Judges and answers a request. `post` says how it came.
pub(super) fn answer(state: &State, sent: &[(String, String)], post: bool) -> Result<Reply, ApiError> {
    let parameters: BTreeMap<String, String> =
        sent.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let command = parameters.get("command").cloned().unwrap_or_default();
    let key =
        parameters.get("apikey").and_then(|key| state.keys.get(key)).ok_or_else(ApiError::credentials)?;
    sign::verify(sent, &key.secret, now(state), state.enforce).map_err(|_| ApiError::credentials())?;
    let lower = command.to_lowercase();
    let reads = ["get", "list", "query", "find"].iter().any(|verb| lower.starts_with(verb));
    if state.enforce && !post && !reads {
        return Err(ApiError::new(405, None, "This command must be sent by POST"));
    }
    let since = if lower == "listdnszones" { (4, 23) } else { (4, 0) };
    if !COMMANDS.contains(&lower.as_str()) || state.version < since {
        let text = format!("The given command:{command} does not exist or it is not available for user");
        return Err(ApiError::new(432, Some(9999), text));
    }
    if key.denied.contains(&lower) {
        let text = format!("The given command '{command}' either does not exist, is not available for user.");
        return Err(ApiError::new(401, None, text));
    }
    let call = Call { state, scope: &key.scope, command: lower, parameters };
    match call.command.as_str() {
        "listvirtualmachines" => vms::list(&call),
        "listaccounts" => accounts::accounts(&call),
        "listdomains" => accounts::domains(&call),
        "listprojects" => accounts::projects(&call),
        "listnetworks" => accounts::networks(&call),
        "listdnszones" => accounts::dns_zones(&call),
        _ => Ok(accounts::capabilities(&call)),
    }
}
