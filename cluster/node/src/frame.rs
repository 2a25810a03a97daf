//! What nodes say to each other, outside and around protocol sessions.
//!
//! The transport vouches for the sender of a frame. Whatever must be shown to a third party is signed on its own.

use std::collections::BTreeSet;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_audit::Countersignature;
use quorate_cggmp21::{PresignatureId, PublicPresignature};
use quorate_keygen::{Certificate, Refusal};
use quorate_keys::{Identity, Signature, SigningIdentity, Transcript};
use quorate_request::{ClusterId, WalletRef};
use quorate_reshare::{Link, Setup};
use quorate_session::{Acceptance, Envelope, Evidence, Proposal, SessionId, SignedProposal, Start, Wire};
use quorate_sharing::PublicShares;

use crate::cause::Order;
use crate::initiators::Proof;
use crate::pairings::Made;
use crate::spendings::{Held, Told};
use crate::standing::Standing;
use crate::wallets::{Census, Has, Inquiry};

/// One frame between two nodes.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) enum Frame {
    /// Proposer to member: take part in this.
    Invite(Box<Invite>),
    /// Member to proposer: a promise to take part.
    Accept(Acceptance),
    /// Member to proposer: no.
    Decline(Decline),
    /// Proposer to member: all have accepted.
    Start(Start),
    /// Between members: an envelope of a running session.
    Session {
        /// The session.
        session: SessionId,
        /// The encoded envelope.
        envelope: Vec<u8>,
    },
    /// Aggregator to proposer and signers: the signatures.
    Signed(Signed),
    /// Member to proposer: the session has failed here.
    GivenUp(GivenUp),
    /// Proof against a node.
    Evidence(Box<Evidence>),
    /// A wallet that is active, with the proof.
    Certified(Box<Certified>),
    /// From a member that stored a share and does not know whether all did, or from the proposer: what became of this
    /// session?
    Inquire(Box<Inquiry>),
    /// In answer: this party's own signed acknowledgement.
    Acknowledged(Box<Envelope>),
    /// In answer: this party never acknowledged, and now never will.
    Refused(Refusal),
    /// Proposer to member: the proposal of this digest is void, its promise need not be kept.
    Withdrawn([u8; 32]),
    /// Proposer to member of a failed session, by the proposal's digest: others say that you are silent.
    AreYouThere([u8; 32]),
    /// In answer.
    Here([u8; 32]),
    /// The wallets that the sender holds.
    Census(Census),
    /// The sender holds just these wallets in a bucket of the census, and would like to know the others.
    Missing {
        /// The bucket.
        bucket: u8,
        /// The wallets, each at its epoch.
        have: Vec<Has>,
    },
    /// Who knows this wallet?
    Seek(Sought),
    /// Member to member of a session that all have accepted: what do you know to be reserved and spent? `run`: the one in which the
    /// sender has said what it keeps.
    AskSpendings { session: SessionId, run: [u8; 16] },
    /// Member to member of such a session: whether the sender goes on, by what all have told. `ask`: does the other?
    Affords { session: SessionId, affords: bool, ask: bool },
    /// From a node that was put back to an older state: what do you know to be spent?
    LearnSpendings { run: [u8; 16] },
    /// In answer, or outside of sessions: what the other is not known to have.
    Spendings {
        session: Option<SessionId>,
        told: Vec<Told>,
        /// Whether this is all of it.
        complete: bool,
    },
    /// The sender keeps these spendings, and others of which it has said so in this run of it.
    SpendingsHeld { run: [u8; 16], held: Vec<Held> },
    /// Where the sender stands. `ask`: and what does the other remember of that?
    Standing { standing: Box<Standing>, ask: bool },
    /// In answer: what the sender remembers of where the other stood.
    Remembered(Option<Box<Standing>>),
    /// In answer to where the other stands: the countersignature of its log's head.
    Countersigned { seq: u64, countersignature: Countersignature },
    /// The sender keeps just these changes of initiators, by fingerprint. `ask`: and the receiver?
    Changes { keys: Vec<[u8; 32]>, ask: bool },
    /// A change of initiators, with its proof.
    Changed(Box<Proof>),
    /// In answer: whether the sender keeps that change, by fingerprint.
    ChangeHeard { key: [u8; 32], kept: bool },
    /// A client's request that waits for approvals, as it was signed.
    Waits(Vec<u8>),
    /// What authorizers have said, each as it was signed.
    Words(Vec<Vec<u8>>),
    /// The request of this fingerprint waits no more: it has its result.
    WaitsNoMore([u8; 32]),
    /// Member to a proposer that is none: the presignatures of this proposal, as all know them.
    Presigned {
        /// Digest of the proposal.
        proposal: [u8; 32],
        /// In their order.
        publics: Vec<PublicPresignature>,
    },
    /// The presignatures of the sender of which the receiver must have halves.
    Presignatures(Vec<PresignatureId>),
    /// In answer: those of which it has none.
    LacksPresignatures(Vec<PresignatureId>),
    /// Between holders of a wallet: the sender has these pairs of it; has the receiver?
    PairsWait {
        /// The session that made the wallet's shares.
        wallet: SessionId,
        /// That which made the pairs.
        session: SessionId,
        /// Whether they are active for the sender.
        active: bool,
    },
    /// In answer: it has.
    PairsHeld {
        /// The session that made the wallet's shares.
        wallet: SessionId,
        /// That which made the pairs.
        session: SessionId,
        /// Whether they are active for the sender.
        active: bool,
    },
    /// A wallet's epoch, with the proof.
    Renewed(Box<Link>),
}

impl Wire for Frame {
    const MAX_BYTES: usize = 1024 * 1024;
}

/// A wallet as a client named it, or as nodes do.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) enum Sought {
    Name(String),
    Key(Vec<u8>),
    Session(SessionId),
}

impl Sought {
    /// What a client names.
    pub(crate) fn of(reference: WalletRef<'_>) -> Self {
        match reference {
            WalletRef::Id(id) => Self::Name(id.to_string()),
            WalletRef::PublicKey(key) => Self::Key(key.to_vec()),
            // Nothing has an empty name.
            _ => Self::Name(String::new()),
        }
    }
}

/// What the proposer of a resharing has chosen.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Resharing {
    /// The epoch that the wallet is at.
    pub(crate) old: u64,
    /// The holders that deal.
    pub(crate) dealers: BTreeSet<Identity>,
    /// What it is to overtake, where it leads further than to the next epoch.
    pub(crate) overtakes: Option<Box<Begun>>,
}

/// A resharing that was begun, as all its parties have signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Begun {
    pub(crate) proposal: Proposal,
    pub(crate) setup: Setup,
    pub(crate) start: Start,
}

impl Begun {
    /// To which epoch it leads.
    pub(crate) const fn epoch(&self) -> u64 {
        self.proposal.epoch
    }
}

/// A proposal with what it serves.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Invite {
    pub(crate) proposal: SignedProposal,
    pub(crate) order: Order,
    /// Digest of the proposer's policy, if it has one.
    pub(crate) policy: Option<[u8; 32]>,
    /// The presignatures to use up, if the signatures need some.
    pub(crate) presignatures: Vec<PresignatureId>,
    pub(crate) resharing: Option<Resharing>,
    /// The session that made the pairs to use, if the signatures need some.
    pub(crate) pairs: Option<SessionId>,
    /// What authorizers have said of the client's request, each as it was signed.
    pub(crate) approvals: Vec<Vec<u8>>,
}

/// A member's refusal to take part.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Decline {
    /// Digest of the proposal.
    pub(crate) proposal: [u8; 32],
    pub(crate) reason: Reason,
    /// Of its [digest](Self::digest), if the reason is a [refusal](Reason::is_refusal).
    signature: Option<Signature>,
}

impl Decline {
    /// A refusal is signed, so that it can be shown: `of` is the fingerprint of what the proposal is for, if that is known.
    pub(crate) fn new(
        proposal: [u8; 32],
        reason: Reason,
        of: Option<(&ClusterId, &[u8; 32])>,
        signer: &SigningIdentity,
    ) -> Self {
        let reason = reason.shortened();
        let signed = of.filter(|_| reason.is_refusal());
        let signature = signed.map(|(cluster, fingerprint)| {
            let digest = Self::digest(cluster, fingerprint, &proposal, &reason);
            Signature::from_bytes(signer.sign(&digest))
        });
        Self { proposal, reason, signature }
    }

    /// What is signed.
    fn digest(cluster: &ClusterId, fingerprint: &[u8; 32], proposal: &[u8; 32], reason: &Reason) -> [u8; 32] {
        Transcript::new(b"quorate/refusal/v1")
            .field("cluster", cluster.as_bytes())
            .field("request", fingerprint)
            .field("proposal", proposal)
            .field("reason", reason.to_string().as_bytes())
            .digest()
    }

    /// The signature of a member, if it is its own, of a reason that is not longer than it has to be.
    pub(crate) fn signed_by(
        &self,
        member: &Identity,
        cluster: &ClusterId,
        fingerprint: &[u8; 32],
    ) -> Option<&Signature> {
        let is_short = !matches!(&self.reason, Reason::Refused { code, message } if code.len().max(message.len()) > Reason::LONGEST);
        let digest = Self::digest(cluster, fingerprint, &self.proposal, &self.reason);
        let signature = self.signature.as_ref().filter(|_| is_short);
        signature.filter(|signature| member.verify(&digest, signature.as_bytes()))
    }
}

/// A session that failed for one member. Believed of silence only, its own or that of others: cheating needs evidence.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct GivenUp {
    /// Digest of the proposal.
    pub(crate) proposal: [u8; 32],
    /// Who said nothing, to this member's knowledge; itself, if it is the one that can't go on.
    pub(crate) silent: Vec<Identity>,
    pub(crate) reason: String,
}

/// Why a member does not take part.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Reason {
    /// The request itself is not acceptable to this member.
    Refused { code: String, message: String },
    /// The request id was used for another request.
    Conflict,
    /// The request has its result, which follows or is attached.
    Done(Box<Option<Signed>>),
    /// Another attempt is live, a share is pending, the committee has a convicted member, or there is too much to do: try
    /// again.
    Busy(String),
    /// This member can't sign: its share is missing or damaged.
    Unable(String),
    /// This member has no halves of these presignatures any more.
    Lacking(Vec<PresignatureId>),
    /// This member knows later auxiliary information or pairs of these nodes.
    Behind { epoch: u64 },
    /// For these nodes this member has other auxiliary information or pairs, active: those of this session.
    Replaced { session: SessionId },
    /// This member can't sign with these pairs, and has others, active.
    OtherPairs(Made),
    /// This member does not sign with another, for this reason.
    NotWith { node: Identity, why: String },
    /// This member could not be sure of what was spent, on account of another node: try again, if need be with others.
    Waits { on: Identity, why: String },
    /// This member signs under another policy, of this digest, or under none.
    OtherPolicy { digest: Option<[u8; 32]> },
    /// This member goes by another epoch of the wallet.
    OtherEpoch { epoch: u64 },
    /// This member has acknowledged a resharing, and does not know what became of it: another one has to lead further.
    Locked { begun: Box<Begun>, why: String },
    /// This member's share of the wallet is lost: it has none to deal.
    NoShare,
}

impl Reason {
    /// The longest message of a refusal, in bytes: it goes into audit logs.
    const LONGEST: usize = 2048;

    fn shortened(mut self) -> Self {
        if let Self::Refused { message, .. } = &mut self {
            let mut end = message.len().min(Self::LONGEST);
            while !message.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            message.truncate(end);
        }
        self
    }

    /// Whether it speaks of what is asked for, not of how this member is.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::OtherPolicy { .. } | Self::Conflict)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "{message} ({code})"),
            Self::Conflict => f.write_str("the request id was used for another request"),
            Self::Done(_) => f.write_str("the request has its result"),
            Self::Busy(why) | Self::Unable(why) | Self::Waits { why, .. } => f.write_str(why),
            Self::Lacking(ids) => write!(f, "{} of the presignatures are not here", ids.len()),
            Self::OtherPairs(_) => f.write_str("has other pairs than were proposed"),
            Self::Replaced { .. } => {
                f.write_str("has other auxiliary information or pairs of these nodes; let them be made anew")
            }
            Self::NotWith { node, why } => write!(f, "does not sign with {node}, {why}"),
            Self::OtherPolicy { digest: Some(digest) } => {
                write!(f, "signs under another policy, whose SHA-256 hash is {}", hex::encode(digest))
            }
            Self::OtherPolicy { digest: None } => f.write_str("has no policy; give all nodes the same"),
            Self::OtherEpoch { epoch } => write!(f, "goes by epoch {epoch} of the wallet"),
            Self::Locked { why, .. } => f.write_str(why),
            Self::NoShare => f.write_str("has lost its share of the wallet; its log says why"),
            Self::Behind { epoch } => write!(f, "there is what was made for the {epoch}th time already"),
        }
    }
}

/// The signatures that a request led to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Signed {
    /// The request id.
    pub(crate) request_id: String,
    /// Fingerprint of the request.
    pub(crate) fingerprint: [u8; 32],
    /// As many as the request needs, in order.
    pub(crate) signatures: Vec<Signature>,
    /// The members that signed.
    pub(crate) committee: Vec<Identity>,
    pub(crate) attempt: u32,
}

/// An active wallet, as nodes tell each other. Its name and scheme are those of the request, which the certificate's
/// agreement binds.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Certified {
    /// The client's request that made it, as it was signed.
    pub(crate) request: Vec<u8>,
    pub(crate) public: PublicShares,
    pub(crate) certificate: Certificate,
}
