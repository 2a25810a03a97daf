//! The file of readers, which an operator writes, and what callers show as a token.

use quorate_node::readers::{Readers, token_sha256};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "readers_file",
    seeds,
    words: &["token_sha256: ", "wallets: [", "hot-*", "]", "\n", "&a", "*a", "<<", "---\n"],
    run,
};

/// What is shown of every file that is accepted.
const TOKENS: [&str; 3] = ["one", "two", "of nobody"];

fn seeds() -> Vec<Vec<u8>> {
    let [one, two, _] = TOKENS.map(token_sha256);
    let text = format!(
        "watch:\n  token_sha256: {one}\ndesk:\n  token_sha256: \"0x{two}\"\n  wallets: [hot-*, till]\n"
    );
    vec![text.into_bytes(), Vec::new()]
}

fn run(input: &[u8]) -> Outcome {
    match Readers::read(input) {
        Ok(readers) => {
            for token in TOKENS {
                if let Some(reader) = readers.of(token) {
                    assert!(!reader.name().is_empty(), "a reader without a name");
                }
            }
            assert!(readers.of("").is_none() || !readers.is_empty(), "nobody has a token");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
