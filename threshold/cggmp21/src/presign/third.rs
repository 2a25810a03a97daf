//! Round 3: each signer's parts of the nonce and of the product of nonce and key.

use ff::Field;
use quorate_ecdsa::{PresignatureId, Suite};
use quorate_keys::Transcript;
use quorate_paillier::proofs::elog;
use quorate_paillier::to_scalar;
use quorate_session::Blame;
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use super::first::Own;
use super::message::{Fault, Product, SUM, Sums};
use super::parties::{Board, First, Parties, Third};
use super::second::OwnProducts;
use crate::presignature::{Check, Presignature, PublicPresignature};

/// δᵢ and χᵢ. Erased on drop.
pub(crate) struct OwnSums<C: Suite> {
    pub(crate) delta: C::Scalar,
    pub(crate) chi: C::Scalar,
}

impl<C: Suite> Drop for OwnSums<C> {
    fn drop(&mut self) {
        self.delta.zeroize();
        self.chi.zeroize();
    }
}

/// Adds up one presignature's products: what others' give this signer, and what it keeps of its own for them. Nothing if one is missing,
/// which would be a mistake of this crate.
pub(crate) fn add_up<C: Suite>(
    item: usize,
    own: &Own<C>,
    share: &C::Scalar,
    [delta, chi]: &[C::Scalar; 2],
    others: impl Iterator<Item = PartyIndex>,
    made: &OwnProducts,
) -> Option<OwnSums<C>> {
    let k = &own.secrets.k;
    let mut sums = OwnSums { delta: own.secrets.gamma * k + delta, chi: *share * k + chi };
    for (other, product) in others.flat_map(|other| Product::BOTH.map(|product| (other, product))) {
        let made = made.get(&(item, other, product))?;
        let mut beta = to_scalar::<C>(&made.summand);
        match product {
            Product::Nonce => sums.delta -= beta,
            Product::Key => sums.chi -= beta,
        }
        beta.zeroize();
    }
    Some(sums)
}

/// What is broadcast of them, under the nonce Γ.
pub(crate) fn publish<C: Suite>(
    context: &Transcript,
    own: &Own<C>,
    sums: &OwnSums<C>,
    nonce: C::Point,
    rng: &mut dyn CryptoRngCore,
) -> Sums {
    let k_point = nonce * own.secrets.k;
    let statement = own.public.k_statement(k_point, nonce);
    Sums {
        delta: C::scalar_to_bytes(&sums.delta),
        k_point: C::encode(&k_point),
        proof: elog::prove(context, &statement, &own.secrets.a, &own.secrets.k, rng),
        chi_point: C::encode(&(nonce * sums.chi)),
    }
}

/// Verifies Π^elog of one signer's Δ.
pub(crate) fn check<C: Suite>(
    parties: &Parties<C>,
    prover: PartyIndex,
    item: usize,
    first: &First<C>,
    third: &Third<C>,
    nonce: C::Point,
) -> Result<(), Blame<Fault>> {
    let context = parties.context(item, prover, None, b"k");
    elog::verify(&context, &first.k_statement(third.k_point, nonce), &third.proof)
        .map_err(|_| Blame::new(prover, Fault::Exponent { round: SUM, item: item as u16 }))
}

/// The presignature, of sums that are right. Nothing if δ is zero, which nobody will see.
pub(crate) fn finish<C: Suite>(
    parties: &Parties<C>,
    me: PartyIndex,
    item: usize,
    key: [u8; 32],
    (k, sums): (&C::Scalar, &OwnSums<C>),
    board: &Board<'_, C>,
) -> Option<Presignature> {
    let delta: C::Scalar = board.third.values().map(|third| third.delta).sum();
    let inverse = Option::<C::Scalar>::from(delta.invert())?;
    let checks = board.third.iter().map(|(party, third)| {
        let nonce = C::encode(&(third.k_point * inverse));
        (*party, Check { nonce, key: C::encode(&(third.chi_point * inverse)) })
    });
    let public = PublicPresignature {
        id: PresignatureId::new(&parties.session(), item),
        key,
        nonce: C::encode(&board.nonce()),
        checks: checks.collect(),
    };
    let secret = Zeroizing::new([*k * inverse, sums.chi * inverse]);
    Some(Presignature::new::<C>(public, me, &secret))
}
