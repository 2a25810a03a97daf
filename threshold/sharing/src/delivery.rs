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
    /// In a place of its own, like the secret of a channel: moving leaves no copy behind.
    point: Box<Secret<[u8; 32]>>,
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
    secret: Box<Scalar>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parties, party, rng};

    const CONTEXT: &[u8] = b"session 1";

    fn facing(me: u16, peers: &[u16]) -> FacingKeys {
        FacingKeys::generate(party(me), &parties(peers.to_vec()), &mut rng(me.into()))
    }

    fn public(keys: &FacingKeys, peer: u16) -> [u8; 32] {
        keys.public().into_iter().find(|(index, _)| *index == party(peer)).unwrap().1
    }

    /// Parties 1 and 2 in a session of three.
    fn ends() -> (FacingKeys, FacingKeys, Channel, Channel) {
        let (one, two) = (facing(1, &[3, 2]), facing(2, &[1, 3]));
        let to_two = one.channel(party(2), &public(&two, 1)).unwrap();
        let to_one = two.channel(party(1), &public(&one, 2)).unwrap();
        (one, two, to_two, to_one)
    }

    #[test]
    fn what_one_seals_the_other_opens_in_both_directions() {
        let (_, _, to_two, to_one) = ends();
        let sealed = to_two.seal(CONTEXT, party(1), party(2), b"share");
        assert_eq!(sealed.len(), 5 + 16);
        assert_eq!(to_one.open(CONTEXT, party(1), party(2), &sealed).unwrap().expose(), b"share");
        let answer = to_one.seal(CONTEXT, party(2), party(1), b"other");
        assert_eq!(to_two.open(CONTEXT, party(2), party(1), &answer).unwrap().expose(), b"other");
    }

    #[test]
    fn the_two_directions_have_different_keys() {
        let (_, _, to_two, to_one) = ends();
        let sealed = to_two.seal(CONTEXT, party(1), party(2), b"share");
        assert_ne!(sealed, to_one.seal(CONTEXT, party(2), party(1), b"share"));
        // A delivery reflected to its sender.
        let reflected = to_two.open(CONTEXT, party(2), party(1), &sealed);
        assert_eq!(reflected.unwrap_err(), DeliveryError::Undecryptable(party(2)));
    }

    #[test]
    fn nothing_else_opens_a_delivery() {
        let (one, _, to_two, to_one) = ends();
        let sealed = to_two.seal(CONTEXT, party(1), party(2), b"share");
        let undecryptable = Some(DeliveryError::Undecryptable(party(1)));
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(to_one.open(CONTEXT, party(1), party(2), &changed).err(), undecryptable);
        }
        for bad in [&[][..], &sealed[1..], &sealed[..sealed.len() - 1], &[&sealed[..], &[0]].concat()] {
            assert_eq!(to_one.open(CONTEXT, party(1), party(2), bad).err(), undecryptable);
        }
        // Another session, another recipient, another party's channel.
        assert_eq!(to_one.open(b"session 2", party(1), party(2), &sealed).err(), undecryptable);
        assert_eq!(to_one.open(CONTEXT, party(1), party(3), &sealed).err(), undecryptable);
        let three = facing(3, &[1, 2]);
        let stranger = three.channel(party(1), &public(&one, 3)).unwrap();
        assert_eq!(stranger.open(CONTEXT, party(1), party(2), &sealed).err(), undecryptable);
    }

    #[test]
    fn invalid_facing_keys_are_refused() {
        let one = facing(1, &[2]);
        // The identity, and no point at all.
        for bad in [[0; 32], [0xFF; 32]] {
            assert!(!FacingKeys::is_valid(&bad));
            assert_eq!(one.channel(party(2), &bad).unwrap_err(), DeliveryError::InvalidKey(party(2)));
        }
        let good = public(&facing(3, &[1]), 1);
        assert!(FacingKeys::is_valid(&good));
        assert_eq!(one.channel(party(3), &good).unwrap_err(), DeliveryError::UnknownPeer(party(3)));
    }

    #[test]
    fn every_peer_is_faced_by_its_own_fresh_key() {
        let keys = FacingKeys::generate(party(5), &parties([9, 2, 4, 2]), &mut rng(1));
        let public = keys.public();
        assert_eq!(public.iter().map(|(index, _)| index.get()).collect::<Vec<_>>(), [2, 4, 9]);
        assert_ne!(public[0].1, public[1].1);
        let again = FacingKeys::generate(party(5), &parties([2, 4, 9]), &mut rng(2));
        assert_ne!(public, again.public());
    }

    #[test]
    fn a_disclosure_lets_anybody_read_this_pair_only() {
        let (one, two, to_two, to_one) = ends();
        let three = facing(3, &[1, 2]);
        let sealed = to_two.seal(CONTEXT, party(1), party(2), b"wrong share");
        let other = one.channel(party(3), &public(&three, 1)).unwrap();
        let elsewhere = other.seal(CONTEXT, party(1), party(3), b"share of 3");

        let disclosure = to_one.disclose(CONTEXT);
        let (mine, theirs) = (public(&two, 1), public(&one, 2));
        let judge = disclosure.verify(CONTEXT, (party(2), &mine), (party(1), &theirs)).unwrap();
        assert_eq!(judge.open(CONTEXT, party(1), party(2), &sealed).unwrap().expose(), b"wrong share");
        assert!(judge.open(CONTEXT, party(2), party(1), &sealed).is_err());
        assert!(judge.open(CONTEXT, party(1), party(3), &elsewhere).is_err());
        let answer = to_one.seal(CONTEXT, party(2), party(1), b"own");
        assert_eq!(judge.open(CONTEXT, party(2), party(1), &answer).unwrap().expose(), b"own");
    }

    #[test]
    fn a_disclosure_of_anything_else_is_refused() {
        let (one, two, to_two, to_one) = ends();
        let three = facing(3, &[1, 2]);
        let (mine, theirs, foreign) = (public(&two, 1), public(&one, 2), public(&three, 1));
        let disclosure = to_one.disclose(CONTEXT);
        let holds =
            |disclosure: &Disclosure, context, near, far| disclosure.verify(context, near, far).is_ok();
        let (near, far) = ((party(2), &mine), (party(1), &theirs));
        assert!(holds(&disclosure, CONTEXT, near, far));
        assert!(!holds(&disclosure, b"session 2", near, far));
        assert!(!holds(&disclosure, CONTEXT, far, near));
        assert!(!holds(&disclosure, CONTEXT, (party(3), &mine), far));
        assert!(!holds(&disclosure, CONTEXT, near, (party(3), &theirs)));
        assert!(!holds(&disclosure, CONTEXT, (party(2), &foreign), far));
        assert!(!holds(&disclosure, CONTEXT, near, (party(1), &foreign)));
        assert!(!holds(&disclosure, CONTEXT, near, (party(1), &[0; 32])));
        // The same point, disclosed by the other end, is for the other end to prove.
        assert!(!holds(&to_two.disclose(CONTEXT), CONTEXT, near, far));
        // Every bit of it counts, whichever part it is in.
        let bytes = borsh::to_vec(&disclosure).unwrap();
        assert_eq!(bytes.len(), 96);
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            let changed: Disclosure = borsh::from_slice(&changed).unwrap();
            assert!(!holds(&changed, CONTEXT, near, far), "byte {position}");
        }
    }

    /// A false complaint needs a point that makes an honest delivery unreadable; no proof for it exists.
    #[test]
    fn the_point_of_another_pair_cannot_be_passed_off() {
        let (one, two, _, to_one) = ends();
        let three = facing(3, &[1, 2]);
        let other = two.channel(party(3), &public(&three, 2)).unwrap();
        let mut bytes = borsh::to_vec(&to_one.disclose(CONTEXT)).unwrap();
        bytes[..32].copy_from_slice(&borsh::to_vec(&other.disclose(CONTEXT)).unwrap()[..32]);
        let forged: Disclosure = borsh::from_slice(&bytes).unwrap();
        let refused = forged.verify(CONTEXT, (party(2), &public(&two, 1)), (party(1), &public(&one, 2)));
        assert_eq!(refused.err(), Some(InvalidDisclosure));
    }

    #[test]
    fn nothing_prints_its_secret() {
        let (one, _, to_two, _) = ends();
        assert_eq!(format!("{one:?}"), "FacingKeys(of party 1 for 2 peers, redacted)");
        assert_eq!(format!("{to_two:?}"), "Channel(1 to 2, redacted)");
    }
}
