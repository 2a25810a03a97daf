//! Dealerless key generation for every curve and scheme.
//!
//! # Protocol
//! Feldman verifiable secret sharing by every party (Pedersen's distributed key generation), with commitments opened
//! only after all are made, so that no party can choose its part by those of the others; an aggregate of Gennaro,
//! Jarecki, Krawczyk, Rabin ("Secure Distributed Key Generation for Discrete-Log Based Cryptosystems", section 4,
//! with the commit step) and of Komlo, Goldberg (FROST, figure 1, proofs of knowledge).
//!
//! 1. *Commit*, broadcast and echoed: a digest of what is opened in round 2, and one fresh key for each other party
//!    ("facing key").
//! 2. *Open*, broadcast and echoed: the coefficients in the exponent, exactly threshold many, a contribution to the
//!    chain code, and a proof of knowledge of all coefficients, whose nonce was committed to and whose challenge is a
//!    hash of all commitments of round 1. Direct: the encrypted share.
//! 3. *Acknowledge*, broadcast: after the share is stored, pending, the digest of the key; or a complaint
//!    that anybody can judge, upon which the session aborts with evidence. A false complaint convicts its author.
//!
//! Who holds the signed acknowledgements of all parties holds the [`Certificate`]: the share is active. A party that
//! acknowledged waits for the certificate, which any other party can serve, or for a [`Refusal`]: proof that it can
//! never exist. Who signs both is convicted.
//!
//! DEVIATION: the papers' dealers each prove that they know their polynomial. Here all answer one challenge, and one
//! equation on the sums of what they opened and answered is checked. It shows that the corrupted dealers together know
//! the sum of theirs, and not that each knows its own: the key depends on the sum alone. When it fails, each answer is
//! checked alone, and all who fail are blamed.
//!
//! # Security
//! Secret for any t − 1 corrupted parties; the key is uniform unless a party aborts after it has seen all openings
//! (rushing abort), which names it and costs it the session. `DEVIATIONS.md` in `quorate-sharing` has the arguments
//! for the encodings, the joint challenge and the sums.

mod certificate;
mod dealing;
mod judge;
mod key;
mod message;
mod proof;
mod protocol;
mod refusal;

pub use certificate::{Certificate, CertificateError, acknowledged_key};
pub use message::{ACKNOWLEDGE, Commit, Complaint, Fault, Message, Open};
pub use protocol::{Acknowledging, Committing, Contribution, Keygen, Opening, ReceivedDealing};
pub use refusal::{Refusal, is_complaint};
