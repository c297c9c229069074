//! The PowerDNS database: reading zones, names and the ledger, the one guarded write transaction,
//! and what PowerDNS's web servers are told after it.
//!
//! Refuses: to decide anything. What a [`Batch`](crate::model::Batch) does not name is not touched, what
//! it names is touched only while it still is what the plan saw. No GET_LOCK, no vendor's own SQL beyond
//! what MySQL 5.7, MySQL 8 and MariaDB since 10.3 share, no foreign keys, and of PowerDNS's tables only
//! the columns that every schema since 4.1 has.
//!
//! Invariant: rows, ledger, SOA serials and the fence commit together or not at all, and only while the
//! lease's epoch is ours. A connection whose last statement did not end well is never used again.
//!
//! [`Reader`] cannot write, [`Writer`] cannot be had without a [`Lease`] or a look at the standing one.

mod acquire;
mod audit;
mod changes;
mod check;
mod check_read;
mod check_rights;
mod check_web;
mod database;
mod decode;
mod error;
mod flush;
mod flusher;
mod handover;
mod lease;
mod ledger;
mod mapping;
mod names;
mod reader;
mod recheck;
mod schema;
mod session;
mod settings;
mod soa;
mod sql;
mod transaction;
mod trouble;
mod web;
mod writer;
mod zones;

pub use audit::AuditSummary;
pub use check::Checked;
pub use check_read::{OwnerStanding, ZoneFacts};
pub use check_web::{Checked as CheckedWeb, check_web};
pub use database::Database;
pub use error::{DbError, WriteError};
pub use flusher::{Flusher, Flushing};
pub use lease::{Acquire, Bound, Lease, Sight, Standing};
pub use names::NameRows;
pub use reader::{Approval, DeepNames, HistoryLine, Reader};
pub use schema::{ddl, schema_text_default};
pub use settings::{Settings, TlsMode};
#[cfg(test)]
pub(crate) use transaction::{Lines, Transaction, carry_out};
pub use web::{WebError, WebSettings};
pub use writer::{Committed, Writer};
