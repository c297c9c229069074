//! Where the database is and how to talk to it.

use crate::model::OwnerId;
use mysql_async::{OptsBuilder, SslOpts};
use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, str::FromStr, time::Duration};

/// How much TLS the connection needs; the words are MySQL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// Where the server can, without looking at its certificate.
    #[default]
    Preferred,
    /// Always, without looking at the server's certificate.
    Required,
    /// Always, with a certificate of the CA file (or of the system's CAs).
    VerifyCa,
    /// The same, and the certificate must name the host.
    VerifyIdentity,
}

impl FromStr for TlsMode {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "disabled" => Ok(Self::Disabled),
            "preferred" => Ok(Self::Preferred),
            "required" => Ok(Self::Required),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-identity" => Ok(Self::VerifyIdentity),
            _ => Err("must be disabled, preferred, required, verify-ca or verify-identity"),
        }
    }
}

/// What this room needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// PowerDNS's database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// How much TLS.
    pub tls: TlsMode,
    /// CA certificates (PEM) for `VerifyCa` and `VerifyIdentity`; the system's without it.
    pub ca_file: Option<PathBuf>,
    /// Whose entries are ours. ASCII, at most 64 characters.
    pub owner: OwnerId,
    /// How long a lease lasts without renewal.
    pub lease_ttl: Duration,
}

/// Session settings of every connection. latin1 with raw results: everything that we write is ASCII, a
/// latin1 constant never keeps a column of another character set from its index, and what we read comes
/// byte for byte. Found rows are asked for in the handshake. The comment is for MariaDB alone, which turns
/// long IN lists into joins (measured: a full scan), and for one row of a zone reads its index of the
/// whole zone as a filter. A connection that says nothing inside a transaction is ended after 20 s: a holder
/// whose machine stands still there would otherwise keep its locks, and its successor out of those zones,
/// for the server's eight hours. MySQL (whose comments of these versions MariaDB passes over) knows a limit
/// for idle connections only: longer than between two readings of the zones, or each would connect anew.
const SETUP: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     innodb_lock_wait_timeout = 3, net_write_timeout = 600, character_set_client = latin1, \
     character_set_connection = latin1, collation_connection = latin1_swedish_ci, \
     character_set_results = NULL /*M!100500 , in_predicate_conversion_threshold = 0, \
     optimizer_switch = 'rowid_filter=off', idle_transaction_timeout = 20 */ \
     /*!80000 , wait_timeout = 60 */";

impl Settings {
    /// `host:port`, for messages.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connection options; `tls` false for the second try of `Preferred`.
    pub(super) fn options(&self, tls: bool) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(self.user.clone()))
            .pass(Some(self.password.expose_secret()))
            .db_name(Some(self.database.clone()))
            // A socket would pass by the TLS mode, and the server's idea of its path is not ours.
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(10)))
            // An UPDATE that sets what already stands has still met its guard.
            .client_found_rows(true)
            .ssl_opts(if tls { self.ssl() } else { None })
            // Run last to first.
            .setup(vec!["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", SETUP])
    }

    fn ssl(&self) -> Option<SslOpts> {
        let options = SslOpts::default();
        let verified = |options: SslOpts| match &self.ca_file {
            Some(file) => {
                options.with_root_certs(vec![file.clone().into()]).with_disable_built_in_roots(true)
            }
            None => options,
        };
        match self.tls {
            TlsMode::Disabled => None,
            TlsMode::Preferred | TlsMode::Required => {
                Some(options.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
            }
            TlsMode::VerifyCa => Some(verified(options).with_danger_skip_domain_validation(true)),
            TlsMode::VerifyIdentity => Some(verified(options)),
        }
    }
}
