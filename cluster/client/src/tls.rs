//! Which servers are believed to be who they say.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
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
        let path = path.as_ref();
        let invalid = |detail: String| AuthoritiesError::Invalid { path: path.to_path_buf(), detail };
        let content = std::fs::read(path)
            .map_err(|source| AuthoritiesError::Io { path: path.to_path_buf(), source })?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&content) {
            let certificate = certificate.map_err(|error| invalid(of_pem(&error)))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(invalid("there is none in it".to_owned()));
        }
        Ok(Self(Source::Own(Arc::new(roots))))
    }

    /// How connections are made that trust these.
    pub(crate) fn config(&self) -> Result<ClientConfig, AuthoritiesError> {
        config(match &self.0 {
            Source::System => Arc::new(system()?),
            Source::Own(roots) => Arc::clone(roots),
        })
    }
}

/// How connections are made where none is by TLS.
pub(crate) fn nobody() -> Result<ClientConfig, AuthoritiesError> {
    config(Arc::new(RootCertStore::empty()))
}

fn config(roots: Arc<RootCertStore>) -> Result<ClientConfig, AuthoritiesError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| AuthoritiesError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        error => error.to_string(),
    }
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
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
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
        error => error.to_string(),
    }
}
