//! Nobody honest can be convicted: of no fault, with the genuine envelopes of any party, nor with others that an accuser puts among them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_cggmp21::presign::{Encryption, Fault, Message, Presign, PresignSetup, Product, Sum};
use quorate_session::{Agreement, Claim, Envelope, Evidence, Kind, NotProven, Part, Protocol, Wire};
use quorate_sharing::{PartyIndex, Secp256k1};
use quorate_simulator::Simulation;

use crate::presign::{Liar, SIGNERS};
use crate::scene::{Scene, party};

type Place = (Kind, u8, PartyIndex);

/// Who got which envelopes; its own are those that it sent to the last of the others.
type Seen = Rc<RefCell<BTreeMap<PartyIndex, BTreeMap<Place, Envelope>>>>;

/// Notes all envelopes of a simulation.
fn listen<P: Protocol + 'static>(simulation: &mut Simulation<'_, P>) -> Seen
where
    P::Setup: Clone,
{
    let seen = Seen::default();
    for index in SIGNERS {
        let seen = Rc::clone(&seen);
        let note = move |to: PartyIndex, envelope: Envelope, _: &_| {
            let bytes = envelope.to_wire().unwrap();
            let header = &envelope.header;
            let place = (header.kind, header.round, header.sender);
            let mut seen = seen.borrow_mut();
            seen.entry(header.sender).or_default().insert(place, envelope.clone());
            seen.entry(to).or_default().insert(place, envelope);
            vec![bytes]
        };
        simulation.tamper(party(index), Box::new(note));
    }
    seen
}

/// Every fault that there is, of every presignature, and of one that there is not.
fn faults() -> Vec<Fault> {
    let everybody = [1, 2, 3, 4].map(party);
    let mut faults = Vec::new();
    for round in 0..=5 {
        faults.extend([Fault::UnexpectedMessage { round }, Fault::Malformed { round }]);
        faults.extend((0..3).map(|item| Fault::Exponent { round, item }));
    }
    for item in 0..3 {
        for verifier in everybody {
            for ciphertext in Encryption::BOTH {
                faults.push(Fault::Encryption { item, ciphertext, verifier });
            }
            for product in Product::BOTH {
                let sum = Sum { item, product };
                faults.extend([Fault::Multiplication { sum, verifier }, Fault::WrongSum { sum, verifier }]);
                let wrong = |receiver| Fault::WrongProduct { sum, receiver, verifier };
                faults.extend(everybody.map(wrong));
            }
        }
    }
    faults
}

/// Accuses with these envelopes; whether it is the protocol's judge that refuses, not one before it.
fn is_refused(
    agreement: &Agreement,
    setup: &PresignSetup,
    accused: PartyIndex,
    fault: Fault,
    envelopes: &BTreeMap<Place, Envelope>,
) -> bool {
    let claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
    let envelopes = envelopes.values().filter(|envelope| envelope.header.kind != Kind::Evidence);
    let setup = setup.to_wire().unwrap();
    let evidence = Evidence::gathered(agreement, &setup, accused, claim, envelopes.cloned().collect());
    let reason = NotProven::because("the messages of the accused don't show it");
    evidence.judge::<Presign<Secp256k1>>() == Err(reason)
}

#[test]
fn no_accusation_of_an_honest_signer_holds() {
    let scene = Scene::<Secp256k1>::new(3, 5, 31);
    let setup = scene.presign_setup(&SIGNERS, 2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 31);
    let agreement = simulation.context(party(1)).agreement().clone();
    let seen = listen(&mut simulation);
    assert_eq!(simulation.run().results().len(), SIGNERS.len());
    for accuser in [1, 3] {
        let envelopes = &seen.borrow()[&party(accuser)];
        for round in 1..=3 {
            for signer in SIGNERS {
                assert!(envelopes.contains_key(&(Kind::Round, round, party(signer))), "{signer} {round}");
            }
        }
        for fault in faults() {
            assert!(is_refused(&agreement, &setup, party(4), fault, envelopes), "{accuser}: {fault:?}");
        }
    }
}

/// When a sum is traced, all show more than otherwise: against the honest it proves nothing, either.
#[test]
fn no_accusation_of_an_honest_signer_holds_when_a_sum_was_wrong() {
    const CHEATER: u16 = 3;
    let scene = Scene::<Secp256k1>::new(3, 5, 32);
    let setup = scene.presign_setup(&SIGNERS, 2);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 32);
    let agreement = simulation.context(party(1)).agreement().clone();
    let lie: crate::presign::Lie = |sums| sums.delta = [5; 32];
    simulation.replace::<Liar<Secp256k1>>(party(CHEATER), setup.clone(), (scene.secret(party(CHEATER)), lie));
    let seen = listen(&mut simulation);
    let outcomes = simulation.run();
    assert_eq!(outcomes.convicts(party(1), party(CHEATER)), "said a wrong part of the nonce");
    for accuser in [1, CHEATER] {
        let envelopes = &seen.borrow()[&party(accuser)];
        assert!(envelopes.contains_key(&(Kind::Round, 4, party(4))), "it was traced");
        for fault in faults() {
            assert!(is_refused(&agreement, &setup, party(4), fault, envelopes), "{accuser}: {fault:?}");
        }
    }
    // The same envelopes do convict who it was.
    let sum = Sum { item: 1, product: Product::Nonce };
    let fault = Fault::WrongSum { sum, verifier: party(1) };
    assert!(!is_refused(&agreement, &setup, party(CHEATER), fault, &seen.borrow()[&party(1)]));
}

/// With other ciphertexts of the accuser's, honest products are wrong. But their author signed which it had seen.
#[test]
fn an_accuser_that_swaps_its_own_ciphertexts_convicts_nobody() {
    let scene = Scene::<Secp256k1>::new(3, 5, 33);
    let setup = scene.presign_setup(&SIGNERS, 1);
    let mut simulation = scene.presigning(&SIGNERS, &setup, 33);
    let agreement = simulation.context(party(1)).agreement().clone();
    let seen = listen(&mut simulation);
    assert_eq!(simulation.run().results().len(), SIGNERS.len());
    let mut envelopes = seen.borrow()[&party(1)].clone();
    let own = envelopes.get_mut(&(Kind::Round, 1, party(1))).unwrap();
    let mut message = Message::from_wire(own.broadcast.whole().unwrap()).unwrap();
    let Message::Encrypted(all) = &mut message else { panic!("no ciphertexts") };
    all[0].k = all[0].gamma.clone();
    let broadcast = Part::Whole(message.to_wire().unwrap());
    let signer = scene.cast.keyring(party(1)).signer;
    *own = Envelope::seal(own.header.clone(), broadcast, own.direct.clone(), &*signer);
    for product in Product::BOTH {
        let fault = Fault::Multiplication { sum: Sum { item: 0, product }, verifier: party(1) };
        assert!(is_refused(&agreement, &setup, party(4), fault, &envelopes), "{fault:?}");
    }
}
