//! Showing the key of a pair to a judge.

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use quorate_keys::{Secret, Transcript};
use zeroize::Zeroizing;

use super::facing::decode;
use super::{DeliveryError, Pair};
use crate::party::PartyIndex;

/// The Diffie–Hellman point of a pair, with a proof of equal discrete logarithms that it is the one.
///
/// # Protocol
/// Chaum and Pedersen, made non-interactive. With the discloser's key F = f·B, the peer's P and the point D = f·P: nonce r,
/// T = r·B, U = r·P, challenge c = H(context, both indices and keys, D, T, U), response z = r + c·f. Verification
/// recomputes T = z·B − c·F and U = z·P − c·D.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Disclosure {
    point: [u8; 32],
    challenge: [u8; 32],
    response: [u8; 32],
}

/// The disclosure does not show the point of this pair. Who made it is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disclosed point is not proven to be the one of this pair")]
pub struct InvalidDisclosure;

impl Disclosure {
    pub(super) fn new(pair: &Pair, secret: &Scalar, peer: &RistrettoPoint, context: &[u8]) -> Self {
        let point = *pair.point.expose();
        // A nonce as in EdDSA, from the secret and everything that the challenge depends on: no two different
        // challenges share one, however good the source of randomness.
        let nonce = Transcript::new(b"quorate/sharing/disclosure/nonce/v1")
            .field("secret", Zeroizing::new(secret.to_bytes()).as_slice())
            .field("statement", &statement(context, pair.near, pair.far, &point).digest());
        let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&Zeroizing::new(nonce.wide())));
        let commitments = (RistrettoPoint::mul_base(&nonce), peer * *nonce);
        let challenge = challenge(statement(context, pair.near, pair.far, &point), &commitments);
        let response = *nonce + challenge * secret;
        Self { point, challenge: challenge.to_bytes(), response: response.to_bytes() }
    }

    /// Checks that `discloser` (index and the facing key for the peer) and `peer` (likewise) have this point, and gives
    /// the means to decrypt what they sent each other. Variable time: everything is public.
    ///
    /// # Errors
    /// When the proof does not hold, or a key is invalid.
    pub fn verify(
        &self,
        context: &[u8],
        discloser: (PartyIndex, &[u8; 32]),
        peer: (PartyIndex, &[u8; 32]),
    ) -> Result<DisclosedChannel, InvalidDisclosure> {
        let (near, far) = ((discloser.0, *discloser.1), (peer.0, *peer.1));
        self.holds(context, near, far).filter(|holds| *holds).ok_or(InvalidDisclosure)?;
        Ok(DisclosedChannel { pair: Pair { near, far, point: Box::new(Secret::new(self.point)) } })
    }

    /// Nothing when a part is not canonically encoded.
    fn holds(
        &self,
        context: &[u8],
        near: (PartyIndex, [u8; 32]),
        far: (PartyIndex, [u8; 32]),
    ) -> Option<bool> {
        let (near_point, far_point) = (decode(&near.1)?, decode(&far.1)?);
        let point = CompressedRistretto(self.point).decompress()?;
        let claimed = Option::<Scalar>::from(Scalar::from_canonical_bytes(self.challenge))?;
        let response = Option::<Scalar>::from(Scalar::from_canonical_bytes(self.response))?;
        let commitments = (
            RistrettoPoint::vartime_double_scalar_mul_basepoint(&-claimed, &near_point, &response),
            far_point * response - point * claimed,
        );
        Some(challenge(statement(context, near, far, &self.point), &commitments) == claimed)
    }
}

fn statement(
    context: &[u8],
    near: (PartyIndex, [u8; 32]),
    far: (PartyIndex, [u8; 32]),
    point: &[u8; 32],
) -> Transcript {
    Transcript::new(b"quorate/sharing/disclosure/v1")
        .field("context", context)
        .field("discloser", &near.0.get().to_le_bytes())
        .field("peer", &far.0.get().to_le_bytes())
        .field("discloser key", &near.1)
        .field("peer key", &far.1)
        .field("point", point)
}

fn challenge(statement: Transcript, (base, peer): &(RistrettoPoint, RistrettoPoint)) -> Scalar {
    let transcript = statement
        .field("commitment to the base", base.compress().as_bytes())
        .field("commitment to the peer's key", peer.compress().as_bytes());
    Scalar::from_bytes_mod_order_wide(&transcript.wide())
}

/// What a judge reads the deliveries of a disclosed pair with.
pub struct DisclosedChannel {
    pair: Pair,
}

impl DisclosedChannel {
    /// Decrypts what one of the pair sent to the other.
    ///
    /// # Errors
    /// When it was not sealed for this context and direction.
    pub fn open(
        &self,
        context: &[u8],
        from: PartyIndex,
        to: PartyIndex,
        ciphertext: &[u8],
    ) -> Result<Secret<Vec<u8>>, DeliveryError> {
        self.pair.open(context, from, to, ciphertext)
    }
}

impl std::fmt::Debug for DisclosedChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DisclosedChannel({} and {})", self.pair.near.0, self.pair.far.0)
    }
}
