//! Round 1: k and γ, encrypted and committed to.

use std::collections::BTreeMap;

use group::Group;
use quorate_ecdsa::Suite;
use quorate_paillier::proofs::claim::{Claim, all_hold};
use quorate_paillier::proofs::enc_elg;
use quorate_paillier::{Ciphertext, Keys, Nonce, SecretKeys, to_natural};
use quorate_session::Blame;
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use super::message::{Encrypted, Encryption, Fault};
use super::parties::{First, Parties};
use super::stock::{Drawn, Stock};
use crate::parallel;

/// What a signer keeps of round 1 of one presignature. Erased on drop.
pub(crate) struct Own<C: Suite> {
    pub(crate) secrets: Box<Secrets<C>>,
    /// ρ and ν, of K and G.
    nonces: [Nonce; 2],
    pub(crate) public: First<C>,
}

/// The secrets of round 1.
pub(crate) struct Secrets<C: Suite> {
    pub(crate) k: C::Scalar,
    pub(crate) gamma: C::Scalar,
    /// Of the ElGamal commitment to k.
    pub(crate) a: C::Scalar,
    /// Of the ElGamal commitment to γ.
    pub(crate) b: C::Scalar,
}

impl<C: Suite> Drop for Secrets<C> {
    fn drop(&mut self) {
        let Self { k, gamma, a, b } = self;
        [k, gamma, a, b].into_iter().for_each(Zeroize::zeroize);
    }
}

impl<C: Suite> Own<C> {
    /// Draws and encrypts. `ready` is of this party's own key.
    fn generate(keys: &SecretKeys, [of_k, of_gamma]: [Drawn; 2], rng: &mut dyn CryptoRngCore) -> Self {
        let mut draw = || C::random_scalar(rng);
        let secrets = Box::new(Secrets::<C> { k: draw(), gamma: draw(), a: draw(), b: draw() });
        let base = random_point::<C>(rng);
        let mut encrypt = |scalar: &C::Scalar, drawn: Drawn| {
            let (nonce, power) = drawn.ready(keys, rng).into_parts();
            let key = keys.encryption();
            (key.encrypt_number(&to_natural::<C>(scalar), power), nonce)
        };
        let ((k, k_nonce), (gamma, gamma_nonce)) =
            (encrypt(&secrets.k, of_k), encrypt(&secrets.gamma, of_gamma));
        let commit = |randomness: &C::Scalar, scalar: &C::Scalar| {
            [C::mul_base(randomness), base * randomness + C::mul_base(scalar)]
        };
        let public = First {
            ciphertexts: [k, gamma],
            base,
            commitments: [commit(&secrets.a, &secrets.k), commit(&secrets.b, &secrets.gamma)],
        };
        Self { secrets, nonces: [k_nonce, gamma_nonce], public }
    }

    /// What is broadcast.
    pub(super) fn encrypted(&self, keys: &SecretKeys) -> Encrypted {
        let bytes = |ciphertext: &Ciphertext| keys.encryption().bytes(ciphertext);
        let points = |points: &[C::Point; 2]| points.each_ref().map(C::encode);
        let [k, gamma] = &self.public.ciphertexts;
        let [a, b] = &self.public.commitments;
        Encrypted {
            k: bytes(k),
            gamma: bytes(gamma),
            base: C::encode(&self.public.base),
            k_commitment: points(a),
            gamma_commitment: points(b),
        }
    }

    fn witness(&self, which: Encryption) -> (&C::Scalar, &C::Scalar, &Nonce) {
        let [k, gamma] = &self.nonces;
        match which {
            Encryption::K => (&self.secrets.k, &self.secrets.a, k),
            Encryption::Gamma => (&self.secrets.gamma, &self.secrets.b, gamma),
        }
    }
}

/// Round 1 of this party: what it keeps, what it broadcasts, and its proofs to each other signer.
pub(crate) type Begun<C> = (Vec<Own<C>>, Vec<Encrypted>, BTreeMap<PartyIndex, Vec<[Vec<u8>; 2]>>);

/// Draws all secrets of round 1. Nothing if the keys of a party are missing, which would be a mistake of this crate.
pub(crate) fn begin<C: Suite>(
    parties: &Parties<C>,
    me: PartyIndex,
    keys: &SecretKeys,
    stock: &mut Stock,
    rng: &mut dyn CryptoRngCore,
) -> Option<Begun<C>> {
    let drawn: Vec<_> = (0..parties.count).map(|_| [stock.own(), stock.own()]).collect();
    let own = parallel::map(drawn, rng, |drawn, rng| Own::<C>::generate(keys, drawn, rng));
    let jobs = parties.others(me).flat_map(|to| (0..parties.count).map(move |item| (to, item)));
    let jobs = jobs.flat_map(|(to, item)| Encryption::BOTH.map(|which| (to, item, which)));
    let jobs: Vec<_> = jobs.map(|job| (job, stock.own())).collect();
    let proofs = parallel::map(jobs, rng, |((to, item, which), drawn), rng| {
        let (own, verifier) = (own.get(item)?, parties.keys(to)?);
        let (value, exponent, nonce) = own.witness(which);
        let value = to_natural::<C>(value);
        let witness = enc_elg::Witness { value: &value, nonce, exponent };
        let context = parties.context(item, me, Some(to), which.label());
        let ready = drawn.ready(keys, rng);
        let statement = own.public.statement(which);
        Some((to, enc_elg::prove(&context, keys, verifier, &statement, &witness, ready, rng)))
    });
    let encrypted = own.iter().map(|own| own.encrypted(keys)).collect();
    Some((own, encrypted, by_recipient(proofs.into_iter().collect::<Option<_>>()?)))
}

/// Puts the proofs for each recipient, made two by two, into one message each.
pub(crate) fn by_recipient(proofs: Vec<(PartyIndex, Vec<u8>)>) -> BTreeMap<PartyIndex, Vec<[Vec<u8>; 2]>> {
    let mut messages: BTreeMap<PartyIndex, Vec<[Vec<u8>; 2]>> = BTreeMap::new();
    let mut proofs = proofs.into_iter();
    while let (Some((to, first)), Some((_, second))) = (proofs.next(), proofs.next()) {
        messages.entry(to).or_default().push([first, second]);
    }
    messages
}

/// Verifies one proof of round 1 but for its claim.
pub(crate) fn verify<C: Suite>(
    parties: &Parties<C>,
    (prover, verifier): (PartyIndex, PartyIndex),
    keys: &dyn Keys,
    (item, which): (usize, Encryption),
    first: &First<C>,
    proof: &[u8],
) -> Option<Claim> {
    let context = parties.context(item, prover, Some(verifier), which.label());
    let (prover, public) = (parties.keys(prover)?, parties.keys(verifier)?);
    enc_elg::verify(&context, prover, public, keys, &first.statement(which), proof).ok()
}

/// Verifies all proofs of one signer to `me`, and names the first that does not hold.
pub(crate) fn check<C: Suite>(
    parties: &Parties<C>,
    (prover, me): (PartyIndex, PartyIndex),
    keys: &SecretKeys,
    first: &[First<C>],
    proofs: &[[Vec<u8>; 2]],
    rng: &mut dyn CryptoRngCore,
) -> Result<(), Blame<Fault>> {
    let fault = |item: usize, ciphertext| {
        Blame::new(prover, Fault::Encryption { item: item as u16, ciphertext, verifier: me })
    };
    let mut claims = Vec::new();
    for (item, (first, proofs)) in first.iter().zip(proofs).enumerate() {
        for (which, proof) in Encryption::BOTH.into_iter().zip(proofs) {
            let claim = verify(parties, (prover, me), keys, (item, which), first, proof);
            claims.push((item, which, claim.ok_or_else(|| fault(item, which))?));
        }
    }
    let public = parties.keys(prover).ok_or_else(|| fault(0, Encryption::K))?;
    let (places, claims): (Vec<_>, Vec<_>) =
        claims.into_iter().map(|(item, which, claim)| ((item, which), claim)).unzip();
    if all_hold(public, &claims, rng) {
        return Ok(());
    }
    // None is false if each by itself is true.
    let wrong = places.iter().zip(&claims).find(|(_, claim)| !claim.holds(public));
    wrong.map_or(Ok(()), |((item, which), _)| Err(fault(*item, *which)))
}

/// A random point, of which nobody knows the discrete logarithm, not even who draws it.
fn random_point<C: Suite>(rng: &mut dyn CryptoRngCore) -> C::Point {
    loop {
        let mut encoded = vec![2; C::POINT_BYTES];
        if let Some(x) = encoded.get_mut(1..) {
            rng.fill_bytes(x);
        }
        if let Some(point) = C::decode(&encoded)
            && !bool::from(point.is_identity())
        {
            return point;
        }
    }
}
