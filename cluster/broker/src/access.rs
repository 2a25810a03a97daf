//! What proves to a server who connects.

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;
use quorate_identity::files;
use zeroize::Zeroizing;

/// No honest file comes near.
const MOST_BYTES: u64 = 64 * 1024;

/// What proves to a server who connects. Secrets are read from files when a connection is begun.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Nothing.
    #[default]
    Anybody,
    /// A file of credentials, as `nsc` makes them: a JWT and the seed of its key.
    Credentials(PathBuf),
    /// A name, and a file with its password.
    Password {
        /// The name.
        user: String,
        /// The file.
        file: PathBuf,
    },
    /// A file with a token.
    Token(PathBuf),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("Anybody"),
            Self::Credentials(file) => write!(f, "Credentials({})", file.display()),
            Self::Password { user, file } => write!(f, "Password({user}, {})", file.display()),
            Self::Token(file) => write!(f, "Token({})", file.display()),
        }
    }
}

/// A file that proves nothing.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", .path.display())]
pub struct AccessError {
    path: PathBuf,
    detail: String,
}

impl Access {
    pub(crate) fn apply(&self, options: ConnectOptions) -> Result<ConnectOptions, AccessError> {
        match self {
            Self::Anybody => Ok(options),
            Self::Credentials(path) => {
                let text = read(path)?;
                options.credentials(&text).map_err(|error| {
                    let detail = format!("not a file of NATS credentials: {error}");
                    AccessError { path: path.clone(), detail }
                })
            }
            Self::Password { user, file } => {
                Ok(options.user_and_password(user.clone(), line(file)?.to_string()))
            }
            Self::Token(file) => Ok(options.token(line(file)?.to_string())),
        }
    }
}

/// A secret that is all of a file, but for a line break at its end.
fn line(path: &Path) -> Result<Zeroizing<String>, AccessError> {
    let text = read(path)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains('\n') {
        return Err(AccessError { path: path.to_path_buf(), detail: "it is not one line".to_owned() });
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, AccessError> {
    let refused = |detail: String| AccessError { path: path.to_path_buf(), detail };
    let bytes = files::read_private(path, MOST_BYTES).map_err(|error| refused(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("it is not text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
