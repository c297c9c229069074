//! What can go wrong with the database, and what is worth another try.

use mysql_async::{DriverError, Error, IoError};
use std::time::Duration;

/// A failure of the PowerDNS database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection, or none that may log in.
    #[error("cannot connect to MySQL at {server} (MYSQL_PDNS_*)")]
    Connect {
        /// `host:port`.
        server: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// No answer in time; the connection is given up.
    #[error("no answer from MySQL at {server} within {} s while {what}", after.as_secs())]
    Timeout {
        /// `host:port`.
        server: String,
        /// What was being done.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// A statement failed.
    #[error("MySQL at {server} failed while {what}")]
    Query {
        /// `host:port`.
        server: String,
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A right is missing; the server's answer names it.
    #[error(
        "MySQL at {server} denies a right while {what}: grant this user what `cs-powerdns schema` prints"
    )]
    Denied {
        /// `host:port`.
        server: String,
        /// What was being done.
        what: &'static str,
        /// Which right.
        #[source]
        source: Box<Error>,
    },
    /// An answer lacks what it must have.
    #[error("MySQL's answer while {what} lacks {lacks}")]
    Answer {
        /// What was being done.
        what: &'static str,
        /// What is missing.
        lacks: &'static str,
    },
    /// A statement has found other rows than somebody had seen.
    #[error("of {wanted} {what}, {found} stood as they were seen")]
    Changed {
        /// Which rows.
        what: &'static str,
        /// How many there had to be.
        wanted: usize,
        /// How many there were.
        found: u64,
    },
    /// Tables are missing and may not be created.
    #[error(
        "database {database} has no tables cs_powerdns_* that this user may use, and the user may not \
         create them: run the SQL that `cs-powerdns schema` prints as an administrator"
    )]
    SchemaMissing {
        /// The database.
        database: String,
        /// The refusal.
        #[source]
        source: Box<Error>,
    },
    /// The tables were made by a later version.
    #[error("the tables cs_powerdns_* have schema version {found}, this program knows {known}: update it")]
    SchemaVersion {
        /// What the table says.
        found: u32,
        /// What this program writes.
        known: u32,
    },
    /// The database is not PowerDNS's.
    #[error(
        "database {database} has no table `records` that this user may read: if it is PowerDNS's, grant \
         what `cs-powerdns schema` prints"
    )]
    NotPowerDns {
        /// The database.
        database: String,
    },
    /// The receiver of the audit stream went away.
    #[error("the audit was given up by its receiver")]
    AuditStopped,
}

/// Denied: the database (1044), a table (1142), a column (1143), a right of the whole server (1227).
const DENIED: [u16; 4] = [1044, 1142, 1143, 1227];

impl DbError {
    /// A statement failed.
    pub(super) fn failed(server: String, what: &'static str, source: Error) -> Self {
        let source = Box::new(source);
        match source.as_ref() {
            Error::Server(error) if DENIED.contains(&error.code) => Self::Denied { server, what, source },
            _ => Self::Query { server, what, source },
        }
    }

    /// Whether the same may succeed later without anybody's doing: back off and try again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } => transient(source),
            Self::Timeout { .. } | Self::Changed { .. } => true,
            Self::Denied { .. }
            | Self::Answer { .. }
            | Self::SchemaMissing { .. }
            | Self::SchemaVersion { .. }
            | Self::NotPowerDns { .. }
            | Self::AuditStopped => false,
        }
    }

    /// What to do about a server that cannot be used.
    pub fn remedy(&self) -> String {
        match (self.code(), self) {
            (Some(1045 | 1698), _) => {
                "check MYSQL_PDNS_USER and MYSQL_PDNS_PASSWORD, and from which hosts that user may come"
                    .into()
            }
            (Some(1044 | 1049), _) => {
                "check MYSQL_PDNS_NAME, and run what `cs-powerdns schema` prints as an administrator".into()
            }
            (_, Self::Connect { source, .. })
                if matches!(source.as_ref(), Error::Driver(DriverError::NoClientSslFlagFromServer)) =>
            {
                "the server has no TLS: give it a certificate, or set MYSQL_PDNS_TLS=preferred".into()
            }
            (_, Self::Connect { server, .. } | Self::Timeout { server, .. }) => format!(
                "check MYSQL_PDNS_HOST, MYSQL_PDNS_PORT and MYSQL_PDNS_TLS, and whether {server} listens for this machine"
            ),
            (Some(1109 | 1146), _) | (_, Self::NotPowerDns { .. }) => {
                "is MYSQL_PDNS_NAME PowerDNS's database?".into()
            }
            _ => "run what `cs-powerdns schema` prints as an administrator".into(),
        }
    }

    /// Whether somebody can do something about it that its own words do not say.
    pub fn is_of_the_server(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::NotPowerDns { .. })
            || matches!(self.code(), Some(1044 | 1049 | 1109 | 1146))
    }

    /// The server's error number, if the server answered with one.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } | Self::Denied { source, .. } => {
                match source.as_ref() {
                    Error::Server(error) => Some(error.code),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A line with this primary key exists already.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code() == Some(1062)
    }

    /// An index that a statement names is not there (1176): somebody has made a schema of his own.
    pub(super) fn is_absent_index(&self) -> bool {
        self.code() == Some(1176)
    }
}

/// Server errors that pass: deadlock and certification failure (1213), lock wait (1205), changed since
/// read (1020), full (1021, 1114), too many connections (1040, 1203, 1226), Galera not ready (1047),
/// shutdown (1053, 1077 to 1079), aborted (1152, 1158 to 1161, 1184, 1317, 1927, 1969, 3024, 4031), and a
/// server that is read-only until somebody has failed over (1290, 1792, 1836, 3100).
const PASSING: [u16; 30] = [
    1020, 1021, 1040, 1047, 1053, 1077, 1078, 1079, 1114, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205,
    1213, 1226, 1290, 1317, 1792, 1836, 1927, 1969, 2006, 2013, 3024, 3100, 4031,
];

fn transient(error: &Error) -> bool {
    match error {
        Error::Server(error) => PASSING.contains(&error.code),
        Error::Io(IoError::Io(_)) => true,
        Error::Driver(
            DriverError::NoClientSslFlagFromServer
            | DriverError::UnknownAuthPlugin { .. }
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::CleartextPluginDisabled
            | DriverError::PacketTooLarge,
        )
        | Error::Io(_)
        | Error::Url(_) => false,
        Error::Driver(_) | Error::Other(_) => true,
    }
}

/// Why a batch did not commit. Nothing of it stands, except that after a lost COMMIT it may stand whole:
/// planning again from what the database then shows is right in every case.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A guard or the re-read showed something other than the plan had seen: plan again.
    #[error("the database has changed since the plan: {0}")]
    Conflict(String),
    /// A zone's type, keys or metadata are not what the plan had seen: read the zones, then plan again.
    #[error("a zone has changed since the plan: {0}")]
    Zones(String),
    /// Deadlock, time-out, lost connection or lost COMMIT: plan again.
    #[error("the transaction did not go through")]
    Retry(#[source] DbError),
    /// The lease is somebody else's: stop writing.
    #[error("the lease has been lost: another process writes for this owner id")]
    Fenced,
    /// Anything else: trying again does not help by itself.
    #[error("the transaction failed")]
    Db(#[source] DbError),
}

impl WriteError {
    /// Whether planning the batch again may succeed without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Zones(_) | Self::Retry(_))
    }
}

impl From<DbError> for WriteError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Changed { .. } => Self::Conflict(error.to_string()),
            // The ledger is all that has a key of ours.
            error if error.is_duplicate() => Self::Conflict("an entry has been added".into()),
            error if error.is_transient() => Self::Retry(error),
            error => Self::Db(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_async::ServerError;

    fn query(code: u16) -> DbError {
        let error = ServerError { code, message: String::new(), state: String::new() };
        DbError::failed("db:3306".into(), "testing", Error::Server(error))
    }

    #[test]
    fn a_deadlock_passes_and_a_refusal_does_not() {
        assert!(query(1213).is_transient() && query(1205).is_transient());
        assert!(!query(1142).is_transient());
        assert!(query(1143).to_string().contains("cs-powerdns schema"), "{}", query(1143));
        assert!(matches!(WriteError::from(query(1213)), WriteError::Retry(_)));
        assert!(matches!(WriteError::from(query(1406)), WriteError::Db(_)));
    }
}
