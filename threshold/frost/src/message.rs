//! What signers say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::Wire;

/// Round in which commitments to nonces are broadcast.
pub(crate) const COMMIT: u8 = 1;
/// Round in which signature shares go to the aggregator.
pub(crate) const SHARE: u8 = 2;

/// A message of the signing protocol.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, broadcast: commitments to the hiding and the binding nonce, in transport encoding.
    Commitments {
        /// Commitment to the hiding nonce.
        hiding: Vec<u8>,
        /// Commitment to the binding nonce.
        binding: Vec<u8>,
    },
    /// Round 2, to the aggregator: the signature share, a scalar in the suite's encoding.
    Share(Vec<u8>),
}

impl Wire for Message {
    const MAX_BYTES: usize = 160;
}

/// What a signer can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// A commitment is not a point, or is the identity.
    Commitments,
    /// The signature share is not a scalar.
    MalformedShare,
    /// The signature share does not fit commitments, message and key.
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
            Self::MalformedShare => f.write_str("sent a signature share that is not a scalar"),
            Self::WrongShare => f.write_str("sent a wrong signature share"),
        }
    }
}
