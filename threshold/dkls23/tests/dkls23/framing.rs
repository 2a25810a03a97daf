//! Nobody honest can be convicted: of no fault, with the genuine envelopes of any party.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_dkls23::presign;
use quorate_dkls23::sign::{Fault, Sign};
use quorate_session::{Claim, Envelope, Evidence, Kind, Wire};
use quorate_sharing::{PartyIndex, Secp256k1};

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
        faults.push(Fault::Presign(presign::Fault::WrongProduct { victim }));
    }
    faults
}

#[test]
fn no_accusation_of_an_honest_signer_holds() {
    let scene = Scene::<Secp256k1>::new(3, 3, 1);
    let setup = scene.sign_setup(1, &[task([1; 32], "m"), task([2; 32], "m/1")]);
    let mut simulation = scene.signing(&SIGNERS, &setup, 1);
    let agreement = simulation.context(party(1)).agreement().clone();
    let seen = Seen::default();
    for index in SIGNERS {
        let seen = Rc::clone(&seen);
        let note = move |to: PartyIndex, envelope: Envelope, _: &_| {
            let bytes = envelope.to_wire().unwrap();
            let place = (envelope.header.kind, envelope.header.round, envelope.header.sender);
            let mut seen = seen.borrow_mut();
            seen.entry(envelope.header.sender).or_default().insert(place, envelope.clone());
            seen.entry(to).or_default().insert(place, envelope);
            vec![bytes]
        };
        simulation.tamper(party(index), Box::new(note));
    }
    assert_eq!(simulation.run().results().len(), SIGNERS.len());
    let setup = setup.to_wire().unwrap();
    for accuser in SIGNERS {
        let envelopes = &seen.borrow()[&party(accuser)];
        assert!(accuser != 1 || envelopes.contains_key(&(Kind::Round, 3, party(2))));
        for accused in SIGNERS {
            for fault in faults() {
                let claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
                let envelopes = envelopes.values().cloned().collect();
                let evidence = Evidence::gathered(&agreement, &setup, party(accused), claim, envelopes);
                assert!(evidence.judge::<Sign<Secp256k1>>().is_err(), "{accuser} {accused} {fault:?}");
            }
        }
    }
}
