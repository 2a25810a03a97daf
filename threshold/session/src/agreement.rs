//! How parties agree on a session before its first message: proposal, acceptances with fresh bytes, start.
//!
//! Every accepting signer contributes 32 fresh bytes to the session id and refuses a start in which they are
//! missing. So nobody, neither a proposer nor a restored disk, can make two sessions with the same id.
//! The machine is pure: messages go in and come out, the caller moves them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Transcript};
use quorate_sharing::{Committee, PartyIndex, Threshold};
use rand_core::CryptoRngCore;

use crate::keyring::{EnvelopeSigner, EnvelopeVerifier};
use crate::protocol::ProtocolId;
use crate::wire::{Wire, WireError};

/// Names one run of one protocol: a digest of everything agreed upon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What one party proposes to run.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The cluster.
    pub cluster: [u8; 32],
    /// Digest of the client's signed request.
    pub request: [u8; 32],
    /// What the request asks for, such as `sign`; at most 32 bytes.
    pub operation: String,
    /// The protocol and its version.
    pub protocol: ProtocolId,
    /// Digest of the protocol's setup, see [`setup_digest`].
    pub setup: [u8; 32],
    /// Share generation of the wallet.
    pub epoch: u64,
    /// The parties that take part, in order, and the wallet's threshold.
    pub committee: Committee,
    /// Who proposes; need not be a member.
    pub proposer: Identity,
    /// Counts the retries of one request.
    pub attempt: u32,
    /// Unix time in milliseconds after which nobody accepts.
    pub expires: u64,
}

/// Largest [`Proposal::operation`], in bytes.
const MAX_OPERATION: usize = 32;

impl Proposal {
    fn digest(&self) -> Result<[u8; 32], WireError> {
        if self.operation.len() > MAX_OPERATION {
            return Err(WireError::Malformed("the operation's name is too long".into()));
        }
        Ok(Transcript::new(b"quorate/proposal/v1").field("proposal", &self.to_wire()?).digest())
    }
}

impl Wire for Proposal {
    const MAX_BYTES: usize = 8 * 1024;
}

/// Digest of a protocol's setup, as it stands in a proposal.
#[must_use]
pub fn setup_digest(setup: &[u8]) -> [u8; 32] {
    Transcript::new(b"quorate/setup/v1").field("setup", setup).digest()
}

/// A proposal under its proposer's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedProposal {
    /// What is proposed.
    pub proposal: Proposal,
    signature: [u8; 64],
}

impl SignedProposal {
    /// Signs a proposal. `signer` is the identity named in [`Proposal::proposer`].
    ///
    /// # Errors
    /// When the proposal exceeds its size cap.
    pub fn sign(proposal: Proposal, signer: &dyn EnvelopeSigner) -> Result<Self, WireError> {
        let signature = signer.sign(&proposal.digest()?);
        Ok(Self { proposal, signature })
    }
}

impl Wire for SignedProposal {
    const MAX_BYTES: usize = Proposal::MAX_BYTES + 64;
}

/// One signer's promise to take part, with its fresh bytes, signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acceptance {
    /// Digest of the accepted proposal.
    pub proposal: [u8; 32],
    /// Who accepts.
    pub party: PartyIndex,
    fresh: [u8; 32],
    signature: [u8; 64],
}

impl Acceptance {
    fn digest(proposal: &[u8; 32], party: PartyIndex, fresh: &[u8; 32]) -> [u8; 32] {
        Transcript::new(b"quorate/acceptance/v1")
            .field("proposal", proposal)
            .field("party", &party.get().to_le_bytes())
            .field("fresh", fresh)
            .digest()
    }
}

impl Wire for Acceptance {
    const MAX_BYTES: usize = 160;
}

/// Everybody's acceptance, sent to all by the proposer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Start {
    /// Digest of the proposal.
    pub proposal: [u8; 32],
    acceptances: Vec<Acceptance>,
}

impl Start {
    /// What the parties agreed upon, if this start is of that proposal. Its signatures are not verified here: whoever
    /// gathered the acceptances has done so.
    ///
    /// # Errors
    /// A start of another proposal, or without just one acceptance of every party.
    pub fn agreement(&self, proposal: &Proposal) -> Result<Agreement, WireError> {
        if self.proposal != proposal.digest()? {
            return Err(WireError::Malformed("a start of another proposal".into()));
        }
        let fresh = self.acceptances.iter().map(|acceptance| (acceptance.party, acceptance.fresh));
        Agreement::new(proposal.clone(), fresh.collect())
    }

    /// The same, for whoever was no party: that all of them have signed it is verified.
    ///
    /// # Errors
    /// An acceptance that is missing, doubled, forged or of another proposal.
    pub fn shown(
        &self,
        proposal: &Proposal,
        verifier: &dyn EnvelopeVerifier,
    ) -> Result<Agreement, AgreementError> {
        let agreement = self.agreement(proposal).map_err(AgreementError::Malformed)?;
        for acceptance in &self.acceptances {
            verify_acceptance(acceptance, &self.proposal, &proposal.committee, verifier)?;
        }
        Ok(agreement)
    }
}

impl Wire for Start {
    const MAX_BYTES: usize = 64 + 100 * Acceptance::MAX_BYTES;
}

/// Everything that the parties of a session agreed upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    proposal: Proposal,
    fresh: Vec<(PartyIndex, [u8; 32])>,
    session: SessionId,
}

impl Agreement {
    /// The fresh bytes must be those of all members in order.
    fn new(proposal: Proposal, fresh: Vec<(PartyIndex, [u8; 32])>) -> Result<Self, WireError> {
        if !fresh.iter().map(|(party, _)| *party).eq(proposal.committee.indices()) {
            return Err(WireError::Malformed("fresh bytes of other parties than the committee".into()));
        }
        let mut transcript = Transcript::new(b"quorate/session/v1").field("proposal", &proposal.digest()?);
        for (party, bytes) in &fresh {
            transcript = transcript.field("party", &party.get().to_le_bytes()).field("fresh", bytes);
        }
        let session = SessionId(transcript.digest());
        Ok(Self { proposal, fresh, session })
    }

    /// The session id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The accepted proposal.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The parties that take part.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.proposal.committee
    }

    /// The wallet's threshold.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.proposal.committee.threshold()
    }

    /// Share generation of the wallet.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.proposal.epoch
    }

    /// What a party contributed to the session id.
    #[must_use]
    pub fn fresh_of(&self, party: PartyIndex) -> Option<&[u8; 32]> {
        self.fresh.iter().find(|(index, _)| *index == party).map(|(_, fresh)| fresh)
    }
}

impl BorshSerialize for Agreement {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        self.proposal.serialize(writer)?;
        self.fresh.serialize(writer)
    }
}

impl BorshDeserialize for Agreement {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let proposal = Proposal::deserialize_reader(reader)?;
        let fresh = Vec::<(PartyIndex, [u8; 32])>::deserialize_reader(reader)?;
        Self::new(proposal, fresh)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()))
    }
}

/// An [`Agreement`] in which this party contributed fresh bytes of its own.
///
/// [`Accepted::start`] is the only way to get one.
///
/// # Security
/// One session for each. Nothing here hinders the caller from making two of one context: they would sign contradicting
/// messages, and so convict this party. A caller makes one per start, and none after a restart.
#[derive(Debug)]
pub struct SessionContext {
    agreement: Agreement,
    me: PartyIndex,
}

impl SessionContext {
    /// What was agreed upon.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// This party.
    #[must_use]
    pub fn me(&self) -> PartyIndex {
        self.me
    }

    /// The session id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.agreement.session()
    }

    /// The parties that take part.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        self.agreement.committee()
    }

    /// All parties but this one.
    #[must_use]
    pub fn others(&self) -> Vec<PartyIndex> {
        self.committee().indices().filter(|index| *index != self.me).collect()
    }
}

/// A signer's live promise, with the fresh bytes it waits to see again.
#[derive(Debug)]
pub struct Accepted {
    proposal: Proposal,
    acceptance: Acceptance,
}

impl Accepted {
    /// Accepts a proposal as the member `me`. Whether to is the caller's decision: authority, policy, load, expiry.
    ///
    /// # Errors
    /// A proposal that was not signed by its proposer, or a committee without this party.
    pub fn accept(
        signed: SignedProposal,
        me: &Identity,
        signer: &dyn EnvelopeSigner,
        verifier: &dyn EnvelopeVerifier,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Acceptance), AgreementError> {
        let SignedProposal { proposal, signature } = signed;
        let digest = proposal.digest().map_err(AgreementError::Malformed)?;
        if !verifier.verify(&proposal.proposer, &digest, &signature) {
            return Err(AgreementError::BadSignature);
        }
        let me = proposal.committee.index_of(me).ok_or(AgreementError::NotAMember)?;
        let mut fresh = [0; 32];
        rng.fill_bytes(&mut fresh);
        let signature = signer.sign(&Acceptance::digest(&digest, me, &fresh));
        let acceptance = Acceptance { proposal: digest, party: me, fresh, signature };
        Ok((Self { proposal, acceptance: acceptance.clone() }, acceptance))
    }

    /// Digest of the accepted proposal.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.acceptance.proposal
    }

    /// The accepted proposal.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// What this party contributes to the session id.
    #[must_use]
    pub fn fresh(&self) -> &[u8; 32] {
        &self.acceptance.fresh
    }

    /// Begins the session. The promise is used up; a faulty start gives it back.
    ///
    /// ```compile_fail,E0382
    /// use quorate_session::{Accepted, IdentityVerifier, Start};
    ///
    /// fn two_sessions_of_one_promise(promise: Accepted, start: &Start) {
    ///     promise.start(start, &IdentityVerifier).ok();
    ///     promise.start(start, &IdentityVerifier).ok();
    /// }
    /// ```
    ///
    /// # Errors
    /// An acceptance that is missing, doubled, forged or of another proposal, or this party's fresh bytes replaced.
    pub fn start(
        self,
        start: &Start,
        verifier: &dyn EnvelopeVerifier,
    ) -> Result<Arc<SessionContext>, (Box<Self>, AgreementError)> {
        match self.check(start, verifier) {
            Err(error) => Err((Box::new(self), error)),
            Ok(fresh) => match Agreement::new(self.proposal.clone(), fresh) {
                Ok(agreement) => Ok(Arc::new(SessionContext { agreement, me: self.acceptance.party })),
                Err(error) => Err((Box::new(self), AgreementError::Malformed(error))),
            },
        }
    }

    fn check(
        &self,
        start: &Start,
        verifier: &dyn EnvelopeVerifier,
    ) -> Result<Vec<(PartyIndex, [u8; 32])>, AgreementError> {
        if start.proposal != self.acceptance.proposal {
            return Err(AgreementError::OtherProposal);
        }
        let committee = &self.proposal.committee;
        if !start.acceptances.iter().map(|acceptance| acceptance.party).eq(committee.indices()) {
            return Err(AgreementError::Incomplete);
        }
        let mut fresh = Vec::with_capacity(start.acceptances.len());
        for acceptance in &start.acceptances {
            if acceptance.party != self.acceptance.party {
                verify_acceptance(acceptance, &self.acceptance.proposal, committee, verifier)?;
            } else if *acceptance != self.acceptance {
                return Err(AgreementError::Stale);
            }
            fresh.push((acceptance.party, acceptance.fresh));
        }
        Ok(fresh)
    }
}

fn verify_acceptance(
    acceptance: &Acceptance,
    proposal: &[u8; 32],
    committee: &Committee,
    verifier: &dyn EnvelopeVerifier,
) -> Result<(), AgreementError> {
    if acceptance.proposal != *proposal {
        return Err(AgreementError::OtherProposal);
    }
    let member = committee.member(acceptance.party).ok_or(AgreementError::NotAMember)?;
    let digest = Acceptance::digest(proposal, acceptance.party, &acceptance.fresh);
    if verifier.verify(&member.identity, &digest, &acceptance.signature) {
        Ok(())
    } else {
        Err(AgreementError::BadSignature)
    }
}

/// The proposer's side: gathers acceptances until all are there.
#[derive(Debug)]
pub struct Proposing {
    committee: Committee,
    digest: [u8; 32],
    acceptances: BTreeMap<PartyIndex, Acceptance>,
}

impl Proposing {
    /// Begins to gather acceptances of a proposal.
    ///
    /// # Errors
    /// When the proposal exceeds its size cap.
    pub fn new(proposal: &Proposal) -> Result<Self, WireError> {
        Ok(Self {
            committee: proposal.committee.clone(),
            digest: proposal.digest()?,
            acceptances: BTreeMap::new(),
        })
    }

    /// Digest of the proposal.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Takes an acceptance; gives the [`Start`] for everybody when it was the last. A second acceptance of one party
    /// replaces nothing.
    ///
    /// # Errors
    /// A forged acceptance, one of another proposal, or of a stranger.
    pub fn accept(
        &mut self,
        acceptance: Acceptance,
        verifier: &dyn EnvelopeVerifier,
    ) -> Result<Option<Start>, AgreementError> {
        verify_acceptance(&acceptance, &self.digest, &self.committee, verifier)?;
        self.acceptances.entry(acceptance.party).or_insert(acceptance);
        if self.acceptances.len() < self.committee.len() {
            return Ok(None);
        }
        let acceptances = self.acceptances.values().cloned().collect();
        Ok(Some(Start { proposal: self.digest, acceptances }))
    }

    /// Who has not accepted.
    #[must_use]
    pub fn missing(&self) -> Vec<PartyIndex> {
        self.committee.indices().filter(|index| !self.acceptances.contains_key(index)).collect()
    }
}

/// Why an agreement message is refused; its sender is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// Not an encoding within its limits.
    #[error(transparent)]
    Malformed(WireError),
    /// Not signed by the party it names.
    #[error("the signature is not by the party it names")]
    BadSignature,
    /// Names a party that is not in the committee.
    #[error("the party is not a member of the proposed committee")]
    NotAMember,
    /// Belongs to another proposal.
    #[error("belongs to another proposal")]
    OtherProposal,
    /// Not exactly one acceptance per member, in order.
    #[error("the start does not hold one acceptance of every member")]
    Incomplete,
    /// The start holds another acceptance of this party than the one it waits for.
    #[error("the start does not hold this party's own acceptance")]
    Stale,
}
