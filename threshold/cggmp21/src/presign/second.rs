//! Round 2: each signer multiplies every other's k by its γ and by its share of the key, under the other's encryption.

use std::collections::BTreeMap;

use ff::Field;
use quorate_paillier::proofs::claim::{Claim, all_hold};
use quorate_paillier::proofs::{aff_g, elog};
use quorate_paillier::{Keys, Natural, Nonce, SecretKeys, to_natural, to_scalar};
use quorate_session::Blame;
use quorate_sharing::{Curve, PartyIndex};
use rand_core::CryptoRngCore;
use subtle::ConditionallySelectable;
use zeroize::{Zeroize, Zeroizing};

use super::first::{Own, by_recipient};
use super::message::{Fault, MULTIPLY, Pair, Product, Products, Sum};
use super::parties::{First, Multiplied, Parties, Second, Signer};
use super::stock::{Drawn, Stock};
use crate::parallel;
use crate::suite::Suite;

/// What a signer keeps of one product that it made.
pub(crate) struct OwnProduct {
    /// y, of which the other's share of the product is too large, and this one's too small.
    pub(crate) summand: Natural,
    /// ρ and ρ_y.
    nonces: [Nonce; 2],
    pub(crate) multiplied: Multiplied,
}

/// By place of the presignature, receiver and kind.
pub(crate) type OwnProducts = BTreeMap<(usize, PartyIndex, Product), OwnProduct>;

/// What this party multiplies by.
fn factor<C: Suite>(own: &Own<C>, share: &C::Scalar, product: Product) -> Natural {
    to_natural::<C>(match product {
        Product::Nonce => &own.secrets.gamma,
        Product::Key => share,
    })
}

impl OwnProduct {
    fn generate<C: Suite>(
        (me, receiver): (&SecretKeys, &dyn Keys),
        first: &First<C>,
        factor: &Natural,
        [of_product, of_summand]: [Drawn; 2],
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let summand = Natural::random(me.sizes().mask(), rng);
        let (nonce, power) = of_product.ready(receiver, rng).into_parts();
        let (summand_nonce, summand_power) = of_summand.ready(me, rng).into_parts();
        let key = receiver.encryption();
        let masked = key.encrypt_number(&summand, power);
        let multiplied = Multiplied {
            product: key.add(&receiver.mul(first.k(), factor), &masked),
            summand: me.encryption().encrypt_number(&summand, summand_power),
        };
        Self { summand, nonces: [nonce, summand_nonce], multiplied }
    }

    /// Proves to the owner of `verifier` how it was made.
    pub(crate) fn prove<C: Suite>(
        &self,
        context: &quorate_keys::Transcript,
        roles: &aff_g::Roles<'_>,
        first: &First<C>,
        (factor, point): (&Natural, C::Point),
        [of_receiver, of_prover]: [Drawn; 2],
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let statement = first.product_statement(&self.multiplied, point);
        let [nonce, summand_nonce] = &self.nonces;
        let witness = aff_g::Witness { factor, summand: &self.summand, nonce, summand_nonce };
        let ready = [of_receiver.ready(roles.receiver, rng), of_prover.ready(roles.prover, rng)];
        aff_g::prove(context, roles, &statement, &witness, ready, rng)
    }
}

/// Round 2 of this party: what it keeps, what it broadcasts, and its proofs to each other signer.
pub(crate) type Multiplying = (OwnProducts, Vec<Products>, BTreeMap<PartyIndex, Vec<[Vec<u8>; 2]>>);

/// Multiplies everybody's k. Nothing if something of a party is missing, which would be a mistake of this crate.
pub(crate) fn multiply<C: Suite>(
    signer: &Signer<'_, C>,
    own: &[Own<C>],
    others: &BTreeMap<PartyIndex, Vec<First<C>>>,
    stock: &mut Stock,
    rng: &mut dyn CryptoRngCore,
) -> Option<Multiplying> {
    let Signer { parties, me, keys, share } = *signer;
    let jobs = others.keys().flat_map(|to| (0..parties.count).map(move |item| (*to, item)));
    let jobs = jobs.flat_map(|(to, item)| Product::BOTH.map(|product| (to, item, product)));
    let mut draw = |to| [stock.of(to), stock.own()];
    let jobs: Vec<_> = jobs.map(|job| (job, draw(job.0), draw(job.0))).collect();
    let made = parallel::map(jobs, rng, |((to, item, product), of_product, of_proof), rng| {
        let (own, first) = (own.get(item)?, others.get(&to)?.get(item)?);
        let receiver = parties.keys(to)?;
        let factor = factor(own, share, product);
        let made = OwnProduct::generate((keys, receiver), first, &factor, of_product, rng);
        let context = parties.context(item, me, Some(to), product.label());
        let roles = aff_g::Roles { receiver, prover: keys, verifier: receiver };
        let point = match product {
            Product::Nonce => C::mul_base(&own.secrets.gamma),
            Product::Key => parties.share(me)?,
        };
        let proof = made.prove(&context, &roles, first, (&factor, point), of_proof, rng);
        Some((to, item, product, made, proof))
    });
    let mut products = OwnProducts::new();
    let mut proofs = Vec::new();
    for (to, item, product, made, proof) in made.into_iter().collect::<Option<Vec<_>>>()? {
        products.insert((item, to, product), made);
        proofs.push((to, proof));
    }
    let broadcast = own.iter().enumerate().map(|(item, own)| {
        let gamma = C::mul_base(&own.secrets.gamma);
        let context = parties.context(item, me, None, b"gamma");
        let statement = own.public.gamma_statement(gamma);
        let proof = elog::prove(&context, &statement, &own.secrets.b, &own.secrets.gamma, rng);
        let pair = |to: PartyIndex, product: Product| {
            let Multiplied { product, summand } = &products.get(&(item, to, product))?.multiplied;
            let product = parties.keys(to)?.encryption().bytes(product);
            Some(Pair { product, summand: keys.encryption().bytes(summand) })
        };
        let pairs = others.keys().map(|to| {
            let [nonce, key] = Product::BOTH.map(|product| pair(*to, product));
            Some((*to, [nonce?, key?]))
        });
        Some(Products { gamma: C::encode(&gamma), proof, pairs: pairs.collect::<Option<_>>()? })
    });
    let broadcast = broadcast.collect::<Option<_>>()?;
    Some((products, broadcast, by_recipient(proofs)))
}

/// One product, and the proof of it.
pub(crate) struct Exhibit<'a, C: Suite> {
    pub(crate) item: usize,
    pub(crate) product: Product,
    /// The receiver's K is in it.
    pub(crate) first: &'a First<C>,
    /// What the prover multiplied by is in it.
    pub(crate) second: &'a Second<C>,
    pub(crate) multiplied: &'a Multiplied,
    pub(crate) proof: &'a [u8],
}

/// Who made a product, for whom, and to whom that is proven. While presigning, the receiver is the verifier; while a wrong sum is traced,
/// everybody else is.
#[derive(Clone, Copy)]
pub(crate) struct Between {
    pub(crate) prover: PartyIndex,
    pub(crate) receiver: PartyIndex,
    pub(crate) verifier: PartyIndex,
}

impl<C: Suite> Exhibit<'_, C> {
    /// Verifies the proof but for its claims: about the receiver's N, and about the prover's. `keys` are what is known of the verifier's.
    pub(crate) fn verify(
        &self,
        parties: &Parties<C>,
        between: Between,
        keys: &dyn Keys,
    ) -> Option<[Claim; 2]> {
        let Between { prover, receiver, verifier } = between;
        let Self { item, product, first, second, multiplied, proof } = *self;
        let purpose = if receiver == verifier { product.label() } else { super::identify::PURPOSE };
        let context = parties.context(item, prover, Some(verifier), purpose);
        let receiver: &dyn Keys = if receiver == verifier { keys } else { parties.keys(receiver)? };
        let point = parties.factor(second, prover, product)?;
        let (prover, verifier) = (parties.keys(prover)?, parties.keys(verifier)?);
        let roles = aff_g::Roles { receiver, prover, verifier };
        let statement = first.product_statement(multiplied, point);
        aff_g::verify(&context, &roles, keys, &statement, proof).ok()
    }
}

/// What one signer's products give this one: for each presignature the sums α of both kinds.
pub(crate) type Decrypted<C> = Zeroizing<Vec<[<C as Curve>::Scalar; 2]>>;

/// Verifies all that one signer sent to `me` in round 2, names the first that is wrong, and decrypts.
pub(crate) fn check<C: Suite>(
    signer: &Signer<'_, C>,
    prover: PartyIndex,
    own: &[Own<C>],
    first: &[First<C>],
    second: &[Second<C>],
    proofs: &[[Vec<u8>; 2]],
    rng: &mut dyn CryptoRngCore,
) -> Result<Decrypted<C>, Blame<Fault>> {
    let Signer { parties, me, keys, .. } = *signer;
    let blame = |fault| Blame::new(prover, fault);
    let wrong = |item: usize, product| {
        let sum = Sum { item: item as u16, product };
        blame(Fault::Multiplication { sum, verifier: me })
    };
    let mut claims = [Vec::new(), Vec::new()];
    let mut places = Vec::new();
    // Of the full size from the start: a vector that grows leaves copies behind.
    let mut decrypted: Decrypted<C> = Zeroizing::new(Vec::with_capacity(own.len()));
    for (item, (((own, first), second), proofs)) in own.iter().zip(first).zip(second).zip(proofs).enumerate()
    {
        let context = parties.context(item, prover, None, b"gamma");
        elog::verify(&context, &first.gamma_statement(second.gamma), &second.proof)
            .map_err(|_| blame(Fault::Exponent { round: MULTIPLY, item: item as u16 }))?;
        decrypted.push([C::Scalar::ZERO; 2]);
        for (product, proof) in Product::BOTH.into_iter().zip(proofs) {
            let multiplied = parties.multiplied(second, prover, me, product);
            let multiplied = multiplied.ok_or_else(|| blame(Fault::Malformed { round: MULTIPLY }))?;
            let (first, multiplied) = (&own.public, &multiplied);
            let exhibit = Exhibit { item, product, first, second, multiplied, proof };
            let found = exhibit.verify(parties, Between { prover, receiver: me, verifier: me }, keys);
            let [received, sent] = found.ok_or_else(|| wrong(item, product))?;
            let [about_me, about_prover] = &mut claims;
            about_me.push(received);
            about_prover.push(sent);
            places.push((item, product));
            let (number, negative) = keys.decryption().decrypt_centred(&multiplied.product);
            let mut scalar = to_scalar::<C>(&number);
            if let Some(place) = decrypted.last_mut().and_then(|pair| pair.get_mut(product.place())) {
                *place = C::Scalar::conditional_select(&scalar, &-scalar, negative);
            }
            scalar.zeroize();
        }
    }
    let [about_me, about_prover] = &claims;
    let public = parties.keys(prover).ok_or_else(|| wrong(0, Product::Nonce))?;
    if all_hold(keys, about_me, rng) && all_hold(public, about_prover, rng) {
        return Ok(decrypted);
    }
    // None is false if each by itself is true.
    let false_one = places
        .iter()
        .zip(about_me.iter().zip(about_prover))
        .find(|(_, (received, sent))| !received.holds(keys) || !sent.holds(public));
    false_one.map_or(Ok(decrypted), |((item, product), _)| Err(wrong(*item, *product)))
}
