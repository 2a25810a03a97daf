//! What is proven: plain functions of signed messages, the same for a party in the session and for a judge offline.

use std::collections::BTreeMap;

use quorate_session::{Agreement, Envelope, IdentityVerifier, Kind, Part, Record, Wire};
use quorate_sharing::{Commitment, Curve, FacingKeys, PartyIndex, PublicShares};

use crate::dealt::{
    check_commit, decode_coefficients, decode_proof, delivery_context, facing_key, is_sealed_share,
    opening_digest, share_fits,
};
use crate::key::{key_digest, public_shares};
use crate::message::{ACKNOWLEDGE, COMMIT, Commit, Complaint, Fault, Message, OPEN, Open};
use crate::plan::{Plan, Purpose};
use crate::proof::{challenge, knows_share};
use crate::refusal::is_promise;

/// Whether the record shows that `accused` committed `fault`; `None` when it does not hold what is needed to tell.
pub(crate) fn judge<C: Curve, P: Purpose<C>>(
    agreement: &Agreement,
    plan: &Plan,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    let commit = |party| match record.broadcast(COMMIT, party)? {
        Message::Commit(commit) => Some(commit),
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
        Fault::UnexpectedMessage { round } => unexpected(plan, *round, accused, record)?,
        Fault::FacingKeys => {
            let commit = commit(accused)?;
            check_commit(plan, accused, &commit).is_err() || !commit.facing.iter().all(FacingKeys::is_valid)
        }
        Fault::Opening => {
            let opened = opening_digest::<C, P>(&agreement.session(), accused, &open(record, accused)?);
            opened != commit(accused)?.opening
        }
        Fault::Coefficients => decode_coefficients::<C>(plan, &open(record, accused)?).is_err(),
        Fault::Constant => {
            let dealt = decode_coefficients::<C>(plan, &open(record, accused)?).ok()?;
            plan.kept()?.constant::<C>(accused)? != dealt.constant()
        }
        Fault::KnowledgeProof => {
            let open = open(record, accused)?;
            match decode_proof::<C>(&open) {
                Err(_) => true,
                // The accused answered the challenge of the commitments that it confirmed, which must be these.
                Ok(proof) => {
                    let commitment = decode_coefficients::<C>(plan, &open).ok()?;
                    let challenge = challenge::<C, P>(&agreement.session(), &commits()?);
                    record.confirms(agreement, accused, COMMIT) && !proof.verify(&challenge, &commitment)
                }
            }
        }
        // The accused confirmed the commitments of round 1 in the header of the delivery that the complaint shows.
        Fault::BadShare { complainer } => {
            let complaint = complaint(*complainer)?;
            let echo = record.echo(agreement, COMMIT);
            complaint.accused == accused
                && complaint_holds::<C, P>(agreement, plan, &commits()?, echo, *complainer, &complaint)
        }
        Fault::FalseComplaint => {
            let complaint = complaint(accused)?;
            let echo = record.echo(agreement, COMMIT);
            record.confirms(agreement, accused, COMMIT)
                && !complaint_holds::<C, P>(agreement, plan, &commits()?, echo, accused, &complaint)
        }
        Fault::Transcript => {
            let key = record.broadcast::<Message>(ACKNOWLEDGE, accused)?.acknowledged()?;
            let public = opened_key::<C, P>(agreement, plan, record)?;
            record.confirms(agreement, accused, OPEN)
                && key != key_digest(P::NAME, &agreement.session(), &public)
        }
        Fault::ShareProof => {
            let Message::Known(known) = record.broadcast(ACKNOWLEDGE, accused)? else { return None };
            let public = opened_key::<C, P>(agreement, plan, record)?;
            let share = C::decode(public.verifying_shares.get(&accused)?)?;
            record.confirms(agreement, accused, OPEN)
                && !knows_share::<C, P>(&agreement.session(), accused, &known, &share)
        }
        Fault::BrokenPromise { promise } => {
            let member = agreement.committee().member(accused)?;
            record.broadcast::<Message>(ACKNOWLEDGE, accused)?.acknowledged()?;
            is_promise(&agreement.session(), &member.identity, promise)
        }
    })
}

fn open(record: &Record, dealer: PartyIndex) -> Option<Open> {
    match record.broadcast(OPEN, dealer)? {
        Message::Open(open) => Some(open),
        _ => None,
    }
}

/// The key that the dealers opened.
fn opened_key<C: Curve, P: Purpose<C>>(
    agreement: &Agreement,
    plan: &Plan,
    record: &Record,
) -> Option<PublicShares> {
    let opens = plan.dealers().iter().map(|dealer| open(record, *dealer)).collect::<Option<Vec<_>>>()?;
    let commitments = opens.iter().map(|open| decode_coefficients::<C>(plan, open).ok());
    let sum = Commitment::sum(&commitments.collect::<Option<Vec<_>>>()?).ok()?;
    public_shares::<C, P>(agreement, plan, &sum, opens.iter().map(|open| open.chain_code)).ok()
}

/// Whether what `party` sent in `round` is none of the messages of that round.
fn unexpected(plan: &Plan, round: u8, party: PartyIndex, record: &Record) -> Option<bool> {
    let parts = record.parts::<Message>(round, party)?;
    let recipient = record.envelope(round, party)?.header.recipient;
    Some(match (round, parts) {
        (COMMIT, (Some(Message::Commit(_)), None)) => false,
        (OPEN, (Some(Message::Nothing), None)) => plan.deals(party),
        // Each is sent its own: with a share if it is a receiver, and without if it is none.
        (OPEN, (Some(Message::Open(_)), Some(Message::Share(sealed)))) => {
            let expected = plan.deals(party) && recipient.is_none_or(|recipient| plan.receives(recipient));
            !expected || !is_sealed_share(&sealed)
        }
        (OPEN, (Some(Message::Open(_)), None)) => {
            !plan.deals(party) || recipient.is_none_or(|recipient| plan.receives(recipient))
        }
        (ACKNOWLEDGE, (Some(Message::Ready(_)), None)) => plan.proves_share(party),
        (ACKNOWLEDGE, (Some(Message::Known(_)), None)) => !plan.proves_share(party),
        (ACKNOWLEDGE, (Some(Message::Complaint(_)), None)) => !plan.receives(party),
        // Nor does an honest party sign anything in a round that there is not.
        _ => true,
    })
}

/// Judges a complaint: `true` if it shows that the accused sent a wrong share, `false` if it shows nothing, which
/// convicts the complaining party.
///
/// `commits` are the broadcasts of round 1 and `echo` their digest, which the complaining party must have confirmed.
/// That the accused confirmed it too stands in the header of its delivery.
pub(crate) fn complaint_holds<C: Curve, P: Purpose<C>>(
    agreement: &Agreement,
    plan: &Plan,
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
    let key = |owner, peer| facing_key(plan, commits.get(&owner)?, owner, peer);
    let (Some(mine), Some(theirs)) = (key(complainer, *accused), key(*accused, complainer)) else {
        return false;
    };
    let Ok(commitment) = decode_coefficients::<C>(plan, &open) else {
        return false;
    };
    let context = delivery_context::<C, P>(&agreement.session());
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
