//! Honest parties over a bad network, and parties that stop.

use quorate_session::{Abort, Kind, MAX_MESSAGES_PER_PEER};
use quorate_simulator::{Cast, Faults, Outcome, Simulation};

use crate::table::{SETUP, Table, p, value};
use crate::toy::{Message, RECEIPT, Toy, sum};

#[test]
fn honest_parties_agree_however_the_network_reorders_repeats_and_loses() {
    for seed in 0..120 {
        let parties = 2 + u16::try_from(seed % 4).unwrap();
        let cast = Cast::new(2, parties, seed);
        let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
        simulation.faults(Faults { duplicate_per_mille: 300, drop_per_mille: 200 });
        let expected = sum(&SETUP, cast.committee().indices().map(value));
        for (party, result) in simulation.run().results() {
            assert_eq!(result, expected, "seed {seed}, party {party}");
        }
    }
}

#[test]
fn all_steps_run_in_order() {
    let mut table = Table::new(4);
    table.deliver_all();
    table.assert_done();
}

#[test]
fn a_party_that_is_ahead_is_not_blamed_and_nothing_of_it_is_lost() {
    let mut table = Table::new(3);
    // Party 1 hears everybody and goes on; party 2 hears its second message first, and many times.
    table.deliver(|mail| mail.to == p(1) && mail.envelope().header.round == 1);
    let early = table.find(1, 2, Kind::Round, 2);
    for _ in 0..20 {
        table.hand(1, 2, &early.bytes);
    }
    assert_eq!(table.session(2).round(), 1);
    table.deliver_all();
    table.assert_done();
}

#[test]
fn repeated_messages_count_as_one() {
    let mut table = Table::new(3);
    let message = table.find(1, 2, Kind::Round, 1);
    for _ in 0..100 {
        table.hand(1, 2, &message.bytes);
    }
    assert_eq!(table.session(2).waiting_for(), [p(3)]);
    table.deliver_all();
    for _ in 0..100 {
        table.hand(1, 2, &message.bytes);
    }
    table.assert_done();
}

#[test]
fn lost_messages_are_repeated_until_they_arrive() {
    let mut table = Table::new(3);
    for round in 1..=RECEIPT {
        for kind in [Kind::Round, Kind::Confirmation] {
            table.deliver(|mail| mail.envelope().header.round < round);
            table.lose(|mail| mail.is(kind, round));
            for session in table.seats.values_mut() {
                session.retransmit();
            }
            table.collect();
        }
    }
    table.deliver_all();
    table.assert_done();
}

#[test]
fn only_what_a_peer_can_still_need_is_repeated() {
    let mut table = Table::new(3);
    table.reach(3);
    table.mail.clear();
    table.session(1).retransmit();
    table.collect();
    assert_eq!(table.mail.len(), 4);
    assert!(table.mail.iter().all(|mail| mail.is(Kind::Confirmation, 2) || mail.is(Kind::Round, 3)));
}

#[test]
fn a_party_that_repeats_itself_for_hours_is_never_taken_for_a_flood() {
    let mut table = Table::new(3);
    table.reach(2);
    table.lose(|mail| mail.from == p(3));
    for _ in 0..1000 {
        for session in table.seats.values_mut() {
            session.retransmit();
        }
        table.collect();
        table.deliver(|mail| mail.from != p(3));
    }
    assert!(table.aborts.is_empty());
    table.expire_all();
    table.assert_attributes(1, &[3], "silent in round 2");
    table.assert_attributes(2, &[3], "silent in round 2");
}

#[test]
fn a_party_sends_at_most_half_of_what_its_peers_bear() {
    let mut table = Table::new(3);
    let mut sent = table.mail.iter().filter(|mail| mail.from == p(1) && mail.to == p(2)).count();
    table.mail.clear();
    for _ in 0..1000 {
        table.session(1).retransmit();
        table.collect();
        sent += table.mail.drain(..).filter(|mail| mail.to == p(2)).count();
    }
    assert_eq!(sent, usize::try_from(MAX_MESSAGES_PER_PEER / 2).unwrap());
}

#[test]
fn the_silent_are_named_exactly() {
    for round in 1..=3 {
        for silent in [vec![2], vec![4], vec![1, 3]] {
            let mut table = Table::new(4);
            table.reach(round);
            let parties: Vec<_> = silent.iter().copied().map(p).collect();
            table.deliver(|mail| !parties.contains(&mail.from));
            for party in (1..=4).filter(|party| !silent.contains(party)) {
                assert_eq!(table.session(party).waiting_for(), parties);
            }
            table.expire_all();
            for party in (1..=4).filter(|party| !silent.contains(party)) {
                table.assert_attributes(party, &silent, &format!("silent in round {round}"));
            }
        }
    }
}

#[test]
fn a_missing_confirmation_is_attributed_too() {
    let mut table = Table::new(3);
    table.deliver(|mail| !(mail.from == p(2) && mail.is(Kind::Confirmation, 2)));
    assert_eq!(table.session(1).waiting_for(), [p(2)]);
    table.expire_all();
    table.assert_attributes(1, &[2], "silent in round 2");
    table.assert_attributes(3, &[2], "silent in round 2");
}

#[test]
fn a_result_stands_when_time_runs_out_afterwards() {
    let mut table = Table::new(3);
    table.deliver_all();
    table.expire_all();
    assert!(table.aborts.is_empty());
    table.assert_done();
    assert!(table.session(1).is_finished());
}

#[test]
fn a_crash_at_any_move_leaves_results_or_an_attributed_abort() {
    for seed in 0..4 {
        for crashed in 1..=3 {
            for moves in 0..14 {
                let cast = Cast::new(2, 3, seed);
                let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
                simulation.crash(p(crashed), moves);
                let expected = sum(&SETUP, cast.committee().indices().map(value));
                for (party, outcome) in simulation.run().0 {
                    match outcome {
                        Outcome::Done(result) => assert_eq!(result, expected),
                        Outcome::Crashed => assert_eq!(party, p(crashed)),
                        Outcome::Aborted(Abort::Attributed { parties, .. }) => {
                            assert!(
                                parties.contains(&p(crashed)),
                                "{crashed} after {moves}: {party} blames {parties:?}"
                            );
                        }
                        Outcome::Aborted(abort) => panic!("{abort}"),
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_message_comes_after_the_result_of_its_sender() {
    let mut table = Table::new(3);
    table.deliver(|mail| !mail.is(Kind::Round, RECEIPT));
    assert_eq!(table.outputs.keys().copied().collect::<Vec<_>>(), [p(1), p(2)]);
    assert!(table.mail.iter().all(|mail| mail.to == p(3)), "the others have nothing to hear");
    let receipt = table.find(2, 3, Kind::Round, RECEIPT).envelope();
    assert_eq!(
        Some(Message::Receipt(table.outputs[&p(1)])),
        receipt.direct.whole().map(|body| { quorate_session::Wire::from_wire(body).unwrap() })
    );
    table.deliver_all();
    table.assert_done();
}
