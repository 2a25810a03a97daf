//! Paillier encryption and what threshold ECDSA builds on it.

mod comb;
mod crt;
mod key;
mod natural;
mod pedersen;
mod primes;

pub use key::{
    Ciphertext, DecryptionKey, EncryptionKey, InvalidCiphertext, InvalidKey, InvalidMessage, Nonce,
    NoncePower,
};
pub use natural::Natural;
pub use pedersen::{Commitment, InvalidCommitment, InvalidParameters, Lengths, OwnParameters, Parameters};
pub use primes::{SafePrime, Stopped};
