//! The curves of ECDSA.

use ff::Field;
use quorate_keys::Scheme;
use quorate_sharing::{Curve, P256, Secp256k1};

/// A curve with cofactor 1 on which ECDSA signs. Its points are encoded as SEC1 does, and its scalars are big-endian.
pub trait Suite: Curve {
    /// ECDSA on it.
    const SCHEME: Scheme;
}

impl Suite for Secp256k1 {
    const SCHEME: Scheme = Scheme::EcdsaSecp256k1;
}

impl Suite for P256 {
    const SCHEME: Scheme = Scheme::EcdsaP256;
}

/// The x-coordinate of a point, modulo the group order: r of a signature. Zero for the identity.
#[must_use]
pub fn x_coordinate<C: Suite>(point: &C::Point) -> C::Scalar {
    let encoded = C::encode(point);
    encoded.get(1..).and_then(|x| x.first_chunk()).map_or(C::Scalar::ZERO, C::scalar_reduced)
}
