//! What the parties say to each other, and what they can do wrong.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_oblivious::base::{Choices, Offer};
use quorate_oblivious::pprf::Corrections;
use quorate_session::Wire;
use quorate_sharing::PartyIndex;

/// Round of the base transfers.
pub(crate) const BEGIN: u8 = 1;
/// Round of the seeds.
pub(crate) const GROW: u8 = 2;
/// Round of the acknowledgements.
pub(crate) const ACKNOWLEDGE: u8 = 3;

/// A message of the protocol, always for one recipient.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1.
    Begin(Box<Begin>),
    /// Round 2.
    Grow(Box<Grow>),
    /// Round 3: digest of what both have said and made.
    Ready([u8; 32]),
}

/// Both base transfers of a pair, one party's part.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Begin {
    /// Of the direction in which the sender's scalars are multiplied.
    pub choices: Choices,
    /// Of the other direction.
    pub offer: Offer,
    /// For what is encrypted in round 2.
    pub facing: [u8; 32],
}

/// The seeds of one direction, and half of those for zero.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Grow {
    /// Of the direction in which the recipient's scalars are multiplied.
    pub corrections: Corrections,
    /// Half of the seed for shares of zero, encrypted.
    pub zero: Vec<u8>,
}

impl Wire for Message {
    const MAX_BYTES: usize = 9 * 1024;
}

/// What a party can do wrong. Only the first can be shown to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Sent what is no point, no key, or of another size.
    Malformed {
        /// To whom it was sent.
        victim: PartyIndex,
    },
    /// Sent corrections that fit no seeds.
    Inconsistent {
        /// To whom they were sent.
        victim: PartyIndex,
    },
    /// Sent what can't be decrypted.
    Undecryptable {
        /// To whom it was sent.
        victim: PartyIndex,
    },
    /// Acknowledged something else than what was said.
    Transcript {
        /// To whom it was sent.
        victim: PartyIndex,
    },
}

impl Wire for Fault {
    const MAX_BYTES: usize = 8;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::Malformed { victim } => write!(f, "sent malformed base transfers to party {victim}"),
            Self::Inconsistent { victim } => {
                write!(f, "sent corrections to party {victim} that fit no seeds")
            }
            Self::Undecryptable { victim } => {
                write!(f, "sent a seed to party {victim} that can't be decrypted")
            }
            Self::Transcript { victim } => {
                write!(f, "acknowledged something else to party {victim} than what both have said")
            }
        }
    }
}
