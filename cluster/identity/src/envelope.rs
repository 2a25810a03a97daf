//! A secret sealed under a passphrase: the one implementation behind the store's data key and the identity file.
//!
//! ```text
//! "quorate\0" | format u16 | kind (u8 length, bytes) | m KiB u32 | t u32 | p u32 | salt 16 | nonce 12
//!   | sealed (u32 length, bytes) | HMAC-SHA-256 32 | SHA-256 32            (integers little-endian)
//! ```
//! Argon2id(passphrase, salt) gives 64 bytes: an AES-256-GCM key and a MAC key. The MAC covers everything before
//! it, and the header is also the associated data of the AEAD, so that neither parameters nor kind can be altered.
//! The MAC commits to the key, which AES-GCM alone does not do: one file cannot open under two passphrases.
//!
//! The plain SHA-256 at the end tells an accident from a wrong passphrase before any key is derived: a flipped bit
//! fails the digest (*damaged*), a sound file whose MAC fails was met with the *wrong passphrase*. Somebody who
//! alters the file on purpose can recompute the digest and is then told "wrong passphrase": refused all the same.
//!
//! # Security
//! Weaker parameters written into the header by somebody else gain nothing: the secret is wrapped under the key that
//! the original parameters gave, and the altered ones derive another. What must be prevented is that they live on, so
//! a rewrap takes its parameters from the caller, never from the file. The floor stops us from going on with a file
//! that was *sealed* weakly, and the ceiling stops a header from making us allocate the whole machine.

use std::path::Path;
use std::{fs, io};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use quorate_keys::Secret;
use rand_core::{CryptoRng, RngCore};
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &[u8; 8] = b"quorate\0";
const FORMAT: u16 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;
const MAC: usize = 32;
const DIGEST: usize = 32;
/// No sealed secret of ours is near this; a length field above it is damage.
const MAX_SEALED: usize = 64 * 1024;
/// A passphrase longer than this is a mistaken file.
const MAX_PASSPHRASE: u64 = 4096;

/// A passphrase. Not empty, never printed, wiped when dropped.
#[derive(Debug)]
pub struct Passphrase(Secret<Vec<u8>>);

/// An empty passphrase protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is empty")]
pub struct EmptyPassphrase;

impl Passphrase {
    /// Takes the bytes as they are; reading and trimming is the caller's business.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EmptyPassphrase> {
        if bytes.is_empty() { Err(EmptyPassphrase) } else { Ok(Self(Secret::new(bytes))) }
    }

    /// Reads a file: its content without a final line break.
    ///
    /// # Errors
    /// When it cannot be read, is longer than any passphrase, or holds none.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let metadata = fs::metadata(path)?;
        if metadata.len() > MAX_PASSPHRASE {
            return Err(io::Error::other(format!("a passphrase file has at most {MAX_PASSPHRASE} bytes")));
        }
        #[cfg(unix)]
        if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the passphrase file is not its owner's alone: set it to mode 0600");
        }
        let content = Zeroizing::new(fs::read(path)?);
        let line = content.strip_suffix(b"\n").unwrap_or(&content);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::new(line.to_vec()).map_err(io::Error::other)
    }

    /// The bytes.
    #[must_use]
    pub const fn secret(&self) -> &Secret<Vec<u8>> {
        &self.0
    }

    fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The cost of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl KdfParams {
    /// The least that is accepted, for new files and old: the OWASP minimum for Argon2id (19 MiB, 2 passes).
    pub const FLOOR: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// The most that is accepted: more could only be there to exhaust us.
    pub const CEILING: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    fn check(self) -> Result<Self, EnvelopeError> {
        for (name, value, floor, ceiling) in [
            ("memory in KiB", self.memory_kib, Self::FLOOR.memory_kib, Self::CEILING.memory_kib),
            ("passes", self.passes, Self::FLOOR.passes, Self::CEILING.passes),
            ("lanes", self.lanes, Self::FLOOR.lanes, Self::CEILING.lanes),
        ] {
            if !(floor..=ceiling).contains(&value) {
                return Err(EnvelopeError::Parameters(format!(
                    "{name} is {value}, accepted is {floor} to {ceiling}"
                )));
            }
        }
        Ok(self)
    }
}

impl Default for KdfParams {
    /// 64 MiB, 3 passes, 1 lane.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

/// Why a sealed secret did not open, or could not be made. A closed list: whoever seals says each of them in his own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Sound, and not opened by this passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Of a later release.
    #[error("format version {found} is newer than {supported}")]
    NewerFormat {
        /// The version found.
        found: u16,
        /// The newest understood here.
        supported: u16,
    },
    /// Parameters outside the accepted range.
    #[error("key derivation parameters not accepted: {0}")]
    Parameters(String),
    /// Not what was written.
    #[error("{0}")]
    Damaged(&'static str),
    /// A primitive failed.
    #[error("{0}")]
    Crypto(&'static str),
}

/// Seals `secret` under `passphrase`. `kind` says what it is and must be given again to open it.
///
/// # Errors
/// Parameters out of range; a failing random number generator.
pub fn seal(
    kind: &str,
    passphrase: &Passphrase,
    params: KdfParams,
    secret: &[u8],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<u8>, EnvelopeError> {
    let params = params.check()?;
    let mut salt = [0; SALT];
    let mut nonce = [0; NONCE];
    rng.try_fill_bytes(&mut salt).map_err(|_| EnvelopeError::Crypto("no randomness"))?;
    rng.try_fill_bytes(&mut nonce).map_err(|_| EnvelopeError::Crypto("no randomness"))?;
    let kind_length = u8::try_from(kind.len()).map_err(|_| EnvelopeError::Crypto("kind too long"))?;

    let mut out = Vec::with_capacity(256 + secret.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.push(kind_length);
    out.extend_from_slice(kind.as_bytes());
    for cost in [params.memory_kib, params.passes, params.lanes] {
        out.extend_from_slice(&cost.to_le_bytes());
    }
    out.extend_from_slice(&salt);
    out.extend_from_slice(&nonce);

    let keys = Keys::derive(passphrase, params, &salt)?;
    let mut sealed = Zeroizing::new(secret.to_vec());
    keys.aead
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(out.as_slice()),
            &mut Appending(&mut sealed),
        )
        .map_err(|_| EnvelopeError::Crypto("sealing failed"))?;
    let length = u32::try_from(sealed.len()).map_err(|_| EnvelopeError::Crypto("secret too long"))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sealed);
    let mac = hmac::sign(&keys.mac, &out);
    out.extend_from_slice(mac.as_ref());
    let checksum = digest::digest(&digest::SHA256, &out);
    out.extend_from_slice(checksum.as_ref());
    Ok(out)
}

/// Opens what [`seal`] made with the same `kind`.
///
/// # Errors
/// [`EnvelopeError::Damaged`] before any key is derived when the bytes are not as written;
/// [`EnvelopeError::WrongPassphrase`] when they are and the passphrase is not the one.
pub fn open(kind: &str, passphrase: &Passphrase, bytes: &[u8]) -> Result<Secret<Vec<u8>>, EnvelopeError> {
    // Every format version begins with the magic and ends with the digest of what precedes it.
    let body = bytes.strip_prefix(MAGIC).ok_or(EnvelopeError::Damaged("not a sealed secret of Quorate"))?;
    let (content, checksum) =
        bytes.split_last_chunk::<DIGEST>().ok_or(EnvelopeError::Damaged("truncated"))?;
    if digest::digest(&digest::SHA256, content).as_ref() != checksum {
        return Err(EnvelopeError::Damaged("its digest does not match its content"));
    }
    let mut reader = Reader(body);
    let format = u16::from_le_bytes(reader.take()?);
    if format > FORMAT {
        return Err(EnvelopeError::NewerFormat { found: format, supported: FORMAT });
    }
    if format != FORMAT {
        return Err(EnvelopeError::Damaged("unknown format version"));
    }
    let [kind_length] = reader.take()?;
    if reader.slice(kind_length.into())? != kind.as_bytes() {
        return Err(EnvelopeError::Damaged("it holds another kind of secret"));
    }
    let params = KdfParams {
        memory_kib: u32::from_le_bytes(reader.take()?),
        passes: u32::from_le_bytes(reader.take()?),
        lanes: u32::from_le_bytes(reader.take()?),
    };
    let salt = reader.take::<SALT>()?;
    let nonce = reader.take::<NONCE>()?;
    let header_length = bytes.len().saturating_sub(reader.0.len());
    let header = bytes.get(..header_length).ok_or(EnvelopeError::Damaged("truncated"))?;
    let sealed_length = u32::from_le_bytes(reader.take()?) as usize;
    if sealed_length > MAX_SEALED {
        return Err(EnvelopeError::Damaged("a length field is out of range"));
    }
    let mut sealed = reader.slice(sealed_length)?.to_vec();
    let covered_length = bytes.len().saturating_sub(reader.0.len());
    let covered = bytes.get(..covered_length).ok_or(EnvelopeError::Damaged("truncated"))?;
    let mac = reader.take::<MAC>()?;
    if reader.0.len() != DIGEST {
        return Err(EnvelopeError::Damaged("it has the wrong length"));
    }

    let keys = Keys::derive(passphrase, params.check()?, &salt)?;
    hmac::verify(&keys.mac, covered, &mac).map_err(|_| EnvelopeError::WrongPassphrase)?;
    let opened = keys
        .aead
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut sealed)
        .map_err(|_| EnvelopeError::Damaged("its content fails authentication"))?
        .len();
    sealed.truncate(opened);
    Ok(Secret::new(sealed))
}

struct Keys {
    aead: LessSafeKey,
    mac: hmac::Key,
}

impl Keys {
    fn derive(passphrase: &Passphrase, params: KdfParams, salt: &[u8; SALT]) -> Result<Self, EnvelopeError> {
        const FAILED: EnvelopeError = EnvelopeError::Crypto("key derivation failed");
        let argon_params =
            Params::new(params.memory_kib, params.passes, params.lanes, Some(64)).map_err(|_| FAILED)?;
        let blocks = argon_params.block_count();
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, argon_params);
        // Our own memory, so that it can be wiped: the last blocks determine the key.
        let mut memory = Vec::with_capacity(blocks.max(GIVEN_BACK / size_of::<Block>()));
        memory.resize(blocks, Block::default());
        let mut okm = Zeroizing::new([0u8; 64]);
        let derived =
            argon.hash_password_into_with_memory(passphrase.expose(), salt, okm.as_mut(), &mut memory);
        memory.iter_mut().for_each(Zeroize::zeroize);
        derived.map_err(|_| FAILED)?;
        let (encryption, authentication) = okm.split_at(32);
        let aead = UnboundKey::new(&AES_256_GCM, encryption).map_err(|_| FAILED)?;
        Ok(Self { aead: LessSafeKey::new(aead), mac: hmac::Key::new(hmac::HMAC_SHA256, authentication) })
    }
}

/// More than the C library ever keeps when it is freed (glibc: 32 MiB): a node that starts with less would go on with the
/// derivation's memory in its size.
const GIVEN_BACK: usize = 33 * 1024 * 1024;

/// Lets the AEAD append its tag to a wiped buffer.
struct Appending<'a>(&'a mut Zeroizing<Vec<u8>>);

impl AsMut<[u8]> for Appending<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }
}

impl<'a> Extend<&'a u8> for Appending<'_> {
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, iter: T) {
        self.0.extend(iter);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(EnvelopeError::Damaged("truncated"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], EnvelopeError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(EnvelopeError::Damaged("truncated"))?;
        self.0 = rest;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec()).unwrap()
    }

    fn sealed() -> Vec<u8> {
        seal("test", &passphrase("correct"), KdfParams::FLOOR, b"the secret", &mut OsRng).unwrap()
    }

    fn with_digest(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.truncate(bytes.len() - DIGEST);
        let checksum = digest::digest(&digest::SHA256, &bytes);
        bytes.extend_from_slice(checksum.as_ref());
        bytes
    }

    const PARAMS_AT: usize = 8 + 2 + 1 + 4;

    #[test]
    fn what_was_sealed_opens_with_the_same_passphrase_and_no_other() {
        let bytes = sealed();
        assert_eq!(open("test", &passphrase("correct"), &bytes).unwrap().expose(), b"the secret");
        assert_eq!(open("test", &passphrase("wrong"), &bytes).unwrap_err(), EnvelopeError::WrongPassphrase);
        assert!(!bytes.windows(10).any(|w| w == b"the secret"));
    }

    #[test]
    fn an_accidental_change_anywhere_is_damage_and_never_a_wrong_passphrase() {
        let bytes = sealed();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let error = open("test", &passphrase("correct"), &changed).unwrap_err();
            assert!(matches!(error, EnvelopeError::Damaged(_)), "byte {at}: {error:?}");
        }
        for length in 0..bytes.len() {
            let error = open("test", &passphrase("correct"), &bytes[..length]).unwrap_err();
            assert!(matches!(error, EnvelopeError::Damaged(_)), "length {length}: {error:?}");
        }
    }

    #[test]
    fn a_deliberate_change_with_a_fresh_digest_is_refused_by_the_mac() {
        let bytes = sealed();
        // Salt, nonce, ciphertext, MAC.
        for at in PARAMS_AT + 12..bytes.len() - DIGEST {
            // Each derives a key; sample the range.
            if at % 9 != 0 {
                continue;
            }
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open("test", &passphrase("correct"), &with_digest(changed)).is_err(), "byte {at}");
        }
        let mut more_passes = bytes;
        more_passes[PARAMS_AT + 4] += 1;
        assert_eq!(
            open("test", &passphrase("correct"), &with_digest(more_passes)).unwrap_err(),
            EnvelopeError::WrongPassphrase
        );
    }

    #[test]
    fn parameters_outside_the_range_are_refused_before_any_work() {
        for (offset, value) in [(0, 8u32), (0, u32::MAX), (4, 1), (4, 1000), (8, 0), (8, 200)] {
            let mut changed = sealed();
            changed[PARAMS_AT + offset..PARAMS_AT + offset + 4].copy_from_slice(&value.to_le_bytes());
            let error = open("test", &passphrase("correct"), &with_digest(changed)).unwrap_err();
            assert!(matches!(error, EnvelopeError::Parameters(_)), "{error:?}");
        }
        let weak = KdfParams { memory_kib: 64, ..KdfParams::default() };
        assert!(matches!(
            seal("test", &passphrase("p"), weak, b"s", &mut OsRng),
            Err(EnvelopeError::Parameters(_))
        ));
    }

    #[test]
    fn another_kind_and_a_newer_format_are_refused_by_name() {
        assert_eq!(
            open("tset", &passphrase("correct"), &sealed()).unwrap_err(),
            EnvelopeError::Damaged("it holds another kind of secret")
        );
        let mut newer = sealed();
        newer[8] = 7;
        assert_eq!(
            open("test", &passphrase("correct"), &with_digest(newer)).unwrap_err(),
            EnvelopeError::NewerFormat { found: 7, supported: 1 }
        );
    }

    #[test]
    fn an_empty_passphrase_is_refused_and_none_is_printed() {
        assert_eq!(Passphrase::new(Vec::new()).unwrap_err(), EmptyPassphrase);
        assert!(!format!("{:?}", passphrase("correct")).contains("correct"));
    }
}
