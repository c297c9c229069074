//! The words of the field as types: names, addresses, records, VMs, owners, zones, serials.
//!
//! Refuses: I/O, clocks, SQL, HTTP, tokio. Everything that tenants or operators chose is text until a
//! constructor here has checked it; what a type of this room holds needs no second check.
//!
//! Invariant: equal values mean equal DNS data. Names are lower-case without a final dot, addresses and
//! contents are in canonical text, ids are 128-bit UUIDs.

mod batch;
mod claim;
mod complete;
mod explanation;
mod finding;
mod held;
mod id;
mod mapped;
mod mark;
mod name;
mod outcome;
mod owner;
mod record;
mod serial;
mod spread;
mod vm;
mod zone;

#[cfg(test)]
pub(crate) mod fuzz;
#[cfg(test)]
mod fuzz_tests;

pub use batch::{Batch, Ending, EntryPut, LEFT_BEHIND, NewRow, Reorder, Seen};
pub use claim::{Claim, Kind, Rejection, Wish};
pub use complete::{Complete, ReadSeq};
pub use explanation::{
    ClaimStory, Explanation, NameStory, PastStory, RecordStory, Step, Subject, SubjectError, VmStory,
};
pub use finding::{Finding, Level, counted};
pub use held::{HeldSet, HeldSetError};
pub use id::{AccountId, DomainId, IdError, IpId, NetworkId, NicId, ProjectId, VmId};
pub use mapped::{Mapped, Mapping};
pub use mark::Mark;
pub use name::{Label, NameError, OwnerName, ZoneName, address_of, is_reverse_name, reverse_name};
pub use outcome::{Barrier, LeftBehind, Outcome};
pub use owner::{Account, Domain, OwnerKey, Owners, Project};
pub use record::{Content, Entry, OwnedRow, OwnerId, RecordId, RecordType, Row, Ttl};
pub use serial::{Serial, SerialKind, SerialTime, SoaContent, SoaError};
pub use spread::{BuildSpread, Spread};
pub use vm::{NetworkKind, Nic, Vm, VmState};
pub use zone::{Dnssec, Unwritable, Zone, ZoneId, ZoneKind, Zones};
