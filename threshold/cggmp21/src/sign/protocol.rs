//! The one round.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ff::Field;
use quorate_ecdsa::{Randomised, Suite};
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Output, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use super::message::{Fault, Message, SHARE};
use super::setup::SignSetup;
use super::share::{is_right, sign};
use crate::presignature::Presignatures;

/// Signing; see the module documentation.
#[derive(Debug)]
pub enum Sign<C: Suite> {
    /// The aggregator waits for the shares of all others.
    Aggregating(Box<Aggregating<C>>),
}

/// State of the aggregator. The presignatures are gone.
pub struct Aggregating<C: Suite> {
    context: Arc<SessionContext>,
    setup: SignSetup,
    randomised: Vec<Randomised<C>>,
    /// This party's own share of each signature.
    shares: Vec<C::Scalar>,
}

impl<C: Suite> fmt::Debug for Aggregating<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregating").field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// One signer's shares, decoded.
#[derive(Debug)]
pub struct Contribution<C: Suite>(Vec<C::Scalar>);

impl<C: Suite> Protocol for Sign<C> {
    const ID: ProtocolId = ProtocolId::new("cggmp21", C::NAME, 1);

    type Setup = SignSetup;
    type Secret = Presignatures;
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// Nothing: but the session stops here until the caller has made the request, and the deletion of the presignatures, durable, before a
    /// share leaves.
    type Checkpoint = ();
    type Output = Output;

    fn start(
        context: Arc<SessionContext>,
        setup: SignSetup,
        Presignatures(presignatures): Presignatures,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check::<C>(&context, &presignatures)?;
        let randomised = randomise::<C>(context.agreement(), &setup)?;
        let shares: Vec<_> = randomised
            .iter()
            .zip(presignatures)
            .map(|(randomised, presignature)| sign(randomised, presignature))
            .collect::<Result<_, _>>()?;
        if context.me() == setup.aggregator {
            let state = Aggregating { context, setup, randomised, shares };
            let state = Self::Aggregating(Box::new(state));
            return Ok(Step::Next { state, send: Outgoing::nothing(), checkpoint: Some(()) });
        }
        let sent = shares.iter().map(C::scalar_to_bytes).collect();
        let send = Outgoing::direct(setup.aggregator, Message::Shares(sent));
        Ok(Step::Done { output: Output::Contributed, send, checkpoint: Some(()) })
    }

    fn expects(&self) -> Expected {
        let Self::Aggregating(state) = self;
        Expected { from: state.context.others(), consistency: Consistency::Unchecked }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        let Self::Aggregating(state) = self;
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        match (broadcast, direct) {
            // Shares that are not addressed would not be evidence.
            (None, Some(Message::Shares(sent))) if envelope.header.recipient == Some(state.context.me()) => {
                let shares = decode::<C>(&sent, state.setup.tasks.len());
                shares.map(Contribution).ok_or_else(|| blame(Fault::MalformedShares))
            }
            _ => Err(blame(Fault::UnexpectedMessage { round: SHARE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        let Self::Aggregating(state) = self;
        state.aggregate(inbox)
    }

    fn judge(
        agreement: &Agreement,
        setup: &SignSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge::<C>(agreement, setup, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl<C: Suite> Aggregating<C> {
    /// Adds up the shares and verifies every signature; if one is wrong, every share of it.
    fn aggregate(self, inbox: Inbox<Contribution<C>>) -> Result<Step<Sign<C>>, Failure<Fault>> {
        let Self { context, setup, randomised, shares } = self;
        let mut shares = BTreeMap::from([(context.me(), shares)]);
        shares.extend(inbox.into_iter().map(|(party, Contribution(theirs))| (party, theirs)));
        let mut made = Vec::with_capacity(setup.tasks.len());
        let mut culprits = BTreeSet::new();
        let mut unattributed = false;
        for (place, (task, randomised)) in setup.tasks.iter().zip(&randomised).enumerate() {
            let of_signature: Vec<_> =
                shares.iter().filter_map(|(party, all)| Some((*party, all.get(place)?))).collect();
            let sum = of_signature.iter().fold(C::Scalar::ZERO, |sum, (_, share)| sum + *share);
            match randomised.signature(&sum) {
                Some(signature) => made.push(signature),
                None => {
                    let is_wrong = |(party, share): &&(PartyIndex, &C::Scalar)| {
                        is_right(randomised, &task.presignature, *party, share) != Some(true)
                    };
                    // This party's own share only when nobody else's is wrong.
                    let (mine, theirs): (Vec<_>, Vec<_>) =
                        of_signature.iter().partition(|(party, _)| *party == context.me());
                    let mut wrong: Vec<_> = theirs.into_iter().filter(is_wrong).collect();
                    if wrong.is_empty() {
                        wrong = mine.into_iter().filter(is_wrong).collect();
                    }
                    unattributed |= wrong.is_empty();
                    culprits.extend(wrong.into_iter().map(|(party, _)| *party));
                }
            }
        }
        if culprits.contains(&context.me()) {
            return Err(Failure::Local("this party's own share is wrong".into()));
        }
        if !culprits.is_empty() {
            let blame = |party| Blame::new(party, Fault::WrongShare);
            return Err(Failure::Blame(culprits.into_iter().map(blame).collect()));
        }
        if unattributed {
            return Err(Failure::Unattributed("every share is right, but the signature is not".into()));
        }
        let output = Output::Signatures(made);
        Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
    }
}

fn randomise<C: Suite>(agreement: &Agreement, setup: &SignSetup) -> Result<Vec<Randomised<C>>, SetupError> {
    let tasks = setup.tasks.iter().enumerate();
    tasks.map(|(place, task)| Randomised::new(agreement, &setup.key, &task.signing(place))).collect()
}

fn decode<C: Suite>(sent: &[[u8; 32]], count: usize) -> Option<Vec<C::Scalar>> {
    (sent.len() == count).then(|| sent.iter().map(C::scalar_from_bytes).collect())?
}

/// `None` or `false` when the record does not show that `accused` committed `fault`.
fn judge<C: Suite>(
    agreement: &Agreement,
    setup: &SignSetup,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    let sent = || {
        let Message::Shares(shares) = record.direct(SHARE, accused, setup.aggregator)?;
        Some(shares)
    };
    match fault {
        Fault::UnexpectedMessage { round } => {
            let parts = record.parts::<Message>(*round, accused)?;
            let recipient = record.envelope(*round, accused)?.header.recipient;
            let expected =
                matches!(parts, (None, Some(Message::Shares(_)))) && recipient == Some(setup.aggregator);
            Some(*round != SHARE || !expected)
        }
        Fault::MalformedShares => Some(decode::<C>(&sent()?, setup.tasks.len()).is_none()),
        Fault::WrongShare => {
            let shares = decode::<C>(&sent()?, setup.tasks.len())?;
            let randomised = randomise::<C>(agreement, setup).ok()?;
            let mut wrong = setup.tasks.iter().zip(&randomised).zip(&shares);
            Some(wrong.any(|((task, randomised), share)| {
                is_right(randomised, &task.presignature, accused, share) == Some(false)
            }))
        }
    }
}
