//! CKDpub of BIP-32.

use hmac::{Hmac, Mac};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::Group;
use k256::elliptic_curve::ops::MulByGenerator;
use k256::{ProjectivePoint, Scalar};
use sha2::Sha512;

use super::{ChainCode, Child, Derived};
use crate::group_key::GroupKey;
use crate::transcript::split;

pub(super) struct Step {
    tweak: Scalar,
    point: ProjectivePoint,
    key: GroupKey,
    chain_code: ChainCode,
}

impl Child for Step {
    fn start(key: &GroupKey, chain_code: &ChainCode) -> Option<Self> {
        let point = k256::PublicKey::from_sec1_bytes(key.as_bytes()).ok()?.to_projective();
        Some(Self { tweak: Scalar::ZERO, point, key: *key, chain_code: *chain_code })
    }

    fn child(self, index: u32) -> Option<Self> {
        // I = HMAC-SHA512(c, ser_P(K) ‖ ser_32(i)); I_L is refused, not reduced, when it is not below n.
        let mut hmac = Hmac::<Sha512>::new_from_slice(self.chain_code.as_bytes()).ok()?;
        hmac.update(self.key.as_bytes());
        hmac.update(&index.to_be_bytes());
        let (left, right) = split(&hmac.finalize().into_bytes().into());
        let tweak = Option::<Scalar>::from(Scalar::from_repr(left.into()))?;
        let point = ProjectivePoint::mul_by_generator(&tweak) + self.point;
        if bool::from(point.is_identity()) {
            return None;
        }
        let key = GroupKey::from_secp256k1(&point.to_affine())?;
        Some(Self { tweak: self.tweak + tweak, point, key, chain_code: ChainCode::new(right) })
    }

    fn finish(self) -> Option<Derived> {
        Some(Derived { tweak: self.tweak.to_bytes().into(), key: self.key, chain_code: self.chain_code })
    }
}
