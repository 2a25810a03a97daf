//! The node's protocols, wrapped.

use std::any::Any;
use std::sync::Arc;

use quorate_dealing::Dealing;
use quorate_dkls23::pairs::PairsProtocol;
use quorate_dkls23::sign::Sign as ObliviousSign;
use quorate_frost::{Bip340Suite, Ed25519Suite, Frost};
use quorate_keygen::Keygen;
use quorate_reshare::Reshare;
use quorate_session::{
    Erased, ErasedProtocol, ErasedSession, Evidence, Keyring, NotProven, ProtocolId, Registry, Session,
    SessionContext, SetupError, Verdict, Wire,
};
use quorate_sharing::{Ed25519, P256, Secp256k1};
use quorate_simulator::Cheat as Cheating;
use rand_core::CryptoRngCore;

use crate::envelopes::{Heard, Tampering};
use crate::forgery;
use crate::liars::{AnotherConstant, TooLong};
use crate::plan::Cheat;
use crate::rewrite::Rewritten;
use crate::tape::Tape;

/// The protocols of a node that cheats in `operation`, or in all.
pub(crate) fn cheating(cheat: Cheat, operation: Option<String>) -> Registry {
    let operation: Option<Arc<str>> = operation.map(Into::into);
    resharing(cheat, operation.clone())
        .with(Arc::new(Dishonest::<Keygen<Ed25519>>::new(cheat, operation.clone())))
        .with(Arc::new(Dishonest::<Keygen<Secp256k1>>::new(cheat, operation.clone())))
        .with(Arc::new(Dishonest::<Keygen<P256>>::new(cheat, operation.clone())))
        .with(Arc::new(Dishonest::<Frost<Ed25519Suite>>::new(cheat, operation.clone())))
        .with(Arc::new(Dishonest::<Frost<Bip340Suite>>::new(cheat, operation.clone())))
        .with(Arc::new(Dishonest::<ObliviousSign<Secp256k1>>::new(cheat, operation)))
        .with(Arc::new(Erased::<PairsProtocol>::default()))
}

fn resharing(cheat: Cheat, operation: Option<Arc<str>>) -> Registry {
    let registry = Registry::default();
    match cheat {
        Cheat::WrongConstant => {
            registry.with(Arc::new(Dishonest::<Dealing<Ed25519, AnotherConstant>>::new(cheat, operation)))
        }
        Cheat::LongVector => {
            registry.with(Arc::new(Dishonest::<Dealing<Ed25519, TooLong>>::new(cheat, operation)))
        }
        _ => registry.with(Arc::new(Dishonest::<Reshare<Ed25519>>::new(cheat, operation))),
    }
}

struct Dishonest<P> {
    cheat: Cheat,
    operation: Option<Arc<str>>,
    protocol: std::marker::PhantomData<fn() -> P>,
}

impl<P> Dishonest<P> {
    fn new(cheat: Cheat, operation: Option<Arc<str>>) -> Self {
        Self { cheat, operation, protocol: std::marker::PhantomData }
    }

    fn applies_to(&self, context: &SessionContext) -> bool {
        let agreed = &context.agreement().proposal().operation;
        self.operation.as_deref().is_none_or(|operation| operation == agreed)
    }
}

impl<P> ErasedProtocol for Dishonest<P>
where
    P: Rewritten + 'static,
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
        let refuse = |error: quorate_session::WireError| SetupError(error.to_string());
        let encoded = setup;
        let setup = P::Setup::from_wire(encoded).map_err(refuse)?;
        let secret = *secret.downcast::<P::Secret>().map_err(|_| SetupError("another secret".into()))?;
        if !self.applies_to(&context) {
            return Ok(Box::new(Session::<P>::new(context, setup, secret, keyring, rng)?));
        }
        tracing::warn!(session = %context.session(), cheat = ?self.cheat, "cheating");
        let heard = Heard::default();
        // Some cheats must know what the honest part of the session draws.
        let mut tape = Tape::record(rng);
        let rewrite = P::rewrite(self.cheat, &context, &heard, rng, tape.clone());
        let rewrite = rewrite.unwrap_or_else(|| Box::new(|_, _| ()));
        let session = Session::<Cheating<P>>::new(
            Arc::clone(&context),
            setup,
            (secret, rewrite),
            keyring.clone(),
            &mut tape,
        )?;
        Ok(Box::new(Tampering::<P>::new(
            self.cheat,
            Box::new(session),
            context,
            encoded,
            keyring.signer,
            heard,
        )))
    }

    fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven> {
        if self.cheat == Cheat::Forge { forgery::judge(evidence) } else { evidence.judge::<P>() }
    }
}
