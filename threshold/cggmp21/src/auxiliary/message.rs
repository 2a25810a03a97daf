//! What the parties say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::Wire;
use quorate_sharing::PartyIndex;

use super::EncodedKeys;

/// Round of the commitments.
pub(crate) const COMMIT: u8 = 1;
/// Round of the openings and Π^prm.
pub(crate) const OPEN: u8 = 2;
/// Round of Π^mod and Π^fac.
pub(crate) const PROVE: u8 = 3;
/// Round of the acknowledgements.
pub(crate) const ACKNOWLEDGE: u8 = 4;

/// A message of the protocol.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, broadcast: digest of the [`Open`] of round 2.
    Commit([u8; 32]),
    /// Round 2, broadcast.
    Open(Box<Open>),
    /// Round 2, direct: Π^prm.
    RingPedersen(Vec<u8>),
    /// Round 3, direct: Π^mod and Π^fac.
    Modulus(Box<ModulusProofs>),
    /// Round 4, broadcast: digest of the auxiliary information that was stored.
    Ready([u8; 32]),
}

/// What a party opens.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Open {
    /// N, s and t.
    pub keys: EncodedKeys,
    /// Contribution to the common random number.
    pub contribution: [u8; 32],
    /// Keeps the commitment from telling what is inside.
    pub blinding: [u8; 32],
}

/// The proofs about one party's N.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct ModulusProofs {
    /// Π^mod.
    pub modulus: Vec<u8>,
    /// Π^fac, for the recipient.
    pub factors: Vec<u8>,
}

impl Wire for Message {
    // Π^prm: twice 128 numbers below N. Π^mod has half as many.
    const MAX_BYTES: usize = 128 * 1024;
}

/// What a party can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// What was opened is not what was committed to.
    Opening,
    /// N, s or t is not one.
    Keys,
    /// Π^prm does not hold.
    RingPedersen {
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Π^mod does not hold.
    Modulus {
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Π^fac does not hold.
    Factors {
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Acknowledged something else than what was opened.
    Transcript,
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::Opening => f.write_str("opened something else than it committed to"),
            Self::Keys => f.write_str("opened a modulus or parameters that are none"),
            Self::RingPedersen { verifier } => {
                write!(f, "did not prove to party {verifier} that its s is a power of its t")
            }
            Self::Modulus { verifier } => {
                write!(f, "did not prove to party {verifier} that its modulus is a product of two primes")
            }
            Self::Factors { verifier } => {
                write!(f, "did not prove to party {verifier} that the factors of its modulus are long")
            }
            Self::Transcript => f.write_str("acknowledged other auxiliary information than what was opened"),
        }
    }
}
