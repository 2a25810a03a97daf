//! The curves, one file each.

mod ed25519;
mod secp256k1;
mod straus;

pub use ed25519::Ed25519;
pub use secp256k1::Secp256k1;
