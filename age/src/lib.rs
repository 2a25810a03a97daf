//! Files encrypted to recipients, in the age v1 format (C2SP, "The age file encryption format"), with X25519 keys: what
//! [`age`](https://age-encryption.org) and its relatives read and write.
//!
//! A file has a header and a payload. The header wraps a file key for each recipient (`X25519` stanzas), and is
//! authenticated under the file key; the payload is ChaCha20-Poly1305 over chunks of 64 KiB (STREAM), of which the last is marked, so that a
//! file that was cut short is not taken for a whole one.
//!
//! Passphrases, SSH keys, plugins and ASCII armor are not there. Stanzas of other kinds are passed over when a file is decrypted, but
//! for `scrypt`, which the format has stand alone.
//!
//! # Security
//! Anybody can encrypt to a recipient: that a file decrypts says nothing about who made it. Whoever depends on that signs what is
//! inside. Files show how many recipients they have, and not which.

mod header;
mod keys;
mod payload;

pub use header::{MOST_HEADER, MOST_RECIPIENTS};
pub use keys::{Identity, KeyError, Recipient, identities};
pub use payload::{Decryptor, Encryptor};

use std::io::{self, Read, Write};

use quorate_keys::Secret;
use rand_core::{CryptoRng, RngCore};

/// Why a file can't be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgeError {
    /// No recipient, or more than [`MOST_RECIPIENTS`].
    #[error("{0} recipients: there have to be 1 to {MOST_RECIPIENTS}")]
    Recipients(usize),
    /// A recipient's public key is a point of small order.
    #[error("{0} is no key that anything can be encrypted to")]
    WeakRecipient(Recipient),
    /// The beginning is not that of an age file.
    #[error("not an age file")]
    NotAge,
    /// The header is not as the format has it.
    #[error("the header is malformed: {0}")]
    Header(&'static str),
    /// None of the identities is a recipient's.
    #[error("encrypted to none of these identities")]
    NoMatch,
    /// The header was altered.
    #[error("the header was altered")]
    Altered,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
    /// Reading or writing failed. What is wrong with a payload is of the kind [`io::ErrorKind::InvalidData`], or
    /// [`io::ErrorKind::UnexpectedEof`] where it was cut short.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Encrypts what is written to it for each of the recipients. It has to be [finished](Encryptor::finish).
///
/// # Errors
/// No recipient or too many; a recipient's key is none; writing the header fails.
pub fn encrypt<W: Write>(
    recipients: &[Recipient],
    mut output: W,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Encryptor<W>, AgeError> {
    let mut file_key = Secret::new([0; header::FILE_KEY]);
    rng.try_fill_bytes(file_key.expose_mut()).map_err(|_| AgeError::Randomness)?;
    output.write_all(&header::seal(recipients, &file_key, rng)?)?;
    let mut nonce = [0; payload::NONCE];
    rng.try_fill_bytes(&mut nonce).map_err(|_| AgeError::Randomness)?;
    output.write_all(&nonce)?;
    Ok(Encryptor::new(output, &header::payload_key(&file_key, &nonce)))
}

/// Decrypts a file by the first of the identities that is a recipient's.
///
/// # Errors
/// It is no age file, its header is malformed or altered, or none of the identities opens it.
pub fn decrypt<R: Read>(identities: &[Identity], mut input: R) -> Result<Decryptor<R>, AgeError> {
    let file_key = header::open(identities, &header::read(&mut input)?)?;
    let mut nonce = [0; payload::NONCE];
    input.read_exact(&mut nonce)?;
    Ok(Decryptor::new(input, &header::payload_key(&file_key, &nonce)))
}
