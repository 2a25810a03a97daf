//! Wrong shares, and complaints about right ones.

use ff::Field;
use quorate_keygen::{Complaint, Keygen, Message};
use quorate_session::{Envelope, Header, Keyring, Kind, Part, Wire};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::Simulation;

use crate::cast::{all_convict, five, party, run, simulation};
use crate::dealer::{Dealer, Script, Seen};
use crate::on_every_curve;

on_every_curve!(
    a_wrong_share_convicts_its_dealer,
    a_share_that_cannot_be_read_convicts_its_dealer,
    shares_of_another_polynomial_convict_their_dealer,
    a_delivery_that_names_no_recipient_does_not_turn_against_its_victim,
    the_first_of_two_wrong_dealers_is_accused,
    colluding_dealers_whose_wrong_shares_cancel_gain_nothing,
    a_complaint_about_a_right_share_convicts_its_author,
    a_complaint_that_shows_something_else_convicts_its_author,
);

fn wrong_share(victims: &[u16]) -> Vec<String> {
    victims.iter().map(|victim| format!("sent party {victim} a wrong share")).collect()
}

/// All convict party 2 of a wrong share for one of the victims: which, depends on whose complaint comes first.
fn all_convict_of_a_share<C: Curve>(victims: &[u16], script: impl Fn() -> Script<C>) {
    for seed in 0..3 {
        let outcomes = run::<C>(seed, [(2, script())]);
        for honest in [1, 3, 4, 5].map(party) {
            let finding = outcomes.convicts(honest, party(2));
            assert!(wrong_share(victims).contains(&finding), "{finding}");
        }
    }
}

fn a_wrong_share_convicts_its_dealer<C: Curve>() {
    all_convict_of_a_share::<C>(&[4], || Script::wrong_for(&[4]));
    all_convict_of_a_share::<C>(&[1, 5], || Script::wrong_for(&[1, 5]));
    all_convict_of_a_share::<C>(&[1, 3, 4, 5], || Script::wrong_for(&[1, 3, 4, 5]));
}

fn a_share_that_cannot_be_read_convicts_its_dealer<C: Curve>() {
    // Not decryptable, then decryptable but no scalar, then the share of another party.
    all_convict_of_a_share::<C>(&[4], || {
        Script::delivering(|delivery| {
            let mut sealed = delivery.seal(&delivery.right);
            if delivery.to == party(4) {
                sealed[7] ^= 1;
            }
            sealed
        })
    });
    all_convict_of_a_share::<C>(&[4], || {
        Script::delivering(|delivery| match delivery.to.get() {
            4 => delivery.seal_bytes(&[0xFF; 32]),
            _ => delivery.seal(&delivery.right),
        })
    });
    all_convict_of_a_share::<C>(&[3, 4], || {
        let mut previous = C::Scalar::ZERO;
        Script::delivering(move |delivery| {
            let right = std::mem::replace(&mut previous, delivery.right);
            delivery.seal(if [3, 4].contains(&delivery.to.get()) { &right } else { &delivery.right })
        })
    });
    // Sealed for another session.
    all_convict_of_a_share::<C>(&[5], || {
        Script::delivering(|delivery| {
            let context = if delivery.to == party(5) { [0; 32] } else { delivery.context };
            let share = C::scalar_to_bytes(&delivery.right);
            delivery.channel.seal(&context, delivery.from, delivery.to, &share)
        })
    });
}

fn shares_of_another_polynomial_convict_their_dealer<C: Curve>() {
    all_convict_of_a_share::<C>(&[1, 3, 4, 5], || {
        let mut value = C::Scalar::ONE;
        Script::delivering(move |delivery| {
            value = value.double();
            delivery.seal(&value)
        })
    });
}

/// A session takes an envelope that names no recipient, so a complaint must be able to show one.
fn a_delivery_that_names_no_recipient_does_not_turn_against_its_victim<C: Curve>() {
    for seed in 0..3 {
        let cast = five();
        let mut simulation = simulation::<C>(&cast, seed);
        simulation.replace::<Dealer<C>>(party(2), (), Script::wrong_for(&[4]));
        let nameless = |_, envelope: Envelope, keyring: &Keyring| {
            let Envelope { header, broadcast, direct, .. } = envelope;
            let recipient = header.recipient.filter(|_| header.round != 2);
            let envelope =
                Envelope::seal(Header { recipient, ..header }, broadcast, direct, &*keyring.signer);
            vec![envelope.to_wire().unwrap()]
        };
        simulation.tamper(party(2), Box::new(nameless));
        assert_eq!(simulation.run().all_convict(party(2)), "sent party 4 a wrong share");
    }
}

fn the_first_of_two_wrong_dealers_is_accused<C: Curve>() {
    let outcomes = run::<C>(1, [(2, Script::wrong_for(&[4])), (3, Script::wrong_for(&[4]))]);
    for honest in [1, 4, 5] {
        assert_eq!(outcomes.convicts(party(honest), party(2)), "sent party 4 a wrong share");
    }
}

/// The victim keeps the sum, and the sum is right.
fn colluding_dealers_whose_wrong_shares_cancel_gain_nothing<C: Curve>() {
    let off_by = |error: C::Scalar| {
        Script::<C>::delivering(move |delivery| {
            let error = if delivery.to == party(4) { error } else { C::Scalar::ZERO };
            delivery.seal(&(delivery.right + error))
        })
    };
    let outcomes = run::<C>(1, [(2, off_by(C::Scalar::ONE)), (3, off_by(-C::Scalar::ONE))]);
    let shares = outcomes.results();
    for share in shares.values() {
        assert_eq!(share.public(), shares[&party(1)].public());
        assert!(share.secret_share::<C>().is_ok());
    }
}

const FALSE: &str = "complained about a share that is right";

/// The complaint of party 2 about `accused`, as an honest party would make it.
fn complaint(seen: &Seen, accused: u16) -> Complaint {
    let accused = party(accused);
    let envelope = Envelope::clone(&seen.envelopes[&accused]);
    let disclosure = seen.channels[&accused].disclose(&seen.delivery);
    Complaint { accused, envelope, disclosure }
}

fn accusing<C: Curve>(accuse: impl FnOnce(Seen) -> Complaint + Send + 'static) -> Script<C> {
    Script::accusing(move |seen| Message::Complaint(Box::new(accuse(seen))))
}

fn a_complaint_about_a_right_share_convicts_its_author<C: Curve>() {
    for accused in [1, 5] {
        all_convict::<C>(2, FALSE, || accusing(move |seen| complaint(&seen, accused)));
    }
}

/// An envelope signed by party `signer`, whose keys the test has.
fn signed_by(signer: u16, envelope: Envelope, header: Header) -> Envelope {
    let keyring = five().keyring(party(signer));
    Envelope::seal(header, envelope.broadcast, envelope.direct, &*keyring.signer)
}

/// The session of another seed, in which party 1 sends party 2 wrong shares: the envelope and everything else of a
/// complaint that was right there.
fn complaint_from_elsewhere<C: Curve>() -> Complaint {
    let (sender, receiver) = std::sync::mpsc::channel();
    let noting = Script::<C>::accusing(move |seen| {
        let complaint = complaint(&seen, 1);
        sender.send(complaint.clone()).unwrap();
        Message::Complaint(Box::new(complaint))
    });
    let cast = five();
    let mut simulation = Simulation::<Keygen<C>>::new(&cast, cast.committee(), 77, &(), |_| ());
    simulation.replace::<Dealer<C>>(party(1), (), Script::wrong_for(&[2]));
    simulation.replace::<Dealer<C>>(party(2), (), noting);
    assert_eq!(simulation.run().convicts(party(3), party(1)), "sent party 2 a wrong share");
    receiver.recv().unwrap()
}

fn a_complaint_that_shows_something_else_convicts_its_author<C: Curve>() {
    let convicts = |accuse: fn(Seen) -> Complaint| all_convict::<C>(2, FALSE, || accusing(accuse));
    // An envelope with another share, signed by the accuser in the name of the accused.
    convicts(|seen| {
        let mut complaint = complaint(&seen, 1);
        let share = Message::Share(vec![0; 48]).to_wire().unwrap();
        let header = complaint.envelope.header.clone();
        complaint.envelope.direct = Part::Whole(share);
        complaint.envelope = signed_by(2, complaint.envelope, header);
        complaint
    });
    // Signed rightly, but with the share replaced or only as a digest.
    convicts(|seen| {
        let mut complaint = complaint(&seen, 1);
        complaint.envelope.direct = Part::Whole(Message::Share(vec![0; 48]).to_wire().unwrap());
        complaint
    });
    convicts(|seen| {
        let mut complaint = complaint(&seen, 1);
        complaint.envelope = complaint.envelope.without_direct();
        complaint
    });
    // What party 1 sent to another party, and what another party sent.
    convicts(|seen| Complaint {
        envelope: Envelope::clone(&seen.envelopes[&party(3)]),
        ..complaint(&seen, 1)
    });
    // What it signed for another recipient, or in another round or kind, with a share that does not fit. Party 1 would
    // have to sign that, and the judge must not take it for the delivery of round 2.
    let changes: [fn(&mut Header); 4] = [
        |header| header.recipient = Some(PartyIndex::new(3).unwrap()),
        |header| header.round = 1,
        |header| header.kind = Kind::Confirmation,
        |header| header.echo = Some([1; 32]),
    ];
    for change in changes {
        all_convict::<C>(2, FALSE, || {
            accusing(move |seen| {
                let mut complaint = complaint(&seen, 1);
                let mut header = complaint.envelope.header.clone();
                change(&mut header);
                complaint.envelope.direct = Part::Whole(Message::Share(vec![0; 48]).to_wire().unwrap());
                complaint.envelope = signed_by(1, complaint.envelope, header);
                complaint
            })
        });
    }
    // Parts that are no delivery.
    let bodies: [fn(&mut Envelope); 4] = [
        |envelope| envelope.broadcast = Part::Absent,
        |envelope| envelope.direct = envelope.broadcast.clone(),
        |envelope| envelope.broadcast = envelope.direct.clone(),
        |envelope| {
            let Ok(Message::Open(mut open)) = Message::from_wire(envelope.broadcast.whole().unwrap()) else {
                panic!("no opening")
            };
            open.coefficients.pop();
            envelope.broadcast = Part::Whole(Message::Open(open).to_wire().unwrap());
        },
    ];
    for change in bodies {
        all_convict::<C>(2, FALSE, || {
            accusing(move |seen| {
                let mut complaint = complaint(&seen, 1);
                change(&mut complaint.envelope);
                let header = complaint.envelope.header.clone();
                complaint.envelope = signed_by(1, complaint.envelope, header);
                complaint
            })
        });
    }
    // A complaint that was right in another session.
    all_convict::<C>(2, FALSE, || {
        let elsewhere = complaint_from_elsewhere::<C>();
        accusing(move |_| elsewhere)
    });
    // A proof for the pair with somebody else, for another context, or by the other end.
    convicts(|seen| Complaint {
        disclosure: seen.channels[&party(3)].disclose(&seen.delivery),
        ..complaint(&seen, 1)
    });
    convicts(|seen| Complaint {
        disclosure: seen.channels[&party(1)].disclose(b"another context"),
        ..complaint(&seen, 1)
    });
    // About itself, and about a stranger.
    convicts(|seen| Complaint { accused: party(2), ..complaint(&seen, 1) });
    convicts(|seen| {
        let mut complaint = complaint(&seen, 1);
        let header = Header { sender: party(2), recipient: Some(party(2)), ..complaint.envelope.header };
        complaint.envelope = signed_by(2, complaint.envelope, header);
        Complaint { accused: party(2), ..complaint }
    });
    convicts(|seen| Complaint { accused: party(9), ..complaint(&seen, 1) });
    convicts(|seen| Complaint { accused: party(3), ..complaint(&seen, 1) });
}

/// A share that is wrong does not help: every proof must be about the pair of the complaint.
#[test]
fn a_wrong_proof_spoils_a_right_complaint() {
    type C = quorate_sharing::Ed25519;
    for seed in 0..3 {
        let spoiled = accusing::<C>(|seen| Complaint {
            disclosure: seen.channels[&party(3)].disclose(&seen.delivery),
            ..complaint(&seen, 1)
        });
        let outcomes = run::<C>(seed, [(1, Script::wrong_for(&[2])), (2, spoiled)]);
        for honest in [3, 4, 5] {
            assert_eq!(outcomes.convicts(party(honest), party(2)), FALSE);
        }
    }
}
