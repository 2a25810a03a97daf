//! Ring-Pedersen commitments: s^x · t^r modulo N, which hide x whatever the computing power, and bind it for everyone who does not
//! know the factors of N (Canetti, Gennaro, Goldfeder, Makriyannis and Peled, ePrint 2021/060, section 3).
//!
//! A verifier owns the parameters and knows λ with s = t^λ, and the factors of N: what takes others two exponentiations takes him one,
//! of half the length, modulo each factor.

use std::fmt;
use std::sync::{Arc, OnceLock};

use quorate_bignum::{Element, Modulus};
use rand_core::CryptoRngCore;
use subtle::{Choice, ConstantTimeEq};

use crate::comb::Comb;
use crate::crt::{Crt, Factor, less_one};
use crate::natural::Natural;
use crate::primes::SafePrime;

/// Not parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParameters {
    /// The modulus is even, or has not exactly the bits that it must have.
    #[error("a ring-Pedersen modulus must be odd and of exactly {bits} bits")]
    Modulus {
        /// How many it must have.
        bits: usize,
    },
    /// A base is not below N, has a factor in common with it, is 1 or -1, or both are the same.
    #[error("the bases of ring-Pedersen parameters must be different, invertible, and neither 1 nor -1")]
    Bases,
}

/// Not a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a commitment: it must be below N, have no factor in common with it, and be neither 1 nor -1")]
pub struct InvalidCommitment;

/// How long the exponents of commitments are at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Bits of the committed value.
    pub value: usize,
    /// Bits of the randomness.
    pub randomness: usize,
}

/// Somebody's parameters: N, s and t.
#[derive(Clone)]
pub struct Parameters {
    number: Natural,
    modulus: Arc<Modulus>,
    bases: [Element; 2],
    lengths: Lengths,
    /// Of the bases, made when something is committed to first.
    combs: Arc<OnceLock<[Comb; 2]>>,
}

/// A commitment under one party's parameters. It does not know under whose.
#[derive(Clone, Debug)]
pub struct Commitment(Element);

impl Parameters {
    /// Takes N, s and t, each in little-endian bytes, for commitments with exponents of these lengths. The first of them takes longer.
    ///
    /// # Security
    /// That s is a power of t needs a proof of whoever made them.
    ///
    /// # Errors
    /// [`InvalidParameters`], the fault of whoever sent them.
    pub fn new(
        number: &Natural,
        s: &[u8],
        t: &[u8],
        bits: usize,
        lengths: Lengths,
    ) -> Result<Self, InvalidParameters> {
        let invalid = InvalidParameters::Modulus { bits };
        if number.bits_vartime() != bits || !number.is_odd() {
            return Err(invalid);
        }
        let number = number.with_room(bits);
        let modulus = Modulus::new(&number.to_le_bytes()).map_err(|_| invalid)?;
        let base = |bytes: &[u8]| unit(&number, &modulus, bytes).ok_or(InvalidParameters::Bases);
        let bases = [base(s)?, base(t)?];
        let [s, t] = &bases;
        if bool::from(s.ct_eq(t)) {
            return Err(InvalidParameters::Bases);
        }
        Ok(Self { number, modulus: modulus.into(), bases, lengths, combs: Arc::default() })
    }

    /// N.
    #[must_use]
    pub const fn number(&self) -> &Natural {
        &self.number
    }

    /// s and t, in little-endian bytes as long as those of N.
    #[must_use]
    pub fn bases(&self) -> [Vec<u8>; 2] {
        self.bases.each_ref().map(|base| self.modulus.bytes(base).to_vec())
    }

    /// s^value · t^randomness, in a time that depends on the rooms of both only. Exponents that are longer than the parameters
    /// were prepared for take longer.
    #[must_use]
    pub fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment {
        let [left, right] =
            [(0, value), (1, randomness)].map(|(which, exponent)| self.power(which, exponent));
        Commitment(self.modulus.mul(&left, &right))
    }

    fn power(&self, which: usize, exponent: &Natural) -> Element {
        let combs = self.combs.get_or_init(|| {
            let [s, t] = &self.bases;
            let Lengths { value, randomness } = self.lengths;
            [Comb::new(&self.modulus, s, value), Comb::new(&self.modulus, t, randomness)]
        });
        match (combs.get(which), self.bases.get(which)) {
            (Some(comb), _) if comb.serves(exponent) => comb.pow(&self.modulus, exponent),
            (_, Some(base)) => self.modulus.pow(base, &exponent.to_le_bytes()),
            _ => self.modulus.one().clone(),
        }
    }

    /// The product of two commitments.
    #[must_use]
    pub fn multiply(&self, left: &Commitment, right: &Commitment) -> Commitment {
        Commitment(self.modulus.mul(&left.0, &right.0))
    }

    /// A commitment divided by another.
    #[must_use]
    pub fn divide(&self, left: &Commitment, right: &Commitment) -> Commitment {
        let inverse = Natural::from_le_bytes(&self.bytes(right)).invert(&self.number);
        // Never nothing: a commitment has no factor in common with N.
        let inverse = inverse.and_then(|inverse| self.modulus.element(&inverse.to_le_bytes()).ok());
        Commitment(self.modulus.mul(&left.0, inverse.as_ref().unwrap_or(self.modulus.one())))
    }

    /// Whether it is 1 or -1, which [`Parameters::commitment`] refuses. Constant time.
    pub(crate) fn is_trivial(&self, commitment: &Commitment) -> Choice {
        let value = Natural::from_le_bytes(&self.bytes(commitment)).with_room(self.number.room());
        commitment.0.ct_eq(self.modulus.one()) | value.ct_eq(&less_one(&self.number))
    }

    /// What is computed with modulo N.
    pub(crate) fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// A commitment to the power of a public exponent.
    #[must_use]
    pub fn raise_vartime(&self, commitment: &Commitment, exponent: &Natural) -> Commitment {
        Commitment(self.modulus.pow_vartime(&commitment.0, &exponent.to_le_bytes()))
    }

    /// A commitment to the power of a secret exponent. Constant time.
    #[must_use]
    pub fn raise(&self, commitment: &Commitment, exponent: &Natural) -> Commitment {
        Commitment(self.modulus.pow(&commitment.0, &exponent.to_le_bytes()))
    }

    /// The commitment with these little-endian bytes.
    ///
    /// # Errors
    /// [`InvalidCommitment`], the fault of whoever sent it.
    pub fn commitment(&self, bytes: &[u8]) -> Result<Commitment, InvalidCommitment> {
        if bytes.len() != self.modulus.length() {
            return Err(InvalidCommitment);
        }
        unit(&self.number, &self.modulus, bytes).map(Commitment).ok_or(InvalidCommitment)
    }

    /// The little-endian bytes of a commitment, as many as those of N.
    #[must_use]
    pub fn bytes(&self, commitment: &Commitment) -> Vec<u8> {
        self.modulus.bytes(&commitment.0).to_vec()
    }

    /// `left` · `right`^`factor`, of public values.
    #[must_use]
    pub fn combine_vartime(&self, left: &Commitment, right: &Commitment, factor: &Natural) -> Commitment {
        let power = self.modulus.pow_vartime(&right.0, &factor.to_le_bytes());
        Commitment(self.modulus.mul(&left.0, &power))
    }
}

impl ConstantTimeEq for Commitment {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({} bits)", self.number.room())
    }
}

/// An invertible number below N that is neither 1 nor -1.
fn unit(number: &Natural, modulus: &Modulus, bytes: &[u8]) -> Option<Element> {
    let element = modulus.element(bytes).ok()?;
    let value = Natural::from_le_bytes(bytes);
    let trivial = [Natural::from_u64(0), Natural::from_u64(1), less_one(number)];
    let trivial = trivial.iter().any(|trivial| value.cmp_vartime(trivial).is_eq());
    (!trivial && value.is_coprime_vartime(number)).then_some(element)
}

/// Parameters whose owner knows λ and the factors of N.
pub struct OwnParameters {
    public: Parameters,
    crt: Crt,
    /// p - 1 and q - 1.
    orders: [Natural; 2],
    /// Their product.
    order: Natural,
    lambda: Natural,
    /// t.
    base: Natural,
    /// t modulo p and modulo q, made when something is committed to first.
    combs: OnceLock<[Comb; 2]>,
}

impl OwnParameters {
    /// Fresh parameters for N = pq: t a random square, s = t^λ for a random λ.
    ///
    /// # Errors
    /// [`InvalidParameters`] when the primes are the same, or of different lengths: the caller's misuse.
    pub fn generate(
        p: &SafePrime,
        q: &SafePrime,
        lengths: Lengths,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, InvalidParameters> {
        let (p, q) = (p.number(), q.number());
        let number = p.mul(q);
        let order = less_one(p).mul(&less_one(q));
        loop {
            let root = Natural::random_below(&number, rng);
            let base = root.mul(&root).rem(&number).unwrap_or(root);
            let lambda = Natural::random_below(&order, rng);
            match Self::from_parts([p, q], &lambda, &base, lengths) {
                // As likely as to guess a factor.
                Err(InvalidParameters::Bases) => {}
                made => return made,
            }
        }
    }

    /// The parameters with these primes, λ and t, as they were stored.
    ///
    /// # Errors
    /// [`InvalidParameters`]: they were stored or restored wrongly.
    pub fn restore(
        p: &SafePrime,
        q: &SafePrime,
        lambda: &Natural,
        base: &Natural,
        lengths: Lengths,
    ) -> Result<Self, InvalidParameters> {
        Self::from_parts([p.number(), q.number()], lambda, base, lengths)
    }

    fn from_parts(
        [p, q]: [&Natural; 2],
        lambda: &Natural,
        base: &Natural,
        lengths: Lengths,
    ) -> Result<Self, InvalidParameters> {
        let number = p.mul(q);
        let bits = p.room() + q.room();
        let invalid = InvalidParameters::Modulus { bits };
        if p.room() != q.room() {
            return Err(invalid);
        }
        let crt = Crt::new(p.clone(), q.clone()).ok_or(invalid)?;
        let orders = [less_one(p), less_one(q)];
        let [of_p, of_q] = &orders;
        let reduced = |order| lambda.rem(order).ok_or(invalid);
        let s = crt.pow(base, &reduced(of_p)?, &reduced(of_q)?);
        let public = Parameters::new(&number, &s.to_le_bytes(), &base.to_le_bytes(), bits, lengths)?;
        let order = of_p.mul(of_q);
        let (lambda, base) = (lambda.clone(), base.clone());
        Ok(Self { public, crt, orders, order, lambda, base, combs: OnceLock::new() })
    }

    /// The public parameters.
    #[must_use]
    pub const fn public(&self) -> &Parameters {
        &self.public
    }

    /// λ: s = t^λ.
    #[must_use]
    pub const fn lambda(&self) -> &Natural {
        &self.lambda
    }

    /// The order of the group, φ(N), modulo which λ is.
    #[must_use]
    pub const fn order(&self) -> &Natural {
        &self.order
    }

    /// s^value · t^randomness = t^(λ·value + randomness), for exponents of any length, in a tenth of the time that others need.
    #[must_use]
    pub fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment {
        let Self { crt, orders, lambda, base, public, combs, .. } = self;
        let exponent = lambda.mul(value).add(randomness);
        let [of_p, of_q] = combs.get_or_init(|| {
            let [p, q] = orders.each_ref().map(Natural::room);
            [crt.p.comb(base, p), crt.q.comb(base, q)]
        });
        let power = |factor: &Factor, comb: &Comb, order: &Natural| {
            Some(factor.pow_comb(comb, &exponent.rem(order)?))
        };
        let [p, q] = orders;
        let powers = power(&crt.p, of_p, p).zip(power(&crt.q, of_q, q));
        let power = powers.and_then(|(p, q)| {
            let power = crt.join(&p, &q).with_room(public.number.room());
            public.modulus.element(&power.to_le_bytes()).ok()
        });
        // Always something: the orders are not zero, and a power is below N.
        Commitment(power.unwrap_or_else(|| public.modulus.one().clone()))
    }
}

impl fmt::Debug for OwnParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnParameters({} bits)", self.public.number.room())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const LENGTHS: Lengths = Lengths { value: 768, randomness: 768 + 256 };

    fn own(rng: &mut ChaCha20Rng) -> OwnParameters {
        let mut prime = || SafePrime::search(128, rng, &|| false).unwrap();
        let (p, q) = (prime(), prime());
        OwnParameters::generate(&p, &q, LENGTHS, rng).unwrap()
    }

    #[test]
    fn owner_and_others_make_the_same_commitments() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let own = own(&mut rng);
        let public = own.public();
        for _ in 0..20 {
            let (value, randomness) = (Natural::random(768, &mut rng), Natural::random(1024, &mut rng));
            let commitment = public.commit(&value, &randomness);
            assert!(bool::from(commitment.ct_eq(&own.commit(&value, &randomness))));
            let read = public.commitment(&public.bytes(&commitment)).unwrap();
            assert!(bool::from(commitment.ct_eq(&read)));
            // Of sums: the commitment to a + e·b is that to a times that to b to the power of e.
            let other = (Natural::random(256, &mut rng), Natural::random(700, &mut rng));
            let factor = Natural::random(256, &mut rng);
            let sum = own.commit(&value.add(&other.0.mul(&factor)), &randomness.add(&other.1.mul(&factor)));
            let combined = public.combine_vartime(&commitment, &public.commit(&other.0, &other.1), &factor);
            assert!(bool::from(sum.ct_eq(&combined)));
        }
        let [s, t] = public.bases();
        let taken = Parameters::new(public.number(), &s, &t, 256, LENGTHS).unwrap();
        let (value, randomness) = (Natural::random(768, &mut rng), Natural::random(1024, &mut rng));
        assert!(bool::from(taken.commit(&value, &randomness).ct_eq(&own.commit(&value, &randomness))));
    }

    #[test]
    fn parameters_and_commitments_that_are_none_are_refused() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let own = own(&mut rng);
        let public = own.public();
        let [s, t] = public.bases();
        let bytes = |number: &Natural| number.with_room(256).to_le_bytes().to_vec();
        let factor = bytes(own.crt.p.number());
        let number = public.number();
        let one = bytes(&Natural::from_u64(1));
        for trivial in [
            bytes(&Natural::from_u64(0)),
            one,
            bytes(&less_one(number)),
            factor,
            bytes(number),
            vec![0xff; 32],
        ] {
            for [s, t] in [[&s, &trivial], [&trivial, &t]] {
                let refused = Parameters::new(number, s, t, 256, LENGTHS).map(drop);
                assert_eq!(refused, Err(InvalidParameters::Bases), "{trivial:?}");
            }
            assert!(matches!(public.commitment(&trivial), Err(InvalidCommitment)));
        }
        assert_eq!(Parameters::new(number, &s, &s, 256, LENGTHS).map(drop), Err(InvalidParameters::Bases));
        assert!(public.commitment(&[&s[..], &[0]].concat()).is_err() && public.commitment(&s[1..]).is_err());
        for (number, bits) in [(number.clone(), 255), (less_one(number), 256), (Natural::from_u64(0), 256)] {
            let refused = Parameters::new(&number, &s, &t, bits, LENGTHS).map(drop);
            assert_eq!(refused, Err(InvalidParameters::Modulus { bits }));
        }
        let prime = SafePrime::search(128, &mut rng, &|| false).unwrap();
        assert!(OwnParameters::generate(&prime, &prime, LENGTHS, &mut rng).is_err());
    }
}
