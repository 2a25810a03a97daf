//! Complaints of key generation about a peer that did nothing wrong.

use borsh::BorshDeserialize;
use quorate_keygen::{ACKNOWLEDGE, Complaint, Message};
use quorate_keys::Transcript;
use quorate_session::{Envelope, Header, Kind, Outgoing, Part, SessionContext, Wire};
use quorate_sharing::{Curve, Disclosure, FacingKeys, Polynomial, ProofNonce};
use quorate_simulator::Rewrite;
use rand_core::RngCore;

use crate::envelopes::Heard;
use crate::tape::Tape;

/// With a delivery that the peer never signed.
pub(crate) fn unsigned(context: &SessionContext) -> Option<Complaint> {
    let accused = context.others().pop()?;
    let header = Header {
        session: context.session(),
        epoch: context.agreement().epoch(),
        attempt: context.agreement().proposal().attempt,
        sender: accused,
        recipient: Some(context.me()),
        kind: Kind::Round,
        round: 2,
        echo: None,
    };
    let unsigned = borsh::to_vec(&(header, Part::Whole(vec![1]), Part::Whole(vec![2]), [0_u8; 64])).ok()?;
    let envelope = Envelope::try_from_slice(&unsigned).ok()?;
    let disclosure = Disclosure::try_from_slice(&[1; 96]).ok()?;
    Some(Complaint { accused, envelope, disclosure })
}

/// With the delivery that the peer signed and the right key to it, as an honest party would complain: only the share in
/// it is no reason to.
pub(crate) fn genuine<C: Curve>(context: &SessionContext, mut tape: Tape, heard: Heard) -> Rewrite<Message> {
    // What the session draws before its facing keys, in its order.
    Polynomial::<C>::random(context.agreement().threshold(), &mut tape);
    ProofNonce::<C>::generate(&mut tape);
    tape.fill_bytes(&mut [0; 32]);
    let facing = FacingKeys::generate(context.me(), &context.others(), &mut tape);
    let accused = context.others().pop().expect("a session of more than one party");
    // Keys of a party stand in the order of the others.
    let (me, committee) = (context.me(), context.committee().indices());
    let place = committee.filter(|party| *party != accused).position(|party| party == me).expect("a member");
    let delivery =
        Transcript::new(b"quorate/keygen/delivery/v1").field("session", context.session().as_bytes());
    let delivery = delivery.digest();
    Box::new(move |round, send| match (round, &send.broadcast) {
        (1, Some(Message::Commit(commit))) => {
            let keys: Vec<_> = facing.public().into_iter().map(|(_, key)| key).collect();
            assert_eq!(commit.facing, keys, "the session drew something else");
        }
        (ACKNOWLEDGE, _) => {
            let commit = heard.broadcasts().remove(&accused).map(|body| Message::from_wire(&body));
            let Some(Ok(Message::Commit(commit))) = commit else { panic!("no commitment was heard") };
            let key = commit.facing.get(place).expect("a key for this party");
            let channel = facing.channel(accused, key).expect("a valid key");
            let disclosure = channel.disclose(&delivery);
            let envelope = heard.envelope(2, accused).expect("a delivery");
            // Whoever judges gets as far as the share itself.
            let mine = facing.public().into_iter().find(|(peer, _)| *peer == accused).expect("a key").1;
            let opened = disclosure.verify(&delivery, (me, &mine), (accused, key)).expect("a right key");
            let sealed = envelope.direct.whole().map(Message::from_wire);
            let Some(Ok(Message::Share(sealed))) = sealed else { panic!("no share was heard") };
            opened.open(&delivery, accused, me, &sealed).expect("a share");
            let complaint = Complaint { accused, envelope, disclosure };
            *send = Outgoing::broadcast(Message::Complaint(Box::new(complaint)));
        }
        _ => {}
    })
}
