//! Accusations, judged from signed messages alone.

use std::collections::BTreeMap;

use frost_core::round1::SigningCommitments;
use frost_core::round2::SignatureShare;
use quorate_session::{Agreement, Record};
use quorate_sharing::PartyIndex;

use crate::key::{identifier, public_package};
use crate::message::{COMMIT, Fault, Message, SHARE};
use crate::nonces::decode_commitments;
use crate::package::Package;
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
            let Message::Commitments { hiding, binding } = record.broadcast(COMMIT, accused)? else {
                return None;
            };
            Some(decode_commitments::<S>(&hiding, &binding).is_none())
        }
        Fault::MalformedShare => {
            let bytes = share_bytes(setup, accused, record)?;
            Some(SignatureShare::<S::Ciphersuite>::deserialize(&bytes).is_err())
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
        (COMMIT, (Some(Message::Commitments { .. }), None)) => true,
        (SHARE, (None, Some(Message::Share(_)))) => recipient == Some(setup.aggregator),
        _ => false,
    };
    Some((COMMIT..=SHARE).contains(&round) && !expected)
}

/// What the accused sent to the aggregator as its share.
fn share_bytes(setup: &Setup, accused: PartyIndex, record: &Record) -> Option<Vec<u8>> {
    match record.direct(SHARE, accused, setup.aggregator)? {
        Message::Share(bytes) => Some(bytes),
        Message::Commitments { .. } => None,
    }
}

/// Whether the share does not fit the commitments that its author signed to have seen.
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
    let share = SignatureShare::deserialize(&share_bytes(setup, accused, record)?).ok()?;
    let mut commitments: BTreeMap<_, SigningCommitments<S::Ciphersuite>> = BTreeMap::new();
    for party in agreement.committee().indices() {
        let Message::Commitments { hiding, binding } = record.broadcast(COMMIT, party)? else { return None };
        commitments.insert(identifier::<S>(party).ok()?, decode_commitments::<S>(&hiding, &binding)?);
    }
    let public = public_package::<S>(setup, agreement.committee().indices()).ok()?;
    let package = Package::<S>::new(commitments, &setup.message, public.verifying_key()).ok()?;
    let accused = identifier::<S>(accused).ok()?;
    Some(!package.share_is_right(&accused, &share, public.verifying_shares().get(&accused)?))
}
