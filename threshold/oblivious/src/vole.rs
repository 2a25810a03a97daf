//! Random vector OLE (Doerner, Kondi, Lee and shelat, "Threshold ECDSA in Three Rounds", ePrint 2023/765, protocol 5.2) with ℓ = 2
//! and ρ = 1: the sender's two scalars a₁, a₂ are multiplied with one random scalar b of the receiver. The parties get additive
//! shares of both products, uncorrelated with anything else: cᵢ + dᵢ = aᵢ·b.
//!
//! b = Σ gⱼ·βⱼ for the receiver's choice bits β and a public random vector g of 512 scalars, 256 more than b has bits: b stays
//! uniform for a sender that has guessed many of them.

use std::sync::LazyLock;

use aes::Aes128Enc;
use aes::cipher::{BlockEncrypt, KeyInit};
use borsh::{BorshDeserialize, BorshSerialize};
use ff::Field;
use quorate_keys::{Secret, Transcript};
use quorate_sharing::{Curve, P256, Secp256k1};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::extension::{Received, Sent, TRANSFERS};
use crate::pprf::Block;
use crate::{Cheat, Inconsistent, Malformed, OtherRun, TransferId};

/// Scalars that are multiplied at once, ℓ.
pub const PRODUCTS: usize = 2;

/// Scalars of each transfer: those, and one that makes the check reveal nothing, ρ.
const WIDTH: usize = PRODUCTS + 1;

/// A curve whose scalars are multiplied.
pub trait Multiplied: Curve {
    /// g, a scalar for each transfer.
    fn gadget() -> &'static [Self::Scalar; TRANSFERS];

    /// How many blocks of those bytes, at their end, [`Multiplied::pad`] looks at.
    const PAD_BLOCKS: usize = 3;

    /// The scalar of 384 uniform bits, which stand at the end of these bytes: uniform but for 2⁻¹²⁷ at most. Constant time.
    fn pad(bytes: &[u8; 64]) -> Self::Scalar {
        Self::scalar_from_wide(bytes)
    }
}

impl Multiplied for Secp256k1 {
    const PAD_BLOCKS: usize = 2;

    fn gadget() -> &'static [Self::Scalar; TRANSFERS] {
        static GADGET: LazyLock<[<Secp256k1 as Curve>::Scalar; TRANSFERS]> =
            LazyLock::new(gadget::<Secp256k1>);
        &GADGET
    }

    /// The last 256 bits are enough: the order is as close to 2²⁵⁶.
    fn pad(bytes: &[u8; 64]) -> Self::Scalar {
        let [_, low] = bytes.as_chunks().0 else { return Self::scalar_from_wide(bytes) };
        Self::scalar_reduced(low)
    }
}

impl Multiplied for P256 {
    fn gadget() -> &'static [Self::Scalar; TRANSFERS] {
        static GADGET: LazyLock<[<P256 as Curve>::Scalar; TRANSFERS]> = LazyLock::new(gadget::<P256>);
        &GADGET
    }
}

/// What the sender sends.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Multiplication {
    /// Random, so that not even two runs of one id have the same pads.
    salt: Block,
    /// Of each transfer, what makes a difference of pads a difference of aᵢ.
    corrections: Vec<[[u8; 32]; WIDTH]>,
    /// η: what the check compares, hidden by a random scalar.
    checked: [u8; 32],
    /// Digest of the sender's side of the check.
    digest: [u8; 32],
    /// The name of the transfers: so a message that is in the wrong place is not taken for cheating.
    run: [u8; 32],
}

/// Shares of the products.
pub type Shares<C> = Secret<[<C as Curve>::Scalar; PRODUCTS]>;

/// The sender's side: its shares of `factors` times the receiver's scalar. The message is for the receiver. Constant time.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "transfers are used once")]
pub fn send<C: Multiplied>(
    sent: Sent,
    factors: &Secret<[C::Scalar; PRODUCTS]>,
    rng: &mut dyn CryptoRngCore,
) -> (Shares<C>, Multiplication) {
    let id = sent.id();
    let mut salt = Block::default();
    rng.fill_bytes(&mut salt);
    let mut pads = Pads::new(id, &salt);
    let mask = Zeroizing::new(C::random_scalar(rng));
    let [first, second] = factors.expose();
    let factors = Zeroizing::new([*first, *second, *mask]);
    let mut own = Zeroizing::new(Vec::with_capacity(TRANSFERS));
    let mut corrections = Vec::with_capacity(TRANSFERS);
    for (place, [zero, one]) in (0_u32..).zip(sent.transfers()) {
        let [zero, one] = [zero, one].map(|column| pads.scalars::<C>(place, column));
        let mut correction = [[0; 32]; WIDTH];
        for ((to, factor), (zero, one)) in
            correction.iter_mut().zip(factors.iter()).zip(zero.iter().zip(one.iter()))
        {
            *to = C::scalar_to_bytes(&(*zero - one + factor));
        }
        corrections.push(correction);
        own.push(*zero);
    }
    let challenge = challenge::<C>(id, &salt, &corrections);
    let [first_weight, second_weight] = challenge;
    let checked = C::scalar_to_bytes(&(*mask + first_weight * first + second_weight * second));
    let mut digest = Check::new(id);
    for own in own.iter() {
        digest.add::<C>(&weighted::<C>(&challenge, own));
    }
    let digest = digest.finish();
    let shares = products::<C>(own.iter()).map(|share| -share);
    (Secret::new(shares), Multiplication { salt, corrections, checked, digest, run: *sent.run() })
}

/// The receiver's random scalar, b. Constant time.
#[must_use]
pub fn factor<C: Multiplied>(received: &Received) -> Zeroizing<C::Scalar> {
    let mut factor = Zeroizing::new(C::Scalar::ZERO);
    for ((choice, _), weight) in received.transfers().zip(C::gadget()) {
        *factor += C::Scalar::conditional_select(&C::Scalar::ZERO, weight, choice);
    }
    factor
}

/// The receiver's side: its shares of the sender's scalars times [`factor`]. Constant time.
///
/// # Errors
/// When the message is not of the right size, was made with other transfers, holds what is no scalar, or multiplies different scalars in
/// different transfers. After the last, the seeds are spent.
#[allow(clippy::needless_pass_by_value, reason = "transfers are used once")]
pub fn receive<C: Multiplied>(received: Received, message: &Multiplication) -> Result<Shares<C>, Cheat> {
    open::<C>(&received, message)
}

fn open<C: Multiplied>(received: &Received, message: &Multiplication) -> Result<Shares<C>, Cheat> {
    let id = received.id();
    if message.corrections.len() != TRANSFERS {
        return Err(Malformed("another number of transfers").into());
    }
    if message.run != *received.run() {
        return Err(OtherRun.into());
    }
    let scalar = |bytes| C::scalar_from_bytes(bytes).ok_or(Malformed("a correction is no scalar"));
    let checked = scalar(&message.checked)?;
    let mut pads = Pads::new(id, &message.salt);
    let challenge = challenge::<C>(id, &message.salt, &message.corrections);
    let mut shares = Secret::new([C::Scalar::ZERO; PRODUCTS]);
    let mut digest = Check::new(id);
    let transfers = (0_u32..).zip(received.transfers()).zip(C::gadget());
    for (((place, (choice, column)), weight), correction) in transfers.zip(&message.corrections) {
        let select = |scalar: &C::Scalar| C::Scalar::conditional_select(&C::Scalar::ZERO, scalar, choice);
        let mut values = pads.scalars::<C>(place, column);
        for (value, correction) in values.iter_mut().zip(correction) {
            *value += select(&scalar(correction)?);
        }
        digest.add::<C>(&(weighted::<C>(&challenge, &values) - select(&checked)));
        shares
            .expose_mut()
            .iter_mut()
            .zip(values.iter())
            .for_each(|(share, value)| *share += *weight * value);
    }
    if !bool::from(digest.finish().ct_eq(&message.digest)) {
        return Err(Inconsistent("a multiplication").into());
    }
    Ok(shares)
}

/// Scalars that only who knows a transfer's string can compute: a correlation-robust hash, of which one half is a key of AES-128 and the other
/// where its counter starts.
struct Pads {
    hash: Sha256,
    salt: Block,
    /// Memory that is used again and again, and erased once.
    hashed: Zeroizing<[Block; 2]>,
    stream: Stream,
    wide: Zeroizing<[u8; 64]>,
}

/// 384 bits for each scalar.
struct Stream([aes::Block; 3 * WIDTH]);

impl Pads {
    fn new(id: &TransferId, salt: &Block) -> Self {
        let mut hash = Sha256::new();
        // A whole block of the hash, so that its state is reused.
        hash.update(b"quorate/oblivious/vole/pad/v1///");
        hash.update(id.as_bytes());
        let stream = Stream([(); 3 * WIDTH].map(|()| aes::Block::default()));
        let (hashed, wide) = (Zeroizing::new([Block::default(); 2]), Zeroizing::new([0; 64]));
        Self { hash, salt: *salt, hashed, stream, wide }
    }

    fn scalars<C: Multiplied>(&mut self, place: u32, string: u128) -> Zeroizing<[C::Scalar; WIDTH]> {
        let mut hash = self.hash.clone();
        hash.update(self.salt);
        hash.update(place.to_le_bytes());
        hash.update(string.to_le_bytes());
        hash.finalize_into(self.hashed.as_flattened_mut().into());
        let [key, start] = &*self.hashed;
        let (cipher, start) = (Aes128Enc::new(key.into()), Zeroizing::new(u128::from_le_bytes(*start)));
        let Stream(stream) = &mut self.stream;
        // What is not looked at is not computed.
        let needed = (0_u128..3 * WIDTH as u128).filter(|place| *place % 3 >= 3 - C::PAD_BLOCKS as u128);
        let mut computed = 0;
        for (block, counter) in stream.iter_mut().zip(needed) {
            *block = (*start ^ counter).to_le_bytes().into();
            computed += 1;
        }
        let stream = stream.split_at_mut(computed).0;
        cipher.encrypt_blocks(stream);
        let mut scalars = Zeroizing::new([C::Scalar::ZERO; WIDTH]);
        for (scalar, blocks) in scalars.iter_mut().zip(stream.chunks_exact(C::PAD_BLOCKS)) {
            let wide = self.wide.as_chunks_mut().0.iter_mut().rev();
            wide.zip(blocks.iter().rev()).for_each(|(to, block)| *to = (*block).into());
            *scalar = C::pad(&self.wide);
        }
        scalars
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|block| block.as_mut_slice().zeroize());
    }
}

/// The digest of one side of the check.
struct Check(Sha256);

impl Check {
    fn new(id: &TransferId) -> Self {
        let mut hash = Sha256::new_with_prefix(b"quorate/oblivious/vole/check/v1");
        hash.update(id.as_bytes());
        Self(hash)
    }

    fn add<C: Curve>(&mut self, value: &C::Scalar) {
        self.0.update(*Zeroizing::new(C::scalar_to_bytes(value)));
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// θ: weights that were not known before the corrections were fixed.
fn challenge<C: Curve>(
    id: &TransferId,
    salt: &Block,
    corrections: &[[[u8; 32]; WIDTH]],
) -> [C::Scalar; PRODUCTS] {
    let corrections = Sha256::digest(corrections.as_flattened().as_flattened());
    let mut place = 0_u8;
    [(); PRODUCTS].map(|()| {
        place += 1;
        let transcript = Transcript::new(b"quorate/oblivious/vole/challenge/v1")
            .field("id", id.as_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("salt", salt)
            .field("corrections", &corrections)
            .field("place", &[place]);
        C::scalar_from_wide(&transcript.wide())
    })
}

/// What of one transfer is compared: the value of the mask, and the weighted ones of the factors.
fn weighted<C: Curve>(weights: &[C::Scalar; PRODUCTS], values: &[C::Scalar; WIDTH]) -> C::Scalar {
    let [first, second, mask] = values;
    let [first_weight, second_weight] = weights;
    *mask + *first_weight * first + *second_weight * second
}

/// Σ gⱼ·valueⱼ of both products.
fn products<'a, C: Multiplied>(
    values: impl Iterator<Item = &'a [C::Scalar; WIDTH]>,
) -> [C::Scalar; PRODUCTS] {
    let mut sums = [C::Scalar::ZERO; PRODUCTS];
    for (values, weight) in values.zip(C::gadget()) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += *weight * value);
    }
    sums
}

fn gadget<C: Curve>() -> [C::Scalar; TRANSFERS] {
    std::array::from_fn(|place| {
        let transcript = Transcript::new(b"quorate/oblivious/vole/gadget/v1")
            .field("curve", C::NAME.as_bytes())
            .field("place", &(place as u64).to_le_bytes());
        C::scalar_from_wide(&transcript.wide())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::extension;
    use crate::testing::{ID, party, rng};

    type C = Secp256k1;
    type Scalar = <C as Curve>::Scalar;

    fn factors<C: Curve>(seed: u64) -> Secret<[C::Scalar; PRODUCTS]> {
        let mut rng = rng(seed);
        Secret::new([(); PRODUCTS].map(|()| C::random_scalar(&mut rng)))
    }

    fn multiplies<C: Multiplied>(factors: &Secret<[C::Scalar; PRODUCTS]>) {
        let (sent, received) = extension::tests::transfers(1);
        let (own, message) = send::<C>(sent, factors, &mut rng(2));
        let theirs = open::<C>(&received, &message).unwrap();
        let factor = factor::<C>(&received);
        for ((factors, own), theirs) in factors.expose().iter().zip(own.expose()).zip(theirs.expose()) {
            assert_eq!(*own + theirs, *factors * *factor);
            assert_ne!(*own, C::Scalar::ZERO);
        }
    }

    #[test]
    fn shares_add_up_to_products_on_secp256k1() {
        multiplies::<Secp256k1>(&factors::<Secp256k1>(3));
        multiplies::<Secp256k1>(&Secret::new([Field::ZERO, -<Secp256k1 as Curve>::Scalar::ONE]));
    }

    #[test]
    fn shares_add_up_to_products_on_p256() {
        multiplies::<P256>(&factors::<P256>(3));
        multiplies::<P256>(&Secret::new([Field::ONE, Field::ZERO]));
    }

    #[test]
    fn the_gadget_is_as_long_as_needed_and_differs() {
        let distinct: BTreeSet<_> = C::gadget().iter().map(C::scalar_to_bytes).collect();
        assert_eq!((C::gadget().len(), distinct.len()), (TRANSFERS, TRANSFERS));
        assert_ne!(C::scalar_to_bytes(&C::gadget()[0]), P256::scalar_to_bytes(&P256::gadget()[0]));
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let (sent, received) = extension::tests::transfers(1);
        let (_, message) = send::<C>(sent, &factors::<C>(3), &mut rng(2));
        let check = |change: &dyn Fn(&mut Multiplication)| {
            let mut message = message.clone();
            change(&mut message);
            open::<C>(&received, &message).err()
        };
        assert_eq!(check(&|_| {}), None);
        let inconsistent = Some(Cheat::Inconsistent(Inconsistent("a multiplication")));
        assert_eq!(check(&|message| message.checked[31] ^= 1), inconsistent);
        assert_eq!(check(&|message| message.digest[0] ^= 1), inconsistent);
        for place in 0..WIDTH {
            // Of any transfer: the weights change, too.
            assert_eq!(check(&|message| message.corrections[511][place][31] ^= 1), inconsistent);
        }
        for length in [0, 511, 513] {
            let resize = |message: &mut Multiplication| message.corrections.resize(length, [[0; 32]; WIDTH]);
            assert!(matches!(check(&resize), Some(Cheat::Malformed(_))), "{length}");
        }
        // The group order, or more.
        assert!(matches!(
            check(&|message| message.corrections[3][2] = [0xFF; 32]),
            Some(Cheat::Malformed(_))
        ));
        assert!(matches!(check(&|message| message.checked = [0xFF; 32]), Some(Cheat::Malformed(_))));
        assert_eq!(check(&|message| message.salt[0] ^= 1), inconsistent);
        assert_eq!(check(&|message| message.run[0] ^= 1), Some(Cheat::OtherRun(OtherRun)));
    }

    /// Of another session, of other seeds, and of transfers of the same run whose salt is another.
    #[test]
    fn other_transfers_are_not_taken_for_cheating() {
        let (sent, received) = extension::tests::transfers(1);
        let (_, own) = send::<C>(sent, &factors::<C>(3), &mut rng(2));
        let other = TransferId::new("another", &[0; 32], 0, party(1), party(2));
        for (seeds, id, salt) in [(1, &other, 1), (2, &ID, 1), (1, &ID, 2)] {
            let (sent, _) = extension::tests::transfers_of(seeds, id, salt);
            let (_, mut message) = send::<C>(sent, &factors::<C>(3), &mut rng(2));
            assert_eq!(open::<C>(&received, &message).err(), Some(Cheat::OtherRun(OtherRun)));
            // Who names these transfers all the same is no honest party.
            message.run = own.run;
            let inconsistent = Some(Cheat::Inconsistent(Inconsistent("a multiplication")));
            assert_eq!(open::<C>(&received, &message).err(), inconsistent);
        }
        assert!(open::<C>(&received, &own).is_ok());
    }

    /// The sender multiplies another scalar in one transfer, and makes the rest fit: noticed if, and only if, the receiver chose one in it;
    /// otherwise the shares are right.
    #[test]
    fn a_selective_failure_is_a_guess_at_one_bit() {
        for which in 0..WIDTH {
            let mut noticed = 0;
            let trials = 12;
            for place in 0..trials {
                let (sent, received) = extension::tests::transfers(1);
                let (choice, _) = received.transfers().nth(place).unwrap();
                let (own, message) = send_cheating(&sent, place, which);
                let factor = factor::<C>(&received);
                match open::<C>(&received, &message) {
                    Err(_) => {
                        assert!(bool::from(choice), "transfer {place}");
                        noticed += 1;
                    }
                    Ok(theirs) => {
                        assert!(!bool::from(choice), "transfer {place}");
                        let factors = factors::<C>(3);
                        let shares = own.iter().zip(theirs.expose()).zip(factors.expose());
                        shares
                            .for_each(|((own, theirs), scalar)| assert_eq!(*own + theirs, *scalar * *factor));
                    }
                }
            }
            assert!((1..trials).contains(&noticed));
        }
    }

    /// What [`send`] makes, with 1 more than one of the scalars in one transfer.
    fn send_cheating(sent: &Sent, cheated: usize, which: usize) -> ([Scalar; PRODUCTS], Multiplication) {
        let salt = [8; 16];
        let mut pads = Pads::new(&ID, &salt);
        let factors = factors::<C>(3);
        let [first, second] = *factors.expose();
        let mask = C::random_scalar(&mut rng(2));
        let mut own = Vec::new();
        let mut corrections = Vec::new();
        for (place, [zero, one]) in (0_u32..).zip(sent.transfers()) {
            let (zero, one) = (pads.scalars::<C>(place, zero), pads.scalars::<C>(place, one));
            let mut factors = [first, second, mask];
            factors[which] += Scalar::from(u64::from(place as usize == cheated));
            corrections.push([0, 1, 2].map(|at| C::scalar_to_bytes(&(zero[at] - one[at] + factors[at]))));
            own.push(*zero);
        }
        let weights = challenge::<C>(&ID, &salt, &corrections);
        let checked = C::scalar_to_bytes(&(mask + weights[0] * first + weights[1] * second));
        let mut digest = Check::new(&ID);
        own.iter().for_each(|own| digest.add::<C>(&weighted::<C>(&weights, own)));
        let shares = products::<C>(own.iter()).map(|share| -share);
        (shares, Multiplication { salt, corrections, checked, digest: digest.finish(), run: *sent.run() })
    }

    #[test]
    fn shares_of_the_same_factors_differ_from_run_to_run() {
        let mut seen = BTreeSet::new();
        for seed in 0..4 {
            let (sent, received) = extension::tests::transfers(seed);
            let (own, _) = send::<C>(sent, &factors::<C>(3), &mut rng(2));
            own.expose().iter().for_each(|share| assert!(seen.insert(C::scalar_to_bytes(share))));
            assert!(seen.insert(C::scalar_to_bytes(&factor::<C>(&received))));
        }
    }
}
