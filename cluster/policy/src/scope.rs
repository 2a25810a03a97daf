//! What an initiator may ask for.

use std::collections::BTreeSet;

use quorate_keys::Principal;
use quorate_request::{Operation, WalletId};

use crate::pattern::Pattern;

/// A kind of request, as scopes and approvals name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ScopedOperation {
    /// Make wallets.
    Keygen,
    /// Sign.
    Sign,
    /// Have a wallet's shares dealt anew to the nodes that hold them.
    Refresh,
    /// Have them dealt to other nodes, or so that another number of them sign.
    Reshare,
    /// Have them dealt to those who held them before.
    Rollback,
    /// Have presignatures made.
    Presign,
    /// Have auxiliary information or pairs made anew.
    Auxiliary,
    /// Change the keys that may ask: authorizers ask for it, and no initiator can.
    Initiators,
    /// Read wallets, sessions and nodes.
    Read,
}

impl ScopedOperation {
    /// Those that an initiator can ask for.
    pub const OF_INITIATORS: [Self; 8] = [
        Self::Keygen,
        Self::Sign,
        Self::Refresh,
        Self::Reshare,
        Self::Rollback,
        Self::Presign,
        Self::Auxiliary,
        Self::Read,
    ];
    /// Those other than signing for which a policy can ask for approvals.
    pub const OF_APPROVALS: [Self; 7] = [
        Self::Keygen,
        Self::Refresh,
        Self::Reshare,
        Self::Rollback,
        Self::Presign,
        Self::Auxiliary,
        Self::Initiators,
    ];

    /// Its name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keygen => "keygen",
            Self::Sign => "sign",
            Self::Refresh => "refresh",
            Self::Reshare => "reshare",
            Self::Rollback => "rollback",
            Self::Presign => "presign",
            Self::Auxiliary => "auxiliary",
            Self::Initiators => "initiators",
            Self::Read => "read",
        }
    }

    /// What a signed request is for; none if it is of a later version.
    #[must_use]
    pub const fn of(operation: &Operation) -> Option<Self> {
        Some(match operation {
            Operation::Keygen => Self::Keygen,
            Operation::Sign => Self::Sign,
            Operation::Refresh => Self::Refresh,
            Operation::Reshare => Self::Reshare,
            Operation::Rollback => Self::Rollback,
            Operation::Presign => Self::Presign,
            Operation::Auxiliary => Self::Auxiliary,
            Operation::Initiators => Self::Initiators,
            Operation::Read(_) => Self::Read,
            _ => return None,
        })
    }

    /// The one of these that is meant.
    pub(crate) fn parse(text: &str, among: &[Self]) -> Result<Self, String> {
        let found = among.iter().find(|operation| operation.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = among.iter().map(|operation| operation.name()).collect();
            format!("{text:?} is none of the operations {}", names.join(", "))
        })
    }
}

/// A key that may ask, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    pub(crate) name: String,
    pub(crate) key: Principal,
    pub(crate) operations: BTreeSet<ScopedOperation>,
    pub(crate) wallets: Option<Vec<Pattern>>,
    /// CAIP-2 ids.
    pub(crate) chains: Option<BTreeSet<&'static str>>,
    pub(crate) retired: bool,
}

/// Why an initiator may not ask for something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfScope {
    /// The operation.
    #[error("initiator {initiator} may not ask for {operation}")]
    Operation {
        /// Its name.
        initiator: String,
        /// What was asked.
        operation: String,
    },
    /// The wallet.
    #[error("initiator {initiator} may not ask for wallet {wallet}")]
    Wallet {
        /// Its name.
        initiator: String,
        /// The wallet.
        wallet: WalletId,
    },
    /// The chain.
    #[error("initiator {initiator} may not ask for transactions of {chain}")]
    Chain {
        /// Its name.
        initiator: String,
        /// CAIP-2 id of the network.
        chain: String,
    },
    /// What has no chain.
    #[error(
        "initiator {initiator} may ask for transactions of certain chains alone, not for digests or messages"
    )]
    Raw {
        /// Its name.
        initiator: String,
    },
}

impl Initiator {
    /// An initiator that may ask for everything.
    #[must_use]
    pub fn unlimited(key: Principal) -> Self {
        Self {
            name: key.to_string(),
            key,
            operations: ScopedOperation::OF_INITIATORS.into(),
            wallets: None,
            chains: None,
            retired: false,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &Principal {
        &self.key
    }

    /// The same initiator with another key, which may ask.
    #[must_use]
    pub fn with_key(&self, key: Principal) -> Self {
        Self { key, retired: false, ..self.clone() }
    }

    /// Whether it asks for nothing any more: what it has asked for stays what it was.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retired
    }

    /// What it may ask for.
    pub fn operations(&self) -> impl Iterator<Item = ScopedOperation> {
        self.operations.iter().copied()
    }

    /// The wallets that it may ask about, as they are written; none if it may ask about all.
    #[must_use]
    pub fn wallets(&self) -> Option<Vec<String>> {
        let patterns = self.wallets.as_ref()?;
        Some(patterns.iter().map(ToString::to_string).collect())
    }

    /// The CAIP-2 ids of the chains whose transactions it may have signed; none if they are all.
    #[must_use]
    pub fn chains(&self) -> Option<Vec<String>> {
        let chains = self.chains.as_ref()?;
        Some(chains.iter().map(|&chain| chain.to_owned()).collect())
    }

    /// Whether it may ask for this.
    ///
    /// # Errors
    /// It may not.
    pub fn may_ask(&self, operation: &Operation) -> Result<(), OutOfScope> {
        if ScopedOperation::of(operation).is_some_and(|scoped| self.operations.contains(&scoped)) {
            return Ok(());
        }
        let (initiator, operation) = (self.name.clone(), operation.to_string());
        Err(OutOfScope::Operation { initiator, operation })
    }

    /// Whether it may ask about certain wallets alone.
    #[must_use]
    pub const fn is_limited_to_wallets(&self) -> bool {
        self.wallets.is_some()
    }

    /// Whether it may ask for something about this wallet.
    ///
    /// # Errors
    /// It may not.
    pub fn may_use(&self, wallet: &WalletId) -> Result<(), OutOfScope> {
        let matches =
            |patterns: &Vec<Pattern>| patterns.iter().any(|pattern| pattern.matches(wallet.as_str()));
        if self.wallets.as_ref().is_none_or(matches) {
            return Ok(());
        }
        Err(OutOfScope::Wallet { initiator: self.name.clone(), wallet: wallet.clone() })
    }

    /// Whether it may ask for a signature on a transaction of this chain (its CAIP-2 id), or without one on what has no chain.
    ///
    /// # Errors
    /// It may not.
    pub fn may_sign_for(&self, chain: Option<&str>) -> Result<(), OutOfScope> {
        let initiator = || self.name.clone();
        match (&self.chains, chain) {
            (None, _) => Ok(()),
            (Some(chains), Some(chain)) if chains.contains(chain) => Ok(()),
            (Some(_), Some(chain)) => {
                Err(OutOfScope::Chain { initiator: initiator(), chain: chain.to_owned() })
            }
            (Some(_), None) => Err(OutOfScope::Raw { initiator: initiator() }),
        }
    }
}
