//! FROST signing for Ed25519 and BIP-340 on the Zcash Foundation crates.
//!
//! # Protocol
//! RFC 9591, "The Flexible Round-Optimized Schnorr Threshold (FROST) Protocol for Two-Round Schnorr Signatures". Hashes,
//! encodings, binding factors, challenges and Lagrange coefficients are those of the crates `frost-core`,
//! `frost-ed25519` (section 6.1) and `frost-secp256k1-tr` (BIP-340 and BIP-341). Ours are the session around them, the
//! delivery of commitments, derivation, the naming of cheaters, and the order of work.
//!
//! 1. *Commit* (section 5.1), broadcast and echoed: commitments to the hiding and the binding nonce, in the transport
//!    encoding of `quorate-sharing`, so that no torsion check is needed.
//! 2. *Sign* (section 5.2), to the aggregator alone: the signature share. With it, every signer signs the digest of all
//!    commitments that it saw, so that a wrong share convicts its author.
//! 3. *Aggregate* (section 5.3), at the aggregator: the signature is verified by the scheme's strict verifier before it
//!    is given out. Only if that fails are the shares verified one by one, and every wrong one is blamed.
//!
//! One session makes up to [`MAX_SIGNATURES`] signatures side by side, as the inputs of one transaction need them: each
//! with nonces, binding factors and a challenge of its own, in messages that are shared. None is given out before all
//! are right.
//!
//! The key that signs is the wallet's key, derived along the task's path, then with the Taproot tweak if the task has
//! one: each exactly once, and at signing time only. The stored shares stay those of the wallet's internal key.
//!
//! Where this differs from the RFC's text or the crates, and why that is sound, stands in `DEVIATIONS.md`.
//!
//! # Security
//! - Unforgeable against any t − 1 corrupted signers, with an aggregator that nobody trusts: it learns shares of one
//!   signature and can withhold the result, no more.
//! - [`Nonces`] are used at most once: signing takes them by value, they can't be copied, stored or read, and a session
//!   can't be repeated or resumed.
//! - Shares leave only after the session's checkpoint, with which the caller makes the request durable.
//! - Key shares and nonces are handled in constant time, as far as the crates do: curve operations and scalar arithmetic
//!   are constant time; commitments, messages, binding factors and challenges are public and handled in variable time.
//!   The parity of a BIP-340 key or nonce commitment, upon which secrets are negated, is public too.

mod batch;
mod judge;
mod key;
mod message;
mod nonces;
mod package;
mod protocol;
mod setup;
mod suite;
mod suites;

pub use batch::{Signed, verify_batch};
pub use message::{Fault, Message, NonceCommitments};
pub use nonces::Nonces;
pub use package::Package;
pub use protocol::{Aggregating, Committing, Contribution, Frost};
pub use quorate_session::{MAX_SIGNATURES, Made, Output};
pub use setup::{MAX_MESSAGE_BYTES, Setup, TaprootTweak, Task};
pub use suite::Suite;
pub use suites::{Bip340Suite, Ed25519Suite};
