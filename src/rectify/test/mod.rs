//! Tests of the room as a whole.

mod batches;
mod table;
mod vectors;
