//! Tests of the dirty sets.

mod names;
mod vms;

use super::Moment;
use std::time::Duration;

pub fn at(seconds: f64) -> Moment {
    Moment::at(Duration::from_secs_f64(seconds))
}
