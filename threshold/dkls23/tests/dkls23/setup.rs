//! Setups that don't fit what is stored: the signer does not start.

use std::sync::Arc;

use quorate_dkls23::presign::PresignSecret;
use quorate_dkls23::sign::{Online, OnlineSetup, Sign, SignSetup};
use quorate_dkls23::{MAX_SIGNATURES, Presignature, Presignatures};
use quorate_keys::{ChainCode, Secret};
use quorate_session::{Protocol, Wire, setup_digest};
use quorate_sharing::{KeyShare, P256, Secp256k1};

use crate::scene::{Scene, party, rng, task};

type C = Secp256k1;

/// Starts party 1, and says why it does not.
fn refusal<P: Protocol>(
    scene: &Scene<C>,
    signers: &[u16],
    epoch: u64,
    setup: P::Setup,
    secret: P::Secret,
) -> String {
    let digest = setup_digest(&setup.to_wire().unwrap());
    let mut rng = rng(1);
    let contexts = scene.cast.agree(&scene.cast.subset(signers), P::ID, digest, epoch, &mut rng);
    match P::start(Arc::clone(&contexts[&party(1)]), setup, secret, &mut rng) {
        Ok(_) => panic!("it starts"),
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn setups_that_do_not_fit_are_refused() {
    let scene = Scene::<C>::new(2, 3, 1);
    let right = scene.sign_setup(1, &[task([1; 32], "m")]);
    let refuse = |change: &dyn Fn(&mut SignSetup), expected: &str| {
        let mut setup = right.clone();
        change(&mut setup);
        let refused = refusal::<Sign<C>>(&scene, &[1, 2], 0, setup, scene.secret(party(1)));
        assert!(refused.contains(expected), "{refused}");
    };
    refuse(&|setup| setup.tasks.clear(), "0 signatures");
    refuse(&|setup| setup.tasks = vec![task([1; 32], "m"); MAX_SIGNATURES + 1], "makes 1 to 16");
    refuse(&|setup| setup.key.chain_code = ChainCode::new([9; 32]), "not the one whose share is stored");
    refuse(&|setup| setup.pairs.session = [9; 32], "not those that are stored here");
    refuse(&|setup| setup.pairs.key = [9; 32], "not those that are stored here");
    refuse(&|setup| setup.aggregator = party(3), "is not among the signers");
    refuse(&|setup| setup.key = Scene::<P256>::new(2, 3, 1).key, "can't sign in scheme");
}

#[test]
fn what_is_stored_and_does_not_fit_is_refused() {
    let scene = Scene::<C>::new(2, 3, 1);
    let setup = scene.sign_setup(1, &[task([1; 32], "m")]);
    let refuse = |epoch, secret: PresignSecret, expected: &str| {
        let refused = refusal::<Sign<C>>(&scene, &[1, 2], epoch, setup.clone(), secret);
        assert!(refused.contains(expected), "{refused}");
    };
    // Another party's share, and another party's pairs.
    let secret = |share, pairs| PresignSecret {
        share: scene.share(party(share)),
        pairs: Arc::clone(&scene.pairs[&party(pairs)]),
    };
    refuse(0, secret(2, 1), "of party 2");
    refuse(0, secret(1, 2), "another party's");
    refuse(1, secret(1, 1), "of epoch 0, the session of epoch 1");
    // Pairs of a wallet of the same nodes.
    let other = Scene::<C>::new(2, 3, 2);
    let pairs = Arc::clone(&other.pairs[&party(1)]);
    let mut setup = setup.clone();
    setup.pairs = other.public;
    let secret = PresignSecret { share: scene.share(party(1)), pairs };
    let refused = refusal::<Sign<C>>(&scene, &[1, 2], 0, setup, secret);
    assert!(refused.contains("of another key or epoch"), "{refused}");
}

#[test]
fn presignatures_that_do_not_fit_are_refused() {
    let scene = Scene::<C>::new(2, 3, 1);
    let made = |signers: &[u16], seed| scene.presign(signers, 2, seed);
    let (mine, of_others) = (made(&[1, 2], 1), made(&[1, 3], 2));
    let (own, theirs) = (&mine[&party(1)], &mine[&party(2)]);
    let tasks = [task([1; 32], "m"), task([2; 32], "m")];
    let right = scene.online_setup(1, &tasks, own);
    let copy =
        |presignature: &Presignature| Presignature::from_wire(&presignature.to_wire().unwrap()).unwrap();
    let copies = |all: &[Presignature]| all.iter().map(copy).collect::<Vec<_>>();
    let refuse = |setup: OnlineSetup, stored: Vec<Presignature>, expected: &str| {
        let refused = refusal::<Online<C>>(&scene, &[1, 2], 0, setup, Presignatures(stored));
        assert!(refused.contains(expected), "{refused}");
    };
    refuse(right.clone(), copies(&own[..1]), "not one presignature for each signature");
    refuse(right.clone(), copies(theirs), "another party's");
    refuse(right.clone(), own.iter().rev().map(copy).collect(), "not the one that is stored here");
    refuse(
        scene.online_setup(1, &tasks, &of_others[&party(1)]),
        copies(&of_others[&party(1)]),
        "of other signers",
    );
    let mut twice = right.clone();
    twice.tasks[1] = twice.tasks[0].clone();
    refuse(twice, vec![copy(&own[0]), copy(&own[0])], "would give the key away");
    let mut none = right.clone();
    none.tasks.clear();
    refuse(none, vec![], "0 signatures");
    let mut strange = right.clone();
    strange.aggregator = party(3);
    refuse(strange, copies(own), "is not among the signers");
    // One bit of φ.
    let mut bytes = own[0].to_wire().unwrap();
    let secret = bytes.len() - 32 - 96;
    bytes[secret + 31] ^= 1;
    let damaged = Presignature::from_wire(&bytes).unwrap();
    refuse(right, vec![damaged, copy(&own[1])], "is damaged");
}

#[test]
fn more_signers_than_allowed_are_refused() {
    let cast = quorate_simulator::Cast::new(17, 17, 1);
    assert!(cast.committee().len() > quorate_dkls23::MAX_SIGNERS);
    let scene = Scene::<C>::new(2, 2, 1);
    let mut setup = scene.sign_setup(1, &[task([1; 32], "m")]);
    setup.key.committee = cast.committee().clone();
    let mut rng = rng(1);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let contexts = cast.agree(cast.committee(), Sign::<C>::ID, digest, 0, &mut rng);
    // Any share: nobody gets as far as to use it.
    let share = KeyShare::new(setup.key.clone(), party(1), Secret::new([1; 32]));
    let secret = PresignSecret { share, pairs: Arc::clone(&scene.pairs[&party(1)]) };
    let refused = Sign::<C>::start(Arc::clone(&contexts[&party(1)]), setup, secret, &mut rng);
    let Err(refused) = refused else { panic!("it starts") };
    assert!(refused.to_string().contains("at most 16 sign together"), "{refused}");
}
