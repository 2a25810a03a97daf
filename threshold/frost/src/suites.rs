//! The signature schemes, one file each.

mod bip340;
mod ed25519;

pub use bip340::Bip340Suite;
pub use ed25519::Ed25519Suite;
