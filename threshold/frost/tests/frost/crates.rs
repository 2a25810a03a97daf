//! Our order of work against the crates' own functions: the same randomness gives the same shares and signatures.

use std::collections::BTreeMap;

use frost_core::keys::{IdentifierList, KeyPackage, PublicKeyPackage, generate_with_dealer};
use frost_core::round1::{self, SigningCommitments};
use frost_core::{SigningPackage, aggregate, round2};
use quorate_frost::{Bip340Suite, Ed25519Suite, Nonces, Package, Suite, TaprootTweak};

use crate::rng;

fn agree<S: Suite>(seed: u64, tweak: Option<&TaprootTweak>) {
    let dealt = generate_with_dealer::<S::Ciphersuite, _>(5, 3, IdentifierList::Default, &mut rng(seed));
    let (shares, public) = dealt.unwrap();
    let public: PublicKeyPackage<S::Ciphersuite> = S::finish_public(public, tweak);
    // Parties 2 to 5, or 1, 3 and 5.
    let odd = (seed & 1) as usize;
    let keys: Vec<KeyPackage<S::Ciphersuite>> = shares
        .into_values()
        .skip(1 - odd)
        .step_by(1 + odd)
        .map(|share| S::finish_key(KeyPackage::try_from(share).unwrap(), tweak))
        .collect();
    assert_eq!(keys.len(), 4 - odd);
    let message = seed.to_le_bytes();

    let mut ours = BTreeMap::new();
    let mut theirs = BTreeMap::new();
    let mut commitments: BTreeMap<_, SigningCommitments<S::Ciphersuite>> = BTreeMap::new();
    for (at, key) in keys.iter().enumerate() {
        let seed = 1000 * seed + at as u64;
        let (mine, _) = Nonces::<S>::commit(key, &mut rng(seed));
        let (nonces, commitment) = round1::commit(key.signing_share(), &mut rng(seed));
        assert!(*mine.commitments() == commitment);
        ours.insert(*key.identifier(), mine);
        theirs.insert(*key.identifier(), nonces);
        commitments.insert(*key.identifier(), commitment);
    }
    let package = Package::<S>::new(commitments.clone(), &message, public.verifying_key()).unwrap();
    let crate_package = SigningPackage::new(commitments, &message);
    let mut shares = BTreeMap::new();
    for key in &keys {
        let share = ours.remove(key.identifier()).unwrap().sign(&package, key).unwrap();
        let expected = round2::sign(&crate_package, &theirs[key.identifier()], key).unwrap();
        assert!(share == expected);
        let verifying_share = &public.verifying_shares()[key.identifier()];
        assert!(package.share_is_right(key.identifier(), &share, verifying_share));
        shares.insert(*key.identifier(), share);
    }
    let expected = aggregate(&crate_package, &shares, &public).unwrap().serialize().unwrap();
    assert_eq!(package.aggregate(shares.values()).unwrap(), expected);
}

#[test]
fn the_same_randomness_gives_the_same_signature_as_the_crate_ed25519() {
    (0..32).for_each(|seed| agree::<Ed25519Suite>(seed, None));
}

#[test]
fn the_same_randomness_gives_the_same_signature_as_the_crate_bip340() {
    for seed in 0..32 {
        agree::<Bip340Suite>(seed, None);
        agree::<Bip340Suite>(seed, Some(&TaprootTweak { merkle_root: None }));
        agree::<Bip340Suite>(seed, Some(&TaprootTweak { merkle_root: Some([9; 32]) }));
    }
}

/// What a caller of the lower layer can get wrong.
#[test]
fn nonces_sign_only_for_their_own_commitments_and_enough_signers() {
    let dealt = generate_with_dealer(3, 2, IdentifierList::Default, &mut rng(1));
    let (shares, public): (_, PublicKeyPackage<<Ed25519Suite as Suite>::Ciphersuite>) = dealt.unwrap();
    let keys: Vec<_> = shares.into_values().map(|share| KeyPackage::try_from(share).unwrap()).collect();
    let commit = |seed| Nonces::<Ed25519Suite>::commit(&keys[0], &mut rng(seed)).0;
    let (other, _) = Nonces::<Ed25519Suite>::commit(&keys[1], &mut rng(9));
    let of = |commitments: &[_]| {
        let commitments = commitments.iter().copied().collect();
        Package::<Ed25519Suite>::new(commitments, b"message", public.verifying_key())
    };
    let mine = (*keys[0].identifier(), *commit(1).commitments());
    let theirs = (*keys[1].identifier(), *other.commitments());
    assert!(commit(1).sign(&of(&[mine, theirs]).unwrap(), &keys[0]).is_ok());
    assert!(commit(2).sign(&of(&[mine, theirs]).unwrap(), &keys[0]).is_err(), "other nonces");
    assert!(commit(1).sign(&of(&[mine]).unwrap(), &keys[0]).is_err(), "too few signers");
    assert!(commit(1).sign(&of(&[theirs]).unwrap(), &keys[0]).is_err(), "not among the signers");
    let zero = round1::NonceCommitment::new(Default::default());
    let identity = SigningCommitments::new(zero, *mine.1.binding());
    assert!(of(&[mine, (theirs.0, identity)]).is_err(), "the nonce zero");
}
