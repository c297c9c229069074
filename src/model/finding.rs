//! What looking at one part of an installation has shown, for `check`.

use std::fmt;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Records are kept, but later, or fewer, or with less safety than could be; or it may be meant so.
    Warning,
    /// Records that should be kept are not.
    Error,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A line of `check`. There is none that is not ok and does not say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Which part.
    pub topic: &'static str,
    /// What was found, in the words of DNS and CloudStack; no secrets, no control characters.
    pub what: String,
    /// What to do; none where all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(topic: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, topic, what: what.into(), remedy: None }
    }

    /// Worth a look.
    pub fn warning(topic: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, topic, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// Must be mended.
    pub fn error(topic: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Error, topic, what: what.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}: {}", self.level.word(), self.topic, self.what)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, " -> {remedy}"))
    }
}

/// A number and what it counts: `1 name`, `2 names`, `2 entries`.
pub fn counted(n: impl TryInto<u64>, noun: &str) -> String {
    match (n.try_into().unwrap_or(u64::MAX), noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (n, Some(stem)) => format!("{n} {stem}ies"),
        (n, None) => format!("{n} {noun}s"),
    }
}
