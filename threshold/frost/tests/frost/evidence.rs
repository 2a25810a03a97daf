//! Forged evidence: nobody honest can be convicted, whatever an aggregator puts together.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_frost::{Bip340Suite, Ed25519Suite, Fault, Frost, Message, NonceCommitments, Setup, Suite};
use quorate_session::{Agreement, Claim, Envelope, Evidence, NotProven, Part, ProtocolId, Wire};
use quorate_sharing::PartyIndex;

use crate::{Scene, party, raised};

const AGGREGATOR: u16 = 1;
const HONEST: u16 = 2;
const OTHER: u16 = 4;

/// [`Evidence`] with nothing private.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
struct Forgery {
    protocol: ProtocolId,
    agreement: Agreement,
    setup: Vec<u8>,
    accused: PartyIndex,
    claim: Claim,
    envelopes: Vec<Envelope>,
}

impl Forgery {
    fn judge<S: Suite>(&self) -> Result<(), NotProven> {
        let bytes = [&[quorate_session::WIRE_VERSION][..], &borsh::to_vec(self).unwrap()].concat();
        Evidence::from_wire(&bytes).unwrap().judge::<Frost<S>>().map(drop)
    }

    fn accusing(&self, fault: Fault) -> Self {
        let claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
        Self { claim, ..self.clone() }
    }

    /// Whether it is the protocol's judge that refuses, not one before it.
    fn is_refused<S: Suite>(&self) -> bool {
        let reason = NotProven::because("the messages of the accused don't show it");
        self.judge::<S>() == Err(reason)
    }

    /// Puts other bytes into an envelope of the aggregator, which can sign them.
    fn replace<S: Suite>(&mut self, scene: &Scene<S>, round: u8, message: &Message) {
        let mut replaced = 0;
        for envelope in &mut self.envelopes {
            if envelope.header.sender == party(AGGREGATOR) && envelope.header.round == round {
                let Envelope { header, direct, .. } = envelope.clone();
                let part = Part::Whole(message.to_wire().unwrap());
                *envelope = Envelope::seal(header, part, direct, &**scene.cast.identity(party(AGGREGATOR)));
                replaced += 1;
            }
        }
        assert_eq!(replaced, 1);
    }
}

/// Every envelope of an honest run, as an accusation against an honest signer.
fn honest_run<S: Suite>() -> (Scene<S>, Setup, Forgery) {
    let scene = Scene::<S>::new(3, 5, 21);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&[AGGREGATOR, HONEST, OTHER], &setup, 21);
    let agreement = simulation.context(party(AGGREGATOR)).agreement().clone();
    let seen: Rc<RefCell<BTreeMap<(u8, PartyIndex), Envelope>>> = Rc::default();
    for index in [AGGREGATOR, HONEST, OTHER] {
        let seen = Rc::clone(&seen);
        simulation.tamper(
            party(index),
            Box::new(move |_, envelope, _| {
                let bytes = envelope.to_wire().unwrap();
                seen.borrow_mut().insert((envelope.header.round, envelope.header.sender), envelope);
                vec![bytes]
            }),
        );
    }
    crate::the_signature(&setup, simulation.run().results());
    let envelopes: Vec<_> = seen.borrow().values().cloned().collect();
    assert_eq!(envelopes.len(), 5, "three commitments and two shares");
    let forgery = Forgery {
        protocol: S::PROTOCOL,
        agreement,
        setup: setup.to_wire().unwrap(),
        accused: party(HONEST),
        claim: Claim::Undecodable { round: 2 },
        envelopes,
    };
    (scene, setup, forgery)
}

fn other_commitments<S: Suite>() -> Message {
    let other = Scene::<S>::new(2, 3, 50);
    let point = other.wallet.public.group_key.as_bytes().to_vec();
    Message::Commitments(vec![NonceCommitments { hiding: point.clone(), binding: point }])
}

fn no_accusation_of_an_honest_signer_holds<S: Suite>() {
    let (_, _, forgery) = honest_run::<S>();
    assert!(forgery.judge::<S>().is_err());
    for fault in [Fault::Commitments, Fault::MalformedShares, Fault::WrongShare] {
        assert!(forgery.accusing(fault).is_refused::<S>(), "{fault}");
    }
    for round in 0..=3 {
        assert!(forgery.accusing(Fault::UnexpectedMessage { round }).is_refused::<S>(), "round {round}");
    }
}

#[test]
fn no_accusation_of_an_honest_signer_holds_ed25519() {
    no_accusation_of_an_honest_signer_holds::<Ed25519Suite>();
}

#[test]
fn no_accusation_of_an_honest_signer_holds_bip340() {
    no_accusation_of_an_honest_signer_holds::<Bip340Suite>();
}

/// With other commitments of the aggregator's, the honest share is wrong. But its author signed which it had seen.
fn an_aggregator_that_swaps_its_own_commitments_convicts_nobody<S: Suite>() {
    let (scene, _, mut forgery) = honest_run::<S>();
    forgery.replace(&scene, 1, &other_commitments::<S>());
    assert!(forgery.accusing(Fault::WrongShare).is_refused::<S>());
}

#[test]
fn an_aggregator_that_swaps_its_own_commitments_convicts_nobody_ed25519() {
    an_aggregator_that_swaps_its_own_commitments_convicts_nobody::<Ed25519Suite>();
}

#[test]
fn an_aggregator_that_swaps_its_own_commitments_convicts_nobody_bip340() {
    an_aggregator_that_swaps_its_own_commitments_convicts_nobody::<Bip340Suite>();
}

#[test]
fn withheld_parts_and_envelopes_convict_nobody() {
    let (_, _, forgery) = honest_run::<Ed25519Suite>();
    for at in 0..forgery.envelopes.len() {
        let mut withheld = forgery.clone();
        withheld.envelopes.remove(at);
        let mut digested = forgery.clone();
        let envelope = &mut digested.envelopes[at];
        for part in [&mut envelope.broadcast, &mut envelope.direct] {
            if let Some(digest) = part.commitment() {
                *part = Part::Digest(digest);
            }
        }
        for fault in [
            Fault::Commitments,
            Fault::MalformedShares,
            Fault::WrongShare,
            Fault::UnexpectedMessage { round: 1 },
            Fault::UnexpectedMessage { round: 2 },
        ] {
            assert!(withheld.accusing(fault).is_refused::<Ed25519Suite>(), "{fault} without envelope {at}");
            assert!(
                digested.accusing(fault).is_refused::<Ed25519Suite>(),
                "{fault}, digest of envelope {at}"
            );
        }
    }
}

/// The true evidence against a cheater, to see that it is only the forging that makes it worthless.
fn true_evidence() -> (Scene<Ed25519Suite>, Forgery) {
    let scene = Scene::<Ed25519Suite>::new(3, 5, 22);
    let setup = scene.setup(AGGREGATOR);
    let mut simulation = scene.simulation(&[AGGREGATOR, HONEST, OTHER], &setup, 22);
    let cheat: quorate_simulator::Rewrite<Message> = Box::new(|round, send| {
        if round == 2 {
            send.direct.values_mut().for_each(|message| *message = raised::<Ed25519Suite>(message));
        }
    });
    simulation.cheat(party(OTHER), &setup, scene.wallet.share(party(OTHER)), cheat);
    let outcomes = simulation.run();
    let bytes = outcomes.evidence(party(AGGREGATOR)).to_wire().unwrap();
    (scene, Forgery::try_from_slice(&bytes[1..]).unwrap())
}

#[test]
fn true_evidence_against_another_is_none_against_an_honest_signer() {
    let (scene, evidence) = true_evidence();
    assert!(evidence.judge::<Ed25519Suite>().is_ok());
    assert!(Forgery { accused: party(HONEST), ..evidence.clone() }.is_refused::<Ed25519Suite>());
    assert!(Forgery { accused: party(AGGREGATOR), ..evidence.clone() }.is_refused::<Ed25519Suite>());
    for fault in [Fault::Commitments, Fault::MalformedShares, Fault::UnexpectedMessage { round: 2 }] {
        assert!(evidence.accusing(fault).is_refused::<Ed25519Suite>(), "{fault}");
    }
    let mut swapped = evidence.clone();
    swapped.replace(&scene, 1, &other_commitments::<Ed25519Suite>());
    assert!(swapped.is_refused::<Ed25519Suite>());
    for at in 0..evidence.envelopes.len() {
        let mut less = evidence.clone();
        let envelope = less.envelopes.remove(at);
        // The shares of the honest are not needed; everything else is.
        let needed = envelope.header.round == 1 || envelope.header.sender == party(OTHER);
        assert_eq!(less.is_refused::<Ed25519Suite>(), needed, "without envelope {at}");
    }
    assert!(evidence.judge::<Bip340Suite>().is_err());
}

#[test]
fn evidence_shows_no_share_of_the_honest() {
    let (_, evidence) = true_evidence();
    for envelope in evidence.envelopes {
        if envelope.header.sender != party(OTHER) {
            assert_eq!(envelope.direct.whole(), None);
        }
    }
}
