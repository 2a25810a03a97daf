//! What policies decide, as tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod decisions;
mod reading;
mod speed;
mod subjects;
