//! Tokens that are shown as `Authorization: Bearer`: by clients to nodes and gateways, and by callers to a gateway.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use quorate_http::bearer::{self, TokenHash};
use quorate_identity::files;

/// The longest file with tokens, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// The shortest token, in characters: nobody guesses 128 random bits.
const LEAST: usize = 22;

/// Why there is no token to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file can't be read, or others may read it.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// There is none in it, or something else.
    #[error("{}: {detail}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

/// A token, to be shown.
#[derive(Clone)]
pub struct BearerToken(HeaderValue);

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

impl BearerToken {
    /// A token: visible characters of ASCII.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// The one token in a file that its owner alone may read.
    ///
    /// # Errors
    /// The file can't be read, others may read it, or it holds no token or several.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenError> {
        let path = path.as_ref();
        let invalid =
            |detail: &str| TokenError::Invalid { path: path.to_path_buf(), detail: detail.to_owned() };
        let tokens = read(path, |lines| match lines {
            [token] => Ok(Self::new(token)),
            [] => Err("there is no token in it"),
            _ => Err("there are several lines in it, and one token is expected"),
        })?;
        tokens.map_err(invalid)?.ok_or_else(|| invalid("it holds no token: visible characters of ASCII"))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Reads the lines of a file with secrets that are not empty, without the space around them.
fn read<T>(path: &Path, use_them: impl FnOnce(&[&str]) -> T) -> Result<T, TokenError> {
    let content = files::read_private(path, MOST_BYTES)
        .map_err(|source| TokenError::Io { path: path.to_path_buf(), source })?;
    let text = std::str::from_utf8(&content)
        .map_err(|_| TokenError::Invalid { path: path.to_path_buf(), detail: "it is no text".to_owned() })?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(use_them(&lines))
}

/// Tokens of which one must be shown.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<[TokenHash]>);

impl Tokens {
    /// Those in a file that its owner alone may read, one in each line.
    ///
    /// # Errors
    /// The file can't be read, others may read it, or a line holds no token that nobody guesses.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenError> {
        let path = path.as_ref();
        let tokens = read(path, |lines| {
            // Which line, and never what is in it.
            let wrong = lines
                .iter()
                .position(|line| line.len() < LEAST || !line.bytes().all(|byte| byte.is_ascii_graphic()));
            match wrong {
                Some(place) => Err(format!(
                    "token {} is none: at least {LEAST} visible characters of ASCII, chosen at random",
                    place.saturating_add(1)
                )),
                None if lines.is_empty() => Err("there is no token in it".to_owned()),
                None => Ok(Self(lines.iter().map(|line| TokenHash::of(line.as_bytes())).collect())),
            }
        })?;
        tokens.map_err(|detail| TokenError::Invalid { path: path.to_path_buf(), detail })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, token: &str) -> bool {
        bearer::find(token, self.0.iter()).is_some()
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ONE: &str = "a-token-of-enough-characters";
    const OTHER: &str = "another-one-of-enough-characters";

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn each_line_is_a_token_and_nothing_else_is() {
        let (_folder, path) = file(&format!("{ONE}\r\n\n  {OTHER}\n"), 0o600);
        let tokens = Tokens::from_file(&path).unwrap();
        assert_eq!(tokens.count(), 2);
        assert!(tokens.contains(ONE) && tokens.contains(OTHER));
        for other in ["", "a-token", &format!("{ONE} "), &format!("{ONE}\n{OTHER}")] {
            assert!(!tokens.contains(other), "{other:?}");
        }
        assert!(!format!("{tokens:?}").contains("token-of"));
    }

    #[test]
    fn a_file_that_gives_no_token_is_refused_without_showing_what_is_in_it() {
        for (content, mode, said) in [
            ("", 0o600, "no token in it"),
            ("guessable", 0o600, "token 1 is none"),
            ("a-token-of-enough-characters\nguessable", 0o600, "token 2 is none"),
            ("a token of enough characters", 0o600, "token 1 is none"),
            (ONE, 0o644, "mode 0600"),
        ] {
            let (_folder, path) = file(content, mode);
            let refused = Tokens::from_file(&path).unwrap_err().to_string();
            assert!(refused.contains(said) && refused.contains("tokens"), "{refused}");
            assert!(!refused.contains("guessable") && !refused.contains(ONE), "{refused}");
        }
    }

    #[test]
    fn a_client_shows_the_one_token_of_its_file() {
        let (_folder, path) = file(&format!("{ONE}\n"), 0o600);
        let token = BearerToken::from_file(&path).unwrap();
        assert_eq!(token.header(), format!("Bearer {ONE}"));
        assert!(token.header().is_sensitive() && !format!("{token:?}").contains(ONE));
        for (content, said) in [("", "no token"), ("a b", "visible characters"), ("a\nb", "several lines")] {
            let (_folder, path) = file(content, 0o600);
            let refused = BearerToken::from_file(&path).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
