//! The last round: what is acknowledged, and what is stored before.

use quorate_keygen::{ACKNOWLEDGE, Keygen, Message};
use quorate_session::{Action, Envelope, Session, Wire};
use quorate_sharing::{Curve, PartyIndex};

use crate::cast::{all_convict, five, party};
use crate::dealer::Script;
use crate::drive::contexts;
use crate::on_every_curve;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

on_every_curve!(
    the_acknowledgement_of_another_key_convicts_its_author,
    a_share_is_stored_before_it_is_acknowledged,
);

fn the_acknowledgement_of_another_key_convicts_its_author<C: Curve>() {
    let finding = "acknowledged another key than the one that was opened";
    for byte in [0, 31] {
        all_convict::<C>(2, finding, || {
            Script::sending(move |_, send| {
                if let Some(Message::Ready(transcript)) = &mut send.broadcast {
                    transcript[byte] ^= 1;
                }
            })
        });
    }
}

fn round_of(bytes: &[u8]) -> u8 {
    Envelope::from_wire(bytes).unwrap().header.round
}

/// No acknowledgement leaves a party that was not told that its share is durable, however long it waits.
fn a_share_is_stored_before_it_is_acknowledged<C: Curve>() {
    let cast = five();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let contexts = contexts::<C>(&cast, 0, &mut rng);
    let mut sessions: Vec<(PartyIndex, Session<Keygen<C>>)> = contexts
        .into_iter()
        .map(|(party, context)| {
            (party, Session::new(context, (), (), cast.keyring(party), &mut rng).unwrap())
        })
        .collect();
    let mut queue = Vec::new();
    let mut stored = Vec::new();
    loop {
        for (party, session) in &mut sessions {
            while let Some(action) = session.next_action() {
                match action {
                    Action::Send { to, bytes } => {
                        assert!(round_of(&bytes) < ACKNOWLEDGE);
                        queue.push((*party, to, bytes));
                    }
                    // Not confirmed.
                    Action::Persist(share) => stored.push((*party, share)),
                    Action::Done(_) | Action::Abort(_) => panic!("party {party} ended"),
                }
            }
        }
        let Some((from, to, bytes)) = queue.pop() else { break };
        let (_, session) = sessions.iter_mut().find(|(party, _)| *party == to).unwrap();
        session.receive(from, &bytes, &mut rng);
    }
    assert_eq!(stored.len(), 5);
    assert!(stored.iter().all(|(_, share)| share.public() == stored[0].1.public()));
    for (_, session) in &mut sessions {
        session.retransmit();
        while let Some(action) = session.next_action() {
            assert!(matches!(action, Action::Send { bytes, .. } if round_of(&bytes) < ACKNOWLEDGE));
        }
        assert_eq!(session.round(), ACKNOWLEDGE);
        session.persisted(&mut rng);
        let sent: Vec<_> = std::iter::from_fn(|| session.next_action()).collect();
        let acknowledges = |action: &Action<_>| matches!(action, Action::Send { bytes, .. } if round_of(bytes) == ACKNOWLEDGE);
        assert_eq!(sent.iter().filter(|action| acknowledges(action)).count(), 4);
    }
    assert_eq!(sessions[0].0, party(1));
}
