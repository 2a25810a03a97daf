//! The curves of ECDSA.

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
    let mut wide = [0; 64];
    for (to, from) in wide.iter_mut().skip(32).zip(encoded.iter().skip(1)) {
        *to = *from;
    }
    C::scalar_from_wide(&wide)
}

/// A digest modulo the group order: the leftmost 256 bits that ECDSA signs.
pub(crate) fn digest_scalar<C: Suite>(digest: &[u8; 32]) -> C::Scalar {
    let mut wide = [0; 64];
    wide.iter_mut().skip(32).zip(digest).for_each(|(to, from)| *to = *from);
    C::scalar_from_wide(&wide)
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
