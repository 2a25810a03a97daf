//! TLS 1.3 of a server: its certificate and key from files, which are read again when they have changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use quorate_tls::{PemError, authorities, certificates, private_key};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use tracing::{error, info};

/// How long what was read counts as it is, before the files are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate in PEM, and after it those of authorities between it and its root.
    pub certificate: PathBuf,
    /// The key of the certificate in PEM. Others may not read it.
    pub key: PathBuf,
    /// Certificates in PEM of the authorities that vouch for clients: those must show a certificate then.
    pub client_authorities: Option<PathBuf>,
}

/// Why TLS is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key is not the certificate's, or of a kind that is not known.
    #[error("the key in {} does not go with the certificate in {}: {detail}", .key.display(), .certificate.display())]
    Mismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        certificate: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The authorities of clients.
    #[error("{}: {detail}", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A primitive failed.
    #[error("TLS can't be served: {0}")]
    Primitive(String),
}

impl TlsFiles {
    /// Reads them all, and checks that they go together.
    ///
    /// # Errors
    /// The first that can't be read, is something else, or does not go with the others.
    pub fn check(&self) -> Result<(), TlsError> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(&self.certificate)?;
        let key = private_key(&self.key)?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(|error| TlsError::Mismatch {
                key: self.key.clone(),
                certificate: self.certificate.clone(),
                detail: error.to_string(),
            })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| TlsError::Primitive(error.to_string()))?;
        let resolver: Arc<SingleCertAndKey> = Arc::new(certified.into());
        let mut config = match &self.client_authorities {
            None => builder.with_no_client_auth().with_cert_resolver(resolver),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = verifier(roots, provider)
                    .map_err(|detail| TlsError::Authorities { path: path.clone(), detail })?;
                builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver)
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Every connection is judged by the files as they are.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What of them shows that they were replaced.
    fn stamps(&self) -> Vec<Option<Stamp>> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_authorities.as_ref()];
        files.into_iter().flatten().map(Stamp::of).collect()
    }
}

fn verifier(
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    WebPkiClientVerifier::builder_with_provider(roots, provider).build().map_err(|error| error.to_string())
}

/// A file at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    fn of(path: &PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

/// TLS as it is served now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    look_every: Duration,
    read: Mutex<Read>,
}

#[derive(Debug)]
struct Read {
    config: Arc<ServerConfig>,
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// As [`TlsFiles::check`].
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        Self::load_looking(files, LOOK_EVERY)
    }

    fn load_looking(files: TlsFiles, look_every: Duration) -> Result<Arc<Self>, TlsError> {
        // First the stamps: what is replaced in between is read again.
        let stamps = files.stamps();
        let read = Read { config: files.read()?, stamps, looked: Instant::now() };
        Ok(Arc::new(Self { files, look_every, read: Mutex::new(read) }))
    }

    /// Whether clients must show a certificate.
    #[must_use]
    pub const fn is_mutual(&self) -> bool {
        self.files.client_authorities.is_some()
    }

    /// What connections are made by from now on. Files that have changed are read again; if they are wrong, the old ones stay.
    pub(crate) async fn current(self: &Arc<Self>) -> Arc<ServerConfig> {
        {
            let mut read = self.lock();
            if read.looked.elapsed() < self.look_every {
                return Arc::clone(&read.config);
            }
            // Others that connect meanwhile take what there is.
            read.looked = Instant::now();
        }
        let this = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || this.look()).await {
            error!(%error, "the files of TLS could not be looked at");
        }
        Arc::clone(&self.lock().config)
    }

    fn look(&self) {
        let stamps = self.files.stamps();
        if stamps == self.lock().stamps {
            return;
        }
        let read = self.files.read();
        let mut known = self.lock();
        // Also of files that are wrong: that is said once, not at each look.
        known.stamps = stamps;
        match read {
            Ok(config) => {
                known.config = config;
                info!(certificate = %self.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => {
                error!(%error, "the changed files of TLS are not used, the earlier ones stay");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
