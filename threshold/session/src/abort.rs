//! How a session fails: graded by what can be shown of whose fault it was.

use std::fmt;

use quorate_sharing::PartyIndex;

use crate::evidence::Evidence;

/// Why a session ended without a result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Abort {
    /// Culprits whom anybody can convict offline.
    Proven {
        /// One piece of evidence for each.
        evidence: Vec<Evidence>,
    },
    /// Named peers failed this party, which knows it but can't prove it to others: silence, floods, bad signatures.
    Attributed {
        /// The peers.
        parties: Vec<PartyIndex>,
        /// What they did.
        reason: String,
    },
    /// Named peers cheated in what they did with this party alone: it knows that, and can't show it to others.
    Witnessed {
        /// The peers.
        parties: Vec<PartyIndex>,
        /// What they did.
        reason: String,
        /// Those of them with whom nothing may be done any more in what this party and they have in common: see
        /// [`Protocol::is_lasting`](crate::Protocol::is_lasting).
        lasting: Vec<PartyIndex>,
    },
    /// A peer has ended the session over others, who cheated before it alone. So it says: one of them is at fault.
    Withdrawn {
        /// The peer.
        by: PartyIndex,
        /// The others.
        over: Vec<PartyIndex>,
    },
    /// Something is wrong and nobody can be named.
    Unattributed {
        /// What is wrong.
        reason: String,
    },
    /// This party failed.
    Local {
        /// What failed.
        reason: String,
    },
}

impl Abort {
    /// The proven culprits and the attributed peers.
    #[must_use]
    pub fn culprits(&self) -> Vec<PartyIndex> {
        match self {
            Self::Proven { evidence } => evidence.iter().map(|evidence| evidence.accused).collect(),
            Self::Attributed { parties, .. } | Self::Witnessed { parties, .. } => parties.clone(),
            Self::Withdrawn { .. } | Self::Unattributed { .. } | Self::Local { .. } => Vec::new(),
        }
    }

    /// Whether the culprits are proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven { .. })
    }
}

/// A list of parties, each after a space.
struct Parties<'a>(&'a [PartyIndex]);

impl fmt::Display for Parties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|party| write!(f, " party {party}"))
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven { evidence } => {
                f.write_str("proven:")?;
                evidence.iter().enumerate().try_for_each(|(place, evidence)| {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma} party {} ({})", evidence.accused, evidence.claim)
                })
            }
            Self::Attributed { parties, reason } => {
                write!(f, "attributed:{}: {reason}", Parties(parties))
            }
            Self::Witnessed { parties, reason, .. } => {
                write!(f, "witnessed here alone:{}: {reason}", Parties(parties))
            }
            Self::Withdrawn { by, over } => {
                write!(f, "party {by} ended it over{}, without proof", Parties(over))
            }
            Self::Unattributed { reason } => write!(f, "unattributed: {reason}"),
            Self::Local { reason } => write!(f, "local: {reason}"),
        }
    }
}
