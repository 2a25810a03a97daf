//! Resharing among honest, crashing and cheating parties. What all dealing has in common is tested with key generation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cheats;
mod equivocation;
mod forgery;
mod group;
mod histories;
mod honest;
mod keeper;
mod secrecy;
mod setups;
mod succession;

/// One test on every curve.
macro_rules! on_every_curve {
    ($($name:ident),* $(,)?) => {
        mod ed25519 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::Ed25519>(); })*
        }

        mod secp256k1 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::Secp256k1>(); })*
        }

        mod p256 {
            $(#[test] fn $name() { super::$name::<quorate_sharing::P256>(); })*
        }
    };
}
pub(crate) use on_every_curve;
