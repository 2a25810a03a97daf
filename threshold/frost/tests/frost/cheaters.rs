//! Every way to cheat: the cheater is convicted, and nobody else.

use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, Message, Suite};
use quorate_session::{Abort, Envelope, Evidence, Kind, Outgoing, Part, Wire};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Outcome, Outcomes, Rewrite};

use crate::{Scene, party, raised};

const CHEATER: u16 = 3;
const AGGREGATOR: u16 = 2;
const SIGNERS: [u16; 4] = [1, 2, 3, 5];

/// Lets party 3 rewrite its messages.
fn with_cheat<S: Suite>(seed: u64, rewrite: Rewrite<Message>) -> Outcomes<Frost<S>> {
    let scene = Scene::<S>::new(3, 5, seed);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&SIGNERS, &setup, seed);
    let share = scene.wallet.share(party(CHEATER));
    simulation.cheat(party(CHEATER), &setup, share, rewrite);
    simulation.run()
}

/// Replaces the message of one round.
fn in_round(round: u8, mut change: impl FnMut(&mut Outgoing<Message>) + Send + 'static) -> Rewrite<Message> {
    Box::new(move |now, send| {
        if now == round {
            change(send);
        }
    })
}

/// Replaces the share.
fn share(mut change: impl FnMut(&Message) -> Message + Send + 'static) -> Rewrite<Message> {
    in_round(2, move |send| {
        for message in send.direct.values_mut() {
            *message = change(message);
        }
    })
}

fn commitments(change: impl Fn(&mut Vec<u8>, &mut Vec<u8>) + Send + 'static) -> Rewrite<Message> {
    in_round(1, move |send| {
        let Some(Message::Commitments { hiding, binding }) = &mut send.broadcast else {
            panic!("no commitments")
        };
        change(hiding, binding);
    })
}

fn a_wrong_share_convicts_its_author<S: Suite>() {
    for seed in 0..20 {
        let outcomes = with_cheat::<S>(seed, share(raised::<S>));
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent a wrong signature share");
        for honest in [1, 5] {
            assert!(matches!(outcomes.0[&party(honest)], Outcome::Done(_)), "{outcomes:?}");
        }
    }
}

#[test]
fn a_wrong_share_convicts_its_author_ed25519() {
    a_wrong_share_convicts_its_author::<Ed25519Suite>();
}

#[test]
fn a_wrong_share_convicts_its_author_bip340() {
    a_wrong_share_convicts_its_author::<Bip340Suite>();
}

/// Also under a derived and tweaked key, where verifying shares are not those that are stored.
#[test]
fn a_wrong_share_of_a_tweaked_key_convicts_its_author() {
    for seed in 0..8 {
        let scene = Scene::<Bip340Suite>::new(3, 5, seed);
        let tweak = Some(quorate_frost::TaprootTweak { merkle_root: Some([4; 32]) });
        let path = "m/1/2".parse().unwrap();
        let setup = quorate_frost::Setup { tweak, path, ..scene.setup(AGGREGATOR) };
        let mut simulation = scene.simulation(&SIGNERS, &setup, seed);
        let cheat = share(raised::<Bip340Suite>);
        simulation.cheat(party(CHEATER), &setup, scene.wallet.share(party(CHEATER)), cheat);
        let finding = simulation.run().convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent a wrong signature share");
    }
}

fn all_who_send_wrong_shares_are_convicted<S: Suite>() {
    let scene = Scene::<S>::new(3, 5, 1);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&SIGNERS, &setup, 1);
    for cheater in [1, 5] {
        simulation.cheat(party(cheater), &setup, scene.wallet.share(party(cheater)), share(raised::<S>));
    }
    let outcomes = simulation.run();
    let Some(Outcome::Aborted(abort @ Abort::Proven { evidence })) = outcomes.0.get(&party(AGGREGATOR))
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(abort.culprits(), [party(1), party(5)]);
    for evidence in evidence {
        let bytes = evidence.to_wire().unwrap();
        assert!(Evidence::from_wire(&bytes).unwrap().judge::<Frost<S>>().is_ok());
    }
}

#[test]
fn all_who_send_wrong_shares_are_convicted_ed25519() {
    all_who_send_wrong_shares_are_convicted::<Ed25519Suite>();
}

#[test]
fn all_who_send_wrong_shares_are_convicted_bip340() {
    all_who_send_wrong_shares_are_convicted::<Bip340Suite>();
}

/// The errors of two shares cancel out: the signature is right, so there is nothing to blame anybody for.
#[test]
fn errors_that_cancel_out_harm_nobody() {
    let scene = Scene::<Ed25519Suite>::new(3, 5, 1);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&SIGNERS, &setup, 1);
    let lowered = |message: &Message| {
        let Message::Share(bytes) = message else { panic!("not a share") };
        let share = quorate_sharing::Ed25519::scalar_from_bytes(&bytes[..].try_into().unwrap()).unwrap();
        let one = <quorate_sharing::Ed25519 as Curve>::Scalar::from(1_u64);
        Message::Share(quorate_sharing::Ed25519::scalar_to_bytes(&(share - one)).to_vec())
    };
    simulation.cheat(party(1), &setup, scene.wallet.share(party(1)), share(raised::<Ed25519Suite>));
    simulation.cheat(party(5), &setup, scene.wallet.share(party(5)), share(lowered));
    let (key, signature) = crate::the_signature(&setup, simulation.run().results());
    crate::outside::verify(&key, &setup.message, &signature);
}

fn a_malformed_share_convicts_its_author<S: Suite>() {
    for bytes in [vec![], vec![0xFF; 32], vec![0; 31], vec![0; 33]] {
        let outcomes = with_cheat::<S>(2, share(move |_| Message::Share(bytes.clone())));
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent a signature share that is not a scalar");
    }
}

#[test]
fn a_malformed_share_convicts_its_author_ed25519() {
    a_malformed_share_convicts_its_author::<Ed25519Suite>();
}

#[test]
fn a_malformed_share_convicts_its_author_bip340() {
    a_malformed_share_convicts_its_author::<Bip340Suite>();
}

fn invalid_commitments_convict_their_author<S: Suite>(bad: &[Vec<u8>]) {
    for bytes in bad {
        for hiding_one in [true, false] {
            let bytes = bytes.clone();
            let cheat = commitments(move |hiding, binding| {
                bytes.clone_into(if hiding_one { hiding } else { binding });
            });
            let finding = with_cheat::<S>(3, cheat).all_convict(party(CHEATER));
            assert_eq!(finding, "committed to invalid nonces");
        }
    }
}

#[test]
fn invalid_commitments_convict_their_author_ed25519() {
    let mut bad = vec![vec![], vec![2; 32], vec![0; 33], vec![9; 31]];
    // The nonce zero, in each of its eight disguises.
    let torsion = curve25519_dalek::constants::EIGHT_TORSION;
    bad.extend(torsion.iter().map(|point| point.compress().to_bytes().to_vec()));
    invalid_commitments_convict_their_author::<Ed25519Suite>(&bad);
}

#[test]
fn invalid_commitments_convict_their_author_bip340() {
    let bad = [vec![], vec![0; 33], vec![0xFF; 33], vec![2; 32], [&[4][..], &[1; 64]].concat()];
    invalid_commitments_convict_their_author::<Bip340Suite>(&bad);
}

/// In transport encoding a component of small order vanishes, so it harms nobody: the signature is strictly valid.
#[test]
fn a_component_of_small_order_in_a_commitment_vanishes() {
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    let cheat = commitments(move |hiding, _| {
        let point = <quorate_sharing::Ed25519 as Curve>::decode(hiding).unwrap();
        *hiding = (point + torsion).compress().to_bytes().to_vec();
    });
    let outcomes = with_cheat::<Ed25519Suite>(4, cheat).results();
    assert!(matches!(outcomes[&party(AGGREGATOR)], quorate_frost::Output::Signature { .. }));
}

#[test]
fn commitments_to_other_nonces_than_those_used_convict_their_author() {
    for seed in 0..8 {
        let cheat = commitments(std::mem::swap);
        // The cheater's own state still has the right ones, so its echo is of the wrong ones that it sent.
        let finding = with_cheat::<Ed25519Suite>(seed, cheat).convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent a wrong signature share");
    }
}

fn unexpected_messages_convict_their_author<S: Suite>() {
    let to_aggregator = || [(party(AGGREGATOR), Message::Share(vec![1; 32]))].into_iter().collect();
    let in_first: [Rewrite<Message>; 2] = [
        in_round(1, |send| send.broadcast = Some(Message::Share(vec![1; 32]))),
        in_round(1, |send| {
            let others = SIGNERS.into_iter().filter(|index| *index != CHEATER);
            send.direct = others.map(|index| (party(index), Message::Share(vec![1; 32]))).collect();
        }),
    ];
    for cheat in in_first {
        let finding = with_cheat::<S>(5, cheat).all_convict(party(CHEATER));
        assert_eq!(finding, "sent an unexpected message in round 1");
    }
    let in_second: [Rewrite<Message>; 4] = [
        in_round(2, |send| *send = Outgoing::broadcast(Message::Share(vec![1; 32]))),
        in_round(2, |send| send.broadcast = Some(Message::Share(vec![1; 32]))),
        share(|_| Message::Commitments { hiding: vec![], binding: vec![] }),
        in_round(2, move |send| {
            send.broadcast = Some(Message::Commitments { hiding: vec![], binding: vec![] });
            send.direct = to_aggregator();
        }),
    ];
    for cheat in in_second {
        let finding = with_cheat::<S>(5, cheat).convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, "sent an unexpected message in round 2");
    }
}

#[test]
fn unexpected_messages_convict_their_author_ed25519() {
    unexpected_messages_convict_their_author::<Ed25519Suite>();
}

#[test]
fn unexpected_messages_convict_their_author_bip340() {
    unexpected_messages_convict_their_author::<Bip340Suite>();
}

/// Lets the cheater sign other envelopes for some recipients.
fn with_envelopes(
    seed: u64,
    mut change: impl FnMut(PartyIndex, &mut Envelope) + 'static,
) -> Outcomes<Frost<Ed25519Suite>> {
    let scene = Scene::<Ed25519Suite>::new(3, 5, seed);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&SIGNERS, &setup, seed);
    simulation.tamper(
        party(CHEATER),
        Box::new(move |to, mut envelope, keyring| {
            if envelope.header.kind == Kind::Round {
                change(to, &mut envelope);
            }
            let Envelope { header, broadcast, direct, .. } = envelope;
            vec![Envelope::seal(header, broadcast, direct, &*keyring.signer).to_wire().unwrap()]
        }),
    );
    simulation.run()
}

#[test]
fn whoever_commits_to_different_nonces_before_different_parties_is_convicted() {
    for victim in [1, AGGREGATOR, 5] {
        for seed in 0..10 {
            let outcomes = with_envelopes(seed, move |to, envelope| {
                if to == party(victim) && envelope.header.round == 1 {
                    let other = Scene::<Ed25519Suite>::new(2, 3, 77);
                    let point = other.wallet.public.group_key.as_bytes().to_vec();
                    let lie = Message::Commitments { hiding: point.clone(), binding: point };
                    envelope.broadcast = Part::Whole(lie.to_wire().unwrap());
                }
            });
            let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
            assert_eq!(finding, "sent contradicting messages in round 1");
        }
    }
}

#[test]
fn a_share_addressed_to_nobody_is_an_unexpected_message() {
    let outcomes = with_envelopes(6, |_, envelope| {
        if envelope.header.round == 2 {
            envelope.header.recipient = None;
        }
    });
    let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
    assert_eq!(finding, "sent an unexpected message in round 2");
}

#[test]
fn a_digest_in_place_of_a_share_is_attributed_but_proves_nothing() {
    let outcomes = with_envelopes(6, |_, envelope| {
        if envelope.header.round == 2 {
            envelope.direct = Part::Digest([3; 32]);
        }
    });
    let Some(Outcome::Aborted(abort)) = outcomes.0.get(&party(AGGREGATOR)) else { panic!("{outcomes:?}") };
    assert_eq!(abort.culprits(), [party(CHEATER)]);
    assert!(!abort.is_proven());
}

#[test]
fn garbage_in_a_signed_envelope_convicts_its_author() {
    for round in [1, 2] {
        let outcomes = with_envelopes(7, move |_, envelope| {
            if envelope.header.round == round {
                let garbage = Part::Whole(vec![0xEE; 40]);
                if round == 1 { envelope.broadcast = garbage } else { envelope.direct = garbage }
            }
        });
        let finding = outcomes.convicts(party(AGGREGATOR), party(CHEATER));
        assert_eq!(finding, format!("sent an undecodable message in round {round}"));
    }
}

/// Whatever an aggregator does, it gets one share of each signer, for one set of commitments.
#[test]
fn a_cheating_aggregator_harms_only_itself() {
    let scene = Scene::<Ed25519Suite>::new(3, 5, 8);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&SIGNERS, &setup, 8);
    let cheat = commitments(std::mem::swap);
    simulation.cheat(party(AGGREGATOR), &setup, scene.wallet.share(party(AGGREGATOR)), cheat);
    let outcomes = simulation.run();
    for (index, outcome) in &outcomes.0 {
        match outcome {
            Outcome::Done(output) => assert_eq!(*output, quorate_frost::Output::Contributed),
            Outcome::Aborted(abort) => {
                assert_eq!(*index, party(AGGREGATOR));
                assert!(!abort.is_proven(), "{abort}");
            }
            Outcome::Crashed => panic!("party {index} crashed"),
        }
    }
}
