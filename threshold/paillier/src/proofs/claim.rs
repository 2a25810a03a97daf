//! Claims that a number is an N-th power, of which many cost little more than one.
//!
//! Every proof about a ciphertext ends in one: root^N = power modulo N². Several claims about one N are checked together, as
//! Π rootᵢ^wᵢ to the power of N against Π powerᵢ^wᵢ, with secret weights w of 128 bits. What that is worth is argued in
//! `DEVIATIONS.md`: it needs that N has no factor below 2^128 and none in common with φ(N), which Π^fac and Π^mod have shown.

use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;

use crate::key::{Ciphertext, Nonce};
use crate::natural::Natural;
use crate::party::Keys;

/// Bits of the weights.
const WEIGHT: usize = 128;

/// factor · root^N = power modulo N²: both are ciphertexts of the same number.
#[must_use = "a proof holds only when its claims do"]
#[derive(Debug)]
pub struct Claim {
    pub(super) root: Nonce,
    /// Nothing is one.
    pub(super) factor: Option<Ciphertext>,
    pub(super) power: Ciphertext,
}

impl Claim {
    /// Whether it is true.
    #[must_use]
    pub fn holds(&self, keys: &dyn Keys) -> bool {
        let power = Ciphertext::of_power(keys.nonce_power(&self.root));
        let left = match &self.factor {
            Some(factor) => keys.encryption().add(factor, &power),
            None => power,
        };
        left.ct_eq(&self.power).into()
    }
}

/// Whether all claims about one key are true, but for factors that are N-th powers themselves: then both sides of each are ciphertexts of
/// the same number. Passes with a chance of 2^-128 when one is not. `rng` must be unknown to whoever made the claims.
#[must_use]
pub fn all_hold(keys: &dyn Keys, claims: &[Claim], rng: &mut dyn CryptoRngCore) -> bool {
    let key = keys.encryption();
    match claims {
        [] => true,
        [claim] => claim.holds(keys),
        claims => {
            let mut root = Nonce::one(key);
            let mut sides = [key.zero(), key.zero()];
            for claim in claims {
                let weight = Natural::random(WEIGHT, rng);
                root = key.combine_nonces(&root, &claim.root, &weight);
                let [left, right] = &mut sides;
                if let Some(factor) = &claim.factor {
                    *left = key.add(left, &key.mul_vartime(factor, &weight));
                }
                *right = key.add(right, &key.mul_vartime(&claim.power, &weight));
            }
            let [factor, power] = sides;
            Claim { root, factor: Some(factor), power }.holds(keys)
        }
    }
}
