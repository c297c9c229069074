//! The testbed itself: the simulator refuses and hides what CloudStack does, servers start and answer, and
//! nothing is left behind.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod client;
mod servers;
mod simulator;
mod wire;
