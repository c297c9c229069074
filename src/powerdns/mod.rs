//! powerdns
