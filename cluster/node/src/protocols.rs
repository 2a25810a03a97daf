//! The protocols that a node runs, and which of them serves which curve.

use std::sync::Arc;

use quorate_cggmp21::auxiliary::AuxiliaryProtocol;
use quorate_cggmp21::presign::Presign;
use quorate_cggmp21::sign::Sign;
use quorate_frost::{Bip340Suite, Ed25519Suite, Frost};
use quorate_keygen::Keygen;
use quorate_keys::{Curve, Scheme};
use quorate_request::{ErrorBody, ErrorCode};
use quorate_session::{Erased, Protocol as _, ProtocolId, Registry};
use quorate_sharing::{Ed25519, P256, Secp256k1};

/// Every protocol of this release. A new one is one more line here.
#[must_use]
pub fn registry() -> Registry {
    Registry::default()
        .with(Arc::new(Erased::<Keygen<Ed25519>>::default()))
        .with(Arc::new(Erased::<Keygen<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Keygen<P256>>::default()))
        .with(Arc::new(Erased::<Frost<Ed25519Suite>>::default()))
        .with(Arc::new(Erased::<Frost<Bip340Suite>>::default()))
        .with(Arc::new(Erased::<AuxiliaryProtocol>::default()))
        .with(Arc::new(Erased::<Presign<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Presign<P256>>::default()))
        .with(Arc::new(Erased::<Sign<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Sign<P256>>::default()))
}

/// The names of these protocols, each with the number of its rounds.
pub(crate) const ROUNDS: [(&str, u8); 5] = [
    ("keygen", quorate_keygen::ACKNOWLEDGE),
    ("frost", 2),
    ("cggmp21-auxiliary", 4),
    // The fourth only when one of the three was false.
    ("cggmp21-presign", 4),
    ("cggmp21", 1),
];

/// Names of protocols that the API knows but this release does not have.
const PLANNED: [&str; 4] = ["dkls23", "gg20", "ringtail", "lss"];

/// The scheme of a wallet that a client asks for by curve and protocol.
///
/// # Errors
/// The client's: an unknown curve or protocol, or a pair that does not exist.
pub(crate) fn scheme(curve: &str, protocol: Option<&str>) -> Result<Scheme, ErrorBody> {
    let curve: Curve =
        curve.parse().map_err(|error| ErrorBody::new(ErrorCode::UnsupportedCurve, format!("{error}")))?;
    let unsupported = |message: String| Err(ErrorBody::new(ErrorCode::UnsupportedProtocol, message));
    match (curve, protocol) {
        (Curve::Ed25519, None | Some("frost")) => Ok(Scheme::Ed25519),
        (Curve::Secp256k1, Some("frost")) => Ok(Scheme::Bip340),
        (Curve::Secp256k1, None | Some("cggmp21")) => Ok(Scheme::EcdsaSecp256k1),
        (Curve::P256, None | Some("cggmp21")) => Ok(Scheme::EcdsaP256),
        (_, Some(name)) if PLANNED.contains(&name) => {
            let built = "frost (ed25519, secp256k1) and cggmp21 (secp256k1, p256) are";
            unsupported(format!("protocol {name} is not built into this release; {built}"))
        }
        (_, Some("cggmp21")) => {
            unsupported(format!("cggmp21 makes ECDSA signatures on secp256k1 and p256, not on {curve}"))
        }
        (_, Some("frost")) => {
            unsupported(format!("frost signs on ed25519 and secp256k1 in this release, not on {curve}"))
        }
        (_, Some(name)) => {
            let name: String = name.chars().take(64).collect();
            unsupported(format!("unknown protocol {name}; known are frost and cggmp21"))
        }
        (_, None) => unsupported(format!("curve {curve} has no protocol in this release")),
    }
}

/// The protocol that makes keys of a scheme.
pub(crate) fn keygen(scheme: Scheme) -> Option<ProtocolId> {
    match scheme.curve() {
        Curve::Ed25519 => Some(Keygen::<Ed25519>::ID),
        Curve::Secp256k1 => Some(Keygen::<Secp256k1>::ID),
        Curve::P256 => Some(Keygen::<P256>::ID),
        _ => None,
    }
}

/// The protocol that signs with keys of a scheme.
pub(crate) fn signing(scheme: Scheme) -> Option<ProtocolId> {
    match scheme {
        Scheme::Ed25519 => Some(Frost::<Ed25519Suite>::ID),
        Scheme::Bip340 => Some(Frost::<Bip340Suite>::ID),
        Scheme::EcdsaSecp256k1 => Some(Sign::<Secp256k1>::ID),
        Scheme::EcdsaP256 => Some(Sign::<P256>::ID),
        _ => None,
    }
}

/// The protocol that makes presignatures for keys of a scheme, if it needs some.
pub(crate) fn presigning(scheme: Scheme) -> Option<ProtocolId> {
    match scheme {
        Scheme::EcdsaSecp256k1 => Some(Presign::<Secp256k1>::ID),
        Scheme::EcdsaP256 => Some(Presign::<P256>::ID),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_of_every_protocol_are_known() {
        let presigning = Scheme::ALL.into_iter().filter_map(presigning);
        let needed = Scheme::ALL.into_iter().flat_map(|scheme| [keygen(scheme), signing(scheme)]);
        for protocol in needed.map(Option::unwrap).chain(presigning).chain([AuxiliaryProtocol::ID]) {
            assert!(registry().find(&protocol).is_some());
            assert!(ROUNDS.iter().any(|(name, _)| *name == protocol.name()), "{protocol}");
        }
    }

    #[test]
    fn every_curve_and_protocol_makes_a_wallet_that_can_sign_or_is_told_why_not() {
        assert_eq!(scheme("ed25519", None).unwrap(), Scheme::Ed25519);
        assert_eq!(scheme("ed25519", Some("frost")).unwrap(), Scheme::Ed25519);
        assert_eq!(scheme("secp256k1", Some("frost")).unwrap(), Scheme::Bip340);
        for protocol in [None, Some("cggmp21")] {
            assert_eq!(scheme("secp256k1", protocol).unwrap(), Scheme::EcdsaSecp256k1);
            assert_eq!(scheme("p256", protocol).unwrap(), Scheme::EcdsaP256);
        }
        for (curve, protocol, told) in [
            ("secp256k1", Some("dkls23"), "dkls23 is not built into this release"),
            ("ed25519", Some("cggmp21"), "not on ed25519"),
            ("p256", Some("frost"), "not on p256"),
            ("p256", Some("gg99"), "unknown protocol gg99"),
            ("ed25519", Some("gg99"), "unknown protocol gg99"),
        ] {
            let refused = scheme(curve, protocol).unwrap_err();
            assert_eq!(refused.code, ErrorCode::UnsupportedProtocol, "{curve} {protocol:?}");
            assert!(refused.message.contains(told), "{}", refused.message);
        }
        assert_eq!(scheme("p384", None).unwrap_err().code, ErrorCode::UnsupportedCurve);
    }
}
