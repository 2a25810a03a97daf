//! The header: the file key, wrapped for each recipient, under a MAC.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::MontgomeryPoint;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use quorate_keys::Secret;
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;

use crate::keys::{Identity, Recipient};
use crate::{AgeError, payload};

pub(crate) const FILE_KEY: usize = 16;
/// The most recipients that a file has here.
pub const MOST_RECIPIENTS: usize = 64;
/// The longest header that is read, in bytes.
pub const MOST_HEADER: usize = 64 * 1024;

const FIRST: &[u8] = b"age-encryption.org/v1\n";
const X25519: &str = "X25519";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// Characters of a line of a stanza's body; a shorter one, maybe empty, is the last.
const COLUMNS: usize = 64;
const MAC: usize = 32;
/// A file key and its tag.
const WRAPPED: usize = FILE_KEY + 16;

/// A header as it was read.
pub(crate) struct Header {
    /// What is authenticated: up to the dashes of the last line.
    covered: Vec<u8>,
    stanzas: Vec<Stanza>,
    mac: [u8; MAC],
}

struct Stanza {
    kind: String,
    arguments: Vec<String>,
    body: Vec<u8>,
}

fn hkdf(secret: &[u8], salt: &[u8], info: &[u8]) -> Secret<[u8; 32]> {
    let mut key = Secret::new([0; 32]);
    // 32 bytes are one block of the hash, which is always there.
    let _ = Hkdf::<Sha256>::new(Some(salt), secret).expand(info, key.expose_mut());
    key
}

pub(crate) fn payload_key(
    file_key: &Secret<[u8; FILE_KEY]>,
    nonce: &[u8; payload::NONCE],
) -> Secret<[u8; 32]> {
    hkdf(file_key.expose(), nonce, b"payload")
}

fn mac(file_key: &Secret<[u8; FILE_KEY]>, covered: &[u8]) -> Option<Hmac<Sha256>> {
    let key = hkdf(file_key.expose(), &[], b"header");
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.expose()).ok()?;
    mac.update(covered);
    Some(mac)
}

/// Each wrapping key is used for one message, so its nonce is zero.
fn wrapping(share: &MontgomeryPoint, recipient: &Recipient, shared: &Secret<[u8; 32]>) -> ChaCha20Poly1305 {
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    let key = hkdf(shared.expose(), &salt, X25519_INFO);
    ChaCha20Poly1305::new(Key::from_slice(key.expose()))
}

/// A header that wraps the file key for these recipients.
pub(crate) fn seal(
    recipients: &[Recipient],
    file_key: &Secret<[u8; FILE_KEY]>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Vec<u8>, AgeError> {
    if recipients.is_empty() || recipients.len() > MOST_RECIPIENTS {
        return Err(AgeError::Recipients(recipients.len()));
    }
    let mut header = FIRST.to_vec();
    for recipient in recipients {
        let ephemeral = Identity::generate(rng);
        let shared = ephemeral.shared(&recipient.point()).ok_or(AgeError::WeakRecipient(*recipient))?;
        let share = ephemeral.recipient().point();
        let wrapped = wrapping(&share, recipient, &shared)
            .encrypt(&Nonce::default(), file_key.expose().as_slice())
            .map_err(|_| AgeError::WeakRecipient(*recipient))?;
        // 43 characters: one line, and the last.
        let lines = format!("-> {X25519} {}\n{}\n", BASE64.encode(share.as_bytes()), BASE64.encode(wrapped));
        header.extend_from_slice(lines.as_bytes());
    }
    header.extend_from_slice(b"---");
    let mac = mac(file_key, &header).ok_or(AgeError::Header("it can't be authenticated"))?;
    header.extend_from_slice(format!(" {}\n", BASE64.encode(mac.finalize().into_bytes())).as_bytes());
    Ok(header)
}

/// Reads a header, and nothing behind it.
pub(crate) fn read(input: &mut impl Read) -> Result<Header, AgeError> {
    let mut lines = Lines { input, read: Vec::new() };
    // What is no age file can be anything, and long: no more than the first line is read of it.
    let mut first = [0; FIRST.len()];
    match lines.input.read_exact(&mut first) {
        Ok(()) if first == FIRST => lines.read.extend_from_slice(FIRST),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => return Err(AgeError::NotAge),
    }
    let mut stanzas: Vec<Stanza> = Vec::new();
    loop {
        let line = lines.next()?;
        if let Some(mac) = line.strip_prefix("--- ") {
            let mac = bytes(mac).and_then(|mac| <[u8; MAC]>::try_from(mac).ok());
            let mac = mac.ok_or(AgeError::Header("its MAC is none"))?;
            if stanzas.is_empty() {
                return Err(AgeError::Header("it has no recipient"));
            }
            let behind = line.len().saturating_sub("---".len()).saturating_add(1);
            lines.read.truncate(lines.read.len().saturating_sub(behind));
            return Ok(Header { covered: lines.read, stanzas, mac });
        }
        let arguments = line.strip_prefix("-> ").ok_or(AgeError::Header("a line begins no stanza"))?;
        let mut arguments = arguments.split(' ').map(str::to_owned);
        let visible =
            |argument: &String| !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_graphic());
        let kind = arguments.next().filter(visible).ok_or(AgeError::Header("a stanza is of no kind"))?;
        let arguments: Vec<_> = arguments.collect();
        if !arguments.iter().all(visible) {
            return Err(AgeError::Header("a stanza has an empty argument"));
        }
        let mut body = String::new();
        loop {
            let line = lines.next()?;
            body.push_str(&line);
            match line.len() {
                COLUMNS => {}
                0..COLUMNS => break,
                _ => return Err(AgeError::Header("a line of a stanza is too long")),
            }
        }
        let body = bytes(&body).ok_or(AgeError::Header("a stanza's body is not in base64"))?;
        stanzas.push(Stanza { kind, arguments, body });
    }
}

/// Base64 as the format has it: without padding, and canonical.
fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

struct Lines<'a, R> {
    input: &'a mut R,
    read: Vec<u8>,
}

impl<R: Read> Lines<'_, R> {
    /// The next line, without its end.
    fn next(&mut self) -> Result<String, AgeError> {
        let start = self.read.len();
        loop {
            let mut byte = [0];
            self.input.read_exact(&mut byte).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => AgeError::Header("it was cut short"),
                _ => error.into(),
            })?;
            self.read.extend_from_slice(&byte);
            if self.read.len() > MOST_HEADER {
                return Err(AgeError::Header("it is too long"));
            }
            if byte == [b'\n'] {
                break;
            }
        }
        let line = self.read.get(start..self.read.len().saturating_sub(1)).unwrap_or_default();
        if !line.is_ascii() {
            return Err(AgeError::Header("a line is not plain text"));
        }
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

/// The file key, by the first identity that opens a stanza.
pub(crate) fn open(identities: &[Identity], header: &Header) -> Result<Secret<[u8; FILE_KEY]>, AgeError> {
    if header.stanzas.len() > 1 && header.stanzas.iter().any(|stanza| stanza.kind == "scrypt") {
        return Err(AgeError::Header("a passphrase does not stand alone"));
    }
    for stanza in header.stanzas.iter().filter(|stanza| stanza.kind == X25519) {
        let [share] = stanza.arguments.as_slice() else {
            return Err(AgeError::Header("an X25519 stanza has not one argument"));
        };
        let share = bytes(share).and_then(|share| <[u8; 32]>::try_from(share).ok());
        let share = MontgomeryPoint(share.ok_or(AgeError::Header("an X25519 share is no point"))?);
        // A longer one could be opened by two keys.
        if stanza.body.len() != WRAPPED {
            return Err(AgeError::Header("a wrapped key is of another length"));
        }
        for identity in identities {
            let shared =
                identity.shared(&share).ok_or(AgeError::Header("an X25519 share is of small order"))?;
            let cipher = wrapping(&share, &identity.recipient(), &shared);
            let Ok(opened) = cipher.decrypt(&Nonce::default(), stanza.body.as_slice()) else { continue };
            let opened = Secret::new(opened);
            let Ok(file_key) = <[u8; FILE_KEY]>::try_from(opened.expose().as_slice()) else { continue };
            let file_key = Secret::new(file_key);
            let mac = mac(&file_key, &header.covered).ok_or(AgeError::Altered)?;
            return match mac.verify_slice(&header.mac) {
                Ok(()) => Ok(file_key),
                Err(_) => Err(AgeError::Altered),
            };
        }
    }
    Err(AgeError::NoMatch)
}
