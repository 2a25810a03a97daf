//! Honest signers on a bad network.

use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, Suite};
use quorate_simulator::Faults;

use crate::{Scene, party};

fn every_committee_signs<S: Suite>() {
    for (threshold, total, committees) in [
        (2, 3, vec![vec![1, 2], vec![2, 3], vec![1, 3], vec![1, 2, 3]]),
        (3, 5, vec![vec![1, 2, 3], vec![1, 3, 5], vec![2, 4, 5], vec![1, 2, 4, 5], vec![1, 2, 3, 4, 5]]),
        (7, 12, vec![vec![1, 2, 3, 5, 8, 9, 12], (1..=12).collect()]),
    ] {
        let scene = Scene::<S>::new(threshold, total, u64::from(total));
        for signers in committees {
            for aggregator in [signers[0], *signers.last().unwrap()] {
                let setup = scene.setup(aggregator);
                let key = scene.sign_and_verify(&signers, &setup, 1);
                assert_eq!(key, scene.wallet.public.group_key.public_key(S::SCHEME).unwrap());
            }
        }
    }
}

#[test]
fn every_large_enough_committee_signs_ed25519() {
    every_committee_signs::<Ed25519Suite>();
}

#[test]
fn every_large_enough_committee_signs_bip340() {
    every_committee_signs::<Bip340Suite>();
}

fn a_bad_network_changes_nothing<S: Suite>() {
    let scene = Scene::<S>::new(3, 5, 5);
    let setup = scene.setup(4);
    let faults = Faults { duplicate_per_mille: 300, drop_per_mille: 300 };
    let mut signatures = Vec::new();
    for seed in 0..40 {
        let (key, signature) = scene.sign(&[1, 4, 5], &setup, seed, faults);
        crate::outside::verify(&key, &setup.tasks[0].message, &signature);
        signatures.push(*signature.as_bytes());
    }
    signatures.sort_unstable();
    signatures.dedup();
    assert_eq!(signatures.len(), 40, "every session has nonces of its own");
}

#[test]
fn reordered_duplicated_and_lost_messages_change_nothing_ed25519() {
    a_bad_network_changes_nothing::<Ed25519Suite>();
}

#[test]
fn reordered_duplicated_and_lost_messages_change_nothing_bip340() {
    a_bad_network_changes_nothing::<Bip340Suite>();
}

fn messages_of_every_length_are_signed<S: Suite>() {
    let scene = Scene::<S>::new(2, 3, 8);
    for length in [0, 1, 31, 32, 33, 64, 100, 1000, quorate_frost::MAX_MESSAGE_BYTES] {
        let setup = scene.wallet.setup(party(1), &vec![0xA5; length]);
        scene.sign_and_verify(&[1, 3], &setup, 3);
    }
}

#[test]
fn messages_of_every_length_are_signed_ed25519() {
    messages_of_every_length_are_signed::<Ed25519Suite>();
}

#[test]
fn messages_of_every_length_are_signed_bip340() {
    messages_of_every_length_are_signed::<Bip340Suite>();
}

/// The simulator stores at once; here nobody ever says that the state is stored.
#[test]
fn no_share_leaves_before_the_caller_has_stored_the_request() {
    use std::collections::VecDeque;

    use quorate_session::{Action, Protocol, Session, Wire, setup_digest};

    let scene = Scene::<Ed25519Suite>::new(2, 3, 9);
    let setup = scene.setup(1);
    let rng = &mut crate::rng(9);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let contexts = scene.cast.agree(&scene.cast.subset(&[1, 2]), Frost::<Ed25519Suite>::ID, digest, 0, rng);
    let mut sessions: Vec<_> = contexts
        .into_iter()
        .map(|(index, context)| {
            let keyring = scene.cast.keyring(index);
            let share = scene.wallet.share(index);
            Session::<Frost<Ed25519Suite>>::new(context, setup.clone(), share, keyring, rng).unwrap()
        })
        .collect();
    let mut queue = VecDeque::new();
    let mut checkpoints = 0;
    loop {
        for (at, session) in sessions.iter_mut().enumerate() {
            while let Some(action) = session.next_action() {
                match action {
                    Action::Send { bytes, .. } => queue.push_back((at, bytes)),
                    Action::Persist(()) => checkpoints += 1,
                    other => panic!("{other:?} before the request is stored"),
                }
            }
        }
        let Some((at, bytes)) = queue.pop_front() else { break };
        let envelope = quorate_session::Envelope::from_wire(&bytes).unwrap();
        assert_eq!(envelope.header.round, 1, "a share left");
        sessions[1 - at].receive(party(at as u16 + 1), &bytes, rng);
    }
    assert_eq!(checkpoints, 2);
    assert!(sessions.iter_mut().all(|session| session.next_action().is_none()));
}

#[test]
fn a_silent_signer_is_named_by_the_aggregator() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 10);
    let setup = scene.setup(1);
    let mut simulation = scene.simulation(&[1, 2], &setup, 1);
    // Its commitments and its checkpoint, but not its share.
    simulation.crash(party(2), 2);
    let outcomes = simulation.run();
    let Some(quorate_simulator::Outcome::Aborted(abort)) = outcomes.0.get(&party(1)) else {
        panic!("{outcomes:?}")
    };
    assert_eq!(abort.culprits(), [party(2)]);
    assert!(!abort.is_proven());
}
