//! Round 1: nonces, shares of the key, and transfers.

use std::collections::BTreeMap;

use quorate_ecdsa::Suite;
use quorate_keys::Transcript;
use quorate_oblivious::extension::{self, Extension, Received, Sent};
use quorate_oblivious::{Cheat, TransferId};
use quorate_session::{SessionContext, SessionId};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use super::message::Opening;
use crate::pairs::{SharedPairs, Unchecked};

/// What a signer keeps of round 1 of one presignature.
pub(crate) struct Own<C: Suite> {
    pub(crate) secrets: Box<Secrets<C>>,
    pub(crate) opening: Opening,
    /// Rᵢ.
    pub(crate) nonce: C::Point,
    /// Xᵢ.
    pub(crate) key: C::Point,
}

/// The secrets of one presignature. Erased on drop.
pub(crate) struct Secrets<C: Suite> {
    /// rᵢ.
    pub(crate) r: C::Scalar,
    /// xᵢ: this party's part of the key, with a share of zero.
    pub(crate) x: C::Scalar,
    /// φᵢ.
    pub(crate) phi: C::Scalar,
}

impl<C: Suite> Drop for Secrets<C> {
    fn drop(&mut self) {
        let Self { r, x, phi } = self;
        [r, x, phi].into_iter().for_each(Zeroize::zeroize);
    }
}

/// This party's part of round 1.
pub(crate) struct Begun<C: Suite> {
    pub(crate) own: Vec<Own<C>>,
    pub(crate) commitments: Vec<[u8; 32]>,
    /// With each other party, of each presignature.
    pub(crate) received: BTreeMap<PartyIndex, Vec<Received>>,
    pub(crate) extensions: BTreeMap<PartyIndex, Vec<Extension>>,
}

/// Draws and commits; `share` is λᵢ·xᵢ. Nothing when there is no pair with one of the others.
pub(crate) fn begin<C: Suite>(
    context: &SessionContext,
    pairs: &SharedPairs,
    share: &C::Scalar,
    count: usize,
    rng: &mut dyn CryptoRngCore,
) -> Option<Begun<C>> {
    let (session, me) = (context.session(), context.me());
    let mut begun = Begun {
        own: Vec::with_capacity(count),
        commitments: Vec::with_capacity(count),
        received: BTreeMap::new(),
        extensions: BTreeMap::new(),
    };
    for place in 0..count {
        let mut secrets =
            Box::new(Secrets::<C> { r: C::random_scalar(rng), x: *share, phi: C::random_scalar(rng) });
        for peer in context.others() {
            let zero = zero::<C>(pairs.pair(peer)?.zero.expose(), &session, place);
            secrets.x += if me < peer { *zero } else { -*zero };
        }
        let (nonce, key) = (C::mul_base(&secrets.r), C::mul_base(&secrets.x));
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let opening = Opening { nonce: point::<C>(&nonce), key: point::<C>(&key), salt };
        begun.commitments.push(commitment(&session, me, place, &opening));
        begun.own.push(Own { secrets, opening, nonce, key });
    }
    for peer in context.others() {
        let pair = pairs.pair(peer)?;
        let transfers = (0..count)
            .map(|place| extension::receive(&pair.receiving, &transfer(&session, place, peer, me), rng));
        let (received, extensions) = transfers.unzip();
        begun.received.insert(peer, received);
        begun.extensions.insert(peer, extensions);
    }
    Some(begun)
}

/// A point as it is sent: 33 bytes on both curves.
pub(crate) fn point<C: Suite>(point: &C::Point) -> [u8; 33] {
    let mut encoded = [0; 33];
    encoded.iter_mut().zip(C::encode(point)).for_each(|(to, byte)| *to = byte);
    encoded
}

/// What binds a party to Rᵢ and Xᵢ before it knows those of others.
pub(crate) fn commitment(
    session: &SessionId,
    party: PartyIndex,
    place: usize,
    opening: &Opening,
) -> [u8; 32] {
    Transcript::new(b"quorate/dkls23/commitment/v1")
        .field("session", session.as_bytes())
        .field("party", &party.get().to_le_bytes())
        .field("place", &(place as u64).to_le_bytes())
        .field("nonce", &opening.nonce)
        .field("key", &opening.key)
        .field("salt", &opening.salt)
        .digest()
}

/// This party's side of the transfers with which its own scalars are multiplied, of what `peer` has sent: one verdict on all.
pub(crate) fn check_extensions(
    context: &SessionContext,
    pairs: &SharedPairs,
    peer: PartyIndex,
    extensions: &[Extension],
) -> Result<Vec<Sent>, Unchecked> {
    let (session, me) = (context.session(), context.me());
    pairs.check(peer, |pair| {
        verdict(extensions.iter().enumerate().map(|(place, extension)| {
            extension::send(&pair.sending, &transfer(&session, place, me, peer), extension)
        }))
    })
}

/// All results, or the worst of what is wrong: which places were right is not to be seen.
pub(crate) fn verdict<T>(results: impl Iterator<Item = Result<T, Cheat>>) -> Result<Vec<T>, Cheat> {
    let mut worst = None;
    let mut good = Vec::with_capacity(results.size_hint().0);
    for result in results {
        match result {
            Ok(result) => good.push(result),
            Err(cheat @ Cheat::Inconsistent(_)) => worst = Some(cheat),
            Err(cheat) => worst = worst.or(Some(cheat)),
        }
    }
    worst.map_or(Ok(good), Err)
}

/// A number that both of a pair know, and nobody else.
fn zero<C: Suite>(seed: &[u8; 32], session: &SessionId, place: usize) -> Zeroizing<C::Scalar> {
    let wide = Transcript::new(b"quorate/dkls23/zero/v1")
        .field("seed", seed)
        .field("session", session.as_bytes())
        .field("place", &(place as u64).to_le_bytes())
        .wide();
    Zeroizing::new(C::scalar_from_wide(&Zeroizing::new(wide)))
}

/// Names the transfers, and the multiplication, of one direction of a pair.
fn transfer(session: &SessionId, place: usize, sender: PartyIndex, receiver: PartyIndex) -> TransferId {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    TransferId::new("sign", session.as_bytes(), place, sender, receiver)
}
