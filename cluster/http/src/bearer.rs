//! Tokens that callers show: `Authorization: Bearer <token>`.

use std::fmt;

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

const SCHEME: &str = "bearer";

/// What is known of a token: the SHA-256 hash of its characters. A token that is random can't be found from it.
///
/// # Security
/// Hashes are compared in constant time; they have no `==`.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of a token as it is sent.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// From the hash.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn equals(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// The place of a shown token among known ones. Takes as long whichever it is, and if it is none.
#[must_use]
pub fn find<'a>(token: &str, known: impl IntoIterator<Item = &'a TokenHash>) -> Option<usize> {
    let shown = TokenHash::of(token.as_bytes());
    let (mut place, mut is_known) = (0_u64, Choice::from(0));
    for (at, hash) in (0_u64..).zip(known) {
        let is_this = hash.equals(&shown);
        place.conditional_assign(&at, is_this);
        is_known |= is_this;
    }
    if bool::from(is_known) { usize::try_from(place).ok() } else { None }
}

/// The token that a request shows.
///
/// # Errors
/// It shows something else under `Authorization`, or several.
pub fn shown(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("authorization is given twice");
    }
    let expected = "authorization: expected Bearer and a token";
    let (scheme, token) = value.to_str().ok().and_then(|text| text.trim().split_once(' ')).ok_or(expected)?;
    let token = token.trim();
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case(SCHEME) && fits { Ok(Some(token)) } else { Err(expected) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn with(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_is_read_as_it_was_shown_and_nothing_else_is_one() {
        assert_eq!(shown(&with(&[])), Ok(None));
        for text in ["Bearer abc", "bearer abc", "BEARER   abc "] {
            assert_eq!(shown(&with(&[text])), Ok(Some("abc")), "{text}");
        }
        for bad in ["abc", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", ""] {
            assert!(shown(&with(&[bad])).is_err(), "{bad}");
        }
        assert!(shown(&with(&["Bearer abc", "Bearer abc"])).is_err());
    }

    #[test]
    fn a_token_is_found_by_its_hash_alone() {
        let known = ["first", "second", "third"].map(|token| TokenHash::of(token.as_bytes()));
        for (at, token) in ["first", "second", "third"].iter().enumerate() {
            assert_eq!(find(token, &known), Some(at));
        }
        for other in ["", "Second", "second ", "fourth"] {
            assert_eq!(find(other, &known), None, "{other}");
        }
        assert_eq!(find("first", []), None);
        let text = format!("{:?}", known[0]);
        assert_eq!(text, "TokenHash(…)", "a hash is not logged");
        // What `printf %s first | sha256sum` prints.
        let expected: String = known[0].as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(expected.starts_with("a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"));
    }
}
