//! Nonces that can be used once.

use std::fmt;

use frost_core::keys::{KeyPackage, SigningShare};
use frost_core::round1::{Nonce, NonceCommitment, SigningCommitments};
use frost_core::round2::SignatureShare;
use frost_core::{Ciphersuite as _, Error};
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::message::NonceCommitments;
use crate::package::Package;
use crate::suite::Suite;

/// The hiding and the binding nonce of one signer for one signature (RFC 9591 section 5.1).
///
/// There is no way to copy, store or look at them. [`Nonces::sign`] takes them by value, so that a second signature with
/// the same nonces, which would reveal the key share, does not compile:
///
/// ```compile_fail,E0382
/// # use quorate_frost::{Nonces, Package, Suite};
/// # fn twice<S: Suite>(
/// #     nonces: Nonces<S>, one: &Package<S>, other: &Package<S>, key: &frost_core::keys::KeyPackage<S::Ciphersuite>,
/// # ) {
/// let first = nonces.sign(one, key);
/// let second = nonces.sign(other, key); // error: use of moved value
/// # }
/// ```
///
/// They are erased on drop.
pub struct Nonces<S: Suite> {
    /// In a place of their own: moving them leaves no copy behind.
    hiding: Box<Nonce<S::Ciphersuite>>,
    binding: Box<Nonce<S::Ciphersuite>>,
    commitments: SigningCommitments<S::Ciphersuite>,
}

impl<S: Suite> Nonces<S> {
    /// Fresh nonces: 32 random bytes each, hashed with the key share, so that a weak source of randomness alone doesn't
    /// reveal them (`nonce_generate`, RFC 9591 section 4.1). And the commitments to them as they travel. Constant time.
    pub fn commit(key: &KeyPackage<S::Ciphersuite>, rng: &mut dyn CryptoRngCore) -> (Self, NonceCommitments) {
        let hiding = Box::new(generate::<S>(key.signing_share(), rng));
        let binding = Box::new(generate::<S>(key.signing_share(), rng));
        // As they travel; from that, three doublings lead to the commitments themselves.
        let [hiding_sent, binding_sent] =
            [&hiding, &binding].map(|nonce| S::Curve::mul_base_uncleared(&nonce.to_scalar()));
        let [hiding_point, binding_point] =
            [&hiding_sent, &binding_sent].map(|sent| NonceCommitment::new(S::Curve::clear_cofactor(sent)));
        let commitments = SigningCommitments::new(hiding_point, binding_point);
        let sent = NonceCommitments {
            hiding: S::Curve::encode(&hiding_sent),
            binding: S::Curve::encode(&binding_sent),
        };
        (Self { hiding, binding, commitments }, sent)
    }

    /// The commitments to them.
    #[must_use]
    pub fn commitments(&self) -> &SigningCommitments<S::Ciphersuite> {
        &self.commitments
    }

    /// The signature share, for which the nonces are used up (RFC 9591 section 5.2). Constant time in nonces and key
    /// share.
    ///
    /// # Errors
    /// When the package holds other commitments for this signer, or those of too few signers.
    pub fn sign(
        self,
        package: &Package<S>,
        key: &KeyPackage<S::Ciphersuite>,
    ) -> Result<SignatureShare<S::Ciphersuite>, Error<S::Ciphersuite>> {
        package.sign(&self.hiding, &self.binding, &self.commitments, key)
    }
}

impl<S: Suite> Drop for Nonces<S> {
    fn drop(&mut self) {
        self.hiding.zeroize();
        self.binding.zeroize();
    }
}

impl<S: Suite> ZeroizeOnDrop for Nonces<S> {}

impl<S: Suite> fmt::Debug for Nonces<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(redacted)")
    }
}

/// `nonce_generate` of RFC 9591 section 4.1. The crates' own leaves key share and randomness in freed memory.
fn generate<S: Suite>(
    share: &SigningShare<S::Ciphersuite>,
    rng: &mut dyn CryptoRngCore,
) -> Nonce<S::Ciphersuite> {
    let mut input = Zeroizing::new([0; 64]);
    let (random, encoded) = input.split_at_mut(32);
    rng.fill_bytes(random);
    let bytes = Zeroizing::new(S::Curve::scalar_to_bytes(&share.to_scalar()));
    encoded.copy_from_slice(bytes.as_slice());
    Nonce::from_scalar(S::Ciphersuite::H3(input.as_slice()))
}

/// A signer's commitments, as they travelled; nothing if they are not as many as there are signatures, or one is no
/// point or commits to the nonce zero.
pub(crate) fn decode_commitments<S: Suite>(
    sent: &[NonceCommitments],
    signatures: usize,
) -> Option<Vec<SigningCommitments<S::Ciphersuite>>> {
    let decode = |bytes: &[u8]| {
        let point = S::Curve::clear_cofactor(&S::Curve::decode_uncleared(bytes)?);
        (!S::Curve::is_identity(&point)).then(|| NonceCommitment::new(point))
    };
    if sent.len() != signatures {
        return None;
    }
    let pair = |sent: &NonceCommitments| {
        Some(SigningCommitments::new(decode(&sent.hiding)?, decode(&sent.binding)?))
    };
    sent.iter().map(pair).collect()
}
