//! Secrets that so many of their holders bring back together, and fewer never.
//!
//! [`split`] seals a secret by ChaCha20-Poly1305 under a key that HKDF-SHA256 makes of a random scalar, and shares the scalar by
//! Shamir's scheme over the scalars of Ed25519. Each holder gets one file, in the age format: a share, the sealed secret, and the
//! coefficients of the polynomial in the exponent (Feldman 1987), by which a share that is not right is told from the others. With `threshold` of the
//! files [`combine`] brings the secret back; nothing else is needed.
//!
//! A holder who does not want to hand out the key of the file decrypts it with `age` and encrypts what is in it to whoever
//! combines.
//!
//! # Security
//! Fewer than `threshold` shares say nothing about the scalar but its point in the exponent, which says nothing to who can't compute discrete
//! logarithms. Anybody can make files of a secret that he knows: only that what comes back opens what it is for shows that it is right.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use hkdf::Hkdf;
use quorate_age::{AgeError, Identity, Recipient};
use quorate_keys::Secret;
pub use quorate_sharing::Threshold;
use quorate_sharing::{Commitment, Curve, Ed25519, PartyIndex, Polynomial, SecretShare, lagrange_at_zero};
use rand_core::CryptoRngCore;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

type Scalar = <Ed25519 as Curve>::Scalar;

/// The longest secret that is split, in bytes.
pub const MOST_SECRET: usize = 4096;
/// The most holders: as many as there are party indices would be more than anybody keeps track of.
pub const MOST_HOLDERS: usize = 64;
/// The longest name of what the secret is of, in bytes.
pub const MOST_NAME: usize = 256;

const FORMAT: &[u8; 26] = b"quorate recovery share 1\n\0";
/// Each key seals once.
const NONCE: [u8; 12] = [0; 12];
const INFO: &[u8] = b"quorate/recovery/v1";
/// What is in a file at most: coefficients, name and secret, and a few bytes.
const MOST_CONTENT: usize = 16 * 1024;

/// Why a secret can't be split or brought back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// There are fewer holders than have to come together, or too many.
    #[error(
        "{holders} holders, of whom {threshold} have to come together: there have to be {threshold} to {MOST_HOLDERS}"
    )]
    Holders {
        /// How many there are.
        holders: usize,
        /// How many have to come together.
        threshold: u16,
    },
    /// One holder would have two shares.
    #[error("{0} is there twice: each holder has one share")]
    Twice(Recipient),
    /// The secret is empty, or too long.
    #[error("a secret of {0} bytes: it has 1 to {MOST_SECRET}")]
    Length(usize),
    /// The name of what the secret is of is empty or too long, or has control characters in it.
    #[error("what the secret is of has to be named by one line of 1 to {MOST_NAME} bytes")]
    Name,
    /// The encryption of a file.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// Reading or writing failed. What is wrong with a file is of the kind [`io::ErrorKind::InvalidData`], or
    /// [`io::ErrorKind::UnexpectedEof`] where it was cut short.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is inside is no share, or one of a newer release.
    #[error("no recovery share: {0}")]
    Malformed(&'static str),
    /// The share is not the one that was made for its holder.
    #[error("share {0} is not what was dealt: it was altered")]
    Wrong(PartyIndex),
    /// Shares of several secrets, or of one that was split several times.
    #[error("shares {0} and {1} were not made together")]
    OtherSet(PartyIndex, PartyIndex),
    /// More holders have to come together.
    #[error("{have} of {need} shares that it takes: {} more {}", .need - .have, if .need - .have == 1 { "is missing" } else { "are missing" })]
    TooFew {
        /// How many different ones there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// What was sealed was altered.
    #[error("the sealed secret was altered")]
    Altered,
}

/// What all shares of a secret have in common.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Set {
    id: [u8; 16],
    of: String,
    threshold: Threshold,
    holders: u16,
    /// In transport encoding.
    commitment: Vec<u8>,
}

impl Set {
    /// The key that a scalar makes: of each set there is another, which seals once.
    fn cipher(&self, scalar: &Scalar) -> ChaCha20Poly1305 {
        let scalar = Zeroizing::new(Ed25519::scalar_to_bytes(scalar));
        let mut key = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(Some(&self.id), scalar.as_slice());
        // Not too long for HKDF.
        let _ = hkdf.expand(INFO, key.as_mut_slice());
        ChaCha20Poly1305::new(key.as_slice().into())
    }

    /// What is sealed along with the secret.
    fn to_bytes(&self) -> Result<Vec<u8>, RecoveryError> {
        Ok(borsh::to_vec(self)?)
    }

    fn check(&self) -> Result<Commitment<Ed25519>, RecoveryError> {
        let holders = usize::from(self.holders);
        if !named(&self.of) || holders < self.threshold.count() || holders > MOST_HOLDERS {
            return Err(RecoveryError::Malformed("its head makes no sense"));
        }
        Commitment::from_bytes(&self.commitment, self.threshold)
            .map_err(|_| RecoveryError::Malformed("its coefficients are none"))
    }
}

fn named(of: &str) -> bool {
    (1..=MOST_NAME).contains(&of.len()) && !of.chars().any(char::is_control)
}

/// Splits a secret among holders, of whom `threshold` have to come together: one file for each, in their order. `of`: what the secret is of, as the files tell.
///
/// # Errors
/// Too few or too many holders, or one twice; the secret is empty or too long; `of` is no name.
pub fn split(
    secret: &Secret<Vec<u8>>,
    of: &str,
    threshold: Threshold,
    holders: &[Recipient],
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<Vec<u8>>, RecoveryError> {
    let length = secret.expose().len();
    if !(1..=MOST_SECRET).contains(&length) {
        return Err(RecoveryError::Length(length));
    }
    if !named(of) {
        return Err(RecoveryError::Name);
    }
    if holders.len() < threshold.count() || holders.len() > MOST_HOLDERS {
        return Err(RecoveryError::Holders { holders: holders.len(), threshold: threshold.get() });
    }
    let twice = holders
        .iter()
        .enumerate()
        .find(|(place, holder)| holders.iter().take(*place).any(|other| other == *holder));
    if let Some((_, holder)) = twice {
        return Err(RecoveryError::Twice(*holder));
    }
    let mut scalar = Zeroizing::new(Scalar::random(&mut *rng));
    let polynomial = Polynomial::<Ed25519>::with_constant(&scalar, threshold, rng);
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let holding = u16::try_from(holders.len()).unwrap_or(u16::MAX);
    let commitment = Commitment::of(&polynomial).to_bytes();
    let set = Set { id, of: of.to_owned(), threshold, holders: holding, commitment };
    let payload = set.to_bytes()?;
    let sealed = set.cipher(&scalar).encrypt(&NONCE.into(), Payload { msg: secret.expose(), aad: &payload });
    scalar.zeroize();
    let sealed = sealed.map_err(|_| RecoveryError::Length(length))?;
    (1..)
        .zip(holders)
        .map(|(index, holder)| {
            let index = PartyIndex::new(index)
                .map_err(|_| RecoveryError::Holders { holders: holders.len(), threshold: threshold.get() })?;
            let share = polynomial.share(index);
            let mut file = quorate_age::encrypt(&[*holder], Vec::new(), rng)?;
            file.write_all(FORMAT)?;
            (&set, &sealed, index, share.to_bytes().expose()).serialize(&mut file)?;
            Ok(file.finish()?)
        })
        .collect()
}

/// What one holder has of a secret.
pub struct RecoveryShare {
    set: Set,
    sealed: Vec<u8>,
    share: SecretShare<Ed25519>,
}

impl fmt::Debug for RecoveryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryShare({} of {}, of {:?})", self.index(), self.holders(), self.of())
    }
}

impl RecoveryShare {
    /// Reads a file by the first of the identities that it is encrypted to, or what is in it, if somebody has decrypted it before.
    ///
    /// # Errors
    /// It is neither, or encrypted to none of them; or the share in it is not what was dealt.
    pub fn read(file: impl Read, identities: &[Identity]) -> Result<Self, RecoveryError> {
        let mut file = io::BufReader::new(file);
        if file.fill_buf()?.starts_with(&FORMAT[..]) {
            return Self::of_content(file);
        }
        Self::of_content(quorate_age::decrypt(identities, file)?)
    }

    fn of_content(content: impl Read) -> Result<Self, RecoveryError> {
        // All at once: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_CONTENT + 1));
        content.take(MOST_CONTENT as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MOST_CONTENT {
            return Err(RecoveryError::Malformed("it is too long"));
        }
        let content = bytes.strip_prefix(&FORMAT[..]);
        let mut content =
            content.ok_or(RecoveryError::Malformed("its first line is another, or of a newer release"))?;
        let (set, sealed, index) = <(Set, Vec<u8>, PartyIndex)>::deserialize(&mut content)
            .map_err(|_| RecoveryError::Malformed("it can't be read"))?;
        let commitment = set.check()?;
        if index.get() > set.holders {
            return Err(RecoveryError::Malformed("it is of a holder beyond the last"));
        }
        let share = SecretShare::from_bytes(index, content)
            .map_err(|_| RecoveryError::Malformed("it can't be read"))?;
        if !share.verify(&commitment) {
            return Err(RecoveryError::Wrong(index));
        }
        Ok(Self { set, sealed, share })
    }

    /// What the secret is of.
    #[must_use]
    pub fn of(&self) -> &str {
        &self.set.of
    }

    /// Which holder's it is: 1 is the first.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.share.index()
    }

    /// How many holders have to come together.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.set.threshold
    }

    /// How many holders there are.
    #[must_use]
    pub const fn holders(&self) -> u16 {
        self.set.holders
    }
}

/// Brings a secret back. Shares that are there twice count once, and those beyond the threshold are not needed.
///
/// # Errors
/// The shares were not made together, or are too few; what was sealed was altered.
pub fn combine(shares: &[RecoveryShare]) -> Result<Secret<Vec<u8>>, RecoveryError> {
    let Some(first) = shares.first() else { return Err(RecoveryError::TooFew { have: 0, need: 2 }) };
    let other = shares.iter().find(|share| (&share.set, &share.sealed) != (&first.set, &first.sealed));
    if let Some(other) = other {
        return Err(RecoveryError::OtherSet(first.index(), other.index()));
    }
    let all: BTreeMap<PartyIndex, &SecretShare<Ed25519>> =
        shares.iter().map(|share| (share.index(), &share.share)).collect();
    let need = first.threshold().count();
    if all.len() < need {
        return Err(RecoveryError::TooFew { have: all.len(), need });
    }
    let used: Vec<PartyIndex> = all.keys().copied().take(need).collect();
    let mut scalar = Zeroizing::new(Scalar::ZERO);
    for (index, share) in all.iter().take(need) {
        let weight = lagrange_at_zero::<Ed25519>(*index, &used).map_err(|_| RecoveryError::Altered)?;
        *scalar += weight * share.expose();
    }
    let cipher = first.set.cipher(&scalar);
    let payload = Payload { msg: &first.sealed, aad: &first.set.to_bytes()? };
    cipher.decrypt(&NONCE.into(), payload).map(Secret::new).map_err(|_| RecoveryError::Altered)
}
