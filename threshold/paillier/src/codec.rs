//! Numbers, ciphertexts, commitments, points and scalars one behind the other, each of a width that is known beforehand.

use quorate_sharing::Curve;

use crate::key::{Ciphertext, EncryptionKey, Nonce};
use crate::natural::Natural;
use crate::pedersen::{Commitment, Parameters};

/// Bytes that are none of what is expected: too few, too many, or a value out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn so_far(&self) -> &[u8] {
        &self.0
    }

    /// A number below 2^`bits`. It is about to be public.
    pub(crate) fn natural(&mut self, number: &Natural, bits: usize) {
        let bytes = number.with_room(bits).to_le_bytes();
        self.0.extend(bytes.iter().take(bits.div_ceil(8)));
    }

    pub(crate) fn ciphertext(&mut self, key: &EncryptionKey, ciphertext: &Ciphertext) {
        self.0.extend(key.bytes(ciphertext));
    }

    pub(crate) fn nonce(&mut self, nonce: &Nonce) {
        self.0.extend_from_slice(&nonce.number().to_le_bytes());
    }

    pub(crate) fn commitment(&mut self, parameters: &Parameters, commitment: &Commitment) {
        self.0.extend(parameters.bytes(commitment));
    }

    pub(crate) fn point<C: Curve>(&mut self, point: &C::Point) {
        self.0.extend(C::encode(point));
    }

    pub(crate) fn scalar<C: Curve>(&mut self, scalar: &C::Scalar) {
        self.0.extend(C::scalar_to_bytes(scalar));
    }
}

pub(crate) struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { all: bytes, rest: bytes }
    }

    /// Nothing must be left.
    pub(crate) const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// What was read so far.
    pub(crate) fn so_far(&self) -> &'a [u8] {
        let length = self.all.len() - self.rest.len();
        self.all.get(..length).unwrap_or_default()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn natural(&mut self, bits: usize) -> Result<Natural, Malformed> {
        let number = Natural::from_le_bytes(self.bytes(bits.div_ceil(8))?);
        if number.bits_vartime() > bits { Err(Malformed) } else { Ok(number) }
    }

    pub(crate) fn ciphertext(&mut self, key: &EncryptionKey) -> Result<Ciphertext, Malformed> {
        let length = 2 * key.number().room() / 8;
        key.ciphertext(self.bytes(length)?).map_err(|_| Malformed)
    }

    pub(crate) fn nonce(&mut self, key: &EncryptionKey) -> Result<Nonce, Malformed> {
        let number = Natural::from_le_bytes(self.bytes(key.number().room() / 8)?);
        key.nonce_of(number).map_err(|_| Malformed)
    }

    pub(crate) fn commitment(&mut self, parameters: &Parameters) -> Result<Commitment, Malformed> {
        let length = parameters.number().room() / 8;
        parameters.commitment(self.bytes(length)?).map_err(|_| Malformed)
    }

    pub(crate) fn point<C: Curve>(&mut self) -> Result<C::Point, Malformed> {
        C::decode(self.bytes(C::POINT_BYTES)?).ok_or(Malformed)
    }

    pub(crate) fn scalar<C: Curve>(&mut self) -> Result<C::Scalar, Malformed> {
        let bytes = self.bytes(32)?.try_into().map_err(|_| Malformed)?;
        C::scalar_from_bytes(bytes).ok_or(Malformed)
    }
}
