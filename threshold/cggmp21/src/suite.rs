//! The curves of ECDSA.

use ff::Field;
use group::Group;
use quorate_keys::Scheme;
use quorate_sharing::{Curve, P256, Secp256k1};
use rand_core::CryptoRngCore;

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

/// The x-coordinate of a point, modulo the group order: r of a signature.
pub(crate) fn x_coordinate<C: Suite>(point: &C::Point) -> C::Scalar {
    let encoded = C::encode(point);
    encoded.get(1..).and_then(|x| x.first_chunk()).map_or(C::Scalar::ZERO, C::scalar_reduced)
}

/// A random point, of which nobody knows the discrete logarithm, not even who draws it.
pub(crate) fn random_point<C: Suite>(rng: &mut dyn CryptoRngCore) -> C::Point {
    loop {
        let mut encoded = vec![2; C::POINT_BYTES];
        if let Some(x) = encoded.get_mut(1..) {
            rng.fill_bytes(x);
        }
        if let Some(point) = C::decode(&encoded)
            && !bool::from(point.is_identity())
        {
            return point;
        }
    }
}
