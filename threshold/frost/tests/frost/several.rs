//! Several signatures in one session.

use std::collections::BTreeSet;

use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, MAX_SIGNATURES, Message, Suite, TaprootTweak, Task};
use quorate_session::{Abort, Outgoing};
use quorate_simulator::{Outcome, Outcomes};

use crate::{Scene, party, raised};

fn tasks(count: usize, tweaks: &[Option<TaprootTweak>]) -> Vec<Task> {
    let task = |number: usize| Task {
        message: format!("input {number}").into_bytes(),
        path: format!("m/{}", number % 3).parse().unwrap(),
        tweak: tweaks[number % tweaks.len()],
    };
    (0..count).map(task).collect()
}

fn every_task_gets_its_signature<S: Suite>(tweaks: &[Option<TaprootTweak>]) {
    let scene = Scene::<S>::new(3, 5, 1);
    for count in [2, 5, MAX_SIGNATURES] {
        let setup = scene.wallet.setup_for(party(4), tasks(count, tweaks));
        let made = scene.sign_all(&[1, 4, 5], &setup, count as u64);
        for (task, made) in setup.tasks.iter().zip(&made) {
            assert_eq!(made.public_key, task.public_key::<S>(&setup.key).unwrap());
        }
        let nonces: BTreeSet<_> = made.iter().map(|made| made.signature.as_bytes()[..32].to_vec()).collect();
        assert_eq!(nonces.len(), count, "every signature has a nonce of its own");
    }
}

#[test]
fn every_task_gets_its_signature_ed25519() {
    every_task_gets_its_signature::<Ed25519Suite>(&[None]);
}

#[test]
fn every_task_gets_its_signature_bip340() {
    let root = |merkle_root| Some(TaprootTweak { merkle_root });
    every_task_gets_its_signature::<Bip340Suite>(&[None, root(None), root(Some([3; 32]))]);
}

/// The same message under the same key, all over: still nothing is used twice.
#[test]
fn equal_tasks_get_different_signatures() {
    let scene = Scene::<Ed25519Suite>::new(2, 3, 2);
    let task = Task { message: b"twice".to_vec(), ..Task::default() };
    let setup = scene.wallet.setup_for(party(1), vec![task.clone(), task]);
    let made = scene.sign_all(&[1, 2], &setup, 1);
    assert_ne!(made[0].signature, made[1].signature);
}

const CHEATER: u16 = 2;

fn cheated<S: Suite>(round: u8, change: fn(&mut Message)) -> Outcomes<Frost<S>> {
    let scene = Scene::<S>::new(3, 5, 3);
    let setup = scene.wallet.setup_for(party(1), tasks(4, &[None]));
    let mut simulation = scene.simulation(&[1, 2, 3], &setup, 4);
    let rewrite = move |now: u8, send: &mut Outgoing<Message>| {
        if now == round {
            send.broadcast.iter_mut().chain(send.direct.values_mut()).for_each(change);
        }
    };
    simulation.cheat(party(CHEATER), &setup, scene.wallet.share(party(CHEATER)), Box::new(rewrite));
    simulation.run()
}

fn one_wrong_share_among_right_ones_convicts_its_author<S: Suite>() {
    let outcomes = cheated::<S>(2, |message| *message = raised::<S>(message));
    assert_eq!(outcomes.convicts(party(1), party(CHEATER)), "sent a wrong signature share");
    assert!(matches!(outcomes.0[&party(3)], Outcome::Done(_)));
}

#[test]
fn one_wrong_share_among_right_ones_convicts_its_author_ed25519() {
    one_wrong_share_among_right_ones_convicts_its_author::<Ed25519Suite>();
}

#[test]
fn one_wrong_share_among_right_ones_convicts_its_author_bip340() {
    one_wrong_share_among_right_ones_convicts_its_author::<Bip340Suite>();
}

/// The key is not the one behind the verifying shares, as a damaged store might have it: all signatures are wrong, but for
/// one of them alone somebody is to blame.
fn a_signature_that_is_nobodys_fault_hides_no_wrong_share_of_another<S: Suite>() {
    let mut scene = Scene::<S>::new(3, 5, 3);
    scene.wallet.public.group_key = Scene::<S>::new(3, 5, 4).wallet.public.group_key;
    let setup = scene.wallet.setup_for(party(1), tasks(4, &[None]));
    let outcomes = scene.simulation(&[1, 2, 3], &setup, 4).run();
    let Outcome::Aborted(Abort::Unattributed { .. }) = &outcomes.0[&party(1)] else { panic!("{outcomes:?}") };

    let mut simulation = scene.simulation(&[1, 2, 3], &setup, 4);
    let rewrite = |now: u8, send: &mut Outgoing<Message>| {
        if now == 2 {
            // The last of the four.
            send.direct.values_mut().for_each(|message| *message = raised::<S>(message));
        }
    };
    simulation.cheat(party(CHEATER), &setup, scene.wallet.share(party(CHEATER)), Box::new(rewrite));
    let outcomes = simulation.run();
    assert_eq!(outcomes.convicts(party(1), party(CHEATER)), "sent a wrong signature share");
}

#[test]
fn a_signature_that_is_nobodys_fault_hides_no_wrong_share_of_another_ed25519() {
    a_signature_that_is_nobodys_fault_hides_no_wrong_share_of_another::<Ed25519Suite>();
}

#[test]
fn a_signature_that_is_nobodys_fault_hides_no_wrong_share_of_another_bip340() {
    a_signature_that_is_nobodys_fault_hides_no_wrong_share_of_another::<Bip340Suite>();
}

#[test]
fn shares_in_another_order_convict_their_author() {
    let outcomes = cheated::<Ed25519Suite>(2, |message| {
        let Message::Shares(shares) = message else { panic!("no shares") };
        shares.swap(0, 3);
    });
    assert_eq!(outcomes.convicts(party(1), party(CHEATER)), "sent a wrong signature share");
}

#[test]
fn fewer_and_more_than_the_tasks_convict_their_author() {
    let commitments: [fn(&mut Message); 2] = [
        |message| {
            let Message::Commitments(all) = message else { panic!("no commitments") };
            all.truncate(3);
        },
        |message| {
            let Message::Commitments(all) = message else { panic!("no commitments") };
            all.push(all[0].clone());
        },
    ];
    for change in commitments {
        let outcomes = cheated::<Ed25519Suite>(1, change);
        assert_eq!(outcomes.all_convict(party(CHEATER)), "committed to invalid nonces");
    }
    let shares: [fn(&mut Message); 2] = [
        |message| {
            let Message::Shares(all) = message else { panic!("no shares") };
            all.truncate(3);
        },
        |message| {
            let Message::Shares(all) = message else { panic!("no shares") };
            all.push(all[0].clone());
        },
    ];
    for change in shares {
        let outcomes = cheated::<Bip340Suite>(2, change);
        let finding = outcomes.convicts(party(1), party(CHEATER));
        assert_eq!(finding, "sent signature shares that are no scalars, or too few or many");
    }
}
