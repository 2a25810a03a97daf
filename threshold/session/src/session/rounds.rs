//! From round to round.

use std::sync::Arc;

use rand_core::CryptoRngCore;

use super::{Action, Phase, Session};
use crate::abort::Abort;
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::evidence::Claim;
use crate::protocol::{Consistency, Failure, Outgoing, Protocol, Received, Step};
use crate::wire::Wire;

impl<P: Protocol> Session<P> {
    /// Takes the envelope of the current round.
    pub(super) fn take(&mut self, envelope: Arc<Envelope>) {
        let Header { round, sender, echo, .. } = envelope.header;
        if !self.expected.from.contains(&sender) {
            return self.strike(sender);
        }
        self.record.insert(Arc::clone(&envelope));
        let before = round.saturating_sub(1);
        if let Some(ours) = self.echoes.get(&before).copied() {
            if echo != Some(ours) {
                return self.differ(sender, before);
            }
            self.examine_disputes(before);
        }
        let decode = |part: &Part| part.whole().map(P::Message::from_wire).transpose();
        let (Ok(broadcast), Ok(direct)) = (decode(&envelope.broadcast), decode(&envelope.direct)) else {
            return self.convict(sender, Claim::Undecodable { round });
        };
        let Phase::Collecting(state) = &self.phase else { return };
        match state.accept(sender, Received { broadcast, direct, envelope }) {
            Ok(accepted) => {
                self.inbox.insert(sender, accepted);
            }
            Err(blame) => self.convict_all(vec![blame]),
        }
    }

    /// Advances as far as the messages that are here allow.
    pub(super) fn proceed(&mut self, rng: &mut dyn CryptoRngCore) {
        while self.held.is_none() && self.waiting_for().is_empty() {
            match std::mem::replace(&mut self.phase, Phase::Finished) {
                Phase::Finished => return,
                Phase::Collecting(state) => match self.expected.consistency {
                    Consistency::Unchecked => self.advance(state, rng),
                    Consistency::Echoed => {
                        if self.close_broadcasts() {
                            self.advance(state, rng);
                        }
                    }
                    Consistency::Confirmed => {
                        if self.close_broadcasts() {
                            self.phase = Phase::Confirming(state);
                            self.confirm();
                        }
                    }
                },
                Phase::Confirming(state) => self.advance(state, rng),
            }
        }
    }

    /// Fixes the digest of this round's broadcasts, and looks at the disputes about them that came early; `false` if the
    /// session ended over it.
    fn close_broadcasts(&mut self) -> bool {
        let Some(echo) = self.record.echo(self.context.agreement(), self.round) else {
            let reason = "the protocol echoes a round in which not everybody speaks to everybody".into();
            self.abort(Abort::Local { reason });
            return false;
        };
        self.echoes.insert(self.round, echo);
        self.examine_disputes(self.round);
        !self.ended
    }

    fn confirm(&mut self) {
        let header = self.header(Kind::Confirmation, self.round, self.echoes.get(&self.round).copied());
        if let Some(sealed) = self.seal_for_all(header, Part::Absent) {
            self.release(sealed, None);
            self.compare_confirmations();
        }
    }

    /// Looks for confirmations of other broadcasts than ours.
    fn compare_confirmations(&mut self) {
        let Some(ours) = self.echoes.get(&self.round).copied() else { return };
        for party in self.context.others() {
            let confirmation = self.record.find(Kind::Confirmation, self.round, party);
            if confirmation.is_some_and(|confirmation| confirmation.header.echo != Some(ours)) {
                self.differ(party, self.round);
            }
        }
    }

    pub(super) fn receive_confirmation(&mut self, envelope: Arc<Envelope>) {
        let Header { round, sender, echo, .. } = envelope.header;
        if let Some(held) = self.held(&envelope.header).cloned() {
            return self.compare(&held, &envelope);
        }
        if round != self.round || self.expected.consistency != Consistency::Confirmed {
            // Without a digest it confirms nothing: its sender has heard too little, of this round or one before, and asks for it.
            if echo.is_some() || round > self.round {
                self.strike(sender);
            }
            return;
        }
        self.record.insert(envelope);
        self.examine_disputes(round);
        self.compare_confirmations();
    }

    fn advance(&mut self, state: P, rng: &mut dyn CryptoRngCore) {
        match state.advance(std::mem::take(&mut self.inbox), rng) {
            Ok(step) => {
                self.enter(step);
                self.take_early();
            }
            Err(Failure::Blame(blame)) => self.convict_all(blame),
            Err(Failure::Unattributed(reason)) => self.abort(Abort::Unattributed { reason }),
            Err(Failure::Local(reason)) => self.abort(Abort::Local { reason }),
        }
    }

    /// Enters the next round, or the end.
    pub(super) fn enter(&mut self, step: Step<P>) {
        let Some(round) = self.round.checked_add(1) else {
            return self.abort(Abort::Local { reason: "the protocol has too many rounds".into() });
        };
        let echo = self.echoes.get(&self.round).copied();
        self.round = round;
        match step {
            Step::Next { state, send, checkpoint } => {
                self.expected = state.expects();
                self.phase = Phase::Collecting(state);
                self.dispatch(send, echo, checkpoint, None);
            }
            Step::Done { output, send, checkpoint } => {
                self.dispatch(send, echo, checkpoint, Some(Action::Done(output)));
            }
            Step::Accuse { send, blame } => {
                self.dispatch(send, echo, None, None);
                self.convict_all(blame);
            }
        }
    }

    fn take_early(&mut self) {
        for (_, envelope) in std::mem::take(&mut self.early) {
            if !self.is_over() {
                self.take(envelope);
            }
        }
    }

    /// Signs a round's messages and lets them go, or holds them until the checkpoint on which they depend is durable.
    fn dispatch(
        &mut self,
        send: Outgoing<P::Message>,
        echo: Option<[u8; 32]>,
        checkpoint: Option<P::Checkpoint>,
        done: Option<Action<P>>,
    ) {
        let sealed = match self.seal(send, echo) {
            Ok(sealed) => sealed,
            Err(reason) => return self.abort(Abort::Local { reason }),
        };
        match checkpoint {
            None => self.release(sealed, done),
            Some(checkpoint) => self.hold(checkpoint, sealed, done),
        }
    }
}
