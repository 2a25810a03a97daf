//! What is proven: plain functions of signed messages, the same for a party in the session and for a judge offline.

use std::collections::BTreeMap;

use quorate_session::{Agreement, Envelope, IdentityVerifier, Kind, Part, Record, Wire};
use quorate_sharing::{Commitment, Curve, FacingKeys, PartyIndex};

use crate::dealing::{
    check_commit, decode_coefficients, decode_proof, delivery_context, facing_key, is_sealed_share,
    opening_digest, share_fits,
};
use crate::key::{key_digest, public_shares};
use crate::message::{ACKNOWLEDGE, COMMIT, Commit, Complaint, Fault, Message, OPEN};
use crate::proof::challenge;
use crate::refusal::is_promise;

/// Whether the record shows that `accused` committed `fault`; `None` when it does not hold what is needed to tell.
pub(crate) fn judge<C: Curve>(
    agreement: &Agreement,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    let commit = |party| match record.broadcast(COMMIT, party)? {
        Message::Commit(commit) => Some(commit),
        _ => None,
    };
    let open = |party| match record.broadcast(OPEN, party)? {
        Message::Open(open) => Some(open),
        _ => None,
    };
    let complaint = |party| match record.broadcast(ACKNOWLEDGE, party)? {
        Message::Complaint(complaint) => Some(complaint),
        _ => None,
    };
    let commits = || {
        let parties = agreement.committee().indices();
        parties.map(|party| Some((party, commit(party)?))).collect::<Option<BTreeMap<_, _>>>()
    };
    Some(match fault {
        Fault::UnexpectedMessage { round } => unexpected(*round, accused, record)?,
        Fault::FacingKeys => {
            let commit = commit(accused)?;
            check_commit(agreement, &commit).is_err() || !commit.facing.iter().all(FacingKeys::is_valid)
        }
        Fault::Opening => {
            opening_digest(&agreement.session(), accused, &open(accused)?) != commit(accused)?.opening
        }
        Fault::Coefficients => decode_coefficients::<C>(agreement, &open(accused)?).is_err(),
        Fault::KnowledgeProof => {
            let open = open(accused)?;
            match decode_proof::<C>(&open) {
                Err(_) => true,
                // The accused answered the challenge of the commitments that it confirmed, which must be these.
                Ok(proof) => {
                    let commitment = decode_coefficients::<C>(agreement, &open).ok()?;
                    let challenge = challenge::<C>(&agreement.session(), &commits()?);
                    record.confirms(agreement, accused, COMMIT) && !proof.verify(&challenge, &commitment)
                }
            }
        }
        // The accused confirmed the commitments of round 1 in the header of the delivery that the complaint shows.
        Fault::BadShare { complainer } => {
            let complaint = complaint(*complainer)?;
            let echo = record.echo(agreement, COMMIT);
            complaint.accused == accused
                && complaint_holds::<C>(agreement, &commits()?, echo, *complainer, &complaint)
        }
        Fault::FalseComplaint => {
            let complaint = complaint(accused)?;
            let echo = record.echo(agreement, COMMIT);
            record.confirms(agreement, accused, COMMIT)
                && !complaint_holds::<C>(agreement, &commits()?, echo, accused, &complaint)
        }
        Fault::Transcript => {
            let Message::Ready(transcript) = record.broadcast(ACKNOWLEDGE, accused)? else { return None };
            let opens = agreement.committee().indices().map(open).collect::<Option<Vec<_>>>()?;
            let commitments = opens.iter().map(|open| decode_coefficients::<C>(agreement, open).ok());
            let sum = Commitment::sum(&commitments.collect::<Option<Vec<_>>>()?).ok()?;
            let public = public_shares(agreement, &sum, opens.iter().map(|open| open.chain_code)).ok()?;
            record.confirms(agreement, accused, OPEN)
                && transcript != key_digest(&agreement.session(), &public)
        }
        Fault::BrokenPromise { promise } => {
            let member = agreement.committee().member(accused)?;
            matches!(record.broadcast(ACKNOWLEDGE, accused)?, Message::Ready(_))
                && is_promise(&agreement.session(), &member.identity, promise)
        }
    })
}

/// Whether what `party` sent in `round` is none of the messages of that round.
fn unexpected(round: u8, party: PartyIndex, record: &Record) -> Option<bool> {
    let parts = record.parts::<Message>(round, party)?;
    Some(match (round, parts) {
        (COMMIT, (Some(Message::Commit(_)), None))
        | (ACKNOWLEDGE, (Some(Message::Ready(_) | Message::Complaint(_)), None)) => false,
        (OPEN, (Some(Message::Open(_)), Some(Message::Share(sealed)))) => !is_sealed_share(&sealed),
        // Nor does an honest party sign anything in a round that there is not.
        _ => true,
    })
}

/// Judges a complaint: `true` if it shows that the accused sent a wrong share, `false` if it shows nothing, which
/// convicts the complaining party.
///
/// `commits` are the broadcasts of round 1 and `echo` their digest, which the complaining party must have confirmed.
/// That the accused confirmed it too stands in the header of its delivery.
pub(crate) fn complaint_holds<C: Curve>(
    agreement: &Agreement,
    commits: &BTreeMap<PartyIndex, Commit>,
    echo: Option<[u8; 32]>,
    complainer: PartyIndex,
    complaint: &Complaint,
) -> bool {
    let Complaint { accused, envelope, disclosure } = complaint;
    let genuine = is_delivery(envelope, *accused, complainer)
        && envelope.header.echo == echo
        && envelope.is_signed_in(agreement, &IdentityVerifier);
    if !genuine {
        return false;
    }
    let decode = |part: &Part| part.whole().and_then(|body| Message::from_wire(body).ok());
    let (Some(Message::Open(open)), Some(Message::Share(sealed))) =
        (decode(&envelope.broadcast), decode(&envelope.direct))
    else {
        return false;
    };
    let key = |owner, peer| facing_key(agreement, commits.get(&owner)?, owner, peer);
    let (Some(mine), Some(theirs)) = (key(complainer, *accused), key(*accused, complainer)) else {
        return false;
    };
    let Ok(commitment) = decode_coefficients::<C>(agreement, &open) else {
        return false;
    };
    let context = delivery_context(&agreement.session());
    let Ok(channel) = disclosure.verify(&context, (complainer, &mine), (*accused, &theirs)) else {
        return false;
    };
    match channel.open(&context, *accused, complainer, &sealed) {
        Ok(plaintext) => !share_fits::<C>(plaintext.expose(), complainer, &commitment),
        Err(_) => true,
    }
}

/// Whether `to` would have taken this envelope for the delivery of `dealer`. A session takes an envelope that names no
/// recipient; a dealer that signs such a one must not turn the complaint against the complaining party.
fn is_delivery(envelope: &Envelope, dealer: PartyIndex, to: PartyIndex) -> bool {
    let header = &envelope.header;
    header.sender == dealer
        && header.recipient.is_none_or(|recipient| recipient == to)
        && header.kind == Kind::Round
        && header.round == OPEN
}
