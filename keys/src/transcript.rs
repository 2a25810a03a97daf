//! Domain-separated hashing of labelled fields.

use sha2::{Digest, Sha256, Sha512};

/// A hash over labelled fields: SHA-512, with the domain, every label and every field prefixed by its length.
///
/// Two different sequences of fields never hash the same bytes.
#[derive(Clone)]
pub struct Transcript(Sha512);

impl Transcript {
    /// Begins a transcript. The domain names what is hashed, with a version: `quorate/proposal/v1`.
    #[must_use]
    pub fn new(domain: &[u8]) -> Self {
        Self(Sha512::new()).absorb(domain)
    }

    /// Adds a field.
    #[must_use]
    pub fn field(self, label: &'static str, bytes: &[u8]) -> Self {
        self.absorb(label.as_bytes()).absorb(bytes)
    }

    fn absorb(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// 64 bytes, for scalars that must not be biased.
    #[must_use]
    pub fn wide(self) -> [u8; 64] {
        self.0.finalize().into()
    }

    /// 32 bytes: the first half of [`Transcript::wide`].
    #[must_use]
    pub fn digest(self) -> [u8; 32] {
        split(&self.wide()).0
    }
}

/// A digest of one field that may be long: SHA-256, which processors have instructions for, with the domain prefixed by its length.
#[must_use]
pub fn bulk_digest(domain: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update((domain.len() as u64).to_le_bytes());
    digest.update(domain);
    digest.update(bytes);
    digest.finalize().into()
}

/// The two halves of 64 bytes.
pub(crate) fn split(wide: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let mut halves = ([0; 32], [0; 32]);
    let (left, right) = wide.split_at(32);
    halves.0.copy_from_slice(left);
    halves.1.copy_from_slice(right);
    halves
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transcript")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_can_not_be_shifted_into_each_other() {
        let whole = Transcript::new(b"test").field("a", b"bc").digest();
        assert_ne!(whole, Transcript::new(b"test").field("ab", b"c").digest());
        assert_ne!(whole, Transcript::new(b"test").field("a", b"b").field("", b"c").digest());
        assert_ne!(whole, Transcript::new(b"tes").field("ta", b"bc").digest());
        assert_ne!(Transcript::new(b"test").field("a", b"").digest(), Transcript::new(b"test").digest());
        assert_eq!(whole, Transcript::new(b"test").field("a", b"bc").digest());
    }

    #[test]
    fn a_domain_can_not_be_shifted_into_what_is_digested() {
        let whole = bulk_digest(b"test", b"abc");
        assert_ne!(whole, bulk_digest(b"testa", b"bc"));
        assert_ne!(whole, bulk_digest(b"test", b"abd"));
        assert_eq!(whole, bulk_digest(b"test", b"abc"));
    }
}
