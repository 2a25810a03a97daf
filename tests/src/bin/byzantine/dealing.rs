//! An opening of key generation that is not of the polynomial whose shares are sent.
//!
//! It is committed to in round 1 and opened in round 2, so that nothing but what is meant to be wrong is wrong. Labels of
//! transcripts are written down here once more: if they change, the cheater is convicted of something else, and a test
//! says so.

use std::collections::BTreeMap;

use quorate_keygen::{Message, Open};
use quorate_keys::Transcript;
use quorate_session::{SessionContext, Wire};
use quorate_sharing::{Challenge, Commitment, Curve, PartyIndex, Polynomial, ProofNonce, Threshold};
use quorate_simulator::Rewrite;
use rand_core::CryptoRngCore;

use crate::envelopes::Heard;

pub(crate) struct ForgedOpening<C: Curve> {
    polynomial: Polynomial<C>,
    nonce: ProofNonce<C>,
    open: Open,
    digest: [u8; 32],
    /// The parties of the session, this one too.
    parties: Vec<PartyIndex>,
    session: [u8; 32],
}

impl<C: Curve> ForgedOpening<C> {
    /// Valid in itself.
    pub(crate) fn of_another_polynomial(context: &SessionContext, rng: &mut dyn CryptoRngCore) -> Self {
        Self::new(context, context.agreement().threshold(), rng)
    }

    /// One coefficient more than the threshold.
    pub(crate) fn too_long(context: &SessionContext, rng: &mut dyn CryptoRngCore) -> Self {
        let longer = context.agreement().threshold().get().saturating_add(1);
        Self::new(context, Threshold::new(longer).expect("a threshold below 100"), rng)
    }

    fn new(context: &SessionContext, coefficients: Threshold, rng: &mut dyn CryptoRngCore) -> Self {
        let (session, me) = (*context.session().as_bytes(), context.me());
        let polynomial = Polynomial::random(coefficients, rng);
        let nonce = ProofNonce::generate(rng);
        let open = Open {
            coefficients: Commitment::of(&polynomial).to_bytes(),
            chain_code: [5; 32],
            nonce: nonce.point().to_vec(),
            response: [0; 32],
        };
        let digest = Transcript::new(b"quorate/keygen/opening/v1")
            .field("session", &session)
            .field("dealer", &me.get().to_le_bytes())
            .field("coefficients", &open.coefficients)
            .field("chain code", &open.chain_code)
            .field("nonce", &open.nonce)
            .digest();
        let parties = context.committee().indices().collect();
        Self { polynomial, nonce, open, digest, parties, session }
    }

    /// What all dealers answer, given what the others committed to.
    fn challenge(&self, broadcasts: &BTreeMap<PartyIndex, Vec<u8>>) -> Challenge<C> {
        let start = Transcript::new(b"quorate/keygen/challenge/v1")
            .field("session", &self.session)
            .field("curve", C::NAME.as_bytes());
        let transcript = self.parties.iter().fold(start, |transcript, party| {
            let opening = match broadcasts.get(party).map(|body| Message::from_wire(body)) {
                Some(Ok(Message::Commit(commit))) => commit.opening,
                _ => self.digest,
            };
            transcript.field("dealer", &party.get().to_le_bytes()).field("opening", &opening)
        });
        Challenge::from_wide(&transcript.wide())
    }

    /// Commits to it and opens it; the commitments of the others have been heard by then.
    pub(crate) fn rewrite(self, heard: Heard) -> Rewrite<Message> {
        let digest = self.digest;
        let mut forged = Some(self);
        Box::new(move |round, send| match (round, &mut send.broadcast) {
            (1, Some(Message::Commit(commit))) => commit.opening = digest,
            (2, Some(Message::Open(open))) => {
                let forged = forged.take().expect("one opening");
                let challenge = forged.challenge(&heard.broadcasts());
                let response = forged.nonce.prove(&challenge, &forged.polynomial);
                *open = Open { response, ..forged.open };
            }
            _ => {}
        })
    }
}
