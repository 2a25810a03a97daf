//! Curves and signature schemes.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// A curve on which key shares live.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Curve {
    /// secp256k1 (SEC 2).
    Secp256k1,
    /// edwards25519 (RFC 8032).
    Ed25519,
    /// P-256, also called secp256r1 (FIPS 186-5, SEC 2).
    P256,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 3] = [Self::Secp256k1, Self::Ed25519, Self::P256];

    /// The name in APIs and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
        }
    }
}

/// A signature scheme of a wallet.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scheme {
    /// Schnorr signatures of Bitcoin (BIP-340).
    Bip340,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on secp256k1, of digests (FIPS 186-5).
    EcdsaSecp256k1,
    /// ECDSA on P-256, of digests (FIPS 186-5).
    EcdsaP256,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::Bip340, Self::Ed25519, Self::EcdsaSecp256k1, Self::EcdsaP256];

    /// The curve of the scheme's keys.
    #[must_use]
    pub const fn curve(self) -> Curve {
        match self {
            Self::Bip340 | Self::EcdsaSecp256k1 => Curve::Secp256k1,
            Self::Ed25519 => Curve::Ed25519,
            Self::EcdsaP256 => Curve::P256,
        }
    }

    /// Whether messages are digests, of 32 bytes and no other length. Else they have any length.
    #[must_use]
    pub const fn signs_digests(self) -> bool {
        match self {
            Self::Bip340 | Self::Ed25519 => false,
            Self::EcdsaSecp256k1 | Self::EcdsaP256 => true,
        }
    }

    /// The name in APIs and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bip340 => "bip340",
            Self::Ed25519 => "ed25519",
            Self::EcdsaSecp256k1 => "ecdsa-secp256k1",
            Self::EcdsaP256 => "ecdsa-p256",
        }
    }
}

/// A name that is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} '{name}'; known are {known}")]
pub struct UnknownName {
    /// What was to be named.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The known names.
    pub known: String,
}

macro_rules! named {
    ($type:ty, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| UnknownName {
                    what: $what,
                    name: name.chars().take(64).collect(),
                    known: Self::ALL.map(Self::name).join(", "),
                })
            }
        }
    };
}

named!(Curve, "curve");
named!(Scheme, "signature scheme");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_name_the_known() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
            assert_eq!(serde_json::to_string(&scheme).unwrap(), format!("\"{scheme}\""));
        }
        for curve in Curve::ALL {
            assert_eq!(curve.to_string().parse(), Ok(curve));
            assert_eq!(serde_json::to_string(&curve).unwrap(), format!("\"{curve}\""));
        }
        let error = "p384".parse::<Curve>().unwrap_err();
        assert_eq!(error.to_string(), "unknown curve 'p384'; known are secp256k1, ed25519, p256");
    }

    /// Stores of released versions have these bytes.
    #[test]
    fn the_bytes_of_curves_and_schemes_never_change() {
        assert_eq!(borsh::to_vec(&Curve::ALL).unwrap(), [0, 1, 2]);
        assert_eq!(borsh::to_vec(&Scheme::ALL).unwrap(), [0, 1, 2, 3]);
        assert_eq!(Curve::ALL.map(Curve::name), ["secp256k1", "ed25519", "p256"]);
        assert_eq!(Scheme::ALL.map(Scheme::name), ["bip340", "ed25519", "ecdsa-secp256k1", "ecdsa-p256"]);
    }
}
