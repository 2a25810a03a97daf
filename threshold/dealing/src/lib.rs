//! Verifiable dealing: some parties share secrets among others, and all know in the end that it went well or who cheated.
//!
//! What is dealt, by whom and to whom, is the [`Purpose`]: the key of a new wallet in `quorate-keygen`, the shares of an
//! existing one in `quorate-reshare`. Messages, checks, complaints, evidence and certificates are the same.
//!
//! # Protocol
//! Feldman verifiable secret sharing by every dealer, with commitments opened only after all are made, so that no dealer
//! can choose its part by those of the others; an aggregate of Gennaro, Jarecki, Krawczyk, Rabin ("Secure Distributed Key
//! Generation for Discrete-Log Based Cryptosystems", section 4, with the commit step) and of Komlo, Goldberg (FROST,
//! figure 1, proofs of knowledge).
//!
//! 1. *Commit*, broadcast and echoed: a dealer's digest of what it opens in round 2, and one fresh key for each party that
//!    it sends a share or has one from ("facing key").
//! 2. *Open*, broadcast and echoed: the coefficients in the exponent, exactly threshold many, a contribution to the
//!    chain code of a new key, and a proof of knowledge of all coefficients, whose nonce was committed to and whose
//!    challenge is a hash of all commitments of round 1. Direct, to receivers: the encrypted share.
//! 3. *Acknowledge*, broadcast: after what the party has of the key is stored, pending, the digest of the key, where the key is kept with
//!    a proof that the share is known; or a complaint that anybody can judge, upon which the session aborts with
//!    evidence. A false complaint convicts its author.
//!
//! Who holds the signed acknowledgements of all parties holds the [`Certificate`]: the key is active as it was acknowledged. A party that
//! acknowledged waits for the certificate, which any other party can serve, or for a [`Refusal`]: proof that it can
//! never exist. Who signs both is convicted.
//!
//! DEVIATION: the papers' dealers each prove that they know their polynomial. Here all answer one challenge, and one
//! equation on the sums of what they opened and answered is checked. It shows that the corrupted dealers together know
//! the sum of theirs, and not that each knows its own: the key depends on the sum alone. When it fails, each answer is
//! checked alone, and all who fail are blamed. The same holds for the constants of a kept key: they add up to it, or
//! each is checked.
//!
//! # Security
//! Secret for any t − 1 corrupted receivers, if one dealer is honest. `DEVIATIONS.md` in `quorate-sharing` has the arguments
//! for the encodings, the joint challenge and the sums.

mod certificate;
mod dealt;
mod judge;
mod key;
mod message;
mod plan;
mod proof;
mod protocol;
mod refusal;

pub use certificate::{Certificate, CertificateError, acknowledged_key, shows_share};
pub use message::{ACKNOWLEDGE, Commit, Complaint, Fault, Known, Message, Open};
pub use plan::{Kept, Plan, Purpose};
pub use protocol::{Acknowledging, Committing, Contribution, Dealing, Opening, ReceivedDealing};
pub use refusal::{Refusal, is_complaint};
