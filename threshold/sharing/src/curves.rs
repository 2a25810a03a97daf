//! The curves, one file each.

mod ed25519;
mod p256;
mod secp256k1;
mod weierstrass;

pub use ed25519::Ed25519;
pub use p256::P256;
pub use secp256k1::Secp256k1;
