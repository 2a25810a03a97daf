//! How parties agree on a session, and what they refuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use borsh::BorshDeserialize as _;
use quorate_keys::SigningIdentity;
use quorate_session::{
    Acceptance, Accepted, Agreement, AgreementError, IdentityVerifier, Keyring, Proposal, Proposing,
    Protocol, ProtocolId, Session, SessionContext, SessionId, SignedProposal, Start, Wire, setup_digest,
};
use quorate_sharing::{Committee, PartyIndex, Threshold};
use quorate_simulator::{Cast, Cheat, Outcome, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::table::{SETUP, p, value};
use crate::toy::{Setup, Toy};

type Signature = [u8; 64];
/// The fields of an acceptance, in its encoding.
type RawAcceptance = ([u8; 32], PartyIndex, [u8; 32], Signature);

fn raw(acceptance: &Acceptance) -> RawAcceptance {
    RawAcceptance::try_from_slice(&borsh::to_vec(acceptance).unwrap()).unwrap()
}

fn acceptance(raw: &RawAcceptance) -> Acceptance {
    Acceptance::try_from_slice(&borsh::to_vec(raw).unwrap()).unwrap()
}

fn start(proposal: [u8; 32], acceptances: &[Acceptance]) -> Start {
    Start::try_from_slice(&borsh::to_vec(&(proposal, acceptances)).unwrap()).unwrap()
}

fn proposal(cast: &Cast, committee: &Committee) -> Proposal {
    Proposal {
        cluster: [7; 32],
        request: [9; 32],
        operation: "sign".into(),
        protocol: Toy::ID,
        setup: setup_digest(&SETUP.to_wire().unwrap()),
        epoch: 3,
        committee: committee.clone(),
        proposer: cast.identity(p(1)).identity(),
        attempt: 1,
        expires: 1000,
    }
}

fn accept(
    cast: &Cast,
    proposal: &Proposal,
    party: u16,
    seed: u64,
) -> Result<(Accepted, Acceptance), AgreementError> {
    let key = cast.identity(p(party));
    let signed = SignedProposal::sign(proposal.clone(), &**cast.identity(p(1))).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Accepted::accept(signed, &key.identity(), &**key, &IdentityVerifier, &mut rng)
}

struct Agreed {
    cast: Cast,
    proposal: Proposal,
    promises: Vec<Accepted>,
    acceptances: Vec<Acceptance>,
}

/// Three parties that have accepted a proposal.
fn accepted() -> Agreed {
    let cast = Cast::new(2, 3, 1);
    let proposal = proposal(&cast, cast.committee());
    let all = (1..=3).map(|party| accept(&cast, &proposal, party, u64::from(party)).unwrap());
    let (promises, acceptances) = all.unzip();
    Agreed { cast, proposal, promises, acceptances }
}

fn refuse(promise: Accepted, start: &Start) -> (Accepted, AgreementError) {
    let (promise, error) = promise.start(start, &IdentityVerifier).map(|_| ()).unwrap_err();
    (*promise, error)
}

#[test]
fn all_acceptances_make_one_session() {
    let Agreed { proposal, promises, acceptances, .. } = accepted();
    let mut proposing = Proposing::new(&proposal).unwrap();
    assert_eq!(proposing.missing(), [p(1), p(2), p(3)]);
    // In any order.
    assert_eq!(proposing.accept(acceptances[2].clone(), &IdentityVerifier), Ok(None));
    assert_eq!(proposing.accept(acceptances[0].clone(), &IdentityVerifier), Ok(None));
    assert_eq!(proposing.missing(), [p(2)]);
    let start = proposing.accept(acceptances[1].clone(), &IdentityVerifier).unwrap().unwrap();
    assert_eq!(Start::from_wire(&start.to_wire().unwrap()).unwrap(), start);
    let contexts: Vec<_> = promises
        .into_iter()
        .map(|promise| {
            assert_eq!(promise.digest(), proposing.digest());
            assert_eq!(*promise.proposal(), proposal);
            promise.start(&start, &IdentityVerifier).map_err(|(_, error)| error).unwrap()
        })
        .collect();
    for (context, me) in contexts.iter().zip(1..) {
        assert_eq!(context.session(), contexts[0].session());
        assert_eq!(context.agreement(), contexts[0].agreement());
        assert_eq!(context.me(), p(me));
        assert_eq!(context.others().len(), 2);
        assert_eq!(context.agreement().threshold(), Threshold::new(2).unwrap());
    }
    // The promise is used up: a second start needs a second acceptance, whose bytes are other ones. That `start` takes
    // the promise by value is what the compiler checks; that a new promise refuses the old start is checked here.
    let Agreed { promises, .. } = accepted_again();
    let (_, error) = refuse(promises.into_iter().next().unwrap(), &start);
    assert_eq!(error, AgreementError::Stale);
}

/// The same proposal accepted anew, as after a restart.
fn accepted_again() -> Agreed {
    let cast = Cast::new(2, 3, 1);
    let proposal = proposal(&cast, cast.committee());
    let all = (1..=3).map(|party| accept(&cast, &proposal, party, 100 + u64::from(party)).unwrap());
    let (promises, acceptances) = all.unzip();
    Agreed { cast, proposal, promises, acceptances }
}

#[test]
fn a_proposal_that_its_proposer_did_not_sign_is_refused() {
    let cast = Cast::new(2, 3, 1);
    let proposal = proposal(&cast, cast.committee());
    let key = cast.identity(p(2));
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut accept =
        |signed| Accepted::accept(signed, &key.identity(), &**key, &IdentityVerifier, &mut rng).map(|_| ());
    let signed = SignedProposal::sign(proposal.clone(), &**cast.identity(p(3))).unwrap();
    assert_eq!(accept(signed), Err(AgreementError::BadSignature));
    // Nor one that was changed afterwards, wherever that is.
    let signed = SignedProposal::sign(proposal, &**cast.identity(p(1))).unwrap();
    let bytes = signed.to_wire().unwrap();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        if let Ok(changed) = SignedProposal::from_wire(&bytes) {
            assert_eq!(accept(changed), Err(AgreementError::BadSignature), "byte {at}");
        }
    }
    assert_eq!(accept(signed), Ok(()));
}

#[test]
fn a_stranger_does_not_accept() {
    let cast = Cast::new(2, 4, 1);
    let proposal = proposal(&cast, &cast.subset(&[1, 2, 3]));
    assert_eq!(accept(&cast, &proposal, 4, 1).map(|_| ()).unwrap_err(), AgreementError::NotAMember);
    assert!(accept(&cast, &proposal, 3, 1).is_ok());
}

#[test]
fn a_name_too_long_makes_no_proposal() {
    let cast = Cast::new(2, 3, 1);
    let fits = Proposal { operation: "o".repeat(32), ..proposal(&cast, cast.committee()) };
    assert!(Proposing::new(&fits).is_ok());
    let long = Proposal { operation: "o".repeat(33), ..fits };
    assert!(Proposing::new(&long).is_err());
    assert!(SignedProposal::sign(long, &**cast.identity(p(1))).is_err());
    let huge = Proposal {
        protocol: ProtocolId::try_from_slice(&borsh::to_vec(&("x".repeat(9000), "", 1_u16)).unwrap())
            .unwrap(),
        ..proposal(&cast, cast.committee())
    };
    assert!(Proposing::new(&huge).is_err());
}

#[test]
fn the_largest_committee_fits_into_every_message() {
    let cast = Cast::new(67, 100, 1);
    let proposal = proposal(&cast, cast.committee());
    let mut proposing = Proposing::new(&proposal).unwrap();
    let signed = SignedProposal::sign(proposal.clone(), &**cast.identity(p(1))).unwrap();
    assert_eq!(SignedProposal::from_wire(&signed.to_wire().unwrap()).unwrap(), signed);
    let mut started = None;
    for party in 1..=100 {
        let (_, acceptance) = accept(&cast, &proposal, party, 1).unwrap();
        let wire = acceptance.to_wire().unwrap();
        started = proposing.accept(Acceptance::from_wire(&wire).unwrap(), &IdentityVerifier).unwrap();
    }
    let started = started.unwrap();
    assert_eq!(Start::from_wire(&started.to_wire().unwrap()).unwrap(), started);
}

#[test]
fn a_proposer_refuses_acceptances_that_are_not_what_they_say() {
    let Agreed { cast, proposal, acceptances, .. } = accepted();
    let mut proposing = Proposing::new(&proposal).unwrap();
    let bytes = acceptances[1].to_wire().unwrap();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        if let Ok(changed) = Acceptance::from_wire(&bytes) {
            assert!(proposing.accept(changed, &IdentityVerifier).is_err(), "byte {at}");
        }
    }
    let other = Proposal { attempt: 2, ..proposal };
    let (_, other) = accept(&cast, &other, 2, 1).unwrap();
    assert_eq!(proposing.accept(other, &IdentityVerifier), Err(AgreementError::OtherProposal));
    let mut renamed = raw(&acceptances[1]);
    renamed.1 = p(3);
    assert_eq!(proposing.accept(acceptance(&renamed), &IdentityVerifier), Err(AgreementError::BadSignature));
    renamed.1 = p(9);
    assert_eq!(proposing.accept(acceptance(&renamed), &IdentityVerifier), Err(AgreementError::NotAMember));
    assert_eq!(proposing.missing(), [p(1), p(2), p(3)]);
}

#[test]
fn a_second_acceptance_of_one_party_replaces_nothing() {
    let Agreed { proposal, promises, acceptances, .. } = accepted();
    let Agreed { acceptances: again, .. } = accepted_again();
    let mut proposing = Proposing::new(&proposal).unwrap();
    for acceptance in [&acceptances[0], &again[0], &acceptances[1]] {
        assert_eq!(proposing.accept(acceptance.clone(), &IdentityVerifier), Ok(None));
    }
    let start = proposing.accept(acceptances[2].clone(), &IdentityVerifier).unwrap().unwrap();
    for promise in promises {
        assert!(promise.start(&start, &IdentityVerifier).is_ok());
    }
}

#[test]
fn a_start_that_is_not_everybodys_acceptance_in_order_is_refused_and_the_promise_lives_on() {
    let Agreed { cast, proposal, promises, acceptances } = accepted();
    let Agreed { acceptances: again, .. } = accepted_again();
    let digest = acceptances[0].proposal;
    let [a, b, c] = [&acceptances[0], &acceptances[1], &acceptances[2]].map(Clone::clone);
    let other_proposal = Proposal { attempt: 2, ..proposal };
    let (_, of_other) = accept(&cast, &other_proposal, 3, 1).unwrap();
    let mut forged = raw(&c);
    forged.2 = [1; 32];
    let mut stranger = raw(&c);
    stranger.1 = p(4);
    let mut misfiled = raw(&c);
    misfiled.0 = of_other.proposal;
    let own_key_for_other = {
        let mut signed = raw(&c);
        signed.3 = raw(&a).3;
        acceptance(&signed)
    };
    let mut promise = promises.into_iter().next().unwrap();
    let cases = [
        ("missing", vec![a.clone(), b.clone()], AgreementError::Incomplete),
        ("missing own", vec![b.clone(), c.clone()], AgreementError::Incomplete),
        ("nobody", vec![], AgreementError::Incomplete),
        ("doubled", vec![a.clone(), b.clone(), b.clone()], AgreementError::Incomplete),
        ("one too many", vec![a.clone(), b.clone(), c.clone(), c.clone()], AgreementError::Incomplete),
        ("reordered", vec![b.clone(), a.clone(), c.clone()], AgreementError::Incomplete),
        ("stranger", vec![a.clone(), b.clone(), acceptance(&stranger)], AgreementError::Incomplete),
        ("forged", vec![a.clone(), b.clone(), acceptance(&forged)], AgreementError::BadSignature),
        ("another's signature", vec![a.clone(), b.clone(), own_key_for_other], AgreementError::BadSignature),
        ("of another proposal", vec![a.clone(), b.clone(), of_other.clone()], AgreementError::OtherProposal),
        ("misfiled", vec![a.clone(), b.clone(), acceptance(&misfiled)], AgreementError::OtherProposal),
        ("stale", vec![again[0].clone(), b.clone(), c.clone()], AgreementError::Stale),
    ];
    let asked = Proposal { attempt: 1, ..other_proposal };
    for (what, acceptances, expected) in cases {
        let start = start(digest, &acceptances);
        let (back, error) = refuse(promise, &start);
        assert_eq!(error, expected, "{what}");
        promise = back;
        // To who was no party it shows as little; of somebody's freshness he knows nothing.
        assert_eq!(start.shown(&asked, &IdentityVerifier).is_ok(), what == "stale", "{what}");
    }
    let whole = start(digest, &[a.clone(), b.clone(), c.clone()]);
    let shown = whole.shown(&asked, &IdentityVerifier).unwrap();
    assert_eq!(shown, whole.agreement(&asked).unwrap());
    let (promise, error) = refuse(promise, &start(of_other.proposal, &[a.clone(), b.clone(), c.clone()]));
    assert_eq!(error, AgreementError::OtherProposal);
    assert!(promise.start(&start(digest, &[a, b, c]), &IdentityVerifier).is_ok());
}

#[test]
fn a_start_tells_the_agreement_on_its_own_proposal_only() {
    let Agreed { proposal, promises, acceptances, .. } = accepted();
    let right = start(acceptances[0].proposal, &acceptances);
    let context = promises.into_iter().next().unwrap().start(&right, &IdentityVerifier).unwrap();
    assert_eq!(right.agreement(&proposal).unwrap(), *context.agreement());
    let other = Proposal { attempt: 2, ..proposal.clone() };
    assert!(right.agreement(&other).unwrap_err().to_string().contains("another proposal"));
    assert!(start(acceptances[0].proposal, &acceptances[..2]).agreement(&proposal).is_err());
}

#[test]
fn no_changed_byte_of_a_start_is_accepted() {
    let Agreed { promises, acceptances, .. } = accepted();
    let right = start(acceptances[0].proposal, &acceptances).to_wire().unwrap();
    let mut promise = promises.into_iter().nth(1).unwrap();
    for at in 0..right.len() {
        let mut bytes = right.clone();
        bytes[at] ^= 0x10;
        let Ok(changed) = Start::from_wire(&bytes) else { continue };
        promise = refuse(promise, &changed).0;
    }
    assert!(promise.start(&Start::from_wire(&right).unwrap(), &IdentityVerifier).is_ok());
}

/// Runs the agreement for a proposal with the given seeds for the parties' fresh bytes.
fn session(cast: &Cast, proposal: &Proposal, proposer: &SigningIdentity, seeds: &[u64]) -> SessionId {
    let signed = SignedProposal::sign(proposal.clone(), proposer).unwrap();
    let mut proposing = Proposing::new(proposal).unwrap();
    let mut outcome = None;
    for (party, seed) in proposal.committee.indices().zip(seeds) {
        let key = cast.identity(party);
        let mut rng = ChaCha20Rng::seed_from_u64(*seed);
        let (promise, acceptance) =
            Accepted::accept(signed.clone(), &key.identity(), &**key, &IdentityVerifier, &mut rng).unwrap();
        if let Some(start) = proposing.accept(acceptance, &IdentityVerifier).unwrap() {
            let context: Arc<SessionContext> =
                promise.start(&start, &IdentityVerifier).map_err(|(_, error)| error).unwrap();
            outcome = Some(context.session());
        }
    }
    outcome.unwrap()
}

#[test]
fn the_session_id_changes_with_everything_agreed_upon() {
    let cast = Cast::new(2, 4, 1);
    let base = proposal(&cast, &cast.subset(&[1, 2, 3]));
    let three =
        Committee::new(Threshold::new(3).unwrap(), cast.subset(&[1, 2, 3]).members().to_vec()).unwrap();
    let toy = |name, suite, version| ProtocolId::new(name, suite, version);
    let variants = [
        base.clone(),
        Proposal { cluster: [8; 32], ..base.clone() },
        Proposal { request: [8; 32], ..base.clone() },
        Proposal { operation: "keygen".into(), ..base.clone() },
        Proposal { protocol: toy("toy2", "none", 1), ..base.clone() },
        Proposal { protocol: toy("toy", "some", 1), ..base.clone() },
        Proposal { protocol: toy("toy", "none", 2), ..base.clone() },
        Proposal { protocol: toy("toyn", "one", 1), ..base.clone() },
        Proposal { setup: [8; 32], ..base.clone() },
        Proposal { epoch: 4, ..base.clone() },
        Proposal { committee: cast.subset(&[1, 2, 4]), ..base.clone() },
        Proposal { committee: three, ..base.clone() },
        Proposal { proposer: cast.identity(p(2)).identity(), ..base.clone() },
        Proposal { attempt: 2, ..base.clone() },
        Proposal { expires: 1001, ..base.clone() },
    ];
    let mut ids = BTreeSet::new();
    for variant in &variants {
        let proposer = (1..=4).map(|party| cast.identity(p(party)));
        let proposer = proposer.into_iter().find(|key| key.identity() == variant.proposer).unwrap();
        assert!(ids.insert(session(&cast, variant, proposer, &[1, 2, 3])), "{variant:?}");
    }
    // The fresh bytes of each signer count.
    let proposer = cast.identity(p(1));
    for seeds in [[9, 2, 3], [1, 9, 3], [1, 2, 9]] {
        assert!(ids.insert(session(&cast, &base, proposer, &seeds)));
    }
    assert!(!ids.insert(session(&cast, &base, proposer, &[1, 2, 3])), "and nothing else does");
}

#[test]
fn every_bit_of_the_fresh_bytes_is_in_the_session_id() {
    let cast = Cast::new(2, 3, 1);
    let proposal = proposal(&cast, cast.committee());
    let agreement = |fresh: &[(PartyIndex, [u8; 32])]| {
        Agreement::try_from_slice(&borsh::to_vec(&(&proposal, fresh)).unwrap())
    };
    let base = [(p(1), [1; 32]), (p(2), [2; 32]), (p(3), [3; 32])];
    let mut ids = BTreeSet::from([agreement(&base).unwrap().session()]);
    for party in 0..3 {
        for bit in 0..256 {
            let mut fresh = base;
            fresh[party].1[bit / 8] ^= 1 << (bit % 8);
            assert!(ids.insert(agreement(&fresh).unwrap().session()));
        }
    }
    // An agreement without the bytes of exactly the committee, in order, is none.
    assert!(agreement(&base[..2]).is_err());
    assert!(agreement(&[base[1], base[0], base[2]]).is_err());
    assert!(agreement(&[base[0], base[1], base[2], (p(4), [4; 32])]).is_err());
    assert!(agreement(&[base[0], base[1], (p(4), [4; 32])]).is_err());
    let encoded = borsh::to_vec(&agreement(&base).unwrap()).unwrap();
    assert_eq!(Agreement::try_from_slice(&encoded).unwrap(), agreement(&base).unwrap());
}

fn keyring(cast: &Cast) -> Keyring {
    cast.keyring(p(1))
}

#[test]
fn a_session_needs_the_setup_and_the_protocol_that_were_agreed_upon() {
    let cast = Cast::new(2, 3, 1);
    let open = |id: ProtocolId, setup: Setup| {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let digest = setup_digest(&SETUP.to_wire().unwrap());
        let context = cast.agree(cast.committee(), id, digest, 0, &mut rng).remove(&p(1)).unwrap();
        Session::<Toy>::new(context, setup, value(p(1)), keyring(&cast), &mut rng).map(|_| ())
    };
    assert_eq!(open(Toy::ID, SETUP), Ok(()));
    assert!(open(Toy::ID, Setup(1)).unwrap_err().to_string().contains("setup"));
    for id in [ProtocolId::new("frost", "none", 1), ProtocolId::new("toy", "none", 2)] {
        assert!(open(id, SETUP).unwrap_err().to_string().contains("toy/none/1"));
    }
    // The cheating harness itself changes nothing by itself.
    let mut simulation = Simulation::<Toy>::new(&cast, cast.committee(), 1, &SETUP, value);
    simulation.replace::<Cheat<Toy>>(p(2), SETUP, (value(p(2)), Box::new(|_, _| {})));
    assert!(simulation.run().0.values().all(|outcome| matches!(outcome, Outcome::Done(_))));
}
