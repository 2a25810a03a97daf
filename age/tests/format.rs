//! Files as the format has them, and others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{self, Read, Write};

use proptest::prelude::*;
use quorate_age::{AgeError, Identity, MOST_RECIPIENTS, Recipient, decrypt, encrypt};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

const CHUNK: usize = 64 * 1024;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn encrypted(recipients: &[Recipient], content: &[u8], seed: u64) -> Vec<u8> {
    let mut encryptor = encrypt(recipients, Vec::new(), &mut rng(seed)).unwrap();
    encryptor.write_all(content).unwrap();
    encryptor.finish().unwrap()
}

fn decrypted(identities: &[Identity], file: &[u8]) -> Result<Vec<u8>, AgeError> {
    let mut content = Vec::new();
    decrypt(identities, file)?.read_to_end(&mut content)?;
    Ok(content)
}

fn content(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng(length as u64).fill_bytes(&mut bytes);
    bytes
}

#[test]
fn every_recipient_decrypts_content_of_every_length() {
    let identities: Vec<_> = (0..3).map(|seed| Identity::generate(&mut rng(seed))).collect();
    let recipients: Vec<_> = identities.iter().map(Identity::recipient).collect();
    for length in [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let (content, file) = (content(length), encrypted(&recipients, &content(length), 9));
        for identity in &identities {
            assert_eq!(decrypted(std::slice::from_ref(identity), &file).unwrap(), content, "{length}");
        }
        let strangers = [Identity::generate(&mut rng(7)), Identity::generate(&mut rng(8))];
        assert!(matches!(decrypted(&strangers, &file), Err(AgeError::NoMatch)));
    }
}

#[test]
fn recipients_have_to_be_some_and_not_too_many() {
    let one = Identity::generate(&mut rng(1)).recipient();
    for count in [0, MOST_RECIPIENTS + 1] {
        let refused = encrypt(&vec![one; count], Vec::new(), &mut rng(2)).unwrap_err();
        assert!(matches!(refused, AgeError::Recipients(found) if found == count));
    }
    let most = encrypted(&vec![one; MOST_RECIPIENTS], b"content", 3);
    assert_eq!(decrypted(&[Identity::generate(&mut rng(1))], &most).unwrap(), b"content");
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    let identity = [Identity::generate(&mut rng(1))];
    let file = encrypted(&[identity[0].recipient()], &content(CHUNK + 40), 4);
    let header = file.windows(5).position(|window| window == b"\n--- ").unwrap() + 60;
    let ends: Vec<_> = (0..header).chain([header + CHUNK, header + CHUNK + 16, file.len() - 1]).collect();
    for end in ends {
        assert!(decrypted(&identity, &file[..end]).is_err(), "cut at {end}");
    }
    let places = (0..header).chain((header..file.len()).step_by(997)).chain(file.len() - 60..file.len());
    for place in places {
        let mut altered = file.clone();
        altered[place] ^= 1;
        assert!(decrypted(&identity, &altered).is_err(), "byte {place}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(decrypted(&identity, &longer).is_err());
    // The second chunk in place of the first, and the first as the last.
    let payload = file.len() - (40 + 16) - (CHUNK + 16);
    let one = [&file[..payload], &file[payload + CHUNK + 16..]].concat();
    assert!(decrypted(&identity, &one).is_err());
    let cut = decrypted(&identity, &file[..payload + CHUNK + 16]).unwrap_err();
    assert!(matches!(&cut, AgeError::Io(error) if error.kind() == io::ErrorKind::InvalidData), "{cut:?}");
}

#[test]
fn headers_that_the_format_does_not_have_are_refused() {
    let identity = [Identity::generate(&mut rng(1))];
    let file = encrypted(&[identity[0].recipient()], b"content", 4);
    let text: Vec<_> = file.splitn(4, |byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let [first, stanza, body, rest] = text.as_slice() else { panic!("four parts") };
    let with = |parts: &[&[u8]]| decrypted(&identity, &parts.join(&b'\n'));
    assert_eq!(with(&[first, stanza, body, rest]).unwrap(), b"content");
    let long = [b'A'; 65];
    for (parts, why) in [
        (vec![first.as_slice(), rest], "no recipient"),
        (vec![first, b"-> ", body, rest], "no kind"),
        (vec![first, b"-> X25519", body, rest], "not one argument"),
        (vec![first, b"-> X25519 AAAA", body, rest], "no point"),
        (vec![first, b"-> X25519  AAAA", body, rest], "empty argument"),
        (vec![first, stanza, b"AAAA", rest], "another length"),
        (vec![first, stanza, b"A=A=", rest], "base64"),
        (vec![first, stanza, &long, rest], "too long"),
        (vec![first, b"X25519 AAAA", body, rest], "begins no stanza"),
        (vec![first, b"-> scrypt AAAA 18", b"", stanza, body, rest], "does not stand alone"),
        (vec![first, "-> é".as_bytes(), body, rest], "plain text"),
        (vec![first, stanza, body, b"--- AAAA\n"], "MAC"),
    ] {
        match with(&parts) {
            Err(AgeError::Header(found)) => assert!(found.contains(why), "{found}, expected {why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    // A share of small order.
    let zero = format!("-> X25519 {}", "A".repeat(43));
    assert!(
        matches!(with(&[first, zero.as_bytes(), body, rest]), Err(AgeError::Header(why)) if why.contains("small order"))
    );
    // What it does not know it passes over, and finds that the MAC does not cover it.
    assert!(matches!(with(&[first, b"-> other a b", b"AAAA", stanza, body, rest]), Err(AgeError::Altered)));
    assert!(matches!(with(&[b"age-encryption.org/v2", stanza, body, rest]), Err(AgeError::NotAge)));
    let endless = [first.as_slice(), b"\n", &vec![b'-'; 100_000]].concat();
    assert!(matches!(decrypted(&identity, &endless), Err(AgeError::Header("it is too long"))));
}

#[test]
fn a_key_of_small_order_is_nobodys() {
    let weak: Recipient = bech32_of(&[0; 32]).parse().unwrap();
    let refused = encrypt(&[weak], Vec::new(), &mut rng(1)).unwrap_err();
    assert!(matches!(refused, AgeError::WeakRecipient(found) if found == weak));
}

fn bech32_of(bytes: &[u8; 32]) -> String {
    bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), bytes).unwrap()
}

/// A writer that takes a few bytes at a time, and a reader that gives a few.
struct Slow<T>(T);

impl<T: Write> Write for Slow<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(7)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Read> Read for Slow<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(5);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn slow_files_are_as_good() {
    let identity = [Identity::generate(&mut rng(1))];
    let content = content(CHUNK + 10);
    let mut encryptor = encrypt(&[identity[0].recipient()], Slow(Vec::new()), &mut rng(2)).unwrap();
    encryptor.write_all(&content).unwrap();
    let file = encryptor.finish().unwrap().0;
    let mut found = Vec::new();
    decrypt(&identity, Slow(file.as_slice())).unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(found, content);
}

proptest! {
    #[test]
    fn garbage_is_refused(garbage in proptest::collection::vec(any::<u8>(), 0..400)) {
        let identity = [Identity::generate(&mut rng(1))];
        prop_assert!(decrypted(&identity, &garbage).is_err());
        let begun = [b"age-encryption.org/v1\n-> X25519 ".as_slice(), &garbage].concat();
        prop_assert!(decrypted(&identity, &begun).is_err());
    }
}
