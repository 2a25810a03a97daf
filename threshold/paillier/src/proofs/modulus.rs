//! Π^mod: N is the product of two primes that are 3 modulo 4, and has no factor in common with φ(N) (ePrint 2021/060, figure 16).
//!
//! Two kinds of answers: fourth roots of ±w^b·y for hashes y, which nobody has for more than half of them if N has three factors or one
//! that is 1 modulo 4; and N-th roots of hashes, which fewer than one in p have, where p is the smallest prime that divides N and φ(N). The
//! first takes all repetitions. Of the second, eight are enough once the verifier has seen for itself that no prime below 2^16 divides N
//! (Goldberg, Reyzin, Sagga and Baldimtsi, ePrint 2018/057, theorem 3.1).

use quorate_keys::Transcript;
use rand_core::CryptoRngCore;
use subtle::{Choice, ConstantTimeEq};

use super::{InvalidProof, begin};
use crate::codec::{Reader, Writer};
use crate::crt::{Crt, Factor, less_one};
use crate::jacobi::jacobi_vartime;
use crate::key::EncryptionKey;
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, SecretKeys};
use crate::primes::{has_prime_factor_below, is_probably_prime, quarter};

const NAME: &str = "mod";

/// How many N-th roots: 2^16 to this power is 2^128.
const ROOTS: usize = 8;

/// Below this no prime may divide N.
const SMALL: u32 = 1 << 16;

/// The hashes that are to be rooted: numbers below N.
struct Targets<'a> {
    transcript: Transcript,
    key: &'a EncryptionKey,
}

impl<'a> Targets<'a> {
    fn new(context: &Transcript, keys: &'a PublicKeys, w: &[u8]) -> Self {
        let transcript = begin(context, NAME, keys.sizes())
            .field("N", &keys.encryption().number().to_le_bytes())
            .field("w", w);
        Self { transcript, key: keys.encryption() }
    }

    /// 128 bits more than N has, reduced: as good as uniform.
    fn draw(&self, kind: &'static str, index: usize) -> Natural {
        let bytes = self.key.number().room() / 8 + 16;
        let blocks = (0..bytes.div_ceil(64) as u64).flat_map(|block| {
            let transcript = self.transcript.clone().field(kind, &(index as u64).to_le_bytes());
            transcript.field("block", &block.to_le_bytes()).wide()
        });
        let wide = Natural::from_le_bytes(&blocks.take(bytes).collect::<Vec<_>>());
        wide.rem(self.key.number()).unwrap_or_else(|| Natural::from_u64(0))
    }
}

/// Proves it of this party's N. Constant time in its factors.
pub fn prove(context: &Transcript, keys: &SecretKeys, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
    let crt = keys.decryption().factors();
    // Step 1.
    let w = non_residue(keys.encryption().number(), rng);
    let mut writer = Writer::default();
    writer.natural(&w, keys.sizes().modulus());
    let targets = Targets::new(context, keys.public(), writer.so_far());
    // Step 3.
    let [p, q] = [Side::new(&crt.p, &w), Side::new(&crt.q, &w)];
    for index in 0..keys.sizes().repetitions() {
        let (root, flags) = fourth_root(crt, &p, &q, &targets.draw("fourth", index));
        writer.natural(&root, keys.sizes().modulus());
        writer.natural(&Natural::from_u64(flags), 8);
    }
    for index in 0..ROOTS {
        let root = keys.decryption().root(&targets.draw("root", index));
        writer.natural(&root, keys.sizes().modulus());
    }
    writer.finish()
}

/// w with (w | N) = -1.
fn non_residue(number: &Natural, rng: &mut dyn CryptoRngCore) -> Natural {
    loop {
        let drawn = Natural::random_below(number, rng);
        if jacobi_vartime(&drawn, number) == -1 {
            return drawn;
        }
    }
}

/// What of w is needed modulo one prime.
struct Side<'a> {
    factor: &'a Factor,
    /// (p + 1) / 4.
    exponent: Natural,
    /// w to that power.
    root: Natural,
    /// Whether w is a square.
    square: Choice,
    /// Minus one.
    minus: Natural,
    /// -1 to the power of (p + 1) / 4.
    sign_root: Natural,
}

impl<'a> Side<'a> {
    fn new(factor: &'a Factor, w: &Natural) -> Self {
        let exponent = quarter(&factor.number().add(&Natural::from_u64(1)));
        let minus = less_one(factor.number());
        let root = factor.pow(w, &exponent);
        let square = factor.mul(&root, &root).ct_eq(&factor.reduce(w));
        let sign_root = factor.pow(&minus, &exponent);
        Self { factor, exponent, root, square, minus, sign_root }
    }

    /// y to the power of (p + 1) / 4, and whether its square is y.
    fn try_root(&self, y: &Natural) -> (Natural, Choice) {
        let root = self.factor.pow(y, &self.exponent);
        let square = self.factor.mul(&root, &root).ct_eq(&self.factor.reduce(y));
        (root, square)
    }

    /// A fourth root of (-1)^a·w^b·y, which is a square, from what `try_root` gave of y: the square root is multiplicative.
    fn fourth_root(&self, root: &Natural, a: Choice, b: Choice) -> Natural {
        let one = Natural::from_u64(1);
        let with_w = self.factor.mul(root, &Natural::select(&one, &self.root, b));
        let square_root = self.factor.mul(&with_w, &Natural::select(&one, &self.sign_root, a));
        self.factor.pow(&square_root, &self.exponent)
    }
}

/// x and flags a + 2b with x⁴ = (-1)^a·w^b·y.
fn fourth_root(crt: &Crt, p: &Side<'_>, q: &Side<'_>, y: &Natural) -> (Natural, u64) {
    let ((root_p, square_p), (root_q, square_q)) = (p.try_root(y), q.try_root(y));
    // w is a square modulo one of the primes only, -1 modulo none.
    let b = square_p ^ square_q;
    let a = !(square_p ^ (b & !p.square));
    debug_assert!(bool::from(p.square ^ q.square) && p.minus.is_odd() != p.factor.number().is_odd());
    let root = crt.join(&p.fourth_root(&root_p, a, b), &q.fourth_root(&root_q, a, b));
    (root, u64::from(a.unwrap_u8()) + 2 * u64::from(b.unwrap_u8()))
}

/// Verifies it of another party's N.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify(context: &Transcript, keys: &PublicKeys, proof: &[u8]) -> Result<(), InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let number = keys.encryption().number();
    let bits = keys.sizes().modulus();
    let mut reader = Reader::new(proof);
    let w = reader.natural(bits).map_err(&malformed)?;
    let targets = Targets::new(context, keys, reader.so_far());
    if jacobi_vartime(&w, number) != -1 || !bool::from(w.less(number)) {
        return Err(InvalidProof::new(NAME, "(w | N) = -1"));
    }
    // That N is odd was seen when the key was read.
    if has_prime_factor_below(number, SMALL) || is_probably_prime(number) {
        return Err(InvalidProof::new(NAME, "N is composite, without small factors"));
    }
    let modulus = keys.parameters().modulus();
    let unit = |reader: &mut Reader<'_>| {
        let number = reader.nonce(keys.encryption()).map_err(&malformed)?;
        modulus.element(&number.number().to_le_bytes()).map_err(|_| InvalidProof::new(NAME, "a root below N"))
    };
    let element = |number: &Natural| {
        modulus.element(&number.to_le_bytes()).map_err(|_| InvalidProof::new(NAME, "a hash below N"))
    };
    let w = element(&w)?;
    let minus = element(&less_one(number))?;
    for index in 0..keys.sizes().repetitions() {
        let x = unit(&mut reader)?;
        let flags = reader.bytes(1).map_err(&malformed)?.first().copied().unwrap_or(u8::MAX);
        let mut right = element(&targets.draw("fourth", index))?;
        if flags > 3 {
            return Err(InvalidProof::new(NAME, "a and b are bits"));
        }
        if flags & 1 == 1 {
            right = modulus.mul(&right, &minus);
        }
        if flags & 2 == 2 {
            right = modulus.mul(&right, &w);
        }
        let fourth = modulus.square(&modulus.square(&x));
        if !bool::from(fourth.ct_eq(&right)) {
            return Err(InvalidProof::new(NAME, "x⁴ = (-1)^a·w^b·y"));
        }
    }
    for index in 0..ROOTS {
        let root = unit(&mut reader)?;
        let power = modulus.pow_vartime(&root, &number.to_le_bytes());
        if !bool::from(power.ct_eq(&element(&targets.draw("root", index))?)) {
            return Err(InvalidProof::new(NAME, "z^N = y"));
        }
    }
    reader.finish().map_err(&malformed)
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
