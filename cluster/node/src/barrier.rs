//! A joint for tests: the node says which step it has reached.

use std::fmt;

/// The steps at which a crash is interesting, in the order of a request's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The proposer has sent its proposal.
    Proposed,
    /// A member has accepted.
    Accepted,
    /// The session has begun; nothing of round one has left.
    Started,
    /// The messages of this round are about to be sent.
    Round(u8),
    /// The session waits for its checkpoint to be durable. A request for a signature may be already: it is stored while round
    /// one is under way.
    Storing,
    /// The checkpoint is durable; nothing that depends on it has left.
    Stored,
    /// The session has its result, which is not stored.
    Finished,
    /// The result is durable; nobody knows of it.
    Settled,
    /// A peer was caught cheating, which is not stored.
    Caught,
    /// It is durable that nothing is done with the peer any more; nobody knows of it.
    Banned,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proposed => f.write_str("proposed"),
            Self::Accepted => f.write_str("accepted"),
            Self::Started => f.write_str("started"),
            Self::Round(round) => write!(f, "round-{round}"),
            Self::Storing => f.write_str("storing"),
            Self::Stored => f.write_str("stored"),
            Self::Finished => f.write_str("finished"),
            Self::Settled => f.write_str("settled"),
            Self::Caught => f.write_str("caught"),
            Self::Banned => f.write_str("banned"),
        }
    }
}

/// Told of every step. A test kills its process, or stops it, from inside the call.
pub trait Barrier: Send + Sync {
    /// `operation` (`keygen`, `sign`) has reached `step`.
    fn reached(&self, operation: &str, step: Step);
}

/// The barrier of every node outside tests: none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBarrier;

impl Barrier for NoBarrier {
    fn reached(&self, _: &str, _: Step) {}
}
