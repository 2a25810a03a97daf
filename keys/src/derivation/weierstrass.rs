//! CKDpub of BIP-32, and of SLIP-10 where the curve is not Bitcoin's.

use hmac::{Hmac, Mac};
use k256::elliptic_curve::ops::MulByGenerator;
use k256::elliptic_curve::{Field, Group, PrimeField, ProjectivePoint, Scalar};
use sha2::Sha512;

use super::{ChainCode, Child, Derived};
use crate::group_key::GroupKey;
use crate::transcript::split;
use crate::weierstrass::{self, Weierstrass};

/// The standard by which a curve's children are made.
pub(super) trait Standard: Weierstrass {
    /// Whether a hash that gives no key is hashed again. If not, the index has no key.
    const RETRIES: bool;

    /// The key with this compressed encoding.
    fn group_key(encoded: [u8; 33]) -> GroupKey;
}

impl Standard for k256::Secp256k1 {
    // BIP-32: "one should proceed with the next value for i".
    const RETRIES: bool = false;

    fn group_key(encoded: [u8; 33]) -> GroupKey {
        GroupKey::from_secp256k1(encoded)
    }
}

impl Standard for p256::NistP256 {
    // SLIP-10: "restart". Here it happens: one hash in 2³² is not below the order.
    const RETRIES: bool = true;

    fn group_key(encoded: [u8; 33]) -> GroupKey {
        GroupKey::from_p256(encoded)
    }
}

pub(super) struct Step<C: Standard> {
    tweak: Scalar<C>,
    point: ProjectivePoint<C>,
    key: GroupKey,
    chain_code: ChainCode,
}

impl<C: Standard> Child for Step<C> {
    fn start(key: &GroupKey, chain_code: &ChainCode) -> Option<Self> {
        let point = weierstrass::decode::<C>(key.as_bytes())?.into();
        Some(Self { tweak: Scalar::<C>::ZERO, point, key: *key, chain_code: *chain_code })
    }

    fn child(self, index: u32) -> Option<Self> {
        // I = HMAC-SHA512(c, ser_P(K) ‖ ser_32(i))
        let mut hash = self.hash(self.key.as_bytes(), index)?;
        loop {
            let (left, right) = split(&hash);
            if let Some(child) = self.add(left, ChainCode::new(right)) {
                return Some(child);
            }
            if !C::RETRIES {
                return None;
            }
            // I = HMAC-SHA512(c, 0x01 ‖ I_R ‖ ser_32(i))
            hash = self.hash(&[&[1][..], &right].concat(), index)?;
        }
    }

    fn finish(self) -> Option<Derived> {
        Some(Derived { tweak: self.tweak.to_repr().into(), key: self.key, chain_code: self.chain_code })
    }
}

impl<C: Standard> Step<C> {
    fn hash(&self, data: &[u8], index: u32) -> Option<[u8; 64]> {
        let mut hmac = Hmac::<Sha512>::new_from_slice(self.chain_code.as_bytes()).ok()?;
        hmac.update(data);
        hmac.update(&index.to_be_bytes());
        Some(hmac.finalize().into_bytes().into())
    }

    /// The child that is `tweak` away; none when the tweak is not below the order, or the child is the identity.
    fn add(&self, tweak: [u8; 32], chain_code: ChainCode) -> Option<Self> {
        let tweak = Option::<Scalar<C>>::from(Scalar::<C>::from_repr(tweak.into()))?;
        let point = ProjectivePoint::<C>::mul_by_generator(&tweak) + self.point;
        if bool::from(point.is_identity()) {
            return None;
        }
        let key = C::group_key(weierstrass::compress::<C>(&point.into())?);
        Some(Self { tweak: self.tweak + tweak, point, key, chain_code })
    }
}
