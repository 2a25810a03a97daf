//! What the parties of a key generation say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{Envelope, Wire};
use quorate_sharing::{Disclosure, PartyIndex};

/// Name in the protocol id.
pub(crate) const NAME: &str = "keygen";
/// Version in the protocol id.
pub(crate) const VERSION: u16 = 1;
/// Round in which commitments and facing keys are broadcast.
pub(crate) const COMMIT: u8 = 1;
/// Round in which coefficients are opened and shares delivered.
pub(crate) const OPEN: u8 = 2;
/// Round in which stored shares are acknowledged, or a complaint is made.
pub const ACKNOWLEDGE: u8 = 3;

/// A message of the key generation.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, broadcast.
    Commit(Commit),
    /// Round 2, broadcast.
    Open(Open),
    /// Round 2, direct: the encrypted share.
    Share(Vec<u8>),
    /// Round 3, broadcast: the share is stored; the digest of the key that it belongs to.
    Ready([u8; 32]),
    /// Round 3, broadcast: the dealer's share was wrong.
    Complaint(Box<Complaint>),
}

impl Wire for Message {
    const MAX_BYTES: usize = 16 * 1024;
}

/// Commitment to a dealer's [`Open`], and its keys for the delivery of shares.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Digest of the [`Open`] of round 2, but for the response of its proof.
    pub opening: [u8; 32],
    /// One ristretto255 key for each other party, by index.
    pub facing: Vec<[u8; 32]>,
}

/// A dealer's polynomial in the exponent, with its part of the proof that the dealers know theirs.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Open {
    /// The threshold's number of coefficients in transport encoding, constant first.
    pub coefficients: Vec<u8>,
    /// Contribution to the wallet's chain code.
    pub chain_code: [u8; 32],
    /// The point of the proof's nonce in transport encoding.
    pub nonce: Vec<u8>,
    /// The proof's response to the challenge that all commitments of round 1 make together.
    pub response: [u8; 32],
}

/// Shows that the share which `accused` sent to the complaining party does not fit what it opened.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Complaint {
    /// The dealer.
    pub accused: PartyIndex,
    /// The signed envelope in which the share came.
    pub envelope: Envelope,
    /// The key of the pair, so that anybody can decrypt the share.
    pub disclosure: Disclosure,
}

/// What a party can do wrong.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts, or a share of another size than
    /// shares have.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// The facing keys of round 1 are not one valid key for each other party.
    FacingKeys,
    /// What was opened is not what was committed to.
    Opening,
    /// The opened vector does not hold exactly threshold many valid points, or its constant is the identity.
    Coefficients,
    /// The proof of knowledge does not hold.
    KnowledgeProof,
    /// The share of `complainer` does not fit the opened coefficients.
    BadShare {
        /// The party that disclosed it.
        complainer: PartyIndex,
    },
    /// Complained about a share that is right.
    FalseComplaint,
    /// Acknowledged another key than the one that was opened.
    Transcript,
    /// Acknowledged the key, and promised never to: see [`Refusal`](crate::Refusal).
    BrokenPromise {
        /// The signature of the promise.
        promise: [u8; 64],
    },
}

impl Wire for Fault {
    const MAX_BYTES: usize = 96;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::FacingKeys => f.write_str("sent invalid facing keys"),
            Self::Opening => f.write_str("opened something else than it committed to"),
            Self::Coefficients => f.write_str("opened an invalid vector of coefficients"),
            Self::KnowledgeProof => f.write_str("does not know the polynomial that it opened"),
            Self::BadShare { complainer } => write!(f, "sent party {complainer} a wrong share"),
            Self::FalseComplaint => f.write_str("complained about a share that is right"),
            Self::Transcript => f.write_str("acknowledged another key than the one that was opened"),
            Self::BrokenPromise { .. } => f.write_str("acknowledged a key that it had refused"),
        }
    }
}
