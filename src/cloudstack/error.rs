//! What can go wrong with the API, told apart as an operator has to act.

use std::{path::PathBuf, time::Duration};

/// A failed call of the API. No variant carries a key, a signature, a URL with a query or an answer's
/// text beyond its bounded `errortext`.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The endpoint is no URL that can be called.
    #[error("CS_ENDPOINT is not usable: {why}; give the whole URL, https://host/client/api")]
    Endpoint {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The CA file cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The CA file holds no certificates.
    #[error("the CA file {} holds no PEM certificates", path.display())]
    CaFormat {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Setup {
        /// Why.
        source: reqwest::Error,
    },
    /// 401: key, secret, clock or a disabled user.
    #[error(
        "{command}: CloudStack refuses the credentials ({text}); check CS_API_KEY and CS_SECRET_KEY, that their \
         user is enabled, and that this machine's clock is right to a few minutes"
    )]
    Unauthorized {
        /// The API command.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// 401 or 432 with the words "does not exist, is not available for user": the role lacks the API.
    #[error("{command}: the key's role may not call this API ({text}); allow {command} in the role's rules")]
    NotAllowed {
        /// The API command.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// 429: the account's rate limit.
    #[error("{command}: CloudStack's API rate limit is reached ({text})")]
    Throttled {
        /// The API command.
        command: &'static str,
        /// How long to wait, if the server says.
        after: Option<Duration>,
        /// The server's words.
        text: String,
    },
    /// 431: a parameter was refused.
    #[error("{command}: CloudStack refuses a parameter ({text})")]
    Param {
        /// The API command.
        command: &'static str,
        /// What is wrong with it.
        refusal: Refusal,
        /// The server's words.
        text: String,
    },
    /// 502, 503, 504, or a page of HTML where JSON belongs: the management server or a proxy before it is
    /// down or in maintenance.
    #[error("{command}: the API is not available now (HTTP {status})")]
    Unavailable {
        /// The API command.
        command: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// 530: an internal error of the server.
    #[error("{command}: CloudStack reports an internal error ({text}); its management log says more")]
    Internal {
        /// The API command.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// 531: the account may not see this.
    #[error("{command}: CloudStack denies permission ({text}); the key needs a root admin's view")]
    Permission {
        /// The API command.
        command: &'static str,
        /// The server's words.
        text: String,
    },
    /// Any other status.
    #[error("{command}: unexpected answer, status {status}{}", said(text))]
    Status {
        /// The API command.
        command: &'static str,
        /// HTTP status or error code.
        status: u16,
        /// The server's words, if it had any.
        text: String,
    },
    /// No answer within the time-out.
    #[error("{command}: no answer within the time-out (CS_TIMEOUT)")]
    Timeout {
        /// The API command.
        command: &'static str,
        /// The client's error.
        source: reqwest::Error,
    },
    /// No connection.
    #[error("{command}: cannot connect to the API (CS_ENDPOINT)")]
    Connect {
        /// The API command.
        command: &'static str,
        /// The client's error.
        source: reqwest::Error,
    },
    /// The TLS handshake failed.
    #[error("{command}: TLS with the API failed (CS_ENDPOINT)")]
    Tls {
        /// The API command.
        command: &'static str,
        /// The client's error.
        source: reqwest::Error,
    },
    /// The connection broke while the answer came.
    #[error("{command}: the connection broke before the answer was complete")]
    Broken {
        /// The API command.
        command: &'static str,
        /// The client's error.
        source: reqwest::Error,
    },
    /// The answer cannot be read.
    #[error("{command}: the answer cannot be read: {what}")]
    BadBody {
        /// The API command.
        command: &'static str,
        /// What is wrong; never the answer's own text.
        what: String,
    },
    /// Pages do not add up to what the API counts.
    #[error("{command}: page {page} brings the listing to {got} items where the API counts {count}")]
    Incomplete {
        /// The API command.
        command: &'static str,
        /// The page that was short.
        page: usize,
        /// Items up to and with that page.
        got: usize,
        /// What the API counts.
        count: u64,
    },
    /// Whoever took the pages has gone.
    #[error("the listing was abandoned by its reader")]
    Abandoned,
}

/// The server's words in parentheses, if it had any.
fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

impl ApiError {
    /// What to do about it, where its own words do not say so.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Tls { .. } => Some(
                "does CS_ENDPOINT's port speak https, with a certificate for the name in it? Name a private \
                 authority in CS_CA_FILE",
            ),
            Self::Status { .. } | Self::BadBody { .. } => {
                Some("is CS_ENDPOINT the API's whole URL, https://host/client/api?")
            }
            Self::Timeout { .. } => Some("look at the management server, or raise CS_TIMEOUT"),
            Self::Connect { .. } | Self::Broken { .. } | Self::Unavailable { .. } => {
                Some("is CS_ENDPOINT right, does the management server run, and may this machine reach it?")
            }
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Internal { .. }
            | Self::Timeout { .. }
            | Self::Connect { .. }
            | Self::Broken { .. }
            | Self::BadBody { .. }
            | Self::Incomplete { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            Self::Endpoint { .. }
            | Self::CaFile { .. }
            | Self::CaFormat { .. }
            | Self::Setup { .. }
            | Self::Unauthorized { .. }
            | Self::NotAllowed { .. }
            | Self::Param { .. }
            | Self::Permission { .. }
            | Self::Tls { .. }
            | Self::Abandoned => false,
        }
    }

    /// How the call ended, for metrics: one of few words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Connect { .. } | Self::Tls { .. } | Self::Broken { .. } | Self::Unavailable { .. } => {
                "unreachable"
            }
            Self::Timeout { .. } => "timeout",
            Self::Throttled { .. } => "throttled",
            Self::Unauthorized { .. } | Self::NotAllowed { .. } | Self::Permission { .. } => "denied",
            Self::Param { .. } => "refused",
            Self::BadBody { .. } | Self::Incomplete { .. } => "unreadable",
            Self::Internal { .. }
            | Self::Status { .. }
            | Self::Endpoint { .. }
            | Self::CaFile { .. }
            | Self::CaFormat { .. }
            | Self::Setup { .. }
            | Self::Abandoned => "error",
        }
    }

    /// Whether the call may have failed for what one of the VMs is that it asked about.
    pub(super) fn may_be_about_one(&self) -> bool {
        matches!(
            self,
            Self::Internal { .. }
                | Self::Permission { .. }
                | Self::Param { .. }
                | Self::BadBody { .. }
                | Self::Incomplete { .. }
        )
    }

    /// The page size that the server allows, if it refused ours.
    pub(super) fn allowed_page_size(&self) -> Option<usize> {
        match self {
            Self::Param { refusal: Refusal::PageSize(size), .. } if *size > 0 => Some(*size),
            _ => None,
        }
    }

    /// Whether this is the 431 that says that an id names nothing, rather than any other 431.
    pub(super) fn is_no_such_entity(&self) -> bool {
        matches!(self, Self::Param { refusal: Refusal::NoSuchEntity(_), .. })
    }

    /// Likewise, and not about another value than this id: a server that knows some other parameter's
    /// value for dead (an old one, `projectid=-1`) has not said anything about the VM.
    pub(super) fn says_missing(&self, id: &str) -> bool {
        match self {
            Self::Param { refusal: Refusal::NoSuchEntity(value), .. } => {
                value.as_ref().is_none_or(|value| value.eq_ignore_ascii_case(id))
            }
            _ => false,
        }
    }
}

/// What the server finds wrong with a parameter, read from its words: all are 431 (facts: cloudstack 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// "Page size can't exceed max allowed page size value: N".
    PageSize(usize),
    /// "Invalid parameter id value=… entity does not exist", with the value, if it is named.
    NoSuchEntity(Option<String>),
    /// Anything else.
    Other,
}

impl Refusal {
    /// Reads the server's words, whole.
    pub(super) fn read(text: &str) -> Self {
        if let Some((_, number)) = text.split_once("max allowed page size value:") {
            let number = number.trim_start();
            let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            return number[..end].parse().map_or(Self::Other, Self::PageSize);
        }
        if !text.contains("entity does not exist") {
            return Self::Other;
        }
        let value = text.split_once("value=").map(|(_, value)| {
            let end = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(value.len());
            value[..end].chars().take(64).collect()
        });
        Self::NoSuchEntity(value)
    }
}
