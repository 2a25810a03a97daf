//! Certificates and keys in PEM.

use std::io;
use std::path::{Path, PathBuf};

use quorate_identity::files;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The longest file that is read: room for all authorities of a system.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Why certificates or a key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The file can't be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is no list of certificates in PEM.
    #[error("{} is not a file with certificates in PEM: {detail}", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It is no private key in PEM.
    #[error("{} is not a file with a private key in PEM: {detail}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

fn none_in_it(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        error => error.to_string(),
    }
}

/// The certificates in a file, one at least.
///
/// # Errors
/// The file can't be read, or is something else.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let invalid = |detail: String| PemError::Certificates { path: path.to_path_buf(), detail };
    let failed = |source| PemError::Io { path: path.to_path_buf(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        return Err(invalid(format!("it has more than {MOST_BYTES} bytes")));
    }
    let content = std::fs::read(path).map_err(failed)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let found = found.map_err(|error| invalid(none_in_it(&error)))?;
    if found.is_empty() {
        return Err(invalid("there is none in it".to_owned()));
    }
    Ok(found)
}

/// The authorities in a file, one at least.
///
/// # Errors
/// The file can't be read, or is something else.
pub fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| PemError::Certificates {
            path: path.to_path_buf(),
            detail: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// The private key in a file that its owner alone may read.
///
/// # Errors
/// The file can't be read, others may read it, or it is something else.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let content = files::read_private(path, MOST_BYTES)
        .map_err(|source| PemError::Io { path: path.to_path_buf(), source })?;
    PrivateKeyDer::from_pem_slice(&content)
        .map_err(|error| PemError::Key { path: path.to_path_buf(), detail: none_in_it(&error) })
}
