//! Evidence against a party, judged offline from signed messages alone.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Identity;
use quorate_sharing::PartyIndex;

use crate::agreement::{Agreement, SessionId, setup_digest};
use crate::envelope::{Envelope, Kind};
use crate::keyring::IdentityVerifier;
use crate::protocol::{NotProven, PartOf, Protocol, ProtocolId};
use crate::record::{Originals, Record};
use crate::wire::Wire;

/// What somebody is accused of.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Claim {
    /// Two signed envelopes contradict each other, see [`Envelope::contradicts`].
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
        /// The fault in words.
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
    /// Fits into an envelope.
    const MAX_BYTES: usize = Envelope::MAX_BYTES - 512;
}

/// Envelopes that a judge looks at, for each party of the session: several times what any protocol sends.
const MAX_ENVELOPES_PER_PARTY: usize = 64;

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
        needs: &dyn Fn(PartOf) -> bool,
    ) -> Self {
        let by_accused = |kind, round| record.find(kind, round, accused);
        let envelopes = match &claim {
            // The two envelopes speak for themselves.
            Claim::Equivocation { .. } => Vec::new(),
            Claim::Undecodable { round } => by_accused(Kind::Round, *round)
                .map(|envelope| Envelope::clone(envelope))
                .into_iter()
                .collect(),
            Claim::FalseEcho { round } => by_accused(Kind::Dispute, *round)
                .map(|dispute| Envelope::clone(dispute))
                .into_iter()
                .chain(record.statements(accused, *round).map(|envelope| envelope.without_parts()))
                .collect(),
            Claim::Fault { .. } => record.against(accused, needs),
        };
        Self { protocol, agreement: agreement.clone(), setup: setup.to_vec(), accused, claim, envelopes }
    }

    /// Evidence from envelopes that came together outside of a session. It says no more than they do: see
    /// [`Evidence::judge`].
    #[must_use]
    pub fn gathered(
        agreement: &Agreement,
        setup: &[u8],
        accused: PartyIndex,
        claim: Claim,
        envelopes: Vec<Envelope>,
    ) -> Self {
        let protocol = agreement.proposal().protocol.clone();
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
            Claim::Fault { summary, fault } => self.judge_fault::<P>(&record, fault, summary),
        }?;
        Ok(Verdict {
            culprit: member.identity,
            party: self.accused,
            session: self.agreement.session(),
            finding,
        })
    }

    fn checked_record(&self) -> Result<Record, NotProven> {
        if self.envelopes.len() > MAX_ENVELOPES_PER_PARTY * self.agreement.committee().len() {
            return Err(NotProven::because("more envelopes than a session has"));
        }
        let mut record = Record::default();
        for envelope in &self.envelopes {
            if !record.insert(Arc::new(envelope.clone())) {
                return Err(NotProven::because("two envelopes in one place"));
            }
            if !envelope.is_signed_in(&self.agreement, &IdentityVerifier) {
                return Err(NotProven::because("an envelope is not signed by its sender for this session"));
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
        let mut stated =
            record.statements(self.accused, round).map(|envelope| envelope.header.echo).peekable();
        if stated.peek().is_none() {
            return Err(NotProven::because("the accused signed no digest of the round"));
        }
        let dispute = record
            .find(Kind::Dispute, round, self.accused)
            .filter(|dispute| dispute.broadcast.whole().is_some())
            .ok_or_else(|| NotProven::because("the accused presented no broadcasts of the round"))?;
        let actual = Originals::shown_in(dispute, &self.agreement)
            .and_then(|originals| originals.echo(&self.agreement, round, &IdentityVerifier));
        if actual.is_none() || stated.any(|echo| echo != actual) {
            Ok(self.claim.to_string())
        } else {
            Err(NotProven::because("the signed digest is that of the presented broadcasts"))
        }
    }

    fn judge_fault<P: Protocol>(
        &self,
        record: &Record,
        fault: &[u8],
        summary: &str,
    ) -> Result<String, NotProven> {
        let fault = P::Fault::from_wire(fault).map_err(|error| NotProven::because(error.to_string()))?;
        let setup =
            P::Setup::from_wire(&self.setup).map_err(|error| NotProven::because(error.to_string()))?;
        if fault.to_string() != summary {
            return Err(NotProven::because("the words of the claim are not those of the fault"));
        }
        P::judge(&self.agreement, &setup, self.accused, &fault, record)?;
        Ok(fault.to_string())
    }
}
