//! How a session goes from round to round: each has its time, and how long it took is counted.

use tokio::time::Instant;

use super::Engine;
use super::run::Part;
use crate::barrier::Step;

/// The round that a session is in.
pub(super) struct Pace<'a> {
    engine: &'a Engine,
    part: &'a Part,
    /// 0 before the first.
    round: u8,
    begun: Instant,
    /// When the round's time is over.
    pub(super) deadline: Instant,
}

impl<'a> Pace<'a> {
    pub(super) fn new(engine: &'a Engine, part: &'a Part) -> Self {
        let begun = Instant::now();
        Self { engine, part, round: 0, begun, deadline: begun + part.job.round_timeout(&engine.config) }
    }

    /// The session is in this round, maybe since long.
    pub(super) fn at(&mut self, round: u8) {
        if round == self.round {
            return;
        }
        self.finished();
        self.round = round;
        self.begun = Instant::now();
        self.extend();
        self.engine.barrier.reached(self.part.job.operation(), Step::Round(round));
    }

    /// The round has all that it needs.
    pub(super) fn finished(&self) {
        if self.round > 0 {
            self.engine.metrics.round_took(self.part.job.protocol(), self.round, self.begun.elapsed());
        }
    }

    /// Gives the round its whole time again.
    pub(super) fn extend(&mut self) {
        self.deadline = Instant::now() + self.part.job.round_timeout(&self.engine.config);
    }
}
