//! What leaves a party: signed once, recorded when it leaves, repeated on demand.

use std::sync::Arc;

use quorate_sharing::PartyIndex;

use super::{Action, Held, MAX_MESSAGES_PER_PEER, Session};
use crate::abort::Abort;
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::protocol::{Outgoing, Protocol};
use crate::wire::Wire;

/// At most one encoded envelope for each peer.
pub(super) type Sent = Vec<(PartyIndex, Arc<[u8]>)>;

/// Signed envelopes that have not left.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) envelopes: Vec<Arc<Envelope>>,
    sent: Sent,
}

impl<P: Protocol> Session<P> {
    /// Repeats the messages of the last two rounds, disputes and evidence to everybody; peers ignore what they have.
    ///
    /// A party that has repeated itself so often that peers might take it for a flood is silent instead.
    pub fn retransmit(&mut self) {
        let recent = self.sent.len().saturating_sub(2);
        let again: Vec<Sent> = self.sent.iter().skip(recent).chain(&self.notices).cloned().collect();
        let total = u32::try_from(again.len()).unwrap_or(u32::MAX).saturating_add(self.outgoing);
        if total <= MAX_MESSAGES_PER_PEER / 2 {
            again.iter().for_each(|sent| self.send(sent));
        }
    }

    /// Signs the messages of the current round.
    pub(super) fn seal(
        &mut self,
        send: Outgoing<P::Message>,
        echo: Option<[u8; 32]>,
    ) -> Result<Sealed, String> {
        let Outgoing { broadcast, direct } = send;
        let encode = |message: Option<&P::Message>| match message {
            None => Ok(Part::Absent),
            Some(message) => message.to_wire().map(Part::Whole).map_err(|error| error.to_string()),
        };
        let common = encode(broadcast.as_ref())?;
        let header = self.header(Kind::Round, self.round, echo);
        if direct.is_empty() {
            return match broadcast {
                None => Ok(Sealed::default()),
                Some(_) => self.try_seal_for_all(header, common),
            };
        }
        let mut sealed = Sealed::default();
        for to in self.context.others() {
            let own = direct.get(&to);
            if own.is_none() && broadcast.is_none() {
                continue;
            }
            let header = Header { recipient: Some(to), ..header.clone() };
            let envelope = Envelope::seal(header, common.clone(), encode(own)?, &*self.keyring.signer);
            sealed.sent.push((to, envelope.to_wire().map_err(|error| error.to_string())?.into()));
            sealed.envelopes.push(Arc::new(envelope));
        }
        Ok(sealed)
    }

    /// Signs one envelope for everybody; aborts if it is too large.
    pub(super) fn seal_for_all(&mut self, header: Header, broadcast: Part) -> Option<Sealed> {
        match self.try_seal_for_all(header, broadcast) {
            Ok(sealed) => Some(sealed),
            Err(reason) => {
                self.abort(Abort::Local { reason });
                None
            }
        }
    }

    fn try_seal_for_all(&self, header: Header, broadcast: Part) -> Result<Sealed, String> {
        let envelope = Envelope::seal(header, broadcast, Part::Absent, &*self.keyring.signer);
        let bytes: Arc<[u8]> = envelope.to_wire().map_err(|error| error.to_string())?.into();
        let sent = self.context.others().into_iter().map(|to| (to, Arc::clone(&bytes))).collect();
        Ok(Sealed { envelopes: vec![Arc::new(envelope)], sent })
    }

    pub(super) fn header(&self, kind: Kind, round: u8, echo: Option<[u8; 32]>) -> Header {
        Header {
            session: self.context.session(),
            epoch: self.context.agreement().epoch(),
            attempt: self.context.agreement().proposal().attempt,
            sender: self.context.me(),
            recipient: None,
            kind,
            round,
            echo,
        }
    }

    /// Keeps messages back until the checkpoint on which they depend is durable. They are not in the record either, so
    /// that no evidence shows them.
    pub(super) fn hold(&mut self, checkpoint: P::Checkpoint, sealed: Sealed, done: Option<Action<P>>) {
        self.actions.push_back(Action::Persist(checkpoint));
        self.held = Some(Held { sealed, done });
    }

    /// Lets the messages of a round go, and the result after them.
    pub(super) fn release(&mut self, sealed: Sealed, done: Option<Action<P>>) {
        self.record_own(sealed.envelopes);
        if !sealed.sent.is_empty() {
            self.send(&sealed.sent);
            self.sent.push(sealed.sent);
        }
        if let Some(done) = done {
            self.ended = true;
            self.actions.push_back(done);
        }
    }

    /// Lets a dispute or evidence go.
    pub(super) fn notify(&mut self, sealed: Sealed) {
        self.record_own(sealed.envelopes);
        self.send(&sealed.sent);
        self.notices.push(sealed.sent);
    }

    /// Of several envelopes of one round, which differ in their direct parts only, the first stands for all.
    fn record_own(&mut self, envelopes: Vec<Arc<Envelope>>) {
        for envelope in envelopes {
            self.record.insert(envelope);
        }
    }

    fn send(&mut self, sent: &Sent) {
        self.outgoing = self.outgoing.saturating_add(1);
        let sends = sent.iter().map(|(to, bytes)| Action::Send { to: *to, bytes: Arc::clone(bytes) });
        self.actions.extend(sends);
    }
}
