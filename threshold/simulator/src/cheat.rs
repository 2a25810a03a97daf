//! A party that runs a protocol and changes what it says.

use std::sync::Arc;

use quorate_session::{
    Agreement, Blame, Expected, Failure, Inbox, NotProven, Outgoing, PartOf, Protocol, ProtocolId, Received,
    Record, SessionContext, SetupError, Step,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

/// Changes a round's outgoing messages before they are signed; the round is counted from 1.
pub type Rewrite<M> = Box<dyn FnMut(u8, &mut Outgoing<M>) + Send>;

/// `P`, but for the messages, which go through a [`Rewrite`].
///
/// What it sends is signed and recorded like an honest party's messages: it cheats in the protocol, not around it.
pub struct Cheat<P: Protocol> {
    inner: P,
    round: u8,
    rewrite: Rewrite<P::Message>,
}

impl<P: Protocol> Cheat<P> {
    fn wrap(step: Step<P>, round: u8, mut rewrite: Rewrite<P::Message>) -> Step<Self> {
        let mut apply = |mut send: Outgoing<P::Message>| {
            rewrite(round, &mut send);
            send
        };
        match step {
            Step::Next { state, send, checkpoint } => {
                let send = apply(send);
                Step::Next { state: Self { inner: state, round, rewrite }, send, checkpoint }
            }
            Step::Done { output, send, checkpoint } => Step::Done { output, send: apply(send), checkpoint },
            Step::Accuse { send, blame } => Step::Accuse { send: apply(send), blame },
        }
    }
}

impl<P: Protocol> Protocol for Cheat<P> {
    const ID: ProtocolId = P::ID;
    const PAIRWISE: bool = P::PAIRWISE;
    type Setup = P::Setup;
    type Secret = (P::Secret, Rewrite<P::Message>);
    type Message = P::Message;
    type Accepted = P::Accepted;
    type Fault = P::Fault;
    type Checkpoint = P::Checkpoint;
    type Output = P::Output;

    fn start(
        context: Arc<SessionContext>,
        setup: Self::Setup,
        (secret, rewrite): Self::Secret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        Ok(Self::wrap(P::start(context, setup, secret, rng)?, 1, rewrite))
    }

    fn expects(&self) -> Expected {
        self.inner.expects()
    }

    fn accept(
        &self,
        from: PartyIndex,
        received: Received<Self::Message>,
    ) -> Result<Self::Accepted, Blame<Self::Fault>> {
        self.inner.accept(from, received)
    }

    fn advance(
        self,
        inbox: Inbox<Self::Accepted>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Self::Fault>> {
        Ok(Self::wrap(self.inner.advance(inbox, rng)?, self.round.saturating_add(1), self.rewrite))
    }

    fn needs(accused: PartyIndex, fault: &Self::Fault, part: PartOf) -> bool {
        P::needs(accused, fault, part)
    }

    fn is_lasting(fault: &Self::Fault) -> bool {
        P::is_lasting(fault)
    }

    fn judge(
        agreement: &Agreement,
        setup: &Self::Setup,
        accused: PartyIndex,
        fault: &Self::Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        P::judge(agreement, setup, accused, fault, record)
    }
}
