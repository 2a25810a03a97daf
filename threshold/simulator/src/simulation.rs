//! The scheduler.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use quorate_session::{
    Abort, Action, Envelope, Evidence, Keyring, Protocol, Session, SessionContext, Wire, setup_digest,
};
use quorate_sharing::{Committee, PartyIndex};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, RngCore, SeedableRng};

use crate::cast::Cast;
use crate::cheat::{Cheat, Rewrite};

/// Changes an envelope on its way to one recipient: any number of messages take its place.
pub type Tamper = Box<dyn FnMut(PartyIndex, Envelope, &Keyring) -> Vec<Vec<u8>>>;

/// What the network does to messages, besides reordering all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Messages in a thousand that arrive twice.
    pub duplicate_per_mille: u32,
    /// Messages in a thousand that are lost.
    pub drop_per_mille: u32,
}

/// How a party ended.
#[derive(Debug)]
pub enum Outcome<O> {
    /// With a result.
    Done(O),
    /// Without.
    Aborted(Abort),
    /// It was made to crash.
    Crashed,
}

trait Player<O> {
    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore);
    fn next_move(&mut self, rng: &mut dyn CryptoRngCore) -> Option<Move<O>>;
    fn retransmit(&mut self);
    fn expire(&mut self);
    fn is_finished(&self) -> bool;
}

enum Move<O> {
    Send(PartyIndex, Arc<[u8]>),
    Stored,
    Done(O),
    Abort(Abort),
}

impl<P: Protocol> Player<P::Output> for Session<P> {
    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        Self::receive(self, from, bytes, rng);
    }

    fn next_move(&mut self, rng: &mut dyn CryptoRngCore) -> Option<Move<P::Output>> {
        Some(match self.next_action()? {
            Action::Send { to, bytes } => Move::Send(to, bytes),
            Action::Persist(_) => {
                self.persisted(rng);
                Move::Stored
            }
            Action::Done(output) => Move::Done(output),
            Action::Abort(abort) => Move::Abort(abort),
        })
    }

    fn retransmit(&mut self) {
        Self::retransmit(self);
    }

    fn expire(&mut self) {
        Self::expire(self);
    }

    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }
}

struct Seat<O> {
    player: Box<dyn Player<O>>,
    keyring: Keyring,
    tamper: Option<Tamper>,
    /// Moves until it crashes.
    moves_left: Option<usize>,
    outcome: Option<Outcome<O>>,
}

/// Sessions of one protocol among the parties of a committee.
pub struct Simulation<'a, P: Protocol> {
    cast: &'a Cast,
    contexts: BTreeMap<PartyIndex, Arc<SessionContext>>,
    seats: BTreeMap<PartyIndex, Seat<P::Output>>,
    queue: Vec<(PartyIndex, PartyIndex, Arc<[u8]>)>,
    faults: Faults,
    rng: ChaCha20Rng,
    moves: usize,
}

impl<'a, P: Protocol + 'static> Simulation<'a, P>
where
    P::Setup: Clone,
{
    /// Agrees on a session and seats an honest party for each member.
    ///
    /// # Panics
    /// When the setup or a secret is refused.
    pub fn new(
        cast: &'a Cast,
        committee: &Committee,
        seed: u64,
        setup: &P::Setup,
        secret: impl FnMut(PartyIndex) -> P::Secret,
    ) -> Self {
        Self::at_epoch(0, cast, committee, seed, setup, secret)
    }

    /// The same at a share generation.
    ///
    /// # Panics
    /// When the setup or a secret is refused.
    pub fn at_epoch(
        epoch: u64,
        cast: &'a Cast,
        committee: &Committee,
        seed: u64,
        setup: &P::Setup,
        mut secret: impl FnMut(PartyIndex) -> P::Secret,
    ) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let digest = setup_digest(&setup.to_wire().expect("setup within its size cap"));
        let contexts = cast.agree(committee, P::ID, digest, epoch, &mut rng);
        let mut simulation = Self {
            cast,
            contexts,
            seats: BTreeMap::new(),
            queue: Vec::new(),
            faults: Faults::default(),
            rng,
            moves: 0,
        };
        for index in committee.indices() {
            let session = Session::<P>::new(
                Arc::clone(&simulation.contexts[&index]),
                setup.clone(),
                secret(index),
                cast.keyring(index),
                &mut simulation.rng,
            );
            simulation.seat(index, Box::new(session.expect("honest setup")));
        }
        simulation
    }

    /// Lets a party change its protocol messages before it signs them.
    ///
    /// # Panics
    /// When there is no such party, or its setup is refused.
    pub fn cheat(
        &mut self,
        party: PartyIndex,
        setup: &P::Setup,
        secret: P::Secret,
        rewrite: Rewrite<P::Message>,
    ) {
        self.replace::<Cheat<P>>(party, setup.clone(), (secret, rewrite));
    }

    /// Seats another implementation of the protocol.
    ///
    /// # Panics
    /// When there is no such party, or its setup is refused.
    pub fn replace<C>(&mut self, party: PartyIndex, setup: C::Setup, secret: C::Secret)
    where
        C: Protocol<Output = P::Output> + 'static,
    {
        let context = Arc::clone(&self.contexts[&party]);
        let session = Session::<C>::new(context, setup, secret, self.cast.keyring(party), &mut self.rng)
            .expect("setup");
        self.seat(party, Box::new(session));
    }

    fn seat(&mut self, index: PartyIndex, player: Box<dyn Player<P::Output>>) {
        let keyring = self.cast.keyring(index);
        let seat = Seat { player, keyring, tamper: None, moves_left: None, outcome: None };
        self.seats.insert(index, seat);
    }

    /// The context of a party.
    ///
    /// # Panics
    /// When there is no such party.
    #[must_use]
    pub fn context(&self, party: PartyIndex) -> &Arc<SessionContext> {
        &self.contexts[&party]
    }

    /// What the network does.
    pub fn faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Changes the envelopes of a party on their way.
    ///
    /// # Panics
    /// When there is no such party.
    pub fn tamper(&mut self, party: PartyIndex, tamper: Tamper) {
        self.seats.get_mut(&party).expect("a seat").tamper = Some(tamper);
    }

    /// Lets a party crash after so many moves (messages sent, checkpoints stored).
    ///
    /// # Panics
    /// When there is no such party.
    pub fn crash(&mut self, party: PartyIndex, after: usize) {
        self.seats.get_mut(&party).expect("a seat").moves_left = Some(after);
    }

    /// Puts a message on the network, as if `from` had sent it.
    pub fn inject(&mut self, from: PartyIndex, to: PartyIndex, bytes: &[u8]) {
        self.queue.push((from, to, bytes.into()));
    }

    /// Runs until every party has ended.
    ///
    /// # Panics
    /// When the parties never stop.
    #[must_use]
    pub fn run(mut self) -> Outcomes<P> {
        let mut ticks = 0;
        loop {
            self.play();
            assert!(self.moves < 1_000_000, "the parties never stop");
            if let Some((from, to, bytes)) = self.pick() {
                let seat = self.seats.get_mut(&to).expect("a seat");
                if !matches!(seat.outcome, Some(Outcome::Crashed)) {
                    seat.player.receive(from, &bytes, &mut self.rng);
                }
            } else if self.seats.values().all(|seat| seat.outcome.is_some()) {
                break;
            } else {
                ticks += 1;
                for seat in self.seats.values_mut() {
                    if matches!(seat.outcome, Some(Outcome::Crashed)) {
                    } else if seat.player.is_finished() {
                        // It answers those that are behind, and says nothing of itself.
                    } else if ticks <= 20 {
                        seat.player.retransmit();
                    } else {
                        seat.player.expire();
                    }
                }
            }
        }
        let outcomes = self.seats.into_iter();
        Outcomes(outcomes.filter_map(|(index, seat)| Some((index, seat.outcome?))).collect())
    }

    fn play(&mut self) {
        for (index, seat) in &mut self.seats {
            if matches!(seat.outcome, Some(Outcome::Crashed)) {
                continue;
            }
            while let Some(next) = seat.player.next_move(&mut self.rng) {
                self.moves += 1;
                if let Some(left) = &mut seat.moves_left {
                    if *left == 0 {
                        seat.outcome = Some(Outcome::Crashed);
                        break;
                    }
                    *left -= 1;
                }
                match next {
                    Move::Stored => {}
                    Move::Done(output) => seat.outcome = Some(Outcome::Done(output)),
                    Move::Abort(abort) => seat.outcome = Some(Outcome::Aborted(abort)),
                    Move::Send(to, bytes) => match &mut seat.tamper {
                        None => self.queue.push((*index, to, bytes)),
                        Some(tamper) => {
                            let envelope = Envelope::from_wire(&bytes).expect("a party's own envelope");
                            let instead = tamper(to, envelope, &seat.keyring);
                            self.queue.extend(instead.into_iter().map(|bytes| (*index, to, bytes.into())));
                        }
                    },
                }
            }
        }
    }

    fn pick(&mut self) -> Option<(PartyIndex, PartyIndex, Arc<[u8]>)> {
        loop {
            if self.queue.is_empty() {
                return None;
            }
            let at = self.rng.next_u32() as usize % self.queue.len();
            let message = self.queue.swap_remove(at);
            if self.rng.next_u32() % 1000 < self.faults.drop_per_mille {
                continue;
            }
            if self.rng.next_u32() % 1000 < self.faults.duplicate_per_mille {
                self.queue.push(message.clone());
            }
            return Some(message);
        }
    }
}

/// How each party ended.
pub struct Outcomes<P: Protocol>(pub BTreeMap<PartyIndex, Outcome<P::Output>>);

impl<P: Protocol> Outcomes<P> {
    /// The results; all parties must have one.
    ///
    /// # Panics
    /// When a party has none.
    #[must_use]
    pub fn results(self) -> BTreeMap<PartyIndex, P::Output> {
        self.0
            .into_iter()
            .map(|(index, outcome)| match outcome {
                Outcome::Done(output) => (index, output),
                Outcome::Aborted(abort) => panic!("party {index}: {abort}"),
                Outcome::Crashed => panic!("party {index} crashed"),
            })
            .collect()
    }

    /// Checks that `party` aborted with proof against `culprit` and nobody else, that the evidence survives encoding
    /// and the judge, and gives what it says.
    ///
    /// # Panics
    /// When any of that does not hold.
    pub fn convicts(&self, party: PartyIndex, culprit: PartyIndex) -> String {
        let Some(Outcome::Aborted(Abort::Proven { evidence })) = self.0.get(&party) else {
            panic!("party {party} has no proof: {:?}", self.0.get(&party).map(describe))
        };
        let [evidence] = evidence.as_slice() else { panic!("more than one culprit") };
        assert_eq!(evidence.accused, culprit, "party {party} convicts the wrong one");
        let decoded = Evidence::from_wire(&evidence.to_wire().expect("encodes")).expect("decodes");
        let verdict = decoded.judge::<P>().expect("the judge agrees");
        assert_eq!(verdict.party, culprit);
        verdict.finding
    }

    /// Checks [`Outcomes::convicts`] for every party but the culprit.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn all_convict(&self, culprit: PartyIndex) -> String {
        let honest: Vec<_> = self.0.keys().copied().filter(|party| *party != culprit).collect();
        let findings: Vec<_> = honest.into_iter().map(|party| self.convicts(party, culprit)).collect();
        findings.into_iter().next().expect("an honest party")
    }

    /// The evidence that `party` has.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn evidence(&self, party: PartyIndex) -> &Evidence {
        match self.0.get(&party) {
            Some(Outcome::Aborted(Abort::Proven { evidence })) => &evidence[0],
            other => panic!("party {party} has no proof: {:?}", other.map(describe)),
        }
    }
}

fn describe<O>(outcome: &Outcome<O>) -> String {
    match outcome {
        Outcome::Done(_) => "done".into(),
        Outcome::Aborted(abort) => abort.to_string(),
        Outcome::Crashed => "crashed".into(),
    }
}

impl<P: Protocol> fmt::Debug for Outcomes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(index, outcome)| (index, describe(outcome)))).finish()
    }
}
