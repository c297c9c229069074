//! rectify
