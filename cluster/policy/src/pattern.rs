//! Names of wallets with `*` in them.

use std::fmt;

/// Matches names: `*` stands for any number of characters, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    ///
    /// # Errors
    /// When it holds a character that no name of a wallet has.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |character: char| character.is_ascii_alphanumeric() || "-._*".contains(character);
        if text.is_empty() || text.len() > 128 || !text.chars().all(fits) {
            return Err(format!("{text:?} is no name of a wallet, with * for any characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(first) = parts.next() else { return false };
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            // The first place leaves the most for what follows.
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_characters_and_all_else_for_itself() {
        for (pattern, name) in [
            ("hot", "hot"),
            ("*", "hot"),
            ("hot-*", "hot-1"),
            ("hot-*", "hot-"),
            ("*-hot", "eu-hot"),
            ("a*c*e", "abcde"),
            ("a*a", "aa"),
            ("**", "x"),
            ("a*b*b", "a-b-b"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("hot", "hot-1"),
            ("hot", "shot"),
            ("hot-*", "hot"),
            ("*-hot", "hot"),
            ("a*a", "a"),
            ("a*b*b", "a-b"),
            ("Hot", "hot"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_no_wallet_is_called_is_no_pattern() {
        for bad in ["", "a b", "a/b", "ä", "[ab]", "a?"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
