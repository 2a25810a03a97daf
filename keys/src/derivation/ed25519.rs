//! The additive derivation on Ed25519 that [`super`] describes.

use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{EdwardsPoint, Scalar};

use super::{ChainCode, Child, Derived};
use crate::group_key::GroupKey;
use crate::lately;
use crate::transcript::Transcript;

pub(super) struct Step {
    tweak: Scalar,
    point: EdwardsPoint,
    key: [u8; 32],
    chain_code: ChainCode,
}

impl Child for Step {
    fn start(key: &GroupKey, chain_code: &ChainCode) -> Option<Self> {
        let key = <[u8; 32]>::try_from(key.as_bytes()).ok()?;
        let point = lately::decode_prime_order(&key).ok()?.to_edwards();
        Some(Self { tweak: Scalar::ZERO, point, key, chain_code: *chain_code })
    }

    fn child(self, index: u32) -> Option<Self> {
        let hash = |domain| {
            Transcript::new(domain)
                .field("chain code", self.chain_code.as_bytes())
                .field("key", &self.key)
                .field("index", &index.to_be_bytes())
        };
        let tweak = Scalar::from_bytes_mod_order_wide(&hash(b"quorate/derive/ed25519/tweak/v1").wide());
        let chain_code = ChainCode::new(hash(b"quorate/derive/ed25519/chain-code/v1").digest());
        let point = EdwardsPoint::mul_base(&tweak) + self.point;
        if point.is_identity() {
            return None;
        }
        let key = point.compress().0;
        Some(Self { tweak: self.tweak + tweak, point, key, chain_code })
    }

    fn finish(self) -> Option<Derived> {
        let key = GroupKey::from_ed25519(self.key);
        Some(Derived { tweak: self.tweak.to_bytes(), key, chain_code: self.chain_code })
    }
}
