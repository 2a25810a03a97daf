//! The record of a session and the evidence made from it, judged offline from signed messages alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Transcript};
use quorate_sharing::PartyIndex;

use crate::agreement::{Agreement, SessionId, setup_digest};
use crate::envelope::{Envelope, Kind, Part};
use crate::keyring::{EnvelopeVerifier, IdentityVerifier};
use crate::protocol::{NotProven, Protocol, ProtocolId};
use crate::wire::Wire;

/// Signed envelopes of one session, at most one per sender, kind and round.
#[derive(Debug, Clone, Default)]
pub struct Record {
    rounds: BTreeMap<(u8, PartyIndex), Arc<Envelope>>,
    confirmations: BTreeMap<(u8, PartyIndex), Arc<Envelope>>,
    disputes: BTreeMap<(u8, PartyIndex), Arc<Envelope>>,
}

impl Record {
    fn place(&mut self, kind: Kind) -> &mut BTreeMap<(u8, PartyIndex), Arc<Envelope>> {
        match kind {
            Kind::Round => &mut self.rounds,
            Kind::Confirmation => &mut self.confirmations,
            Kind::Dispute => &mut self.disputes,
        }
    }

    /// Keeps an envelope whose signature was checked; `false` if its place is taken.
    pub(crate) fn insert(&mut self, envelope: Arc<Envelope>) -> bool {
        let key = (envelope.header.round, envelope.header.sender);
        let place = self.place(envelope.header.kind);
        if place.contains_key(&key) {
            return false;
        }
        place.insert(key, envelope);
        true
    }

    /// The envelope that `party` sent in `round`.
    #[must_use]
    pub fn envelope(&self, round: u8, party: PartyIndex) -> Option<&Arc<Envelope>> {
        self.rounds.get(&(round, party))
    }

    pub(crate) fn confirmation(&self, round: u8, party: PartyIndex) -> Option<&Arc<Envelope>> {
        self.confirmations.get(&(round, party))
    }

    pub(crate) fn dispute(&self, round: u8, party: PartyIndex) -> Option<&Arc<Envelope>> {
        self.disputes.get(&(round, party))
    }

    /// The broadcast of `party` in `round`.
    #[must_use]
    pub fn broadcast<M: Wire>(&self, round: u8, party: PartyIndex) -> Option<M> {
        M::from_wire(self.envelope(round, party)?.broadcast.whole()?).ok()
    }

    /// The direct message of `round` from one party to another.
    #[must_use]
    pub fn direct<M: Wire>(&self, round: u8, from: PartyIndex, to: PartyIndex) -> Option<M> {
        let envelope = self.envelope(round, from)?;
        (envelope.header.recipient == Some(to)).then_some(())?;
        M::from_wire(envelope.direct.whole()?).ok()
    }

    /// Both parts of what `party` sent in `round`; nothing if one can't be decoded, or only its digest is here.
    #[must_use]
    pub fn parts<M: Wire>(&self, round: u8, party: PartyIndex) -> Option<(Option<M>, Option<M>)> {
        let envelope = self.envelope(round, party)?;
        let decode = |part: &Part| match part {
            Part::Absent => Some(None),
            Part::Whole(body) => M::from_wire(body).ok().map(Some),
            Part::Digest(_) => None,
        };
        Some((decode(&envelope.broadcast)?, decode(&envelope.direct)?))
    }

    /// Digest of the broadcasts of all parties in a round.
    #[must_use]
    pub fn echo(&self, agreement: &Agreement, round: u8) -> Option<[u8; 32]> {
        let mut transcript = Transcript::new(b"quorate/echo/v1")
            .field("session", agreement.session().as_bytes())
            .field("round", &[round]);
        for party in agreement.committee().indices() {
            let commitment = self.envelope(round, party)?.broadcast.commitment();
            transcript = transcript
                .field("party", &party.get().to_le_bytes())
                .field("broadcast", commitment.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        }
        Some(transcript.digest())
    }

    /// The digest of the round's broadcasts that `party` signed, in its next message or in a confirmation.
    #[must_use]
    pub fn signed_echo(&self, party: PartyIndex, round: u8) -> Option<[u8; 32]> {
        let next = round.checked_add(1).and_then(|next| self.envelope(next, party));
        self.confirmation(round, party).or(next)?.header.echo
    }

    /// Whether `party` signed that it saw just the broadcasts of `round` that stand in this record.
    #[must_use]
    pub fn confirms(&self, agreement: &Agreement, party: PartyIndex, round: u8) -> bool {
        let echo = self.echo(agreement, round);
        echo.is_some() && echo == self.signed_echo(party, round)
    }

    /// All envelopes, with the direct parts of everybody but `accused` replaced by their digests.
    fn against(&self, accused: PartyIndex) -> Vec<Envelope> {
        [&self.rounds, &self.confirmations, &self.disputes]
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|envelope| envelope.header.kind != Kind::Dispute || envelope.header.sender == accused)
            .map(|envelope| {
                if envelope.header.sender == accused {
                    Envelope::clone(envelope)
                } else {
                    envelope.without_direct()
                }
            })
            .collect()
    }
}

/// The signed broadcasts of one round, as one party received them.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Originals(pub(crate) Vec<Envelope>);

impl Wire for Originals {
    const MAX_BYTES: usize = Envelope::MAX_BYTES - 512;
}

impl Originals {
    /// The digest of a full set, all of one round of this session and rightly signed.
    pub(crate) fn echo(
        &self,
        agreement: &Agreement,
        round: u8,
        verifier: &dyn EnvelopeVerifier,
    ) -> Option<[u8; 32]> {
        let mut record = Record::default();
        for original in &self.0 {
            let fits = original.header.kind == Kind::Round
                && original.header.round == round
                && original.is_signed_in(agreement, verifier)
                && record.insert(Arc::new(original.clone()));
            fits.then_some(())?;
        }
        record.echo(agreement, round)
    }
}

/// What somebody is accused of.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Claim {
    /// Two signed envelopes of one round contradict each other.
    Equivocation {
        /// One of them.
        first: Box<Envelope>,
        /// The other.
        second: Box<Envelope>,
    },
    /// A signed part of the round's envelope is not a message of the protocol.
    Undecodable {
        /// The round.
        round: u8,
    },
    /// The signed digest of the round's broadcasts is not that of the broadcasts which the party itself presented.
    FalseEcho {
        /// The round.
        round: u8,
    },
    /// A fault that the protocol judges, in its own encoding.
    Fault {
        /// For the reader only.
        summary: String,
        /// The encoded fault.
        fault: Vec<u8>,
    },
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation { first, .. } => {
                write!(f, "sent contradicting messages in round {}", first.header.round)
            }
            Self::Undecodable { round } => write!(f, "sent an undecodable message in round {round}"),
            Self::FalseEcho { round } => write!(f, "signed a false digest of round {round}"),
            Self::Fault { summary, .. } => f.write_str(summary),
        }
    }
}

/// An accusation with everything that is needed to judge it with no node running.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// The protocol that judges.
    pub protocol: ProtocolId,
    /// What the parties agreed upon.
    pub agreement: Agreement,
    /// The protocol's public setup.
    pub setup: Vec<u8>,
    /// Whom it convicts.
    pub accused: PartyIndex,
    /// What of.
    pub claim: Claim,
    envelopes: Vec<Envelope>,
}

impl Wire for Evidence {
    const MAX_BYTES: usize = 1024 * 1024 - 512;
}

/// A conviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The culprit's identity.
    pub culprit: Identity,
    /// Its index in the session's committee.
    pub party: PartyIndex,
    /// The session.
    pub session: SessionId,
    /// What it did.
    pub finding: String,
}

impl Evidence {
    pub(crate) fn new(
        protocol: ProtocolId,
        agreement: &Agreement,
        setup: &[u8],
        accused: PartyIndex,
        claim: Claim,
        record: &Record,
    ) -> Self {
        let envelopes = match &claim {
            // The two envelopes speak for themselves.
            Claim::Equivocation { .. } => Vec::new(),
            _ => record.against(accused),
        };
        Self { protocol, agreement: agreement.clone(), setup: setup.to_vec(), accused, claim, envelopes }
    }

    /// Judges the evidence with the rules of protocol `P`.
    ///
    /// # Errors
    /// [`NotProven`] when anything does not hold: the protocol, the setup, a signature, or the claim itself.
    pub fn judge<P: Protocol>(&self) -> Result<Verdict, NotProven> {
        let proposal = self.agreement.proposal();
        if self.protocol != P::ID || proposal.protocol != P::ID {
            return Err(NotProven::because(format!("not a session of {}", P::ID)));
        }
        if setup_digest(&self.setup) != proposal.setup {
            return Err(NotProven::because("the setup is not the one that was agreed upon"));
        }
        let member = self
            .agreement
            .committee()
            .member(self.accused)
            .ok_or_else(|| NotProven::because("the accused is not a member of the committee"))?;
        let record = self.checked_record()?;
        let finding = match &self.claim {
            Claim::Equivocation { first, second } => self.judge_equivocation(first, second),
            Claim::Undecodable { round } => self.judge_undecodable::<P>(&record, *round),
            Claim::FalseEcho { round } => self.judge_false_echo(&record, *round),
            Claim::Fault { fault, .. } => self.judge_fault::<P>(&record, fault),
        }?;
        Ok(Verdict {
            culprit: member.identity,
            party: self.accused,
            session: self.agreement.session(),
            finding,
        })
    }

    fn checked_record(&self) -> Result<Record, NotProven> {
        let mut record = Record::default();
        for envelope in &self.envelopes {
            if !envelope.is_signed_in(&self.agreement, &IdentityVerifier) {
                return Err(NotProven::because("an envelope is not signed by its sender for this session"));
            }
            if !record.insert(Arc::new(envelope.clone())) {
                return Err(NotProven::because("two envelopes in one place"));
            }
        }
        Ok(record)
    }

    fn judge_equivocation(&self, first: &Envelope, second: &Envelope) -> Result<String, NotProven> {
        let genuine = [first, second].into_iter().all(|envelope| {
            envelope.header.sender == self.accused
                && envelope.is_signed_in(&self.agreement, &IdentityVerifier)
        });
        if genuine && first.contradicts(second) {
            Ok(self.claim.to_string())
        } else {
            Err(NotProven::because("the two envelopes don't contradict each other"))
        }
    }

    fn judge_undecodable<P: Protocol>(&self, record: &Record, round: u8) -> Result<String, NotProven> {
        let envelope = record
            .envelope(round, self.accused)
            .ok_or_else(|| NotProven::because("the envelope of the accused is missing"))?;
        let undecodable = [&envelope.broadcast, &envelope.direct]
            .into_iter()
            .filter_map(|part| part.whole())
            .any(|body| P::Message::from_wire(body).is_err());
        if undecodable {
            Ok(self.claim.to_string())
        } else {
            Err(NotProven::because("the envelope of the accused can be decoded"))
        }
    }

    fn judge_false_echo(&self, record: &Record, round: u8) -> Result<String, NotProven> {
        let next = round.checked_add(1);
        let stated = record
            .confirmation(round, self.accused)
            .or_else(|| record.envelope(next?, self.accused))
            .ok_or_else(|| NotProven::because("the accused signed no digest of the round"))?
            .header
            .echo;
        let presented = record
            .dispute(round, self.accused)
            .and_then(|dispute| dispute.broadcast.whole())
            .ok_or_else(|| NotProven::because("the accused presented no broadcasts of the round"))?;
        let actual = Originals::from_wire(presented)
            .ok()
            .and_then(|originals| originals.echo(&self.agreement, round, &IdentityVerifier));
        if actual.is_none() || actual != stated {
            Ok(self.claim.to_string())
        } else {
            Err(NotProven::because("the signed digest is that of the presented broadcasts"))
        }
    }

    fn judge_fault<P: Protocol>(&self, record: &Record, fault: &[u8]) -> Result<String, NotProven> {
        let fault = P::Fault::from_wire(fault).map_err(|error| NotProven::because(error.to_string()))?;
        let setup =
            P::Setup::from_wire(&self.setup).map_err(|error| NotProven::because(error.to_string()))?;
        P::judge(&self.agreement, &setup, self.accused, &fault, record)?;
        Ok(fault.to_string())
    }
}
