//! CloudStack's events on Kafka: which thing to look at again.
//!
//! Refuses: to believe an event. A message yields ids and at most the hint that something is said to be
//! gone, never a value to write; its text reaches no log, as job results hold passwords.
//!
//! Invariant: an offset is stored only after the marks of its message, and of all before it, have been
//! acknowledged by whoever keeps the dirty sets. What cannot be read is counted and passed by, so that no
//! message stops those behind it.
//!
//! One way through: [`consume`] → `batch` → [`marks`] (`read`) → `message` (the shapes).

mod batch;
mod check;
mod consumer;
mod error;
mod event;
mod message;
mod read;
mod settings;

pub use check::{Checked, Events, check};
pub use consumer::{Arrival, Delivery, consume};
pub use error::TriggerError;
pub use read::{Reading, marks};
pub use settings::{Settings, check_extra};
