//! Public keys, signatures, schemes, verification, derivation and identities of Quorate.
//!
//! Every layer speaks these types. Nothing here does I/O or keeps state, and the only secrets are those that the
//! caller wraps: [`Secret`], the [`SigningIdentity`] of a node, and the [`SigningPrincipal`] of whoever asks or approves.
//!
//! - **What a wallet is**: a [`GroupKey`], the full point on a [`Curve`]; under a [`Scheme`] it is a [`PublicKey`].
//! - **Derivation**: [`derivation`] makes child keys without any secret, [`taproot`] the output key of BIP-341.
//! - **ECDSA**: [`ecdsa`] has the recovery id of a signature, and its form with low s.
//! - **Arithmetic** that verification needs and the crates of the curves lack: [`multi_exponentiate_vartime`].
//! - **Who somebody is**: a node is an [`Identity`], an Ed25519 key; who asks or approves is a [`Principal`], which may be a
//!   key on P-256 as well. Whoever holds the [`SigningIdentity`] or the [`SigningPrincipal`] can sign as it.
//! - **Hashing**: [`Transcript`], in which no two different inputs have the same encoding.

pub mod derivation;
pub mod ecdsa;
mod group_key;
mod hexadecimal;
pub mod identity;
mod lately;
mod multi_exponentiation;
mod principal;
mod public_key;
mod scheme;
mod secret;
mod signature;
mod stack;
mod strict;
pub mod taproot;
mod transcript;
mod weierstrass;

pub use derivation::{ChainCode, DerivationError, DerivationPath, Derived, derive};
pub use group_key::{GroupKey, SchemeMismatch};
pub use hexadecimal::HexError;
pub use identity::{Identity, InvalidIdentity, SigningIdentity};
pub use multi_exponentiation::multi_exponentiate_vartime;
pub use principal::{InvalidPrincipal, InvalidSecret, KeyType, Principal, SigningPrincipal};
pub use public_key::{InvalidPublicKey, PublicKey};
pub use scheme::{Curve, Scheme, UnknownName};
pub use secret::Secret;
pub use signature::{InvalidSignature, Signature};
pub use stack::{wiping_stack, wiping_stack_if};
pub use transcript::{Transcript, bulk_digest};
pub use weierstrass::Weierstrass;
