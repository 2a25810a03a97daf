//! Paillier encryption and what threshold ECDSA builds on it.

mod crt;
mod key;
mod natural;
mod primes;

pub use key::{
    Ciphertext, DecryptionKey, EncryptionKey, InvalidCiphertext, InvalidKey, InvalidMessage, Nonce,
    NoncePower,
};
pub use natural::Natural;
pub use primes::{SafePrime, Stopped};
