//! From presignatures to signatures: one message.

use std::fmt;
use std::sync::Arc;

use ff::Field;
use quorate_ecdsa::{Randomised, Suite};
use quorate_session::{
    Blame, Failure, Inbox, Outgoing, Output, Received, Record, SessionContext, SetupError,
};
use quorate_sharing::{PartyIndex, PublicShares};

use super::message::{Fault, Message, Share};
use super::setup::SignTask;
use crate::presignature::{Presignature, Presignatures};

/// State of the aggregator. The presignatures are gone.
pub struct Aggregating<C: Suite> {
    pub(super) context: Arc<SessionContext>,
    randomised: Vec<Randomised<C>>,
    /// This party's own share of each signature.
    shares: Vec<[C::Scalar; 2]>,
}

/// What a signer does when it has its presignatures.
pub(super) enum Finishing<C: Suite> {
    /// Waits for the shares of all others.
    Aggregating(Box<Aggregating<C>>),
    /// Sends its own.
    Contributing(Outgoing<Message>),
}

impl<C: Suite> Finishing<C> {
    /// Uses presignatures up.
    pub(super) fn new<'a>(
        context: Arc<SessionContext>,
        key: &PublicShares,
        aggregator: PartyIndex,
        tasks: impl Iterator<Item = &'a SignTask>,
        Presignatures(presignatures): Presignatures,
    ) -> Result<Self, SetupError> {
        let mut all = Vec::with_capacity(presignatures.len());
        let mut shares = Vec::with_capacity(presignatures.len());
        for (place, (task, presignature)) in tasks.zip(presignatures).enumerate() {
            let signing = task.signing(place, presignature.public());
            let randomised = Randomised::<C>::new(context.agreement(), key, &signing)?;
            shares.push(share(&randomised, presignature)?);
            all.push(randomised);
        }
        if context.me() == aggregator {
            return Ok(Self::Aggregating(Box::new(Aggregating { context, randomised: all, shares })));
        }
        let encode = |share: &[C::Scalar; 2]| share.each_ref().map(C::scalar_to_bytes);
        let sent = Message::Shares(shares.iter().map(encode).collect());
        Ok(Self::Contributing(Outgoing::direct(aggregator, sent)))
    }
}

/// wᵢ and uᵢ. Uses the presignature up.
fn share<C: Suite>(
    randomised: &Randomised<C>,
    presignature: Presignature,
) -> Result<[C::Scalar; 2], SetupError> {
    let parts = presignature.into_scalars::<C>();
    let parts = parts.ok_or_else(|| SetupError::because("a presignature is no scalars"))?;
    let [phi, u, v] = &*parts;
    Ok([*phi * randomised.factor + randomised.r * v, *u])
}

impl<C: Suite> Aggregating<C> {
    /// Takes the shares of one signer.
    pub(super) fn accept(
        &self,
        from: PartyIndex,
        round: u8,
        received: Received<Message>,
    ) -> Result<Vec<[C::Scalar; 2]>, Blame<Fault>> {
        let Received { broadcast, direct, envelope } = received;
        match (broadcast, direct) {
            // Shares that are not addressed would not be evidence.
            (None, Some(Message::Shares(sent))) if envelope.header.recipient == Some(self.context.me()) => {
                decode::<C>(&sent, self.shares.len()).ok_or(Blame::new(from, Fault::MalformedShares))
            }
            _ => Err(Blame::new(from, Fault::UnexpectedMessage { round })),
        }
    }

    /// Adds up the shares, and verifies every signature.
    pub(super) fn aggregate(&self, inbox: &Inbox<Vec<[C::Scalar; 2]>>) -> Result<Output, Failure<Fault>> {
        let Self { randomised, shares, .. } = self;
        let mut made = Vec::with_capacity(shares.len());
        for (place, (randomised, own)) in randomised.iter().zip(shares).enumerate() {
            let [mut w, mut u] = *own;
            for [their_w, their_u] in inbox.values().filter_map(|theirs| theirs.get(place)) {
                w += their_w;
                u += their_u;
            }
            let inverse = Option::<C::Scalar>::from(u.invert()).unwrap_or(C::Scalar::ZERO);
            made.extend(randomised.signature(&(randomised.inverse * w * inverse)));
        }
        if made.len() < shares.len() {
            let reason = "a signature is wrong, and this protocol can't say by whose fault".into();
            return Err(Failure::Unattributed(reason));
        }
        Ok(Output::Signatures(made))
    }
}

fn decode<C: Suite>(sent: &[Share], count: usize) -> Option<Vec<[C::Scalar; 2]>> {
    let scalars = sent
        .iter()
        .map(|[w, u]| Some([C::scalar_from_bytes(w)?, C::scalar_from_bytes(u)?]))
        .collect::<Option<Vec<_>>>()?;
    (scalars.len() == count).then_some(scalars)
}

/// `None` or `false` when the record does not show that `accused` committed `fault` with its shares, which were due in this round.
pub(super) fn is_shown<C: Suite>(
    aggregator: PartyIndex,
    count: usize,
    due: u8,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    match fault {
        Fault::UnexpectedMessage { round } if *round == due => {
            let parts = record.parts::<Message>(due, accused)?;
            let recipient = record.envelope(due, accused)?.header.recipient;
            let expected = matches!(parts, (None, Some(Message::Shares(_)))) && recipient == Some(aggregator);
            Some(!expected)
        }
        Fault::MalformedShares => {
            let Message::Shares(shares) = record.direct(due, accused, aggregator)? else { return None };
            Some(decode::<C>(&shares, count).is_none())
        }
        _ => None,
    }
}

impl<C: Suite> fmt::Debug for Aggregating<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregating").finish_non_exhaustive()
    }
}
