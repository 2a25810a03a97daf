//! Setups that don't fit: nothing starts, and the reason is said.

use std::sync::Arc;

use quorate_frost::{
    Bip340Suite, Ed25519Suite, Frost, MAX_MESSAGE_BYTES, MAX_SIGNATURES, Made, Output, Setup, Suite,
    TaprootTweak, Task,
};
use quorate_keys::{ChainCode, DerivationPath, Secret};
use quorate_session::{Protocol, SessionContext, Wire};
use quorate_sharing::{Committee, KeyShare, PartyIndex, PublicShares};
use quorate_simulator::Cast;

use crate::{Scene, party, rng};

fn context<S: Suite>(cast: &Cast, committee: &Committee, epoch: u64, me: u16) -> Arc<SessionContext> {
    Arc::clone(&cast.agree(committee, Frost::<S>::ID, [0; 32], epoch, &mut rng(1))[&party(me)])
}

fn refusal<S: Suite>(context: Arc<SessionContext>, setup: Setup, share: KeyShare) -> String {
    Frost::<S>::start(context, setup, share, &mut rng(2)).unwrap_err().0
}

/// Party 1 of 2-of-3, signing with party 2.
fn refused(change: impl FnOnce(&mut Setup)) -> String {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    let mut setup = scene.setup(1);
    change(&mut setup);
    let context = context::<Ed25519Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 0, 1);
    refusal::<Ed25519Suite>(context, setup, scene.wallet.share(party(1)))
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let reason = refused(|setup| setup.tasks[0].message = vec![0; MAX_MESSAGE_BYTES + 1]);
    assert_eq!(reason, "the messages have 65537 bytes, at most 65536 are signed");
    let half = Task { message: vec![0; MAX_MESSAGE_BYTES / 2 + 1], ..Task::default() };
    let reason = refused(|setup| setup.tasks = vec![half.clone(), half]);
    assert_eq!(reason, "the messages have 65538 bytes, at most 65536 are signed");
}

#[test]
fn no_signature_and_too_many_are_refused() {
    for count in [0, MAX_SIGNATURES + 1] {
        let reason = refused(|setup| setup.tasks = vec![Task::default(); count]);
        assert_eq!(reason, format!("{count} signatures, a session makes 1 to 64"));
    }
}

#[test]
fn a_taproot_tweak_of_an_ed25519_key_is_refused() {
    let reason = refused(|setup| {
        setup.tasks.push(Task { tweak: Some(TaprootTweak { merkle_root: None }), ..Task::default() });
    });
    assert_eq!(reason, "scheme ed25519 has no Taproot tweak");
}

#[test]
fn another_key_than_the_stored_one_is_refused() {
    let changes: [fn(&mut Setup); 4] = [
        |setup| setup.key.chain_code = ChainCode::new([1; 32]),
        |setup| setup.key.group_key = Scene::<Ed25519Suite>::new(2, 3, 2).wallet.public.group_key,
        |setup| setup.key.epoch = 1,
        |setup| {
            setup.key.verifying_shares.pop_last();
        },
    ];
    for change in changes {
        assert_eq!(refused(change), "the key of the setup is not the one whose share is stored here");
    }
}

#[test]
fn an_aggregator_that_does_not_sign_is_refused() {
    let reason = refused(|setup| setup.aggregator = party(3));
    assert_eq!(reason, "the aggregator, party 3, is not among the signers");
}

#[test]
fn a_key_of_another_curve_is_refused() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    let context = context::<Bip340Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 0, 1);
    let reason = refusal::<Bip340Suite>(context, scene.setup(1), scene.wallet.share(party(1)));
    assert_eq!(reason, "a key on ed25519 can't sign in scheme bip340");
}

#[test]
fn the_share_of_another_party_is_refused() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    let context = context::<Ed25519Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 0, 1);
    let reason = refusal::<Ed25519Suite>(context, scene.setup(1), scene.wallet.share(party(2)));
    assert_eq!(reason, "the stored share is of party 2, this is party 1");
}

#[test]
fn a_session_of_another_epoch_is_refused() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    let context = context::<Ed25519Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 7, 1);
    let reason = refusal::<Ed25519Suite>(context, scene.setup(1), scene.wallet.share(party(1)));
    assert_eq!(reason, "the share is of epoch 0, the session of epoch 7");
}

#[test]
fn a_session_with_another_threshold_is_refused() {
    let scene = Scene::<Ed25519Suite>::new(3, 5, 1);
    // The same identities.
    let lower = Cast::new(2, 5, 1);
    let context = context::<Ed25519Suite>(&lower, &lower.subset(&[1, 2]), 0, 1);
    let reason = refusal::<Ed25519Suite>(context, scene.setup(1), scene.wallet.share(party(1)));
    assert_eq!(reason, "the key needs 3 signers, the session says 2");
}

#[test]
fn signers_who_hold_no_share_are_refused() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    for (strangers, signers, stranger) in [
        // More of the same, and others under the same indices.
        (Cast::new(2, 5, 1), [1, 5], 5),
        (Cast::new(2, 3, 2), [1, 2], 1),
    ] {
        let context = context::<Ed25519Suite>(&strangers, &strangers.subset(&signers), 0, 1);
        let reason = refusal::<Ed25519Suite>(context, scene.setup(1), scene.wallet.share(party(1)));
        assert_eq!(reason, format!("party {stranger} holds no share of the key"));
    }
}

#[test]
fn a_share_that_was_stored_wrongly_is_refused_before_it_makes_its_holder_a_cheater() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    for secret in [[1; 32], [0; 32], [0xFF; 32]] {
        let context = context::<Ed25519Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 0, 1);
        let share = KeyShare::new(scene.wallet.public.clone(), party(1), Secret::new(secret));
        let reason = refusal::<Ed25519Suite>(context, scene.setup(1), share);
        assert!(reason.contains("does not fit its verifying share"), "{reason}");
    }
}

/// A stored key whose public side has no verifying share of this party, or another curve's path.
#[test]
fn a_stored_key_that_is_incomplete_is_refused() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 1);
    let mut public = scene.wallet.public.clone();
    public.verifying_shares.remove(&party(1));
    let share = KeyShare::new(public.clone(), party(1), Secret::new([1; 32]));
    let setup = Setup { key: public, ..scene.setup(1) };
    let context = context::<Ed25519Suite>(&scene.cast, &scene.cast.subset(&[1, 2]), 0, 1);
    assert!(!refusal::<Ed25519Suite>(context, setup, share).is_empty());
}

#[test]
fn the_largest_setup_fits_and_a_larger_one_does_not() {
    let scene = Scene::<Bip340Suite>::new(67, 100, 1);
    let path = DerivationPath::new(vec![7; DerivationPath::MAX_DEPTH]).unwrap();
    let tweak = Some(TaprootTweak { merkle_root: Some([1; 32]) });
    let message = vec![1; MAX_MESSAGE_BYTES / MAX_SIGNATURES];
    let tasks = vec![Task { message, path, tweak }; MAX_SIGNATURES];
    let setup = scene.wallet.setup_for(party(100), tasks);
    let bytes = setup.to_wire().unwrap();
    assert_eq!(Setup::from_wire(&bytes).unwrap(), setup);
    let larger = scene.wallet.setup(party(100), &vec![1; Setup::MAX_BYTES]);
    assert!(larger.to_wire().is_err());
}

#[test]
fn a_setup_has_one_encoding() {
    let scene = Scene::<Bip340Suite>::new(2, 3, 1);
    let setup = scene.setup(1);
    let encode = |shares: &[(PartyIndex, Vec<u8>)]| {
        let PublicShares { group_key, chain_code, epoch, committee, .. } = &setup.key;
        let Setup { aggregator, tasks, .. } = &setup;
        let key = (group_key, chain_code, epoch, committee, shares);
        let body = borsh::to_vec(&(key, aggregator, tasks)).unwrap();
        [&[quorate_session::WIRE_VERSION], &body[..]].concat()
    };
    let shares: Vec<_> = setup.key.verifying_shares.clone().into_iter().collect();
    assert_eq!(encode(&shares), setup.to_wire().unwrap());
    let mut swapped = shares.clone();
    swapped.swap(0, 1);
    assert!(Setup::from_wire(&encode(&swapped)).is_err());
    let mut doubled = shares.clone();
    doubled.insert(1, shares[0].clone());
    assert!(Setup::from_wire(&encode(&doubled)).is_err());
}

#[test]
fn outputs_survive_encoding() {
    let scene = Scene::<Bip340Suite>::new(2, 3, 1);
    let setup = scene.setup(1);
    let (public_key, signature) = scene.sign(&[1, 2], &setup, 1, quorate_simulator::Faults::default());
    for output in
        [Output::Contributed, Output::Signatures(vec![Made { signature, public_key }; MAX_SIGNATURES])]
    {
        assert_eq!(Output::from_wire(&output.to_wire().unwrap()).unwrap(), output);
    }
}

#[test]
fn a_public_key_is_known_without_any_share() {
    let scene = Scene::<Bip340Suite>::new(2, 3, 1);
    let setup = scene.setup(1);
    let PublicShares { group_key, .. } = &scene.wallet.public;
    assert_eq!(
        setup.tasks[0].public_key::<Bip340Suite>(&setup.key).unwrap(),
        group_key.public_key(Bip340Suite::SCHEME).unwrap()
    );
    assert!(setup.tasks[0].public_key::<Ed25519Suite>(&setup.key).is_err());
}
