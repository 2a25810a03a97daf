//! Signing with presignatures that were made before: one round.

use std::sync::Arc;

use quorate_ecdsa::Suite;
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Output, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use super::finish::{Aggregating, Finishing, is_shown};
use super::message::{Fault, Message};
use super::setup::OnlineSetup;
use crate::presignature::Presignatures;

/// The one round.
const ROUND: u8 = 1;

/// Signing with presignatures; see the module documentation.
#[derive(Debug)]
pub enum Online<C: Suite> {
    /// The aggregator waits for the shares of all others.
    Aggregating(Box<Aggregating<C>>),
}

/// One signer's shares, decoded.
#[derive(Debug)]
pub struct OnlineContribution<C: Suite>(Vec<[C::Scalar; 2]>);

impl<C: Suite> Protocol for Online<C> {
    const ID: ProtocolId = ProtocolId::new("dkls23-online", C::NAME, 1);

    type Setup = OnlineSetup;
    type Secret = Presignatures;
    type Message = Message;
    type Accepted = OnlineContribution<C>;
    type Fault = Fault;
    /// Nothing: but the session stops here until the caller has made the request, and the deletion of the presignatures, durable, before a
    /// share leaves.
    type Checkpoint = ();
    type Output = Output;

    fn start(
        context: Arc<SessionContext>,
        setup: OnlineSetup,
        presignatures: Presignatures,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check::<C>(&context, &presignatures.0)?;
        let tasks = setup.tasks.iter().map(|task| &task.task);
        Ok(match Finishing::new(context, &setup.key, setup.aggregator, tasks, presignatures)? {
            Finishing::Aggregating(state) => Step::Next {
                state: Self::Aggregating(state),
                send: Outgoing::nothing(),
                checkpoint: Some(()),
            },
            Finishing::Contributing(send) => {
                Step::Done { output: Output::Contributed, send, checkpoint: Some(()) }
            }
        })
    }

    fn expects(&self) -> Expected {
        let Self::Aggregating(state) = self;
        Expected { from: state.context.others(), consistency: Consistency::Unchecked }
    }

    fn accept(
        &self,
        from: PartyIndex,
        received: Received<Message>,
    ) -> Result<OnlineContribution<C>, Blame<Fault>> {
        let Self::Aggregating(state) = self;
        state.accept(from, ROUND, received).map(OnlineContribution)
    }

    fn advance(
        self,
        inbox: Inbox<OnlineContribution<C>>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        let Self::Aggregating(state) = self;
        let inbox = inbox.into_iter().map(|(party, OnlineContribution(shares))| (party, shares)).collect();
        let output = state.aggregate(&inbox)?;
        Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
    }

    fn judge(
        _: &Agreement,
        setup: &OnlineSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        let shown = is_shown::<C>(setup.aggregator, setup.tasks.len(), ROUND, accused, fault, record);
        if shown.unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}
