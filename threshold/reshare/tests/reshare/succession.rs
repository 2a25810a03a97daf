//! One epoch follows another by its certificate, and nothing else does.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_keys::ChainCode;
use quorate_reshare::{
    Certificate, CertificateError, Message, NewShares, NoSuccessor, Renewed, Reshare, Setup, shows_share,
    succeeds,
};
use quorate_session::{Agreement, Envelope, Part, Protocol as _, Session, Start, Wire, setup_digest};
use quorate_sharing::{Curve, Ed25519, PartyIndex, PublicShares};
use quorate_simulator::{Cast, lockstep};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::group::{Change, Shares, cast, committee, key, parties, party, public};
use crate::on_every_curve;

on_every_curve!(
    a_certificate_shows_that_its_epoch_follows_and_no_other,
    shares_that_nobody_has_proven_to_know_are_no_succession
);

pub(crate) struct Ended {
    pub(crate) agreement: Agreement,
    pub(crate) start: Start,
    pub(crate) acknowledgements: Vec<Arc<Envelope>>,
    pub(crate) setup: Setup,
    pub(crate) public: PublicShares,
    pub(crate) renewed: BTreeMap<PartyIndex, Renewed>,
}

/// Runs honest sessions to their end, and gives what remains of them.
pub(crate) fn ended<C: Curve>(cast: &Cast, old: &Shares, change: &Change<'_>, seed: u64) -> Ended {
    ended_at::<C>(public(old).epoch + 1, cast, old, change, seed)
}

/// The same, of a resharing that leads to that epoch.
pub(crate) fn ended_at<C: Curve>(
    epoch: u64,
    cast: &Cast,
    old: &Shares,
    change: &Change<'_>,
    seed: u64,
) -> Ended {
    ended_of::<C>(epoch, cast, old, change, change.setup(old), seed)
}

/// The same, of this setup.
pub(crate) fn ended_of<C: Curve>(
    epoch: u64,
    cast: &Cast,
    old: &Shares,
    change: &Change<'_>,
    setup: Setup,
    seed: u64,
) -> Ended {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let (start, contexts) = cast.begin(&change.committee(cast), Reshare::<C>::ID, digest, epoch, &mut rng);
    let agreement = contexts.values().next().unwrap().agreement().clone();
    let mut sessions: BTreeMap<PartyIndex, Session<Reshare<C>>> = contexts
        .into_iter()
        .map(|(index, context)| {
            let secret = change.secret(old, index);
            let session = Session::new(context, setup.clone(), secret, cast.keyring(index), &mut rng);
            (index, session.unwrap())
        })
        .collect();
    let renewed = lockstep::run(&mut sessions, &mut rng);
    assert_eq!(renewed.len(), sessions.len());
    let any = sessions.values().next().unwrap();
    let acknowledgements = any.envelopes(quorate_reshare::ACKNOWLEDGE);
    let public = renewed.values().next().unwrap().public().clone();
    Ended { agreement, start, acknowledgements, setup, public, renewed }
}

impl Ended {
    fn certificate(&self) -> Certificate {
        Certificate::new(self.agreement.clone(), &self.acknowledgements).unwrap()
    }
}

const CHANGE: Change<'_> = Change { dealers: &[1, 2, 3, 5], receivers: &[1, 2, 3, 6, 7], signers: 4 };

fn a_certificate_shows_that_its_epoch_follows_and_no_other<C: Curve>() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &[1, 2, 3, 4, 5]);
    let ended = ended::<C>(&cast, &old, &CHANGE, 1);
    let certificate = ended.certificate();
    let Ended { setup, public, .. } = &ended;
    assert_eq!(succeeds(&certificate, setup, public), Ok(()));
    let read = Certificate::from_wire(&certificate.to_wire().unwrap()).unwrap();
    assert_eq!(succeeds(&read, setup, public), Ok(()));

    let other_epoch = Setup { old: PublicShares { epoch: 1, ..setup.old.clone() }, ..setup.clone() };
    let other_receivers = Setup { receivers: parties(&[1, 2, 3, 6]), ..setup.clone() };
    for setup in [other_epoch, other_receivers] {
        assert_eq!(succeeds(&certificate, &setup, public), Err(NoSuccessor::OtherSetup));
    }
    let other_key = Err(NoSuccessor::Certificate(CertificateError::OtherKey));
    let again = self::ended::<C>(&cast, &old, &CHANGE, 2).public;
    for wrong in [
        again,
        PublicShares { epoch: 2, ..public.clone() },
        PublicShares { chain_code: ChainCode::new([6; 32]), ..public.clone() },
    ] {
        assert_eq!(succeeds(&certificate, setup, &wrong), other_key);
    }
    let held = |signers, indices: &[u16]| PublicShares {
        committee: committee(&cast, signers, indices),
        ..public.clone()
    };
    for wrong in [held(3, &[1, 2, 3, 6, 7]), held(4, &[1, 2, 3, 6, 8])] {
        assert_eq!(succeeds(&certificate, setup, &wrong), Err(NoSuccessor::OtherKey));
    }
}

#[test]
fn all_that_take_part_must_acknowledge() {
    let cast = cast();
    let old = key::<Ed25519>(&cast, 3, &[1, 2, 3, 4, 5]);
    let ended = ended::<Ed25519>(&cast, &old, &CHANGE, 1);
    assert_eq!(ended.acknowledgements.len(), 6);
    for missing in 0..6 {
        let mut acknowledgements = ended.acknowledgements.clone();
        acknowledgements.remove(missing);
        let error = Certificate::new(ended.agreement.clone(), &acknowledgements).unwrap_err();
        assert_eq!(error, CertificateError::Incomplete);
    }
}

fn shares_that_nobody_has_proven_to_know_are_no_succession<C: Curve>() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &[1, 2, 3, 4, 5]);
    let ended = ended::<C>(&cast, &old, &CHANGE, 1);
    let Ended { agreement, acknowledgements, setup, public, .. } = &ended;
    let known = |envelope: &Envelope| match Message::from_wire(envelope.broadcast.whole().unwrap()).unwrap() {
        Message::Known(known) => Some(known),
        _ => None,
    };
    let places: Vec<_> =
        (0..acknowledgements.len()).filter(|place| known(&acknowledgements[*place]).is_some()).collect();
    assert_eq!(places.len(), 5);
    for (at, place) in places.iter().enumerate() {
        let own = known(&acknowledgements[*place]).unwrap();
        let another = known(&acknowledgements[places[(at + 1) % places.len()]]).unwrap();
        for message in [Message::Ready(own.key), Message::Known(another)] {
            let mut acknowledgements = acknowledgements.clone();
            let mut envelope = Envelope::clone(&acknowledgements[*place]);
            envelope.broadcast = Part::Whole(message.to_wire().unwrap());
            let signer = cast.keyring(envelope.header.sender).signer;
            acknowledgements[*place] =
                Arc::new(Envelope::seal(envelope.header, envelope.broadcast, envelope.direct, &*signer));
            let shown: Vec<_> = acknowledgements.iter().map(|said| shows_share(said, public)).collect();
            let others = (0..acknowledgements.len()).map(|other| other != *place);
            assert_eq!(shown, others.collect::<Vec<_>>(), "who leaves has nothing to show");
            let certificate = Certificate::new(agreement.clone(), &acknowledgements).unwrap();
            assert_eq!(succeeds(&certificate, setup, public), Err(NoSuccessor::UnknownShares));
        }
    }
    // All know what is there, but it is of a polynomial of a higher degree.
    let fewer = committee(&cast, 3, CHANGE.receivers);
    let certificate = ended.certificate();
    assert!(certificate.shows_shares::<C, NewShares>(public));
    assert!(!certificate.shows_shares::<C, NewShares>(&PublicShares { committee: fewer, ..public.clone() }));
}

#[test]
fn a_key_generation_is_no_succession() {
    let cast = cast();
    let old = key::<Ed25519>(&cast, 3, &[1, 2, 3, 4, 5]);
    let setup = CHANGE.setup(&old);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let digest = setup_digest(&setup.to_wire().unwrap());
    // The same words, signed in a session of another protocol.
    let protocol = quorate_keygen::Keygen::<Ed25519>::ID;
    let contexts = cast.agree(&CHANGE.committee(&cast), protocol, digest, 1, &mut rng);
    let agreement = contexts[&party(1)].agreement().clone();
    let ended = ended::<Ed25519>(&cast, &old, &CHANGE, 1);
    let resigned: Vec<_> = ended
        .acknowledgements
        .iter()
        .map(|envelope| {
            let mut envelope = Envelope::clone(envelope);
            envelope.header.session = agreement.session();
            let signer = cast.keyring(envelope.header.sender).signer;
            Arc::new(Envelope::seal(envelope.header, envelope.broadcast, envelope.direct, &*signer))
        })
        .collect();
    let certificate = Certificate::new(agreement, &resigned).unwrap();
    let refused = succeeds(&certificate, &setup, &ended.public);
    assert_eq!(refused, Err(NoSuccessor::Certificate(CertificateError::OtherProtocol)));
}
