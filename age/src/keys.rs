//! Identities and recipients: X25519 keys as age writes them.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use curve25519_dalek::MontgomeryPoint;
use quorate_keys::Secret;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";
const BYTES: usize = 32;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A recipient.
    #[error("not an age recipient: it is `age1` and 58 more lower-case characters")]
    Recipient,
    /// An identity.
    #[error("not an age identity: it is `AGE-SECRET-KEY-1` and 58 more upper-case characters")]
    Identity,
    /// An identity in lower case, or a recipient in upper case, as a line of a file of identities.
    #[error("line {0} is neither a comment nor an age identity (`AGE-SECRET-KEY-1…`)")]
    Line(usize),
    /// A file of identities without any.
    #[error("there is no age identity in it")]
    None,
}

/// Whom a file is encrypted to: `age1…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient([u8; BYTES]);

impl Recipient {
    pub(crate) const fn point(&self) -> MontgomeryPoint {
        MontgomeryPoint(self.0)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(KeyError::Recipient);
        }
        decode(text, RECIPIENT).map(|bytes| Self(*bytes)).ok_or(KeyError::Recipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hrp = Hrp::parse(RECIPIENT).map_err(|_| fmt::Error)?;
        f.write_str(&bech32::encode::<Bech32>(hrp, &self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What decrypts: `AGE-SECRET-KEY-1…`.
#[derive(Debug)]
pub struct Identity(Secret<[u8; BYTES]>);

impl Identity {
    /// A new one.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut secret = Secret::new([0; BYTES]);
        rng.fill_bytes(secret.expose_mut());
        Self(secret)
    }

    /// One that was derived from another secret.
    #[must_use]
    pub const fn from_secret(secret: Secret<[u8; BYTES]>) -> Self {
        Self(secret)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`KeyError::Identity`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(KeyError::Identity);
        }
        decode(text, IDENTITY).map(|bytes| Self(Secret::new(*bytes))).ok_or(KeyError::Identity)
    }

    /// As age writes it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let hrp = Hrp::parse_unchecked(IDENTITY);
        let mut text = Zeroizing::new(bech32::encode::<Bech32>(hrp, self.0.expose()).unwrap_or_default());
        text.make_ascii_uppercase();
        text
    }

    /// Whom files have to be encrypted to for it.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(*self.0.expose()).0)
    }

    /// The secret shared with the owner of a point; nothing where that is of small order.
    pub(crate) fn shared(&self, point: &MontgomeryPoint) -> Option<Secret<[u8; BYTES]>> {
        let shared = Secret::new(point.mul_clamped(*self.0.expose()).0);
        let zero = Secret::new([0; BYTES]);
        (!bool::from(shared.ct_eq(&zero))).then_some(shared)
    }
}

/// Reads a file of identities, as `age-keygen` writes it: one on a line, and comments that begin with `#`.
///
/// # Errors
/// A line is neither, or there is none.
pub fn identities(text: &str) -> Result<Vec<Identity>, KeyError> {
    let lines = text.lines().enumerate().map(|(number, line)| (number.saturating_add(1), line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let found: Vec<_> = lines
        .map(|(number, line)| Identity::parse(line).map_err(|_| KeyError::Line(number)))
        .collect::<Result<_, _>>()?;
    if found.is_empty() { Err(KeyError::None) } else { Ok(found) }
}

fn decode(text: &str, expected: &str) -> Option<Zeroizing<[u8; BYTES]>> {
    // The one length that 32 bytes have.
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text).ok()?;
    if !checked.hrp().as_str().eq_ignore_ascii_case(expected) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; BYTES]);
    let mut decoded = checked.byte_iter();
    for byte in bytes.iter_mut() {
        *byte = decoded.next()?;
    }
    decoded.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    // Of the format's text.
    const SECRET: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    const PUBLIC: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    #[test]
    fn keys_are_written_as_age_writes_them() {
        let identity = Identity::parse(SECRET).unwrap();
        assert_eq!(*identity.to_text(), SECRET);
        assert_eq!(identity.recipient().to_string(), PUBLIC);
        assert_eq!(PUBLIC.parse::<Recipient>().unwrap(), identity.recipient());
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..20 {
            let identity = Identity::generate(&mut rng);
            let again = Identity::parse(&identity.to_text()).unwrap();
            assert_eq!(again.recipient(), identity.recipient());
            assert_eq!(identity.recipient().to_string().parse::<Recipient>().unwrap(), identity.recipient());
        }
        assert_eq!(format!("{identity:?}"), "Identity([redacted])");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let flipped = |text: &str| {
            let (head, last) = text.split_at(text.len() - 1);
            format!("{head}{}", if last == "q" || last == "Q" { "p" } else { "q" })
        };
        for bad in [
            "",
            "age1",
            SECRET,
            &PUBLIC.to_uppercase(),
            &PUBLIC[..PUBLIC.len() - 1],
            &flipped(PUBLIC),
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ] {
            assert_eq!(bad.parse::<Recipient>(), Err(KeyError::Recipient), "{bad}");
        }
        for bad in ["", PUBLIC, &SECRET.to_lowercase(), &flipped(SECRET), &SECRET[1..]] {
            assert_eq!(Identity::parse(bad).unwrap_err(), KeyError::Identity, "{bad}");
        }
    }

    #[test]
    fn a_file_of_identities_has_comments_and_nothing_else() {
        let text = format!("# created: today\n# public key: {PUBLIC}\n{SECRET}\n\n");
        assert_eq!(identities(&text).unwrap().len(), 1);
        assert_eq!(identities("# nothing\n").unwrap_err(), KeyError::None);
        assert_eq!(identities(&format!("{SECRET}\n{PUBLIC}\n")).unwrap_err(), KeyError::Line(2));
    }
}
