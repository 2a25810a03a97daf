//! Files in age's format, which backups come in.

use std::io::{Read, Write};

use quorate_age::{Identity, decrypt, encrypt};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "age_file",
    seeds,
    words: &["age-encryption.org/v1\n", "-> ", "X25519 ", "scrypt ", "--- ", "\n", "AAAA", "="],
    run,
};

/// What is encrypted at a time.
const CHUNK: usize = 64 * 1024;
const SECRET: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn identity() -> Option<Identity> {
    Identity::parse(SECRET).ok()
}

fn seeds() -> Vec<Vec<u8>> {
    let file = |content: &[u8]| {
        let recipient = identity()?.recipient();
        let mut encryptor =
            encrypt(&[recipient, recipient], Vec::new(), &mut ChaCha8Rng::seed_from_u64(2)).ok()?;
        encryptor.write_all(content).ok()?;
        encryptor.finish().ok()
    };
    // The last has two chunks.
    let long = vec![7; CHUNK + 1];
    [b"".as_slice(), b"content", &long].into_iter().filter_map(file).collect()
}

fn run(input: &[u8]) -> Outcome {
    let Some(identity) = identity() else { return Outcome::refused(&"no identity") };
    let mut decryptor = match decrypt(&[identity], input) {
        Ok(decryptor) => decryptor,
        Err(error) => return Outcome::refused(&error),
    };
    let mut content = Vec::new();
    match decryptor.read_to_end(&mut content) {
        Ok(_) => {
            assert!(content.len() < input.len(), "more comes out than went in");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
