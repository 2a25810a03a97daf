//! Signatures, from presigning on.

use quorate_cggmp21::Suite;
use quorate_sharing::{P256, Secp256k1};

use crate::scene::Scene;

fn any_signers_sign<C: Suite>(threshold: u16, total: u16, signers: &[u16]) {
    let scene = Scene::<C>::new(threshold, total, 1);
    let tasks = [([7; 32], "m"), ([8; 32], "m/1/2")];
    for (made, (digest, _)) in scene.sign(signers, &tasks, 2).iter().zip(tasks) {
        assert_eq!(made.public_key.verify(&digest, &made.signature), Ok(()));
    }
}

#[test]
fn two_of_two_sign() {
    any_signers_sign::<Secp256k1>(2, 2, &[1, 2]);
}

#[test]
fn three_of_five_sign_whoever_they_are() {
    any_signers_sign::<Secp256k1>(3, 5, &[1, 4, 5]);
}

#[test]
fn signatures_on_p256_verify_too() {
    any_signers_sign::<P256>(2, 3, &[1, 3]);
}
