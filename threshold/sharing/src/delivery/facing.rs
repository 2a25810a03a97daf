//! One fresh key for each peer.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use quorate_keys::Secret;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Channel, DeliveryError, Pair};
use crate::party::PartyIndex;

/// One party's facing keys for one session: a secret for each peer, and what it publishes of it. Erased on drop.
///
/// One key per peer, so that disclosing the point of one pair says nothing about any other.
pub struct FacingKeys {
    me: PartyIndex,
    keys: Vec<FacingKey>,
}

struct FacingKey {
    peer: PartyIndex,
    secret: Box<Scalar>,
    public: [u8; 32],
}

impl FacingKeys {
    /// Fresh keys of `me`, one for each of `peers`. Constant time.
    pub fn generate(me: PartyIndex, peers: &[PartyIndex], rng: &mut dyn CryptoRngCore) -> Self {
        let mut peers = peers.to_vec();
        peers.sort_unstable();
        peers.dedup();
        let halves = Secret::new(peers.iter().map(|_| Scalar::random(rng)).collect::<Vec<_>>());
        let points: Vec<_> = halves.expose().iter().map(RistrettoPoint::mul_base).collect();
        // One inversion for all encodings, which are those of the points' doubles.
        let public = RistrettoPoint::double_and_compress_batch(&points);
        let keys = peers.into_iter().zip(halves.expose()).zip(public);
        let keys = keys.map(|((peer, half), public)| FacingKey {
            peer,
            secret: Box::new(half + half),
            public: public.0,
        });
        Self { me, keys: keys.collect() }
    }

    /// The public sides, by ascending index of the peer that each one faces.
    #[must_use]
    pub fn public(&self) -> Vec<(PartyIndex, [u8; 32])> {
        self.keys.iter().map(|key| (key.peer, key.public)).collect()
    }

    /// Whether these bytes can be somebody's facing key: a point that is not the identity.
    #[must_use]
    pub fn is_valid(public: &[u8; 32]) -> bool {
        decode(public).is_some()
    }

    /// The channel to `peer`, whose key for this party is `peer_public`. Constant time in the secret.
    ///
    /// # Errors
    /// When there is no key for this peer, or the peer's own is invalid.
    pub fn channel(&self, peer: PartyIndex, peer_public: &[u8; 32]) -> Result<Channel, DeliveryError> {
        let key = self.keys.iter().find(|key| key.peer == peer).ok_or(DeliveryError::UnknownPeer(peer))?;
        let point = decode(peer_public).ok_or(DeliveryError::InvalidKey(peer))?;
        let pair = Pair {
            near: (self.me, key.public),
            far: (peer, *peer_public),
            point: Box::new(Secret::new((point * *key.secret).compress().0)),
        };
        Ok(Channel { pair, secret: key.secret.clone(), peer: point })
    }
}

/// The point that is a usable facing key.
pub(super) fn decode(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    CompressedRistretto(*bytes).decompress().filter(|point| !point.is_identity())
}

impl std::fmt::Debug for FacingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FacingKeys(of party {} for {} peers, redacted)", self.me, self.keys.len())
    }
}

impl Drop for FacingKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl ZeroizeOnDrop for FacingKeys {}
