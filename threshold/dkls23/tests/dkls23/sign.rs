//! Signatures, of honest parties and with wrong last messages.

use quorate_dkls23::sign::{Message, Online, Share, Sign};
use quorate_dkls23::{MAX_SIGNATURES, Multiplied, Presignature, Presignatures, Suite};
use quorate_keys::ecdsa;
use quorate_session::{Abort, Outgoing, Wire};
use quorate_sharing::{Curve, P256, PartyIndex, Secp256k1};
use quorate_simulator::{Faults, Outcome, Outcomes, Rewrite, judges};

use crate::scene::{Scene, made, party, task};

const CHEATER: u16 = 3;
const AGGREGATOR: u16 = 1;
const SIGNERS: [u16; 3] = [1, 3, 4];

fn any_signers_sign<C: Multiplied + Suite>(threshold: u16, total: u16, signers: &[u16]) {
    let scene = Scene::<C>::new(threshold, total, 1);
    let tasks = [task([7; 32], "m"), task([0xFF; 32], "m/1/2")];
    let in_one = scene.sign(signers, &tasks, 2);
    let presignatures = scene.presign(signers, 2, 3);
    let setup = scene.online_setup(signers[0], &tasks, &presignatures[&party(signers[0])]);
    let online = scene.online(signers, &setup, presignatures, 4).run().results();
    for all in [in_one, made(online, party(signers[0]))] {
        assert_eq!(all.len(), tasks.len());
        for (made, task) in all.iter().zip(&tasks) {
            assert_eq!(made.public_key.verify(&task.digest, &made.signature), Ok(()));
            assert_eq!(made.public_key.scheme(), C::SCHEME);
            assert!(ecdsa::recovery_id(&made.public_key, &task.digest, &made.signature).unwrap() < 2);
            assert_eq!(ecdsa::low_s(C::SCHEME, &made.signature), Some(made.signature));
            judges::agree(&made.public_key, &task.digest, &made.signature);
        }
        assert_eq!(all[0].public_key, scene.key.group_key.public_key(C::SCHEME).unwrap());
        assert_ne!(all[0].public_key, all[1].public_key);
        assert_ne!(all[0].signature.as_bytes()[..32], all[1].signature.as_bytes()[..32], "one nonce twice");
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
fn more_than_the_threshold_may_sign() {
    any_signers_sign::<Secp256k1>(2, 4, &[2, 3, 4]);
}

#[test]
fn signatures_on_p256_verify_too() {
    any_signers_sign::<P256>(2, 3, &[1, 3]);
}

#[test]
fn as_many_signatures_as_a_session_makes_fit_into_its_messages() {
    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let tasks: Vec<_> = (0..MAX_SIGNATURES).map(|n| task([n as u8; 32], "m")).collect();
    assert_eq!(scene.sign(&[1, 2], &tasks, 1).len(), MAX_SIGNATURES);
}

#[test]
fn messages_that_are_lost_or_doubled_change_nothing() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    let tasks = [task([7; 32], "m/5")];
    for seed in 0..6 {
        let setup = scene.sign_setup(3, &tasks);
        let mut signing = scene.signing(&[1, 2, 3], &setup, seed);
        signing.faults(Faults { duplicate_per_mille: 100, drop_per_mille: 200 });
        let made = made(signing.run().results(), party(3));
        judges::agree(&made[0].public_key, &[7; 32], &made[0].signature);
    }
}

/// What presignatures have in common shows in none of two signatures: each has a nonce of its session's.
#[test]
fn the_same_presignatures_make_another_nonce_in_each_session() {
    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let presignatures = scene.presign(&[1, 2], 1, 1);
    let setup = scene.online_setup(1, &[task([7; 32], "m")], &presignatures[&party(1)]);
    let nonces = [1, 2].map(|seed| {
        let copies = presignatures.iter().map(|(index, all)| (*index, all.iter().map(copy).collect()));
        let made = made(scene.online(&[1, 2], &setup, copies.collect(), seed).run().results(), party(1));
        made[0].signature.as_bytes()[..32].to_vec()
    });
    let x = &presignatures[&party(1)][0].public().nonce[1..];
    assert!(nonces[0] != nonces[1] && nonces.iter().all(|nonce| nonce != x));
}

/// What only a test may do.
fn copy(presignature: &Presignature) -> Presignature {
    Presignature::from_wire(&presignature.to_wire().unwrap()).unwrap()
}

/// Lets party 3 rewrite its shares of two signatures.
fn with_cheat(mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static) -> Outcomes<Sign<Secp256k1>> {
    let scene = Scene::<Secp256k1>::new(3, 4, 1);
    let setup = scene.sign_setup(AGGREGATOR, &[task([7; 32], "m"), task([8; 32], "m/3")]);
    let mut simulation = scene.signing(&SIGNERS, &setup, 1);
    let rewrite: Rewrite<Message> = Box::new(move |round, send| {
        if round == 3 {
            change(send);
        }
    });
    simulation.cheat(party(CHEATER), &setup, scene.secret(party(CHEATER)), rewrite);
    simulation.run()
}

type Change = fn(&mut Vec<Share>);

fn shares(send: &mut Outgoing<Message>) -> &mut Vec<Share> {
    match send.direct.get_mut(&party(AGGREGATOR)) {
        Some(Message::Shares(shares)) => shares,
        _ => panic!("no shares for the aggregator"),
    }
}

#[test]
fn a_wrong_share_makes_no_signature_and_names_nobody() {
    for (place, half) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let outcomes = with_cheat(move |send| {
            let half = &mut shares(send)[place][half];
            let raised = Secp256k1::scalar_from_bytes(half).unwrap() + <Secp256k1 as Curve>::Scalar::ONE;
            *half = Secp256k1::scalar_to_bytes(&raised);
        });
        let outcome = &outcomes.0[&party(AGGREGATOR)];
        assert!(matches!(outcome, Outcome::Aborted(Abort::Unattributed { .. })), "{outcomes:?}");
    }
}

#[test]
fn shares_that_are_none_convict_their_author() {
    let changes: [Change; 3] =
        [|shares| shares[1][1] = [0xFF; 32], |shares| shares.truncate(1), |shares| shares.push([[1; 32]; 2])];
    for change in changes {
        let outcomes = with_cheat(move |send| change(shares(send)));
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent signature shares that are no scalars, or too few or many");
    }
    let outcomes = with_cheat(|send| send.broadcast = Some(Message::Shares(vec![])));
    let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
    assert_eq!(finding, "sent an unexpected message in round 3");
}

#[test]
fn wrong_shares_of_presignatures_are_found_as_well() {
    let scene = Scene::<Secp256k1>::new(2, 2, 1);
    let changes: [(Change, bool); 2] =
        [(|shares| shares[0][0] = [1; 32], false), (|shares| shares.clear(), true)];
    for (change, proven) in changes {
        let presignatures = scene.presign(&[1, 2], 1, 1);
        let setup = scene.online_setup(1, &[task([7; 32], "m")], &presignatures[&party(1)]);
        let copies: Vec<_> = presignatures[&party(2)].iter().map(copy).collect();
        let mut simulation = scene.online(&[1, 2], &setup, presignatures, 1);
        let rewrite: Rewrite<Message> = Box::new(move |_, send| change(shares(send)));
        simulation.cheat(party(2), &setup, Presignatures(copies), rewrite);
        let outcomes: Outcomes<Online<Secp256k1>> = simulation.run();
        if proven {
            outcomes.convicts(party(1), party(2));
        } else {
            let outcome: &Outcome<_> = &outcomes.0[&PartyIndex::new(1).unwrap()];
            assert!(matches!(outcome, Outcome::Aborted(Abort::Unattributed { .. })), "{outcomes:?}");
        }
    }
}
