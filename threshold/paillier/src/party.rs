//! One party's modulus, which serves as its Paillier key and as its ring-Pedersen parameters (ePrint 2021/060, section 4.2), as the party
//! itself holds it and as all others do.

use std::fmt;

use quorate_keys::Transcript;
use rand_core::CryptoRngCore;

use crate::key::{Ciphertext, DecryptionKey, EncryptionKey, InvalidKey, Nonce, NoncePower};
use crate::natural::Natural;
use crate::pedersen::{Commitment, InvalidParameters, Lengths, OwnParameters, Parameters};
use crate::primes::SafePrime;
use crate::sizes::Sizes;

/// What is computed modulo one party's N: by the party, who knows the factors, in a fraction of the time that others need.
pub trait Keys: Send + Sync {
    /// The lengths for which they were made.
    fn sizes(&self) -> Sizes;

    /// The Paillier key.
    fn encryption(&self) -> &EncryptionKey;

    /// The ring-Pedersen parameters.
    fn parameters(&self) -> &Parameters;

    /// A fresh nonce, and r^N modulo N². Constant time.
    fn nonce_with_power(&self, rng: &mut dyn CryptoRngCore) -> (Nonce, NoncePower);

    /// r^N modulo N² of a nonce that is public.
    fn nonce_power_vartime(&self, nonce: &Nonce) -> NoncePower;

    /// A ciphertext of the message times `factor`. Constant time.
    fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext;

    /// s^value · t^randomness. Constant time.
    fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment;
}

/// N, s and t of a party, as others know them.
pub struct PublicKeys {
    sizes: Sizes,
    encryption: EncryptionKey,
    parameters: Parameters,
}

/// N, s and t of this party, with the factors of N, and λ with s = t^λ.
pub struct SecretKeys {
    public: PublicKeys,
    decryption: DecryptionKey,
    own: OwnParameters,
    primes: [SafePrime; 2],
}

/// Not the keys of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// A number is written with too few or too many bytes.
    #[error("N, s and t take {bits} bits each")]
    Width {
        /// How many.
        bits: usize,
    },
    /// N is even, or has not exactly the bits that it must have.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// s or t is not below N, has a factor in common with it, is 1 or -1, or both are the same.
    #[error(transparent)]
    Parameters(#[from] InvalidParameters),
}

impl PublicKeys {
    /// Takes N, s and t in little-endian bytes.
    ///
    /// # Security
    /// That N has two prime factors, none of them small, and s is a power of t, needs the proofs in
    /// [`proofs`](crate::proofs).
    ///
    /// # Errors
    /// [`InvalidKeys`], the fault of whoever sent them.
    pub fn new(sizes: Sizes, number: &[u8], s: &[u8], t: &[u8]) -> Result<Self, InvalidKeys> {
        let number = Natural::from_le_bytes(number);
        let encryption = EncryptionKey::new(number.clone(), sizes.modulus())?;
        let parameters = Parameters::new(&number, s, t, sizes.modulus(), lengths(sizes))?;
        Ok(Self { sizes, encryption, parameters })
    }

    /// N, s and t in little-endian bytes, each as long as N.
    #[must_use]
    pub fn to_bytes(&self) -> [Vec<u8>; 3] {
        let [s, t] = self.parameters.bases();
        [self.encryption.number().to_le_bytes().to_vec(), s, t]
    }

    /// Adds them to a transcript.
    #[must_use]
    pub fn bind(&self, transcript: Transcript) -> Transcript {
        bind(self, transcript)
    }
}

impl SecretKeys {
    /// Fresh parameters for N = pq.
    ///
    /// # Errors
    /// [`InvalidKeys`] when the primes are the same, or not of the length that `sizes` says: the caller's misuse.
    pub fn generate(
        sizes: Sizes,
        p: SafePrime,
        q: SafePrime,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, InvalidKeys> {
        let decryption = DecryptionKey::new(&p, &q)?;
        let own = OwnParameters::generate(&p, &q, lengths(sizes), rng)?;
        Self::from_parts(sizes, decryption, own, [p, q])
    }

    /// The keys with these primes, λ and t, as they were stored.
    ///
    /// # Errors
    /// [`InvalidKeys`]: they were stored or restored wrongly.
    pub fn restore(
        sizes: Sizes,
        p: SafePrime,
        q: SafePrime,
        lambda: &Natural,
        base: &Natural,
    ) -> Result<Self, InvalidKeys> {
        let decryption = DecryptionKey::new(&p, &q)?;
        let own = OwnParameters::restore(&p, &q, lambda, base, lengths(sizes))?;
        Self::from_parts(sizes, decryption, own, [p, q])
    }

    fn from_parts(
        sizes: Sizes,
        decryption: DecryptionKey,
        own: OwnParameters,
        primes: [SafePrime; 2],
    ) -> Result<Self, InvalidKeys> {
        let encryption = EncryptionKey::new(decryption.public().number().clone(), sizes.modulus())?;
        let public = PublicKeys { sizes, encryption, parameters: own.public().clone() };
        Ok(Self { public, decryption, own, primes })
    }

    /// What others know.
    #[must_use]
    pub const fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// The Paillier key.
    #[must_use]
    pub const fn decryption(&self) -> &DecryptionKey {
        &self.decryption
    }

    /// The ring-Pedersen parameters with their trapdoor.
    #[must_use]
    pub const fn own_parameters(&self) -> &OwnParameters {
        &self.own
    }

    /// The factors of N.
    #[must_use]
    pub const fn primes(&self) -> &[SafePrime; 2] {
        &self.primes
    }
}

impl Keys for PublicKeys {
    fn sizes(&self) -> Sizes {
        self.sizes
    }

    fn encryption(&self) -> &EncryptionKey {
        &self.encryption
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn nonce_with_power(&self, rng: &mut dyn CryptoRngCore) -> (Nonce, NoncePower) {
        let nonce = self.encryption.nonce(rng);
        let power = self.encryption.nonce_power(&nonce);
        (nonce, power)
    }

    fn nonce_power_vartime(&self, nonce: &Nonce) -> NoncePower {
        self.encryption.nonce_power_vartime(nonce)
    }

    fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        self.encryption.mul(ciphertext, factor)
    }

    fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment {
        self.parameters.commit(value, randomness)
    }
}

impl Keys for SecretKeys {
    fn sizes(&self) -> Sizes {
        self.public.sizes
    }

    fn encryption(&self) -> &EncryptionKey {
        &self.public.encryption
    }

    fn parameters(&self) -> &Parameters {
        &self.public.parameters
    }

    fn nonce_with_power(&self, rng: &mut dyn CryptoRngCore) -> (Nonce, NoncePower) {
        self.decryption.nonce_with_power(rng)
    }

    fn nonce_power_vartime(&self, nonce: &Nonce) -> NoncePower {
        self.decryption.nonce_power(nonce)
    }

    fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        self.decryption.mul(ciphertext, factor)
    }

    fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment {
        self.own.commit(value, randomness)
    }
}

/// Adds N, s and t to a transcript.
pub(crate) fn bind(keys: &dyn Keys, transcript: Transcript) -> Transcript {
    let [s, t] = keys.parameters().bases();
    transcript.field("N", &keys.encryption().number().to_le_bytes()).field("s", &s).field("t", &t)
}

/// The longest exponents of the proofs that are made all the time: those of Π^aff-g.
const fn lengths(sizes: Sizes) -> Lengths {
    Lengths {
        value: sizes.mask() + sizes.slack(),
        randomness: sizes.modulus() + sizes.secret() + sizes.slack(),
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeys({} bits)", self.sizes.modulus())
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKeys({} bits, redacted)", self.public.sizes.modulus())
    }
}
