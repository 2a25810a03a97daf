//! A party's word that it does not acknowledge a session, so that nobody waits for its acknowledgement any more.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, SigningIdentity, Transcript};
use quorate_session::{Agreement, Claim, Envelope, Evidence, IdentityVerifier, Kind, SessionId, Wire};

use crate::certificate::Certificate;
use crate::message::{ACKNOWLEDGE, Fault, Message};

/// Proof that a session's [`Certificate`] can't exist, unless the party that it is by contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refusal {
    /// A party's promise never to acknowledge the session.
    Promise {
        /// The session.
        session: SessionId,
        /// Who promises.
        party: Identity,
        /// Its signature.
        signature: [u8; 64],
    },
    /// A party's complaint in place of its acknowledgement.
    Complaint(Box<Envelope>),
}

impl Wire for Refusal {
    const MAX_BYTES: usize = 64 * 1024;
}

impl Refusal {
    /// Promises never to acknowledge a session. Who has acknowledged it convicts itself: see
    /// [`Refusal::contradiction`].
    #[must_use]
    pub fn promise(session: SessionId, identity: &SigningIdentity) -> Self {
        let party = identity.identity();
        Self::Promise { session, party, signature: identity.sign(&digest(&session, &party)) }
    }

    /// The session that it is about.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match self {
            Self::Promise { session, .. } => *session,
            Self::Complaint(envelope) => envelope.header.session,
        }
    }

    /// The party of the agreement that gave it; none if it is not genuine, or not of this session.
    #[must_use]
    pub fn author(&self, agreement: &Agreement) -> Option<Identity> {
        match self {
            Self::Promise { session, party, signature } => {
                let genuine = *session == agreement.session()
                    && agreement.committee().index_of(party).is_some()
                    && is_promise(session, party, signature);
                genuine.then_some(*party)
            }
            Self::Complaint(envelope) => {
                let member = agreement.committee().member(envelope.header.sender)?;
                is_complaint(agreement, envelope).then_some(member.identity)
            }
        }
    }

    /// The refusal that convicts a party according to evidence, which was judged; none if it is another fault.
    #[must_use]
    pub fn shown_by(evidence: &Evidence) -> Option<Self> {
        let agreement = &evidence.agreement;
        match &evidence.claim {
            Claim::Fault { fault, .. } => match Fault::from_wire(fault) {
                Ok(Fault::BrokenPromise { promise }) => {
                    let party = agreement.committee().member(evidence.accused)?.identity;
                    Some(Self::Promise { session: agreement.session(), party, signature: promise })
                }
                _ => None,
            },
            Claim::Equivocation { first, second } => {
                let complaint = [first, second].into_iter().find(|shown| is_complaint(agreement, shown))?;
                Some(Self::Complaint(complaint.clone()))
            }
            _ => None,
        }
    }

    /// Evidence against the party that gave it, if the party's acknowledgement is in a certificate all the same. `setup`:
    /// what the parties had agreed upon beside the committee.
    #[must_use]
    pub fn contradiction(&self, certificate: &Certificate, setup: &impl Wire) -> Option<Evidence> {
        let agreement = certificate.agreement();
        let accused = agreement.committee().index_of(&self.author(agreement)?)?;
        let acknowledgement = certificate.acknowledgement_of(accused)?.clone();
        let (claim, envelopes) = match self {
            Self::Promise { signature, .. } => {
                let fault = Fault::BrokenPromise { promise: *signature };
                let claim = Claim::Fault { summary: fault.to_string(), fault: fault.to_wire().ok()? };
                (claim, vec![acknowledgement])
            }
            Self::Complaint(complaint) => {
                let (first, second) = (complaint.clone(), Box::new(acknowledgement));
                (Claim::Equivocation { first, second }, Vec::new())
            }
        };
        Some(Evidence::gathered(agreement, &setup.to_wire().ok()?, accused, claim, envelopes))
    }
}

/// Whether an envelope is a party's signed complaint in place of its acknowledgement: then no certificate of the session
/// can exist, unless the party signs both, and convicts itself.
#[must_use]
pub fn is_complaint(agreement: &Agreement, envelope: &Envelope) -> bool {
    let header = &envelope.header;
    header.kind == Kind::Round
        && header.round == ACKNOWLEDGE
        && envelope.is_signed_in(agreement, &IdentityVerifier)
        && matches!(envelope.broadcast.whole().map(Message::from_wire), Some(Ok(Message::Complaint(_))))
}

/// Whether `party` signed the promise never to acknowledge the session.
pub(crate) fn is_promise(session: &SessionId, party: &Identity, signature: &[u8; 64]) -> bool {
    party.verify(&digest(session, party), signature)
}

fn digest(session: &SessionId, party: &Identity) -> [u8; 32] {
    // As key generation called it when nothing else was dealt: promises outlive releases.
    Transcript::new(b"quorate/keygen/refusal/v1")
        .field("session", session.as_bytes())
        .field("party", party.as_bytes())
        .digest()
}
