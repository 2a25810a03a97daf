//! Dealers, newcomers and parties that leave, saying one thing to some and another to others.

use quorate_reshare::{Message, Reshare};
use quorate_session::{Abort, Envelope, Keyring, Kind, Part, Wire};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Outcome, Outcomes};

use crate::cheats::CHANGE;
use crate::group::{cast, key, party};
use crate::on_every_curve;

on_every_curve!(
    different_commitments_convict_their_author,
    a_different_opening_for_some_convicts_its_author,
    different_acknowledgements_split_no_epoch,
);

/// The parties from this on are told something else.
const OTHERS: u16 = 4;

/// `cheater` signs for those what `alter` makes of its broadcast of this round.
fn telling<C: Curve>(
    (cheater, round, seed): (u16, u8, u64),
    alter: impl Fn(&mut Message) + 'static,
) -> Outcomes<Reshare<C>> {
    let (cast, old) = (cast(), key::<C>(&cast(), 3, &[1, 2, 3, 4, 5]));
    let mut simulation = CHANGE.simulation::<C>(&cast, &old, seed);
    let tamper = move |to: PartyIndex, envelope: Envelope, keyring: &Keyring| {
        if envelope.header.kind != Kind::Round || envelope.header.round != round || to < party(OTHERS) {
            return vec![envelope.to_wire().unwrap()];
        }
        let mut message = Message::from_wire(envelope.broadcast.whole().unwrap()).unwrap();
        alter(&mut message);
        let broadcast = Part::Whole(message.to_wire().unwrap());
        let envelope = Envelope::seal(envelope.header, broadcast, envelope.direct, &*keyring.signer);
        vec![envelope.to_wire().unwrap()]
    };
    simulation.tamper(party(cheater), Box::new(tamper));
    simulation.run()
}

fn different_commitments_convict_their_author<C: Curve>() {
    for (cheater, seed) in [(1, 0), (3, 1), (6, 2), (7, 3)] {
        // A dealer commits to two polynomials, a newcomer hands out two sets of keys.
        let outcomes = telling::<C>((cheater, 1, seed), move |message| match message {
            Message::Commit(commit) if cheater < 5 => commit.opening[0] ^= 1,
            Message::Commit(commit) => commit.facing.swap(0, 1),
            other => panic!("{other:?}"),
        });
        let finding = outcomes.all_convict(party(cheater));
        assert_eq!(finding, "sent contradicting messages in round 1", "party {cheater}");
    }
}

fn a_different_opening_for_some_convicts_its_author<C: Curve>() {
    for (cheater, seed) in [(1, 0), (2, 1), (3, 2)] {
        let outcomes = telling::<C>((cheater, 2, seed), |message| match message {
            Message::Open(open) => open.coefficients.reverse(),
            other => panic!("{other:?}"),
        });
        let finding = outcomes.all_convict(party(cheater));
        assert_eq!(finding, "opened something else than it committed to", "party {cheater}");
    }
}

fn different_acknowledgements_split_no_epoch<C: Curve>() {
    let mut done = 0;
    // Of a party that leaves, one that stays and one that comes.
    for (cheater, seed) in [(1, 0), (2, 1), (3, 2), (6, 3), (7, 4)] {
        let Outcomes(outcomes) = telling::<C>((cheater, 3, seed), |message| match message {
            Message::Known(known) => known.key[0] ^= 1,
            Message::Ready(key) => key[0] ^= 1,
            other => panic!("{other:?}"),
        });
        let mut epoch = None;
        for (index, outcome) in outcomes.into_iter().filter(|(index, _)| *index != party(cheater)) {
            match outcome {
                Outcome::Aborted(abort @ Abort::Proven { .. }) => {
                    assert_eq!(abort.culprits(), [party(cheater)], "before {index}");
                }
                Outcome::Done(renewed) => {
                    assert!(index < party(OTHERS));
                    let public = renewed.public();
                    assert_eq!(epoch.get_or_insert_with(|| public.clone()), public);
                    done += 1;
                }
                other => panic!("party {index}: {other:?}"),
            }
        }
    }
    // Otherwise nothing was tried.
    assert!(done > 0);
}
