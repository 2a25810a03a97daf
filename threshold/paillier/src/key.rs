//! Paillier's encryption: keys, ciphertexts, and what is computed on them.
//!
//! A ciphertext of m < N is (1 + N)^m · r^N modulo N², and (1 + N)^m = 1 + mN. Adding messages is multiplying ciphertexts. What
//! costs is r^N; who knows the factors of N raises modulo each of them, a third of the work, and any other may do it ahead, since
//! r is independent of the message ([`EncryptionKey::nonce_power`]).

use std::fmt;
use std::sync::OnceLock;

use quorate_bignum::{Element, Modulus};
use rand_core::CryptoRngCore;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::comb::Comb;
use crate::crt::{Crt, Factor, less_one};
use crate::natural::Natural;
use crate::primes::SafePrime;

/// Not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The modulus is even, or has not exactly the bits that it must have.
    #[error("a Paillier modulus must be odd and of exactly {bits} bits")]
    Modulus {
        /// How many it must have.
        bits: usize,
    },
    /// The two primes are the same, or of different lengths.
    #[error("a Paillier key needs two different safe primes of the same length")]
    Primes,
}

/// Not a ciphertext under this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ciphertext: it must be below N² and have no factor in common with N")]
pub struct InvalidCiphertext;

/// Not a nonce under this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a nonce: it must be below N and have no factor in common with it")]
pub struct InvalidNonce;

/// Not a message: N or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message: it must be below N")]
pub struct InvalidMessage;

/// A public key: N.
pub struct EncryptionKey {
    number: Natural,
    /// N.
    plain: Modulus,
    /// N².
    square: Modulus,
}

/// A ciphertext under one key: a number below N² that has no factor in common with N. It does not know of which key.
#[derive(Clone, Debug)]
pub struct Ciphertext(Element);

/// The random r of a ciphertext: below N, and without a common factor with it. It must not be used twice, and tells the message to
/// whoever sees it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Nonce(Natural);

/// r^N modulo N², made ahead of the message. To be used once.
#[derive(Debug)]
pub struct NoncePower(Element);

impl Ciphertext {
    /// A ciphertext of zero: the power of its nonce.
    pub(crate) fn of_power(power: NoncePower) -> Self {
        Self(power.0)
    }
}

impl ConstantTimeEq for Ciphertext {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl EncryptionKey {
    /// The key with this N.
    ///
    /// # Security
    /// That N is a product of two primes, and which, needs a proof of whoever made it.
    ///
    /// # Errors
    /// [`InvalidKey::Modulus`], the fault of whoever sent it.
    #[allow(clippy::needless_pass_by_value, reason = "a key owns its number")]
    pub fn new(number: Natural, bits: usize) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey::Modulus { bits };
        if number.bits_vartime() != bits || !number.is_odd() {
            return Err(invalid);
        }
        let number = number.with_room(bits);
        let plain = Modulus::new(&number.to_le_bytes()).map_err(|_| invalid)?;
        let square = Modulus::new(&number.mul(&number).to_le_bytes()).map_err(|_| invalid)?;
        Ok(Self { number, plain, square })
    }

    /// N.
    #[must_use]
    pub const fn number(&self) -> &Natural {
        &self.number
    }

    /// A fresh nonce.
    ///
    /// # Security
    /// It is not tested that it has no factor in common with N: where no factor is short, which Π^fac proves, one that has is as likely as
    /// a guess of that factor.
    #[must_use]
    pub fn nonce(&self, rng: &mut dyn CryptoRngCore) -> Nonce {
        Nonce(Natural::random_below(&self.number, rng))
    }

    /// r^N: the work of an encryption that can be done before the message is known.
    #[must_use]
    pub fn nonce_power(&self, nonce: &Nonce) -> NoncePower {
        NoncePower(self.square.pow(&self.element(&nonce.0), &self.number.to_le_bytes()))
    }

    /// r^N of a nonce that is public.
    #[must_use]
    pub fn nonce_power_vartime(&self, nonce: &Nonce) -> NoncePower {
        NoncePower(self.square.pow_vartime(&self.element(&nonce.0), &self.number.to_le_bytes()))
    }

    /// Encrypts a message below N.
    ///
    /// # Errors
    /// [`InvalidMessage`].
    pub fn encrypt(&self, message: &Natural, nonce: &Nonce) -> Result<Ciphertext, InvalidMessage> {
        self.encrypt_with(message, self.nonce_power(nonce))
    }

    /// Encrypts a message below N with a power made ahead.
    ///
    /// # Errors
    /// [`InvalidMessage`].
    #[allow(clippy::needless_pass_by_value, reason = "a power is used once")]
    pub fn encrypt_with(&self, message: &Natural, power: NoncePower) -> Result<Ciphertext, InvalidMessage> {
        Ok(Ciphertext(self.square.mul(&self.message(message)?, &power.0)))
    }

    /// Encrypts a number of any size modulo N, with a power made ahead.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a power is used once")]
    pub fn encrypt_number(&self, number: &Natural, power: NoncePower) -> Ciphertext {
        self.add(&self.plain(number), &Ciphertext::of_power(power))
    }

    /// A ciphertext of the sum of two messages.
    #[must_use]
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Ciphertext {
        Ciphertext(self.square.mul(&a.0, &b.0))
    }

    /// A ciphertext of the message times `factor`, in a time that depends on the room of the factor only.
    #[must_use]
    pub fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        Ciphertext(self.square.pow(&ciphertext.0, &factor.to_le_bytes()))
    }

    /// A ciphertext of the message times `factor`, both public.
    #[must_use]
    pub fn mul_vartime(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        Ciphertext(self.square.pow_vartime(&ciphertext.0, &factor.to_le_bytes()))
    }

    /// The ciphertext of zero under the nonce 1.
    #[must_use]
    pub fn zero(&self) -> Ciphertext {
        Ciphertext(self.square.one().clone())
    }

    /// A ciphertext of the negated message.
    #[must_use]
    pub fn negate(&self, ciphertext: &Ciphertext) -> Ciphertext {
        let square = self.number.mul(&self.number);
        let inverse = Natural::from_le_bytes(&self.bytes(ciphertext)).invert(&square);
        // Never nothing: a ciphertext has no factor in common with N.
        let inverse = inverse.and_then(|inverse| self.square.element(&inverse.to_le_bytes()).ok());
        Ciphertext(inverse.unwrap_or_else(|| self.square.one().clone()))
    }

    /// (1 + N)^m, the ciphertext of m modulo N under the nonce 1: hides nothing.
    #[must_use]
    pub fn plain(&self, message: &Natural) -> Ciphertext {
        let reduced = message.rem(&self.number).and_then(|message| self.message(&message).ok());
        Ciphertext(reduced.unwrap_or_else(|| self.square.one().clone()))
    }

    /// mask · nonce^factor modulo N: the nonce of a ciphertext times a public factor, plus another ciphertext. Constant time.
    #[must_use]
    pub fn combine_nonces(&self, mask: &Nonce, nonce: &Nonce, factor: &Natural) -> Nonce {
        let element = |nonce: &Nonce| {
            self.plain.element(&nonce.0.to_le_bytes()).unwrap_or_else(|_| self.plain.one().clone())
        };
        let power = self.plain.pow(&element(nonce), &factor.to_le_bytes());
        let product = self.plain.mul(&element(mask), &power);
        Nonce(Natural::from_le_bytes(&self.plain.bytes(&product)).with_room(self.number.room()))
    }

    /// The number as a nonce, public or not.
    ///
    /// # Errors
    /// [`InvalidNonce`] when it is not below N, or has a factor in common with it: the fault of whoever sent it.
    #[allow(clippy::needless_pass_by_value, reason = "no copy of a nonce stays behind")]
    pub fn nonce_of(&self, number: Natural) -> Result<Nonce, InvalidNonce> {
        let fits = bool::from(number.less(&self.number)) && number.is_coprime_vartime(&self.number);
        fits.then(|| Nonce(number.with_room(self.number.room()))).ok_or(InvalidNonce)
    }

    /// The ciphertext with these little-endian bytes.
    ///
    /// # Errors
    /// [`InvalidCiphertext`], the fault of whoever sent it.
    pub fn ciphertext(&self, bytes: &[u8]) -> Result<Ciphertext, InvalidCiphertext> {
        if bytes.len() != self.ciphertext_bytes() {
            return Err(InvalidCiphertext);
        }
        let element = self.square.element(bytes).map_err(|_| InvalidCiphertext)?;
        if !Natural::from_le_bytes(bytes).is_coprime_vartime(&self.number) {
            return Err(InvalidCiphertext);
        }
        Ok(Ciphertext(element))
    }

    /// Bytes of a ciphertext.
    #[must_use]
    pub fn ciphertext_bytes(&self) -> usize {
        self.square.length()
    }

    /// The little-endian bytes of a ciphertext: twice as many as those of N.
    #[must_use]
    pub fn bytes(&self, ciphertext: &Ciphertext) -> Vec<u8> {
        self.square.bytes(&ciphertext.0).to_vec()
    }

    /// (1 + N)^m = 1 + mN, for m below N.
    fn message(&self, message: &Natural) -> Result<Element, InvalidMessage> {
        if !bool::from(message.less(&self.number)) {
            return Err(InvalidMessage);
        }
        let message = message.with_room(self.number.room());
        let power = message.mul(&self.number).add(&Natural::from_u64(1));
        self.square.element(&power.to_le_bytes()).map_err(|_| InvalidMessage)
    }

    /// What is below N is below N².
    fn element(&self, below: &Natural) -> Element {
        self.square.element(&below.to_le_bytes()).unwrap_or_else(|_| self.square.one().clone())
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({} bits)", self.number.room())
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce([redacted])")
    }
}

impl Nonce {
    /// A copy of one that is public: another must not be used twice.
    pub(crate) fn copy_of_public(&self) -> Self {
        Self(self.0.clone())
    }

    /// r.
    #[must_use]
    pub const fn number(&self) -> &Natural {
        &self.0
    }
}

/// A secret key: the two primes.
pub struct DecryptionKey {
    public: EncryptionKey,
    /// Modulo p and q.
    plain: Crt,
    /// Modulo p² and q².
    square: Crt,
    p: Side,
    q: Side,
    /// Of p and q, made when a nonce is drawn first.
    generators: OnceLock<[Generator; 2]>,
}

/// A generator g of the numbers modulo one prime, ready to be raised.
struct Generator {
    /// g modulo the prime.
    nonce: Comb,
    /// g^N modulo its square.
    power: Comb,
}

/// By how many bits the exponent of a generator is longer than the prime: as close to uniform modulo the order is what it gives.
const EXCESS: usize = 128;

/// What is known ahead of one prime.
struct Side {
    /// p - 1.
    order: Natural,
    /// The other prime modulo p - 1.
    other: Natural,
    /// -1 / (the other prime) modulo p.
    scale: Natural,
    /// 1 / N modulo p - 1.
    root: Natural,
}

impl DecryptionKey {
    /// The key of two different safe primes of the same length.
    ///
    /// # Errors
    /// [`InvalidKey`], the caller's misuse.
    pub fn new(p: &SafePrime, q: &SafePrime) -> Result<Self, InvalidKey> {
        let (p, q) = (p.number(), q.number());
        if p.room() != q.room() || bool::from(p.ct_eq(q)) {
            return Err(InvalidKey::Primes);
        }
        let public = EncryptionKey::new(p.mul(q), p.room() + q.room())?;
        let plain = Crt::new(p.clone(), q.clone()).ok_or(InvalidKey::Primes)?;
        let square = Crt::new(p.mul(p), q.mul(q)).ok_or(InvalidKey::Primes)?;
        let side = |p, q| Side::new(p, q, public.number()).ok_or(InvalidKey::Primes);
        let generators = OnceLock::new();
        Ok(Self { plain, square, p: side(p, q)?, q: side(q, p)?, generators, public })
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &EncryptionKey {
        &self.public
    }

    /// The message of a ciphertext.
    #[must_use]
    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Natural {
        let number = self.number(ciphertext);
        let message = |side: &Side, plain: &Factor, square: &Factor| {
            // c^(p-1) = 1 + m·(p-1)·N modulo p², so L = (c^(p-1) - 1) / p = -m·q modulo p.
            let power = less_one(&square.pow(&number, &side.order));
            let quotient = power.div_rem(plain.number()).map(|(quotient, _)| quotient);
            quotient.map(|quotient| plain.mul(&quotient, &side.scale))
        };
        let p = message(&self.p, &self.plain.p, &self.square.p);
        let q = message(&self.q, &self.plain.q, &self.square.q);
        p.zip(q).map_or_else(|| Natural::from_u64(0), |(p, q)| self.plain.join(&p, &q))
    }

    /// The message of a ciphertext as a number from -N/2 to N/2: its distance from zero, and whether it is negative. Constant time.
    #[must_use]
    pub fn decrypt_centred(&self, ciphertext: &Ciphertext) -> (Natural, Choice) {
        let message = self.decrypt(ciphertext).with_room(self.public.number.room());
        let negated = self.public.number.wrapping_sub(&message);
        let negative = negated.less(&message);
        (Natural::select(&message, &negated, negative), negative)
    }

    /// A ciphertext of the message times `factor`, in constant time, and less of it than others need.
    #[must_use]
    pub fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        Ciphertext(self.public.element(&self.square.pow(&self.number(ciphertext), factor, factor)))
    }

    /// The nonce of a ciphertext.
    #[must_use]
    pub fn recover_nonce(&self, ciphertext: &Ciphertext) -> Nonce {
        // Modulo p, (1 + N)^m is 1: what is left is r^N.
        Nonce(self.root(&self.number(ciphertext)))
    }

    /// The N-th root of a number modulo N.
    pub(crate) fn root(&self, number: &Natural) -> Natural {
        self.plain.pow(number, &self.p.root, &self.q.root)
    }

    /// The factors of N.
    pub(crate) const fn factors(&self) -> &Crt {
        &self.plain
    }

    /// r^N, in a third of the time that others need.
    #[must_use]
    pub fn nonce_power(&self, nonce: &Nonce) -> NoncePower {
        // r^N = (r^q)^p, and modulo p² the p-th power of a number depends on the number modulo p only.
        let power = |side: &Side, plain: &Factor, square: &Factor| {
            square.pow(&plain.pow(&nonce.0, &side.other), plain.number())
        };
        let p = power(&self.p, &self.plain.p, &self.square.p);
        let q = power(&self.q, &self.plain.q, &self.square.q);
        NoncePower(self.public.element(&self.square.join(&p, &q)))
    }

    /// A fresh nonce and its power, in a quarter of the time that the power of a given nonce takes; the first takes longer.
    ///
    /// Modulo each prime it is a random power of a generator, which is known to have the same power of (generator)^N modulo the square.
    #[must_use]
    pub fn nonce_with_power(&self, rng: &mut dyn CryptoRngCore) -> (Nonce, NoncePower) {
        let [of_p, of_q] = self.generators.get_or_init(|| {
            let Self { plain, square, public, .. } = self;
            [(&plain.p, &square.p), (&plain.q, &square.q)]
                .map(|(plain, square)| Generator::new(plain, square, public.number()))
        });
        let mut draw = |generator: &Generator, plain: &Factor, square: &Factor| {
            let exponent = Natural::random(plain.number().room() + EXCESS, rng);
            let nonce = plain.pow_comb(&generator.nonce, &exponent);
            (nonce, square.pow_comb(&generator.power, &exponent))
        };
        let (nonce_p, power_p) = draw(of_p, &self.plain.p, &self.square.p);
        let (nonce_q, power_q) = draw(of_q, &self.plain.q, &self.square.q);
        let power = NoncePower(self.public.element(&self.square.join(&power_p, &power_q)));
        (Nonce(self.plain.join(&nonce_p, &nonce_q)), power)
    }

    /// Encrypts a message below N.
    ///
    /// # Errors
    /// [`InvalidMessage`].
    pub fn encrypt(&self, message: &Natural, nonce: &Nonce) -> Result<Ciphertext, InvalidMessage> {
        self.public.encrypt_with(message, self.nonce_power(nonce))
    }

    fn number(&self, ciphertext: &Ciphertext) -> Natural {
        Natural::from_le_bytes(&self.public.square.bytes(&ciphertext.0))
    }
}

impl Side {
    fn new(p: &Natural, q: &Natural, number: &Natural) -> Option<Self> {
        let order = less_one(p);
        let other = q.rem(&order)?;
        let root = number.rem(&order)?.invert(&order)?;
        let scale = p.wrapping_sub(&q.rem(p)?.invert(p)?);
        Some(Self { order, other, scale, root })
    }
}

impl Generator {
    /// -4: modulo a safe prime p = 2p' + 1, 4 is a square of order p', -1 is none, and so their product has the order p - 1.
    fn new(plain: &Factor, square: &Factor, number: &Natural) -> Self {
        let generator = plain.number().wrapping_sub(&Natural::from_u64(4));
        let power = square.pow(&generator, number);
        let bits = plain.number().room() + EXCESS;
        Self { nonce: plain.comb(&generator, bits), power: square.comb(&power, bits) }
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({} bits)", self.public.number.room())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const BITS: usize = 512;

    fn keys(rng: &mut ChaCha20Rng) -> DecryptionKey {
        let mut prime = || SafePrime::search(BITS / 2, rng, &|| false).unwrap();
        DecryptionKey::new(&prime(), &prime()).unwrap()
    }

    fn same(a: &Natural, b: &Natural) -> bool {
        a.cmp_vartime(b).is_eq()
    }

    #[test]
    fn messages_come_back_and_nonces_too() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let secret = keys(&mut rng);
        let public = secret.public();
        let largest = less_one(public.number());
        let some = Natural::random_below(public.number(), &mut rng);
        for message in [Natural::from_u64(0), Natural::from_u64(1), some, largest] {
            let nonce = public.nonce(&mut rng);
            let ciphertext = public.encrypt(&message, &nonce).unwrap();
            assert_eq!(public.bytes(&ciphertext), public.bytes(&secret.encrypt(&message, &nonce).unwrap()));
            assert!(same(&secret.decrypt(&ciphertext), &message));
            assert!(same(secret.recover_nonce(&ciphertext).number(), nonce.number()));
            let read = public.ciphertext(&public.bytes(&ciphertext)).unwrap();
            assert!(same(&secret.decrypt(&read), &message));
        }
        assert!(matches!(public.encrypt(public.number(), &public.nonce(&mut rng)), Err(InvalidMessage)));
    }

    #[test]
    fn nonces_that_are_drawn_with_their_powers_have_these_powers() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let secret = keys(&mut rng);
        let public = secret.public();
        let mut characters = std::collections::BTreeMap::<_, u32>::new();
        for _ in 0..400 {
            let (nonce, power) = secret.nonce_with_power(&mut rng);
            let [ours, theirs, public_too] =
                [power, public.nonce_power(&nonce), public.nonce_power_vartime(&nonce)]
                    .map(Ciphertext::of_power);
            assert!(bool::from(ours.ct_eq(&theirs) & ours.ct_eq(&public_too)));
            let is_square = |factor: &Factor, order: &Natural| {
                let half = order.div_rem(&Natural::from_u64(2)).unwrap().0;
                same(&factor.pow(nonce.number(), &half), &Natural::from_u64(1))
            };
            let character =
                (is_square(&secret.plain.p, &secret.p.order), is_square(&secret.plain.q, &secret.q.order));
            *characters.entry(character).or_default() += 1;
        }
        // Squares and others modulo each prime, 100 of each kind: they are powers of generators.
        assert!(
            characters.len() == 4 && characters.values().all(|count| (60..=140).contains(count)),
            "{characters:?}"
        );
    }

    #[test]
    fn sums_and_multiples_of_messages_are_computed_under_encryption() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let secret = keys(&mut rng);
        let public = secret.public();
        let (a, b) = (Natural::random(200, &mut rng), Natural::random(200, &mut rng));
        let encrypt =
            |message: &Natural, rng: &mut ChaCha20Rng| public.encrypt(message, &public.nonce(rng)).unwrap();
        let (x, y) = (encrypt(&a, &mut rng), encrypt(&b, &mut rng));
        assert!(same(&secret.decrypt(&public.add(&x, &y)), &a.add(&b)));
        assert!(same(&secret.decrypt(&public.mul(&x, &b)), &a.mul(&b)));
        assert!(same(&secret.decrypt(&public.mul_vartime(&x, &b)), &a.mul(&b)));
        // Modulo N: N - 1 is -1.
        let minus_one = encrypt(&less_one(public.number()), &mut rng);
        assert!(same(
            &secret.decrypt(&public.add(&minus_one, &encrypt(&Natural::from_u64(1), &mut rng))),
            &Natural::from_u64(0)
        ));
    }

    #[test]
    fn what_is_no_ciphertext_is_refused() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let secret = keys(&mut rng);
        let public = secret.public();
        let length = BITS / 4;
        let bytes = |number: &Natural| {
            let mut bytes = number.to_le_bytes().to_vec();
            bytes.resize(length, 0);
            bytes
        };
        let square = public.number().mul(public.number());
        let p = secret.plain.p.number();
        for refused in [
            bytes(&Natural::from_u64(0)),
            bytes(public.number()),
            bytes(p),
            bytes(&square),
            vec![0xff; length],
            vec![1; length - 1],
            vec![1; length + 1],
            vec![],
        ] {
            assert!(matches!(public.ciphertext(&refused), Err(InvalidCiphertext)), "{refused:?}");
        }
        assert!(public.ciphertext(&bytes(&Natural::from_u64(1))).is_ok());
    }

    #[test]
    fn what_is_no_nonce_is_refused() {
        let secret = keys(&mut ChaCha20Rng::from_seed([6; 32]));
        let public = secret.public();
        let factor = secret.plain.p.number().clone();
        for refused in [Natural::from_u64(0), public.number().clone(), public.number().add(&factor), factor] {
            assert!(matches!(public.nonce_of(refused), Err(InvalidNonce)));
        }
        assert!(public.nonce_of(less_one(public.number())).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let p = SafePrime::search(128, &mut rng, &|| false).unwrap();
        let long = SafePrime::search(192, &mut rng, &|| false).unwrap();
        assert!(matches!(DecryptionKey::new(&p, &p), Err(InvalidKey::Primes)));
        assert!(matches!(DecryptionKey::new(&p, &long), Err(InvalidKey::Primes)));
        let number = p.number().mul(long.number());
        assert!(matches!(EncryptionKey::new(number.clone(), 319), Err(InvalidKey::Modulus { bits: 319 })));
        assert!(EncryptionKey::new(number.clone(), 320).is_ok());
        let even = number.wrapping_sub(&Natural::from_u64(1));
        assert!(matches!(EncryptionKey::new(even, 320), Err(InvalidKey::Modulus { .. })));
        assert!(EncryptionKey::new(Natural::from_u64(0), 0).is_err());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let secret = keys(&mut rng);
        let nonce = secret.public().nonce(&mut rng);
        let printed = format!("{secret:?} {:?} {nonce:?}", secret.public());
        assert_eq!(printed, "DecryptionKey(512 bits) EncryptionKey(512 bits) Nonce([redacted])");
    }
}
