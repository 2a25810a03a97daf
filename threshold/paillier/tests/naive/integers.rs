//! Integers and points as the paper has them, read from bytes.

use num_bigint::BigUint;
use quorate_sharing::{Curve, Secp256k1};

pub(crate) type Point = <Secp256k1 as Curve>::Point;

/// The order of secp256k1 (SEC 2, section 2.4.1).
const ORDER: &[u8] = b"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

pub(crate) fn order() -> BigUint {
    BigUint::parse_bytes(ORDER, 16).unwrap()
}

pub(crate) fn number(bytes: &[u8]) -> BigUint {
    BigUint::from_bytes_le(bytes)
}

pub(crate) fn small(value: u64) -> BigUint {
    BigUint::from(value)
}

/// The bytes of a number, filled up to a length.
pub(crate) fn bytes(number: &BigUint, length: usize) -> Vec<u8> {
    let mut bytes = number.to_bytes_le();
    assert!(bytes.len() <= length);
    bytes.resize(length, 0);
    bytes
}

pub(crate) fn gcd(a: &BigUint, b: &BigUint) -> BigUint {
    let (mut a, mut b) = (a.clone(), b.clone());
    while b != small(0) {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// `number`·`point`.
pub(crate) fn times(number: &BigUint, point: Point) -> Point {
    let mut bytes = bytes(&(number % order()), 32);
    bytes.reverse();
    point * Secp256k1::scalar_from_bytes(&bytes.try_into().unwrap()).unwrap()
}

/// The Jacobi symbol, by the textbook.
pub(crate) fn jacobi(a: &BigUint, n: &BigUint) -> i8 {
    let (mut a, mut n, mut symbol) = (a % n, n.clone(), 1);
    while a != small(0) {
        while &a % 2_u8 == small(0) {
            a /= 2_u8;
            let rest = &n % 8_u8;
            if rest == small(3) || rest == small(5) {
                symbol = -symbol;
            }
        }
        (a, n) = (n, a);
        if &a % 4_u8 == small(3) && &n % 4_u8 == small(3) {
            symbol = -symbol;
        }
        a %= &n;
    }
    if n == small(1) { symbol } else { 0 }
}

/// Reads a proof from its beginning.
pub(crate) struct Cursor<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.all.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }

    pub(crate) fn so_far(&self) -> &'a [u8] {
        &self.all[..self.at]
    }

    pub(crate) fn is_at_end(&self) -> Option<()> {
        (self.at == self.all.len()).then_some(())
    }

    /// Below 2^`bits`.
    pub(crate) fn natural(&mut self, bits: usize) -> Option<BigUint> {
        let number = number(self.take(bits.div_ceil(8))?);
        (number < small(1) << bits).then_some(number)
    }

    /// A unit below `modulus`, in so many bytes; `n` has the same prime factors.
    pub(crate) fn unit(&mut self, length: usize, modulus: &BigUint, n: &BigUint) -> Option<BigUint> {
        let number = number(self.take(length)?);
        (number < *modulus && gcd(&number, n) == small(1)).then_some(number)
    }

    pub(crate) fn point(&mut self) -> Option<Point> {
        Secp256k1::decode(self.take(33)?)
    }

    /// A number below the group order, the most significant byte first.
    pub(crate) fn scalar(&mut self) -> Option<BigUint> {
        let number = BigUint::from_bytes_be(self.take(32)?);
        (number < order()).then_some(number)
    }
}
