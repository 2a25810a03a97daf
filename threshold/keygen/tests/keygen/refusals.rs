//! Refusals: whom they are by, and that nobody can sign one and the acknowledgement.

use std::sync::Arc;

use quorate_keygen::{Fault, Keygen, Message, Refusal};
use quorate_session::{Claim, Envelope, Evidence, Header, Kind, Part, Wire};
use quorate_sharing::Curve;
use quorate_simulator::Cast;

use crate::cast::{five, party};
use crate::certificate::{Ended, ended, resigned};
use crate::forgery::{Open, faults, wrong_share};
use crate::on_every_curve;

on_every_curve!(
    who_acknowledges_what_it_promised_not_to_is_convicted,
    who_acknowledges_and_complains_is_convicted,
    a_promise_is_of_its_party_and_session,
);

fn promise(ended: &Ended, index: u16) -> Refusal {
    Refusal::promise(ended.agreement.session(), five().identity(party(index)))
}

/// A complaint that a party could send in the session, whatever it shows.
fn complaint(ended: &Ended, index: u16) -> Arc<Envelope> {
    let message = wrong_share(4).message(3, 4);
    assert!(matches!(message, Message::Complaint(_)));
    resigned(ended, index, index, |envelope| envelope.broadcast = Part::Whole(message.to_wire().unwrap()))
}

fn convicted<C: Curve>(evidence: &Evidence) -> Option<u16> {
    let evidence = Evidence::from_wire(&evidence.to_wire().unwrap()).unwrap();
    evidence.judge::<Keygen<C>>().ok().map(|verdict| verdict.party.get())
}

fn who_acknowledges_what_it_promised_not_to_is_convicted<C: Curve>() {
    let (ended, other) = (ended::<C>(1), ended::<C>(2));
    let certificate = ended.certificate().unwrap();
    for index in 1..=5 {
        let refusal = promise(&ended, index);
        assert_eq!(refusal.session(), ended.agreement.session());
        assert_eq!(Refusal::from_wire(&refusal.to_wire().unwrap()).unwrap(), refusal);
        let evidence = refusal.contradiction(&certificate, &()).unwrap();
        assert_eq!(evidence.claim.to_string(), "acknowledged a key that it had refused");
        assert_eq!(convicted::<C>(&evidence), Some(index));
        // Nobody else is, whoever tries.
        for accused in (1..=5).filter(|accused| *accused != index) {
            let mut framed = evidence.clone();
            framed.accused = party(accused);
            assert_eq!(convicted::<C>(&framed), None);
        }
        // A promise about another session contradicts nothing.
        assert_eq!(promise(&other, index).contradiction(&certificate, &()), None);
        let Refusal::Promise { signature, .. } = promise(&other, index) else { unreachable!() };
        let fault = Fault::BrokenPromise { promise: signature };
        let mut stale = evidence.clone();
        stale.claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().unwrap() };
        assert_eq!(convicted::<C>(&stale), None);
    }
}

fn who_acknowledges_and_complains_is_convicted<C: Curve>() {
    let (ended, other) = (ended::<C>(1), ended::<C>(2));
    let certificate = ended.certificate().unwrap();
    let refusal = |envelope: Arc<Envelope>| Refusal::Complaint(Box::new(Envelope::clone(&envelope)));
    for index in 1..=5 {
        let refused = refusal(complaint(&ended, index));
        assert_eq!(refused.author(&ended.agreement), Some(five().identity(party(index)).identity()));
        assert_eq!(convicted::<C>(&refused.contradiction(&certificate, &()).unwrap()), Some(index));
        assert_eq!(refusal(complaint(&other, index)).contradiction(&certificate, &()), None);
        // The acknowledgement itself is no complaint.
        let acknowledgement = Arc::clone(&ended.acknowledgements[usize::from(index) - 1]);
        assert_eq!(refusal(acknowledgement).author(&ended.agreement), None);
        // Nor is a complaint that somebody else signed, or that stands elsewhere.
        let forged = |signer, change: fn(&mut Header)| {
            let Envelope { mut header, broadcast, direct, .. } = Envelope::clone(&complaint(&ended, index));
            change(&mut header);
            let signer = five().keyring(party(signer)).signer;
            refusal(Arc::new(Envelope::seal(header, broadcast, direct, &*signer))).author(&ended.agreement)
        };
        assert!(forged(index, |_| ()).is_some());
        assert_eq!(forged(index % 5 + 1, |_| ()), None);
        assert_eq!(forged(index, |header| header.round = 2), None);
        assert_eq!(forged(index, |header| header.kind = Kind::Dispute), None);
    }
}

fn a_promise_is_of_its_party_and_session<C: Curve>() {
    let (ended, other) = (ended::<C>(1), ended::<C>(2));
    let Refusal::Promise { session, party: author, signature } = promise(&ended, 2) else { unreachable!() };
    let genuine = Refusal::Promise { session, party: author, signature };
    assert_eq!(genuine.author(&ended.agreement), Some(author));
    assert_eq!(genuine.author(&other.agreement), None);
    let party_3 = five().identity(party(3)).identity();
    assert_eq!(Refusal::Promise { session, party: party_3, signature }.author(&ended.agreement), None);
    let session = other.agreement.session();
    assert_eq!(Refusal::Promise { session, party: author, signature }.author(&other.agreement), None);
    let stranger = Refusal::promise(ended.agreement.session(), Cast::new(3, 6, 1).identity(party(6)));
    assert_eq!(stranger.author(&ended.agreement), None);
}

/// An honest party's promise, beside whatever it signed in a session that failed, convicts it of nothing.
#[test]
fn an_honest_refusal_convicts_nobody() {
    let failed = wrong_share(4);
    for index in [1, 3, 4, 5] {
        let Refusal::Promise { signature, .. } =
            Refusal::promise(failed.agreement.session(), five().identity(party(index)))
        else {
            unreachable!()
        };
        let mut evidence: Open = failed.clone();
        evidence.charge(index, &Fault::BrokenPromise { promise: signature });
        assert!(!evidence.convicts());
        for charge in faults() {
            evidence.charge(index, &charge);
            assert!(!evidence.convicts(), "{index}: {charge}");
        }
    }
}
