//! Round 2: products, and what is kept of them.

use ff::{Field, PrimeField};
use quorate_ecdsa::Suite;
use quorate_keys::Secret;
use quorate_oblivious::extension::{Received, Sent};
use quorate_oblivious::vole::{self, Multiplication, Multiplied, Shares};
use quorate_sharing::PartyIndex;
use rand_core::{CryptoRngCore, RngCore};
use zeroize::Zeroizing;

use super::first::{Own, Secrets, point, verdict};
use super::message::{Opening, Product};
use crate::pairs::{SharedPairs, Unchecked};
use crate::presignature::Parts;

/// What another party has opened, decoded.
pub(crate) struct Opened<C: Suite> {
    pub(crate) nonce: C::Point,
    pub(crate) key: C::Point,
}

impl<C: Suite> Opened<C> {
    /// Nothing when one of them is no point, or none that an honest party has.
    pub(crate) fn read(opening: &Opening) -> Option<Self> {
        let point = |bytes: &[u8]| C::decode(bytes).filter(|point| !C::is_identity(point));
        Some(Self { nonce: point(&opening.nonce)?, key: point(&opening.key)? })
    }
}

/// What another party has multiplied with this one's factor, decoded.
pub(crate) struct Multiplying<C: Suite> {
    multiplication: Box<Multiplication>,
    checks: [C::Point; 2],
    difference: C::Scalar,
}

impl<C: Suite> Multiplying<C> {
    pub(crate) fn read(product: Product) -> Option<Self> {
        let Product { multiplication, checks: [u, v], difference } = product;
        let checks = [C::decode(&u)?, C::decode(&v)?];
        Some(Self { multiplication, checks, difference: C::scalar_from_bytes(&difference)? })
    }
}

/// What this party has of both multiplications with one other, of one presignature.
pub(crate) struct Between<C: Suite> {
    received: Received,
    /// χᵢⱼ.
    factor: Box<Zeroizing<C::Scalar>>,
    /// cᵘ and cᵛ.
    sent: Box<Shares<C>>,
}

/// What comes of both: ψⱼᵢ, cᵘᵢⱼ + dᵘᵢⱼ and cᵛᵢⱼ + dᵛᵢⱼ.
pub(crate) type Shared<C> = Zeroizing<[<C as quorate_sharing::Curve>::Scalar; 3]>;

/// Why nothing comes of them.
pub(crate) enum Unshared {
    /// Of the transfers or the multiplication.
    Unchecked(Unchecked),
    /// What was multiplied is not what was opened.
    WrongProduct,
}

impl<C: Multiplied + Suite> Between<C> {
    /// Multiplies this party's scalars, and says what the other needs for it.
    pub(crate) fn multiply(
        own: &Secrets<C>,
        received: Received,
        transfers: Sent,
        rng: &mut dyn CryptoRngCore,
    ) -> (Self, Product) {
        let (sent, multiplication) = vole::send::<C>(transfers, &Secret::new([own.r, own.x]), rng);
        let factor = Box::new(vole::factor::<C>(&received));
        let product = Product {
            multiplication: Box::new(multiplication),
            checks: sent.expose().map(|share| point::<C>(&C::mul_base(&share))),
            difference: C::scalar_to_bytes(&(own.phi - **factor)),
        };
        (Self { received, factor, sent: Box::new(sent) }, product)
    }
}

/// Ends all multiplications with one peer: one verdict on those, then whether it has multiplied what it has opened.
pub(crate) fn share<C: Multiplied + Suite>(
    pairs: &SharedPairs,
    peer: PartyIndex,
    between: Vec<Between<C>>,
    theirs: &[(Opened<C>, Multiplying<C>)],
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<Shared<C>>, Unshared> {
    let mut kept = Vec::with_capacity(between.len());
    let received = pairs.check(peer, |_| {
        verdict(between.into_iter().zip(theirs).map(|(between, (_, multiplying))| {
            let Between { received, factor, sent } = between;
            kept.push((factor, sent));
            vole::receive::<C>(received, &multiplying.multiplication)
        }))
    });
    let received = received.map_err(Unshared::Unchecked)?;
    let mut shared = Vec::with_capacity(kept.len());
    let mut right = true;
    for (((factor, sent), received), (opened, multiplying)) in kept.iter().zip(&received).zip(theirs) {
        right &= fits::<C>(factor, received, opened, multiplying, rng);
        let [[sent_u, sent_v], [received_u, received_v]] = [sent.expose(), received.expose()];
        shared.push(Zeroizing::new([multiplying.difference, *sent_u + received_u, *sent_v + received_v]));
    }
    if right { Ok(shared) } else { Err(Unshared::WrongProduct) }
}

/// Whether χ·R = dᵘ·G + Γᵘ and χ·X = dᵛ·G + Γᵛ: both at once, the second with a weight that the other party could not know. Constant time in what is
/// secret.
fn fits<C: Suite>(
    factor: &C::Scalar,
    received: &Shares<C>,
    opened: &Opened<C>,
    multiplying: &Multiplying<C>,
    rng: &mut dyn RngCore,
) -> bool {
    let mut weight = [0; 16];
    rng.fill_bytes(&mut weight);
    let weight = C::Scalar::from_u128(u128::from_le_bytes(weight));
    let weighted =
        |first: C::Point, second: C::Point| first + C::multi_exponentiate_vartime(&[(weight, second)]);
    let [u, v] = received.expose();
    let [u_check, v_check] = multiplying.checks;
    let theirs = weighted(u_check, v_check);
    let own = Zeroizing::new(weight * v + u);
    weighted(opened.nonce, opened.key) * *factor == C::mul_base(&own) + theirs
}

/// φᵢ, uᵢ and vᵢ.
pub(crate) fn sum<C: Suite>(own: &Own<C>, shared: &[&Shared<C>]) -> Parts<C> {
    let Secrets { r, x, phi } = &*own.secrets;
    let mut hidden = Zeroizing::new(*phi);
    let mut products = Zeroizing::new([C::Scalar::ZERO; 2]);
    for shared in shared {
        let [difference, u, v] = &***shared;
        *hidden += difference;
        products.iter_mut().zip([u, v]).for_each(|(sum, product)| *sum += product);
    }
    let [u, v] = &*products;
    Zeroizing::new([*phi, *r * *hidden + u, *x * *hidden + v])
}
