//! Base oblivious transfers: endemic OT of Masny and Rindal ("Endemic Oblivious Transfer", ePrint 2019/706) from
//! Diffie–Hellman on ristretto255, all of one batch.
//!
//! In each of them the sender gets two keys, and the receiver the one that it chose. Both may influence what their keys
//! are, and nothing else. Neither message depends on the other, so both travel in the same round.
//!
//! For a choice c the receiver draws an exponent t and a random point R₁₋c, and sends it with R_c = t·G − H_c(R₁₋c). The
//! sender, who sends B = b·G, has the keys of b·(R₀ + H₀(R₁)) and b·(R₁ + H₁(R₀)); the receiver that of t·B.

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use quorate_keys::{Secret, Transcript};
use rand_core::CryptoRngCore;
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use crate::pprf::Block;
use crate::{Malformed, ROWS, TransferId, halves};

/// What the receiver sends: R₀ and R₁ of each transfer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Choices(Vec<[[u8; 32]; 2]>);

/// What the sender sends: B, for all transfers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Offer([u8; 32]);

/// The receiver, who waits for the offer.
pub(crate) struct Receiver {
    /// One bit per transfer.
    choices: Zeroizing<[u8; ROWS]>,
    exponents: Secret<Vec<Scalar>>,
    sent: Choices,
}

/// What the receiver gets.
pub(crate) struct Chosen {
    /// One bit per transfer.
    pub(crate) choices: Zeroizing<[u8; ROWS]>,
    /// The key that was chosen.
    pub(crate) keys: Secret<Vec<Block>>,
}

/// The sender, who waits for the choices.
pub(crate) struct Sender {
    exponent: Secret<Scalar>,
    offer: Offer,
}

impl Receiver {
    /// Chooses at random. Constant time.
    pub(crate) fn new(id: &TransferId, rng: &mut dyn CryptoRngCore) -> (Self, Choices) {
        let mut random = Zeroizing::new([0; ROWS]);
        rng.fill_bytes(random.as_mut());
        let choices = Zeroizing::new(random.map(|byte| byte & 1));
        let mut exponents = Vec::with_capacity(ROWS);
        let mut sent = Vec::with_capacity(ROWS);
        for (place, choice) in choices.iter().enumerate() {
            let exponent = Scalar::random(&mut &mut *rng);
            // A point of which nobody knows the discrete logarithm. Which one it was tells the choice.
            let mut uniform = Zeroizing::new([0; 64]);
            rng.fill_bytes(uniform.as_mut());
            let other = RistrettoPoint::from_uniform_bytes(&uniform).compress();
            let own = (RistrettoPoint::mul_base(&exponent) - hash(id, place, *choice, &other)).compress();
            let chosen = Choice::from(*choice);
            let select = |if_zero: &[u8; 32], if_one: &[u8; 32]| {
                let mut selected = *if_zero;
                selected.iter_mut().zip(if_one).for_each(|(to, one)| to.conditional_assign(one, chosen));
                selected
            };
            let (own, other) = (own.to_bytes(), other.to_bytes());
            sent.push([select(&own, &other), select(&other, &own)]);
            exponents.push(exponent);
        }
        let sent = Choices(sent);
        (Self { choices, exponents: Secret::new(exponents), sent: sent.clone() }, sent)
    }

    /// The choices, and the chosen keys. Constant time.
    pub(crate) fn keys(self, id: &TransferId, offer: &Offer) -> Result<Chosen, Malformed> {
        let point = point(&offer.0)?;
        if point == RistrettoPoint::identity() {
            return Err(Malformed("the offer is the identity"));
        }
        let context = context(id, offer, &self.sent);
        let table = RistrettoBasepointTable::create(&point);
        let keys = self.exponents.expose().iter().zip(self.choices.iter()).enumerate();
        let keys =
            keys.map(|(place, (exponent, choice))| key(&context, place, *choice, &(&table * exponent)));
        let keys = Secret::new(keys.collect());
        Ok(Chosen { choices: self.choices, keys })
    }
}

impl Sender {
    pub(crate) fn new(rng: &mut dyn CryptoRngCore) -> (Self, Offer) {
        let exponent = Secret::new(Scalar::random(&mut &mut *rng));
        let offer = Offer(RistrettoPoint::mul_base(exponent.expose()).compress().to_bytes());
        (Self { exponent, offer: offer.clone() }, offer)
    }

    /// Both keys of each transfer. Constant time.
    pub(crate) fn keys(
        self,
        id: &TransferId,
        choices: &Choices,
    ) -> Result<Secret<Vec<[Block; 2]>>, Malformed> {
        if choices.0.len() != ROWS {
            return Err(Malformed("another number of base transfers"));
        }
        let context = context(id, &self.offer, choices);
        let mut keys = Secret::new(Vec::with_capacity(ROWS));
        for (place, [zero, one]) in choices.0.iter().enumerate() {
            let [zero, one] = [CompressedRistretto(*zero), CompressedRistretto(*one)];
            let of_zero = point(zero.as_bytes())? + hash(id, place, 0, &one);
            let of_one = point(one.as_bytes())? + hash(id, place, 1, &zero);
            let key = |choice, point: RistrettoPoint| {
                key(&context, place, choice, &(point * self.exponent.expose()))
            };
            keys.expose_mut().push([key(0, of_zero), key(1, of_one)]);
        }
        Ok(keys)
    }
}

fn point(bytes: &[u8; 32]) -> Result<RistrettoPoint, Malformed> {
    CompressedRistretto(*bytes).decompress().ok_or(Malformed("a base transfer is no point"))
}

/// H₀ or H₁, a random oracle into the group.
fn hash(id: &TransferId, place: usize, which: u8, point: &CompressedRistretto) -> RistrettoPoint {
    let transcript = Transcript::new(b"quorate/oblivious/base/mask/v1")
        .field("id", id.as_bytes())
        .field("place", &(place as u64).to_le_bytes())
        .field("which", &[which])
        .field("point", point.as_bytes());
    RistrettoPoint::from_uniform_bytes(&transcript.wide())
}

/// All that both have sent.
fn context(id: &TransferId, offer: &Offer, choices: &Choices) -> [u8; 32] {
    let transcript = Transcript::new(b"quorate/oblivious/base/transcript/v1")
        .field("id", id.as_bytes())
        .field("offer", &offer.0)
        .field("choices", choices.0.as_flattened().as_flattened());
    transcript.digest()
}

fn key(context: &[u8; 32], place: usize, choice: u8, shared: &RistrettoPoint) -> Block {
    let mut shared = shared.compress().to_bytes();
    let transcript = Transcript::new(b"quorate/oblivious/base/key/v1")
        .field("transcript", context)
        .field("place", &(place as u64).to_le_bytes())
        .field("choice", &[choice])
        .field("shared", &shared);
    shared.zeroize();
    let [key, _] = halves(&Zeroizing::new(transcript.digest()));
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ID, party, rng};

    #[test]
    fn the_receiver_gets_the_key_that_it_chose() {
        let (receiver, choices) = Receiver::new(&ID, &mut rng(1));
        let (sender, offer) = Sender::new(&mut rng(2));
        let both = sender.keys(&ID, &choices).unwrap();
        let Chosen { choices: bits, keys } = receiver.keys(&ID, &offer).unwrap();
        assert_eq!((both.expose().len(), keys.expose().len()), (ROWS, ROWS));
        for ((both, chosen), bit) in both.expose().iter().zip(keys.expose()).zip(bits.iter()) {
            assert_eq!(both[usize::from(*bit)], *chosen);
            assert_ne!(both[usize::from(1 - *bit)], *chosen);
        }
        assert!(bits.contains(&0) && bits.contains(&1));
    }

    #[test]
    fn all_that_was_said_enters_every_key() {
        let (_, choices) = Receiver::new(&ID, &mut rng(1));
        let first_key = |id: &TransferId, seed, choices: &Choices| {
            Sender::new(&mut rng(seed)).0.keys(id, choices).unwrap().expose()[0]
        };
        let usual = first_key(&ID, 2, &choices);
        let other_id = TransferId::new("other", &[1; 32], 0, party(1), party(2));
        assert_ne!(usual, first_key(&other_id, 2, &choices));
        assert_ne!(usual, first_key(&ID, 3, &choices));
        // Of another transfer, which is read and hashed to no point of this one.
        let mut others = choices;
        others.0[7].swap(0, 1);
        assert_ne!(usual, first_key(&ID, 2, &others));
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let (_, mut choices) = Receiver::new(&ID, &mut rng(1));
        let sender = || Sender::new(&mut rng(2)).0;
        choices.0[5][1] = [0xFF; 32];
        assert!(sender().keys(&ID, &choices).is_err());
        for count in [0, ROWS - 1, ROWS + 1] {
            choices.0.resize(count, choices.0.first().copied().unwrap_or_default());
            assert!(sender().keys(&ID, &choices).is_err(), "{count}");
        }
        for offer in [[0; 32], [0xFF; 32]] {
            let (receiver, _) = Receiver::new(&ID, &mut rng(1));
            assert!(receiver.keys(&ID, &Offer(offer)).is_err());
        }
    }
}
