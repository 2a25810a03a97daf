//! What the signers say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_oblivious::extension::Extension;
use quorate_oblivious::vole::Multiplication;
use quorate_session::Wire;
use quorate_sharing::PartyIndex;

use crate::MAX_SIGNATURES;

/// Round of the commitments and transfers.
pub(crate) const EXTEND: u8 = 1;
/// Round of the openings and products.
pub(crate) const MULTIPLY: u8 = 2;

/// A message of presigning. In each, one item for each presignature.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, to all: commitments to Rᵢ and Xᵢ.
    Commitments(Vec<[u8; 32]>),
    /// Round 1, to each: transfers.
    Extensions(Vec<Extension>),
    /// Round 2, to all: what was committed to.
    Openings(Vec<Opening>),
    /// Round 2, to each: products.
    Products(Vec<Product>),
}

/// Of what a commitment was made.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opening {
    /// Rᵢ.
    pub nonce: [u8; 33],
    /// Xᵢ.
    pub key: [u8; 33],
    /// What hid them.
    pub salt: [u8; 32],
}

/// One party's scalars, multiplied with the other's factor.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Product {
    /// The multiplication itself.
    pub multiplication: Box<Multiplication>,
    /// Γᵘ and Γᵛ.
    pub checks: [[u8; 33]; 2],
    /// ψ.
    pub difference: [u8; 32],
}

impl Wire for Message {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * 52 * 1024;
}

/// What a signer can do wrong.
///
/// # Security
/// After [`Fault::Inconsistent`] nothing may be done with the seeds of the two any more; see [`Fault::is_lasting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Sent too few or too many items, or what is no point, no scalar, or of another size.
    Malformed {
        /// The round.
        round: u8,
    },
    /// Opened another nonce or key than it had committed to.
    WrongOpening,
    /// Sent transfers or a multiplication of other seeds than those of the pair, or of another session.
    OtherRun {
        /// To whom it was sent.
        victim: PartyIndex,
    },
    /// Sent transfers or a multiplication that fit no secrets.
    Inconsistent {
        /// To whom they were sent.
        victim: PartyIndex,
    },
    /// Was caught before, in another session.
    CaughtBefore {
        /// By whom.
        victim: PartyIndex,
    },
    /// Multiplied something else than it has opened.
    WrongProduct {
        /// With whom.
        victim: PartyIndex,
    },
}

impl Fault {
    /// Whether nothing may be done with the seeds of culprit and victim any more: what fails, and what does not, tells about them.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(self, Self::Inconsistent { .. } | Self::CaughtBefore { .. })
    }
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::Malformed { round } => write!(f, "sent a malformed message in round {round}"),
            Self::WrongOpening => f.write_str("opened another nonce or key than it had committed to"),
            Self::OtherRun { victim } => {
                write!(f, "sent party {victim} what is of other seeds or another session")
            }
            Self::Inconsistent { victim } => {
                write!(f, "sent transfers or a multiplication to party {victim} that fit no secrets")
            }
            Self::CaughtBefore { victim } => write!(f, "was caught by party {victim} in another session"),
            Self::WrongProduct { victim } => {
                write!(f, "multiplied something else with party {victim} than it has opened")
            }
        }
    }
}
