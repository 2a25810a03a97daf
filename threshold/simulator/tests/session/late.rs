//! What a party that has ended does for those that are behind, and what it keeps for it.

use quorate_session::{Action, Kind, MAX_MESSAGES_PER_PEER, Part};

use crate::table::{Table, p};
use crate::toy::RECEIPT;

/// All but party 3 have ended; it lacks the last message of party 2. Nothing is on its way.
fn party_3_is_behind() -> Table {
    let mut table = Table::new(3);
    table.deliver(|mail| !mail.is(Kind::Round, RECEIPT));
    table.mail.clear();
    assert!(table.session(2).is_finished() && !table.session(3).is_finished());
    table
}

#[test]
fn who_repeats_itself_is_answered_and_nobody_else() {
    let mut table = party_3_is_behind();
    table.session(3).retransmit();
    table.collect();
    table.deliver(|mail| mail.from == p(3));
    assert!(!table.mail.is_empty() && table.mail.iter().all(|mail| mail.to == p(3)));
    table.deliver_all();
    table.assert_done();
}

#[test]
fn a_retired_session_answers_as_before() {
    let mut table = party_3_is_behind();
    table.session(2).retire();
    let dispute = table.seal(1, table.header(1, Kind::Dispute, 1), Part::Whole(vec![0]), Part::Absent);
    table.give(1, 2, &dispute);
    let retired = table.find(2, 3, Kind::Dispute, 1).bytes;
    table.give(1, 2, &dispute);
    assert_eq!(table.mail.iter().filter(|mail| mail.is(Kind::Dispute, 1)).count(), 2, "once to each");
    let mut other = party_3_is_behind();
    other.give(1, 2, &dispute);
    assert_eq!(other.find(2, 3, Kind::Dispute, 1).bytes, retired);

    table.mail.clear();
    table.session(3).retransmit();
    table.collect();
    table.deliver_all();
    table.assert_done();
}

#[test]
fn what_others_sent_is_not_kept_after_the_end() {
    let mut table = Table::new(3);
    table.reach(2);
    let dispute =
        table.seal(2, table.header(2, Kind::Dispute, 1), Part::Whole(vec![7; 100_000]), Part::Absent);
    table.give(2, 1, &dispute);
    table.deliver_all();
    table.assert_done();
    let session = table.session(1);
    assert!(session.size() > 100_000);
    session.retire();
    assert!(session.size() < 16 * 1024, "{}", session.size());
    assert!(session.envelopes(2).iter().all(|envelope| **envelope == envelope.without_parts()));
}

#[test]
fn a_running_session_does_not_retire() {
    let mut table = Table::new(3);
    table.reach(2);
    table.session(1).retire();
    table.deliver_all();
    table.assert_done();
}

/// How often party 2, which has ended, answers so many repeats of one message.
fn answers(repeats: usize) -> usize {
    let mut table = party_3_is_behind();
    table.session(3).retransmit();
    table.collect();
    let again = table.find(3, 2, Kind::Round, 3);
    table.mail.clear();
    let mut answers = 0;
    for _ in 0..repeats {
        table.hand(3, 2, &again.bytes);
        answers += usize::from(!table.mail.is_empty());
        table.mail.clear();
    }
    answers
}

#[test]
fn answers_become_ever_rarer() {
    assert_eq!([1, 2, 3, 4, 7, 8, 100].map(answers), [1, 2, 2, 3, 3, 4, 7]);
}

#[test]
fn parties_that_have_ended_soon_fall_silent() {
    let mut table = Table::new(3);
    table.deliver_all();
    table.assert_done();
    for session in table.seats.values_mut() {
        session.retransmit();
    }
    table.collect();
    // Each repeat makes its recipient repeat itself.
    let mut said = 0;
    while let Some(mail) = table.mail.pop_front() {
        said += 1;
        assert!(said < 6 * usize::try_from(MAX_MESSAGES_PER_PEER).unwrap());
        table.hand(mail.from.get(), mail.to.get(), &mail.bytes);
    }
    assert!(said < 100, "{said}");
}

#[test]
fn an_abort_is_shown_to_who_is_behind() {
    let mut table = Table::new(3);
    let bad = table.forge(1, table.find(1, 2, Kind::Round, 1).envelope(), |envelope| {
        envelope.broadcast = Part::Whole(vec![9]);
    });
    table.give(1, 2, &bad);
    table.session(2).retire();
    table.mail.clear();
    table.session(3).retransmit();
    assert!(matches!(table.session(3).next_action(), Some(Action::Send { .. })));
    table.session(3).retransmit();
    table.collect();
    table.deliver(|mail| mail.from != p(1) && mail.to != p(1));
    table.assert_convicts(3, 1, "undecodable");
}
