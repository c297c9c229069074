//! Environment variables and flags, checked as a whole before anything is connected.
//!
//! Refuses: defaults in more than one place, secrets in any output, stopping at the first error. All
//! errors of a configuration are reported at once, each with the variable's name, what is wrong with
//! its value, and what to write instead.
//!
//! Invariant: a [`Config`] that exists needs no second check.

mod fault;
mod given;
mod lists;
mod load;
mod near;
mod parse;
mod reader;
mod rooms;
mod types;
mod variable;

pub use fault::{Fault, Faults};
pub use given::Given;
pub use near::near_misses;
pub use types::{
    AddressScope, CloudStack, Config, Dns, Kafka, LogFormat, Logging, Mode, MySql, PdnsApi, Stopped, Tls,
    ZoneItem,
};
pub use variable::{VARIABLES, Variable};
