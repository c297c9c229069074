//! Why the engine ends without being told to.

use crate::{cloudstack::ApiError, model::counted, powerdns::DbError};

/// An error that ends a run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The key sees another cloud than the one that the owner id is bound to.
    #[error(
        "owner id `{owner}` is bound to the cloud with topmost domain {bound}, but CS_ENDPOINT reaches one with {seen}: \
         nothing was written. Another CloudStack, or a key that lost its rights? If the move is meant: `cs-powerdns rebind`"
    )]
    OtherCloud {
        /// The owner id.
        owner: String,
        /// The topmost domain that it is bound to.
        bound: String,
        /// The topmost domain that the key sees.
        seen: String,
    },
    /// The key sees no domain at all.
    #[error(
        "the API key sees no domain at all, so the cloud cannot be told: it needs the right to listDomains"
    )]
    NoCloud,
    /// A one-shot verb could not reach CloudStack within its time.
    #[error("cannot read from CloudStack")]
    Api(#[source] ApiError),
    /// A one-shot verb could not reach the database within its time.
    #[error("cannot read from or write to the PowerDNS database")]
    Db(#[source] DbError),
    /// A one-shot verb could not write some names.
    #[error("{} could not be settled; the log says why", counted(*.0, "name"))]
    Unsettled(usize),
    /// There is no table of the older service.
    #[error(
        "this database has no table `cs_mapping` that this user may read: if the older service's table lies here, \
         an administrator runs the GRANT for it that `cs-powerdns schema` prints"
    )]
    NoMapping,
    /// A verb that writes beside a controller failed.
    #[error(transparent)]
    Verb(super::verb::VerbError),
    /// Somebody else holds the lease.
    #[error("the lease of this owner id went to another process: nothing more was written")]
    LeaseLost,
}
