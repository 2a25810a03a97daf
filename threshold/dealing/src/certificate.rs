//! Proof that every party stored its share.

use std::collections::BTreeSet;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{Agreement, Envelope, IdentityVerifier, Kind, SessionId, Wire};
use quorate_sharing::{Curve, PartyIndex, PublicShares};

use crate::key::key_digest;
use crate::message::{ACKNOWLEDGE, Message};
use crate::plan::Purpose;
use crate::proof::knows_share;

/// The signed acknowledgements of all parties of one session.
///
/// Whoever holds it may use what it has stored: all others have stored theirs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    agreement: Agreement,
    acknowledgements: Vec<Envelope>,
}

impl Wire for Certificate {
    const MAX_BYTES: usize = 64 * 1024;
}

impl Certificate {
    /// Puts a certificate together and checks it.
    ///
    /// # Errors
    /// See [`Certificate::verify`].
    pub fn new(agreement: Agreement, acknowledgements: &[Arc<Envelope>]) -> Result<Self, CertificateError> {
        let acknowledgements = acknowledgements.iter().map(|envelope| Envelope::clone(envelope)).collect();
        let certificate = Self { agreement, acknowledgements };
        certificate.verify()?;
        Ok(certificate)
    }

    /// The session that it certifies.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.agreement.session()
    }

    /// What the parties had agreed upon.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// What a party acknowledged.
    pub(crate) fn acknowledgement_of(&self, party: PartyIndex) -> Option<&Envelope> {
        self.acknowledgements.iter().find(|envelope| envelope.header.sender == party)
    }

    /// Checks that every party acknowledged just this key in a session of this purpose. Who holds shares of it, and by what
    /// right, is for the purpose to check.
    ///
    /// # Errors
    /// See [`Certificate::verify`]; [`CertificateError::OtherProtocol`] for another purpose or curve, and
    /// [`CertificateError::OtherKey`] when they acknowledged another key.
    pub fn acknowledges(
        &self,
        (name, version): (&str, u16),
        public: &PublicShares,
    ) -> Result<(), CertificateError> {
        let key = self.verify()?;
        let protocol = &self.agreement.proposal().protocol;
        let curve = public.group_key.curve().name();
        if (protocol.name(), protocol.version(), protocol.suite()) != (name, version, curve) {
            return Err(CertificateError::OtherProtocol);
        }
        match key == key_digest(name, &self.session(), public) {
            true => Ok(()),
            false => Err(CertificateError::OtherKey),
        }
    }

    /// Whether each holder of these shares has proven in its acknowledgement that it knows its own, and they are shares of the key. Not
    /// for new keys, of which nothing is proven.
    #[must_use]
    pub fn shows_shares<C: Curve, P: Purpose<C>>(&self, public: &PublicShares) -> bool {
        let proven =
            |party| self.acknowledgement_of(party).is_some_and(|said| shows_share::<C, P>(said, public));
        public.committee.indices().all(proven) && public.interpolates::<C>()
    }

    /// Checks that every party signed one and the same transcript, and gives that.
    ///
    /// # Errors
    /// A missing, doubled or forged acknowledgement, a complaint, or different transcripts.
    pub fn verify(&self) -> Result<[u8; 32], CertificateError> {
        let mut signed = BTreeSet::new();
        let mut common = None;
        for envelope in &self.acknowledgements {
            let header = &envelope.header;
            let genuine = header.kind == Kind::Round
                && header.round == ACKNOWLEDGE
                && envelope.is_signed_in(&self.agreement, &IdentityVerifier);
            if !genuine || !signed.insert(header.sender) {
                return Err(CertificateError::Forged);
            }
            let body = envelope.broadcast.whole().ok_or(CertificateError::Forged)?;
            let acknowledged = Message::from_wire(body).ok().and_then(|message| message.acknowledged());
            let transcript = acknowledged.ok_or(CertificateError::Refused)?;
            if *common.get_or_insert(transcript) != transcript {
                return Err(CertificateError::Different);
            }
        }
        match common {
            Some(transcript) if signed.len() == self.agreement.committee().len() => Ok(transcript),
            _ => Err(CertificateError::Incomplete),
        }
    }
}

/// Whether the author of an acknowledgement has proven in it that it knows its own of these shares. That it is genuine is not looked at.
#[must_use]
pub fn shows_share<C: Curve, P: Purpose<C>>(acknowledgement: &Envelope, public: &PublicShares) -> bool {
    let (session, party) = (acknowledgement.header.session, acknowledgement.header.sender);
    let proven = || {
        let body = acknowledgement.broadcast.whole()?;
        let Ok(Message::Known(known)) = Message::from_wire(body) else { return None };
        let share = C::decode(public.verifying_shares.get(&party)?)?;
        Some(knows_share::<C, P>(&session, party, &known, &share))
    };
    proven() == Some(true)
}

/// The digest of the key that a party acknowledges with an envelope; none if the envelope is no genuine acknowledgement
/// in this session.
#[must_use]
pub fn acknowledged_key(agreement: &Agreement, envelope: &Envelope) -> Option<[u8; 32]> {
    let header = &envelope.header;
    let genuine = header.kind == Kind::Round
        && header.round == ACKNOWLEDGE
        && envelope.is_signed_in(agreement, &IdentityVerifier);
    genuine.then_some(())?;
    Message::from_wire(envelope.broadcast.whole()?).ok()?.acknowledged()
}

/// Why a certificate is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// An acknowledgement was not signed by its party for this session, or stands twice.
    #[error("an acknowledgement is not signed by its party for this session, or stands twice")]
    Forged,
    /// A party complained.
    #[error("a party did not acknowledge")]
    Refused,
    /// The parties acknowledged different keys.
    #[error("the parties acknowledged different keys")]
    Different,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
    /// The session is one of another protocol, or on another curve.
    #[error("the acknowledgements are of another protocol")]
    OtherProtocol,
    /// A party's acknowledgement is missing.
    #[error("the acknowledgement of a party is missing")]
    Incomplete,
}
