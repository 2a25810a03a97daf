//! The protocols that a node runs, and which of them serves which curve.

use std::sync::Arc;

use quorate_cggmp21::auxiliary::AuxiliaryProtocol;
use quorate_cggmp21::presign::Presign;
use quorate_cggmp21::sign::Sign;
use quorate_dkls23::pairs::PairsProtocol;
use quorate_dkls23::sign::Sign as ObliviousSign;
use quorate_frost::{Bip340Suite, Ed25519Suite, Frost};
use quorate_keygen::Keygen;
use quorate_keys::{Curve, Scheme};
use quorate_request::{ErrorBody, ErrorCode};
use quorate_reshare::Reshare;
use quorate_session::{Erased, Protocol as _, ProtocolId, Registry};
use quorate_sharing::{Ed25519, P256, Secp256k1};

/// Every protocol of this release. A new one is one more line here.
#[must_use]
pub fn registry() -> Registry {
    Registry::default()
        .with(Arc::new(Erased::<Keygen<Ed25519>>::default()))
        .with(Arc::new(Erased::<Keygen<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Keygen<P256>>::default()))
        .with(Arc::new(Erased::<Reshare<Ed25519>>::default()))
        .with(Arc::new(Erased::<Reshare<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Reshare<P256>>::default()))
        .with(Arc::new(Erased::<Frost<Ed25519Suite>>::default()))
        .with(Arc::new(Erased::<Frost<Bip340Suite>>::default()))
        .with(Arc::new(Erased::<AuxiliaryProtocol>::default()))
        .with(Arc::new(Erased::<Presign<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Presign<P256>>::default()))
        .with(Arc::new(Erased::<Sign<Secp256k1>>::default()))
        .with(Arc::new(Erased::<Sign<P256>>::default()))
        .with(Arc::new(Erased::<PairsProtocol>::default()))
        .with(Arc::new(Erased::<ObliviousSign<Secp256k1>>::default()))
        .with(Arc::new(Erased::<ObliviousSign<P256>>::default()))
}

/// The names of these protocols, each with the number of its rounds.
pub(crate) const ROUNDS: [(&str, u8); 8] = [
    ("keygen", quorate_keygen::ACKNOWLEDGE),
    ("reshare", quorate_reshare::ACKNOWLEDGE),
    ("frost", 2),
    ("cggmp21-auxiliary", 4),
    // The fourth only when one of the three was false.
    ("cggmp21-presign", 4),
    ("cggmp21", 1),
    ("dkls23-pairs", 3),
    ("dkls23", 3),
];

/// How the signatures of a wallet are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Frost,
    /// With presignatures.
    Cggmp21,
    /// With pairs.
    Dkls23,
}

impl Method {
    /// As the API calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Frost => "frost",
            Self::Cggmp21 => "cggmp21",
            Self::Dkls23 => "dkls23",
        }
    }

    /// How many nodes sign together at most.
    pub(crate) const fn most_signers(self) -> Option<usize> {
        match self {
            Self::Frost => None,
            Self::Cggmp21 => Some(quorate_cggmp21::MAX_SIGNERS),
            Self::Dkls23 => Some(quorate_dkls23::MAX_SIGNERS),
        }
    }

    /// How many signatures a request has at most.
    pub(crate) const fn most_signatures(self) -> usize {
        match self {
            Self::Frost | Self::Cggmp21 => quorate_session::MAX_SIGNATURES,
            Self::Dkls23 => quorate_dkls23::MAX_SIGNATURES,
        }
    }
}

/// Names of protocols that the API knows but this release does not have.
const PLANNED: [&str; 2] = ["gg20", "ringtail"];
/// What those say who want a wallet that can be reshared: every one can.
const RESHARABLE: &str = "lss";

/// The scheme of a wallet that a client asks for by curve and protocol, and how it signs.
///
/// # Errors
/// The client's: an unknown curve or protocol, or a pair that does not exist.
pub(crate) fn scheme(curve: &str, protocol: Option<&str>) -> Result<(Scheme, Method), ErrorBody> {
    let curve: Curve =
        curve.parse().map_err(|error| ErrorBody::new(ErrorCode::UnsupportedCurve, format!("{error}")))?;
    let protocol = protocol.filter(|name| *name != RESHARABLE);
    let unsupported = |message: String| Err(ErrorBody::new(ErrorCode::UnsupportedProtocol, message));
    match (curve, protocol) {
        (Curve::Ed25519, None | Some("frost")) => Ok((Scheme::Ed25519, Method::Frost)),
        (Curve::Secp256k1, Some("frost")) => Ok((Scheme::Bip340, Method::Frost)),
        (Curve::Secp256k1, None | Some("cggmp21")) => Ok((Scheme::EcdsaSecp256k1, Method::Cggmp21)),
        (Curve::P256, None | Some("cggmp21")) => Ok((Scheme::EcdsaP256, Method::Cggmp21)),
        (Curve::Secp256k1, Some("dkls23")) => Ok((Scheme::EcdsaSecp256k1, Method::Dkls23)),
        (Curve::P256, Some("dkls23")) => Ok((Scheme::EcdsaP256, Method::Dkls23)),
        (_, Some(name)) if PLANNED.contains(&name) => {
            let built = "frost (ed25519, secp256k1), cggmp21 and dkls23 (secp256k1, p256) are";
            unsupported(format!("protocol {name} is not built into this release; {built}"))
        }
        (_, Some(name @ ("cggmp21" | "dkls23"))) => {
            unsupported(format!("{name} makes ECDSA signatures on secp256k1 and p256, not on {curve}"))
        }
        (_, Some("frost")) => {
            unsupported(format!("frost signs on ed25519 and secp256k1 in this release, not on {curve}"))
        }
        (_, Some(name)) => {
            let name: String = name.chars().take(64).collect();
            unsupported(format!("unknown protocol {name}; known are frost, cggmp21 and dkls23"))
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

/// The protocol that deals shares of a scheme's keys anew.
pub(crate) fn resharing(scheme: Scheme) -> Option<ProtocolId> {
    match scheme.curve() {
        Curve::Ed25519 => Some(Reshare::<Ed25519>::ID),
        Curve::Secp256k1 => Some(Reshare::<Secp256k1>::ID),
        Curve::P256 => Some(Reshare::<P256>::ID),
        _ => None,
    }
}

/// The protocol that signs with keys of a scheme in this way.
pub(crate) fn signing(scheme: Scheme, method: Method) -> Option<ProtocolId> {
    match (scheme, method) {
        (Scheme::Ed25519, Method::Frost) => Some(Frost::<Ed25519Suite>::ID),
        (Scheme::Bip340, Method::Frost) => Some(Frost::<Bip340Suite>::ID),
        (Scheme::EcdsaSecp256k1, Method::Cggmp21) => Some(Sign::<Secp256k1>::ID),
        (Scheme::EcdsaP256, Method::Cggmp21) => Some(Sign::<P256>::ID),
        (Scheme::EcdsaSecp256k1, Method::Dkls23) => Some(ObliviousSign::<Secp256k1>::ID),
        (Scheme::EcdsaP256, Method::Dkls23) => Some(ObliviousSign::<P256>::ID),
        _ => None,
    }
}

/// The protocol that makes presignatures for keys of a scheme, if they sign with some.
pub(crate) fn presigning(scheme: Scheme, method: Method) -> Option<ProtocolId> {
    match (scheme, method) {
        (Scheme::EcdsaSecp256k1, Method::Cggmp21) => Some(Presign::<Secp256k1>::ID),
        (Scheme::EcdsaP256, Method::Cggmp21) => Some(Presign::<P256>::ID),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_of_every_protocol_are_known() {
        const METHODS: [Method; 3] = [Method::Frost, Method::Cggmp21, Method::Dkls23];
        let both = |scheme| {
            METHODS.into_iter().flat_map(move |method| [signing(scheme, method), presigning(scheme, method)])
        };
        let of_wallets = Scheme::ALL.into_iter().flat_map(both).flatten();
        let keygens = Scheme::ALL.into_iter().map(|scheme| keygen(scheme).unwrap());
        let resharings = Scheme::ALL.into_iter().map(|scheme| resharing(scheme).unwrap());
        let all: Vec<_> = of_wallets
            .chain(keygens)
            .chain(resharings)
            .chain([AuxiliaryProtocol::ID, PairsProtocol::ID])
            .collect();
        assert_eq!(all.len(), 2 + 2 + 2 + 2 + 4 + 4 + 2);
        for protocol in all {
            assert!(registry().find(&protocol).is_some());
            assert!(ROUNDS.iter().any(|(name, _)| *name == protocol.name()), "{protocol}");
        }
    }

    #[test]
    fn every_curve_and_protocol_makes_a_wallet_that_can_sign_or_is_told_why_not() {
        assert_eq!(scheme("ed25519", None).unwrap(), (Scheme::Ed25519, Method::Frost));
        assert_eq!(scheme("ed25519", Some("frost")).unwrap(), (Scheme::Ed25519, Method::Frost));
        assert_eq!(scheme("secp256k1", Some("frost")).unwrap(), (Scheme::Bip340, Method::Frost));
        assert_eq!(scheme("ed25519", Some("lss")).unwrap(), (Scheme::Ed25519, Method::Frost));
        assert_eq!(scheme("p256", Some("lss")).unwrap(), (Scheme::EcdsaP256, Method::Cggmp21));
        for (protocol, method) in
            [(None, Method::Cggmp21), (Some("cggmp21"), Method::Cggmp21), (Some("dkls23"), Method::Dkls23)]
        {
            assert_eq!(scheme("secp256k1", protocol).unwrap(), (Scheme::EcdsaSecp256k1, method));
            assert_eq!(scheme("p256", protocol).unwrap(), (Scheme::EcdsaP256, method));
        }
        for (curve, protocol, told) in [
            ("secp256k1", Some("gg20"), "gg20 is not built into this release"),
            ("ed25519", Some("cggmp21"), "not on ed25519"),
            ("ed25519", Some("dkls23"), "dkls23 makes ECDSA signatures"),
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
