//! What signing protocols have in common: what a signer gets.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{PublicKey, Signature};

use crate::wire::Wire;

/// The most signatures that one session makes.
pub const MAX_SIGNATURES: usize = 64;

/// What a signer gets.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Output {
    /// The aggregator: the signatures in the setup's order, already verified.
    Signatures(Vec<Made>),
    /// Everybody else: the shares are on their way to the aggregator.
    Contributed,
}

/// One signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Made {
    /// The signature.
    pub signature: Signature,
    /// The key under which it verifies.
    pub public_key: PublicKey,
}

impl Wire for Output {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * 160;
}
