//! The key of a node, an initiator or an authorizer on disk, sealed under the passphrase.
//!
//! ```json
//! {"format": 1, "kind": "node identity", "identity": "0x…", "sealed": "0x…"}
//! ```
//! The public key is beside the sealed secret, so that it can be shown without the passphrase; on loading it must
//! be the one that the secret gives. Its length says which type of key this is: 64 digits are Ed25519, 66 are P-256, which no
//! node has. `sealed` is the envelope that also guards the store's data key ([`crate::envelope`]), under another kind, so that
//! neither can be taken for the other.

use crate::envelope::{EnvelopeError, KdfParams, Passphrase, open as open_envelope, seal as seal_envelope};
use crate::files;
use quorate_keys::{Identity, KeyType, Principal, Secret, SigningIdentity, SigningPrincipal};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const MAX_FILE: u64 = 64 * 1024;

/// Whose key a file holds. Bound to the secret: an initiator's key is not accepted as a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityKind {
    /// A node's: its TLS key and the key of its envelopes. Always Ed25519.
    Node,
    /// A client's, allowed to request.
    Initiator,
    /// That of somebody who approves what others request.
    Authorizer,
}

impl IdentityKind {
    const ALL: [Self; 3] = [Self::Node, Self::Initiator, Self::Authorizer];

    const fn name(self) -> &'static str {
        match self {
            Self::Node => "node identity",
            Self::Initiator => "initiator identity",
            Self::Authorizer => "authorizer identity",
        }
    }

    /// What such a file holds, for people.
    #[must_use]
    pub const fn content(self) -> &'static str {
        match self {
            Self::Node => "a node's identity",
            Self::Initiator => "an initiator's key",
            Self::Authorizer => "an authorizer's key",
        }
    }
}

/// Why an identity file cannot be used, or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is none.
    #[error("there is no file {}", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder is there.
    #[error("{} is a folder, not the file with {}", .path.display(), .expected.content())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What it should hold.
        expected: IdentityKind,
    },
    /// There is nothing in it.
    #[error("{} is empty: if it was {}, restore it from a copy", .path.display(), .expected.content())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: IdentityKind,
    },
    /// It never was one: another file was named by mistake.
    #[error("{} is not a file with {}", .path.display(), .expected.content())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: IdentityKind,
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
    #[error("{} holds {}, not {}", .path.display(), .found.content(), .expected.content())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: IdentityKind,
        /// What it should hold.
        expected: IdentityKind,
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
    /// Nodes have another type of key.
    #[error("identity file {}: a node's identity is an Ed25519 key", .path.display())]
    NotForNodes {
        /// The file.
        path: PathBuf,
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

/// Makes a new key and writes it to `path`.
///
/// # Errors
/// When the file is there already or cannot be written, or no such type of key is for a node.
pub fn generate(
    path: &Path,
    kind: IdentityKind,
    key_type: KeyType,
    passphrase: &Passphrase,
    kdf: KdfParams,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SigningPrincipal, IdentityError> {
    let key = SigningPrincipal::generate(key_type, rng);
    save_new(path, kind, &key, passphrase, kdf, rng)?;
    Ok(key)
}

/// Makes the identity of a new node and writes it to `path`.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn generate_node(
    path: &Path,
    passphrase: &Passphrase,
    kdf: KdfParams,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<SigningIdentity, IdentityError> {
    let key = generate(path, IdentityKind::Node, KeyType::Ed25519, passphrase, kdf, rng)?;
    key.into_identity().ok_or_else(|| IdentityError::NotForNodes { path: path.to_path_buf() })
}

/// Writes a key to a new file.
///
/// # Errors
/// When the file is there already or cannot be written, or no such type of key is for a node.
pub fn save_new(
    path: &Path,
    kind: IdentityKind,
    key: &SigningPrincipal,
    passphrase: &Passphrase,
    kdf: KdfParams,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), IdentityError> {
    let principal = key.principal();
    if kind == IdentityKind::Node && principal.identity().is_none() {
        return Err(IdentityError::NotForNodes { path: path.to_path_buf() });
    }
    let secret = key.secret();
    let sealed = seal_envelope(kind.name(), passphrase, kdf, secret.expose().as_slice(), rng)
        .map_err(|error| envelope_error(path, error))?;
    let file = IdentityFile {
        format: FORMAT,
        kind: kind.name().to_owned(),
        identity: principal.to_string(),
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

/// Loads the key at `path`.
///
/// Derives a key from the passphrase: a tenth of a second of one core, not for an async worker thread.
///
/// # Errors
/// Names the file and tells damage from a wrong passphrase.
pub fn load(
    path: &Path,
    kind: IdentityKind,
    passphrase: &Passphrase,
) -> Result<SigningPrincipal, IdentityError> {
    KeyFile::read(path, kind)?.open(passphrase)
}

/// Loads the identity of a node at `path`, as [`load`] does.
///
/// # Errors
/// Names the file and tells damage from a wrong passphrase.
pub fn load_node(path: &Path, passphrase: &Passphrase) -> Result<SigningIdentity, IdentityError> {
    let key = load(path, IdentityKind::Node, passphrase)?;
    key.into_identity().ok_or_else(|| IdentityError::NotForNodes { path: path.to_path_buf() })
}

/// Reads the public identity that the file of a node states. Without the passphrase nothing vouches for it.
///
/// # Errors
/// As [`KeyFile::read`].
pub fn stated_node(path: &Path) -> Result<Identity, IdentityError> {
    let stated = KeyFile::read(path, IdentityKind::Node)?.stated();
    stated.identity().ok_or_else(|| IdentityError::NotForNodes { path: path.to_path_buf() })
}

/// A file that was read and is one of its kind. Its secret is still sealed, so that a passphrase need not be asked for what
/// turns out to be another file.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    kind: IdentityKind,
    stated: Principal,
    sealed: Vec<u8>,
}

impl KeyFile {
    /// Reads a file. Others lose their access to one that is of this kind; another file is left alone.
    ///
    /// # Errors
    /// Names the file, and tells one that is damaged from one that never was a key file.
    pub fn read(path: &Path, kind: IdentityKind) -> Result<Self, IdentityError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => IdentityError::NotFound { path: path.to_path_buf() },
            io::ErrorKind::IsADirectory => IdentityError::Folder { path: path.to_path_buf(), expected: kind },
            _ => IdentityError::Io { path: path.to_path_buf(), source },
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        (&file).take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        let (file_content, stated) = parse(path, kind, &bytes)?;
        let damaged = || IdentityError::Damaged {
            path: path.to_path_buf(),
            detail: "the sealed secret is not 0x and hexadecimal digits".to_owned(),
        };
        let sealed = file_content.sealed.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        let sealed = sealed.ok_or_else(damaged)?;
        // The secret in it is sealed, so an open mode of what is an identity file is corrected rather than refused.
        match files::make_private(&file) {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(path = %path.display(), "identity file was accessible to others: set to mode 0600");
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot set mode 0600 on the identity file");
            }
        }
        Ok(Self { path: path.to_path_buf(), kind, stated, sealed })
    }

    /// The public key that the file states. Without the passphrase nothing vouches for it.
    #[must_use]
    pub const fn stated(&self) -> Principal {
        self.stated
    }

    /// Opens the secret.
    ///
    /// # Errors
    /// Names the file and tells damage from a wrong passphrase.
    pub fn open(&self, passphrase: &Passphrase) -> Result<SigningPrincipal, IdentityError> {
        let damaged =
            |detail: &str| IdentityError::Damaged { path: self.path.clone(), detail: detail.to_owned() };
        let secret = open_envelope(self.kind.name(), passphrase, &self.sealed)
            .map_err(|error| envelope_error(&self.path, error))?;
        let secret = <[u8; 32]>::try_from(secret.expose().as_slice())
            .map(Secret::new)
            .map_err(|_| damaged("the sealed secret has the wrong length"))?;
        let key = SigningPrincipal::from_secret(self.stated.key_type(), &secret)
            .map_err(|_| damaged("the sealed secret is no key"))?;
        if key.principal() != self.stated {
            return Err(damaged("the identity it states is not the one of its secret"));
        }
        Ok(key)
    }
}

fn parse(path: &Path, kind: IdentityKind, bytes: &[u8]) -> Result<(IdentityFile, Principal), IdentityError> {
    let damaged = |detail: String| IdentityError::Damaged { path: path.to_path_buf(), detail };
    if bytes.is_empty() {
        return Err(IdentityError::Empty { path: path.to_path_buf(), expected: kind });
    }
    // One that is damaged still looks like it; of any other it would be wrong to say that it is damaged.
    let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() as u64 <= MAX_FILE);
    let text = text.filter(|text| text.trim_start().starts_with('{') && text.contains("\"sealed\""));
    let text = text.ok_or_else(|| IdentityError::NotAKeyFile { path: path.to_path_buf(), expected: kind })?;
    // The version first: a later one may have other fields.
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let format = value
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
    let file: IdentityFile = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if file.kind != kind.name() {
        let found = IdentityKind::ALL.into_iter().find(|other| other.name() == file.kind);
        let found = found.ok_or_else(|| damaged(format!("it is of no known kind, {:?}", file.kind)))?;
        return Err(IdentityError::WrongKind { path: path.to_path_buf(), found, expected: kind });
    }
    let stated: Principal =
        file.identity.parse().map_err(|error| damaged(format!("the identity it states is none: {error}")))?;
    if kind == IdentityKind::Node && stated.identity().is_none() {
        return Err(damaged("the identity it states is no Ed25519 key".to_owned()));
    }
    Ok((file, stated))
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
        let identity = generate_node(&path, &passphrase("correct"), KdfParams::FLOOR, &mut OsRng).unwrap();
        Home { _folder: folder, path, identity }
    }

    fn reload(path: &Path) -> Result<SigningIdentity, IdentityError> {
        load_node(path, &passphrase("correct"))
    }

    #[test]
    fn an_identity_is_loaded_as_it_was_generated() {
        let home = home();
        let loaded = reload(&home.path).unwrap();
        assert_eq!(loaded.identity(), home.identity.identity());
        assert!(home.identity.identity().verify(b"message", &loaded.sign(b"message")));
        assert_eq!(stated_node(&home.path).unwrap(), loaded.identity());
        let mode = || fs::metadata(&home.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&home.path, fs::Permissions::from_mode(0o640)).unwrap();
        reload(&home.path).unwrap();
        assert_eq!(mode(), 0o600);
        // What is none is left alone.
        fs::write(home.path.with_extension("other"), "{}").unwrap();
        let other = home.path.with_extension("other");
        fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(KeyFile::read(&other, IdentityKind::Node).is_err());
        assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o644);
        let text = fs::read_to_string(&home.path).unwrap();
        assert!(!text.contains(&hex::encode(home.identity.seed().expose())));
    }

    #[test]
    fn it_is_never_overwritten() {
        let home = home();
        let error = generate_node(&home.path, &passphrase("other"), KdfParams::FLOOR, &mut OsRng);
        assert!(matches!(error, Err(IdentityError::AlreadyExists { .. })));
        assert_eq!(reload(&home.path).unwrap().identity(), home.identity.identity());
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage_and_both_name_the_file() {
        let home = home();
        let error = load_node(&home.path, &passphrase("wrong")).unwrap_err();
        assert!(matches!(error, IdentityError::WrongPassphrase { .. }));
        assert!(error.to_string().contains("identity.json"), "{error}");

        let good = fs::read_to_string(&home.path).unwrap();
        let sealed = good.find("sealed").unwrap();
        let stranger = SigningIdentity::generate(&mut OsRng).identity().to_string();
        let mut flipped = good.clone().into_bytes();
        flipped[sealed + 200] = if flipped[sealed + 200] == b'0' { b'1' } else { b'0' };
        for content in [
            good.as_bytes()[..good.len() / 2].to_vec(),
            flipped,
            good.replace(&home.identity.identity().to_string(), &stranger).into_bytes(),
            good.replace(&home.identity.identity().to_string(), "0x12").into_bytes(),
            good.replace("\"format\"", "\"extra\": 1, \"format\"").into_bytes(),
            good.replace("node identity", "stranger").into_bytes(),
        ] {
            fs::write(&home.path, &content).unwrap();
            let error = reload(&home.path).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("identity.json"), "{error}");
        }
    }

    #[test]
    fn initiators_and_authorizers_have_keys_of_either_type_and_nodes_have_not() {
        let folder = tempfile::tempdir().unwrap();
        let (right, kdf) = (passphrase("correct"), KdfParams::FLOOR);
        for kind in [IdentityKind::Initiator, IdentityKind::Authorizer] {
            for key_type in KeyType::ALL {
                let path = folder.path().join(format!("{} {}", kind.name(), key_type.algorithm()));
                let made = generate(&path, kind, key_type, &right, kdf, &mut OsRng).unwrap();
                assert_eq!(made.principal().key_type(), key_type);
                assert_eq!(KeyFile::read(&path, kind).unwrap().stated(), made.principal());
                let loaded = load(&path, kind, &right).unwrap();
                assert!(made.principal().verify(b"message", &loaded.sign(b"message")));
                let error = load_node(&path, &right).unwrap_err();
                assert!(matches!(error, IdentityError::WrongKind { .. }), "{error}");

                // Relabelled by hand: the other key's name, and that of another kind.
                let good = fs::read_to_string(&path).unwrap();
                let stranger = SigningPrincipal::generate(key_type, &mut OsRng).principal().to_string();
                let renamed = good.replace(&made.principal().to_string(), &stranger);
                fs::write(&path, &renamed).unwrap();
                assert!(matches!(load(&path, kind, &right), Err(IdentityError::Damaged { .. })));
                fs::write(&path, good.replace(kind.name(), "node identity")).unwrap();
                assert!(matches!(load_node(&path, &right), Err(IdentityError::Damaged { .. })));
            }
        }
        let path = folder.path().join("node");
        let refused = generate(&path, IdentityKind::Node, KeyType::P256, &right, kdf, &mut OsRng);
        assert!(matches!(refused, Err(IdentityError::NotForNodes { .. })));
        assert!(!path.exists());
    }

    /// Their passphrase is "correct".
    #[test]
    fn files_written_before_there_was_p256_keep_loading() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, text) in [
            (IdentityKind::Node, include_str!("../tests/data/node.json")),
            (IdentityKind::Initiator, include_str!("../tests/data/initiator.json")),
        ] {
            let path = folder.path().join("saved.json");
            fs::write(&path, text).unwrap();
            let loaded = load(&path, kind, &passphrase("correct")).unwrap();
            assert_eq!(
                loaded.principal(),
                Principal::from(SigningIdentity::from_seed(&Secret::new([7; 32])).identity())
            );
        }
    }

    #[test]
    fn what_never_was_a_key_file_is_not_called_damaged() {
        let home = home();
        let too_long = fs::read_to_string(&home.path).unwrap() + &" ".repeat(70_000);
        for content in [b"garbage".to_vec(), vec![0xff; 100], b"{}".to_vec(), too_long.into_bytes()] {
            fs::write(&home.path, &content).unwrap();
            let error = reload(&home.path).unwrap_err();
            assert!(matches!(error, IdentityError::NotAKeyFile { .. }), "{error}");
            assert!(error.to_string().ends_with("identity.json is not a file with a node's identity"));
        }
        fs::write(&home.path, "").unwrap();
        assert!(matches!(reload(&home.path), Err(IdentityError::Empty { .. })));
        let folder = home.path.parent().unwrap();
        assert!(matches!(reload(folder), Err(IdentityError::Folder { .. })));
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
