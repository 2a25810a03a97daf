//! Computing modulo a product whose two factors are known: each factor on its own, then put together.

use quorate_bignum::{Element, InvalidModulus, Modulus};

use crate::comb::Comb;
use crate::natural::Natural;

/// One of the two factors.
pub(crate) struct Factor {
    number: Natural,
    modulus: Modulus,
}

/// Two coprime odd factors of the same room.
pub(crate) struct Crt {
    pub(crate) p: Factor,
    pub(crate) q: Factor,
    /// 1 / q modulo p.
    inverse: Natural,
}

impl Factor {
    fn new(number: Natural) -> Result<Self, InvalidModulus> {
        let modulus = Modulus::new(&number.to_le_bytes())?;
        Ok(Self { number, modulus })
    }

    /// The factor.
    pub(crate) const fn number(&self) -> &Natural {
        &self.number
    }

    /// `base`, of any room, to the power of `exponent`, modulo this factor, in constant time.
    pub(crate) fn pow(&self, base: &Natural, exponent: &Natural) -> Natural {
        let power = self.reduced(base).map(|base| self.modulus.pow(&base, &exponent.to_le_bytes()));
        power.map_or_else(|| Natural::from_u64(0), |power| self.number_of(&power))
    }

    /// Prepares a base, of any room, for exponents of at most `bits` bits.
    pub(crate) fn comb(&self, base: &Natural, bits: usize) -> Comb {
        let base = self.reduced(base);
        Comb::new(&self.modulus, base.as_ref().unwrap_or(self.modulus.one()), bits)
    }

    /// A base that was prepared for this factor, to the power of `exponent`, modulo this factor, in constant time.
    pub(crate) fn pow_comb(&self, base: &Comb, exponent: &Natural) -> Natural {
        self.number_of(&base.pow(&self.modulus, exponent))
    }

    /// The product of two numbers of any rooms, modulo this factor.
    pub(crate) fn mul(&self, a: &Natural, b: &Natural) -> Natural {
        let product = self.reduced(a).zip(self.reduced(b)).map(|(a, b)| self.modulus.mul(&a, &b));
        product.map_or_else(|| Natural::from_u64(0), |product| self.number_of(&product))
    }

    /// A number of any room, modulo this factor.
    pub(crate) fn reduce(&self, number: &Natural) -> Natural {
        number.rem(&self.number).unwrap_or_else(|| Natural::from_u64(0))
    }

    fn reduced(&self, number: &Natural) -> Option<Element> {
        // Never nothing: the factor is not zero, and a remainder is below it.
        self.modulus.element(&number.rem(&self.number)?.to_le_bytes()).ok()
    }

    fn number_of(&self, element: &Element) -> Natural {
        Natural::from_le_bytes(&self.modulus.bytes(element)).with_room(self.number.room())
    }
}

impl Crt {
    /// Of two odd factors; nothing when they have one in common, or one of them is no modulus.
    pub(crate) fn new(p: Natural, q: Natural) -> Option<Self> {
        let inverse = q.rem(&p)?.invert(&p)?;
        Some(Self { p: Factor::new(p).ok()?, q: Factor::new(q).ok()?, inverse })
    }

    /// The number below p·q that leaves `modulo_p` and `modulo_q`, which are below p and q.
    pub(crate) fn join(&self, modulo_p: &Natural, modulo_q: &Natural) -> Natural {
        // q·((x_p - x_q) / q mod p) + x_q, where p is added so that nothing goes below zero.
        let Some(below_p) = modulo_q.rem(self.p.number()) else { return Natural::from_u64(0) };
        let difference = modulo_p.add(self.p.number()).wrapping_sub(&below_p);
        let factor = self.p.mul(&difference, &self.inverse);
        let room = self.p.number().room() + self.q.number().room();
        factor.mul(self.q.number()).add(modulo_q).with_room(room)
    }

    /// `base` to the power of `exponent`, modulo p·q, where `exponent` is reduced by the caller for each factor.
    pub(crate) fn pow(&self, base: &Natural, modulo_p: &Natural, modulo_q: &Natural) -> Natural {
        self.join(&self.p.pow(base, modulo_p), &self.q.pow(base, modulo_q))
    }
}

impl std::fmt::Debug for Crt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crt([redacted])")
    }
}

/// `number` minus one, for a number above zero.
pub(crate) fn less_one(number: &Natural) -> Natural {
    number.wrapping_sub(&Natural::from_u64(1))
}
