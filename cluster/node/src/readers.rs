//! Who may read by a token: programs that watch a cluster and can't sign each request.

use quorate_http::bearer::{self, TokenHash};
use quorate_policy::{Named, Pattern};
use quorate_request::WalletId;
use serde::Deserialize;

/// All readers, as their file has them.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    readers: Vec<TokenReader>,
    hashes: Vec<TokenHash>,
}

/// A program that reads by a token.
#[derive(Debug, Clone)]
pub struct TokenReader {
    name: String,
    wallets: Option<Vec<Pattern>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    token_sha256: String,
    wallets: Option<Vec<String>>,
}

impl Readers {
    /// The longest file, in bytes.
    pub const MAX_BYTES: u64 = 1024 * 1024;

    /// Reads them from YAML: names, each with `token_sha256` and, where it is limited to some, `wallets`.
    ///
    /// # Errors
    /// What is wrong, and of which reader.
    pub fn read(yaml: &[u8]) -> Result<Self, String> {
        let entries: Option<Named<Entry>> =
            serde_norway::from_slice(yaml).map_err(|error| error.to_string())?;
        let mut all = Self::default();
        for (name, entry) in entries.unwrap_or_default().0 {
            let reader = TokenReader::new(&name, entry.wallets)?;
            let hash = hash(&entry.token_sha256).map_err(|detail| format!("{name}: {detail}"))?;
            if let Some(same) = all.hashes.iter().position(|known| known.as_bytes() == hash.as_bytes()) {
                let other = all.readers.get(same).map_or("", TokenReader::name);
                return Err(format!("{name} has the token of {other}: each has its own"));
            }
            all.readers.push(reader);
            all.hashes.push(hash);
        }
        Ok(all)
    }

    /// The reader that has this token.
    #[must_use]
    pub fn of(&self, token: &str) -> Option<&TokenReader> {
        bearer::find(token, &self.hashes).and_then(|place| self.readers.get(place))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readers.len()
    }

    /// Whether nobody may read by a token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }
}

/// What the file of readers has of a token.
#[must_use]
pub fn token_sha256(token: &str) -> String {
    hex::encode(TokenHash::of(token.as_bytes()).as_bytes())
}

fn hash(text: &str) -> Result<TokenHash, String> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok();
    let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    // What was given may be the token itself, and is not repeated.
    let hash = hash.ok_or("token_sha256 is not the SHA-256 of a token: expected 64 hexadecimal digits")?;
    Ok(TokenHash::from_bytes(hash))
}

impl TokenReader {
    /// A reader of this name, of wallets whose names match one of the patterns, or of all.
    ///
    /// # Errors
    /// The name or a pattern is none.
    pub fn new(name: &str, wallets: Option<Vec<String>>) -> Result<Self, String> {
        let fits = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err(format!(
                "{name:?} is no name of a reader: 1 to 64 letters, digits, hyphens, dots, underscores"
            ));
        }
        let of_this = |detail: String| format!("{name}: wallets: {detail}");
        let patterns = |wallets: Vec<String>| {
            if wallets.is_empty() {
                return Err(of_this("the list is empty: leave it out, or say what is in it".to_owned()));
            }
            wallets.iter().map(|text| Pattern::parse(text).map_err(of_this)).collect()
        };
        Ok(Self { name: name.to_owned(), wallets: wallets.map(patterns).transpose()? })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may read of certain wallets alone.
    #[must_use]
    pub const fn is_limited_to_wallets(&self) -> bool {
        self.wallets.is_some()
    }

    /// Whether it may read of this wallet.
    #[must_use]
    pub fn may_read(&self, wallet: &WalletId) -> bool {
        let matches =
            |patterns: &Vec<Pattern>| patterns.iter().any(|pattern| pattern.matches(wallet.as_str()));
        self.wallets.as_ref().is_none_or(matches)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(name: &str, token: &str, more: &str) -> String {
        format!("{name}:\n  token_sha256: {}\n{more}", token_sha256(token))
    }

    #[test]
    fn a_reader_is_known_by_its_token_and_reads_what_it_may() {
        let yaml = entry("grafana", "one", "") + &entry("desk", "two", "  wallets: [hot-*, till]\n");
        let readers = Readers::read(yaml.as_bytes()).unwrap();
        assert_eq!(readers.len(), 2);
        assert!(readers.of("three").is_none());
        let (grafana, desk) = (readers.of("one").unwrap(), readers.of("two").unwrap());
        assert_eq!((grafana.name(), desk.name()), ("grafana", "desk"));
        let reads = |reader: &TokenReader, wallet: &str| reader.may_read(&wallet.parse().unwrap());
        assert!(!grafana.is_limited_to_wallets() && reads(grafana, "cold"));
        assert!(desk.is_limited_to_wallets());
        assert!(reads(desk, "hot-1") && reads(desk, "till") && !reads(desk, "cold"));
        assert!(Readers::read(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_reader_is_refused_and_no_token_is_repeated() {
        let hash = "ab".repeat(32);
        for (yaml, said) in [
            ("- a".to_owned(), "expected names"),
            ("a: {}".to_owned(), "token_sha256"),
            (format!("a: {{token_sha256: {hash}, wallet: [x]}}"), "unknown field `wallet`"),
            (format!("a: {{token_sha256: {hash}, wallets: []}}"), "a: wallets: the list is empty"),
            (format!("a: {{token_sha256: {hash}, wallets: ['a b']}}"), "a: wallets: \"a b\" is no name"),
            (format!("a: {{token_sha256: {hash}}}\na: {{token_sha256: {hash}}}"), "a is there twice"),
            (format!("a: {{token_sha256: {hash}}}\nb: {{token_sha256: {hash}}}"), "b has the token of a"),
            (format!("'a b': {{token_sha256: {hash}}}"), "is no name of a reader"),
            ("a: {token_sha256: my-secret-token}".to_owned(), "a: token_sha256 is not the SHA-256"),
        ] {
            let refused = Readers::read(yaml.as_bytes()).unwrap_err();
            assert!(refused.contains(said), "{yaml}: {refused}");
            assert!(!refused.contains("my-secret-token"), "{refused}");
        }
    }
}
