//! cs-powerdns keeps the A, AAAA and PTR records of a PowerDNS MySQL database equal to what the
//! CloudStack API says about virtual machines.

pub mod cli;
pub mod cloudstack;
pub mod config;
pub mod desired;
pub mod inventory;
pub mod ledger;
pub mod metrics;
pub mod model;
pub mod observe;
pub mod plan;
pub mod powerdns;
pub mod queue;
pub mod reconcile;
pub mod rectify;
pub mod supervise;
pub mod trigger;
