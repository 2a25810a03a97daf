//! How long numbers are, and how often a proof with one-bit challenges is repeated (ePrint 2021/060, appendix B).

/// The lengths of one deployment, in bits. All parties of a session have the same ones; every proof binds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    prime: usize,
    slack: usize,
    mask: usize,
    repetitions: usize,
}

impl Sizes {
    /// Those of the paper for a group of 256 bits, at the 128-bit level: moduli of 3072 bits, ε = 512, ℓ' = 1280, 128 repetitions.
    pub const STANDARD: Self = Self { prime: 1536, slack: 512, mask: 1280, repetitions: 128 };

    /// Protects nothing. Just long enough that honest numbers fit.
    #[cfg(all(any(test, feature = "test-sizes"), debug_assertions))]
    pub const TEST: Self = Self { prime: 704, slack: 264, mask: 784, repetitions: 16 };

    /// [`Sizes::TEST`] but for what no length of a proof shows.
    #[cfg(all(test, debug_assertions))]
    pub(crate) const OTHER: Self = Self { repetitions: 17, ..Self::TEST };

    /// Of each of the two primes.
    #[must_use]
    pub const fn prime(self) -> usize {
        self.prime
    }

    /// Of N.
    #[must_use]
    pub const fn modulus(self) -> usize {
        2 * self.prime
    }

    /// ℓ: of scalars, as of challenges.
    #[must_use]
    pub const fn secret(self) -> usize {
        256
    }

    /// ε: by how much a mask is longer than what it hides times a challenge, plus the length of a challenge.
    #[must_use]
    pub const fn slack(self) -> usize {
        self.slack
    }

    /// ℓ': of the number that hides a product of two secrets.
    #[must_use]
    pub const fn mask(self) -> usize {
        self.mask
    }

    /// Of proofs whose challenges have one bit.
    #[must_use]
    pub const fn repetitions(self) -> usize {
        self.repetitions
    }

    /// The number that stands for them in messages and stored records.
    #[must_use]
    pub const fn id(self) -> u8 {
        if self.prime == Self::STANDARD.prime { 1 } else { 0 }
    }

    /// The lengths with this number.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::STANDARD),
            #[cfg(all(any(test, feature = "test-sizes"), debug_assertions))]
            0 => Some(Self::TEST),
            _ => None,
        }
    }

    /// All of them, for transcripts.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [self.prime, self.secret(), self.slack, self.mask, self.repetitions]
            .into_iter()
            .flat_map(|size| (size as u64).to_le_bytes())
            .collect()
    }
}
