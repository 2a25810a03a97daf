//! Which servers are believed to be who they say, and what is shown to them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::pem::{self, PemError};
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

/// The authorities that vouch for the servers behind `https://` endpoints. TLS 1.3 is spoken, and nothing older.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Own(Arc<RootCertStore>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Own(roots) => write!(f, "Own({})", roots.len()),
        }
    }
}

/// Why authorities can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
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
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It is no private key in PEM, or not the certificate's.
    #[error("{} is not the private key of the certificate, in PEM: {detail}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The system has none.
    #[error("this system has no certificate authorities{0}: install them, or name one of your own")]
    NoneOfSystem(String),
    /// A primitive failed.
    #[error("TLS can't be used: {0}")]
    Tls(String),
}

impl Authorities {
    /// Those of the operating system: the default.
    #[must_use]
    pub const fn of_system() -> Self {
        Self(Source::System)
    }

    /// Those in a PEM file, and no others: of an own authority, say.
    ///
    /// # Errors
    /// The file can't be read, or is something else.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, AuthoritiesError> {
        Ok(Self(Source::Own(Arc::new(pem::authorities(path.as_ref())?))))
    }

    /// How connections are made that trust these, and show this certificate where one is asked for.
    ///
    /// # Errors
    /// The system has none, or a primitive fails.
    pub fn config(&self, shown: Option<&ClientCertificate>) -> Result<ClientConfig, AuthoritiesError> {
        let roots = match &self.0 {
            Source::System => Arc::new(system()?),
            Source::Own(roots) => Arc::clone(roots),
        };
        config(roots, shown)
    }
}

impl From<PemError> for AuthoritiesError {
    fn from(error: PemError) -> Self {
        match error {
            PemError::Io { path, source } => Self::Io { path, source },
            PemError::Certificates { path, detail } => Self::Invalid { path, detail },
            PemError::Key { path, detail } => Self::Key { path, detail },
        }
    }
}

/// What a client shows of itself to servers that ask for a certificate: mutual TLS.
#[derive(Clone)]
pub struct ClientCertificate(Arc<SingleCertAndKey>);

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}

impl ClientCertificate {
    /// A certificate in PEM, with those between it and its authority, and its key in PEM, which others may not read.
    ///
    /// # Errors
    /// A file can't be read, others may read the key, or the two are something else or do not go together.
    pub fn from_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, AuthoritiesError> {
        let chain = pem::certificates(certificate.as_ref())?;
        let der = pem::private_key(key.as_ref())?;
        let certified = CertifiedKey::from_der(chain, der, &aws_lc_rs::default_provider());
        let certified = certified.map_err(|error| AuthoritiesError::Key {
            path: key.as_ref().to_path_buf(),
            detail: error.to_string(),
        })?;
        Ok(Self(Arc::new(certified.into())))
    }
}

/// How connections are made where none is by TLS.
///
/// # Errors
/// A primitive fails.
pub fn nobody() -> Result<ClientConfig, AuthoritiesError> {
    config(Arc::new(RootCertStore::empty()), None)
}

fn config(
    roots: Arc<RootCertStore>,
    shown: Option<&ClientCertificate>,
) -> Result<ClientConfig, AuthoritiesError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| AuthoritiesError::Tls(error.to_string()))?;
    let config = config.with_root_certificates(roots);
    Ok(match shown {
        Some(ClientCertificate(shown)) => config.with_client_cert_resolver(Arc::clone(shown) as _),
        None => config.with_no_client_auth(),
    })
}

fn system() -> Result<RootCertStore, AuthoritiesError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have old certificates among them that can't be read: they vouch for nobody.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let detail = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(AuthoritiesError::NoneOfSystem(detail));
    }
    Ok(roots)
}

/// Why no TLS connection came about, if that is what an error is about.
#[must_use]
pub fn reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    error_in(error).map(explained)
}

fn error_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // An I/O error is not the source of one that it carries.
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.and_then(|carried| error_in(carried)).or_else(|| error_in(error.source()?))
}

fn explained(error: &rustls::Error) -> String {
    match error {
        // The latter: of another authority that has the name of one.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate is of no authority that is trusted here".to_owned(),
        rustls::Error::InvalidCertificate(CertificateError::Other(error)) => {
            format!("its certificate is refused: {error}")
        }
        rustls::Error::InvalidCertificate(error) => format!("its certificate is refused: {error}"),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS: is it http://?".to_owned(),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "it does not speak TLS 1.3".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks its clients for a certificate, and none was shown".to_owned()
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::DecryptError,
        ) => "it does not accept the certificate that it was shown".to_owned(),
        error => error.to_string(),
    }
}
