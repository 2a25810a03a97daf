//! Parties that say different things to different others.

use std::collections::BTreeSet;

use quorate_keygen::{Keygen, Message};
use quorate_session::{Abort, Envelope, Header, Keyring, Kind, Part, Wire};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Outcome, Outcomes, Simulation};

use crate::cast::{five, party, simulation};
use crate::dealer::opening_digest;
use crate::drive::{End, Group};
use crate::on_every_curve;

on_every_curve!(
    different_commitments_convict_their_author,
    different_dealings_with_matching_commitments_convict_their_author,
    a_different_opening_for_some_convicts_its_author,
    a_false_digest_of_a_round_convicts_its_author,
    different_acknowledgements_split_no_key,
);

fn change(envelope: &Envelope, change: impl FnOnce(&mut Message)) -> Part {
    let mut message = Message::from_wire(envelope.broadcast.whole().unwrap()).unwrap();
    change(&mut message);
    Part::Whole(message.to_wire().unwrap())
}

/// Party 2 tells parties 4 and 5 what `instead` makes of its broadcasts.
fn equivocate<C: Curve>(
    seed: u64,
    instead: impl Fn(&Envelope) -> Option<(Header, Part)> + 'static,
) -> Outcomes<Keygen<C>> {
    let cast = five();
    let mut simulation = simulation::<C>(&cast, seed);
    let tamper = move |to: PartyIndex, envelope: Envelope, keyring: &Keyring| {
        let affected = envelope.header.kind == Kind::Round && to >= party(4);
        let instead = affected.then(|| instead(&envelope)).flatten();
        let envelope = match instead {
            Some((header, broadcast)) => Envelope::seal(header, broadcast, envelope.direct, &*keyring.signer),
            None => envelope,
        };
        vec![envelope.to_wire().unwrap()]
    };
    simulation.tamper(party(2), Box::new(tamper));
    simulation.run()
}

/// `cheater` signs for each recipient what `change` makes of its broadcast of this round.
pub(crate) fn tell<C: Curve>(
    simulation: &mut Simulation<'_, Keygen<C>>,
    cheater: u16,
    round: u8,
    alter: impl Fn(PartyIndex, &mut Message) + 'static,
) {
    let tamper = move |to: PartyIndex, envelope: Envelope, keyring: &Keyring| {
        let Header { kind, round: of, .. } = envelope.header;
        if kind != Kind::Round || of != round {
            return vec![envelope.to_wire().unwrap()];
        }
        let broadcast = change(&envelope, |message| alter(to, message));
        let envelope = Envelope::seal(envelope.header, broadcast, envelope.direct, &*keyring.signer);
        vec![envelope.to_wire().unwrap()]
    };
    simulation.tamper(party(cheater), Box::new(tamper));
}

fn different_commitments_convict_their_author<C: Curve>() {
    for seed in 0..4 {
        let outcomes = equivocate::<C>(seed, |envelope| {
            let other = |message: &mut Message| match message {
                Message::Commit(commit) => commit.opening[0] ^= 1,
                other => panic!("{other:?}"),
            };
            (envelope.header.round == 1).then(|| (envelope.header.clone(), change(envelope, other)))
        });
        assert_eq!(outcomes.all_convict(party(2)), "sent contradicting messages in round 1");
    }
}

/// Two halves of the committee would make two keys: each sees one consistent dealing, valid in itself.
fn different_dealings_with_matching_commitments_convict_their_author<C: Curve>() {
    for seed in 0..4 {
        let cast = five();
        let mut simulation = simulation::<C>(&cast, seed);
        let session = simulation.context(party(2)).session();
        let opened = std::rc::Rc::new(std::cell::RefCell::new(None));
        // The opening is known before the commitment leaves: the run is repeated with what it showed.
        let noted = std::rc::Rc::clone(&opened);
        simulation.tamper(
            party(2),
            Box::new(move |_, envelope, _| {
                if let Ok(Message::Open(open)) = Message::from_wire(envelope.broadcast.whole().unwrap_or(&[]))
                {
                    noted.replace(Some(open));
                }
                vec![envelope.to_wire().unwrap()]
            }),
        );
        let _ = simulation.run();
        let mut open = opened.take().unwrap();
        open.chain_code[0] ^= 1;
        let outcomes = equivocate::<C>(seed, move |envelope| {
            let other = |message: &mut Message| match message {
                Message::Commit(commit) => commit.opening = opening_digest(&session, party(2), &open),
                Message::Open(instead) => *instead = open.clone(),
                _ => {}
            };
            (envelope.header.round <= 2).then(|| (envelope.header.clone(), change(envelope, other)))
        });
        assert_eq!(outcomes.all_convict(party(2)), "sent contradicting messages in round 1");
    }
}

/// Who gets it has proof, and shows it to the others.
fn a_different_opening_for_some_convicts_its_author<C: Curve>() {
    for seed in 0..4 {
        let outcomes = equivocate::<C>(seed, |envelope| {
            let other = |message: &mut Message| match message {
                Message::Open(open) => open.chain_code[0] ^= 1,
                other => panic!("{other:?}"),
            };
            (envelope.header.round == 2).then(|| (envelope.header.clone(), change(envelope, other)))
        });
        assert_eq!(outcomes.all_convict(party(2)), "opened something else than it committed to");
    }
}

fn a_false_digest_of_a_round_convicts_its_author<C: Curve>() {
    for (seed, round) in [(1, 2), (2, 2), (1, 3), (2, 3)] {
        let outcomes = equivocate::<C>(seed, move |envelope| {
            let header = Header { echo: Some([1; 32]), ..envelope.header.clone() };
            (envelope.header.round == round).then(|| (header, envelope.broadcast.clone()))
        });
        let before = round - 1;
        let mut findings = BTreeSet::new();
        for index in [1, 3, 4, 5] {
            match &outcomes.0[&party(index)] {
                // Acknowledged by all, the liar too.
                Outcome::Done(_) => assert_eq!(round, 3),
                // Whoever did not get the lie, or the liar's own evidence of it, only misses others.
                Outcome::Aborted(Abort::Attributed { parties, .. }) => {
                    assert!(round == 2 && !parties.is_empty());
                }
                _ => {
                    findings.insert(outcomes.convicts(party(index), party(2)));
                }
            }
        }
        let expected = [
            format!("signed a false digest of round {before}"),
            format!("sent contradicting messages in round {round}"),
        ];
        assert!(!findings.is_empty());
        assert!(findings.iter().all(|finding| expected.contains(finding)), "{findings:?}");
    }
}

fn different_acknowledgements_split_no_key<C: Curve>() {
    let mut done = 0;
    for seed in 0..6 {
        let cast = five();
        let keyring = cast.keyring(party(2));
        let mut group = Group::<C>::new(&cast, 0, seed);
        group.tamper(
            party(2),
            Box::new(move |to, envelope| {
                if envelope.header.kind != Kind::Round || envelope.header.round != 3 || to < party(4) {
                    return envelope;
                }
                let other = change(&envelope, |message| *message = Message::Ready([0; 32]));
                Envelope::seal(envelope.header, other, envelope.direct, &*keyring.signer)
            }),
        );
        group.run();
        group.assert_consistent();
        for (index, end) in group.ends.iter().filter(|(index, _)| **index != party(2)) {
            match end {
                End::Aborted(abort @ Abort::Proven { .. }) => assert_eq!(abort.culprits(), [party(2)]),
                End::Done(_) if *index < party(4) => done += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    // Otherwise nothing was tried.
    assert!(done > 0);
}
