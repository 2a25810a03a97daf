//! Nobody honest can be convicted: of no fault, with the genuine envelopes of any party.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_dkls23::pairs::{self, PairsProtocol};
use quorate_dkls23::presign::{self, Presign};
use quorate_dkls23::sign::{Fault, Online, Sign};
use quorate_session::{Claim, Envelope, Evidence, Kind, Protocol, Wire};
use quorate_sharing::{PartyIndex, Secp256k1};
use quorate_simulator::Simulation;

use crate::scene::{Scene, party, task};

const SIGNERS: [u16; 3] = [1, 2, 3];

type Place = (Kind, u8, PartyIndex);

/// Who got which envelopes; its own are those that it sent to the last of the others.
type Seen = Rc<RefCell<BTreeMap<PartyIndex, BTreeMap<Place, Envelope>>>>;

/// Every fault that there is.
fn faults() -> Vec<Fault> {
    let mut faults = vec![Fault::MalformedShares, Fault::Presign(presign::Fault::WrongOpening)];
    for round in 0..=4 {
        faults.push(Fault::UnexpectedMessage { round });
        faults.push(Fault::Presign(presign::Fault::UnexpectedMessage { round }));
        faults.push(Fault::Presign(presign::Fault::Malformed { round }));
    }
    for victim in SIGNERS.map(party) {
        faults.push(Fault::Presign(presign::Fault::OtherRun { victim }));
        faults.push(Fault::Presign(presign::Fault::Inconsistent { victim }));
        faults.push(Fault::Presign(presign::Fault::CaughtBefore { victim }));
        faults.push(Fault::Presign(presign::Fault::WrongProduct { victim }));
    }
    faults
}

/// Runs it, and lets everybody accuse everybody of each fault with all the envelopes that it got.
fn nobody_is_convicted<P>(
    mut simulation: Simulation<'_, P>,
    parties: &[u16],
    setup: &P::Setup,
    faults: &[P::Fault],
    rounds: u8,
) where
    P: Protocol + 'static,
    P::Setup: Clone,
{
    let agreement = simulation.context(party(1)).agreement().clone();
    let seen = Seen::default();
    for index in parties {
        let seen = Rc::clone(&seen);
        let note = move |to: PartyIndex, envelope: Envelope, _: &_| {
            let bytes = envelope.to_wire().unwrap();
            let place = (envelope.header.kind, envelope.header.round, envelope.header.sender);
            let mut seen = seen.borrow_mut();
            seen.entry(envelope.header.sender).or_default().insert(place, envelope.clone());
            seen.entry(to).or_default().insert(place, envelope);
            vec![bytes]
        };
        simulation.tamper(party(*index), Box::new(note));
    }
    assert_eq!(simulation.run().results().len(), parties.len());
    let setup = setup.to_wire().unwrap();
    let last = seen.borrow()[&party(1)].keys().map(|(_, round, _)| *round).max();
    assert_eq!(last, Some(rounds), "party 1 has the last message");
    for accuser in parties {
        let envelopes = &seen.borrow()[&party(*accuser)];
        for accused in parties {
            for fault in faults {
                let claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
                let envelopes = envelopes.values().cloned().collect();
                let evidence = Evidence::gathered(&agreement, &setup, party(*accused), claim, envelopes);
                assert!(evidence.judge::<P>().is_err(), "{accuser} {accused} {fault:?}");
            }
        }
    }
}

#[test]
fn no_accusation_of_an_honest_signer_holds() {
    let scene = Scene::<Secp256k1>::new(3, 3, 1);
    let tasks = [task([1; 32], "m"), task([2; 32], "m/1")];
    let setup = scene.sign_setup(1, &tasks);
    nobody_is_convicted::<Sign<Secp256k1>>(
        scene.signing(&SIGNERS, &setup, 1),
        &SIGNERS,
        &setup,
        &faults(),
        3,
    );
    let presignatures = scene.presign(&SIGNERS, 2, 1);
    let setup = scene.online_setup(1, &tasks, &presignatures[&party(1)]);
    let online = scene.online(&SIGNERS, &setup, presignatures, 1);
    nobody_is_convicted::<Online<Secp256k1>>(online, &SIGNERS, &setup, &faults(), 1);
    let setup = scene.presign_setup(2);
    let faults: Vec<_> = faults()
        .into_iter()
        .filter_map(|fault| match fault {
            Fault::Presign(fault) => Some(fault),
            _ => None,
        })
        .collect();
    let presigning = scene.presigning(&SIGNERS, &setup, 1);
    nobody_is_convicted::<Presign<Secp256k1>>(presigning, &SIGNERS, &setup, &faults, 2);
}

#[test]
fn no_accusation_of_an_honest_holder_holds() {
    let scene = Scene::<Secp256k1>::new(2, 3, 1);
    let setup = pairs::Setup { key: scene.key.clone() };
    let mut faults: Vec<_> = (0..=4).map(|round| pairs::Fault::UnexpectedMessage { round }).collect();
    for victim in SIGNERS.map(party) {
        faults.push(pairs::Fault::Malformed { victim });
        faults.push(pairs::Fault::Inconsistent { victim });
        faults.push(pairs::Fault::Undecryptable { victim });
        faults.push(pairs::Fault::Transcript { victim });
    }
    let pairing = Simulation::<PairsProtocol>::new(&scene.cast, scene.cast.committee(), 1, &setup, |_| ());
    nobody_is_convicted(pairing, &SIGNERS, &setup, &faults, 3);
}
