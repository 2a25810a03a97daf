//! Setups of presigning that don't fit what is stored: the signer does not start.

use std::sync::Arc;

use quorate_cggmp21::auxiliary::Auxiliary;
use quorate_cggmp21::presign::{MAX_PRESIGNATURES, Presign, PresignSecret, PresignSetup};
use quorate_keys::ChainCode;
use quorate_session::{Protocol, Wire, setup_digest};
use quorate_sharing::{P256, Secp256k1};

use crate::scene::{Scene, party, rng};

/// Starts party 1, and says why it does not.
fn refusal(
    scene: &Scene<Secp256k1>,
    signers: &[u16],
    epoch: u64,
    setup: &PresignSetup,
    secret: PresignSecret,
) -> String {
    let digest = setup_digest(&setup.to_wire().unwrap());
    let mut rng = rng(1);
    let committee = scene.cast.subset(signers);
    let contexts = scene.cast.agree(&committee, Presign::<Secp256k1>::ID, digest, epoch, &mut rng);
    let context = Arc::clone(&contexts[&party(1)]);
    match Presign::<Secp256k1>::start(context, setup.clone(), secret, &mut rng) {
        Ok(_) => panic!("it starts"),
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn setups_that_do_not_fit_are_refused() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    let right = scene.presign_setup(&[1, 2], 1);
    let refuse = |change: &dyn Fn(&mut PresignSetup), expected: &str| {
        let mut setup = right.clone();
        change(&mut setup);
        let refused = refusal(&scene, &[1, 2], 0, &setup, scene.secret(party(1)));
        assert!(refused.contains(expected), "{refused}");
    };
    refuse(&|setup| setup.count = 0, "0 presignatures");
    refuse(&|setup| setup.count = MAX_PRESIGNATURES as u16 + 1, "makes 1 to 32");
    refuse(&|setup| setup.key.chain_code = ChainCode::new([9; 32]), "not the one whose share is stored");
    refuse(&|setup| setup.auxiliary.epoch = 1, "the auxiliary information of the setup");
    refuse(&|setup| setup.auxiliary.sizes = 7, "the auxiliary information of the setup");
    refuse(&|setup| setup.key = Scene::<P256>::new(2, 3, 1).key, "can't sign in scheme");
    // Of one more party than sign.
    refuse(
        &|setup| setup.auxiliary = scene.presign_setup(&[1, 2, 3], 1).auxiliary,
        "the auxiliary information of the setup",
    );
}

#[test]
fn what_is_stored_and_does_not_fit_is_refused() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    let setup = scene.presign_setup(&[1, 2], 1);
    let refuse = |signers: &[u16], epoch, secret: PresignSecret, expected: &str| {
        let refused = refusal(&scene, signers, epoch, &setup, secret);
        assert!(refused.contains(expected), "{refused}");
    };
    // Another party's share, and another party's moduli.
    refuse(
        &[1, 2],
        0,
        PresignSecret { share: scene.share(party(2)), ..scene.secret(party(1)) },
        "of party 2",
    );
    let theirs = PresignSecret { share: scene.share(party(1)), ..scene.secret(party(2)) };
    refuse(&[1, 2], 0, theirs, "another party's");
    refuse(&[1, 2], 1, scene.secret(party(1)), "of epoch 0, the session of epoch 1");
    // Auxiliary information of before a rotation.
    let mut stale = scene.auxiliary.clone();
    stale.epoch = 5;
    let keys = quorate_paillier::test_keys::small(0);
    let identity = scene.cast.identity(party(1)).identity();
    let stale = Auxiliary::new(stale, identity, &keys);
    let secret = PresignSecret { auxiliary: stale.into(), ..scene.secret(party(1)) };
    refuse(&[1, 2], 0, secret, "not the one that is stored here");
    // The factors of another modulus than the public one.
    let other = quorate_paillier::test_keys::small(9);
    let damaged = Auxiliary::new(scene.auxiliary.clone(), identity, &other);
    let secret = PresignSecret { auxiliary: damaged.into(), ..scene.secret(party(1)) };
    refuse(&[1, 2], 0, secret, "auxiliary information");
    // No auxiliary information of somebody who signs.
    let mut without = scene.auxiliary.clone();
    without.keys.remove(&scene.cast.identity(party(2)).identity());
    let without = Auxiliary::new(without, identity, &keys);
    let secret = PresignSecret { auxiliary: without.into(), ..scene.secret(party(1)) };
    refuse(&[1, 2], 0, secret, "there is no auxiliary information of");
}

#[test]
fn more_signers_than_fit_into_evidence_are_refused() {
    // A committee of seventeen, all with the moduli of a few: nobody gets as far as to look at them.
    let cast = quorate_simulator::Cast::new(17, 17, 1);
    assert!(cast.committee().len() > quorate_cggmp21::MAX_SIGNERS);
    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let mut setup = scene.presign_setup(&[1, 2], 1);
    setup.key.committee = cast.committee().clone();
    let digest = setup_digest(&setup.to_wire().unwrap());
    let mut rng = rng(1);
    let contexts = cast.agree(cast.committee(), Presign::<Secp256k1>::ID, digest, 0, &mut rng);
    let context = Arc::clone(&contexts[&party(1)]);
    let refused = Presign::<Secp256k1>::start(context, setup, scene.secret(party(1)), &mut rng);
    let Err(refused) = refused else { panic!("it starts") };
    assert!(refused.to_string().contains("at most 16 sign together"), "{refused}");
}
