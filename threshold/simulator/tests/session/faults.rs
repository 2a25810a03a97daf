//! Faults that the protocol judges, and undecodable messages.

use quorate_session::{Abort, Claim, Envelope, Evidence, Kind, MAX_STRIKES, Part, Wire};
use quorate_simulator::{Cast, Rewrite, Simulation};

use crate::table::{SETUP, Table, p, value, whole};
use crate::toy::{Message, Toy, commitment};

/// All honest parties of 4 convict party 2, which rewrites its messages.
fn cheating(finding: &str, rewrite: impl Fn() -> Rewrite<Message>) {
    for seed in 0..20 {
        let cast = Cast::new(2, 4, seed);
        let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
        simulation.cheat(p(2), &SETUP, value(p(2)), rewrite());
        assert_eq!(simulation.run().all_convict(p(2)), finding);
    }
}

#[test]
fn a_false_opening_is_proven() {
    cheating("opened something else", || {
        Box::new(|_, send| {
            if let Some(Message::Open(value, _)) = &mut send.broadcast {
                *value += 1;
            }
        })
    });
}

#[test]
fn a_wrong_share_is_proven_to_everybody_by_its_one_victim() {
    for victim in [1, 3, 4] {
        cheating(&format!("sent party {victim} a wrong share"), || {
            Box::new(move |_, send| {
                if let Some(Message::Share(share)) = send.direct.get_mut(&p(victim)) {
                    *share += 1;
                }
            })
        });
    }
}

#[test]
fn a_wrong_sum_is_proven() {
    cheating("added up wrongly", || {
        Box::new(|_, send| {
            if let Some(Message::Ready(sum)) = &mut send.broadcast {
                *sum += 1;
            }
        })
    });
}

#[test]
fn an_unexpected_message_is_proven_in_every_round() {
    for round in 1..=3 {
        cheating(&format!("sent an unexpected message in round {round}"), || {
            Box::new(move |now, send| {
                if now == round {
                    send.broadcast = Some(Message::Receipt(0));
                }
            })
        });
    }
}

#[test]
fn a_false_complaint_convicts_its_author() {
    for seed in 0..20 {
        let cast = Cast::new(2, 4, seed);
        let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), seed, &SETUP, value);
        // Party 2 complains about a share of party 1 that it signed itself.
        simulation.tamper(
            p(2),
            Box::new(|_, mut envelope, keyring| {
                if envelope.header.round == 3 && envelope.header.kind == Kind::Round {
                    let mut header = envelope.header.clone();
                    header.round = 2;
                    header.sender = p(1);
                    header.recipient = Some(p(2));
                    let open = whole(&Message::Open(value(p(1)), Vec::new()));
                    let forged = Envelope::seal(header, open, whole(&Message::Share(0)), &*keyring.signer);
                    let complaint = whole(&Message::Complaint(p(1), Box::new(forged)));
                    let Envelope { header, direct, .. } = envelope;
                    envelope = Envelope::seal(header, complaint, direct, &*keyring.signer);
                }
                vec![envelope.to_wire().unwrap()]
            }),
        );
        assert_eq!(simulation.run().all_convict(p(2)), "complained without reason");
    }
}

#[test]
fn an_undecodable_message_is_proven_to_all_though_only_one_got_it() {
    type Change = fn(&mut Envelope);
    let changes: [(u8, Change); 5] = [
        (1, |envelope| envelope.broadcast = Part::Whole(vec![0xff; 10])),
        (1, |envelope| envelope.direct = Part::Whole(Vec::new())),
        (2, |envelope| envelope.broadcast = Part::Whole(vec![1])),
        (2, |envelope| envelope.direct = Part::Whole(vec![1, 2, 3])),
        // Larger than any message of the protocol.
        (2, |envelope| envelope.direct = Part::Whole(vec![1; 5000])),
    ];
    for (round, change) in changes {
        let mut table = Table::new(3);
        table.reach(round);
        let bad = table.forge(1, table.find(1, 2, Kind::Round, round).envelope(), change);
        table.give(1, 2, &bad);
        let finding = format!("sent an undecodable message in round {round}");
        table.assert_convicts(2, 1, &finding);
        table.deliver(|mail| {
            mail.from == p(2) && mail.to == p(3) && mail.envelope().header.kind == Kind::Evidence
        });
        table.assert_convicts(3, 1, &finding);
    }
}

#[test]
fn a_message_may_be_as_large_as_the_protocol_allows() {
    for (size, fits) in [(Message::MAX_BYTES, true), (Message::MAX_BYTES + 1, false)] {
        let mut table = Table::new(3);
        table.reach(2);
        let mut body = Message::Open(value(p(1)), Vec::new()).to_wire().unwrap();
        let remark = size - body.len();
        let end = body.len() - 4;
        body[end..].copy_from_slice(&u32::try_from(remark).unwrap().to_le_bytes());
        body.resize(size, 0);
        let large = table.forge(1, table.find(1, 2, Kind::Round, 2).envelope(), |envelope| {
            envelope.broadcast = Part::Whole(body);
        });
        table.give(1, 2, &large);
        assert_eq!(table.aborts.is_empty(), fits, "{:?}", table.aborts);
    }
}

#[test]
fn an_undecodable_message_that_fits_into_no_evidence_is_attributed() {
    let mut table = Table::new(3);
    let body = Part::Whole(vec![0xff; Envelope::MAX_BYTES - 300]);
    let bad =
        table.forge(1, table.find(1, 2, Kind::Round, 1).envelope(), |envelope| envelope.broadcast = body);
    table.give(1, 2, &bad);
    table.assert_attributes(2, &[1], "undecodable message in round 1");
}

#[test]
fn an_oversized_message_is_proven_when_it_comes_early_and_is_never_kept() {
    let mut table = Table::new(3);
    let body = Part::Whole(vec![1; 5000]);
    let early = table.seal(1, table.header(1, Kind::Round, 2), body, Part::Absent);
    table.give(1, 2, &early);
    table.assert_convicts(2, 1, "undecodable message in round 2");
}

#[test]
fn an_undecodable_early_message_is_proven_in_its_time() {
    let mut table = Table::new(3);
    let header = table.header(1, Kind::Round, 2);
    table.lose(|mail| mail.from == p(1) && mail.is(Kind::Round, 2));
    table.deliver(|mail| mail.to == p(1));
    let sent = table.find(1, 2, Kind::Round, 2).envelope();
    let bad = table.forge(1, sent, |envelope| envelope.broadcast = Part::Whole(vec![9]));
    assert_eq!(header.session, bad.header.session);
    table.give(1, 2, &bad);
    assert!(table.aborts.is_empty());
    table.deliver(|mail| mail.to == p(2) && mail.is(Kind::Round, 1));
    table.assert_convicts(2, 1, "undecodable message in round 2");
}

/// Evidence against party 1, from a session of another run of the same parties or of this one.
fn evidence(seed: u64) -> Evidence {
    let mut table = Table::seeded(3, seed);
    let bad = table.forge(1, table.find(1, 2, Kind::Round, 1).envelope(), |envelope| {
        envelope.broadcast = Part::Whole(vec![9]);
    });
    table.give(1, 2, &bad);
    match table.aborts.remove(&p(2)) {
        Some(Abort::Proven { mut evidence }) => evidence.remove(0),
        other => panic!("{other:?}"),
    }
}

fn in_envelope(table: &Table, from: u16, evidence: &Evidence) -> Envelope {
    let body = Part::Whole(evidence.to_wire().unwrap());
    table.seal(from, table.header(from, Kind::Evidence, 1), body, Part::Absent)
}

#[test]
fn evidence_from_a_peer_counts_only_if_ones_own_judgement_agrees() {
    let genuine = evidence(1);
    let mut table = Table::new(3);
    table.give(3, 2, &in_envelope(&table, 3, &genuine));
    table.assert_convicts(2, 1, "undecodable");
    // It is passed on, for those to whom the first reporter did not speak.
    table.deliver(|mail| mail.from == p(2) && mail.envelope().header.kind == Kind::Evidence);
    table.assert_convicts(3, 1, "undecodable");

    let mut framing = genuine.clone();
    framing.accused = p(2);
    let mut invented = genuine.clone();
    invented.claim = Claim::FalseEcho { round: 1 };
    let foreign = evidence(2);
    assert!(foreign.judge::<Toy>().is_ok());
    for bad in [framing, invented, foreign] {
        let mut table = Table::new(3);
        let bad = in_envelope(&table, 3, &bad);
        table.give(3, 1, &bad);
        table.give(3, 2, &bad);
        // Nor is a second piece looked at.
        table.give(3, 2, &in_envelope(&table, 3, &genuine));
        table.deliver_all();
        table.assert_done();
    }
    let mut table = Table::new(3);
    let garbage = table.seal(3, table.header(3, Kind::Evidence, 1), Part::Whole(vec![7]), Part::Absent);
    for _ in 0..MAX_STRIKES {
        table.give(3, 2, &garbage);
    }
    assert!(table.aborts.is_empty());
    table.give(3, 2, &garbage);
    table.assert_attributes(2, &[3], "unusable");
}

#[test]
fn evidence_after_the_result_changes_nothing() {
    let genuine = evidence(1);
    let mut table = Table::new(3);
    table.deliver_all();
    table.give(3, 2, &in_envelope(&table, 3, &genuine));
    table.assert_done();
    assert!(table.mail.is_empty());
}

#[test]
fn evidence_is_repeated_until_it_arrives() {
    let mut table = Table::new(3);
    let bad = table.forge(1, table.find(1, 2, Kind::Round, 1).envelope(), |envelope| {
        envelope.broadcast = Part::Whole(vec![9]);
    });
    table.give(1, 2, &bad);
    table.mail.clear();
    table.session(2).retransmit();
    table.collect();
    table.deliver(|mail| mail.from == p(2));
    table.assert_convicts(3, 1, "undecodable");
}

#[test]
fn an_abort_is_reported_once() {
    let mut table = Table::new(3);
    table.reach(2);
    // Party 1 is convicted of a false opening, and goes on to do everything else wrong.
    let open = whole(&Message::Open(77, Vec::new()));
    let bad =
        table.forge(1, table.find(1, 2, Kind::Round, 2).envelope(), |envelope| envelope.broadcast = open);
    table.give(1, 2, &bad);
    table.assert_convicts(2, 1, "opened something else");
    let worse = table.forge(1, bad, |envelope| envelope.broadcast = whole(&Message::Commit(commitment(1))));
    table.give(1, 2, &worse);
    for _ in 0..300 {
        table.hand(1, 2, b"garbage");
    }
    table.expire_all();
    table.deliver_all();
    table.assert_convicts(2, 1, "opened something else");
}
