//! ristretto255 of RFC 9496, from what it means: square roots, divisions, and the curve's addition law, on big integers.

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::LazyLock;

use num_bigint::BigUint;

/// 2²⁵⁵ − 19.
static PRIME: LazyLock<BigUint> = LazyLock::new(|| (BigUint::from(1_u8) << 255) - 19_u8);
/// Of the group.
pub(crate) static ORDER: LazyLock<BigUint> =
    LazyLock::new(|| (BigUint::from(1_u8) << 252) + 27_742_317_777_372_353_535_851_937_790_883_648_493_u128);
/// The curve is −x² + y² = 1 + d·x²·y².
static D: LazyLock<Element> = LazyLock::new(|| -number(121_665) / number(121_666));
/// A square root of −1.
static I: LazyLock<Element> = LazyLock::new(|| number(2).power(&(&*PRIME >> 2)));

/// An element of the field.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Element([u32; 8]);

fn number(number: u32) -> Element {
    Element::new(&number.into())
}

impl Element {
    fn new(integer: &BigUint) -> Self {
        let mut digits = [0; 8];
        digits.iter_mut().zip((integer % &*PRIME).iter_u32_digits()).for_each(|(to, digit)| *to = digit);
        Self(digits)
    }

    fn integer(self) -> BigUint {
        BigUint::from_slice(&self.0)
    }

    fn power(self, exponent: &BigUint) -> Self {
        Self::new(&self.integer().modpow(exponent, &PRIME))
    }

    /// Odd ones are called negative.
    fn is_negative(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The square root that is not negative, if there is one.
    fn root(self) -> Option<Self> {
        let root = self.power(&((&*PRIME + 3_u8) >> 3));
        let root = [root, root * *I].into_iter().find(|root| *root * *root == self)?;
        Some(if root.is_negative() { -root } else { root })
    }
}

impl Add for Element {
    type Output = Self;

    fn add(self, summand: Self) -> Self {
        Self::new(&(self.integer() + summand.integer()))
    }
}

impl Neg for Element {
    type Output = Self;

    fn neg(self) -> Self {
        Self::new(&(&*PRIME - self.integer()))
    }
}

impl Sub for Element {
    type Output = Self;

    fn sub(self, subtrahend: Self) -> Self {
        self + -subtrahend
    }
}

impl Mul for Element {
    type Output = Self;

    fn mul(self, factor: Self) -> Self {
        Self::new(&(self.integer() * factor.integer()))
    }
}

impl Div for Element {
    type Output = Self;

    fn div(self, divisor: Self) -> Self {
        assert!(divisor != number(0), "a division by zero");
        self * divisor.power(&(&*PRIME - 2_u8))
    }
}

/// x/z and y/z are on the curve.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    x: Element,
    y: Element,
    z: Element,
}

impl Point {
    fn new(x: Element, y: Element) -> Self {
        assert!(y * y - x * x == number(1) + *D * x * x * y * y, "a point that is not on the curve");
        Self { x, y, z: number(1) }
    }

    /// The generator: y = 4/5, and x is not negative.
    pub(crate) fn base() -> Self {
        let y = number(4) / number(5);
        let squared = (y * y - number(1)) / (*D * y * y + number(1));
        Self::new(squared.root().unwrap(), y)
    }

    /// Of 32 bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let integer = BigUint::from_bytes_le(bytes);
        let s = Element::new(&integer);
        if integer >= *PRIME || s.is_negative() || s * s == number(1) || s * s == -number(1) {
            return None;
        }
        let (above, below) = (number(1) - s * s, number(1) + s * s);
        let y = above / below;
        let x = (number(4) * s * s / (-*D * above * above - below * below)).root()?;
        (!(x * y).is_negative()).then(|| Self::new(x, y))
    }

    /// What decodes to the point, or to another that differs from it by one of order four or less.
    pub(crate) fn encode(self) -> [u8; 32] {
        let (x, y) = (self.x / self.z, self.y / self.z);
        let same = [(x, y), (-x, -y), (*I * y, *I * x), (-*I * y, -*I * x)];
        let mut encoded = same.into_iter().filter_map(|(x, y)| {
            let decodes = !x.is_negative() && !(x * y).is_negative() && y != number(0) && y != -number(1);
            decodes.then(|| ((number(1) - y) / (number(1) + y)).root().unwrap())
        });
        let (Some(s), None) = (encoded.next(), encoded.next()) else { panic!("not one encoding") };
        let mut bytes = s.integer().to_bytes_le();
        bytes.resize(32, 0);
        bytes.try_into().unwrap()
    }

    /// Of 64 uniform bytes.
    pub(crate) fn from_uniform(bytes: &[u8]) -> Self {
        Self::map(&bytes[..32]) + Self::map(&bytes[32..])
    }

    /// Elligator 2.
    fn map(bytes: &[u8]) -> Self {
        let mut integer = BigUint::from_bytes_le(bytes);
        integer.set_bit(255, false);
        let (one, d, t) = (number(1), *D, Element::new(&integer));
        let r = *I * t * t;
        let u = (r + one) * (one - d * d);
        let v = (-one - r * d) * (r + d);
        let (s, c) = match (u / v).root() {
            Some(s) => (s, -one),
            None => (-(r * u / v).root().unwrap(), r),
        };
        let n = c * (r - one) * (d - one) * (d - one) - v;
        // Of −d − 1 the root that is negative.
        let root = -(-d - one).root().unwrap();
        Self::new((s + s) * v / (n * root), (one - s * s) / (one + s * s))
    }

    /// By doubling and adding.
    pub(crate) fn times(self, exponent: &BigUint) -> Self {
        let mut sum = Self::new(number(0), number(1));
        for bit in (0..exponent.bits()).rev() {
            sum = sum + sum;
            if exponent.bit(bit) {
                sum = sum + self;
            }
        }
        sum
    }
}

impl Add for Point {
    type Output = Self;

    fn add(self, summand: Self) -> Self {
        let z = self.z * summand.z;
        let (x, y) = (self.x * summand.x, self.y * summand.y);
        let crossed = (self.x + self.y) * (summand.x + summand.y) - x - y;
        let (squared, product) = (z * z, *D * x * y);
        Self {
            x: z * (squared - product) * crossed,
            y: z * (squared + product) * (y + x),
            z: (squared - product) * (squared + product),
        }
    }
}

impl Neg for Point {
    type Output = Self;

    fn neg(self) -> Self {
        Self { x: -self.x, ..self }
    }
}
