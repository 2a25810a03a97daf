//! Messages that a round does not have, and facing keys that are none.

use std::collections::BTreeMap;

use quorate_keygen::Message;
use quorate_session::{Envelope, Outgoing, Wire};
use quorate_sharing::Curve;

use crate::cast::{all_convict, five, party, run, simulation};
use crate::dealer::Script;
use crate::on_every_curve;

on_every_curve!(
    the_second_implementation_agrees_with_the_first,
    an_unexpected_message_in_any_round_convicts_its_sender,
    a_missing_part_convicts_its_sender,
    a_share_of_another_size_convicts_its_sender,
    facing_keys_must_be_one_valid_key_for_each_other_party,
);

/// Otherwise the scripted parties would be convicted of something else than what they do.
fn the_second_implementation_agrees_with_the_first<C: Curve>() {
    let scripts = [1, 2, 4].map(|index| (index, Script::<C>::honest()));
    let results = run::<C>(1, scripts).results();
    let publics: Vec<_> = results.values().map(|share| share.public()).collect();
    assert!(publics.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(results.values().all(|share| share.secret_share::<C>().is_ok()));
}

/// Replaces what a script sends in one round.
fn instead<C: Curve>(round: u8, change: impl Fn(&mut Outgoing<Message>) + Send + 'static) -> Script<C> {
    Script::sending(move |current, send| {
        if current == round {
            change(send);
        }
    })
}

fn an_unexpected_message_in_any_round_convicts_its_sender<C: Curve>() {
    let finding = |round| format!("sent an unexpected message in round {round}");
    let ready = || Message::Ready([0; 32]);
    for round in [1, 2] {
        all_convict::<C>(2, &finding(round), || instead(round, move |send| send.broadcast = Some(ready())));
    }
    all_convict::<C>(2, &finding(3), || {
        instead(3, |send| send.broadcast = Some(Message::Share(vec![0; 48])))
    });
    // A right message with a part that the round does not have.
    for round in [1, 3] {
        all_convict::<C>(2, &finding(round), || {
            instead(round, |send| {
                let others = [1, 3, 4, 5].map(|to| (party(to), Message::Share(vec![0; 48])));
                send.direct = BTreeMap::from(others);
            })
        });
    }
    // Both parts of round 2, exchanged.
    all_convict::<C>(2, &finding(2), || {
        instead(2, |send| {
            let open = send.broadcast.replace(Message::Share(vec![0; 48])).unwrap();
            send.direct.values_mut().for_each(|message| *message = open.clone());
        })
    });
}

fn a_missing_part_convicts_its_sender<C: Curve>() {
    let finding = "sent an unexpected message in round 2";
    all_convict::<C>(2, finding, || instead(2, |send| send.direct.clear()));
    all_convict::<C>(2, finding, || instead(2, |send| send.broadcast = None));
}

/// One byte more than fits into a complaint would silence the party that has to make it.
fn a_share_of_another_size_convicts_its_sender<C: Curve>() {
    for size in [0, 32, 47, 49, 64, 16_000] {
        let script = || Script::<C>::delivering(move |_| vec![0; size]);
        all_convict::<C>(2, "sent an unexpected message in round 2", script);
        all_convict::<C>(2, "sent an unexpected message in round 2", || {
            Script::delivering(move |delivery| match delivery.to.get() {
                4 => vec![0; size],
                _ => delivery.seal(&delivery.right),
            })
        });
    }
}

fn facing_keys_must_be_one_valid_key_for_each_other_party<C: Curve>() {
    let changed = |change: fn(&mut Vec<[u8; 32]>)| {
        move || {
            instead(1, move |send| {
                let Some(Message::Commit(commit)) = &mut send.broadcast else { panic!("no commitment") };
                change(&mut commit.facing);
            })
        }
    };
    let changes: [fn(&mut Vec<[u8; 32]>); 7] = [
        |keys| {
            keys.pop();
        },
        Vec::clear,
        |keys| keys.push(keys[0]),
        // The identity, no point at all, and a point that is negative in the encoding.
        |keys| keys[0] = [0; 32],
        |keys| keys[1] = [0xFF; 32],
        |keys| keys[2][0] ^= 1,
        |keys| keys[3] = [0; 32],
    ];
    for change in changes {
        all_convict::<C>(2, "sent invalid facing keys", changed(change));
    }
}

/// Bytes that are no message are the session's to judge; here only that they are.
#[test]
fn garbage_in_any_part_convicts_its_sender() {
    type Curve = quorate_sharing::Ed25519;
    for round in 1..=3 {
        let cast = five();
        let mut simulation = simulation::<Curve>(&cast, 1);
        let garbage = move |_, envelope: Envelope, keyring: &quorate_session::Keyring| {
            let body = quorate_session::Part::Whole(vec![1, 99, 3]);
            let envelope = match envelope.header.round == round {
                true => Envelope::seal(envelope.header, body, envelope.direct, &*keyring.signer),
                false => envelope,
            };
            vec![envelope.to_wire().unwrap()]
        };
        simulation.tamper(party(2), Box::new(garbage));
        let finding = simulation.run().all_convict(party(2));
        assert_eq!(finding, format!("sent an undecodable message in round {round}"));
    }
}
