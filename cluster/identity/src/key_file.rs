//! The node's identity on disk: an Ed25519 secret, sealed under the passphrase.
//!
//! ```json
//! {"format": 1, "kind": "node identity", "identity": "0x…", "sealed": "0x…"}
//! ```
//! The public identity is beside the sealed secret, so that it can be shown without the passphrase; on loading it must
//! be the one that the secret gives. `sealed` is the envelope that also guards the store's data key
//! ([`crate::envelope`]), under another kind, so that neither can be taken for the other.

use crate::envelope::{EnvelopeError, KdfParams, Passphrase, open as open_envelope, seal as seal_envelope};
use crate::files;
use quorate_keys::{Identity, Secret, SigningIdentity};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const MAX_FILE: u64 = 64 * 1024;

/// Whose identity a file holds. Bound to the secret: an initiator's key is not accepted as a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityKind {
    /// A node's: its TLS key and the key of its envelopes.
    Node,
    /// A client's, allowed to request.
    Initiator,
}

impl IdentityKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Node => "node identity",
            Self::Initiator => "initiator identity",
        }
    }
}

/// Why an identity file cannot be used, or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is none.
    #[error("there is no identity file at {}: make one with `quorate identity generate`, or correct the path", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one, and it is never overwritten.
    #[error("identity file {} exists already and is never overwritten: a node that loses its identity leaves its cluster", .path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("identity file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is sound, and the passphrase does not open it.
    #[error("wrong passphrase for identity file {}: the file is sound, this passphrase does not open it", .path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("identity file {} is damaged ({detail}): restore it from a copy", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// It holds somebody else's key.
    #[error("{} holds {found:?}, expected is {expected:?}", .path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Written by a later release.
    #[error("identity file {} has format version {found}, this release reads up to {supported}", .path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest understood here.
        supported: u32,
    },
    /// Key derivation parameters that are not accepted, or a failing primitive.
    #[error("identity file {}: {detail}", .path.display())]
    Sealing {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    format: u32,
    kind: String,
    identity: String,
    sealed: String,
}

/// Makes a new identity and writes it to `path`.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn generate(
    path: &Path,
    kind: IdentityKind,
    passphrase: &Passphrase,
    kdf: KdfParams,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SigningIdentity, IdentityError> {
    let identity = SigningIdentity::generate(rng);
    save_new(path, kind, &identity, passphrase, kdf, rng)?;
    Ok(identity)
}

/// Writes an identity to a new file.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn save_new(
    path: &Path,
    kind: IdentityKind,
    identity: &SigningIdentity,
    passphrase: &Passphrase,
    kdf: KdfParams,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), IdentityError> {
    let seed = identity.seed();
    let sealed = seal_envelope(kind.name(), passphrase, kdf, seed.expose().as_slice(), rng)
        .map_err(|error| envelope_error(path, error))?;
    let file = IdentityFile {
        format: FORMAT,
        kind: kind.name().to_owned(),
        identity: identity.identity().to_string(),
        sealed: format!("0x{}", hex::encode(sealed)),
    };
    let mut text = serde_json::to_string_pretty(&file)
        .map_err(|error| IdentityError::Sealing { path: path.to_path_buf(), detail: error.to_string() })?;
    text.push('\n');
    files::write_new(path, text.as_bytes(), files::Access::Private).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::AlreadyExists { path: path.to_path_buf() },
        _ => IdentityError::Io { path: path.to_path_buf(), source },
    })
}

/// Loads the identity at `path`.
///
/// # Errors
/// Names the file and tells damage from a wrong passphrase.
pub fn load(
    path: &Path,
    kind: IdentityKind,
    passphrase: &Passphrase,
) -> Result<SigningIdentity, IdentityError> {
    let (file, stated) = read(path, kind)?;
    let damaged =
        |detail: &str| IdentityError::Damaged { path: path.to_path_buf(), detail: detail.to_owned() };
    let sealed = file
        .sealed
        .strip_prefix("0x")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or_else(|| damaged("the sealed secret is not 0x and hexadecimal digits"))?;
    let seed =
        open_envelope(kind.name(), passphrase, &sealed).map_err(|error| envelope_error(path, error))?;
    let seed = <[u8; 32]>::try_from(seed.expose().as_slice())
        .map(Secret::new)
        .map_err(|_| damaged("the sealed secret has the wrong length"))?;
    let identity = SigningIdentity::from_seed(&seed);
    if identity.identity() != stated {
        return Err(damaged("the identity it states is not the one of its secret"));
    }
    Ok(identity)
}

/// The public identity that the file states. Without the passphrase nothing vouches for it.
///
/// # Errors
/// Names the file.
pub fn stated_identity(path: &Path, kind: IdentityKind) -> Result<Identity, IdentityError> {
    read(path, kind).map(|(_, identity)| identity)
}

fn read(path: &Path, kind: IdentityKind) -> Result<(IdentityFile, Identity), IdentityError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::NotFound { path: path.to_path_buf() },
        _ => IdentityError::Io { path: path.to_path_buf(), source },
    };
    let damaged = |detail: String| IdentityError::Damaged { path: path.to_path_buf(), detail };
    let opened = std::fs::File::open(path).map_err(failed)?;
    if opened.metadata().map_err(failed)?.len() > MAX_FILE {
        return Err(damaged(format!("larger than {MAX_FILE} bytes")));
    }
    let text = io::read_to_string(&opened).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => damaged("not text".to_owned()),
        _ => failed(error),
    })?;
    // The version first: a later one may have other fields.
    let format = serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|error| damaged(error.to_string()))?
        .get("format")
        .and_then(serde_json::Value::as_u64)
        .and_then(|format| u32::try_from(format).ok())
        .ok_or_else(|| damaged("it states no format version".to_owned()))?;
    if format > FORMAT {
        return Err(IdentityError::NewerFormat {
            path: path.to_path_buf(),
            found: format,
            supported: FORMAT,
        });
    }
    let file: IdentityFile = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    if file.kind != kind.name() {
        return Err(IdentityError::WrongKind {
            path: path.to_path_buf(),
            found: file.kind,
            expected: kind.name(),
        });
    }
    let identity =
        file.identity.parse().map_err(|error| damaged(format!("the identity it states is none: {error}")))?;
    // The secret in it is sealed, so an open mode of what is an identity file is corrected rather than refused.
    match files::make_private(&opened) {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!(path = %path.display(), "identity file was accessible to others: set to mode 0600");
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot set mode 0600 on the identity file");
        }
    }
    Ok((file, identity))
}

fn envelope_error(path: &Path, error: EnvelopeError) -> IdentityError {
    let path = path.to_path_buf();
    match error {
        EnvelopeError::WrongPassphrase => IdentityError::WrongPassphrase { path },
        EnvelopeError::NewerFormat { found, supported } => {
            IdentityError::NewerFormat { path, found: found.into(), supported: supported.into() }
        }
        EnvelopeError::Damaged(detail) => IdentityError::Damaged { path, detail: detail.to_owned() },
        error => IdentityError::Sealing { path, detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec()).unwrap()
    }

    struct Home {
        _folder: tempfile::TempDir,
        path: PathBuf,
        identity: SigningIdentity,
    }

    fn home() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.json");
        let identity =
            generate(&path, IdentityKind::Node, &passphrase("correct"), KdfParams::FLOOR, &mut OsRng)
                .unwrap();
        Home { _folder: folder, path, identity }
    }

    fn reload(path: &Path) -> Result<SigningIdentity, IdentityError> {
        load(path, IdentityKind::Node, &passphrase("correct"))
    }

    #[test]
    fn an_identity_is_loaded_as_it_was_generated() {
        let home = home();
        let loaded = reload(&home.path).unwrap();
        assert_eq!(loaded.identity(), home.identity.identity());
        assert!(home.identity.identity().verify(b"message", &loaded.sign(b"message")));
        assert_eq!(stated_identity(&home.path, IdentityKind::Node).unwrap(), loaded.identity());
        let mode = || fs::metadata(&home.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&home.path, fs::Permissions::from_mode(0o640)).unwrap();
        reload(&home.path).unwrap();
        assert_eq!(mode(), 0o600);
        // What is none is left alone.
        fs::write(home.path.with_extension("other"), "{}").unwrap();
        let other = home.path.with_extension("other");
        fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(stated_identity(&other, IdentityKind::Node).is_err());
        assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o644);
        let text = fs::read_to_string(&home.path).unwrap();
        assert!(!text.contains(&hex::encode(home.identity.seed().expose())));
    }

    #[test]
    fn it_is_never_overwritten() {
        let home = home();
        let error =
            generate(&home.path, IdentityKind::Node, &passphrase("other"), KdfParams::FLOOR, &mut OsRng);
        assert!(matches!(error, Err(IdentityError::AlreadyExists { .. })));
        assert_eq!(reload(&home.path).unwrap().identity(), home.identity.identity());
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage_and_both_name_the_file() {
        let home = home();
        let error = load(&home.path, IdentityKind::Node, &passphrase("wrong")).unwrap_err();
        assert!(matches!(error, IdentityError::WrongPassphrase { .. }));
        assert!(error.to_string().contains("identity.json"), "{error}");

        let good = fs::read_to_string(&home.path).unwrap();
        let sealed = good.find("sealed").unwrap();
        let stranger = SigningIdentity::generate(&mut OsRng).identity().to_string();
        let mut flipped = good.clone().into_bytes();
        flipped[sealed + 200] = if flipped[sealed + 200] == b'0' { b'1' } else { b'0' };
        for content in [
            Vec::new(),
            b"garbage".to_vec(),
            vec![0xff; 100],
            b"{}".to_vec(),
            good.as_bytes()[..good.len() / 2].to_vec(),
            flipped,
            good.replace(&home.identity.identity().to_string(), &stranger).into_bytes(),
            good.replace(&home.identity.identity().to_string(), "0x12").into_bytes(),
            good.replace("\"format\"", "\"extra\": 1, \"format\"").into_bytes(),
            vec![b' '; 70_000],
        ] {
            fs::write(&home.path, &content).unwrap();
            let error = reload(&home.path).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("identity.json"), "{error}");
        }
    }

    #[test]
    fn other_kinds_and_newer_formats_are_refused_by_name() {
        let home = home();
        let error = load(&home.path, IdentityKind::Initiator, &passphrase("correct")).unwrap_err();
        assert!(matches!(error, IdentityError::WrongKind { .. }), "{error}");
        let good = fs::read_to_string(&home.path).unwrap();
        // Relabelled by hand: the kind is sealed too.
        fs::write(&home.path, good.replace("node identity", "initiator identity")).unwrap();
        let error = load(&home.path, IdentityKind::Initiator, &passphrase("correct")).unwrap_err();
        assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
        fs::write(&home.path, good.replace("\"format\": 1", "\"format\": 2")).unwrap();
        let error = reload(&home.path).unwrap_err();
        assert!(matches!(error, IdentityError::NewerFormat { found: 2, .. }), "{error}");
        let missing = home.path.with_file_name("none.json");
        assert!(matches!(reload(&missing), Err(IdentityError::NotFound { .. })));
    }
}
