//! Chain adapters of Quorate: addresses, what a transaction says, what it signs, and its assembly.
//!
//! An adapter turns a public key into addresses ([`Chain::address`]), a transaction as its users hand it over into a
//! view that a person or a policy can check and the bytes that must be signed ([`Chain::prepare`]), and signatures into
//! the finished transaction ([`Chain::assemble`]). There are no keys, no clock and no network here: every signer runs
//! `prepare` again on the same bytes and gets the same answer.
//!
//! - [`find`] is the one way in: a closed table from CAIP-2 id, alias or SLIP-44 number to a [`Chain`].
//! - [`Explain`] says what a transaction does. What an adapter can't decode is listed as [`Opaque`], never left out.
//! - [`names`] are those in explanations that policies know.
//! - [`PrepareError`] and its like say what is wrong, whose fault it is, and carry a stable code.
//!
//! # Security
//! A transaction is bytes of a stranger. Sizes are limited before anything is read, trailing and unknown parts are
//! refused, and nothing here panics on them. What is signed is always computed from the very bytes that were explained.

mod adapter;
#[cfg(feature = "bitcoin")]
mod bitcoin;
mod context;
mod error;
#[cfg(feature = "ethereum")]
mod ethereum;
mod explain;
mod factory;
pub mod names;
mod net;
#[cfg(feature = "solana")]
mod solana;

pub use adapter::{Adapter, AddressKind, Payload, Prepared, Signed, SigningRequest, Tweak};
pub use context::{Context, ForeignInputs, Sighashes, WalletKey, WalletRoot};
pub use error::{AddressError, AssembleError, Blame, LookupError, PrepareError};
pub use explain::{
    Account, Asset, Bound, Call, Explain, Fee, Lifetime, Opaque, Transfer, Units, Warning, WarningKind,
};
pub use factory::{Chain, chains, find};
pub use net::{BitcoinNetwork, Net, Parameters};
