//! What the signers say, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::Wire;

use crate::presign;

/// The round of the shares in a session that presigns first.
pub(crate) const SHARE: u8 = 3;

/// A message of signing.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Of presigning.
    Presign(presign::Message),
    /// To the aggregator, in the setup's order.
    Shares(Vec<Share>),
}

/// wᵢ and uᵢ of one signature.
pub type Share = [[u8; 32]; 2];

impl Wire for Message {
    const MAX_BYTES: usize = 1 + presign::Message::MAX_BYTES;
}

/// What a signer can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// While presigning.
    Presign(presign::Fault),
    /// Sent another message than the round has, or not to the aggregator.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Other than one share for each signature, or one of what are no scalars.
    MalformedShares,
}

impl Wire for Fault {
    const MAX_BYTES: usize = 1 + presign::Fault::MAX_BYTES;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presign(fault) => fault.fmt(f),
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::MalformedShares => {
                f.write_str("sent signature shares that are no scalars, or too few or many")
            }
        }
    }
}
