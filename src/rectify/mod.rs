//! What `pdnsutil rectify-zone` would make of a change: order names, NSEC3 hashes, `auth`, empty
//! non-terminals (facts: powerdns 2), at a cost that grows with the change and not with the zone.
//!
//! Refuses: reading. The caller reads the touched names and [`ancestors_to_read`]; for names that are
//! being emptied it answers what lies below them, from [`children_to_read`]: in the reverse trees the
//! children that addresses have, and everywhere else what it knows of a zone in memory.
//!
//! Invariant: applied to a zone that `rectify-zone` would not change, [`rectify`] leaves one that it
//! would not change. Where the caller cannot say what is below a name, an empty non-terminal may be
//! left over (NODATA instead of NXDOMAIN), but none is ever missing. [`rectify_zone`] is the same
//! algorithm over all rows of a zone: the reference that the tests compare with.

mod below;
mod change;
mod full;
mod order;
mod place;
mod reverse;
#[cfg(test)]
mod test;

pub use below::{Below, Decided, Footing};
pub use change::{Change, Rectified, ancestors_to_read, children_to_read, rectify};
pub use full::{Whole, rectify_zone};
pub use order::order_name;
pub use place::Place;
pub use reverse::{children_of, is_enumerated};
