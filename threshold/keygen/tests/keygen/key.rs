//! What comes out: one key, whose private side any threshold many shares make and fewer don't.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use ff::Field;
use quorate_keys::{Scheme, Signature, ecdsa};
use quorate_sharing::{
    Curve, Ed25519, KeyShare, P256, Polynomial, PublicShares, Secp256k1, lagrange_at_zero,
};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::Digest;

use crate::cast::{five, party, simulation};
use crate::dealer::{Dealer, Script};
use crate::drive::Group;
use crate::on_every_curve;

on_every_curve!(
    all_parties_have_one_key_and_threshold_many_of_them_its_private_side,
    every_party_contributes_to_the_key_and_to_the_chain_code,
    the_key_is_of_the_epoch_that_was_agreed_upon,
    indices_need_not_be_consecutive,
);

/// The private key that these shares make, if they are as many as it takes.
pub(crate) fn rebuild<C: Curve>(shares: &[&KeyShare]) -> C::Scalar {
    let parties: Vec<_> = shares.iter().map(|share| share.index()).collect();
    let term = |share: &&KeyShare| {
        let factor = lagrange_at_zero::<C>(share.index(), &parties).unwrap();
        factor * share.secret_share::<C>().unwrap().expose()
    };
    shares.iter().map(term).fold(C::Scalar::ZERO, |sum, term| sum + term)
}

pub(crate) fn is_private_key<C: Curve>(scalar: &C::Scalar, public: &PublicShares) -> bool {
    C::encode(&C::mul_base(scalar)) == public.group_key.as_bytes()
}

/// Sets of `size` shares, one that begins at each share.
fn choose(shares: &[KeyShare], size: usize) -> Vec<Vec<&KeyShare>> {
    (0..shares.len()).map(|start| shares.iter().cycle().skip(start).take(size).collect()).collect()
}

fn check<C: Curve>(threshold: u16, total: u16) {
    let cast = Cast::new(threshold, total, 1);
    let mut group = Group::<C>::new(&cast, 0, u64::from(total));
    group.run();
    let stored = std::mem::take(&mut group.stored);
    let (public, shares) = group.results();
    assert_eq!(public.committee, *cast.committee());
    assert_eq!(shares.len(), usize::from(total));
    for share in &shares {
        assert_eq!(*share.public(), public);
        // Checks the share against the verifying share.
        let secret = share.secret_share::<C>().unwrap();
        let before = stored[&share.index()].secret_share::<C>().unwrap();
        assert_eq!(secret.expose(), before.expose());
        assert_eq!(*stored[&share.index()].public(), public);
    }
    let private = rebuild::<C>(&choose(&shares, threshold.into())[0]);
    assert!(is_private_key::<C>(&private, &public));
    for signers in choose(&shares, threshold.into()) {
        assert_eq!(signers.len(), usize::from(threshold));
        assert_eq!(rebuild::<C>(&signers), private);
    }
    for fewer in choose(&shares, usize::from(threshold) - 1) {
        assert!(!is_private_key::<C>(&rebuild::<C>(&fewer), &public));
    }
}

fn all_parties_have_one_key_and_threshold_many_of_them_its_private_side<C: Curve>() {
    for (threshold, total) in [(2, 2), (2, 3), (3, 5), (5, 9), (7, 11)] {
        check::<C>(threshold, total);
    }
}

#[test]
fn a_large_committee_makes_a_key() {
    // As large as they come takes minutes without optimisation.
    let slow = std::env::var_os("QUORATE_SLOW").is_some();
    let (threshold, total) = if slow { (34, 100) } else { (9, 25) };
    check::<Ed25519>(threshold, total);
    check::<Secp256k1>(threshold, total);
    check::<P256>(threshold, total);
}

/// The key and the chain code of a session in which all parties but one always deal the same. That one deals a polynomial
/// with this constant, and this part of the chain code.
fn with_part<C: Curve>(dealer: u16, constant: C::Scalar, part: [u8; 32]) -> (PublicShares, C::Scalar) {
    let cast = five();
    let mut simulation = simulation::<C>(&cast, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let polynomial = Polynomial::with_constant(&constant, cast.committee().threshold(), &mut rng);
    let script =
        Script { polynomial: Some(polynomial), ..Script::opening(move |_, open| open.chain_code = part) };
    simulation.replace::<Dealer<C>>(party(dealer), (), script);
    let shares: Vec<_> = simulation.run().results().into_values().collect();
    let public = shares[0].public().clone();
    assert!(shares.iter().all(|share| *share.public() == public));
    let private = rebuild::<C>(&choose(&shares, 3)[0]);
    assert!(is_private_key::<C>(&private, &public));
    (public, private)
}

fn every_party_contributes_to_the_key_and_to_the_chain_code<C: Curve>() {
    let [one, other] = [C::Scalar::from(17), C::Scalar::from(4_000)];
    for dealer in 1..=5 {
        let (public, private) = with_part::<C>(dealer, one, [1; 32]);
        assert_eq!(with_part::<C>(dealer, one, [1; 32]), (public.clone(), private), "all else is the same");
        let (with_key, other_private) = with_part::<C>(dealer, other, [1; 32]);
        assert_ne!(with_key.group_key, public.group_key, "dealer {dealer}");
        assert_eq!(other_private - private, other - one, "dealer {dealer}");
        assert_eq!(with_key.chain_code, public.chain_code);
        let (with_code, same_private) = with_part::<C>(dealer, one, [2; 32]);
        assert_ne!(with_code.chain_code, public.chain_code, "dealer {dealer}");
        assert_eq!((with_code.group_key, same_private), (public.group_key, private));
    }
}

fn the_key_is_of_the_epoch_that_was_agreed_upon<C: Curve>() {
    for epoch in [0, 7] {
        let mut group = Group::<C>::new(&Cast::new(2, 3, 1), epoch, 1);
        group.run();
        assert_eq!(group.results().0.epoch, epoch);
    }
}

/// The committee of a wallet may be any part of the cluster.
fn indices_need_not_be_consecutive<C: Curve>() {
    let cast = Cast::new(2, 7, 1);
    let committee = cast.subset(&[2, 5, 7]);
    let simulation =
        quorate_simulator::Simulation::<quorate_keygen::Keygen<C>>::new(&cast, &committee, 1, &(), |_| ());
    let shares: Vec<_> = simulation.run().results().into_values().collect();
    let public = shares[0].public();
    assert!(public.verifying_shares.keys().copied().eq(committee.indices()));
    for signers in choose(&shares, 2) {
        assert!(is_private_key::<C>(&rebuild::<C>(&signers), public));
    }
    assert_eq!(shares.iter().map(KeyShare::index).collect::<Vec<_>>(), [2, 5, 7].map(party));
}

/// The private key signs under the public one, as libraries that we did not write see it.
#[test]
fn the_rebuilt_private_key_signs_under_the_group_key() {
    let cast = Cast::new(3, 5, 1);
    let mut group = Group::<Secp256k1>::new(&cast, 0, 1);
    group.run();
    let (public, shares) = group.results();
    let private = Secp256k1::scalar_to_bytes(&rebuild::<Secp256k1>(&choose(&shares, 3)[0]));
    let library = ::secp256k1::Secp256k1::new();
    let keypair = ::secp256k1::Keypair::from_seckey_slice(&library, &private).unwrap();
    assert_eq!(keypair.public_key().serialize(), public.group_key.as_bytes());
    let key = public.group_key.public_key(Scheme::Bip340).unwrap();
    let digest = [7; 32];
    let message = ::secp256k1::Message::from_digest(digest);
    let signature = library.sign_schnorr_no_aux_rand(&message, &keypair).serialize();
    key.verify(&digest, &Signature::from_bytes(signature)).unwrap();
    let key = public.group_key.public_key(Scheme::EcdsaSecp256k1).unwrap();
    let signature = library.sign_ecdsa(&message, &keypair.secret_key()).serialize_compact();
    key.verify(&digest, &Signature::from_bytes(signature)).unwrap();

    let mut group = Group::<P256>::new(&cast, 0, 1);
    group.run();
    let (public, shares) = group.results();
    let private = P256::scalar_to_bytes(&rebuild::<P256>(&choose(&shares, 3)[0]));
    let key = public.group_key.public_key(Scheme::EcdsaP256).unwrap();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &private,
        key.as_bytes(),
    );
    let signature = pair.unwrap().sign(&SystemRandom::new(), b"message").unwrap();
    let signature = Signature::from_bytes(signature.as_ref().try_into().unwrap());
    let digest = <[u8; 32]>::from(sha2::Sha256::digest(b"message"));
    key.verify(&digest, &ecdsa::low_s(Scheme::EcdsaP256, &signature).unwrap()).unwrap();

    let mut group = Group::<Ed25519>::new(&cast, 0, 1);
    group.run();
    let (public, shares) = group.results();
    let private = rebuild::<Ed25519>(&choose(&shares, 3)[0]);
    let expanded = ed25519_dalek::hazmat::ExpandedSecretKey { scalar: private, hash_prefix: [7; 32] };
    let verifying = ed25519_dalek::VerifyingKey::from(&expanded);
    assert_eq!(verifying.as_bytes(), public.group_key.as_bytes());
    let signature = ed25519_dalek::hazmat::raw_sign::<sha2::Sha512>(&expanded, b"message", &verifying);
    verifying.verify_strict(b"message", &signature).unwrap();
}
