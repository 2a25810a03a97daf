//! What the parties say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{Envelope, Wire};
use quorate_sharing::{Disclosure, PartyIndex};

/// Round in which commitments and facing keys are broadcast.
pub(crate) const COMMIT: u8 = 1;
/// Round in which coefficients are opened and shares delivered.
pub(crate) const OPEN: u8 = 2;
/// Round in which stored shares are acknowledged, or a complaint is made.
pub const ACKNOWLEDGE: u8 = 3;

/// A message.
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
    /// Round 2, broadcast: from a party that deals nothing.
    Nothing,
    /// Round 3, broadcast: as [`Message::Ready`], with proof that the share of a kept key is known.
    Known(Known),
}

impl Message {
    /// The digest of the key that a party acknowledges.
    #[must_use]
    pub fn acknowledged(&self) -> Option<[u8; 32]> {
        match self {
            Self::Ready(key) => Some(*key),
            Self::Known(known) => Some(known.key),
            _ => None,
        }
    }
}

impl Wire for Message {
    const MAX_BYTES: usize = 16 * 1024;
}

/// Commitment to a dealer's [`Open`], and its keys for the delivery of shares.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Digest of the [`Open`] of round 2, but for the response of its proof. Of a party that deals nothing, zeros.
    pub opening: [u8; 32],
    /// One ristretto255 key for each other party that it sends a share or has one from, by index.
    pub facing: Vec<[u8; 32]>,
}

/// A dealer's polynomial in the exponent, with its part of the proof that the dealers know theirs.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Open {
    /// The threshold's number of coefficients in transport encoding, constant first.
    pub coefficients: Vec<u8>,
    /// Contribution to the wallet's chain code. Of no use where the key is kept.
    pub chain_code: [u8; 32],
    /// The point of the proof's nonce in transport encoding.
    pub nonce: Vec<u8>,
    /// The proof's response to the challenge that all commitments of round 1 make together.
    pub response: [u8; 32],
}

/// An acknowledgement, and a Schnorr proof of knowledge of the share: z·G = R + e·X, where X is the public side of the share and e a
/// hash of session, party, key and R.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Known {
    /// The digest of the key.
    pub key: [u8; 32],
    /// R in transport encoding.
    pub nonce: Vec<u8>,
    /// z.
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
    /// The facing keys of round 1 are not one valid key for each party that the accused faces.
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
    /// The constant of a dealer is not what its share of the kept key says.
    Constant,
    /// The proof of knowledge of the share does not hold.
    ShareProof,
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
            Self::Constant => f.write_str("dealt something else than its share of the key"),
            Self::ShareProof => f.write_str("does not know the share that it acknowledged"),
        }
    }
}
