//! Presigning and signing in one session.

use std::fmt;
use std::sync::Arc;

use quorate_ecdsa::Suite;
use quorate_oblivious::vole::Multiplied;
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Output, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use super::finish::{Aggregating, Finishing, is_shown};
use super::message::{Fault, Message, SHARE};
use super::setup::SignSetup;
use crate::presign::{self, Presign, PresignSecret};
use crate::presignature::Presignatures;

/// Signing; see the module documentation.
pub enum Sign<C: Suite> {
    /// Rounds 1 and 2.
    Presigning(Box<Presigning<C>>),
    /// Round 3: the aggregator waits for the shares of all others.
    Aggregating(Box<Aggregating<C>>),
}

/// State while presigning.
pub struct Presigning<C: Suite> {
    context: Arc<SessionContext>,
    setup: SignSetup,
    presign: Presign<C>,
}

/// One signer's contribution to a round, decoded.
pub enum Contribution<C: Suite> {
    /// Rounds 1 and 2.
    Presign(presign::Contribution<C>),
    /// Round 3.
    Shares(Vec<[C::Scalar; 2]>),
}

impl<C: Suite> fmt::Debug for Sign<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presigning(state) => state.presign.fmt(f),
            Self::Aggregating(state) => state.fmt(f),
        }
    }
}

impl<C: Multiplied + Suite> Protocol for Sign<C> {
    const ID: ProtocolId = ProtocolId::new("dkls23", C::NAME, 1);

    const PAIRWISE: bool = true;

    type Setup = SignSetup;
    type Secret = PresignSecret;
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// Nothing: but the session stops here until the caller has made the request durable, before a share leaves.
    type Checkpoint = ();
    type Output = Output;

    fn start(
        context: Arc<SessionContext>,
        setup: SignSetup,
        secret: PresignSecret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check(context.committee())?;
        let step = Presign::start(Arc::clone(&context), setup.presign(), secret, rng)?;
        Self::wrap(step, context, setup).map_err(SetupError)
    }

    fn expects(&self) -> Expected {
        match self {
            Self::Presigning(state) => state.presign.expects(),
            Self::Aggregating(state) => {
                Expected { from: state.context.others(), consistency: Consistency::Unchecked }
            }
        }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        match self {
            Self::Presigning(state) => {
                let Received { broadcast, direct, envelope } = received;
                let round = envelope.header.round;
                let of_presigning = |part: Option<Message>| match part {
                    None => Ok(None),
                    Some(Message::Presign(message)) => Ok(Some(message)),
                    Some(Message::Shares(_)) => {
                        let fault = presign::Fault::UnexpectedMessage { round };
                        Err(Blame::new(from, Fault::Presign(fault)))
                    }
                };
                let (broadcast, direct) = (of_presigning(broadcast)?, of_presigning(direct)?);
                let accepted = state.presign.accept(from, Received { broadcast, direct, envelope });
                let blame = |Blame { party, fault }| Blame::new(party, Fault::Presign(fault));
                accepted.map(Contribution::Presign).map_err(blame)
            }
            Self::Aggregating(state) => state.accept(from, SHARE, received).map(Contribution::Shares),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        let another_round = || Failure::Local("a contribution of another round".into());
        match self {
            Self::Presigning(state) => {
                let Presigning { context, setup, presign } = *state;
                let inbox = inbox.into_iter().map(|(party, contribution)| match contribution {
                    Contribution::Presign(contribution) => Ok((party, contribution)),
                    Contribution::Shares(_) => Err(another_round()),
                });
                let step = presign.advance(inbox.collect::<Result<_, _>>()?, rng).map_err(lift)?;
                Self::wrap(step, context, setup).map_err(Failure::Local)
            }
            Self::Aggregating(state) => {
                let inbox = inbox.into_iter().map(|(party, contribution)| match contribution {
                    Contribution::Shares(shares) => Ok((party, shares)),
                    Contribution::Presign(_) => Err(another_round()),
                });
                let output = state.aggregate(&inbox.collect::<Result<_, _>>()?)?;
                Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn is_lasting(fault: &Fault) -> bool {
        matches!(fault, Fault::Presign(fault) if fault.is_lasting())
    }

    fn judge(
        agreement: &Agreement,
        setup: &SignSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        let count = setup.tasks.len();
        let shown = match fault {
            Fault::Presign(fault) => {
                let parts = |round| of_presigning(record.parts::<Message>(round, accused)?);
                return presign::judge::<C>(agreement, count, accused, fault, record, &parts);
            }
            fault => is_shown::<C>(setup.aggregator, count, SHARE, accused, fault, record),
        };
        if shown.unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

/// Both parts, as presigning sees them: for what is not its own it has no name.
type Parts<M> = (Option<M>, Option<M>);

fn of_presigning((broadcast, direct): Parts<Message>) -> Option<Parts<presign::Message>> {
    let part = |part| match part {
        Some(Message::Presign(message)) => Some(message),
        _ => None,
    };
    Some((part(broadcast), part(direct)))
}

impl<C: Multiplied + Suite> Sign<C> {
    /// A step of presigning as one of signing: after its last one, the shares.
    fn wrap(
        step: Step<Presign<C>>,
        context: Arc<SessionContext>,
        setup: SignSetup,
    ) -> Result<Step<Self>, String> {
        match step {
            Step::Next { state: presign, send, .. } => {
                let broadcast = send.broadcast.map(Message::Presign);
                let direct = send.direct.into_iter().map(|(to, message)| (to, Message::Presign(message)));
                let send = Outgoing { broadcast, direct: direct.collect() };
                let state = Self::Presigning(Box::new(Presigning { context, setup, presign }));
                Ok(Step::Next { state, send, checkpoint: None })
            }
            Step::Done { output, .. } => Self::finish(context, &setup, output),
            Step::Accuse { .. } => Err("presigning accuses nobody in public".into()),
        }
    }

    fn finish(
        context: Arc<SessionContext>,
        setup: &SignSetup,
        presignatures: Presignatures,
    ) -> Result<Step<Self>, String> {
        let tasks = setup.tasks.iter();
        let finishing = Finishing::new(context, &setup.key, setup.aggregator, tasks, presignatures);
        Ok(match finishing.map_err(|error| error.0)? {
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
}

fn lift(failure: Failure<presign::Fault>) -> Failure<Fault> {
    match failure {
        Failure::Blame(blame) => {
            let lifted =
                blame.into_iter().map(|Blame { party, fault }| Blame::new(party, Fault::Presign(fault)));
            Failure::Blame(lifted.collect())
        }
        Failure::Unattributed(reason) => Failure::Unattributed(reason),
        Failure::Local(reason) => Failure::Local(reason),
        _ => Failure::Local("presigning failed".into()),
    }
}
