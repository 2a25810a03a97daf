//! Accusations, judged from signed messages alone.

use std::collections::BTreeMap;

use quorate_paillier::proofs::{fac, modulus, prm};
use quorate_paillier::{PublicKeys, Sizes};
use quorate_session::{Agreement, Record};
use quorate_sharing::{PartyIndex, Secp256k1};

use super::message::{ACKNOWLEDGE, COMMIT, Fault, Message, ModulusProofs, OPEN, Open, PROVE};
use super::protocol::{Setup, commitment, common, factors_context};
use super::{PublicAuxiliary, proof_context};

/// `None` or `false` when the record does not show that `accused` committed `fault`.
pub(super) fn judge(
    agreement: &Agreement,
    setup: &Setup,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    let sizes = Sizes::from_id(setup.sizes)?;
    let session = agreement.session();
    let author = agreement.committee().member(accused)?.identity;
    let context = proof_context(&session, &author);
    let keys = || -> Option<PublicKeys> { opened(record, accused)?.keys.decode(sizes).ok() };
    Some(match fault {
        Fault::UnexpectedMessage { round } => unexpected(*round, accused, record)?,
        Fault::Opening => {
            let Message::Commit(commit) = record.broadcast(COMMIT, accused)? else { return None };
            commitment(&session, &author, &opened(record, accused)?) != commit
        }
        Fault::Keys => opened(record, accused)?.keys.decode(sizes).is_err(),
        Fault::RingPedersen { verifier } => {
            let Message::RingPedersen(proof) = record.direct(OPEN, accused, *verifier)? else { return None };
            prm::verify(&context, &keys()?, &proof).is_err()
        }
        Fault::Modulus { verifier } => {
            let common = confirmed_common(agreement, accused, record)?;
            let proofs = proofs(record, accused, *verifier)?;
            modulus::verify(&context.field("common", &common), &keys()?, &proofs.modulus).is_err()
        }
        Fault::Factors { verifier } => {
            let common = confirmed_common(agreement, accused, record)?;
            let proofs = proofs(record, accused, *verifier)?;
            let name = agreement.committee().member(*verifier)?.identity;
            let verifier = opened(record, *verifier)?.keys.decode(sizes).ok()?;
            let context = factors_context(&context.field("common", &common), &name);
            fac::verify::<Secp256k1>(&context, &keys()?, &verifier, &verifier, &proofs.factors).is_err()
        }
        Fault::Transcript => {
            let Message::Ready(digest) = record.broadcast(ACKNOWLEDGE, accused)? else { return None };
            let mut all = BTreeMap::new();
            for member in agreement.committee().members() {
                all.insert(member.identity, opened(record, member.index)?.keys);
            }
            let public = PublicAuxiliary { sizes: setup.sizes, epoch: agreement.epoch(), keys: all };
            record.confirms(agreement, accused, OPEN) && digest != public.digest()
        }
    })
}

fn opened(record: &Record, party: PartyIndex) -> Option<Open> {
    match record.broadcast(OPEN, party)? {
        Message::Open(open) => Some(*open),
        _ => None,
    }
}

fn proofs(record: &Record, from: PartyIndex, to: PartyIndex) -> Option<ModulusProofs> {
    match record.direct(PROVE, from, to)? {
        Message::Modulus(proofs) => Some(*proofs),
        _ => None,
    }
}

/// The common random number of the openings that the accused signed to have seen.
fn confirmed_common(agreement: &Agreement, accused: PartyIndex, record: &Record) -> Option<[u8; 32]> {
    record.confirms(agreement, accused, OPEN).then_some(())?;
    let opens = agreement.committee().indices().map(|party| opened(record, party));
    Some(common(opens.collect::<Option<Vec<_>>>()?.iter()))
}

/// Whether what `party` sent in `round` is none of the messages of that round. Of a part that only its digest stands for nothing can be
/// said.
fn unexpected(round: u8, party: PartyIndex, record: &Record) -> Option<bool> {
    let parts = record.parts::<Message>(round, party)?;
    let addressed = record.envelope(round, party)?.header.recipient.is_some();
    Some(match (round, parts) {
        (COMMIT, (Some(Message::Commit(_)), None)) | (ACKNOWLEDGE, (Some(Message::Ready(_)), None)) => false,
        (OPEN, (Some(Message::Open(_)), Some(Message::RingPedersen(_))))
        | (PROVE, (None, Some(Message::Modulus(_)))) => !addressed,
        // Nor does an honest party sign anything in a round that there is not.
        _ => true,
    })
}
