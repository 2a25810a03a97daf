//! Cheating in a protocol's messages.

use quorate_dealing::{ACKNOWLEDGE, Dealing, Message, Purpose};
use quorate_dkls23::Multiplied;
use quorate_dkls23::presign;
use quorate_dkls23::sign::{Message as ObliviousMessage, Sign as ObliviousSign};
use quorate_frost::{Frost, Suite};
use quorate_keygen::Keygen;
use quorate_session::{Outgoing, Protocol, SessionContext};
use quorate_sharing::Curve;
use quorate_simulator::Rewrite;
use rand_core::CryptoRngCore;

use crate::complaint;
use crate::dealing::ForgedOpening;
use crate::envelopes::Heard;
use crate::liars::Resharing;
use crate::plan::Cheat;
use crate::tape::Tape;

/// A protocol in which one can cheat.
pub(crate) trait Rewritten: Protocol {
    /// What to do to outgoing messages; nothing when the cheat is not one in messages of this protocol. The session will
    /// draw what is on the tape.
    fn rewrite(
        cheat: Cheat,
        context: &SessionContext,
        heard: &Heard,
        rng: &mut dyn CryptoRngCore,
        tape: Tape,
    ) -> Option<Rewrite<Self::Message>>;

    /// Another valid message of the round, for the peer that is told something else.
    fn another(message: Self::Message) -> Self::Message;
}

impl<C: Curve> Rewritten for Keygen<C> {
    fn rewrite(
        cheat: Cheat,
        context: &SessionContext,
        heard: &Heard,
        rng: &mut dyn CryptoRngCore,
        tape: Tape,
    ) -> Option<Rewrite<Message>> {
        match cheat {
            // The shares that go out are those of the honest polynomial.
            Cheat::WrongShare => {
                Some(ForgedOpening::<C>::of_another_polynomial(context, rng).rewrite(heard.clone()))
            }
            Cheat::WrongProof => Some(wrong_proof::<C>(rng)),
            Cheat::LongVector => Some(ForgedOpening::<C>::too_long(context, rng).rewrite(heard.clone())),
            Cheat::FalseComplaint => false_complaint(context),
            Cheat::GenuineComplaint => Some(complaint::genuine::<C>(context, tape, heard.clone())),
            _ => None,
        }
    }

    fn another(message: Message) -> Message {
        another_dealing(message)
    }
}

/// Also of a dealer that deals another polynomial: that is no matter of messages.
impl<C: Curve, P: Purpose<C> + Resharing> Rewritten for Dealing<C, P> {
    fn rewrite(
        cheat: Cheat,
        context: &SessionContext,
        _: &Heard,
        rng: &mut dyn CryptoRngCore,
        _: Tape,
    ) -> Option<Rewrite<Message>> {
        match cheat {
            Cheat::WrongShare => {
                let victim = context.others().pop()?;
                Some(Box::new(move |_, send| {
                    if let Some(Message::Share(sealed)) = send.direct.get_mut(&victim) {
                        *sealed.first_mut().expect("a sealed share") ^= 1;
                    }
                }))
            }
            Cheat::WrongProof => Some(wrong_proof::<C>(rng)),
            Cheat::FalseAcknowledgement => {
                let wrong = C::scalar_to_bytes(&C::random_scalar(rng));
                Some(Box::new(move |_, send| {
                    if let Some(Message::Known(known)) = &mut send.broadcast {
                        known.response = wrong;
                    }
                }))
            }
            Cheat::FalseComplaint => false_complaint(context),
            _ => None,
        }
    }

    fn another(message: Message) -> Message {
        another_dealing(message)
    }
}

/// An answer to the challenge of a dealer's proof that is not one.
fn wrong_proof<C: Curve>(rng: &mut dyn CryptoRngCore) -> Rewrite<Message> {
    let wrong = C::scalar_to_bytes(&C::random_scalar(rng));
    Box::new(move |_, send| {
        if let Some(Message::Open(open)) = &mut send.broadcast {
            open.response = wrong;
        }
    })
}

/// Complains about a peer in place of acknowledging.
fn false_complaint(context: &SessionContext) -> Option<Rewrite<Message>> {
    let complaint = complaint::unsigned(context)?;
    Some(Box::new(move |round, send| {
        if round == ACKNOWLEDGE {
            *send = Outgoing::broadcast(Message::Complaint(Box::new(complaint.clone())));
        }
    }))
}

/// Another commitment.
fn another_dealing(message: Message) -> Message {
    match message {
        Message::Commit(mut commit) => {
            commit.opening.iter_mut().for_each(|byte| *byte = !*byte);
            Message::Commit(commit)
        }
        other => other,
    }
}

impl<S: Suite> Rewritten for Frost<S> {
    fn rewrite(
        cheat: Cheat,
        _: &SessionContext,
        _: &Heard,
        rng: &mut dyn CryptoRngCore,
        _: Tape,
    ) -> Option<Rewrite<quorate_frost::Message>> {
        use quorate_frost::Message;
        if cheat != Cheat::WrongShare {
            return None;
        }
        let wrong = S::Curve::scalar_to_bytes(&S::Curve::random_scalar(rng)).to_vec();
        Some(Box::new(move |round, send| {
            if round == 2 {
                send.direct.values_mut().for_each(|message| *message = Message::Shares(vec![wrong.clone()]));
            }
        }))
    }

    fn another(message: quorate_frost::Message) -> quorate_frost::Message {
        use quorate_frost::Message;
        match message {
            Message::Commitments(mut sent) => {
                sent.iter_mut().for_each(|sent| std::mem::swap(&mut sent.hiding, &mut sent.binding));
                Message::Commitments(sent)
            }
            other => other,
        }
    }
}

impl<C: Multiplied + quorate_dkls23::Suite> Rewritten for ObliviousSign<C> {
    fn rewrite(
        cheat: Cheat,
        _: &SessionContext,
        _: &Heard,
        _: &mut dyn CryptoRngCore,
        _: Tape,
    ) -> Option<Rewrite<ObliviousMessage>> {
        if cheat != Cheat::Guess {
            return None;
        }
        Some(Box::new(|_, send| {
            for message in send.direct.values_mut() {
                let ObliviousMessage::Presign(presign::Message::Extensions(extensions)) = message else {
                    continue;
                };
                for extension in extensions {
                    let mut bytes = borsh::to_vec(extension).expect("it encodes");
                    // The choices of each of 32 trees: 80 bytes each, behind a name, a salt and their number.
                    for tree in bytes.iter_mut().skip(52).step_by(80).take(32) {
                        *tree ^= 1;
                    }
                    *extension = borsh::from_slice(&bytes).expect("it decodes");
                }
            }
        }))
    }

    fn another(message: ObliviousMessage) -> ObliviousMessage {
        message
    }
}
