//! Why something can't be verified, or does not verify.

use quorate_keys::derivation::InvalidPath;
use quorate_request::{BodyError, Hex};

/// Why a wallet can't be pinned: whoever described it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWallet {
    /// A curve or scheme that is not known here, or a key that is none.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The public key is not that of the group key.
    #[error("it names a group key that is not that of its public key")]
    GroupKey,
    /// Another node describes it in another way, or knows another wallet of its name.
    #[error("nodes disagree about it")]
    Disputed,
    /// Too few nodes know it.
    #[error("only {by} of {of} nodes that were asked confirm it")]
    Unconfirmed {
        /// How many do.
        by: usize,
        /// How many were asked.
        of: usize,
    },
    /// It is another wallet than the one that was made.
    #[error("it has the public key {found}, not {expected}")]
    OtherWallet {
        /// The public key that it has.
        found: Hex,
        /// The public key that it must have.
        expected: Hex,
    },
}

/// Why nothing can be expected of an answer: the request can't be made with this wallet. The caller's misuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexpectable {
    /// The request contradicts itself.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The request names another wallet.
    #[error("the request is for the wallet {asked}, not for {pinned}")]
    OtherWallet {
        /// The public key that the request names.
        asked: Hex,
        /// The public key of the wallet.
        pinned: Hex,
    },
    /// The path is none.
    #[error("derivation_path: {0}")]
    Path(#[from] InvalidPath),
    /// Only the public key of the wallet is known, and children follow from its group key and chain code.
    #[error("the keys of this wallet's children are not known: pin its group key and chain code as well")]
    NoRoot,
    /// No key is at the path, or it has no such tweak.
    #[error("the wallet has no such key: {0}")]
    Key(String),
    /// There is no such chain.
    #[cfg(feature = "transactions")]
    #[error(transparent)]
    Chain(#[from] quorate_chains::LookupError),
    /// No node would sign the transaction.
    #[cfg(feature = "transactions")]
    #[error("the transaction is refused: {0}")]
    Transaction(#[from] quorate_chains::PrepareError),
    /// What the request asks for can't be verified by this build: transactions need the feature `transactions`.
    #[error("this build of the client can't verify what the request asks for")]
    Subject,
}

/// Why an answer is not believed: whoever gave it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// It is the answer to another request.
    #[error("it answers the request {answered}, not {asked}")]
    OtherRequest {
        /// The request that was made.
        asked: String,
        /// The request that it names.
        answered: String,
    },
    /// It is of another wallet.
    #[error("it is of the wallet {answered}, not {asked}")]
    OtherWallet {
        /// The wallet that was asked for.
        asked: String,
        /// The wallet that it names.
        answered: String,
    },
    /// It is a signature of another key than the one that the wallet, path and tweak lead to.
    #[error("it is a signature of {answered} instead of {expected}")]
    OtherKey {
        /// The key that must sign.
        expected: Hex,
        /// The key that it names.
        answered: Hex,
    },
    /// The signature does not verify.
    #[error("it has a signature that does not verify under {key}")]
    Signature {
        /// The key that it names.
        key: Hex,
    },
    /// The recovery id is not the signature's.
    #[error("it has {} as recovery id, and the signature's is {}", shown(*answered), shown(*expected))]
    RecoveryId {
        /// The signature's; none if it has none.
        expected: Option<u8>,
        /// What the answer says.
        answered: Option<u8>,
    },
    /// It has parts of a transaction, and a message was to be signed.
    #[error("it is about a transaction, and a message was to be signed")]
    NotAMessage,
    /// A signature of the transaction is missing, too many or not valid.
    #[cfg(feature = "transactions")]
    #[error(transparent)]
    Signatures(#[from] quorate_chains::AssembleError),
    /// The signed transaction is not the one that was to be signed with just these signatures.
    #[error("the signed transaction is another one")]
    OtherTransaction,
    /// It names other keys than those that sign the transaction.
    #[error("it names other keys than those that sign")]
    OtherKeys,
    /// It has another name for the transaction than the network will have.
    #[error("it names another transaction id")]
    OtherTransactionId,
}

fn shown(recovery_id: Option<u8>) -> String {
    recovery_id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}
