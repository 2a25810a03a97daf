//! Accusations, judged from signed messages alone.

use std::collections::BTreeMap;

use quorate_session::{Agreement, Record};
use quorate_sharing::PartyIndex;

use crate::key::{identifier, public_package};
use crate::message::{COMMIT, Fault, Message, SHARE};
use crate::nonces::decode_commitments;
use crate::package::{Package, decode_shares};
use crate::setup::Setup;
use crate::suite::Suite;

/// `None` or `false` when the record does not show that `accused` committed `fault`.
pub(crate) fn judge<S: Suite>(
    agreement: &Agreement,
    setup: &Setup,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    match fault {
        Fault::UnexpectedMessage { round } => is_unexpected(setup, accused, *round, record),
        Fault::Commitments => {
            let Message::Commitments(commitments) = record.broadcast(COMMIT, accused)? else { return None };
            Some(decode_commitments::<S>(&commitments, setup.tasks.len()).is_none())
        }
        Fault::MalformedShares => {
            let shares = shares_sent(setup, accused, record)?;
            Some(decode_shares::<S>(&shares, setup.tasks.len()).is_none())
        }
        Fault::WrongShare => is_wrong::<S>(agreement, setup, accused, record),
    }
}

/// Whether a signed message of a round is another than the round has. Of a part that only its digest stands for nothing
/// can be said.
fn is_unexpected(setup: &Setup, accused: PartyIndex, round: u8, record: &Record) -> Option<bool> {
    let parts = record.parts::<Message>(round, accused)?;
    let recipient = record.envelope(round, accused)?.header.recipient;
    let expected = match (round, parts) {
        (COMMIT, (Some(Message::Commitments(_)), None)) => true,
        (SHARE, (None, Some(Message::Shares(_)))) => recipient == Some(setup.aggregator),
        _ => false,
    };
    Some((COMMIT..=SHARE).contains(&round) && !expected)
}

/// What the accused sent to the aggregator as its shares.
fn shares_sent(setup: &Setup, accused: PartyIndex, record: &Record) -> Option<Vec<Vec<u8>>> {
    match record.direct(SHARE, accused, setup.aggregator)? {
        Message::Shares(shares) => Some(shares),
        Message::Commitments(_) => None,
    }
}

/// Whether a share does not fit the commitments that its author signed to have seen.
fn is_wrong<S: Suite>(
    agreement: &Agreement,
    setup: &Setup,
    accused: PartyIndex,
    record: &Record,
) -> Option<bool> {
    // With other commitments than those it saw, every share is wrong.
    if !record.confirms(agreement, accused, COMMIT) {
        return None;
    }
    let shares = decode_shares::<S>(&shares_sent(setup, accused, record)?, setup.tasks.len())?;
    let mut commitments = BTreeMap::new();
    for party in agreement.committee().indices() {
        let Message::Commitments(sent) = record.broadcast(COMMIT, party)? else { return None };
        commitments.insert(party, decode_commitments::<S>(&sent, setup.tasks.len())?);
    }
    let identifier = identifier::<S>(accused).ok()?;
    for (index, (task, share)) in setup.tasks.iter().zip(&shares).enumerate() {
        let public = public_package::<S>(setup, task, agreement.committee().indices()).ok()?;
        let package = Package::<S>::of(&commitments, index, task, public.verifying_key()).ok()?;
        if !package.share_is_right(&identifier, share, public.verifying_shares().get(&identifier)?) {
            return Some(true);
        }
    }
    Some(false)
}
