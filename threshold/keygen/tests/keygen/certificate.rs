//! The certificate: only the acknowledgements of all, of one key, in one session.

use std::sync::Arc;

use quorate_keygen::{ACKNOWLEDGE, Certificate, CertificateError, Message, certifies};
use quorate_session::{Agreement, Envelope, Header, Kind, Part, Proposal, ProtocolId, Wire};
use quorate_sharing::{Committee, Curve, Member, PublicShares};
use quorate_simulator::Cast;

use crate::cast::{five, party};
use crate::drive::Group;
use crate::on_every_curve;

on_every_curve!(
    the_acknowledgements_of_all_certify_their_key_and_no_other,
    a_missing_acknowledgement_is_noticed,
    a_forged_or_doubled_acknowledgement_is_refused,
    an_acknowledgement_of_another_session_is_refused,
    a_complaint_or_another_key_is_no_acknowledgement,
    a_session_of_another_protocol_certifies_nothing,
);

pub(crate) struct Ended {
    pub(crate) agreement: Agreement,
    pub(crate) acknowledgements: Vec<Arc<Envelope>>,
    public: PublicShares,
}

impl Ended {
    pub(crate) fn certificate(&self) -> Result<Certificate, CertificateError> {
        Certificate::new(self.agreement.clone(), &self.acknowledgements)
    }

    fn error(&self) -> CertificateError {
        self.certificate().unwrap_err()
    }
}

pub(crate) fn ended<C: Curve>(seed: u64) -> Ended {
    let mut group = Group::<C>::new(&five(), 0, seed);
    group.run();
    let certificates: Vec<_> = group
        .sessions
        .values()
        .map(|session| {
            let agreement = session.context().agreement().clone();
            Certificate::new(agreement, &session.envelopes(ACKNOWLEDGE)).unwrap()
        })
        .collect();
    // Every party holds the same one.
    assert!(certificates.windows(2).all(|pair| pair[0] == pair[1]));
    let session = &group.sessions[&party(1)];
    let (agreement, acknowledgements) =
        (session.context().agreement().clone(), session.envelopes(ACKNOWLEDGE));
    let (public, _) = group.results();
    Ended { agreement, acknowledgements, public }
}

/// The acknowledgement of a party, changed and signed again by somebody.
pub(crate) fn resigned(
    ended: &Ended,
    index: u16,
    signer: u16,
    change: impl FnOnce(&mut Envelope),
) -> Arc<Envelope> {
    let mut envelope = Envelope::clone(&ended.acknowledgements[usize::from(index) - 1]);
    change(&mut envelope);
    let keyring = five().keyring(party(signer));
    Arc::new(Envelope::seal(envelope.header, envelope.broadcast, envelope.direct, &*keyring.signer))
}

fn the_acknowledgements_of_all_certify_their_key_and_no_other<C: Curve>() {
    let one = ended::<C>(1);
    let certificate = one.certificate().unwrap();
    assert_eq!(certifies(&certificate, &one.public), Ok(()));
    assert_eq!(certificate.session(), one.agreement.session());
    assert_eq!(*certificate.agreement(), one.agreement);
    let again = Certificate::from_wire(&certificate.to_wire().unwrap()).unwrap();
    assert_eq!(again, certificate);
    assert_eq!(certifies(&again, &one.public), Ok(()));

    let other = ended::<C>(2).public;
    let public = || one.public.clone();
    let mut share = public();
    share.verifying_shares.insert(party(2), other.verifying_shares[&party(2)].clone());
    let committee = |threshold, members: Vec<Member>| Committee::new(threshold, members).unwrap();
    let members = public().committee.members().to_vec();
    let strangers = Cast::new(3, 5, 2).committee().members().to_vec();
    for wrong in [
        other.clone(),
        PublicShares { group_key: other.group_key, ..public() },
        PublicShares { chain_code: other.chain_code, ..public() },
        PublicShares { epoch: 1, ..public() },
        share,
        PublicShares { committee: committee(one.public.committee.threshold(), strangers), ..public() },
        PublicShares {
            committee: committee(quorate_sharing::Threshold::new(2).unwrap(), members),
            ..public()
        },
    ] {
        assert_eq!(certifies(&certificate, &wrong), Err(CertificateError::OtherKey));
    }
}

fn a_missing_acknowledgement_is_noticed<C: Curve>() {
    for missing in 0..5 {
        let mut ended = ended::<C>(1);
        ended.acknowledgements.remove(missing);
        assert_eq!(ended.error(), CertificateError::Incomplete);
    }
    let mut ended = ended::<C>(1);
    ended.acknowledgements.clear();
    assert_eq!(ended.error(), CertificateError::Incomplete);
}

fn a_forged_or_doubled_acknowledgement_is_refused<C: Curve>() {
    let mut doubled = ended::<C>(1);
    doubled.acknowledgements[1] = Arc::clone(&doubled.acknowledgements[0]);
    assert_eq!(doubled.error(), CertificateError::Forged);
    let mut surplus = ended::<C>(1);
    surplus.acknowledgements.push(Arc::clone(&surplus.acknowledgements[0]));
    assert_eq!(surplus.error(), CertificateError::Forged);
    type Change = fn(&mut Envelope);
    let changes: [(u16, Change); 4] = [
        // Signed by somebody else, for another round, as another kind, without its content.
        (3, |_| ()),
        (2, |envelope| envelope.header.round = 2),
        (2, |envelope| envelope.header.kind = Kind::Dispute),
        (2, |envelope| envelope.broadcast = Part::Digest(envelope.broadcast.commitment().unwrap())),
    ];
    for (signer, change) in changes {
        let mut ended = ended::<C>(1);
        ended.acknowledgements[1] = resigned(&ended, 2, signer, change);
        assert_eq!(ended.error(), CertificateError::Forged);
    }
    // A stranger's in place of a member's.
    let mut ended = ended::<C>(1);
    let stranger = Cast::new(3, 6, 1).keyring(party(6));
    let Envelope { header, broadcast, direct, .. } = Envelope::clone(&ended.acknowledgements[4]);
    let header = Header { sender: party(6), ..header };
    ended.acknowledgements[4] = Arc::new(Envelope::seal(header, broadcast, direct, &*stranger.signer));
    assert_eq!(ended.error(), CertificateError::Forged);
}

fn an_acknowledgement_of_another_session_is_refused<C: Curve>() {
    let (mut one, other) = (ended::<C>(1), ended::<C>(2));
    one.acknowledgements[3] = Arc::clone(&other.acknowledgements[3]);
    assert_eq!(one.error(), CertificateError::Forged);
    let all_foreign = Ended { acknowledgements: other.acknowledgements, ..one };
    assert_eq!(all_foreign.error(), CertificateError::Forged);
}

fn a_complaint_or_another_key_is_no_acknowledgement<C: Curve>() {
    let message = |message: Message| {
        move |envelope: &mut Envelope| {
            envelope.broadcast = Part::Whole(message.to_wire().unwrap());
        }
    };
    let mut refused = ended::<C>(1);
    refused.acknowledgements[1] = resigned(&refused, 2, 2, message(Message::Share(vec![0; 48])));
    assert_eq!(refused.error(), CertificateError::Refused);
    let mut garbage = ended::<C>(1);
    garbage.acknowledgements[1] =
        resigned(&garbage, 2, 2, |envelope| envelope.broadcast = Part::Whole(vec![7; 3]));
    assert_eq!(garbage.error(), CertificateError::Refused);
    let mut different = ended::<C>(1);
    different.acknowledgements[4] = resigned(&different, 5, 5, message(Message::Ready([1; 32])));
    assert_eq!(different.error(), CertificateError::Different);
}

/// What the members sign in another protocol means something else there.
fn a_session_of_another_protocol_certifies_nothing<C: Curve>() {
    let cast = five();
    let ended = ended::<C>(1);
    let other_curve = if C::NAME == "ed25519" { "secp256k1" } else { "ed25519" };
    for (protocol, expected) in [
        (ProtocolId::new("keygen", C::NAME, 1), Ok(())),
        (ProtocolId::new("keygen", C::NAME, 2), Err(CertificateError::OtherProtocol)),
        (ProtocolId::new("frost", C::NAME, 1), Err(CertificateError::OtherProtocol)),
        (ProtocolId::new("keygen", other_curve, 1), Err(CertificateError::OtherProtocol)),
    ] {
        let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1);
        let Proposal { setup, .. } = ended.agreement.proposal();
        let contexts = cast.agree(cast.committee(), protocol, *setup, 0, &mut rng);
        let agreement = contexts[&party(1)].agreement().clone();
        let transcript = crate::dealer::acknowledgement(&agreement.session(), &ended.public);
        let acknowledgements: Vec<_> = (1..=5)
            .map(|index| {
                resigned(&ended, index, index, |envelope| {
                    envelope.header.session = agreement.session();
                    envelope.broadcast = Part::Whole(Message::Ready(transcript).to_wire().unwrap());
                })
            })
            .collect();
        let certified = Certificate::new(agreement, &acknowledgements)
            .and_then(|certificate| certifies(&certificate, &ended.public));
        assert_eq!(certified, expected);
    }
}
