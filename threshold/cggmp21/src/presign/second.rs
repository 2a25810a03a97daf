//! Round 2: each signer multiplies every other's k by its γ and by its share of the key, under the other's encryption.

use std::collections::BTreeMap;

use ff::Field;
use quorate_ecdsa::Suite;
use quorate_paillier::proofs::claim::{Claim, all_hold};
use quorate_paillier::proofs::{aff_g, elog};
use quorate_paillier::{Ciphertext, Keys, Natural, Nonce, SecretKeys, to_natural, to_scalar};
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

/// What one signer sent to this one in round 2, proven but for what it claims about this one's N.
pub(crate) struct Received {
    /// For each presignature the products of both kinds.
    pub(crate) products: Vec<[Ciphertext; 2]>,
    pub(crate) claims: Vec<(Sum, Claim)>,
}

/// Verifies what one signer sent to `me` in round 2, but for the claims about the N of `me`, and names the first that is wrong.
pub(crate) fn check<C: Suite>(
    signer: &Signer<'_, C>,
    prover: PartyIndex,
    own: &[Own<C>],
    first: &[First<C>],
    second: &[Second<C>],
    proofs: &[[Vec<u8>; 2]],
    rng: &mut dyn CryptoRngCore,
) -> Result<Received, Blame<Fault>> {
    let Signer { parties, me, keys, .. } = *signer;
    let blame = |fault| Blame::new(prover, fault);
    let wrong = |sum| blame(Fault::Multiplication { sum, verifier: me });
    let malformed = || blame(Fault::Malformed { round: MULTIPLY });
    let mut received = Received { products: Vec::with_capacity(own.len()), claims: Vec::new() };
    let mut about_prover = Vec::new();
    for (item, (((own, first), second), proofs)) in own.iter().zip(first).zip(second).zip(proofs).enumerate()
    {
        let context = parties.context(item, prover, None, b"gamma");
        elog::verify(&context, &first.gamma_statement(second.gamma), &second.proof)
            .map_err(|_| blame(Fault::Exponent { round: MULTIPLY, item: item as u16 }))?;
        let verify = |product: Product, proof: &[u8]| {
            let multiplied = parties.multiplied(second, prover, me, product).ok_or_else(malformed)?;
            let exhibit =
                Exhibit { item, product, first: &own.public, second, multiplied: &multiplied, proof };
            let claims = exhibit.verify(parties, Between { prover, receiver: me, verifier: me }, keys);
            let claims = claims.ok_or_else(|| wrong(Sum { item: item as u16, product }))?;
            Ok((multiplied.product, claims))
        };
        let [nonce, key] = Product::BOTH;
        let [of_nonce, of_key] = proofs;
        let (nonce_product, nonce_claims) = verify(nonce, of_nonce)?;
        let (key_product, key_claims) = verify(key, of_key)?;
        received.products.push([nonce_product, key_product]);
        for (product, [about_me, sent]) in [(nonce, nonce_claims), (key, key_claims)] {
            let sum = Sum { item: item as u16, product };
            received.claims.push((sum, about_me));
            about_prover.push((sum, sent));
        }
    }
    let public = parties.keys(prover).ok_or_else(malformed)?;
    match first_false(public, &about_prover, rng) {
        Some(sum) => Err(wrong(sum)),
        None => Ok(received),
    }
}

/// The first of some claims about one N that is false, in the time of one claim if none is.
fn first_false(keys: &dyn Keys, claims: &[(Sum, Claim)], rng: &mut dyn CryptoRngCore) -> Option<Sum> {
    if all_hold(keys, claims.iter().map(|(_, claim)| claim), rng) {
        return None;
    }
    // None is false if each by itself is true.
    claims.iter().find(|(_, claim)| !claim.holds(keys)).map(|(sum, _)| *sum)
}

/// What the products of all others are to this signer: for each presignature the sums of α of both kinds.
pub(crate) type Decrypted<C> = Zeroizing<Vec<[<C as Curve>::Scalar; 2]>>;

/// Verifies what all others claim about this signer's N, names each of whom something is wrong, and decrypts the sums of their products.
///
/// One decryption for all: each product's number is known to be so short that their sum is the number modulo N as well. Nothing if a product
/// is missing, which would be a mistake of this crate.
pub(crate) fn decrypt<C: Suite>(
    signer: &Signer<'_, C>,
    received: &BTreeMap<PartyIndex, Received>,
    rng: &mut dyn CryptoRngCore,
) -> Result<Option<Decrypted<C>>, Vec<Blame<Fault>>> {
    let Signer { parties, me, keys, .. } = *signer;
    let claims = received.values().flat_map(|received| &received.claims);
    if !all_hold(keys, claims.map(|(_, claim)| claim), rng) {
        let wrong = received.iter().filter_map(|(prover, received)| {
            let sum = first_false(keys, &received.claims, rng)?;
            Some(Blame::new(*prover, Fault::Multiplication { sum, verifier: me }))
        });
        let wrong: Vec<_> = wrong.collect();
        // None is false if each by itself is true: what differs then is no number that is encrypted.
        if !wrong.is_empty() {
            return Err(wrong);
        }
    }
    let jobs = (0..parties.count).flat_map(|item| Product::BOTH.map(|product| (item, product.place())));
    let sums = parallel::map(jobs.collect::<Vec<_>>(), rng, |(item, place), _| {
        let key = keys.encryption();
        let mut sum = key.zero();
        for received in received.values() {
            sum = key.add(&sum, received.products.get(item)?.get(place)?);
        }
        let (number, negative) = keys.decryption().decrypt_centred(&sum);
        let mut scalar = to_scalar::<C>(&number);
        let centred = C::Scalar::conditional_select(&scalar, &-scalar, negative);
        scalar.zeroize();
        // On the heap: the stack of this is overwritten, not that of who gets it.
        Some(Box::new(Zeroizing::new(centred)))
    });
    // Of the full size from the start: a vector that grows leaves copies behind.
    let mut decrypted: Decrypted<C> = Zeroizing::new(vec![[C::Scalar::ZERO; 2]; parties.count]);
    for (place, sum) in decrypted.iter_mut().flatten().zip(sums) {
        match sum {
            Some(sum) => *place = **sum,
            None => return Ok(None),
        }
    }
    Ok(Some(decrypted))
}
