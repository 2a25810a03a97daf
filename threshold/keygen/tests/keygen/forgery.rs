//! Evidence that was tampered with, by an outsider or by the party that reports.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::{Commit, Complaint, Fault, Keygen, Message};
use quorate_keys::Transcript;
use quorate_session::{
    Agreement, Claim, Envelope, Evidence, Header, Keyring, Kind, Part, Protocol as _, ProtocolId, Wire,
};
use quorate_sharing::{Commitment, Ed25519, FacingKeys, PartyIndex, Polynomial, ProofNonce, Secp256k1};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::cast::{five, party, run};
use crate::dealer::{Script, challenge, delivery_context, opening_digest};
use crate::drive::contexts;

type C = Ed25519;

/// Evidence with its envelopes open to changes: the encoding is the same.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Open {
    protocol: ProtocolId,
    pub(crate) agreement: Agreement,
    setup: Vec<u8>,
    accused: PartyIndex,
    claim: Claim,
    envelopes: Vec<Envelope>,
}

impl Open {
    fn of(evidence: &Evidence) -> Self {
        borsh::from_slice(&borsh::to_vec(evidence).unwrap()).unwrap()
    }

    fn evidence(&self) -> Evidence {
        borsh::from_slice(&borsh::to_vec(self).unwrap()).unwrap()
    }

    pub(crate) fn convicts(&self) -> bool {
        self.evidence().judge::<Keygen<C>>().is_ok()
    }

    pub(crate) fn charge(&mut self, accused: u16, fault: &Fault) {
        self.accused = party(accused);
        self.claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
    }

    fn envelope(&mut self, round: u8, sender: u16) -> &mut Envelope {
        let found = |envelope: &&mut Envelope| {
            envelope.header.round == round && envelope.header.sender == party(sender)
        };
        self.envelopes.iter_mut().find(found).unwrap()
    }

    pub(crate) fn message(&mut self, round: u8, sender: u16) -> Message {
        Message::from_wire(self.envelope(round, sender).broadcast.whole().unwrap()).unwrap()
    }

    /// The sender signs something else for the same place.
    fn sign_again(&mut self, round: u8, sender: u16, message: &Message) {
        let keyring: Keyring = five().keyring(party(sender));
        let envelope = self.envelope(round, sender);
        let body = Part::Whole(message.to_wire().unwrap());
        *envelope = Envelope::seal(envelope.header.clone(), body, envelope.direct.clone(), &*keyring.signer);
    }
}

/// Party 2 sent party 4 a wrong share, reported by party 4 or another.
pub(crate) fn wrong_share(reporter: u16) -> Open {
    Open::of(run::<C>(1, [(2, Script::wrong_for(&[4]))]).evidence(party(reporter)))
}

/// Party 4 complained about the right share of party 2, reported by party 1.
fn false_complaint() -> Open {
    let script = Script::accusing(|seen| {
        let accused = party(2);
        let envelope = Envelope::clone(&seen.envelopes[&accused]);
        let disclosure = seen.channels[&accused].disclose(&seen.delivery);
        Message::Complaint(Box::new(Complaint { accused, envelope, disclosure }))
    });
    Open::of(run::<C>(1, [(4, script)]).evidence(party(1)))
}

/// Party 2 could not prove that it knows what it opened, reported by party 1.
fn wrong_proof() -> Open {
    let script = Script::sending(|_, send| {
        if let Some(Message::Open(open)) = &mut send.broadcast {
            open.response[0] ^= 1;
        }
    });
    Open::of(run::<C>(1, [(2, script)]).evidence(party(1)))
}

pub(crate) fn faults() -> Vec<Fault> {
    let shares = (1..=5).map(|complainer| Fault::BadShare { complainer: party(complainer) });
    let rounds = (0..=4).map(|round| Fault::UnexpectedMessage { round });
    let others = [
        Fault::FacingKeys,
        Fault::Opening,
        Fault::Coefficients,
        Fault::KnowledgeProof,
        Fault::FalseComplaint,
        Fault::Transcript,
    ];
    shares.chain(rounds).chain(others).collect()
}

#[test]
fn no_other_charge_holds_than_the_one_that_is_true() {
    for (genuine, culprit, fault) in [
        (wrong_share(4), 2, Fault::BadShare { complainer: party(4) }),
        (wrong_share(1), 2, Fault::BadShare { complainer: party(4) }),
        (false_complaint(), 4, Fault::FalseComplaint),
        (wrong_proof(), 2, Fault::KnowledgeProof),
    ] {
        assert!(genuine.convicts());
        for accused in 1..=5 {
            for charge in faults() {
                let mut evidence = genuine.clone();
                evidence.charge(accused, &charge);
                assert_eq!(evidence.convicts(), accused == culprit && charge == fault, "{accused}: {charge}");
            }
        }
    }
}

#[test]
fn a_changed_byte_convicts_nobody_else() {
    for (genuine, culprit) in [(wrong_share(4), 2), (false_complaint(), 4), (wrong_proof(), 2)] {
        let bytes = genuine.evidence().to_wire().unwrap();
        for position in (0..bytes.len()).step_by(11) {
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[position] ^= bit;
                let Ok(evidence) = Evidence::from_wire(&changed) else { continue };
                if let Ok(verdict) = evidence.judge::<Keygen<C>>() {
                    assert_eq!(verdict.party, party(culprit));
                    assert_eq!(evidence.claim.to_string().len(), genuine.claim.to_string().len());
                }
            }
        }
    }
}

#[test]
fn no_commitment_may_be_missing() {
    for genuine in [wrong_share(1), false_complaint(), wrong_proof()] {
        for missing in 1..=5 {
            let mut evidence = genuine.clone();
            let kept =
                |envelope: &Envelope| (envelope.header.round, envelope.header.sender) != (1, party(missing));
            evidence.envelopes.retain(kept);
            assert!(!evidence.convicts());
            // Signed, but shown as a digest only: it is confirmed, and nobody can tell what it says.
            let mut evidence = genuine.clone();
            let envelope = evidence.envelope(1, missing);
            *envelope = envelope.without_parts();
            for accused in 1..=5 {
                for charge in faults() {
                    evidence.charge(accused, &charge);
                    assert!(!evidence.convicts(), "{missing} {accused} {charge}");
                }
            }
        }
    }
}

/// A dealer that signs another commitment after the fact, or that told the accused another one than the accuser, changes
/// the challenge. The accused confirmed which one it answered.
#[test]
fn a_commitment_that_is_swapped_convicts_nobody_who_answered_another() {
    let genuine = wrong_proof();
    for swapped in 1..=5 {
        let mut evidence = genuine.clone();
        let Message::Commit(mut commit) = evidence.message(1, swapped) else { panic!("no commitment") };
        commit.opening[0] ^= 1;
        evidence.sign_again(1, swapped, &Message::Commit(commit));
        for accused in 1..=5 {
            evidence.charge(accused, &Fault::KnowledgeProof);
            // Nor the culprit: it is not shown which challenge it answered.
            assert!(!evidence.convicts(), "{swapped} {accused}");
        }
    }
    // The commitments of two dealers, exchanged.
    let mut evidence = genuine;
    let (third, fourth) = (evidence.message(1, 3), evidence.message(1, 4));
    evidence.sign_again(1, 3, &fourth);
    evidence.sign_again(1, 4, &third);
    evidence.charge(1, &Fault::KnowledgeProof);
    assert!(!evidence.convicts());
}

/// What the accused confirmed of round 1 stands in the header of its opening, and must be signed.
#[test]
fn an_opening_that_confirms_other_commitments_convicts_nobody() {
    for echo in [None, Some([1; 32])] {
        let mut evidence = wrong_proof();
        let keyring = five().keyring(party(2));
        let envelope = evidence.envelope(2, 2);
        let header = Header { echo, ..envelope.header.clone() };
        *envelope =
            Envelope::seal(header, envelope.broadcast.clone(), envelope.direct.clone(), &*keyring.signer);
        assert!(!evidence.convicts());
    }
}

/// Everything that a judge needs fits into evidence, and into an envelope, in the largest committee with the largest
/// threshold on the curve with the larger points.
#[test]
fn evidence_of_a_wrong_proof_fits_in_the_largest_committee() {
    type Large = Keygen<Secp256k1>;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let cast = Cast::new(100, 100, 1);
    let agreement = contexts::<Secp256k1>(&cast, 0, &mut rng)[&party(1)].agreement().clone();
    let session = agreement.session();
    let polynomial = Polynomial::<Secp256k1>::random(agreement.threshold(), &mut rng);
    let nonce = ProofNonce::<Secp256k1>::generate(&mut rng);
    let mut open = quorate_keygen::Open {
        coefficients: Commitment::of(&polynomial).to_bytes(),
        chain_code: [3; 32],
        nonce: nonce.point().to_vec(),
        response: [0; 32],
    };
    let commits: BTreeMap<_, _> = agreement
        .committee()
        .indices()
        .map(|dealer| {
            let opening = opening_digest(&session, dealer, &open);
            (dealer, Commit { opening, facing: vec![[5; 32]; 99] })
        })
        .collect();
    open.response = nonce.prove(&challenge(&session, &commits), &polynomial);
    let seal = |sender: PartyIndex, round, echo, message: &Message, direct| {
        let header = Header {
            session,
            epoch: 0,
            attempt: 0,
            sender,
            recipient: Some(party(1)).filter(|_| round == 2),
            kind: Kind::Round,
            round,
            echo,
        };
        let broadcast = Part::Whole(message.to_wire().unwrap());
        Envelope::seal(header, broadcast, direct, &*cast.keyring(sender).signer)
    };
    let first: Vec<_> = (commits.into_iter())
        .map(|(dealer, commit)| seal(dealer, 1, None, &Message::Commit(commit), Part::Absent))
        .collect();
    let start = Transcript::new(b"quorate/echo/v1").field("session", session.as_bytes()).field("round", &[1]);
    let transcript = first.iter().fold(start, |transcript, envelope| {
        let sender = envelope.header.sender.get().to_le_bytes();
        transcript.field("party", &sender).field("broadcast", &envelope.broadcast.commitment().unwrap())
    });
    let echo = Some(transcript.digest());
    let evidence = |open: &quorate_keygen::Open| {
        let share = || Part::Whole(Message::Share(vec![7; 48]).to_wire().unwrap());
        let message = Message::Open(open.clone());
        let second = agreement.committee().indices().map(|dealer| seal(dealer, 2, echo, &message, share()));
        let mut evidence = Open {
            protocol: Large::ID,
            agreement: agreement.clone(),
            setup: ().to_wire().unwrap(),
            accused: party(2),
            claim: Claim::Undecodable { round: 2 },
            envelopes: first.iter().cloned().chain(second).collect(),
        };
        evidence.charge(2, &Fault::KnowledgeProof);
        evidence.evidence()
    };
    assert!(evidence(&open).judge::<Large>().is_err());
    open.response[31] ^= 1;
    let wrong = evidence(&open);
    let bytes = wrong.to_wire().unwrap();
    assert_eq!(Evidence::from_wire(&bytes).unwrap().judge::<Large>().unwrap().party, party(2));
}

/// Party 4 makes the right share of party 2 unreadable: with other facing keys, signed after the fact.
#[test]
fn a_complainer_that_swaps_its_facing_keys_convicts_nobody() {
    let mut evidence = false_complaint();
    let others = [1, 2, 3, 5].map(party);
    let session = evidence.agreement.session();
    let keys = FacingKeys::generate(party(4), &others, &mut ChaCha20Rng::seed_from_u64(3));
    let Message::Commit(mut mine) = evidence.message(1, 4) else { panic!("no commitment") };
    let Message::Commit(theirs) = evidence.message(1, 2) else { panic!("no commitment") };
    let Message::Complaint(mut complaint) = evidence.message(3, 4) else { panic!("no complaint") };
    mine.facing = keys.public().into_iter().map(|(_, key)| key).collect();
    // Party 2 faces 1, 3, 4, 5.
    let channel = keys.channel(party(2), &theirs.facing[2]).unwrap();
    complaint.disclosure = channel.disclose(&delivery_context(&session));
    evidence.sign_again(1, 4, &Message::Commit(mine));
    evidence.sign_again(3, 4, &Message::Complaint(complaint));
    evidence.charge(2, &Fault::BadShare { complainer: party(4) });
    assert!(!evidence.convicts());
}

/// Party 2 makes the right complaint of party 4 look unfounded: with other facing keys, signed after the fact.
#[test]
fn a_dealer_that_swaps_its_facing_keys_does_not_turn_the_complaint() {
    for swapped in [2, 3] {
        let mut evidence = wrong_share(1);
        let Message::Commit(mut commit) = evidence.message(1, swapped) else { panic!("no commitment") };
        commit.facing.reverse();
        evidence.sign_again(1, swapped, &Message::Commit(commit));
        evidence.charge(4, &Fault::FalseComplaint);
        assert!(!evidence.convicts());
    }
}

/// The acknowledged key looks wrong when another opening is put in: the acknowledging party must have confirmed it.
#[test]
fn an_opening_that_is_swapped_convicts_nobody_who_acknowledged() {
    let script = || {
        Script::<C>::sending(|_, send| {
            if let Some(Message::Ready(transcript)) = &mut send.broadcast {
                transcript[0] ^= 1;
            }
        })
    };
    // A run in which party 3 had the acknowledgement of party 1 before that of party 2.
    let with_acknowledgement = (0..20).find_map(|seed| {
        let evidence = Open::of(run::<C>(seed, [(2, script())]).evidence(party(3)));
        let of_one = |envelope: &Envelope| (envelope.header.round, envelope.header.sender) == (3, party(1));
        evidence.envelopes.iter().any(of_one).then_some(evidence)
    });
    let mut evidence = with_acknowledgement.unwrap();
    assert!(evidence.convicts());
    let Message::Open(mut open) = evidence.message(2, 2) else { panic!("no opening") };
    open.chain_code[0] ^= 1;
    evidence.sign_again(2, 2, &Message::Open(open));
    evidence.charge(1, &Fault::Transcript);
    assert!(!evidence.convicts());
}

/// Facts of one session say nothing about another, nor about another curve.
#[test]
fn evidence_is_of_one_session_and_protocol() {
    let genuine = wrong_share(1);
    let other = Open::of(run::<C>(2, [(2, Script::wrong_for(&[4]))]).evidence(party(1)));
    let moved = Open { agreement: other.agreement, ..genuine.clone() };
    assert!(!moved.convicts());
    assert!(genuine.evidence().judge::<Keygen<Secp256k1>>().is_err());
}
