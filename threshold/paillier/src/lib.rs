//! Paillier encryption, ring-Pedersen commitments, and the zero-knowledge proofs about them on which threshold ECDSA rests.
//!
//! The integers are AWS-LC's, behind `quorate-bignum`. Everything that touches a secret takes a time that depends on lengths only, but
//! where a name says `vartime`.

mod codec;
mod comb;
mod crt;
mod jacobi;
mod key;
mod natural;
mod party;
mod pedersen;
mod primes;
pub mod proofs;
mod scalar;
mod sizes;
#[cfg(all(any(test, feature = "test-sizes"), debug_assertions))]
pub mod test_keys;

pub use key::{
    Ciphertext, DecryptionKey, EncryptionKey, InvalidCiphertext, InvalidKey, InvalidMessage, InvalidNonce,
    Nonce, NoncePower,
};
pub use natural::Natural;
pub use party::{InvalidKeys, Keys, PublicKeys, SecretKeys};
pub use pedersen::{Commitment, InvalidCommitment, InvalidParameters, Lengths, OwnParameters, Parameters};
pub use primes::{SafePrime, Stopped};
pub use scalar::{order, to_natural, to_scalar};
pub use sizes::Sizes;
