//! Evidence convicts its culprit of what the culprit did, and can't be bent to anything else.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize as _, BorshSerialize};
use quorate_keys::Transcript;
use quorate_session::{
    Abort, Agreement, Claim, Envelope, Evidence, Header, Kind, Part, Protocol, ProtocolId, Wire,
};
use quorate_sharing::PartyIndex;

use crate::table::{SETUP, Table, other_commitment, p, whole};
use crate::toy::{Fault, Message, Setup, Toy, commitment};

/// The fields of evidence, in its encoding.
#[derive(Clone, BorshSerialize)]
struct Raw {
    protocol: ProtocolId,
    agreement: Agreement,
    setup: Vec<u8>,
    accused: PartyIndex,
    claim: Claim,
    envelopes: Vec<Envelope>,
}

type Fields = (ProtocolId, Agreement, Vec<u8>, PartyIndex, Claim, Vec<Envelope>);

impl Raw {
    fn of(evidence: &Evidence) -> Self {
        let fields = Fields::try_from_slice(&borsh::to_vec(evidence).unwrap()).unwrap();
        let (protocol, agreement, setup, accused, claim, envelopes) = fields;
        Self { protocol, agreement, setup, accused, claim, envelopes }
    }

    fn evidence(&self) -> Evidence {
        Evidence::try_from_slice(&borsh::to_vec(self).unwrap()).unwrap()
    }
}

/// What party 1 has against party 2 after `act`.
fn evidence(round: u8, act: impl FnOnce(&mut Table)) -> Evidence {
    let mut table = Table::new(3);
    table.reach(round);
    act(&mut table);
    match table.aborts.remove(&p(1)) {
        Some(Abort::Proven { mut evidence }) if evidence.len() == 1 => evidence.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Lets party 2 send party 1 its message of a round with a change.
fn lie(table: &mut Table, round: u8, change: impl FnOnce(&mut Envelope)) {
    let sent = table.find(2, 1, Kind::Round, round).envelope();
    table.lose(|mail| mail.from == p(2) && mail.to == p(1));
    let lie = table.forge(2, sent, change);
    table.give(2, 1, &lie);
}

fn every_kind() -> BTreeMap<&'static str, Evidence> {
    BTreeMap::from([
        (
            "equivocation",
            evidence(2, |table| {
                let sent = table.find(2, 1, Kind::Round, 2);
                table.hand(2, 1, &sent.bytes);
                let other =
                    table.forge(2, sent.envelope(), |envelope| envelope.broadcast = other_commitment());
                table.give(2, 1, &other);
            }),
        ),
        (
            "two confirmations",
            evidence(2, |table| {
                table.deliver(|mail| mail.is(Kind::Round, 2));
                let sent = table.find(2, 1, Kind::Confirmation, 2);
                table.hand(2, 1, &sent.bytes);
                let other = table.forge(2, sent.envelope(), |envelope| envelope.header.echo = None);
                table.give(2, 1, &other);
            }),
        ),
        (
            "undecodable",
            evidence(2, |table| lie(table, 2, |envelope| envelope.direct = Part::Whole(vec![9]))),
        ),
        (
            "false echo",
            evidence(2, |table| {
                lie(table, 2, |envelope| envelope.header.echo = Some([1; 32]));
                let shown = table.session(2).envelopes(1);
                let shown: Vec<_> = shown.iter().map(|envelope| envelope.without_parts()).collect();
                let mut body = ().to_wire().unwrap();
                body.extend(borsh::to_vec(&(shown, Vec::<Envelope>::new())).unwrap());
                let header = table.header(2, Kind::Dispute, 1);
                let dispute = table.seal(2, header, Part::Whole(body), Part::Absent);
                table.give(2, 1, &dispute);
            }),
        ),
        (
            "false opening",
            evidence(2, |table| {
                lie(table, 2, |envelope| envelope.broadcast = whole(&Message::Open(1, Vec::new())));
            }),
        ),
        (
            "unexpected",
            evidence(1, |table| {
                lie(table, 1, |envelope| envelope.broadcast = whole(&Message::Ready(1)));
            }),
        ),
        (
            "bad share",
            evidence(2, |table| {
                lie(table, 2, |envelope| envelope.direct = whole(&Message::Share(1)));
                table.deliver(|mail| mail.envelope().header.round < 3);
            }),
        ),
        (
            "wrong sum",
            evidence(3, |table| lie(table, 3, |envelope| envelope.broadcast = whole(&Message::Ready(1)))),
        ),
        (
            "false complaint",
            evidence(3, |table| {
                let shown = table.session(2).envelopes(2)[0].clone();
                lie(table, 3, |envelope| {
                    envelope.broadcast = whole(&Message::Complaint(p(1), Box::new(Envelope::clone(&shown))));
                });
            }),
        ),
    ])
}

/// Evidence that party 2 sent an undecodable message.
pub(crate) fn undecodable() -> Evidence {
    every_kind().remove("undecodable").unwrap()
}

#[test]
fn every_kind_of_evidence_convicts_offline() {
    for (what, evidence) in every_kind() {
        let decoded = Evidence::from_wire(&evidence.to_wire().unwrap()).unwrap();
        assert_eq!(decoded, evidence);
        let verdict = decoded.judge::<Toy>().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(verdict.party, p(2), "{what}");
        assert_eq!(verdict.session, evidence.agreement.session());
        assert_eq!(verdict.culprit, evidence.agreement.committee().member(p(2)).unwrap().identity);
        assert_eq!(verdict.finding, evidence.claim.to_string(), "{what}");
    }
}

#[test]
fn no_changed_byte_is_accepted() {
    for (what, evidence) in every_kind() {
        let bytes = evidence.to_wire().unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let Ok(changed) = Evidence::from_wire(&bytes) else { continue };
            if let Ok(verdict) = changed.judge::<Toy>() {
                panic!("{what}: byte {at} changed, still convicts {} of {}", verdict.party, verdict.finding);
            }
        }
    }
}

#[test]
fn truncated_and_extended_evidence_is_refused() {
    for (what, evidence) in every_kind() {
        let bytes = evidence.to_wire().unwrap();
        for length in 0..bytes.len() {
            assert!(Evidence::from_wire(&bytes[..length]).is_err(), "{what}");
        }
        assert!(Evidence::from_wire(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn nobody_else_can_be_accused_with_the_same_evidence() {
    for (what, evidence) in every_kind() {
        for other in [1, 3, 4, 100] {
            let mut framing = evidence.clone();
            framing.accused = p(other);
            assert!(framing.judge::<Toy>().is_err(), "{what}: {other}");
        }
    }
}

#[test]
fn claims_fit_no_other_evidence() {
    let all = every_kind();
    for (what, evidence) in &all {
        for claim in all.values().map(|other| &other.claim).filter(|claim| **claim != evidence.claim) {
            // Two envelopes that contradict each other need no others.
            let Claim::Equivocation { .. } = claim else {
                let mut swapped = evidence.clone();
                swapped.claim = claim.clone();
                assert!(swapped.judge::<Toy>().is_err(), "{what}: {claim}");
                continue;
            };
        }
        for round in 0..=255 {
            for claim in [Claim::Undecodable { round }, Claim::FalseEcho { round }] {
                let mut swapped = evidence.clone();
                swapped.claim = claim.clone();
                assert_eq!(swapped.judge::<Toy>().is_ok(), claim == evidence.claim, "{what}: {claim}");
            }
        }
    }
}

#[test]
fn the_words_of_a_claim_are_those_of_its_fault() {
    for (what, evidence) in every_kind() {
        if let Claim::Fault { fault, .. } = &evidence.claim {
            let mut renamed = evidence.clone();
            renamed.claim = Claim::Fault { summary: "stole the money".into(), fault: fault.clone() };
            assert!(renamed.judge::<Toy>().is_err(), "{what}");
            let mut other = evidence.clone();
            other.claim = Claim::Fault { summary: evidence.claim.to_string(), fault: vec![1, 99] };
            assert!(other.judge::<Toy>().is_err(), "{what}");
        }
    }
}

#[test]
fn evidence_of_another_protocol_setup_or_agreement_is_refused() {
    let foreign = {
        let mut table = Table::seeded(3, 2);
        table.reach(1);
        table.contexts[&p(1)].agreement().clone()
    };
    for (what, evidence) in every_kind() {
        let raw = Raw::of(&evidence);
        assert_eq!(raw.evidence(), evidence);
        assert!(raw.evidence().judge::<Toy>().is_ok());
        for protocol in [ProtocolId::new("frost", "none", 1), ProtocolId::new("toy", "none", 2)] {
            let changed = Raw { protocol, ..raw.clone() };
            assert!(changed.evidence().judge::<Toy>().is_err(), "{what}");
        }
        for setup in [Setup(1).to_wire().unwrap(), Vec::new(), [&raw.setup[..], &[0]].concat()] {
            assert_ne!(setup, raw.setup);
            let changed = Raw { setup, ..raw.clone() };
            assert!(changed.evidence().judge::<Toy>().is_err(), "{what}");
        }
        let changed = Raw { agreement: foreign.clone(), ..raw.clone() };
        assert!(changed.evidence().judge::<Toy>().is_err(), "{what}");
    }
    // Another protocol's judge does not look at it either, whatever it says of itself.
    let proposal = |protocol: ProtocolId| {
        let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1);
        let digest = quorate_session::setup_digest(&SETUP.to_wire().unwrap());
        let cast = quorate_simulator::Cast::new(2, 3, 1);
        cast.agree(cast.committee(), protocol, digest, 3, &mut rng)[&p(1)].agreement().clone()
    };
    let raw = Raw::of(&every_kind()["undecodable"]);
    let changed = Raw { agreement: proposal(ProtocolId::new("frost", "none", 1)), ..raw };
    assert!(changed.evidence().judge::<Toy>().unwrap_err().to_string().contains("not a session of"));
}

#[test]
fn digests_in_place_of_what_is_judged_prove_nothing() {
    for (what, evidence) in every_kind() {
        if matches!(evidence.claim, Claim::Equivocation { .. }) {
            continue;
        }
        let raw = Raw::of(&evidence);
        let digested = raw.envelopes.iter().map(Envelope::without_parts).collect();
        let changed = Raw { envelopes: digested, ..raw.clone() };
        assert!(changed.evidence().judge::<Toy>().is_err(), "{what}");
        let changed = Raw { envelopes: Vec::new(), ..raw };
        assert!(changed.evidence().judge::<Toy>().is_err(), "{what}");
    }
}

#[test]
fn two_envelopes_in_one_place_are_refused_and_so_are_too_many() {
    let evidence = every_kind().remove("wrong sum").unwrap();
    let raw = Raw::of(&evidence);
    for envelope in &raw.envelopes {
        let mut doubled = raw.clone();
        doubled.envelopes.push(envelope.clone());
        assert!(doubled.evidence().judge::<Toy>().is_err());
    }
    let table = Table::new(3);
    let mut many = raw;
    for round in 5..=255 {
        let header = table.header(3, Kind::Round, round);
        many.envelopes.push(table.seal(3, header, Part::Absent, Part::Absent));
    }
    assert!(many.evidence().judge::<Toy>().unwrap_err().to_string().contains("more envelopes"));
    many.envelopes.truncate(100);
    assert!(many.evidence().judge::<Toy>().is_ok());
}

#[test]
fn an_envelope_that_its_sender_did_not_sign_spoils_the_evidence() {
    let raw = Raw::of(&every_kind().remove("wrong sum").unwrap());
    let table = Table::new(3);
    for at in 0..raw.envelopes.len() {
        let mut changed = raw.clone();
        let Envelope { header, broadcast, direct, .. } = changed.envelopes[at].clone();
        let stranger = if header.sender == p(1) { 3 } else { 1 };
        changed.envelopes[at] = table.seal(stranger, header, broadcast, direct);
        assert!(changed.evidence().judge::<Toy>().is_err());
    }
}

/// Party 1 reports, with everything it can sign anew, that honest party 2 added up wrongly.
#[test]
fn a_reporter_that_replaces_its_own_messages_frames_nobody() {
    let genuine = Raw::of(&every_kind().remove("wrong sum").unwrap());
    let table = {
        let mut table = Table::new(3);
        table.deliver(|mail| {
            mail.is(Kind::Round, 1) || mail.is(Kind::Round, 2) || mail.is(Kind::Confirmation, 2)
        });
        table
    };
    // What honest party 2 really sent.
    let honest = table.find(2, 1, Kind::Round, 3).envelope();
    let mut framing = genuine;
    for envelope in &mut framing.envelopes {
        if envelope.header.sender == p(2) && envelope.header.round == 3 {
            *envelope = honest.clone();
        }
    }
    assert!(framing.evidence().judge::<Toy>().is_err(), "it added up rightly");
    for (round, kind, body) in [
        (2, Kind::Round, whole(&Message::Open(12345, Vec::new()))),
        (1, Kind::Round, whole(&Message::Commit(commitment(12345)))),
    ] {
        let mut framing = framing.clone();
        for envelope in &mut framing.envelopes {
            let header = &envelope.header;
            if header.sender == p(1) && header.kind == kind && header.round == round {
                let direct = envelope.direct.clone();
                *envelope = table.seal(1, header.clone(), body.clone(), direct);
            }
        }
        let verdict = framing.evidence().judge::<Toy>();
        assert!(verdict.is_err(), "party 2 confirmed other broadcasts than these");
    }
    // Without the messages of others there is nothing to add up.
    framing.envelopes.retain(|envelope| envelope.header.sender == p(2));
    assert!(framing.evidence().judge::<Toy>().is_err());
}

#[test]
fn the_envelopes_of_honest_parties_convict_nobody_of_anything() {
    let mut table = Table::new(3);
    table.deliver(|mail| mail.envelope().header.round < 4);
    let mut envelopes = Vec::new();
    for round in 1..=3 {
        envelopes.extend(table.session(1).envelopes(round).iter().map(|envelope| Envelope::clone(envelope)));
    }
    let faults = [
        Fault::Unexpected(1),
        Fault::Unexpected(2),
        Fault::Unexpected(3),
        Fault::Opening,
        Fault::BadShare(p(1)),
        Fault::BadShare(p(2)),
        Fault::FalseComplaint,
        Fault::WrongSum,
    ];
    let claims = faults
        .iter()
        .map(|fault| Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() })
        .chain((0..=4).flat_map(|round| [Claim::Undecodable { round }, Claim::FalseEcho { round }]))
        .chain(envelopes.iter().flat_map(|first| {
            envelopes.iter().map(|second| Claim::Equivocation {
                first: Box::new(first.clone()),
                second: Box::new(second.clone()),
            })
        }));
    for claim in claims {
        for accused in 1..=3 {
            let raw = Raw {
                protocol: Toy::ID,
                agreement: table.contexts[&p(1)].agreement().clone(),
                setup: SETUP.to_wire().unwrap(),
                accused: p(accused),
                claim: claim.clone(),
                envelopes: envelopes.clone(),
            };
            assert!(raw.evidence().judge::<Toy>().is_err(), "{accused}: {claim}");
        }
    }
}

#[test]
fn disputes_of_honest_parties_convict_nobody() {
    let mut table = Table::new(3);
    table.reach(3);
    let dispute = table.seal(1, table.header(1, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
    table.deliver(|mail| mail.is(Kind::Round, 3) && mail.to == p(2));
    table.give(1, 2, &dispute);
    let shown = table.find(2, 1, Kind::Dispute, 2).envelope();
    let statement =
        table.session(2).envelopes(3).into_iter().find(|envelope| envelope.header.sender == p(2)).unwrap();
    let first =
        table.session(2).envelopes(2).into_iter().find(|envelope| envelope.header.sender == p(2)).unwrap();
    for envelopes in [
        vec![shown.clone(), Envelope::clone(&statement)],
        vec![shown.clone(), Envelope::clone(&first)],
        vec![shown.clone()],
        vec![Envelope::clone(&statement)],
        vec![shown, Envelope::clone(&statement), Envelope::clone(&first)],
    ] {
        for round in 0..=4 {
            let raw = Raw {
                protocol: Toy::ID,
                agreement: table.contexts[&p(1)].agreement().clone(),
                setup: SETUP.to_wire().unwrap(),
                accused: p(2),
                claim: Claim::FalseEcho { round },
                envelopes: envelopes.clone(),
            };
            assert!(raw.evidence().judge::<Toy>().is_err(), "round {round}");
        }
    }
}

/// The digest of the broadcasts of a round that are shown.
fn echo(table: &Table, round: u8, broadcasts: &[Envelope]) -> Option<[u8; 32]> {
    let session = table.contexts[&p(1)].session();
    let mut transcript =
        Transcript::new(b"quorate/echo/v1").field("session", session.as_bytes()).field("round", &[round]);
    for Envelope { header, broadcast, .. } in broadcasts {
        transcript = transcript
            .field("party", &header.sender.get().to_le_bytes())
            .field("broadcast", &broadcast.commitment().unwrap());
    }
    Some(transcript.digest())
}

#[test]
fn a_digest_is_judged_by_full_and_signed_originals_and_by_every_statement() {
    let mut table = Table::new(3);
    table.reach(3);
    let right: Vec<_> =
        table.session(1).envelopes(2).iter().map(|envelope| envelope.without_parts()).collect();
    let truth = echo(&table, 2, &right);
    let state = |kind, round, echo| {
        let header = Header { echo, ..table.header(2, kind, round) };
        table.seal(2, header, Part::Absent, Part::Absent)
    };
    let show = |broadcasts: &[Envelope]| {
        let mut body = ().to_wire().unwrap();
        body.extend(borsh::to_vec(&(broadcasts, Vec::<Envelope>::new())).unwrap());
        table.seal(2, table.header(2, Kind::Dispute, 2), Part::Whole(body), Part::Absent)
    };
    let convicts = |envelopes: Vec<Envelope>| {
        let raw = Raw {
            protocol: Toy::ID,
            agreement: table.contexts[&p(1)].agreement().clone(),
            setup: SETUP.to_wire().unwrap(),
            accused: p(2),
            claim: Claim::FalseEcho { round: 2 },
            envelopes,
        };
        raw.evidence().judge::<Toy>().is_ok()
    };
    let confirmed = |echo| state(Kind::Confirmation, 2, echo);
    assert!(!convicts(vec![show(&right), confirmed(truth)]));
    assert!(convicts(vec![show(&right), confirmed(Some([1; 32]))]));
    assert!(convicts(vec![show(&right), confirmed(truth), state(Kind::Round, 3, None)]));
    // A party that stated nothing owes no originals.
    assert!(!convicts(vec![show(&[])]));
    assert!(convicts(vec![show(&[]), confirmed(None)]));
    assert!(convicts(vec![show(&[right.clone(), right.clone()].concat()), confirmed(truth)]));
    // Its digest may fit what it shows of another, if only that other had said so.
    let mut invented = right;
    invented[0].broadcast = Part::Digest([3; 32]);
    assert!(convicts(vec![show(&invented), confirmed(echo(&table, 2, &invented))]));
}

#[test]
fn evidence_of_a_fault_holds_no_disputes() {
    let evidence = evidence(3, |table| {
        let dispute = table.seal(3, table.header(3, Kind::Dispute, 2), Part::Whole(vec![0]), Part::Absent);
        table.give(3, 1, &dispute);
        lie(table, 3, |envelope| envelope.broadcast = whole(&Message::Ready(1)));
    });
    let kinds = Raw::of(&evidence).envelopes.into_iter().map(|envelope| envelope.header.kind);
    assert!(kinds.into_iter().all(|kind| matches!(kind, Kind::Round | Kind::Confirmation)));
}

#[test]
fn evidence_shows_the_direct_parts_of_the_accused_alone() {
    for (what, evidence) in every_kind() {
        for envelope in Raw::of(&evidence).envelopes {
            if envelope.header.sender != p(2) {
                assert_eq!(envelope, envelope.without_direct(), "{what}");
            }
        }
    }
}
