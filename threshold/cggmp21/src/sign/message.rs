//! What signers say to the aggregator, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{MAX_SIGNATURES, Wire};

/// The one round.
pub(crate) const SHARE: u8 = 1;

/// A message of signing.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, to the aggregator: σᵢ of every signature, in the setup's order.
    Shares(Vec<[u8; 32]>),
}

impl Wire for Message {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * 32;
}

/// What a signer can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not to the aggregator.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Other than one share for each signature, or one that is not a scalar.
    MalformedShares,
    /// A share does not fit presignature, digest and key.
    WrongShare,
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::MalformedShares => {
                f.write_str("sent signature shares that are no scalars, or too few or many")
            }
            Self::WrongShare => f.write_str("sent a wrong signature share"),
        }
    }
}
