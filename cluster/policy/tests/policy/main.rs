//! What policies decide, as tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod addresses;
mod bounds;
mod calls;
mod decisions;
mod denials;
mod reading;
mod subjects;
