//! A node's certificate: self-signed, the same for the same identity, of no meaning beyond the key in it.

use std::fmt;
use std::sync::Arc;

use quorate_keys::{Identity, SigningIdentity};
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::CertificateDer;

/// The key of a node as TLS uses it. The secret stays inside [`SigningIdentity`].
///
/// # Security
/// TLS 1.3 signs 64 spaces, a context string and a hash (RFC 8446, 4.4.3), X.509 a DER sequence; neither can
/// be mistaken for the domain-separated transcripts that the identity signs elsewhere.
#[derive(Clone)]
pub(crate) struct HandshakeKey {
    signer: Arc<SigningIdentity>,
    identity: Identity,
}

impl HandshakeKey {
    pub(crate) fn new(signer: Arc<SigningIdentity>) -> Self {
        let identity = signer.identity();
        Self { signer, identity }
    }

    /// The self-signed certificate. Nothing in it is random and Ed25519 signatures are deterministic, so an
    /// identity has one certificate; it has no expiry to miss, because peers pin the key and look at nothing
    /// else.
    pub(crate) fn certificate(&self) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(1u64.into());
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.identity.to_string());
        Ok(params.self_signed(self)?.der().clone())
    }
}

impl fmt::Debug for HandshakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandshakeKey").field(&self.identity).finish()
    }
}

impl PublicKeyData for HandshakeKey {
    fn der_bytes(&self) -> &[u8] {
        self.identity.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signer.sign(message).to_vec())
    }
}

impl SigningKey for HandshakeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.signer.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::tls::certified_identity;
    use crate::testing::signer;

    #[test]
    fn an_identity_has_one_certificate_and_it_certifies_that_identity() {
        let key = HandshakeKey::new(Arc::new(signer(1)));
        let certificate = key.certificate().unwrap();
        assert_eq!(certificate, HandshakeKey::new(Arc::new(signer(1))).certificate().unwrap());
        assert_ne!(certificate, HandshakeKey::new(Arc::new(signer(2))).certificate().unwrap());
        assert_eq!(certified_identity(&certificate).unwrap(), signer(1).identity());
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let shown = format!("{:?}", HandshakeKey::new(Arc::new(signer(7))));
        assert!(!shown.contains("07070707") && !shown.contains("7, 7, 7"), "{shown}");
    }

    #[test]
    fn only_ed25519_is_signed() {
        let key = HandshakeKey::new(Arc::new(signer(1)));
        assert!(key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).is_none());
        let chosen = key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ED25519]);
        assert_eq!(chosen.unwrap().scheme(), SignatureScheme::ED25519);
    }
}
