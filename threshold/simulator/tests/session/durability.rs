//! Nothing that depends on a checkpoint leaves before it is on disk.

use quorate_session::{Abort, Kind, Part, Wire};

use crate::table::{Table, p, value, whole};
use crate::toy::{Message, RECEIPT};

/// All parties in round 3, party 1 with a checkpoint that is not stored.
fn waiting() -> Table {
    let mut table = Table::new(3);
    table.slow_disks = vec![p(1)];
    table.deliver(|mail| mail.envelope().header.round < 3);
    assert_eq!(table.checkpoints.keys().copied().collect::<Vec<_>>(), [p(1)]);
    table
}

fn spoken(table: &Table) -> bool {
    table.mail.iter().any(|mail| mail.from == p(1) && mail.is(Kind::Round, 3))
}

#[test]
fn messages_wait_until_their_checkpoint_is_stored() {
    let mut table = waiting();
    table.session(1).retransmit();
    table.collect();
    table.deliver_all();
    // Everybody else has spoken; party 1 has not, and has not ended.
    assert!(!spoken(&table) && table.outputs.is_empty());
    assert_eq!(table.session(3).waiting_for(), [p(1)]);
    table.store(1);
    assert!(spoken(&table));
    table.deliver_all();
    table.assert_done();
}

#[test]
fn a_party_that_crashes_before_its_checkpoint_is_stored_has_said_nothing() {
    let mut table = waiting();
    table.deliver_all();
    table.seats.remove(&p(1));
    table.deliver_all();
    table.expire_all();
    table.assert_attributes(2, &[1], "silent in round 3");
    table.assert_attributes(3, &[1], "silent in round 3");
}

#[test]
fn what_waits_for_its_checkpoint_is_shown_to_the_caller_and_to_nobody_else() {
    let mut table = waiting();
    let own: Vec<_> =
        table.session(1).envelopes(3).into_iter().filter(|envelope| envelope.header.sender == p(1)).collect();
    assert_eq!(own.len(), 1);
    assert!(table.session(1).envelopes(4).is_empty(), "it belongs to round 3 alone");
    table.deliver(|mail| mail.to == p(1) && mail.is(Kind::Round, 3) && mail.from == p(3));
    let order: Vec<_> = table.session(1).envelopes(3).iter().map(|envelope| envelope.header.sender).collect();
    assert_eq!(order, [p(1), p(3)]);

    // Party 2 adds up wrongly, which is proven with all messages but that one.
    let sent = table.find(2, 1, Kind::Round, 3).envelope();
    let wrong = table.forge(2, sent, |envelope| envelope.broadcast = whole(&Message::Ready(1)));
    table.give(2, 1, &wrong);
    table.assert_convicts(1, 2, "added up wrongly");
    let secret = whole(&Message::Ready(1000 + [1, 2, 3].map(|i| value(p(i))).iter().sum::<u64>()));
    let Part::Whole(secret) = secret else { unreachable!() };
    let Some(Abort::Proven { evidence }) = table.aborts.get(&p(1)) else { unreachable!() };
    let shown = evidence[0].to_wire().unwrap();
    let echo = own[0].to_wire().unwrap();
    let signature = &echo[echo.len() - 64..];
    assert!(!shown.windows(64).any(|bytes| bytes == signature));
    let by_party_3 = shown.windows(secret.len()).filter(|bytes| *bytes == secret).count();
    assert_eq!(by_party_3, 1);
}

#[test]
fn an_abort_drops_what_waits_for_a_checkpoint() {
    let mut table = waiting();
    table.mail.clear();
    table.session(1).expire();
    table.collect();
    assert!(matches!(&table.aborts[&p(1)], Abort::Local { reason } if reason.contains("stored")));
    table.store(1);
    table.session(1).retransmit();
    table.collect();
    assert!(!spoken(&table) && table.outputs.is_empty());
}

#[test]
fn a_dispute_while_a_checkpoint_waits_shows_nothing_of_the_next_message() {
    let mut table = waiting();
    table.mail.clear();
    let dispute = table.seal(2, table.header(2, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
    let held = table.session(1).envelopes(3).remove(0).to_wire().unwrap();
    table.give(2, 1, &dispute);
    let shown = table.find(1, 2, Kind::Dispute, 2);
    let signature = &held[held.len() - 64..];
    assert!(!shown.bytes.windows(64).any(|bytes| bytes == signature));
}

#[test]
fn storing_what_was_not_asked_for_changes_nothing() {
    let mut table = Table::new(3);
    let mut rng = table.rng.clone();
    table.session(1).persisted(&mut rng);
    table.deliver(|mail| !mail.is(Kind::Round, RECEIPT));
    table.session(3).persisted(&mut rng);
    table.deliver_all();
    table.assert_done();
}
