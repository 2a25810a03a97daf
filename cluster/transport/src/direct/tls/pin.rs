//! Who is accepted in a handshake: whoever proves the pinned Ed25519 key, and nobody else.
//!
//! Of a certificate only the public key is read; names, dates, extensions and its self-signature mean
//! nothing. The handshake signature is checked under that very key.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_keys::Identity;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    PeerMisbehaved, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// `id-Ed25519` (RFC 8410).
const ED25519_OID: &str = "1.3.101.112";

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PinError {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate is not of an Ed25519 key")]
    NotEd25519,
    #[error("the certified key is not a valid identity")]
    InvalidKey,
    #[error("the certified identity {0} is not the pinned one")]
    NotPinned(Identity),
}

impl From<PinError> for Error {
    fn from(error: PinError) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    }
}

/// The identity whose key a certificate certifies.
pub(crate) fn certified_identity(certificate: &CertificateDer<'_>) -> Result<Identity, PinError> {
    let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| PinError::Unreadable)?;
    if !rest.is_empty() {
        return Err(PinError::Unreadable);
    }
    let spki = parsed.public_key();
    let bits = &spki.subject_public_key;
    if spki.algorithm.algorithm.to_id_string() != ED25519_OID
        || spki.algorithm.parameters.is_some()
        || bits.unused_bits != 0
    {
        return Err(PinError::NotEd25519);
    }
    let key: [u8; 32] = bits.data.as_ref().try_into().map_err(|_| PinError::NotEd25519)?;
    Identity::from_bytes(key).map_err(|_| PinError::InvalidKey)
}

/// Checks the signature over the handshake under the certified key.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let identity = certified_identity(certificate)?;
    let signature: [u8; 64] = signed.signature().try_into().map_err(|_| CertificateError::BadSignature)?;
    if identity.verify(message, &signature) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// TLS 1.2 is not offered; should a handshake get here all the same, it ends here.
fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
}

/// Accepts one peer, when dialling it.
#[derive(Debug)]
pub(super) struct PinnedPeer {
    peer: Identity,
}

impl PinnedPeer {
    pub(super) fn new(peer: Identity) -> Self {
        Self { peer }
    }
}

impl ServerCertVerifier for PinnedPeer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = certified_identity(certificate)?;
        if presented == self.peer {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(PinError::NotPinned(presented).into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Accepts any of the configured peers, when one of them dials us.
#[derive(Debug)]
pub(super) struct PinnedPeers {
    peers: BTreeSet<Identity>,
}

impl PinnedPeers {
    pub(super) fn new(peers: impl IntoIterator<Item = Identity>) -> Self {
        Self { peers: peers.into_iter().collect() }
    }
}

impl ClientCertVerifier for PinnedPeers {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let presented = certified_identity(certificate)?;
        if self.peers.contains(&presented) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(PinError::NotPinned(presented).into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::direct::tls::HandshakeKey;
    use crate::testing::signer;

    fn certificate(n: u8) -> CertificateDer<'static> {
        HandshakeKey::new(Arc::new(signer(n))).certificate().unwrap()
    }

    #[test]
    fn a_certificate_of_another_kind_of_key_is_not_accepted() {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        assert_eq!(certified_identity(certificate.der()), Err(PinError::NotEd25519));
    }

    #[test]
    fn bytes_that_are_no_certificate_or_more_than_one_are_not_accepted() {
        let good = certificate(1).to_vec();
        for cut in 0..good.len() {
            assert!(certified_identity(&CertificateDer::from(&good[..cut])).is_err(), "cut at {cut}");
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(certified_identity(&CertificateDer::from(longer)), Err(PinError::Unreadable));
    }

    #[test]
    fn a_certificate_of_a_point_of_small_order_is_not_accepted() {
        let good = certificate(1).to_vec();
        let key = *signer(1).identity().as_bytes();
        let at = good.windows(32).position(|window| window == key).unwrap();
        // The neutral element of the curve: everything would verify under it.
        let mut forged = good;
        forged[at..at + 32].fill(0);
        forged[at] = 1;
        assert_eq!(certified_identity(&CertificateDer::from(forged)), Err(PinError::InvalidKey));
    }

    #[test]
    fn each_side_accepts_exactly_whom_it_pins() {
        let name = ServerName::try_from("other.example").unwrap();
        let dialling = PinnedPeer::new(signer(1).identity());
        let now = UnixTime::now();
        assert!(dialling.verify_server_cert(&certificate(1), &[], &name, &[], now).is_ok());
        let refused = dialling.verify_server_cert(&certificate(2), &[], &name, &[], now).unwrap_err();
        assert!(refused.to_string().contains(&signer(2).identity().to_string()), "{refused}");
        let listening = PinnedPeers::new([signer(1).identity(), signer(2).identity()]);
        assert!(listening.client_auth_mandatory());
        assert!(listening.verify_client_cert(&certificate(2), &[], now).is_ok());
        assert!(listening.verify_client_cert(&certificate(3), &[], now).is_err());
    }
}
