//! Derived and tweaked keys.

use quorate_frost::{Bip340Suite, Ed25519Suite, Setup, Suite, TaprootTweak};
use quorate_keys::{PublicKey, derive, taproot};
use quorate_sharing::Curve;

use crate::wallet::Wallet;
use crate::{Scene, rng};

fn child<S: Suite>(setup: &Setup) -> PublicKey {
    derive(&setup.key.group_key, &setup.key.chain_code, &setup.tasks[0].path)
        .unwrap()
        .key
        .public_key(S::SCHEME)
        .unwrap()
}

fn derived_keys_sign<S: Suite>() {
    for seed in 0..8 {
        let scene = Scene::<S>::new(2, 3, seed);
        for path in ["m", "m/0", "m/0/7", "m/44/501/0/0/2147483647"] {
            let setup = scene.setup_with(2, path, None);
            let key = scene.sign_and_verify(&[2, 3], &setup, seed);
            assert_eq!(key, child::<S>(&setup));
            assert_eq!(key, setup.tasks[0].public_key::<S>(&setup.key).unwrap());
        }
    }
}

#[test]
fn the_key_of_a_path_is_the_publicly_derived_one_ed25519() {
    derived_keys_sign::<Ed25519Suite>();
}

#[test]
fn the_key_of_a_path_is_the_publicly_derived_one_bip340() {
    derived_keys_sign::<Bip340Suite>();
}

#[test]
fn the_taproot_tweak_is_applied_exactly_once() {
    for seed in 0..8 {
        let scene = Scene::<Bip340Suite>::new(2, 3, seed);
        for path in ["m", "m/86/0/0"] {
            for merkle_root in [None, Some([seed as u8; 32])] {
                let tweak = Some(TaprootTweak { merkle_root });
                let setup = scene.setup_with(1, path, tweak);
                let key = scene.sign_and_verify(&[1, 3], &setup, seed);
                let (_, once) = taproot::tweak(&child::<Bip340Suite>(&setup), merkle_root.as_ref()).unwrap();
                assert_eq!(key, once);
                let untweaked = scene.setup_with(1, path, None);
                assert_eq!(
                    scene.sign_and_verify(&[1, 3], &untweaked, seed),
                    child::<Bip340Suite>(&untweaked)
                );
            }
        }
    }
}

/// The parity of a key decides whether shares are negated: of the internal key before the tweak, of the output key after
/// it, and of the sum of the nonces.
#[test]
fn keys_with_odd_and_even_y_sign() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let scene = Scene::<Bip340Suite>::new(2, 3, 100 + seed);
        let internal = scene.wallet.public.group_key.as_bytes()[0];
        for tweak in [None, Some(TaprootTweak { merkle_root: None })] {
            let setup = scene.setup_with(1, "m", tweak);
            scene.sign_and_verify(&[1, 2], &setup, seed);
            let key = scene.wallet.public.group_key.as_bytes();
            let lifted = <Bip340Suite as Suite>::Curve::decode(&[&[2], &key[1..]].concat()).unwrap();
            let (scalar, _) =
                taproot::tweak(&scene.wallet.public.group_key.public_key(Bip340Suite::SCHEME).unwrap(), None)
                    .unwrap();
            let scalar = <Bip340Suite as Suite>::Curve::scalar_from_bytes(&scalar).unwrap();
            let output = lifted + <Bip340Suite as Suite>::Curve::mul_base(&scalar);
            let output = <Bip340Suite as Suite>::Curve::encode(&output)[0];
            seen.insert((tweak.is_some(), internal, output));
        }
    }
    assert_eq!(seen.len(), 8, "every parity of internal and output key, with and without the tweak");
}

#[test]
fn shares_of_one_polynomial_are_one_key_whoever_signs() {
    let scene = Scene::<Ed25519Suite>::new(3, 5, 11);
    let polynomial = quorate_sharing::Polynomial::random(scene.cast.committee().threshold(), &mut rng(11));
    let wallet = Wallet::of::<Ed25519Suite>(scene.cast.committee(), &polynomial, &mut rng(12));
    let scene = Scene { wallet, ..scene };
    let mut keys: Vec<_> = [[1, 2, 3], [1, 4, 5], [2, 3, 5]]
        .iter()
        .map(|signers| scene.sign_and_verify(signers, &scene.setup(signers[0]), 1))
        .collect();
    keys.dedup();
    assert_eq!(keys.len(), 1);
}
