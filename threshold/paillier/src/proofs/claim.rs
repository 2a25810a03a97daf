//! Claims that a number is an N-th power, of which many cost little more than one.
//!
//! Every proof about a ciphertext ends in one: root^N = power modulo N². Several claims about one N are checked together, as
//! Π rootᵢ^wᵢ to the power of N against Π powerᵢ^wᵢ, with secret weights w of 128 bits but for the first, which is 1. What that is worth is argued in
//! `DEVIATIONS.md`: it needs that N has no factor below 2^128 and none in common with φ(N), which Π^fac and Π^mod have shown.

use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;

use crate::key::{Ciphertext, Nonce};
use crate::natural::Natural;
use crate::party::Keys;

/// Bits of the weights.
const WEIGHT: usize = 128;

/// factor · (1 + N)^number · root^N = power modulo N²: both are ciphertexts of the same number. All of it is public.
#[must_use = "a proof holds only when its claims do"]
#[derive(Debug)]
pub struct Claim {
    /// Nothing is one.
    pub(super) factor: Option<Ciphertext>,
    pub(super) number: Natural,
    pub(super) root: Nonce,
    pub(super) power: Ciphertext,
}

impl Claim {
    /// Whether it is true.
    #[must_use]
    pub fn holds(&self, keys: &dyn Keys) -> bool {
        let key = keys.encryption();
        let power = Ciphertext::of_power(keys.nonce_power_vartime(&self.root));
        let encrypted = key.add(&key.plain(&self.number), &power);
        let left = match &self.factor {
            Some(factor) => key.add(factor, &encrypted),
            None => encrypted,
        };
        left.ct_eq(&self.power).into()
    }
}

/// Whether all claims about one key are true, but for factors that are N-th powers themselves: then both sides of each are ciphertexts of
/// the same number. Passes with a chance of 2^-128 when one is not. `rng` must be unknown to whoever made the claims.
#[must_use]
pub fn all_hold<'a>(
    keys: &dyn Keys,
    claims: impl IntoIterator<Item = &'a Claim>,
    rng: &mut dyn CryptoRngCore,
) -> bool {
    let mut claims = claims.into_iter().peekable();
    let Some(first) = claims.next() else { return true };
    if claims.peek().is_none() {
        return first.holds(keys);
    }
    let key = keys.encryption();
    // The first has the weight 1: what counts is that all others have one that its maker can't foresee.
    let Claim { factor, number, root, power } = first;
    let mut factor = factor.clone().unwrap_or_else(|| key.zero());
    let (mut number, mut power) = (number.clone(), power.clone());
    let mut root = root.copy_of_public();
    for claim in claims {
        let weight = Natural::random(WEIGHT, rng);
        root = key.combine_nonces(&root, &claim.root, &weight);
        number = number.add(&claim.number.mul(&weight));
        if let Some(another) = &claim.factor {
            factor = key.add(&factor, &key.mul_vartime(another, &weight));
        }
        power = key.add(&power, &key.mul_vartime(&claim.power, &weight));
    }
    Claim { factor: Some(factor), number, root, power }.holds(keys)
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use super::*;
    use crate::crt::less_one;
    use crate::party::SecretKeys;
    use crate::proofs::testing::*;

    /// A true claim, or one whose power has another ciphertext as a factor too many.
    fn claim(keys: &SecretKeys, seed: u8, error: Option<&Ciphertext>, with_factor: bool) -> Claim {
        let key = keys.encryption();
        let root = key.nonce(&mut rng(seed));
        let power = Ciphertext::of_power(keys.nonce_power_vartime(&root));
        let power = error.map_or_else(|| power.clone(), |error| key.add(&power, error));
        let factor = with_factor.then(|| key.plain(&of_bits(300)));
        let power = factor.as_ref().map_or_else(|| power.clone(), |factor| key.add(&power, factor));
        let number = Natural::from_u64(u64::from(seed));
        Claim { root, factor, power: key.add(&power, &key.plain(&number)), number }
    }

    fn ciphertext_of(keys: &SecretKeys, number: &Natural) -> Ciphertext {
        keys.encryption().plain(number)
    }

    #[test]
    fn true_claims_hold_one_by_one_and_together() {
        let keys = keys(0);
        let claims: Vec<_> = (0..6).map(|seed| claim(&keys, seed, None, seed % 2 == 0)).collect();
        for count in 0..=claims.len() {
            for keys in [&keys as &dyn Keys, keys.public()] {
                assert!(all_hold(keys, &claims[..count], &mut rng(9)), "{count}");
                assert!(claims[..count].iter().all(|claim| claim.holds(keys)));
            }
        }
    }

    #[test]
    fn one_false_claim_among_many_is_found_wherever_it_is() {
        let keys = keys(0);
        let error = ciphertext_of(&keys, &Natural::from_u64(1));
        for wrong in 0..4 {
            for count in wrong + 1..5 {
                let made = (0..count).map(|at| claim(&keys, at, (at == wrong).then_some(&error), true));
                let claims: Vec<_> = made.collect();
                assert!(!claims[usize::from(wrong)].holds(&keys));
                assert!(
                    !all_hold(&keys, &claims, &mut rng(9)) && !all_hold(keys.public(), &claims, &mut rng(9))
                );
            }
        }
    }

    #[test]
    fn two_false_claims_whose_errors_cancel_out_are_found() {
        let keys = keys(0);
        let error = ciphertext_of(&keys, &Natural::from_u64(1));
        let opposite = keys.encryption().negate(&error);
        let claims = [claim(&keys, 1, Some(&error), false), claim(&keys, 2, Some(&opposite), true)];
        // Their product is a true claim.
        let key = keys.encryption();
        let root = key.combine_nonces(&claims[0].root, &claims[1].root, &Natural::from_u64(1));
        let power = key.add(&claims[0].power, &claims[1].power);
        let number = claims[0].number.add(&claims[1].number);
        assert!(Claim { root, factor: claims[1].factor.clone(), number, power }.holds(&keys));
        for seed in 0..20 {
            assert!(!all_hold(&keys, &claims, &mut rng(seed)));
        }
    }

    /// An error of a small order passes for some weights. It is an N-th power, so no ciphertext holds another number by it.
    #[test]
    fn an_error_that_is_a_power_itself_may_pass_together_and_changes_no_message() {
        let keys = keys(0);
        let key = keys.encryption();
        let minus_one = key.nonce_of(less_one(key.number())).unwrap();
        let error = Ciphertext::of_power(keys.nonce_power_vartime(&minus_one));
        let claims = [claim(&keys, 2, None, true), claim(&keys, 1, Some(&error), true)];
        assert!(!claims[1].holds(&keys));
        let passed = (0..32).filter(|seed| all_hold(&keys, &claims, &mut rng(*seed))).count();
        assert!((4..=28).contains(&passed), "about half of the weights are even: {passed}");
        let message = keys.decryption().decrypt(&claims[1].power);
        assert!(message.cmp_vartime(&of_bits(300).add(&claims[1].number)).is_eq());
        // An error of a large order does not pass, and none in the claim whose weight is 1.
        let large = Ciphertext::of_power(keys.nonce_power_vartime(&key.nonce(&mut rng(3))));
        for [first, second] in [[None, Some(&large)], [Some(&large), None], [Some(&error), None]] {
            let claims = [claim(&keys, 1, first, true), claim(&keys, 2, second, true)];
            assert!(!(0..16).any(|seed| all_hold(&keys, &claims, &mut rng(seed))));
        }
    }
}
