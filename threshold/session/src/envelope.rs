//! The signed envelope: what every message of a session travels in, and what evidence is made of.
//!
//! The signature covers the header and a commitment to each of the two parts. So a third party can be shown the
//! signed broadcast of a round without the direct part, and the transport needs to know nothing.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Transcript, bulk_digest};
use quorate_sharing::PartyIndex;

use crate::agreement::{Agreement, SessionId};
use crate::keyring::{EnvelopeSigner, EnvelopeVerifier};
use crate::wire::Wire;

/// What an envelope is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Kind {
    /// A message of the protocol.
    Round,
    /// Only the digest of the round's broadcasts, in a step of its own.
    Confirmation,
    /// The signed broadcasts of a round as this party received them, after digests differed.
    Dispute,
    /// Evidence with which this party ended the session.
    Evidence,
    /// Over whom this party ended the session, which it can't show to others.
    Withdrawal,
}

/// The signed header.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The session.
    pub session: SessionId,
    /// Share generation of the wallet.
    pub epoch: u64,
    /// Retry counter of the request.
    pub attempt: u32,
    /// Who signed.
    pub sender: PartyIndex,
    /// For whom; nobody in particular when the envelope is the same for all.
    pub recipient: Option<PartyIndex>,
    /// What the envelope is for.
    pub kind: Kind,
    /// The round it belongs to, from 1.
    pub round: u8,
    /// Digest of the broadcasts of the round before (of this round in a [`Kind::Confirmation`]).
    pub echo: Option<[u8; 32]>,
}

/// A message body, or what stands for it where its content does not matter.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Part {
    /// No such part.
    Absent,
    /// The bytes of the message.
    Whole(Vec<u8>),
    /// Only their digest.
    Digest([u8; 32]),
}

impl Part {
    /// What the signature covers.
    #[must_use]
    pub fn commitment(&self) -> Option<[u8; 32]> {
        match self {
            Self::Absent => None,
            Self::Whole(bytes) => Some(bulk_digest(b"quorate/part/v2", bytes)),
            Self::Digest(digest) => Some(*digest),
        }
    }

    /// The message, if it is here.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Absent | Self::Digest(_) => None,
        }
    }

    fn digested(&self) -> Self {
        self.commitment().map_or(Self::Absent, Self::Digest)
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    fn is_digest(&self) -> bool {
        matches!(self, Self::Digest(_))
    }
}

/// A signed message from one party to another, or to all.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// The signed header.
    pub header: Header,
    /// The part that is the same for everybody.
    pub broadcast: Part,
    /// The part for the recipient alone.
    pub direct: Part,
    signature: [u8; 64],
}

impl Wire for Envelope {
    const MAX_BYTES: usize = 1024 * 1024 - 1024;
}

impl Envelope {
    /// Signs an envelope.
    #[must_use]
    pub fn seal(header: Header, broadcast: Part, direct: Part, signer: &dyn EnvelopeSigner) -> Self {
        let digest = signed_digest(&header, &broadcast, &direct);
        Self { header, broadcast, direct, signature: signer.sign(&digest) }
    }

    /// Whether the sender that the header names, a member of the agreement's committee, signed this envelope for
    /// this session.
    #[must_use]
    pub fn is_signed_in(&self, agreement: &Agreement, verifier: &dyn EnvelopeVerifier) -> bool {
        let header = &self.header;
        let digest = signed_digest(header, &self.broadcast, &self.direct);
        header.session == agreement.session()
            && header.epoch == agreement.epoch()
            && header.attempt == agreement.proposal().attempt
            && agreement
                .committee()
                .member(header.sender)
                .is_some_and(|member| verifier.verify(&member.identity, &digest, &self.signature))
    }

    /// The same envelope with the direct part replaced by its digest: still signed, and fit to be shown to others.
    #[must_use]
    pub fn without_direct(&self) -> Self {
        Self { direct: self.direct.digested(), ..self.clone() }
    }

    /// The same envelope with the part for everybody replaced by its digest.
    #[must_use]
    pub(crate) fn without_broadcast(&self) -> Self {
        Self { broadcast: self.broadcast.digested(), ..self.clone() }
    }

    /// The same envelope with both parts replaced by their digests: still signed, and enough to contradict another.
    #[must_use]
    pub fn without_parts(&self) -> Self {
        Self { broadcast: self.broadcast.digested(), ..self.without_direct() }
    }

    /// Whether it has the parts of its kind, and has them whole: only evidence may show digests in their place.
    pub(crate) fn is_deliverable(&self) -> bool {
        match self.header.kind {
            Kind::Round => !self.broadcast.is_digest() && !self.direct.is_digest(),
            Kind::Confirmation => self.broadcast.is_absent() && self.direct.is_absent(),
            Kind::Dispute | Kind::Evidence | Kind::Withdrawal => {
                self.broadcast.whole().is_some() && self.direct.is_absent()
            }
        }
    }

    /// Whether a part exceeds what the protocol's messages may take.
    pub(crate) fn exceeds(&self, limit: usize) -> bool {
        [&self.broadcast, &self.direct].into_iter().filter_map(Part::whole).any(|body| body.len() > limit)
    }

    /// Whether two envelopes of one sender contradict each other, as those of an honest party never do: different
    /// messages for one round, or different digests of one round's broadcasts.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.header, &other.header);
        if mine.session != theirs.session || mine.sender != theirs.sender {
            return false;
        }
        let same_round = mine.kind == Kind::Round && theirs.kind == Kind::Round && mine.round == theirs.round;
        let broadcasts_differ = self.broadcast.commitment() != other.broadcast.commitment();
        let directs_differ =
            mine.recipient == theirs.recipient && self.direct.commitment() != other.direct.commitment();
        let same_subject = mine.echoed_round().is_some() && mine.echoed_round() == theirs.echoed_round();
        same_round && (broadcasts_differ || directs_differ) || same_subject && mine.echo != theirs.echo
    }
}

impl Header {
    /// The round whose broadcasts [`Header::echo`] is about.
    pub(crate) fn echoed_round(&self) -> Option<u8> {
        match self.kind {
            Kind::Round => self.round.checked_sub(1),
            Kind::Confirmation => Some(self.round),
            Kind::Dispute | Kind::Evidence | Kind::Withdrawal => None,
        }
    }
}

fn signed_digest(header: &Header, broadcast: &Part, direct: &Part) -> [u8; 32] {
    let recipient = header.recipient.map_or(0, PartyIndex::get);
    let kind: &[u8] = match header.kind {
        Kind::Round => b"round",
        Kind::Confirmation => b"confirmation",
        Kind::Dispute => b"dispute",
        Kind::Evidence => b"evidence",
        Kind::Withdrawal => b"withdrawal",
    };
    let optional = |digest: &Option<[u8; 32]>| digest.map_or_else(Vec::new, |digest| digest.to_vec());
    Transcript::new(b"quorate/envelope/v1")
        .field("session", header.session.as_bytes())
        .field("epoch", &header.epoch.to_le_bytes())
        .field("attempt", &header.attempt.to_le_bytes())
        .field("sender", &header.sender.get().to_le_bytes())
        .field("recipient", &recipient.to_le_bytes())
        .field("kind", kind)
        .field("round", &[header.round])
        .field("echo", &optional(&header.echo))
        .field("broadcast", &optional(&broadcast.commitment()))
        .field("direct", &optional(&direct.commitment()))
        .digest()
}
