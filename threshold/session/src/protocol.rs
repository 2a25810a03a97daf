//! What a protocol is to its session: consuming rounds with typed messages and typed faults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use crate::agreement::{Agreement, SessionContext};
use crate::envelope::Envelope;
use crate::record::Record;
use crate::wire::Wire;

/// Name and version of a protocol, part of every session id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ProtocolId {
    name: Cow<'static, str>,
    suite: Cow<'static, str>,
    version: u16,
}

impl ProtocolId {
    /// An id such as `frost/ed25519/1`: the protocol, its curve or signature scheme, and the version.
    #[must_use]
    pub const fn new(name: &'static str, suite: &'static str, version: u16) -> Self {
        Self { name: Cow::Borrowed(name), suite: Cow::Borrowed(suite), version }
    }

    /// The protocol.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its curve or signature scheme.
    #[must_use]
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// The version, raised whenever messages or transcripts change.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }
}

impl fmt::Display for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name, self.suite, self.version)
    }
}

impl fmt::Debug for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A protocol as an enum of consuming rounds.
///
/// A value of the implementing type is the state of one party in one round. It owns no clock, no socket and no
/// source of randomness; [`Session`](crate::Session) does the bookkeeping around it.
pub trait Protocol: Sized + Send {
    /// Name and version.
    const ID: ProtocolId;

    /// Public inputs on which all parties agree; their digest is part of the session id.
    type Setup: Wire + Send + Sync;
    /// What this party alone knows. Secrets in it are behind pointers that erase them: the value itself is moved about.
    type Secret: Send;
    /// All messages of the protocol, one variant per round and delivery.
    type Message: Wire + Clone + Send;
    /// One party's contribution to the current round, decoded and cheaply checked.
    type Accepted: Send;
    /// What a party can do wrong, as [`Protocol::judge`] can prove it, or as its victim alone knows it.
    type Fault: Wire + Clone + fmt::Debug + fmt::Display + Send;
    /// What must be on disk before the messages that depend on it leave.
    type Checkpoint: Send;
    /// The result.
    type Output: Send;

    /// Whether parts of the protocol are between two parties alone, who can't show to others what the other one did there. Only then a party's word
    /// that it ends a session over another means something.
    const PAIRWISE: bool = false;

    /// Enters round one.
    ///
    /// # Errors
    /// [`SetupError`] when the caller's setup or secret does not fit the context; nothing was sent.
    fn start(
        context: Arc<SessionContext>,
        setup: Self::Setup,
        secret: Self::Secret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError>;

    /// From whom this round needs a message, and how it is delivered.
    fn expects(&self) -> Expected;

    /// Takes one party's message when it arrives: decodes its parts once, makes the cheap checks and keeps what was
    /// decoded.
    ///
    /// # Security
    /// Works on nothing secret: the stack is not overwritten after it.
    ///
    /// # Errors
    /// The fault, and who committed it: the sender, or a party that the sender rightly accuses.
    fn accept(
        &self,
        from: PartyIndex,
        received: Received<Self::Message>,
    ) -> Result<Self::Accepted, Blame<Self::Fault>>;

    /// Ends the round with a contribution of every expected party. Expensive checks happen here, in one batch, and
    /// one by one only when the batch fails, to name the culprits.
    ///
    /// # Errors
    /// [`Failure`], by blame.
    fn advance(
        self,
        inbox: Inbox<Self::Accepted>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Self::Fault>>;

    /// Whether [`Protocol::judge`] looks at this part of a message when it judges `fault`; of others it sees digests only. A protocol whose
    /// messages are large says so, that evidence fits into one envelope.
    fn needs(_accused: PartyIndex, _fault: &Self::Fault, _part: PartOf) -> bool {
        true
    }

    /// Whether nothing may be done any more with what victim and culprit of this fault have in common, in whatever session: it tells about
    /// secrets of the victim whether such faults are found. The caller makes that durable before it does anything else.
    fn is_lasting(_fault: &Self::Fault) -> bool {
        false
    }

    /// Judges an accusation offline. The caller has checked all signatures in `record`, and that they belong to the
    /// session of `agreement`, and that `setup` is the one agreed upon.
    ///
    /// A judge that uses broadcasts of others than the accused must first check that the accused saw the same ones,
    /// with [`Record::confirms`].
    ///
    /// # Errors
    /// [`NotProven`] unless the record shows that `accused` committed `fault`.
    fn judge(
        agreement: &Agreement,
        setup: &Self::Setup,
        accused: PartyIndex,
        fault: &Self::Fault,
        record: &Record,
    ) -> Result<(), NotProven>;
}

/// One step of a party.
#[derive(Debug)]
pub enum Step<P: Protocol> {
    /// The next round begins.
    Next {
        /// State in the next round.
        state: P,
        /// Messages of the next round.
        send: Outgoing<P::Message>,
        /// Must be durable before `send` leaves.
        checkpoint: Option<P::Checkpoint>,
    },
    /// This party is finished.
    Done {
        /// The result.
        output: P::Output,
        /// Last messages, for those who are not finished.
        send: Outgoing<P::Message>,
        /// Must be durable before `send` leaves.
        checkpoint: Option<P::Checkpoint>,
    },
    /// This party accuses others in public, and stops.
    Accuse {
        /// The accusation, for everybody else.
        send: Outgoing<P::Message>,
        /// The accused and their faults.
        blame: Vec<Blame<P::Fault>>,
    },
}

/// What a party sends in one round.
#[derive(Debug, Clone)]
pub struct Outgoing<M> {
    /// The same to everybody.
    pub broadcast: Option<M>,
    /// For one recipient each.
    pub direct: BTreeMap<PartyIndex, M>,
}

impl<M> Outgoing<M> {
    /// Sends nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { broadcast: None, direct: BTreeMap::new() }
    }

    /// Sends `message` to everybody.
    #[must_use]
    pub fn broadcast(message: M) -> Self {
        Self { broadcast: Some(message), direct: BTreeMap::new() }
    }

    /// Sends `message` to one party only.
    #[must_use]
    pub fn direct(to: PartyIndex, message: M) -> Self {
        Self { broadcast: None, direct: BTreeMap::from([(to, message)]) }
    }
}

/// One party's message of the current round.
#[derive(Debug, Clone)]
pub struct Received<M> {
    /// The part that everybody got.
    pub broadcast: Option<M>,
    /// The part for this party alone.
    pub direct: Option<M>,
    /// The signed envelope it came in, for complaints.
    pub envelope: Arc<Envelope>,
}

/// Which part of whose message of which round. Of direct parts, only those of the accused are ever shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOf {
    /// The round.
    pub round: u8,
    /// Who sent it.
    pub sender: PartyIndex,
    /// The part for one recipient, not the one for all.
    pub direct: bool,
}

/// What a round waits for.
///
/// A round that is made consistent waits for everybody, and everybody speaks in it to everybody. Only in its last rounds
/// may a protocol leave parties out: a party for which nobody waits can fall more than one round behind, and messages
/// that are more than one round early count against their senders. For the same reason a party speaks to those only who
/// wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The senders, this party excluded.
    pub from: Vec<PartyIndex>,
    /// How the round's broadcasts are made consistent.
    pub consistency: Consistency,
}

/// How it is made sure that all parties got the same broadcast of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Not at all: direct messages, or broadcasts that may differ without harm.
    Unchecked,
    /// The digest of the round's broadcasts rides in the signed header of the next message.
    Echoed,
    /// The digests are exchanged in a step of their own before the round ends: for rounds after which a secret is
    /// released, or nothing follows.
    Confirmed,
}

/// The contributions of all expected parties, by index.
pub type Inbox<A> = BTreeMap<PartyIndex, A>;

/// A party and what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame<F> {
    /// The culprit.
    pub party: PartyIndex,
    /// The fault.
    pub fault: F,
}

impl<F> Blame<F> {
    /// Blames `party` for `fault`.
    #[must_use]
    pub fn new(party: PartyIndex, fault: F) -> Self {
        Self { party, fault }
    }
}

/// Why a round could not end, by blame.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<F> {
    /// Named parties committed faults.
    Blame(Vec<Blame<F>>),
    /// The result is wrong and the protocol can't say by whose fault.
    Unattributed(String),
    /// This party failed: a bug or a lack of resources here.
    Local(String),
}

/// The caller's setup or secret does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session can't start: {0}")]
pub struct SetupError(pub String);

impl SetupError {
    /// With a reason for the reader.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub fn because(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

/// The evidence does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not proven: {0}")]
pub struct NotProven(pub String);

impl NotProven {
    /// With a reason for the reader.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
