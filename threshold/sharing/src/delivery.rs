//! Encrypted delivery between the parties of one session, with keys that can be shown to a judge.
//!
//! Every party has one fresh ristretto255 key for each peer, its *facing keys*, and signs their public sides in the
//! session. The Diffie–Hellman point of a pair keys both of its directions. A party that received something wrong
//! discloses that one point with a proof that it is the right one ([`Disclosure`]); then anybody can decrypt what the
//! accused had signed and sent, and nothing else of the session is revealed.

mod disclosure;
mod facing;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use quorate_keys::{Secret, Transcript};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use disclosure::{DisclosedChannel, Disclosure, InvalidDisclosure};
pub use facing::FacingKeys;

use crate::party::PartyIndex;

/// Why there is no channel, or nothing to be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// No facing key was made for this party.
    #[error("there is no facing key for party {0}")]
    UnknownPeer(PartyIndex),
    /// The peer's facing key is not the encoding of a point, or is the identity. The peer is to blame.
    #[error("the facing key of party {0} is invalid")]
    InvalidKey(PartyIndex),
    /// What was received was not sealed with the key of the pair for this context and direction.
    #[error("the delivery from party {0} cannot be decrypted")]
    Undecryptable(PartyIndex),
}

/// The two ends of a pair and their Diffie–Hellman point.
struct Pair {
    near: (PartyIndex, [u8; 32]),
    far: (PartyIndex, [u8; 32]),
    point: Secret<[u8; 32]>,
}

impl Pair {
    /// The key of one context and direction, used for one message.
    fn cipher(&self, context: &[u8], from: PartyIndex, to: PartyIndex) -> ChaCha20Poly1305 {
        let (sender, recipient) =
            if from == self.near.0 { (&self.near.1, &self.far.1) } else { (&self.far.1, &self.near.1) };
        let key = Secret::new(
            Transcript::new(b"quorate/sharing/delivery/v1")
                .field("context", context)
                .field("sender", &from.get().to_le_bytes())
                .field("recipient", &to.get().to_le_bytes())
                .field("sender key", sender)
                .field("recipient key", recipient)
                .field("point", self.point.expose())
                .digest(),
        );
        ChaCha20Poly1305::new(Key::from_slice(key.expose()))
    }

    fn open(
        &self,
        context: &[u8],
        from: PartyIndex,
        to: PartyIndex,
        ciphertext: &[u8],
    ) -> Result<Secret<Vec<u8>>, DeliveryError> {
        let sealed = Payload { msg: ciphertext, aad: context };
        let plaintext = self.cipher(context, from, to).decrypt(&Nonce::default(), sealed);
        plaintext.map(Secret::new).map_err(|_| DeliveryError::Undecryptable(from))
    }
}

/// One party's end of the encrypted delivery to and from one peer. Erased on drop.
pub struct Channel {
    pair: Pair,
    /// This party's facing key for the peer.
    secret: Scalar,
    /// The peer's for this party.
    peer: RistrettoPoint,
}

impl Channel {
    /// Encrypts what `from`, this party, sends to `to`, the peer. 16 bytes are added. Constant time.
    ///
    /// # Security
    /// Each context and direction has its own key, with which one message is sealed, under a zero nonce: sealing two
    /// different messages for one context would reveal their difference. The context names the session, and a session
    /// is never repeated.
    #[must_use]
    pub fn seal(&self, context: &[u8], from: PartyIndex, to: PartyIndex, plaintext: &[u8]) -> Vec<u8> {
        let plain = Payload { msg: plaintext, aad: context };
        // Fails only beyond 256 GiB; then the recipient has nothing to decrypt and says so.
        self.pair.cipher(context, from, to).encrypt(&Nonce::default(), plain).unwrap_or_default()
    }

    /// Decrypts what `from`, the peer, sent to `to`, this party. Constant time.
    ///
    /// # Errors
    /// When it was not sealed by the peer for this context and direction.
    pub fn open(
        &self,
        context: &[u8],
        from: PartyIndex,
        to: PartyIndex,
        ciphertext: &[u8],
    ) -> Result<Secret<Vec<u8>>, DeliveryError> {
        self.pair.open(context, from, to, ciphertext)
    }

    /// Reveals this pair's Diffie–Hellman point, with a proof that it is the one, so that a judge can decrypt what the
    /// peer sent. Constant time.
    ///
    /// # Security
    /// Both directions of this pair become readable, and no other delivery. Only for sessions that end by it.
    #[must_use]
    pub fn disclose(&self, context: &[u8]) -> Disclosure {
        Disclosure::new(&self.pair, &self.secret, &self.peer, context)
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({} to {}, redacted)", self.pair.near.0, self.pair.far.0)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl ZeroizeOnDrop for Channel {}
