//! A zone as people see it.

use crate::model::{ZoneId, ZoneName};

/// A zone of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneLine {
    /// `domains.id`.
    pub id: ZoneId,
    /// Its name.
    pub name: ZoneName,
    /// `domains.type`.
    pub kind: &'static str,
    /// Whether it is signed, and how: a word of few values.
    pub signed: &'static str,
    /// Why nothing is written there for anybody, if nothing is.
    pub shut: Option<String>,
}

#[cfg(test)]
impl ZoneLine {
    /// An unsigned one that may be written.
    pub fn plain(id: ZoneId, name: ZoneName) -> Self {
        Self { id, name, kind: "NATIVE", signed: "unsigned", shut: None }
    }
}
