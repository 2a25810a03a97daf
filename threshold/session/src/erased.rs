//! Protocols without their types: bytes in, bytes out, for a node that runs and a verifier that judges any of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use quorate_keys::{Secret, wiping_stack, wiping_stack_if};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use crate::abort::Abort;
use crate::agreement::{SessionContext, SessionId};
use crate::envelope::Envelope;
use crate::evidence::{Evidence, Verdict};
use crate::protocol::{NotProven, Protocol, ProtocolId, SetupError};
use crate::session::{Action, Keyring, Session};
use crate::wire::Wire;

/// [`Action`] with encoded checkpoint and output.
#[derive(Debug)]
pub enum ErasedAction {
    /// Send these bytes.
    Send {
        /// The recipient.
        to: PartyIndex,
        /// A signed envelope.
        bytes: Arc<[u8]>,
    },
    /// Make this durable, then call [`ErasedSession::persisted`].
    Persist(Secret<Vec<u8>>),
    /// The encoded result.
    Done(Secret<Vec<u8>>),
    /// There is no result.
    Abort(Abort),
}

/// [`Session`] without its type. The methods are those of [`Session`]; whatever works on secrets overwrites its stack
/// afterwards ([`wiping_stack`]).
pub trait ErasedSession: Send {
    /// See [`Session::id`].
    fn id(&self) -> SessionId;
    /// See [`Session::receive`].
    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore);
    /// See [`Session::next_action`].
    fn next_action(&mut self) -> Option<ErasedAction>;
    /// See [`Session::persisted`].
    fn persisted(&mut self, rng: &mut dyn CryptoRngCore);
    /// See [`Session::retransmit`].
    fn retransmit(&mut self);
    /// See [`Session::expire`].
    fn expire(&mut self);
    /// See [`Session::retire`].
    fn retire(&mut self);
    /// See [`Session::size`].
    fn size(&self) -> usize;
    /// See [`Session::waiting_for`].
    fn waiting_for(&self) -> Vec<PartyIndex>;
    /// See [`Session::round`].
    fn round(&self) -> u8;
    /// See [`Session::is_finished`].
    fn is_finished(&self) -> bool;
    /// See [`Session::envelopes`].
    fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>>;
}

/// A protocol that can be opened and judged without its type.
pub trait ErasedProtocol: Send + Sync {
    /// Name and version.
    fn id(&self) -> ProtocolId;

    /// Enters round one with an encoded setup, and what this party alone knows: a [`Protocol::Secret`].
    ///
    /// # Errors
    /// [`SetupError`] when the setup can't be decoded, the secret is another protocol's, or they don't fit.
    fn open(
        &self,
        context: Arc<SessionContext>,
        setup: &[u8],
        secret: Box<dyn Any + Send>,
        keyring: Keyring,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Box<dyn ErasedSession>, SetupError>;

    /// See [`Evidence::judge`].
    ///
    /// # Errors
    /// [`NotProven`] when the evidence does not hold.
    fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven>;
}

/// Erases the types of `P`.
#[derive(Debug)]
pub struct Erased<P>(PhantomData<fn() -> P>);

impl<P> Default for Erased<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<P> ErasedProtocol for Erased<P>
where
    P: Protocol + 'static,
    P::Secret: 'static,
    P::Checkpoint: Wire,
    P::Output: Wire,
{
    fn id(&self) -> ProtocolId {
        P::ID
    }

    fn open(
        &self,
        context: Arc<SessionContext>,
        setup: &[u8],
        secret: Box<dyn Any + Send>,
        keyring: Keyring,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Box<dyn ErasedSession>, SetupError> {
        let setup = P::Setup::from_wire(setup).map_err(|error| SetupError(format!("setup: {error}")))?;
        wiping_stack(|| {
            let secret = secret.downcast::<P::Secret>();
            let secret = secret.map_err(|_| SetupError("the secret is of another protocol".into()))?;
            let session: Box<dyn ErasedSession> =
                Box::new(Session::<P>::new(context, setup, *secret, keyring, rng)?);
            Ok(session)
        })
    }

    fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven> {
        evidence.judge::<P>()
    }
}

impl<P> ErasedSession for Session<P>
where
    P: Protocol,
    P::Checkpoint: Wire,
    P::Output: Wire,
{
    fn id(&self) -> SessionId {
        Self::id(self)
    }

    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        wiping_after_progress(self, |session| Self::receive(session, from, bytes, rng));
    }

    fn next_action(&mut self) -> Option<ErasedAction> {
        // What is sent was sealed before: only its bytes are handed on.
        let secret = |action: &Option<ErasedAction>| match action {
            None | Some(ErasedAction::Send { .. } | ErasedAction::Abort(_)) => false,
            Some(ErasedAction::Persist(bytes) | ErasedAction::Done(bytes)) => !bytes.expose().is_empty(),
        };
        wiping_stack_if(|| erase(Self::next_action(self)?), secret)
    }

    fn persisted(&mut self, rng: &mut dyn CryptoRngCore) {
        wiping_after_progress(self, |session| Self::persisted(session, rng));
    }

    fn retransmit(&mut self) {
        Self::retransmit(self);
    }

    fn expire(&mut self) {
        wiping_stack(|| Self::expire(self));
    }

    fn retire(&mut self) {
        Self::retire(self);
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    fn waiting_for(&self) -> Vec<PartyIndex> {
        Self::waiting_for(self)
    }

    fn round(&self) -> u8 {
        Self::round(self)
    }

    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }

    fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>> {
        Self::envelopes(self, round)
    }
}

/// Messages wait until all of a round are here: only then the protocol works, and on secrets.
fn wiping_after_progress<P: Protocol>(session: &mut Session<P>, work: impl FnOnce(&mut Session<P>)) {
    let before = session.progress();
    let progressed = || {
        work(session);
        session.progress() != before
    };
    wiping_stack_if(progressed, |progressed| *progressed);
}

/// Encodes what an action holds.
fn erase<P>(action: Action<P>) -> Option<ErasedAction>
where
    P: Protocol,
    P::Checkpoint: Wire,
    P::Output: Wire,
{
    let local = |error: crate::WireError| ErasedAction::Abort(Abort::Local { reason: error.to_string() });
    Some(match action {
        Action::Send { to, bytes } => ErasedAction::Send { to, bytes },
        Action::Persist(checkpoint) => {
            checkpoint.to_wire().map_or_else(local, |bytes| ErasedAction::Persist(Secret::new(bytes)))
        }
        Action::Done(output) => {
            output.to_wire().map_or_else(local, |bytes| ErasedAction::Done(Secret::new(bytes)))
        }
        Action::Abort(abort) => ErasedAction::Abort(abort),
    })
}

/// The protocols that a program knows, by id.
#[derive(Clone, Default)]
pub struct Registry {
    protocols: BTreeMap<ProtocolId, Arc<dyn ErasedProtocol>>,
}

impl Registry {
    /// Adds a protocol; one of the same id is replaced.
    #[must_use]
    pub fn with(mut self, protocol: Arc<dyn ErasedProtocol>) -> Self {
        self.protocols.insert(protocol.id(), protocol);
        self
    }

    /// The protocol with this id.
    #[must_use]
    pub fn find(&self, id: &ProtocolId) -> Option<&Arc<dyn ErasedProtocol>> {
        self.protocols.get(id)
    }

    /// The ids of all protocols.
    pub fn ids(&self) -> impl Iterator<Item = &ProtocolId> {
        self.protocols.keys()
    }

    /// Judges evidence with the rules of the protocol that it names.
    ///
    /// # Errors
    /// [`NotProven`] when the protocol is unknown or the evidence does not hold.
    pub fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven> {
        self.find(&evidence.protocol)
            .ok_or_else(|| NotProven::because(format!("unknown protocol {}", evidence.protocol)))?
            .judge(evidence)
    }
}
