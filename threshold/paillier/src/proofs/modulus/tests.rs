use num_bigint::BigUint;

use super::*;
use crate::proofs::testing::*;

fn big(number: &Natural) -> BigUint {
    BigUint::from_bytes_le(&number.to_le_bytes())
}

fn small(number: &BigUint) -> Natural {
    Natural::from_le_bytes(&number.to_bytes_le())
}

/// factor·2^exponent + summand.
fn near(factor: u32, exponent: u32, summand: u32) -> BigUint {
    (BigUint::from(factor) << exponent) + summand
}

fn gcd(mut a: BigUint, mut b: BigUint) -> BigUint {
    while b != BigUint::ZERO {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// An N with what whoever made it knows.
struct Forger {
    keys: PublicKeys,
    number: BigUint,
    /// Of the group of units, as far as it is odd.
    odd_order: BigUint,
}

impl Forger {
    /// N of these prime powers.
    fn new(powers: &[(&BigUint, u32)]) -> Self {
        let one = BigUint::from(1_u8);
        let number: BigUint = powers.iter().map(|(prime, exponent)| prime.pow(*exponent)).product();
        let odd_order = powers.iter().fold(one.clone(), |all, (prime, exponent)| {
            let order = (*prime - &one) * prime.pow(exponent - 1);
            let odd = &order >> order.trailing_zeros().unwrap();
            &all * &odd / gcd(all, odd)
        });
        let keys = PublicKeys::new(SIZES, &number.to_bytes_le(), &[4], &[16]).unwrap();
        Self { keys, number, odd_order }
    }

    fn w(&self, symbol: i8) -> Natural {
        let mut rng = rng(1);
        loop {
            let w = Natural::random_below(self.keys.encryption().number(), &mut rng);
            if jacobi_vartime(&w, self.keys.encryption().number()) == symbol {
                return w;
            }
        }
    }

    /// Answers all that has an answer.
    fn prove(&self, w: &Natural) -> Vec<u8> {
        let Self { keys, number, odd_order } = self;
        let (one, two) = (BigUint::from(1_u8), BigUint::from(2_u8));
        let root = (odd_order + &one) / &two;
        let root = (&root * &root) % odd_order;
        let inverse = number.modinv(&(odd_order * &two)).unwrap_or(one);
        let mut writer = Writer::default();
        writer.natural(w, SIZES.modulus());
        let targets = Targets::new(&context(), keys, writer.so_far());
        for index in 0..SIZES.repetitions() {
            let y = big(&targets.draw("fourth", index));
            let (mut answer, mut with) = (y.clone(), 0);
            for flags in 0..4_u64 {
                let y = if flags & 1 == 1 { number - &y } else { y.clone() };
                let y = if flags & 2 == 2 { y * big(w) % number } else { y };
                let x = y.modpow(&root, number);
                if x.modpow(&BigUint::from(4_u8), number) == y {
                    (answer, with) = (x, flags);
                }
            }
            writer.natural(&small(&answer), SIZES.modulus());
            writer.natural(&Natural::from_u64(with), 8);
        }
        for index in 0..ROOTS {
            let y = big(&targets.draw("root", index));
            writer.natural(&small(&y.modpow(&inverse, number)), SIZES.modulus());
        }
        writer.finish()
    }

    fn outcome(&self, w: &Natural) -> Result<bool, InvalidProof> {
        verify(&context(), &self.keys, &self.prove(w)).map(|()| true)
    }
}

/// Two primes of 704 bits, 3 modulo 4, of keys number 0.
fn honest() -> Forger {
    let keys = keys(0);
    let [p, q] = keys.primes().each_ref().map(|prime| big(prime.number()));
    Forger::new(&[(&p, 1), (&q, 1)])
}

#[test]
fn an_honest_proof_convinces() {
    for number in 0..6 {
        let keys = keys(number);
        let proof = prove(&context(), &keys, &mut rng(1));
        assert_eq!(verify(&context(), keys.public(), &proof), Ok(()));
    }
    // And the forger's is one when there is nothing to forge.
    let forger = honest();
    assert_eq!(forger.outcome(&forger.w(-1)), Ok(true));
}

#[test]
fn w_must_be_a_unit_below_n_whose_symbol_is_minus_one() {
    let forger = honest();
    let zero = Natural::from_u64(0);
    let factor = keys(0).primes()[0].number().clone();
    for w in [forger.w(1), zero, Natural::from_u64(1), factor] {
        fails_at(forger.outcome(&w), "(w | N) = -1");
    }
    let number = forger.keys.encryption().number();
    let mut rng = rng(2);
    let w = loop {
        let above = Natural::random_below(number, &mut rng).add(number);
        if above.bits_vartime() == SIZES.modulus() && jacobi_vartime(&above, number) == -1 {
            break above;
        }
    };
    fails_at(forger.outcome(&w), "(w | N) = -1");
}

#[test]
fn a_prime_is_refused() {
    let forger = Forger::new(&[(&near(1, 1407, 995), 1)]);
    fails_at(forger.outcome(&forger.w(-1)), "N is composite, without small factors");
}

#[test]
fn a_factor_below_2_to_the_16_is_refused() {
    let forger = Forger::new(&[(&BigUint::from(65519_u32), 1), (&near(1, 1392, 5691), 1)]);
    fails_at(forger.outcome(&forger.w(-1)), "N is composite, without small factors");
}

#[test]
fn three_factors_are_refused() {
    let (p, q, r) = (near(3, 468, 619), near(3, 468, 1_000_135), near(3, 467, 379));
    let forger = Forger::new(&[(&p, 1), (&q, 1), (&r, 1)]);
    fails_at(forger.outcome(&forger.w(-1)), "x⁴ = (-1)^a·w^b·y");
}

#[test]
fn a_factor_that_is_1_modulo_4_is_refused() {
    let forger = Forger::new(&[(&near(3, 702, 311), 1), (&near(3, 702, 1777), 1)]);
    for symbol in [1, -1] {
        assert!(forger.outcome(&forger.w(symbol)).is_err());
    }
    fails_at(forger.outcome(&forger.w(-1)), "x⁴ = (-1)^a·w^b·y");
}

#[test]
fn a_square_factor_is_refused() {
    let forger = Forger::new(&[(&near(3, 468, 619), 2), (&near(3, 467, 379), 1)]);
    fails_at(forger.outcome(&forger.w(-1)), "z^N = y");
}

#[test]
fn every_repetition_is_checked() {
    let keys = keys(0);
    let proof = prove(&context(), &keys, &mut rng(1));
    let length = SIZES.modulus() / 8;
    let verify = |proof: &[u8]| verify(&context(), keys.public(), proof).map(|()| true);
    for index in 0..SIZES.repetitions() {
        let start = length + index * (length + 1);
        let mut spoiled = proof.clone();
        spoiled[start] ^= 1;
        fails_at(verify(&spoiled), "x⁴ = (-1)^a·w^b·y");
        // 4 is neither of the two bits, and all else stays right.
        let mut spoiled = proof.clone();
        spoiled[start + length] |= 4;
        fails_at(verify(&spoiled), "a and b are bits");
        for bit in [1, 2] {
            let mut spoiled = proof.clone();
            spoiled[start + length] ^= bit;
            fails_at(verify(&spoiled), "x⁴ = (-1)^a·w^b·y");
        }
    }
    for index in 0..ROOTS {
        let mut spoiled = proof.clone();
        spoiled[length + SIZES.repetitions() * (length + 1) + index * length] ^= 1;
        fails_at(verify(&spoiled), "z^N = y");
    }
}

#[test]
fn a_root_not_below_n_is_refused_although_it_is_one() {
    let forger = honest();
    let w = forger.w(-1);
    let proof = forger.prove(&w);
    let length = SIZES.modulus() / 8;
    let mut found = 0;
    for index in 0..SIZES.repetitions() {
        let start = length + index * (length + 1);
        let root = BigUint::from_bytes_le(&proof[start..start + length]);
        // Of x and N - x the smaller one, plus N, fits the bytes.
        let above = &forger.number + std::cmp::min(&root, &(&forger.number - &root));
        let mut bytes = above.to_bytes_le();
        if bytes.len() == length {
            bytes.extend_from_slice(&proof[start + length..]);
            let spoiled = [&proof[..start], &bytes].concat();
            is_malformed(verify(&context(), &forger.keys, &spoiled).map(|()| true));
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn a_proof_is_of_one_number_in_one_context() {
    let keys = keys(0);
    let proof = prove(&context(), &keys, &mut rng(1));
    let third = crate::test_keys::small(2);
    assert!(verify(&other_context(), keys.public(), &proof).is_err());
    assert!(verify(&context(), third.public(), &proof).is_err());
    assert!(verify(&context(), &resized(keys.public()), &proof).is_err());
}

#[test]
fn what_is_spoiled_is_refused() {
    let keys = keys(0);
    let proof = prove(&context(), &keys, &mut rng(1));
    let mut fields = vec![Field::unit(&keys)];
    for _ in 0..SIZES.repetitions() {
        fields.extend([Field::unit(&keys), Field::byte(&[4, 8, 255])]);
    }
    fields.extend((0..ROOTS).map(|_| Field::unit(&keys)));
    let verify = |proof: &[u8]| verify(&context(), keys.public(), proof).map(|()| true);
    all_that_is_spoiled_is_refused(&proof, &fields, &verify);
}
