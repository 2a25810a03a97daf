//! A party that commits to what it is going to open, whatever that is.

use std::sync::Arc;

use quorate_cggmp21::auxiliary::{
    Auxiliary, AuxiliaryProtocol, Contribution, Fault, Message, Open, Primes, Setup,
};
use quorate_keys::Transcript;
use quorate_paillier::{Sizes, test_keys};
use quorate_session::{
    Agreement, Blame, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId, Received, Record,
    SessionContext, SetupError, Step,
};
use quorate_sharing::PartyIndex;
use quorate_simulator::{Cast, Outcomes, Simulation};
use rand_core::CryptoRngCore;

use crate::scene::party;

const CHEATER: u16 = 2;

type Change = fn(&mut Open);

/// The honest machine up to round 2, where it opens `open`.
struct Committed {
    inner: AuxiliaryProtocol,
    open: Open,
}

fn change_commit(step: Step<AuxiliaryProtocol>, context: &SessionContext, change: Change) -> Step<Committed> {
    let Step::Next { state, mut send, .. } = step else { panic!("round 1") };
    let AuxiliaryProtocol::Committing(_) = &state else { panic!("round 1") };
    // The opening is secret still: make one of other keys, which are changed.
    let keys = test_keys::small(11);
    let mut open = Open {
        keys: quorate_cggmp21::auxiliary::EncodedKeys::of(keys.public()),
        contribution: [1; 32],
        blinding: [2; 32],
    };
    change(&mut open);
    let author = context.committee().member(context.me()).unwrap().identity;
    let commitment = Transcript::new(b"quorate/cggmp21/auxiliary/opening/v1")
        .field("session", context.session().as_bytes())
        .field("author", author.as_bytes())
        .field("N", &open.keys.number)
        .field("s", &open.keys.s)
        .field("t", &open.keys.t)
        .field("contribution", &open.contribution)
        .field("blinding", &open.blinding)
        .digest();
    send.broadcast = Some(Message::Commit(commitment));
    Step::Next { state: Committed { inner: state, open }, send, checkpoint: None }
}

impl Protocol for Committed {
    const ID: ProtocolId = AuxiliaryProtocol::ID;
    type Setup = Setup;
    type Secret = (Primes, Change);
    type Message = Message;
    type Accepted = Contribution;
    type Fault = Fault;
    type Checkpoint = Auxiliary;
    type Output = Auxiliary;

    fn start(
        context: Arc<SessionContext>,
        setup: Setup,
        (primes, change): (Primes, Change),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let step = AuxiliaryProtocol::start(Arc::clone(&context), setup, primes, rng)?;
        Ok(change_commit(step, &context, change))
    }

    fn expects(&self) -> Expected {
        self.inner.expects()
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution, Blame<Fault>> {
        self.inner.accept(from, received)
    }

    fn advance(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self.inner.advance(inbox, rng)? {
            Step::Next { state, send, checkpoint } => {
                let Outgoing { broadcast, direct } = send;
                let broadcast = match broadcast {
                    Some(Message::Open(_)) => Some(Message::Open(Box::new(self.open.clone()))),
                    other => other,
                };
                let send = Outgoing { broadcast, direct };
                Ok(Step::Next { state: Self { inner: state, open: self.open }, send, checkpoint })
            }
            Step::Done { output, send, checkpoint } => Ok(Step::Done { output, send, checkpoint }),
            Step::Accuse { send, blame } => Ok(Step::Accuse { send, blame }),
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        AuxiliaryProtocol::judge(agreement, setup, accused, fault, record)
    }
}

/// Lets party 2 commit to keys that are changed, and open them.
pub(crate) fn with_committed(change: Change) -> Outcomes<AuxiliaryProtocol> {
    let cast = Cast::new(2, 3, 1);
    let setup = Setup { sizes: Sizes::TEST.id() };
    let primes = |index: PartyIndex| {
        let [p, q] = test_keys::primes(Sizes::TEST, usize::from(index.get()) - 1);
        Primes::new(&p, &q)
    };
    let mut simulation = Simulation::<AuxiliaryProtocol>::new(&cast, cast.committee(), 1, &setup, primes);
    simulation.replace::<Committed>(party(CHEATER), setup, (primes(party(CHEATER)), change));
    simulation.run()
}
