//! Nobody is convicted of anything but what it has done, whatever is made of what it signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_reshare::{Fault, Message, Reshare, Setup};
use quorate_session::{
    Agreement, Claim, Envelope, Evidence, Outgoing, Part, Protocol as _, Session, Wire, setup_digest,
};
use quorate_sharing::{Ed25519, PartyIndex};
use quorate_simulator::{Cast, lockstep};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::cheats::{CHANGE, saying, with_constant};
use crate::group::{cast, key, party};

type C = Ed25519;

fn faults() -> Vec<Fault> {
    let shares = (1..=7).map(|complainer| Fault::BadShare { complainer: party(complainer) });
    let rounds = (0..=4).map(|round| Fault::UnexpectedMessage { round });
    let others = [
        Fault::FacingKeys,
        Fault::Opening,
        Fault::Coefficients,
        Fault::Constant,
        Fault::KnowledgeProof,
        Fault::FalseComplaint,
        Fault::Transcript,
        Fault::ShareProof,
        Fault::BrokenPromise { promise: [1; 64] },
    ];
    shares.chain(rounds).chain(others).collect()
}

fn charge(evidence: &mut Evidence, accused: PartyIndex, fault: &Fault) -> bool {
    evidence.accused = accused;
    evidence.claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
    evidence.judge::<Reshare<C>>().is_ok()
}

#[test]
fn no_other_charge_holds_than_the_one_that_is_true() {
    type Say = fn(u8, &mut Outgoing<Message>);
    let wrong_share: Say = |_, send| {
        if let Some(Message::Share(sealed)) = send.direct.get_mut(&party(6)) {
            sealed[7] ^= 1;
        }
    };
    let unknown_share: Say = |_, send| {
        if let Some(Message::Known(known)) = &mut send.broadcast {
            known.response = [0; 32];
        }
    };
    let other_key: Say = |_, send| {
        if let Some(Message::Ready(key)) = &mut send.broadcast {
            *key = [1; 32];
        }
    };
    let share_for_who_leaves: Say = |round, send| {
        if round == 2 {
            send.direct.insert(party(1), Message::Share(vec![0; 48]));
        }
    };
    for (culprit, fault, outcomes) in [
        (2, Fault::Constant, with_constant::<C>(2, 1)),
        (2, Fault::BadShare { complainer: party(6) }, saying::<C>(2, 1, wrong_share)),
        (6, Fault::ShareProof, saying::<C>(6, 1, unknown_share)),
        (1, Fault::Transcript, saying::<C>(1, 1, other_key)),
        (3, Fault::UnexpectedMessage { round: 2 }, saying::<C>(3, 1, share_for_who_leaves)),
    ] {
        let accuser = if culprit == 3 { 1 } else { 4 };
        let mut evidence = outcomes.evidence(party(accuser)).clone();
        assert!(charge(&mut evidence, party(culprit), &fault), "{fault}");
        for accused in [1, 2, 3, 4, 6, 7] {
            for other in faults() {
                let holds = charge(&mut evidence, party(accused), &other);
                assert_eq!(holds, accused == culprit && other == fault, "{fault}: {accused}, {other}");
            }
        }
    }
}

/// An honest resharing, with all that each party has received.
struct Honest {
    agreement: Agreement,
    setup: Setup,
    received: BTreeMap<PartyIndex, Vec<Arc<Envelope>>>,
}

fn honest(cast: &Cast) -> Honest {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let old = key::<C>(cast, 3, &[1, 2, 3, 4, 5]);
    let setup = CHANGE.setup(&old);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let contexts = cast.agree(&CHANGE.committee(cast), Reshare::<C>::ID, digest, 1, &mut rng);
    let agreement = contexts.values().next().unwrap().agreement().clone();
    let mut sessions: BTreeMap<PartyIndex, Session<Reshare<C>>> = contexts
        .into_iter()
        .map(|(index, context)| {
            let secret = CHANGE.secret(&old, index);
            (index, Session::new(context, setup.clone(), secret, cast.keyring(index), &mut rng).unwrap())
        })
        .collect();
    lockstep::run(&mut sessions, &mut rng);
    let received =
        |session: &Session<Reshare<C>>| (1..=3).flat_map(|round| session.envelopes(round)).collect();
    let received = sessions.iter().map(|(index, session)| (*index, received(session))).collect();
    Honest { agreement, setup, received }
}

impl Honest {
    /// What one party has received, as evidence against another: each envelope may be shown changed.
    fn evidence(&self, by: PartyIndex, show: impl Fn(&Envelope) -> Envelope) -> Evidence {
        let envelopes = self.received[&by].iter().map(|envelope| show(envelope)).collect();
        let claim = Claim::Fault { summary: String::new(), fault: Vec::new() };
        let setup = self.setup.to_wire().unwrap();
        Evidence::gathered(&self.agreement, &setup, by, claim, envelopes)
    }
}

#[test]
fn what_honest_parties_sign_convicts_none_of_them() {
    let cast = cast();
    let honest = honest(&cast);
    for by in honest.received.keys() {
        let mut evidence = honest.evidence(*by, Envelope::clone);
        for accused in honest.received.keys() {
            for fault in faults() {
                assert!(!charge(&mut evidence, *accused, &fault), "{by} accuses {accused}: {fault}");
            }
        }
    }
}

/// Who signs something else after the fact changes what others are judged by. They confirmed what they had seen.
#[test]
fn what_is_signed_anew_afterwards_convicts_nobody_else() {
    let cast = cast();
    let honest = honest(&cast);
    let by = party(4);
    for (liar, round) in [(1, 1), (2, 1), (6, 1), (1, 2), (3, 2), (7, 2)] {
        let again = |envelope: &Envelope| {
            if (envelope.header.sender, envelope.header.round) != (party(liar), round) {
                return envelope.clone();
            }
            let message = match Message::from_wire(envelope.broadcast.whole().unwrap()).unwrap() {
                Message::Commit(mut commit) => {
                    commit.facing.iter_mut().for_each(|key| key[0] ^= 1);
                    commit.opening[0] ^= 1;
                    Message::Commit(commit)
                }
                Message::Open(mut open) => {
                    // The coefficients of another dealer.
                    let other = honest.received[&by].iter().find(|other| {
                        other.header.round == 2 && other.header.sender == party(if liar == 1 { 2 } else { 1 })
                    });
                    let Ok(Message::Open(other)) =
                        Message::from_wire(other.unwrap().broadcast.whole().unwrap())
                    else {
                        panic!("a dealer opens")
                    };
                    open.coefficients = other.coefficients;
                    Message::Open(open)
                }
                _ => Message::Ready([7; 32]),
            };
            let signer = cast.keyring(party(liar)).signer;
            let body = Part::Whole(message.to_wire().unwrap());
            Envelope::seal(envelope.header.clone(), body, envelope.direct.clone(), &*signer)
        };
        let mut evidence = honest.evidence(by, again);
        for accused in honest.received.keys().filter(|accused| **accused != party(liar)) {
            for fault in faults() {
                assert!(!charge(&mut evidence, *accused, &fault), "{liar} signs anew, {accused}: {fault}");
            }
        }
    }
}
