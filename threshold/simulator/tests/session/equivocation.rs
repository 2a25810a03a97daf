//! Parties that tell different things to different peers, or about them.

use borsh::BorshDeserialize as _;
use quorate_session::{Abort, Envelope, Header, Kind, Part, SessionId, Wire};
use quorate_simulator::{Cast, Outcome, Simulation, Tamper};

use crate::table::{SETUP, Table, other_commitment, other_opening, p, value, whole};
use crate::toy::{Message, Toy};

const CONTRADICTION: &str = "sent contradicting messages";

/// Lets party 2 of 4 change, and sign again, what it sends to `victims` in envelopes of one kind and round.
fn tampering(
    seed: u64,
    kind: Kind,
    round: u8,
    victims: &'static [u16],
    change: impl Fn(&mut Envelope) + 'static,
) -> quorate_simulator::Outcomes<Toy> {
    let tamper: Tamper = Box::new(move |to, mut envelope, keyring| {
        let header = &envelope.header;
        if header.kind == kind && header.round == round && victims.contains(&to.get()) {
            change(&mut envelope);
            let Envelope { header, broadcast, direct, .. } = envelope;
            envelope = Envelope::seal(header, broadcast, direct, &*keyring.signer);
        }
        vec![envelope.to_wire().unwrap()]
    });
    let cast = Cast::new(2, 4, seed);
    let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
    simulation.tamper(p(2), tamper);
    simulation.run()
}

const VICTIMS: [&[u16]; 3] = [&[1], &[3, 4], &[4]];

#[test]
fn a_broadcast_that_differs_in_an_echoed_round_convicts_before_everybody() {
    for seed in 0..34 {
        for victims in VICTIMS {
            let outcomes = tampering(seed, Kind::Round, 1, victims, |envelope| {
                // Valid in itself.
                envelope.broadcast = other_commitment();
            });
            // A victim that sees the wrong opening first has that proof, too.
            let finding = outcomes.all_convict(p(2));
            assert!(
                finding.contains(CONTRADICTION) || finding.contains("opened something else"),
                "{finding}"
            );
        }
    }
}

#[test]
fn a_broadcast_that_differs_in_a_confirmed_round_convicts_before_everybody() {
    for seed in 0..34 {
        for victims in VICTIMS {
            let outcomes =
                tampering(seed, Kind::Round, 2, victims, |envelope| envelope.broadcast = other_opening(2));
            let finding = outcomes.all_convict(p(2));
            assert!(finding.contains(CONTRADICTION), "{finding}");
        }
    }
}

#[test]
fn nothing_is_released_after_a_confirmed_round_that_was_not_consistent() {
    let mut table = Table::new(4);
    table.reach(2);
    let other = table.forge(2, table.find(2, 1, Kind::Round, 2).envelope(), |envelope| {
        envelope.broadcast = other_opening(2);
    });
    table.lose(|mail| mail.from == p(2));
    table.give(2, 1, &other);
    let mut same = Table::new(4);
    same.reach(2);
    for to in [3, 4] {
        table.give(2, to, &same.find(2, to, Kind::Round, 2).envelope());
    }
    table.deliver(|mail| mail.from != p(2));
    for party in [1, 3, 4] {
        table.assert_convicts(party, 2, CONTRADICTION);
        assert_eq!(table.session(party).round(), 2);
    }
    assert!(table.checkpoints.is_empty() && table.outputs.is_empty());
}

#[test]
fn a_digest_that_is_false_for_all_convicts() {
    for seed in 0..25 {
        let findings = [
            tampering(seed, Kind::Round, 2, &[1, 3, 4], |envelope| envelope.header.echo = Some([1; 32])),
            tampering(seed, Kind::Round, 2, &[1, 3, 4], |envelope| envelope.header.echo = None),
            tampering(seed, Kind::Confirmation, 2, &[1, 3, 4], |envelope| {
                envelope.header.echo = Some([1; 32]);
            }),
            tampering(seed, Kind::Confirmation, 2, &[1, 3, 4], |envelope| envelope.header.echo = None),
        ]
        .map(|outcomes| outcomes.all_convict(p(2)));
        for finding in findings {
            // The tampered party's own machine may be the first to notice that it signed two digests.
            assert!(
                finding.contains("signed a false digest") || finding.contains(CONTRADICTION),
                "{finding}"
            );
        }
    }
}

#[test]
fn a_digest_that_is_false_for_one_convicts_before_everybody() {
    for seed in 0..34 {
        for victims in VICTIMS {
            for kind in [Kind::Round, Kind::Confirmation] {
                tampering(seed, kind, 2, victims, |envelope| envelope.header.echo = Some([1; 32]))
                    .all_convict(p(2));
            }
        }
    }
}

#[test]
fn a_digest_that_is_false_for_one_convicts_though_its_author_keeps_out_of_the_dispute() {
    for kind in [Kind::Round, Kind::Confirmation] {
        let mut table = Table::new(4);
        table.reach(2);
        if kind == Kind::Confirmation {
            table.deliver(|mail| mail.is(Kind::Round, 2));
        }
        let lie = table.forge(2, table.find(2, 1, kind, 2).envelope(), |envelope| {
            envelope.header.echo = Some([1; 32]);
        });
        table.lose(|mail| mail.from == p(2) && mail.to == p(1) && mail.is(kind, 2));
        table.give(2, 1, &lie);
        table.deliver(|mail| !mail.is(Kind::Dispute, 1) && !mail.is(Kind::Dispute, 2));
        // Party 1 shows the others what it was told, and they were told otherwise.
        table.deliver(|mail| mail.from != p(2));
        for party in [1, 3, 4] {
            table.assert_convicts(party, 2, CONTRADICTION);
        }
    }
}

#[test]
fn what_a_dispute_shows_counts_against_what_arrives_after_it() {
    for kind in [Kind::Round, Kind::Confirmation] {
        let mut table = Table::new(4);
        table.reach(2);
        if kind == Kind::Confirmation {
            table.deliver(|mail| mail.is(Kind::Round, 2));
        }
        let lie = table.forge(2, table.find(2, 1, kind, 2).envelope(), |envelope| {
            envelope.header.echo = Some([1; 32]);
        });
        let truth = table.find(2, 3, kind, 2);
        table.lose(|mail| mail.from == p(2));
        table.give(2, 1, &lie);
        table.deliver(|mail| mail.from == p(1) && mail.to == p(3));
        assert!(table.aborts.is_empty());
        table.hand(2, 3, &truth.bytes);
        table.assert_convicts(3, 2, CONTRADICTION);
    }
}

#[test]
fn a_right_confirmation_and_a_false_digest_after_it_contradict_each_other() {
    for echo in [None, Some([1; 32])] {
        let mut table = Table::new(3);
        table.reach(3);
        let lie = table.forge(2, table.find(2, 1, Kind::Round, 3).envelope(), |envelope| {
            envelope.header.echo = echo;
        });
        table.give(2, 1, &lie);
        table.assert_convicts(1, 2, CONTRADICTION);
    }
}

#[test]
fn two_messages_to_one_peer_contradict_each_other() {
    type Change = fn(&mut Envelope);
    let changes: [Change; 4] = [
        |envelope| envelope.broadcast = other_opening(1),
        |envelope| envelope.direct = whole(&Message::Share(5)),
        |envelope| envelope.header.echo = Some([1; 32]),
        |envelope| envelope.direct = Part::Absent,
    ];
    for change in changes {
        for early in [false, true] {
            let mut table = Table::new(3);
            if early {
                table.deliver(|mail| mail.to == p(1) && mail.is(Kind::Round, 1));
            } else {
                table.reach(2);
            }
            let sent = table.find(1, 2, Kind::Round, 2);
            let other = table.forge(1, sent.envelope(), change);
            table.hand(1, 2, &sent.bytes);
            assert_eq!(table.session(2).round(), if early { 1 } else { 2 });
            table.give(1, 2, &other);
            table.assert_convicts(2, 1, "sent contradicting messages in round 2");
            // A round later it is just as bad.
            if !early {
                let mut table = Table::new(3);
                table.reach(3);
                table.give(1, 2, &other);
                table.assert_convicts(2, 1, "sent contradicting messages in round 2");
            }
        }
    }
    let mut table = Table::new(3);
    table.reach(2);
    table.deliver(|mail| mail.is(Kind::Round, 2));
    let sent = table.find(1, 2, Kind::Confirmation, 2);
    let other = table.forge(1, sent.envelope(), |envelope| envelope.header.echo = None);
    table.hand(1, 2, &sent.bytes);
    table.give(1, 2, &other);
    table.assert_convicts(2, 1, CONTRADICTION);
}

#[test]
fn equivocation_with_large_messages_is_proven_as_well() {
    let mut table = Table::new(3);
    table.reach(2);
    let huge = |byte| Part::Whole(vec![byte; 600 * 1024]);
    let sent = table.find(1, 2, Kind::Round, 2);
    let other = table.forge(1, sent.envelope(), |envelope| envelope.broadcast = huge(1));
    table.hand(1, 2, &sent.bytes);
    table.give(1, 2, &other);
    table.assert_convicts(2, 1, CONTRADICTION);
}

#[test]
fn a_dispute_may_arrive_before_the_round_is_over() {
    let mut table = Table::new(4);
    let other = table.forge(2, table.find(2, 1, Kind::Round, 1).envelope(), |envelope| {
        envelope.broadcast = other_commitment();
    });
    table.lose(|mail| mail.from == p(2) && mail.to == p(1));
    table.give(2, 1, &other);
    // Party 4 hears nothing from party 2 until the others have disputed, many times over.
    table.deliver(|mail| mail.to != p(4) && mail.from != p(2) || mail.to == p(3) && mail.is(Kind::Round, 1));
    table.assert_convicts(1, 2, CONTRADICTION);
    let disputes: Vec<_> = table
        .mail
        .iter()
        .filter(|mail| mail.to == p(4) && mail.from != p(2) && mail.is(Kind::Dispute, 1))
        .cloned()
        .collect();
    assert_eq!(disputes.len(), 2);
    table.lose(|mail| mail.is(Kind::Evidence, 2));
    for _ in 0..20 {
        for dispute in &disputes {
            table.hand(dispute.from.get(), 4, &dispute.bytes);
        }
    }
    assert!(!table.aborts.contains_key(&p(4)));
    table.deliver(|mail| mail.to == p(4) && mail.is(Kind::Round, 1));
    table.assert_convicts(4, 2, CONTRADICTION);
    assert_eq!(table.session(4).round(), 1);
    assert!(!table.mail.iter().any(|mail| mail.from == p(4) && mail.is(Kind::Round, 2)), "nothing is opened");
}

#[test]
fn false_confirmations_that_are_all_here_early_stop_the_round() {
    let mut table = Table::new(3);
    table.reach(2);
    table.deliver(|mail| mail.is(Kind::Round, 2) && !(mail.from == p(3) && mail.to == p(1)));
    let lie = table.forge(2, table.find(2, 1, Kind::Confirmation, 2).envelope(), |envelope| {
        envelope.header.echo = Some([1; 32]);
    });
    table.give(2, 1, &lie);
    table.deliver(|mail| mail.from == p(3) && mail.to == p(1) && mail.is(Kind::Confirmation, 2));
    assert_eq!(table.session(1).waiting_for(), [p(3)]);
    // The last broadcast closes the round, and no further confirmation is to come.
    table.deliver(|mail| mail.to == p(1) && mail.is(Kind::Round, 2));
    assert_eq!((table.session(1).round(), table.session(1).waiting_for()), (2, vec![p(2)]));
    assert!(table.find(1, 3, Kind::Dispute, 2).is(Kind::Dispute, 2));
}

#[test]
fn an_early_dispute_beside_an_early_confirmation_blames_nobody() {
    let mut table = Table::new(4);
    table.reach(2);
    table.deliver(|mail| mail.is(Kind::Round, 2) && !(mail.from == p(1) && mail.to == p(4)));
    let dispute = table.seal(3, table.header(3, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
    table.deliver(|mail| mail.from == p(3) && mail.to == p(4) && mail.is(Kind::Confirmation, 2));
    table.give(3, 4, &dispute);
    assert!(table.aborts.is_empty(), "{:?}", table.aborts);
    table.deliver_all();
    table.assert_done();
}

#[test]
fn nobody_is_waited_for_after_a_conviction_and_nothing_more_is_disputed() {
    let mut table = Table::new(3);
    table.reach(2);
    table.deliver(|mail| mail.is(Kind::Round, 2));
    let dispute = table.seal(2, table.header(2, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
    table.give(2, 1, &dispute);
    let lie = table.forge(2, table.find(2, 1, Kind::Confirmation, 2).envelope(), |envelope| {
        envelope.header.echo = Some([1; 32]);
    });
    table.give(2, 1, &lie);
    table.assert_convicts(1, 2, "signed a false digest of round 2");
    assert!(table.session(1).waiting_for().is_empty());
}

#[test]
fn only_what_cannot_both_be_honest_is_a_contradiction() {
    let mut table = Table::new(3);
    table.reach(3);
    let mut said: Vec<Envelope> = (1..=3)
        .flat_map(|round| table.session(2).envelopes(round))
        .filter(|envelope| envelope.header.sender == p(2))
        .map(|envelope| Envelope::clone(&envelope))
        .collect();
    let confirmation = table.header(2, Kind::Confirmation, 2);
    let echo = said[2].header.echo;
    said.push(table.seal(2, Header { echo, ..confirmation }, Part::Absent, Part::Absent));
    for (round, echo) in [(1, None), (1, Some([1; 32])), (2, None), (3, Some([2; 32]))] {
        let header = Header { echo, ..table.header(2, Kind::Dispute, round) };
        said.push(table.seal(2, header, Part::Whole(vec![round]), Part::Absent));
    }
    for one in &said {
        assert_eq!(one.header.sender, p(2));
        assert!(said.iter().all(|other| !one.contradicts(other)), "{one:?}");
    }
    // Other words of another party, or in another session, are no contradiction either.
    let other = |change: fn(&mut Header, SessionId)| {
        let foreign = Table::seeded(3, 2).header(2, Kind::Round, 1).session;
        table.forge(2, said[0].clone(), |envelope| {
            envelope.broadcast = other_commitment();
            change(&mut envelope.header, foreign);
        })
    };
    assert!(said[0].contradicts(&other(|_, _| {})));
    assert!(!said[0].contradicts(&other(|header, _| header.sender = p(3))));
    assert!(!said[0].contradicts(&other(|header, foreign| header.session = foreign)));
}

#[test]
fn an_honest_answer_in_one_dispute_does_not_prevent_the_next() {
    let mut table = Table::new(4);
    table.reach(2);
    // Party 2 disputes round 1 without reason, and lies in round 2.
    let dispute = table.seal(2, table.header(2, Kind::Dispute, 1), Part::Whole(vec![0]), Part::Absent);
    for to in [1, 3, 4] {
        table.give(2, to, &dispute);
    }
    let other = table.forge(2, table.find(2, 1, Kind::Round, 2).envelope(), |envelope| {
        envelope.broadcast = other_opening(2);
    });
    table.lose(|mail| mail.from == p(2) && mail.to == p(1));
    table.give(2, 1, &other);
    table.deliver(|mail| mail.from != p(2) || mail.is(Kind::Round, 2));
    for party in [1, 3, 4] {
        table.assert_convicts(party, 2, CONTRADICTION);
    }
}

#[test]
fn a_dispute_without_reason_is_harmless() {
    for round in [1, 2] {
        let mut table = Table::new(4);
        table.reach(round + 1);
        let dispute =
            table.seal(2, table.header(2, Kind::Dispute, round), Part::Whole(vec![0]), Part::Absent);
        for to in [1, 3, 4] {
            table.give(2, to, &dispute);
            // A second one is unusable.
            let again =
                table.seal(2, table.header(2, Kind::Dispute, round), Part::Whole(vec![1]), Part::Absent);
            table.give(2, to, &again);
        }
        table.deliver_all();
        table.assert_done();
    }
}

#[test]
fn a_dispute_without_an_answer_is_attributed() {
    for (kind, victims) in [(Kind::Round, [1, 3, 4]), (Kind::Confirmation, [1, 3, 4])] {
        let mut table = Table::new(4);
        table.reach(2);
        if kind == Kind::Confirmation {
            table.deliver(|mail| mail.is(Kind::Round, 2));
        }
        for to in victims {
            let lie = table.forge(2, table.find(2, to, kind, 2).envelope(), |envelope| {
                envelope.header.echo = Some([1; 32]);
            });
            table.give(2, to, &lie);
        }
        table.seats.remove(&p(2));
        table.deliver(|mail| mail.from != p(2) && mail.to != p(2));
        assert!(table.aborts.is_empty() && table.checkpoints.is_empty());
        assert_eq!(table.session(1).waiting_for(), [p(2)]);
        assert_eq!(table.session(1).round(), 2, "nothing advances while digests differ");
        table.expire_all();
        for party in victims {
            table.assert_attributes(party, &[2], "did not show the broadcasts");
            assert!(table.session(party).waiting_for().is_empty());
        }
    }
}

#[test]
fn a_party_that_has_ended_still_answers_disputes() {
    let mut table = Table::new(3);
    table.deliver_all();
    let dispute = table.seal(1, table.header(1, Kind::Dispute, 1), Part::Whole(vec![0]), Part::Absent);
    table.give(1, 2, &dispute);
    assert_eq!(table.find(2, 3, Kind::Dispute, 1).envelope().header.sender, p(2));
    table.mail.clear();
    table.give(1, 2, &dispute);
    assert!(table.mail.is_empty(), "once is enough");
    table.session(2).retransmit();
    table.collect();
    assert!(table.find(2, 1, Kind::Dispute, 1).is(Kind::Dispute, 1));
    // Of rounds that were not echoed there is nothing to show.
    table.mail.clear();
    for round in [0, 3, 4, 255] {
        let dispute =
            table.seal(1, table.header(1, Kind::Dispute, round), Part::Whole(vec![0]), Part::Absent);
        table.give(1, 2, &dispute);
    }
    assert!(table.mail.is_empty());
}

/// What a dispute shows: broadcasts and statements.
fn dispute(broadcasts: &[Envelope], statements: &[Envelope]) -> Part {
    let mut body = ().to_wire().unwrap();
    body.extend(borsh::to_vec(&(broadcasts, statements)).unwrap());
    Part::Whole(body)
}

/// What party 2 shows of itself, as it would.
fn originals(table: &mut Table) -> Vec<Envelope> {
    table.session(2).envelopes(1).iter().map(|envelope| envelope.without_parts()).collect()
}

#[test]
fn forged_originals_frame_nobody() {
    let mut table = Table::new(3);
    table.reach(2);
    let mut broadcasts = originals(&mut table);
    // Party 1 "signed" another broadcast: the signature is party 2's, or that of something else.
    let mut other = broadcasts[0].clone();
    other.broadcast = Part::Digest([9; 32]);
    let header = broadcasts[0].header.clone();
    for forged in [other, table.seal(2, header, Part::Digest([9; 32]), Part::Absent)] {
        assert_ne!(broadcasts[0], forged);
        broadcasts[0] = forged;
        // Or another digest of the right ones.
        let header = Header { echo: Some([9; 32]), ..table.header(1, Kind::Confirmation, 1) };
        let statement = table.seal(2, header, Part::Absent, Part::Absent);
        for (statements, lists) in [(vec![], broadcasts.clone()), (vec![statement], vec![])] {
            let mut table = Table::new(3);
            table.reach(2);
            let header = table.header(2, Kind::Dispute, 1);
            let lie = table.seal(2, header, dispute(&lists, &statements), Part::Absent);
            table.give(2, 3, &lie);
            table.give(2, 1, &lie);
            table.deliver_all();
            table.assert_done();
        }
    }
}

#[test]
fn originals_of_another_session_or_round_frame_nobody() {
    let mut foreign = Table::seeded(3, 2);
    foreign.reach(2);
    let mut table = Table::new(3);
    table.reach(3);
    let second: Vec<_> =
        table.session(2).envelopes(2).iter().map(|envelope| envelope.without_parts()).collect();
    for shown in [originals(&mut foreign), second] {
        let lie = table.seal(2, table.header(2, Kind::Dispute, 1), dispute(&shown, &shown), Part::Absent);
        let mut table = Table::new(3);
        table.reach(3);
        table.give(2, 3, &lie);
        table.deliver_all();
        table.assert_done();
    }
}

#[test]
fn a_liar_that_shows_anything_but_what_it_signed_is_convicted() {
    let mut table = Table::new(3);
    table.reach(2);
    let right = originals(&mut table);
    let mut twice = right.clone();
    twice[1] = right[0].clone();
    let mut unsigned = right.clone();
    unsigned[0].broadcast = Part::Digest([3; 32]);
    let mut own = right.clone();
    own[1] = table.forge(2, own[1].clone(), |envelope| envelope.header.round = 9);
    let bodies = [
        dispute(&right, &[]),
        dispute(&right[1..], &[]),
        dispute(&[right.clone(), right.clone()].concat(), &[]),
        dispute(&twice, &[]),
        dispute(&unsigned, &[]),
        dispute(&own, &[]),
        dispute(&[], &[]),
        Part::Whole(Vec::new()),
        Part::Whole(vec![0xff; 300]),
        Part::Whole(vec![1; 200_000]),
    ];
    for body in bodies {
        for (dispute_first, false_echo) in
            [(false, Some([1; 32])), (true, Some([1; 32])), (false, None), (true, None)]
        {
            let mut table = Table::new(3);
            table.reach(2);
            let lie = table.forge(2, table.find(2, 1, Kind::Round, 2).envelope(), |envelope| {
                envelope.header.echo = false_echo;
            });
            let answer = table.seal(2, table.header(2, Kind::Dispute, 1), body.clone(), Part::Absent);
            let order = if dispute_first { [&answer, &lie] } else { [&lie, &answer] };
            order.into_iter().for_each(|envelope| table.give(2, 1, envelope));
            table.assert_convicts(1, 2, "signed a false digest of round 1");
            // And the evidence reaches party 3, to whom nobody lied.
            table.deliver(|mail| mail.from == p(1) && mail.to == p(3));
            table.assert_convicts(3, 2, "signed a false digest of round 1");
        }
    }
}

#[test]
fn disputes_hold_no_contents() {
    let mut table = Table::new(3);
    table.reach(2);
    table.deliver(|mail| mail.is(Kind::Round, 2));
    let dispute = table.seal(2, table.header(2, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
    table.give(2, 1, &dispute);
    let shown = table.find(1, 3, Kind::Dispute, 2).envelope();
    let body = shown.broadcast.whole().unwrap();
    let (broadcasts, statements) = <(Vec<Envelope>, Vec<Envelope>)>::try_from_slice(&body[1..]).unwrap();
    assert_eq!(broadcasts.len(), 3);
    assert!(statements.iter().all(|envelope| envelope.header.sender != p(1)), "its own are in its messages");
    for envelope in broadcasts.iter().chain(&statements) {
        assert_eq!(*envelope, envelope.without_parts());
    }
}

#[test]
fn a_cheater_that_is_silent_towards_its_victim_is_convicted_by_the_others() {
    for seed in 0..20 {
        let cast = Cast::new(2, 4, seed);
        let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
        // Party 2 says nothing to party 1 and sends party 3 an undecodable message.
        simulation.tamper(
            p(2),
            Box::new(|to, envelope, keyring| {
                let Envelope { header, mut broadcast, direct, .. } = envelope;
                match to.get() {
                    1 => return Vec::new(),
                    3 => broadcast = Part::Whole(vec![0xff]),
                    _ => {}
                }
                vec![Envelope::seal(header, broadcast, direct, &*keyring.signer).to_wire().unwrap()]
            }),
        );
        let outcomes = simulation.run();
        for party in [1, 3, 4] {
            assert!(matches!(&outcomes.0[&p(party)], Outcome::Aborted(Abort::Proven { .. })), "{outcomes:?}");
        }
        outcomes.all_convict(p(2));
    }
}
