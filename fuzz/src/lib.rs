//! Fuzzing of every decoder of outside bytes, on stable Rust and with nothing to install.
//!
//! A [`Target`] is a function over bytes, with valid inputs to start from. The engine mutates what it
//! has, runs the function with panics caught, and keeps every input that ended in an [`Outcome`] not seen
//! before: a decoder that explains its refusals leads the walk deeper into itself, refusal by refusal,
//! without compiler instrumentation. Everything follows from a seed, so a failure repeats.
//!
//! `cargo run -p quorate-fuzz -- --seconds 60` runs all targets; `--list` names them. What fails is shrunk
//! and written to `target/fuzz/<target>/`. Once repaired, the file moves to `fuzz/corpus/<target>/`, under
//! a name that says what it was, where `cargo test -p quorate-fuzz` replays it for good.
//!
//! To add a target: one file in `src/targets/`, one line in `src/targets.rs`.

mod engine;
mod mutate;
pub mod targets;

pub use engine::{Budget, Failure, Outcome, Report, Target, fuzz, replay};
