//! What is asked of a policy, and what it answers.

use std::collections::BTreeSet;

use quorate_chains::Explain;
use quorate_request::WalletId;
use serde::{Deserialize, Serialize};

use crate::spending::SpendingBefore;

/// A signature that is asked for.
pub struct Question<'a> {
    /// The wallet that is to sign.
    pub wallet: &'a WalletId,
    /// The name of the initiator.
    pub initiator: &'a str,
    /// What it is to sign.
    pub subject: Subject<'a>,
    /// The time, in seconds since 1970.
    pub at: u64,
    /// The names of the authorizers that have approved this very request.
    pub approved_by: &'a BTreeSet<String>,
    /// What was spent before.
    pub spent: &'a dyn SpendingBefore,
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A transaction, as the chain's adapter explains it.
    Transaction(&'a Explain),
    /// A digest or message: nobody can tell what it does.
    Raw,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
#[non_exhaustive]
pub enum Judgement {
    /// It may be signed.
    Allowed {
        /// The rule that allows it.
        rule: String,
    },
    /// It may be signed once more authorizers have approved it.
    Unapproved {
        /// The rule that asks for them.
        rule: String,
        /// How many must approve.
        threshold: u16,
        /// The names of those that can.
        of: Vec<String>,
        /// The names of those that have.
        by: Vec<String>,
    },
    /// It is not signed.
    Denied {
        /// The rule that denies it; none if no rule allows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Why, for people.
        reason: String,
    },
}

impl Judgement {
    /// Whether it may be signed as it is.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// The rule that decided, if one did.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Allowed { rule } | Self::Unapproved { rule, .. } => Some(rule),
            Self::Denied { rule, .. } => rule.as_deref(),
        }
    }
}
