//! What can go wrong, whose fault it is, and a stable code for each.

use quorate_keys::Scheme;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blame {
    /// Whoever called: the wrong chain, key or options.
    Caller,
    /// Whoever made the transaction.
    Transaction,
    /// Whoever signed.
    Signer,
}

/// Why no chain was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Nothing has this name.
    #[error("unknown chain '{name}'; known are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The ids of all chains.
        known: String,
    },
    /// Several networks go by this name.
    #[error("'{name}' can be {candidates}: use one of these ids")]
    Ambiguous {
        /// The name.
        name: String,
        /// The ids of those meant.
        candidates: String,
    },
}

/// Why a key has no such address, or a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The chain doesn't take signatures of this scheme.
    #[error("{chain} has no addresses for {scheme} keys")]
    Scheme {
        /// The network.
        chain: &'static str,
        /// The key's scheme.
        scheme: Scheme,
    },
    /// The chain has no addresses of this kind.
    #[error("{chain} has no addresses of this kind")]
    Kind {
        /// The network.
        chain: &'static str,
    },
    /// The key has no output key under this merkle root; nobody will see this.
    #[error("this key and merkle root have no address")]
    NoAddress,
    /// The text is no address of the chain's.
    #[error("not an address of {chain}")]
    Invalid {
        /// The network.
        chain: &'static str,
    },
    /// The address is another network's.
    #[error("the address is of another network than {chain}")]
    WrongNetwork {
        /// The network that was asked.
        chain: &'static str,
    },
}

/// Why a transaction is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// A key in the context is of a scheme that the chain doesn't take.
    #[error("{chain} takes no {scheme} signatures")]
    Scheme {
        /// The network.
        chain: &'static str,
        /// The key's scheme.
        scheme: Scheme,
    },
    /// The context has too many keys.
    #[error("the context has {got} keys, at most {limit} are allowed")]
    Context {
        /// How many.
        got: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The transaction is larger than the chain takes, or than is sensible.
    #[error("{what} has size {got}, at most {limit} is allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The transaction ends too early.
    #[error("the transaction ends at byte {at}, inside {what}")]
    Truncated {
        /// Its length.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// Something follows the transaction.
    #[error("{bytes} bytes follow the transaction")]
    Trailing {
        /// How many bytes.
        bytes: usize,
    },
    /// It is not a transaction in the expected form.
    #[error("not a valid transaction: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// It has a version, field or option that is not understood.
    #[error("not supported: {what}")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// No input or signer of it is the wallet's.
    #[error("nothing in this transaction is the wallet's to sign")]
    NotOurs,
    /// Several keys of the context could sign, and nothing says which.
    #[error("several keys can sign this: say which in 'from', or ask with one key only")]
    AmbiguousSigner,
    /// An input is somebody else's, and the context does not allow that.
    #[error("input {input} is not the wallet's")]
    ForeignInput {
        /// Its number.
        input: usize,
    },
    /// An input does not show what it spends.
    #[error("input {input} doesn't show the output that it spends: witness_utxo is needed for every input")]
    PrevoutMissing {
        /// Its number.
        input: usize,
    },
    /// What an input says about what it spends contradicts itself.
    #[error("input {input} lies about what it spends: {what}")]
    PrevoutMismatch {
        /// Its number.
        input: usize,
        /// How.
        what: &'static str,
    },
    /// The transaction is another network's.
    #[error("the transaction is made for another network: {what}")]
    WrongNetwork {
        /// How it shows.
        what: String,
    },
    /// A kind of signature that the context does not allow.
    #[error(
        "input {input} wants sighash {sighash}, which signs only a part of the transaction or is unknown"
    )]
    Sighash {
        /// The number of the input.
        input: usize,
        /// The kind, as the chain names it.
        sighash: String,
    },
    /// A signature that it carries already is not valid.
    #[error("the signature that signer or input {slot} has already is not valid")]
    PresentSignature {
        /// The number of signer or input.
        slot: usize,
    },
    /// More is spent than there is.
    #[error("outputs are worth {outputs}, inputs {inputs} only")]
    Overspent {
        /// Units that the inputs have.
        inputs: u64,
        /// Units that the outputs want.
        outputs: u64,
    },
}

/// Why no signed transaction was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The transaction was prepared for another network.
    #[error("prepared for {prepared}, not {asked}")]
    OtherNetwork {
        /// The network it was prepared for.
        prepared: &'static str,
        /// The network that was asked.
        asked: &'static str,
    },
    /// Not as many signatures as requests.
    #[error("{needed} signatures are needed, got {got}")]
    Count {
        /// How many requests there are.
        needed: usize,
        /// How many signatures there are.
        got: usize,
    },
    /// A signature does not verify.
    #[error("the signature for request {index} is not valid")]
    Signature {
        /// The number of the request.
        index: usize,
    },
    /// A signature is valid, but of a kind that the chain can't take: sign again. By chance, one in 2^128 is.
    #[error(
        "the signature for request {index} is valid, but the chain can't recover the key from it: sign again"
    )]
    NotRecoverable {
        /// The number of the request.
        index: usize,
    },
    /// The prepared transaction can't be read again, which `prepare` sees to.
    #[error("the prepared transaction can't be read again: {0}")]
    Body(#[from] PrepareError),
}

impl LookupError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_chain",
            Self::Ambiguous { .. } => "ambiguous_chain",
        }
    }
}

impl AddressError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scheme { .. } => "wrong_scheme",
            Self::Kind { .. } => "wrong_address_kind",
            Self::NoAddress => "no_address",
            Self::Invalid { .. } => "invalid_address",
            Self::WrongNetwork { .. } => "wrong_network",
        }
    }
}

impl PrepareError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scheme { .. } => "wrong_scheme",
            Self::Context { .. } => "context_too_large",
            Self::TooLarge { .. } => "transaction_too_large",
            Self::Truncated { .. } => "transaction_truncated",
            Self::Trailing { .. } => "trailing_bytes",
            Self::Malformed { .. } => "malformed_transaction",
            Self::Unsupported { .. } => "unsupported_transaction",
            Self::NotOurs => "not_ours",
            Self::AmbiguousSigner => "ambiguous_signer",
            Self::ForeignInput { .. } => "foreign_input",
            Self::PrevoutMissing { .. } => "prevout_missing",
            Self::PrevoutMismatch { .. } => "prevout_mismatch",
            Self::WrongNetwork { .. } => "wrong_network",
            Self::Sighash { .. } => "sighash_refused",
            Self::PresentSignature { .. } => "invalid_signature_present",
            Self::Overspent { .. } => "overspent",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Scheme { .. } | Self::Context { .. } | Self::AmbiguousSigner => Blame::Caller,
            _ => Blame::Transaction,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

impl AssembleError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherNetwork { .. } => "wrong_network",
            Self::Count { .. } => "wrong_signature_count",
            Self::Signature { .. } => "invalid_signature",
            Self::NotRecoverable { .. } => "signature_not_recoverable",
            Self::Body(error) => error.code(),
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::OtherNetwork { .. } | Self::Count { .. } => Blame::Caller,
            Self::Signature { .. } | Self::NotRecoverable { .. } => Blame::Signer,
            Self::Body(error) => error.blame(),
        }
    }
}
