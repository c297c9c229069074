//! Real servers and a strict CloudStack simulator for the tests and the demo of cs-powerdns.
//!
//! A test makes a [`Lab`]: a database of its own in the run's one MariaDB, a simulator on a port of
//! its own, and the environment that a controller needs to work on both. DNS and Kafka are there when
//! they are asked for. Nothing outlives the process that made it, however that process ends: every
//! server runs below a watchdog that waits for the end of a pipe (see [`watchdog`]).
//!
//! The simulator is strict, not kind: it refuses what CloudStack refuses, and it hides what CloudStack
//! hides. What it obeys is written in [`sim`].

pub mod broker;
pub mod browser;
pub mod controller;
pub mod database;
pub mod galera;
pub mod gate;
pub mod lab;
pub mod mariadb;
pub mod powerdns;
pub mod python;
pub mod schema;
pub mod secondary;
pub mod sim;
pub mod tansu;
pub mod tls;
pub mod watchdog;
pub mod wire;

mod poll;

pub use broker::{Broker, broker};
pub use browser::Browser;
pub use controller::{Controller, Output, Verb, run_once};
pub use database::{PdnsDb, Row, statements};
pub use galera::Galera;
pub use gate::{TcpGate, Way};
pub use lab::{Lab, shared};
pub use mariadb::{MariaDb, MariaDbOptions, MySql};
pub use poll::poll;
pub use powerdns::{PowerDns, PowerDnsOptions, powerdns_program};
pub use python::python_cs;
pub use secondary::{Secondary, SecondaryOptions};
pub use sim::{Fault, Generation, NetworkKind, Simulator, VmSpec, World};
pub use tansu::Tansu;
pub use tls::{Certificates, Identity, TlsProxy};
pub use wire::{Strike, Wire, WireFault};

/// What `apt-get` has to bring before the servers can start.
pub const APT_LINE: &str = "apt-get install -y --no-install-recommends mariadb-server pdns-server pdns-backend-mysql pdns-tools bind9-dnsutils knot galera-4 rsync lsof libfaketime prometheus chromium chromium-driver";
