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
            Self::Attributed { parties, .. } => parties.clone(),
            Self::Unattributed { .. } | Self::Local { .. } => Vec::new(),
        }
    }

    /// Whether the culprits are proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven { .. })
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
                f.write_str("attributed:")?;
                parties.iter().try_for_each(|party| write!(f, " party {party}"))?;
                write!(f, ": {reason}")
            }
            Self::Unattributed { reason } => write!(f, "unattributed: {reason}"),
            Self::Local { reason } => write!(f, "local: {reason}"),
        }
    }
}
