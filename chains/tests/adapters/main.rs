//! The adapters from outside: official vectors, refusals, round trips with keys of other libraries, golden texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bip341;
mod bitcoin;
mod ethereum;
mod golden;
mod javascript;
#[path = "../js/library.rs"]
mod library;
mod solana;
mod support;
