//! Messages that no honest party sends: few are ignored, many are blamed on whoever the transport names as sender.

use quorate_session::{Envelope, Header, Kind, MAX_MESSAGES_PER_PEER, MAX_STRIKES, Part, Wire};

use crate::table::{Table, other_commitment, p, whole};
use crate::toy::Message;

/// Hands unusable messages of party 1 to party 2 in round 2: nothing happens up to the limit, and beyond it the
/// session blames party 1.
fn assert_strikes(what: &str, make: impl Fn(&Table) -> Vec<u8>) {
    assert_strikes_in(what, 2, make);
}

fn assert_strikes_in(what: &str, round: u8, make: impl Fn(&Table) -> Vec<u8>) {
    let mut table = Table::new(3);
    table.reach(round);
    let bytes = make(&table);
    for _ in 0..MAX_STRIKES {
        table.hand(1, 2, &bytes);
    }
    assert!(table.aborts.is_empty(), "{what}: {:?}", table.aborts);
    table.deliver_all();
    table.assert_done();

    let mut table = Table::new(3);
    table.reach(round);
    for _ in 0..=MAX_STRIKES {
        table.hand(1, 2, &bytes);
    }
    assert!(table.aborts.contains_key(&p(2)), "{what} does not count");
    table.assert_attributes(2, &[1], "unusable messages");
}

fn wire(envelope: &Envelope) -> Vec<u8> {
    envelope.to_wire().unwrap()
}

/// What party 1 is about to send to party 2 in round 2.
fn genuine(table: &Table) -> Envelope {
    table.find(1, 2, Kind::Round, 2).envelope()
}

#[test]
fn bytes_that_are_no_envelope() {
    assert_strikes("garbage", |_| vec![0xa5; 200]);
    assert_strikes("nothing", |_| Vec::new());
    assert_strikes("oversized", |_| vec![1; Envelope::MAX_BYTES + 1]);
    assert_strikes("truncated", |table| {
        let mut bytes = wire(&genuine(table));
        bytes.pop();
        bytes
    });
    assert_strikes("trailing byte", |table| [wire(&genuine(table)), vec![0]].concat());
    assert_strikes("another version", |table| {
        let mut bytes = wire(&genuine(table));
        bytes[0] = 2;
        bytes
    });
}

#[test]
fn envelopes_of_another_sender_or_recipient() {
    assert_strikes("another's envelope", |table| wire(&table.find(3, 2, Kind::Round, 2).envelope()));
    assert_strikes("for another", |table| wire(&table.find(1, 3, Kind::Round, 2).envelope()));
    assert_strikes("one's own envelope", |table| wire(&table.find(2, 1, Kind::Round, 2).envelope()));
}

#[test]
fn envelopes_of_another_session_epoch_or_attempt() {
    assert_strikes("another session", |table| {
        let session = Table::seeded(3, 2).header(1, Kind::Round, 2).session;
        wire(&table.forge(1, genuine(table), |envelope| envelope.header.session = session))
    });
    assert_strikes("replay from another session", |_| {
        let mut other = Table::seeded(3, 2);
        other.reach(2);
        wire(&genuine(&other))
    });
    assert_strikes("another epoch", |table| {
        wire(&table.forge(1, genuine(table), |envelope| envelope.header.epoch += 1))
    });
    assert_strikes("another attempt", |table| {
        wire(&table.forge(1, genuine(table), |envelope| envelope.header.attempt += 1))
    });
}

#[test]
fn bad_signatures() {
    for at in [1, 32, 63, 64] {
        assert_strikes("flipped signature", |table| {
            let mut bytes = wire(&genuine(table));
            let length = bytes.len();
            bytes[length - at] ^= 1;
            bytes
        });
    }
    assert_strikes("signed by another", |table| {
        let Envelope { header, broadcast, direct, .. } = genuine(table);
        wire(&table.seal(3, header, broadcast, direct))
    });
    assert_strikes("another body under the signature", |table| {
        let mut envelope = genuine(table);
        envelope.broadcast = other_commitment();
        wire(&envelope)
    });
}

#[test]
fn envelopes_without_the_parts_of_their_kind() {
    assert_strikes("digest for the direct part", |table| wire(&genuine(table).without_direct()));
    assert_strikes("digests for both parts", |table| wire(&genuine(table).without_parts()));
    assert_strikes("digest for the broadcast", |table| {
        let mut shown = genuine(table).without_parts();
        shown.direct = genuine(table).direct;
        wire(&shown)
    });
    let with = |table: &Table, kind, broadcast: &Part, direct: &Part| {
        wire(&table.seal(1, table.header(1, kind, 2), broadcast.clone(), direct.clone()))
    };
    let body = whole(&Message::Ready(1));
    for kind in [Kind::Confirmation, Kind::Dispute, Kind::Evidence, Kind::Withdrawal] {
        for (broadcast, direct) in
            [(&body, &body), (&Part::Absent, &body), (&Part::Digest([1; 32]), &Part::Absent)]
        {
            assert_strikes("wrong parts", |table| with(table, kind, broadcast, direct));
        }
    }
    assert_strikes("confirmation with a body", |table| with(table, Kind::Confirmation, &body, &Part::Absent));
    assert_strikes("empty dispute", |table| with(table, Kind::Dispute, &Part::Absent, &Part::Absent));
    assert_strikes("empty evidence", |table| with(table, Kind::Evidence, &Part::Absent, &Part::Absent));
    // Where all that is cheated at can be shown, nobody is believed without.
    let over = borsh::to_vec(&vec![p(2)]).unwrap();
    let over = Part::Whole([vec![quorate_session::WIRE_VERSION], over].concat());
    assert_strikes("withdrawal", |table| with(table, Kind::Withdrawal, &over, &Part::Absent));
}

#[test]
fn the_whole_message_counts_after_its_digest_was_refused() {
    let mut table = Table::new(3);
    table.reach(2);
    let genuine = genuine(&table);
    table.give(1, 2, &genuine.without_direct());
    table.give(1, 2, &genuine.without_parts());
    table.deliver_all();
    table.assert_done();
}

#[test]
fn messages_of_a_time_that_is_not() {
    let body = whole(&Message::Ready(1));
    for round in [0, 4, 5, 255] {
        assert_strikes("far too early, or before the beginning", |table| {
            wire(&table.seal(1, table.header(1, Kind::Round, round), body.clone(), Part::Absent))
        });
    }
    for round in [0, 1, 3, 255] {
        let confirmation = |table: &Table, echo| {
            let header = Header { echo, ..table.header(1, Kind::Confirmation, round) };
            wire(&table.seal(1, header, Part::Absent, Part::Absent))
        };
        assert_strikes("confirmation out of time", |table| confirmation(table, Some([1; 32])));
        if round > 2 {
            assert_strikes("question about a round that has not begun", |table| confirmation(table, None));
        }
        if round != 1 {
            assert_strikes("dispute out of time", |table| {
                wire(&table.seal(1, table.header(1, Kind::Dispute, round), body.clone(), Part::Absent))
            });
        }
    }
    assert_strikes_in("dispute about a round that is not echoed", 3, |table| {
        wire(&table.seal(1, table.header(1, Kind::Dispute, 3), body.clone(), Part::Absent))
    });
    assert_strikes_in("confirmation of a round that is not confirmed", 1, |table| {
        let header = Header { echo: Some([1; 32]), ..table.header(1, Kind::Confirmation, 1) };
        wire(&table.seal(1, header, Part::Absent, Part::Absent))
    });
    assert_strikes("late, and not what was there in time", |table| {
        let mut header = table.header(1, Kind::Round, 1);
        header.recipient = Some(p(2));
        let sent = Table::new(3).find(1, 2, Kind::Round, 1).envelope();
        wire(&table.seal(1, header, sent.broadcast, Part::Absent))
    });
}

/// Who has said nothing yet asks so, but where it would be a false confirmation.
#[test]
fn a_question_what_was_said_is_not_counted() {
    for (now, round) in [(2, 0), (2, 1), (1, 1)] {
        let mut table = Table::new(3);
        table.reach(now);
        let question = table.seal(1, table.header(1, Kind::Confirmation, round), Part::Absent, Part::Absent);
        for _ in 0..MAX_STRIKES + 2 {
            table.hand(1, 2, &wire(&question));
        }
        assert!(table.aborts.is_empty(), "{:?}", table.aborts);
        table.deliver_all();
        table.assert_done();
    }
}

#[test]
fn a_party_that_is_not_expected_in_a_round() {
    // Party 1 owes no receipt.
    let mut table = Table::new(3);
    table.deliver(|mail| mail.envelope().header.round < 3);
    table.deliver(|mail| mail.to != p(3));
    table.deliver(|mail| mail.is(Kind::Round, 3));
    assert_eq!(table.session(3).waiting_for(), [p(2)]);
    let mut header = table.header(1, Kind::Round, 4);
    header.recipient = Some(p(3));
    let receipt = table.seal(1, header, Part::Absent, whole(&Message::Receipt(0)));
    for _ in 0..MAX_STRIKES {
        table.give(1, 3, &receipt);
    }
    assert!(table.aborts.is_empty());
    table.give(1, 3, &receipt);
    table.assert_attributes(3, &[1], "unusable");
}

#[test]
fn strangers_and_echoes_of_oneself_are_not_heard() {
    let mut table = Table::new(3);
    let own = table.find(2, 1, Kind::Round, 1);
    for _ in 0..2 * MAX_MESSAGES_PER_PEER {
        table.hand(77, 2, b"garbage");
        table.hand(2, 2, b"garbage");
    }
    table.hand(2, 2, &own.bytes);
    table.deliver_all();
    table.assert_done();
}

#[test]
fn a_second_dispute_of_one_round_counts() {
    let mut table = Table::new(3);
    table.reach(2);
    let dispute = |table: &Table, body: &[u8]| {
        table.seal(1, table.header(1, Kind::Dispute, 1), Part::Whole(body.to_vec()), Part::Absent)
    };
    // One that shows nothing.
    table.give(1, 2, &dispute(&table, &[1, 0, 0, 0, 0, 0, 0, 0, 0]));
    for _ in 0..MAX_STRIKES {
        table.give(1, 2, &dispute(&table, &[1]));
    }
    assert!(table.aborts.is_empty());
    table.give(1, 2, &dispute(&table, &[1]));
    table.assert_attributes(2, &[1], "unusable");
}

#[test]
fn a_dispute_that_cannot_be_read_counts() {
    let mut table = Table::new(3);
    table.reach(2);
    for _ in 0..MAX_STRIKES {
        table.hand(1, 2, b"garbage");
    }
    let dispute = table.seal(1, table.header(1, Kind::Dispute, 1), Part::Whole(vec![0]), Part::Absent);
    assert!(table.aborts.is_empty());
    table.give(1, 2, &dispute);
    table.assert_attributes(2, &[1], "unusable");
}

#[test]
fn a_flood_is_blamed_whatever_it_is_made_of() {
    let mut table = Table::new(3);
    let message = table.find(1, 2, Kind::Round, 1);
    for _ in 0..MAX_MESSAGES_PER_PEER {
        table.hand(1, 2, &message.bytes);
    }
    assert!(table.aborts.is_empty());
    table.hand(1, 2, &message.bytes);
    table.assert_attributes(2, &[1], "messages");
    // Beyond the limit nothing is looked at any more.
    for _ in 0..10 {
        table.hand(1, 2, &message.bytes);
    }
    assert!(table.mail.iter().all(|mail| mail.is(Kind::Round, 1)));
}

#[test]
fn strikes_after_the_end_change_nothing() {
    let mut table = Table::new(3);
    table.deliver_all();
    for _ in 0..2 * MAX_MESSAGES_PER_PEER {
        table.hand(1, 2, b"garbage");
    }
    table.assert_done();
    assert!(table.aborts.is_empty() && table.mail.is_empty());
}

#[test]
fn two_signatures_under_one_message_are_no_contradiction() {
    // The same words for the same round, for all instead of for one: useless, but nothing to be convicted of.
    let mut table = Table::new(3);
    table.reach(3);
    let sent = table.find(1, 2, Kind::Round, 3).envelope();
    table.deliver(|mail| mail.to == p(2));
    let again = table.forge(1, sent, |envelope| envelope.header.recipient = Some(p(2)));
    table.give(1, 2, &again);
    table.deliver_all();
    table.assert_done();
}
