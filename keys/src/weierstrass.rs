//! What secp256k1 and P-256 have in common: arithmetic, and points as SEC 1 writes them.

use k256::elliptic_curve::consts::U32;
use k256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use k256::elliptic_curve::{self, AffinePoint, CurveArithmetic};

use crate::public_key::InvalidPublicKey;

/// A curve of prime order, with coordinates and scalars of 32 bytes.
pub(crate) trait Weierstrass:
    elliptic_curve::Curve<FieldBytesSize = U32>
    + CurveArithmetic<AffinePoint: FromEncodedPoint<Self> + ToEncodedPoint<Self>>
{
}

impl Weierstrass for k256::Secp256k1 {}
impl Weierstrass for p256::NistP256 {}

/// The bytes, if they are the compressed encoding of a point.
pub(crate) fn check_compressed<C: Weierstrass>(bytes: &[u8]) -> Result<[u8; 33], InvalidPublicKey> {
    // SEC 1's tag for compact points, 5, would be a second encoding of the same point.
    check::<C, 33>(bytes, &[2, 3])
}

/// The bytes, if they are the uncompressed encoding of a point.
pub(crate) fn check_uncompressed<C: Weierstrass>(bytes: &[u8]) -> Result<[u8; 65], InvalidPublicKey> {
    check::<C, 65>(bytes, &[4])
}

fn check<C: Weierstrass, const N: usize>(bytes: &[u8], tags: &[u8]) -> Result<[u8; N], InvalidPublicKey> {
    let bytes =
        <[u8; N]>::try_from(bytes).map_err(|_| InvalidPublicKey::Length { expected: N, got: bytes.len() })?;
    if !bytes.first().is_some_and(|tag| tags.contains(tag)) {
        return Err(InvalidPublicKey::NotCanonical);
    }
    decode::<C>(&bytes).map(|_| bytes).ok_or(InvalidPublicKey::NotAPoint)
}

/// The point with this encoding, which is not the identity.
pub(crate) fn decode<C: Weierstrass>(bytes: &[u8]) -> Option<AffinePoint<C>> {
    elliptic_curve::PublicKey::<C>::from_sec1_bytes(bytes).ok().map(|key| *key.as_affine())
}

/// The compressed encoding of a point that is not the identity.
pub(crate) fn compress<C: Weierstrass>(point: &AffinePoint<C>) -> Option<[u8; 33]> {
    point.to_encoded_point(true).as_bytes().try_into().ok()
}

/// The uncompressed encoding of a point that is not the identity.
pub(crate) fn uncompress<C: Weierstrass>(point: &AffinePoint<C>) -> Option<[u8; 65]> {
    point.to_encoded_point(false).as_bytes().try_into().ok()
}
