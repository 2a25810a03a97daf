//! Deciphers recorded TLS 1.3 (RFC 8446) with the secrets of a key log.

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::hkdf::{HKDF_SHA256, HKDF_SHA384, KeyType, Prk};

use super::proxy::{Connection, Side};

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Record header, handshake header and version come before the random bytes of a hello.
const RANDOM: std::ops::Range<usize> = 11..43;

/// Traffic secrets by label and client random.
pub(super) struct KeyLog(HashMap<(String, Vec<u8>), Vec<u8>>);

impl KeyLog {
    pub(super) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            ((words[0].to_owned(), hex::decode(words[1]).unwrap()), hex::decode(words[2]).unwrap())
        });
        Self(lines.collect())
    }

    fn secret(&self, label: &str, random: &[u8]) -> Option<&[u8]> {
        self.0.get(&(label.to_owned(), random.to_vec())).map(Vec::as_slice)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The keys of one direction in one epoch.
struct Keys {
    key: LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
}

impl Keys {
    /// RFC 8446, section 7.3.
    fn new(suite: u16, secret: &[u8]) -> Self {
        let (hash, aead): (_, &'static Algorithm) = match suite {
            0x1301 => (HKDF_SHA256, &AES_128_GCM),
            0x1302 => (HKDF_SHA384, &AES_256_GCM),
            0x1303 => (HKDF_SHA256, &CHACHA20_POLY1305),
            other => panic!("cipher suite {other:#06x}"),
        };
        let secret = Prk::new_less_safe(hash, secret);
        let expand = |label: &str, length: usize| {
            let label = format!("tls13 {label}");
            let info =
                [&(length as u16).to_be_bytes(), &[label.len() as u8][..], label.as_bytes(), &[0]].concat();
            let mut bytes = vec![0; length];
            secret.expand(&[&info], Length(length)).unwrap().fill(&mut bytes).unwrap();
            bytes
        };
        let key = LessSafeKey::new(UnboundKey::new(aead, &expand("key", aead.key_len())).unwrap());
        Self { key, iv: expand("iv", 12), sequence: 0 }
    }

    /// The inner plaintext of a record, if it is one of this epoch.
    fn open(&mut self, header: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut nonce: [u8; 12] = self.iv.as_slice().try_into().unwrap();
        for (byte, sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= sequence;
        }
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.key.open_in_place(nonce, Aad::from(header), &mut bytes).ok()?.to_vec();
        self.sequence += 1;
        Some(plain)
    }
}

/// The records of a direction: header and body.
fn records(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((header, body)) = rest.split_at_checked(5) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        // The last one may have been cut off by a kill.
        let Some((body, next)) = body.split_at_checked(length) else { break };
        records.push((header, body));
        rest = next;
    }
    records
}

/// The application data of one direction. A connection that ended before its handshake did has none.
///
/// # Panics
/// When a record does not open, or can't, since the key log lacks the connection: what is not deciphered is not clean.
pub(super) fn decrypt(log: &KeyLog, connection: &Connection, side: Side) -> Vec<u8> {
    let (client, server) = (connection.of(Side::Client), connection.of(Side::Server));
    if client.len() < RANDOM.end || server.len() < RANDOM.end + 1 {
        return Vec::new();
    }
    assert_eq!((client[0], server[0]), (HANDSHAKE, HANDSHAKE), "not TLS");
    let random = &client[RANDOM];
    let after_id = RANDOM.end + 1 + usize::from(server[RANDOM.end]);
    let suite = u16::from_be_bytes([server[after_id], server[after_id + 1]]);
    let who = if side == Side::Client { "CLIENT" } else { "SERVER" };
    let labels = [format!("{who}_HANDSHAKE_TRAFFIC_SECRET"), format!("{who}_TRAFFIC_SECRET_0")];
    let epochs: Option<Vec<_>> = labels.iter().map(|label| log.secret(label, random)).collect();
    let Some(epochs) = epochs else {
        // The client's part of a handshake is done when it has sent its first record of application data, which its
        // Finished looks like; the server's comes before.
        let of_client = records(&client);
        let finished = of_client.iter().any(|(header, _)| header[0] == APPLICATION_DATA);
        assert!(!finished, "the key log lacks a connection whose handshake was finished");
        return Vec::new();
    };
    let mut epochs = epochs.into_iter().map(|secret| Keys::new(suite, secret));
    let mut keys = epochs.next().unwrap();
    let mut data = Vec::new();
    let bytes = if side == Side::Client { &client } else { &server };
    for (header, sealed) in records(bytes).into_iter().filter(|(header, _)| header[0] == APPLICATION_DATA) {
        let plain = keys.open(header, sealed).or_else(|| {
            keys = epochs.next()?;
            keys.open(header, sealed)
        });
        let mut plain = plain.expect("a record that opens");
        while plain.last() == Some(&0) {
            plain.pop();
        }
        if plain.pop() == Some(APPLICATION_DATA) {
            data.extend(plain);
        }
    }
    data
}
