//! Protocols that fail by themselves: nobody is blamed for it.

use std::any::Any;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::{
    Abort, Action, Agreement, Blame, Consistency, Envelope, Erased, ErasedAction, Evidence, Expected,
    Failure, Header, Inbox, Kind, MAX_MESSAGES_PER_PEER, NotProven, Outgoing, Part, Protocol, ProtocolId,
    Received, Record, Registry, Session, SessionContext, SetupError, Step, Wire, setup_digest,
};
use quorate_sharing::PartyIndex;
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};

use crate::table::p;

/// How the protocol is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Flaw {
    EchoesWithoutSpeaking(bool),
    NeverEnds,
    SaysTooMuch,
    EndsAtOnce,
    EndsWhenStored,
    HearsAndEndsWhenStored { echoed: bool },
    BlamesNobody,
    AccusesNobody,
    CanNotSay,
    FailsHere,
    BlamesWithoutProof,
    RefusesSetup,
}

impl Wire for Flaw {
    const MAX_BYTES: usize = 8;
}

#[derive(Clone, BorshSerialize, BorshDeserialize)]
struct Text(Vec<u8>);

impl Wire for Text {
    const MAX_BYTES: usize = 100;
}

#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
struct Bad;

impl Wire for Bad {
    const MAX_BYTES: usize = 1;
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad")
    }
}

#[derive(Debug)]
struct Flawed(Flaw);

impl Protocol for Flawed {
    const ID: ProtocolId = ProtocolId::new("flawed", "none", 1);
    type Setup = Flaw;
    type Secret = ();
    type Message = Text;
    type Accepted = ();
    type Fault = Bad;
    type Checkpoint = ();
    type Output = ();

    fn start(
        _: Arc<SessionContext>,
        flaw: Flaw,
        (): (),
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let send = match flaw {
            Flaw::RefusesSetup => return Err(SetupError("no".into())),
            Flaw::SaysTooMuch => Outgoing::broadcast(Text(vec![0; 200])),
            Flaw::EndsAtOnce => {
                return Ok(Step::Done { output: (), send: Outgoing::nothing(), checkpoint: None });
            }
            Flaw::EndsWhenStored => {
                let send = Outgoing::broadcast(Text(Vec::new()));
                return Ok(Step::Done { output: (), send, checkpoint: Some(()) });
            }
            Flaw::EchoesWithoutSpeaking(_) => Outgoing::nothing(),
            _ => Outgoing::broadcast(Text(Vec::new())),
        };
        Ok(Step::Next { state: Self(flaw), send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let consistency = match self.0 {
            Flaw::EchoesWithoutSpeaking(true) => Consistency::Confirmed,
            Flaw::EchoesWithoutSpeaking(false) => Consistency::Echoed,
            Flaw::HearsAndEndsWhenStored { echoed } => {
                let consistency = if echoed { Consistency::Echoed } else { Consistency::Unchecked };
                return Expected { from: vec![p(2), p(3)], consistency };
            }
            _ => Consistency::Unchecked,
        };
        Expected { from: Vec::new(), consistency }
    }

    fn accept(&self, _: PartyIndex, _: Received<Text>) -> Result<(), Blame<Bad>> {
        Ok(())
    }

    fn advance(self, _: Inbox<()>, _: &mut dyn CryptoRngCore) -> Result<Step<Self>, Failure<Bad>> {
        match self.0 {
            Flaw::NeverEnds => Ok(Step::Next { state: self, send: Outgoing::nothing(), checkpoint: None }),
            Flaw::HearsAndEndsWhenStored { .. } => {
                Ok(Step::Done { output: (), send: Outgoing::nothing(), checkpoint: Some(()) })
            }
            Flaw::BlamesNobody => Err(Failure::Blame(Vec::new())),
            Flaw::AccusesNobody => Ok(Step::Accuse { send: Outgoing::nothing(), blame: Vec::new() }),
            Flaw::CanNotSay => Err(Failure::Unattributed("wrong result".into())),
            Flaw::BlamesWithoutProof => {
                Err(Failure::Blame(vec![Blame::new(p(2), Bad), Blame::new(p(3), Bad)]))
            }
            _ => Err(Failure::Local("out of luck".into())),
        }
    }

    fn judge(_: &Agreement, _: &Flaw, _: PartyIndex, _: &Bad, _: &Record) -> Result<(), NotProven> {
        Err(NotProven::because("never"))
    }
}

fn session(cast: &Cast, flaw: Flaw) -> Session<Flawed> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let digest = setup_digest(&flaw.to_wire().unwrap());
    let context = cast.agree(cast.committee(), Flawed::ID, digest, 0, &mut rng).remove(&p(1)).unwrap();
    Session::new(context, flaw, (), cast.keyring(p(1)), &mut rng).unwrap()
}

fn end(flaw: Flaw) -> Vec<Action<Flawed>> {
    let mut session = session(&Cast::new(2, 3, 1), flaw);
    assert!(session.is_finished());
    std::iter::from_fn(|| session.next_action())
        .filter(|action| !matches!(action, Action::Send { .. }))
        .collect()
}

fn abort(flaw: Flaw) -> Abort {
    let mut actions = end(flaw);
    match (actions.pop(), actions.is_empty()) {
        (Some(Action::Abort(abort)), true) => abort,
        other => panic!("{flaw:?}: {other:?}"),
    }
}

#[test]
fn a_flaw_of_the_protocol_is_nobodys_fault() {
    for (flaw, reason) in [
        (Flaw::EchoesWithoutSpeaking(true), "not everybody speaks"),
        (Flaw::EchoesWithoutSpeaking(false), "not everybody speaks"),
        (Flaw::NeverEnds, "too many rounds"),
        (Flaw::SaysTooMuch, "exceed the limit"),
        (Flaw::BlamesNobody, "blames nobody"),
        (Flaw::AccusesNobody, "blames nobody"),
        (Flaw::FailsHere, "out of luck"),
    ] {
        let abort = abort(flaw);
        assert!(
            matches!(&abort, Abort::Local { reason: said } if said.contains(reason)),
            "{flaw:?}: {abort}"
        );
        assert!(abort.culprits().is_empty() && !abort.is_proven());
    }
    let unknown = abort(Flaw::CanNotSay);
    assert!(matches!(&unknown, Abort::Unattributed { reason } if reason == "wrong result"));
    assert!(unknown.culprits().is_empty());
}

#[test]
fn blame_that_no_judge_accepts_is_only_attributed() {
    let abort = abort(Flaw::BlamesWithoutProof);
    assert!(matches!(&abort, Abort::Attributed { parties, .. } if *parties == [p(2), p(3)]), "{abort}");
}

#[test]
fn a_protocol_may_end_without_a_word() {
    assert!(matches!(end(Flaw::EndsAtOnce)[..], [Action::Done(())]));
}

#[test]
fn a_result_that_waits_for_its_checkpoint_is_neither_early_nor_lost() {
    let cast = Cast::new(2, 3, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut session = session(&cast, Flaw::EndsWhenStored);
    assert!(matches!(session.next_action(), Some(Action::Persist(()))));
    assert!(session.next_action().is_none() && !session.is_finished());
    // Nothing that a peer does now takes it away: contradictions, garbage, floods.
    let agreement = session.context().agreement().clone();
    for round in [1, 2] {
        for body in [0, 1] {
            let header = Header {
                session: agreement.session(),
                epoch: 0,
                attempt: 0,
                sender: p(2),
                recipient: None,
                kind: Kind::Round,
                round,
                echo: None,
            };
            let message = Part::Whole(Text(vec![body]).to_wire().unwrap());
            let envelope = Envelope::seal(header, message, Part::Absent, &*cast.keyring(p(2)).signer);
            session.receive(p(2), &envelope.to_wire().unwrap(), &mut rng);
        }
    }
    for _ in 0..2 * MAX_MESSAGES_PER_PEER {
        session.receive(p(2), b"garbage", &mut rng);
    }
    assert!(session.next_action().is_none());
    session.persisted(&mut rng);
    let actions: Vec<_> = std::iter::from_fn(|| session.next_action()).collect();
    assert!(
        matches!(actions[..], [Action::Send { .. }, Action::Send { .. }, Action::Done(())]),
        "{actions:?}"
    );
    assert!(session.is_finished());
}

#[test]
fn neither_early_messages_nor_disputes_take_away_a_result_that_waits_for_its_checkpoint() {
    for echoed in [false, true] {
        hear_and_end(Flaw::HearsAndEndsWhenStored { echoed });
    }
}

fn hear_and_end(flaw: Flaw) {
    let cast = Cast::new(2, 3, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut session = session(&cast, flaw);
    let agreement = session.context().agreement().clone();
    let seal = |from: u16, kind, round, body: Vec<u8>| {
        let header = Header {
            session: agreement.session(),
            epoch: 0,
            attempt: 0,
            sender: p(from),
            recipient: None,
            kind,
            round,
            echo: None,
        };
        Envelope::seal(header, Part::Whole(body), Part::Absent, &*cast.keyring(p(from)).signer)
    };
    let text = |body| Text(vec![body]).to_wire().unwrap();
    // Early, and undecodable.
    let early = seal(2, Kind::Round, 2, vec![0xff]);
    for envelope in [early, seal(2, Kind::Round, 1, text(0)), seal(3, Kind::Round, 1, text(0))] {
        session.receive(envelope.header.sender, &envelope.to_wire().unwrap(), &mut rng);
    }
    // A contradiction that convicts party 2 while there is a round to end.
    let mut shown = ().to_wire().unwrap();
    shown.extend(borsh::to_vec(&(vec![seal(2, Kind::Round, 1, text(1))], Vec::<Envelope>::new())).unwrap());
    session.receive(p(3), &seal(3, Kind::Dispute, 1, shown).to_wire().unwrap(), &mut rng);
    session.persisted(&mut rng);
    let actions = std::iter::from_fn(|| session.next_action());
    let actions: Vec<_> = actions.filter(|action| !matches!(action, Action::Send { .. })).collect();
    assert!(matches!(actions[..], [Action::Persist(()), Action::Done(())]), "{actions:?}");
}

#[test]
fn a_refused_setup_starts_nothing() {
    let cast = Cast::new(2, 3, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let digest = setup_digest(&Flaw::RefusesSetup.to_wire().unwrap());
    let context = cast.agree(cast.committee(), Flawed::ID, digest, 0, &mut rng).remove(&p(1)).unwrap();
    let refused = Session::<Flawed>::new(context, Flaw::RefusesSetup, (), cast.keyring(p(1)), &mut rng);
    assert_eq!(refused.map(|_| ()).unwrap_err(), SetupError("no".into()));
}

/// Opens a session of a protocol that the registry finds by its id.
fn open(registry: &Registry, setup: &[u8], secret: impl Any + Send) -> Result<Vec<ErasedAction>, SetupError> {
    let cast = Cast::new(2, 3, 1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let digest = setup_digest(&Flaw::EndsAtOnce.to_wire().unwrap());
    let context = cast.agree(cast.committee(), Flawed::ID, digest, 0, &mut rng).remove(&p(1)).unwrap();
    let protocol = registry.find(&Flawed::ID).unwrap();
    let mut session = protocol.open(context, setup, Box::new(secret), cast.keyring(p(1)), &mut rng)?;
    assert!(session.is_finished() && session.waiting_for().is_empty());
    Ok(std::iter::from_fn(|| session.next_action()).collect())
}

#[test]
fn an_erased_session_takes_nothing_but_its_own_setup_and_secret() {
    let registry = Registry::default().with(Arc::new(Erased::<Flawed>::default()));
    assert_eq!(registry.ids().collect::<Vec<_>>(), [&Flawed::ID]);
    let (setup, nothing) = (Flaw::EndsAtOnce.to_wire().unwrap(), ().to_wire().unwrap());
    let actions = open(&registry, &setup, ()).unwrap();
    assert!(
        matches!(&actions[..], [ErasedAction::Done(output)] if *output.expose() == nothing),
        "{actions:?}"
    );
    assert!(open(&registry, &[1, 99], ()).unwrap_err().to_string().contains("setup"));
    assert!(open(&registry, &setup, [1_u8]).unwrap_err().to_string().contains("of another protocol"));
    let other = Flaw::NeverEnds.to_wire().unwrap();
    assert!(open(&registry, &other, ()).unwrap_err().to_string().contains("agreed upon"));
}

#[test]
fn evidence_of_an_unknown_protocol_is_not_judged() {
    let evidence: Evidence = crate::evidence::undecodable();
    let known = Registry::default().with(Arc::new(Erased::<Flawed>::default()));
    assert!(known.judge(&evidence).unwrap_err().to_string().contains("unknown protocol toy/none/1"));
    assert!(evidence.judge::<Flawed>().unwrap_err().to_string().contains("not a session of flawed"));
}
