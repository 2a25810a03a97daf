#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Limits, serve};
use axum::Router;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

/// An authority and the certificates that it gave out.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap() }
    }

    fn certify(&self, name: &str) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use std::fmt::Write;
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for chunk in der.chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for at in 0..4 {
            let digit = char::from(ALPHABET[(word >> (18 - 6 * at)) as usize & 63]);
            text.push(if at > chunk.len() { '=' } else { digit });
        }
    }
    writeln!(text, "\n-----END {label}-----").unwrap();
    text
}

fn write(path: &Path, content: &str) {
    // Under a new name first, as tools do that renew certificates.
    let draft = path.with_extension("new");
    std::fs::write(&draft, content).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(draft, path).unwrap();
}

struct Files {
    _folder: TempDir,
    files: TlsFiles,
}

impl Files {
    fn new(authority: &Authority, clients: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let client_authorities = clients.map(|clients| {
            write(&at("clients.pem"), &pem("CERTIFICATE", clients.issuer.der()));
            at("clients.pem")
        });
        let files = TlsFiles { certificate: at("cert.pem"), key: at("key.pem"), client_authorities };
        let this = Self { _folder: folder, files };
        this.renew(authority);
        this
    }

    fn renew(&self, authority: &Authority) {
        let (certificate, key) = authority.certify("localhost");
        write(&self.files.certificate, &pem("CERTIFICATE", &certificate));
        write(&self.files.key, &pem("PRIVATE KEY", &key.serialize_der()));
    }
}

async fn serving(files: TlsFiles, limits: Limits) -> SocketAddr {
    let tls = Tls::load_looking(files, Duration::ZERO).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(serve(listener, Some(tls), router, limits, std::future::pending()));
    address
}

/// What a client that trusts this authority is answered, and shows this certificate if any.
async fn ask(
    address: SocketAddr,
    trusted: &Authority,
    shown: Option<(CertificateDer<'static>, KeyPair)>,
) -> std::io::Result<String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted.roots());
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered_through_tls_and_nobody_in_plain() {
    let authority = Authority::new();
    let files = Files::new(&authority, None);
    let address = serving(files.files.clone(), Limits::default()).await;
    assert!(ask(address, &authority, None).await.unwrap().ends_with("here"));
    assert!(ask(address, &Authority::new(), None).await.is_err());

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!String::from_utf8_lossy(&answer).contains("here"));
}

#[tokio::test]
async fn with_authorities_for_clients_a_certificate_by_one_is_needed() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let files = Files::new(&authority, Some(&clients));
    let address = serving(files.files.clone(), Limits::default()).await;
    let answer = ask(address, &authority, Some(clients.certify("dashboard"))).await.unwrap();
    assert!(answer.ends_with("here"), "{answer}");
    let without = ask(address, &authority, None).await.unwrap_err().to_string();
    assert!(without.contains("CertificateRequired"), "{without}");
    assert!(
        ask(address, &authority, Some(authority.certify("other"))).await.is_err(),
        "of another authority"
    );
}

#[tokio::test]
async fn renewed_files_are_read_without_a_restart_and_broken_ones_are_not_used() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = Files::new(&first, None);
    let address = serving(files.files.clone(), Limits::default()).await;
    ask(address, &first, None).await.unwrap();

    files.renew(&second);
    assert!(ask(address, &second, None).await.unwrap().ends_with("here"));
    assert!(ask(address, &first, None).await.is_err(), "the old certificate is still served");

    // A certificate without its key, as between the two steps of a renewal; then no certificate at all.
    let (certificate, _) = first.certify("localhost");
    write(&files.files.certificate, &pem("CERTIFICATE", &certificate));
    assert!(ask(address, &second, None).await.unwrap().ends_with("here"));
    std::fs::remove_file(&files.files.certificate).unwrap();
    assert!(ask(address, &second, None).await.unwrap().ends_with("here"));
    files.renew(&first);
    assert!(ask(address, &first, None).await.unwrap().ends_with("here"));
}

#[tokio::test]
async fn handshakes_that_are_not_finished_block_nobody_and_end() {
    let authority = Authority::new();
    let files = Files::new(&authority, None);
    let limits = Limits { connections: 4, handshake_time: Duration::from_secs(2), ..Limits::default() };
    let address = serving(files.files.clone(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
        sleep(Duration::from_millis(5)).await;
    }
    let answer = timeout(Duration::from_secs(1), ask(address, &authority, None)).await;
    assert!(answer.unwrap().unwrap().ends_with("here"), "they wait for their turn");
    // Those that made no room have no more than their time.
    let mut last = silent.pop().unwrap();
    let ended = timeout(Duration::from_secs(5), last.read(&mut [0])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
}

fn refusal(files: &TlsFiles) -> String {
    files.check().unwrap_err().to_string()
}

#[test]
fn files_that_do_not_serve_are_refused_by_name() {
    let authority = Authority::new();
    let good = Files::new(&authority, Some(&authority));
    good.files.check().unwrap();
    let (certificate, key) = (&good.files.certificate, &good.files.key);

    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = refusal(&good.files);
    assert!(open.contains("key.pem") && open.contains("mode 0600"), "{open}");

    write(key, "no key");
    assert!(refusal(&good.files).contains("key.pem is not a file with a private key in PEM: there is none"));
    write(key, &pem("PRIVATE KEY", b"no key"));
    assert!(refusal(&good.files).contains("key.pem does not go with the certificate"));
    write(key, &pem("PRIVATE KEY", &authority.certify("localhost").1.serialize_der()));
    let other = refusal(&good.files);
    assert!(other.contains("key.pem") && other.contains("cert.pem"), "{other}");

    write(certificate, "nothing");
    assert!(refusal(&good.files).contains("cert.pem is not a file with certificates in PEM"));
    std::fs::remove_file(certificate).unwrap();
    assert!(refusal(&good.files).contains("cert.pem: No such file"));

    good.renew(&authority);
    write(good.files.client_authorities.as_ref().unwrap(), "nothing");
    assert!(refusal(&good.files).contains("clients.pem is not a file with certificates in PEM"));
}
