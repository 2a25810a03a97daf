//! Cheating in a protocol's messages.

use quorate_frost::{Frost, Suite};
use quorate_keygen::Keygen;
use quorate_session::{Outgoing, Protocol, SessionContext};
use quorate_sharing::Curve;
use quorate_simulator::Rewrite;
use rand_core::CryptoRngCore;

use crate::dealing::ForgedOpening;
use crate::plan::Cheat;

/// A protocol in which one can cheat.
pub(crate) trait Rewritten: Protocol {
    /// What to do to outgoing messages; nothing when the cheat is not one in messages of this protocol.
    fn rewrite(
        cheat: Cheat,
        context: &SessionContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Rewrite<Self::Message>>;

    /// Another valid message of the round, for the peer that is told something else.
    fn another(message: Self::Message) -> Self::Message;
}

impl<C: Curve> Rewritten for Keygen<C> {
    fn rewrite(
        cheat: Cheat,
        context: &SessionContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Rewrite<quorate_keygen::Message>> {
        use quorate_keygen::Message;
        match cheat {
            // The shares that go out are those of the honest polynomial.
            Cheat::WrongShare => Some(ForgedOpening::of_another_polynomial::<C>(context, rng).rewrite()),
            Cheat::WrongProof => Some(ForgedOpening::with_a_wrong_proof::<C>(context, rng).rewrite()),
            Cheat::LongVector => Some(ForgedOpening::too_long::<C>(context, rng).rewrite()),
            Cheat::FalseComplaint => {
                let victim = context.others().pop()?;
                Some(Box::new(move |round, send| {
                    if round == 2 {
                        *send = Outgoing::broadcast(Message::Refusal(victim));
                    }
                }))
            }
            _ => None,
        }
    }

    fn another(message: quorate_keygen::Message) -> quorate_keygen::Message {
        use quorate_keygen::Message;
        match message {
            Message::Commit(mut commit) => {
                commit.opening.iter_mut().for_each(|byte| *byte = !*byte);
                Message::Commit(commit)
            }
            other => other,
        }
    }
}

impl<S: Suite> Rewritten for Frost<S> {
    fn rewrite(
        cheat: Cheat,
        _: &SessionContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Rewrite<quorate_frost::Message>> {
        use quorate_frost::Message;
        if cheat != Cheat::WrongShare {
            return None;
        }
        let wrong = S::Curve::scalar_to_bytes(&S::Curve::random_scalar(rng)).to_vec();
        Some(Box::new(move |round, send| {
            if round == 2 {
                send.direct.values_mut().for_each(|message| *message = Message::Share(wrong.clone()));
            }
        }))
    }

    fn another(message: quorate_frost::Message) -> quorate_frost::Message {
        use quorate_frost::Message;
        match message {
            Message::Commitments { hiding, binding } => {
                Message::Commitments { hiding: binding, binding: hiding }
            }
            other => other,
        }
    }
}
