//! Protocol sessions: agreement, signed envelopes, rounds, blame and evidence.
//!
//! A protocol is an enum of consuming rounds ([`Protocol`]); one generic [`Session`] does the bookkeeping around it.
//! Nothing here owns a clock, a socket, a file or a source of randomness.
//!
//! - **Agreement** ([`Proposal`], [`Accepted`], [`Proposing`]): every signer contributes fresh bytes to the session
//!   id, so no session can be repeated.
//! - **Envelopes** ([`Envelope`]): each message is signed by its sender for one session, round and recipient.
//! - **Consistency** ([`Consistency`]): digests of broadcasts ride in the next signed header or are exchanged in a
//!   step of their own; when they differ, the signed originals are exchanged and convict the liar.
//! - **Blame** ([`Abort`], [`Evidence`]): a failure is proven, attributed, unattributed or local. Evidence is judged
//!   from signed messages alone, with no node running.
//! - **Durability** ([`Action::Persist`]): messages that depend on stored state leave only after it is on disk.

mod abort;
mod agreement;
mod envelope;
mod erased;
mod evidence;
mod keyring;
mod protocol;
mod record;
mod session;
mod signing;
mod wire;

pub use abort::Abort;
pub use agreement::{
    Acceptance, Accepted, Agreement, AgreementError, Proposal, Proposing, SessionContext, SessionId,
    SignedProposal, Start, setup_digest,
};
pub use envelope::{Envelope, Header, Kind, Part};
pub use erased::{Erased, ErasedAction, ErasedProtocol, ErasedSession, Registry};
pub use evidence::{Claim, Evidence, Verdict};
pub use keyring::{EnvelopeSigner, EnvelopeVerifier, IdentityVerifier};
pub use protocol::{
    Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, PartOf, Protocol, ProtocolId,
    Received, SetupError, Step,
};
pub use record::Record;
pub use session::{Action, Keyring, MAX_MESSAGES_PER_PEER, MAX_STRIKES, Session};
pub use signing::{MAX_SIGNATURES, Made, Output};
pub use wire::{WIRE_VERSION, Wire, WireError};
