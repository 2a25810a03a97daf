//! What signers say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{MAX_SIGNATURES, Wire};

/// Round in which commitments to nonces are broadcast.
pub(crate) const COMMIT: u8 = 1;
/// Round in which signature shares go to the aggregator.
pub(crate) const SHARE: u8 = 2;

/// A message of the signing protocol.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, broadcast: commitments to the nonces of every signature, in the setup's order.
    Commitments(Vec<NonceCommitments>),
    /// Round 2, to the aggregator: the share of every signature, in the setup's order, each a scalar in the suite's
    /// encoding.
    Shares(Vec<Vec<u8>>),
}

/// Commitments to the nonces of one signature, in transport encoding.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct NonceCommitments {
    /// Commitment to the hiding nonce.
    pub hiding: Vec<u8>,
    /// Commitment to the binding nonce.
    pub binding: Vec<u8>,
}

impl Wire for Message {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * 80;
}

/// What a signer can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Other than one pair of commitments for each signature, or one that is not a point, or is the identity.
    Commitments,
    /// Other than one share for each signature, or one that is not a scalar.
    MalformedShares,
    /// A signature share does not fit commitments, message and key.
    WrongShare,
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::Commitments => f.write_str("committed to invalid nonces"),
            Self::MalformedShares => {
                f.write_str("sent signature shares that are no scalars, or too few or many")
            }
            Self::WrongShare => f.write_str("sent a wrong signature share"),
        }
    }
}
