//! One encrypted record.
//!
//! ```text
//! version u8 | epoch u64 | salt 16 | nonce 12 | AES-256-GCM ciphertext and tag          (integers little-endian)
//! ```
//! Each record has its own key, HKDF-Expand-SHA-256(data key, label | salt), with a random 128-bit salt, and a random
//! 96-bit nonce beside it. A random nonce alone under one data key would reach the 2^32 records that NIST SP 800-38D allows
//! within weeks at the signing rates this node is built for; the extended nonce (as in XAES-256-GCM) makes that
//! 2^80 and more, so the data key never has to be replaced for use.
//!
//! The associated data bind table, key, version and epoch: a record put in another row, or given another epoch, does
//! not open. An older value of the *same* row does; that is what the store's sequence is for.

use super::{Record, Table};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use quorate_keys::Secret;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// The newest record version written and read here.
pub(super) const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
const LABEL: &[u8] = b"quorate/store/record-key/v1";
const ASSOCIATED: &[u8] = b"quorate/store/record/v1";

/// Where a record lives: a table of the node, or the store's own header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Table(Table),
    Header,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Table(table) => table.name(),
            Self::Header => "header",
        }
    }
}

/// Why a record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordFault {
    Damaged,
    Newer(u8),
}

/// Seals and opens records under the data key.
pub(super) struct RecordCipher {
    derive: hkdf::Prk,
}

impl RecordCipher {
    pub(super) fn new(data_key: &[u8]) -> Self {
        Self { derive: hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, data_key) }
    }

    /// `None` only when the operating system has no randomness.
    pub(super) fn seal(
        &self,
        place: Place,
        key: &[u8],
        epoch: u64,
        value: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        let mut nonce = [0; NONCE];
        rng.try_fill_bytes(&mut salt).ok()?;
        rng.try_fill_bytes(&mut nonce).ok()?;
        let mut record = Vec::with_capacity(1 + 8 + SALT + NONCE + value.len() + TAG);
        record.push(VERSION);
        record.extend_from_slice(&epoch.to_le_bytes());
        record.extend_from_slice(&salt);
        record.extend_from_slice(&nonce);
        let start = record.len();
        record.extend_from_slice(value);
        let plain = record.get_mut(start..)?;
        let tag = self
            .record_key(&salt)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(place, key, VERSION, epoch)),
                plain,
            )
            .ok()?;
        record.extend_from_slice(tag.as_ref());
        Some(record)
    }

    pub(super) fn open(&self, place: Place, key: &[u8], record: &[u8]) -> Result<Record, RecordFault> {
        let (&version, rest) = record.split_first().ok_or(RecordFault::Damaged)?;
        if version > VERSION {
            return Err(RecordFault::Newer(version));
        }
        let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(RecordFault::Damaged)?;
        let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or(RecordFault::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(RecordFault::Damaged)?;
        let epoch = u64::from_le_bytes(*epoch);
        // Wiped on every way out: it holds the plain text once opened.
        let mut value = Secret::new(sealed.to_vec());
        let length = self
            .record_key(salt)
            .ok_or(RecordFault::Damaged)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated(place, key, version, epoch)),
                value.expose_mut(),
            )
            .map_err(|_| RecordFault::Damaged)?
            .len();
        value.expose_mut().truncate(length);
        Ok(Record { epoch, value })
    }

    fn record_key(&self, salt: &[u8; SALT]) -> Option<LessSafeKey> {
        let info = [LABEL, salt];
        let mut key = Zeroizing::new([0; 32]);
        self.derive.expand(&info, &AES_256_GCM).ok()?.fill(key.as_mut_slice()).ok()?;
        UnboundKey::new(&AES_256_GCM, key.as_slice()).ok().map(LessSafeKey::new)
    }
}

fn associated(place: Place, key: &[u8], version: u8, epoch: u64) -> Vec<u8> {
    let table = place.name().as_bytes();
    let mut data = Vec::with_capacity(ASSOCIATED.len() + table.len() + key.len() + 25);
    data.extend_from_slice(ASSOCIATED);
    for part in [table, key] {
        data.extend_from_slice(&(part.len() as u64).to_le_bytes());
        data.extend_from_slice(part);
    }
    data.push(version);
    data.extend_from_slice(&epoch.to_le_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    const SHARES: Place = Place::Table(Table::Shares);

    fn cipher() -> RecordCipher {
        RecordCipher::new(&[7; 32])
    }

    #[test]
    fn a_record_opens_only_in_its_own_row() {
        let record = cipher().seal(SHARES, b"w1", 3, b"share", &mut OsRng).unwrap();
        let opened = cipher().open(SHARES, b"w1", &record).unwrap();
        assert_eq!((opened.epoch, opened.value.expose().as_slice()), (3, &b"share"[..]));

        let damaged = Some(RecordFault::Damaged);
        assert_eq!(cipher().open(SHARES, b"w2", &record).err(), damaged);
        assert_eq!(cipher().open(Place::Table(Table::Pending), b"w1", &record).err(), damaged);
        assert_eq!(cipher().open(Place::Header, b"w1", &record).err(), damaged);
        assert_eq!(RecordCipher::new(&[8; 32]).open(SHARES, b"w1", &record).err(), damaged);
    }

    #[test]
    fn every_byte_of_a_record_is_authenticated() {
        let record = cipher().seal(SHARES, b"w1", 3, b"share", &mut OsRng).unwrap();
        for at in 0..record.len() {
            for bit in 0..8 {
                let mut changed = record.clone();
                changed[at] ^= 1 << bit;
                assert!(cipher().open(SHARES, b"w1", &changed).is_err(), "byte {at}");
            }
        }
        for length in 0..record.len() {
            assert!(cipher().open(SHARES, b"w1", &record[..length]).is_err(), "length {length}");
        }
        let mut newer = record;
        newer[0] = VERSION + 1;
        assert_eq!(cipher().open(SHARES, b"w1", &newer).err(), Some(RecordFault::Newer(VERSION + 1)));
    }

    #[test]
    fn the_same_value_twice_gives_unrelated_records() {
        let first = cipher().seal(SHARES, b"w1", 3, b"share", &mut OsRng).unwrap();
        let second = cipher().seal(SHARES, b"w1", 3, b"share", &mut OsRng).unwrap();
        assert_ne!(first[9..25], second[9..25]);
        assert_ne!(first[37..], second[37..]);
    }
}
