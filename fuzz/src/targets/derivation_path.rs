//! Derivation paths, as clients write them.

use quorate_keys::DerivationPath;

use crate::{Outcome, Target};

pub(super) const TARGET: Target =
    Target { name: "derivation_path", seeds, words: &["m/", "/", "'", "h", "2147483647", "2147483648"], run };

fn seeds() -> Vec<Vec<u8>> {
    ["m/0/1", "44/60/0/0/5", "m/2147483647"].map(|path| path.as_bytes().to_vec()).into()
}

fn run(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else { return Outcome::refused(&"not UTF-8") };
    match text.parse::<DerivationPath>() {
        Ok(path) => {
            assert_eq!(path.to_string().parse().ok(), Some(path), "what is written is read as the same");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
