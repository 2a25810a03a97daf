//! Searching for secrets in large files, in every order and writing in which a program may hold them.

use std::collections::{BTreeSet, HashMap};

/// What is looked for.
#[derive(Default)]
pub(super) struct Needles {
    patterns: Vec<(String, Vec<u8>)>,
    /// The patterns by their first eight bytes.
    by_start: HashMap<[u8; 8], Vec<usize>>,
    /// The first two bytes of all patterns.
    starts: Vec<bool>,
}

impl Needles {
    /// Adds a secret: as it is and reversed, and each in hex of both cases, in Base64, and in the limbs that
    /// curve25519-dalek computes with. Half of it is as good as found.
    pub(super) fn add(&mut self, name: &str, secret: &[u8; 32]) {
        let mut reversed = *secret;
        reversed.reverse();
        for (order, bytes) in [("", secret), (", reversed", &reversed)] {
            for half in bytes.chunks(16) {
                let lower = hex::encode(half);
                let upper = lower.to_uppercase();
                for pattern in [half.to_vec(), lower.into_bytes(), upper.into_bytes()] {
                    self.insert(format!("{name}{order}"), pattern);
                }
                // The groups of three bytes may begin at any of its first three.
                for skipped in 0..3 {
                    self.insert(format!("{name}{order}"), base64(&half[skipped..]));
                }
            }
            for half in limbs(bytes).chunks_exact(16) {
                self.insert(format!("{name}{order}"), half.to_vec());
            }
        }
    }

    fn insert(&mut self, name: String, pattern: Vec<u8>) {
        self.starts.resize(1 << 16, false);
        self.starts[usize::from(u16::from_le_bytes([pattern[0], pattern[1]]))] = true;
        let start = pattern[..8].try_into().unwrap();
        self.by_start.entry(start).or_default().push(self.patterns.len());
        self.patterns.push((name, pattern));
    }

    /// The names of all that is found.
    pub(super) fn found_in(&self, hay: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for at in 0..hay.len().saturating_sub(15) {
            if !self.starts[usize::from(u16::from_le_bytes([hay[at], hay[at + 1]]))] {
                continue;
            }
            let start: [u8; 8] = hay[at..at + 8].try_into().unwrap();
            for pattern in self.by_start.get(&start).into_iter().flatten() {
                let (name, pattern) = &self.patterns[*pattern];
                if hay[at..].starts_with(pattern) {
                    found.insert(name.split(',').next().unwrap_or(name).to_owned());
                }
            }
        }
        found
    }
}

/// The whole groups of three bytes in the standard alphabet (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).map(|group| u32::from_be_bytes([0, group[0], group[1], group[2]]));
    let sextets = groups.flat_map(|group| [18, 12, 6, 0].map(|shift| group >> shift & 63));
    sextets.map(|sextet| ALPHABET[sextet as usize]).collect()
}

/// Five limbs of 52 bits, each in eight bytes, of a little-endian number.
fn limbs(bytes: &[u8; 32]) -> Vec<u8> {
    let limb = |number: usize| {
        let bits = (52 * number..52 * (number + 1)).filter(|bit| *bit < 256);
        let set = bits.filter(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1);
        set.fold(0_u64, |limb, bit| limb | 1 << (bit - 52 * number))
    };
    (0..5).flat_map(|number| limb(number).to_le_bytes()).collect()
}

#[test]
fn a_needle_is_found_in_every_writing_and_nowhere_else() {
    let secret: [u8; 32] = std::array::from_fn(|at| 7 * at as u8 + 1);
    let mut needles = Needles::default();
    needles.add("it", &secret);
    let mut reversed = secret;
    reversed.reverse();
    for hay in [
        secret.to_vec(),
        reversed.to_vec(),
        secret[16..].to_vec(),
        reversed[..16].to_vec(),
        limbs(&secret),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(reversed).into_bytes(),
        base64(&secret),
        base64(&[b"a", &secret[..]].concat()),
        base64(&[b"ab", &reversed[..]].concat()),
        base64(&[b"abc", &secret[16..], b"!!"].concat()),
    ] {
        assert_eq!(
            needles.found_in(&[b"before ", &hay[..], b" after"].concat()),
            BTreeSet::from(["it".into()])
        );
        assert_eq!(needles.found_in(&hay), BTreeSet::from(["it".into()]));
    }
    // A vector of RFC 4648, section 10.
    assert_eq!(base64(b"foobar"), b"Zm9vYmFy");
    assert!(needles.found_in(&secret[1..16]).is_empty() && needles.found_in(&[0; 1000]).is_empty());
}
