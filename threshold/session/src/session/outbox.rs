//! What leaves a party: signed once, recorded when it leaves, repeated on demand.

use std::sync::Arc;

use quorate_sharing::PartyIndex;

use super::{Action, Held, Late, MAX_MESSAGES_PER_PEER, Session};
use crate::abort::Abort;
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::protocol::{Consistency, Outgoing, Protocol};
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
    /// Repeats the messages of the last two rounds, disputes and evidence to everybody; peers ignore what they have. Who has said nothing yet asks
    /// to be heard instead: peers that have ended answer that, as they answer whoever repeats itself.
    ///
    /// A party that has repeated itself so often that peers might take it for a flood is silent instead.
    pub fn retransmit(&mut self) {
        let is_unchecked = self.expected.consistency == Consistency::Unchecked;
        if self.sent.is_empty() && is_unchecked && !self.is_over() && self.held.is_none() {
            // Where broadcasts are confirmed, it would be a false confirmation.
            let header = self.header(Kind::Confirmation, self.round, None);
            match self.try_seal_for_all(header, Part::Absent) {
                // Not in the record: it says nothing.
                Ok(sealed) => self.sent.push(sealed.sent),
                Err(reason) => return self.abort(Abort::Local { reason }),
            }
        }
        let again: Vec<Sent> = self.recent().cloned().collect();
        if self.leaves_room(&again, 0) {
            again.iter().for_each(|sent| self.send(sent));
        }
    }

    /// Repeats the same to one peer that is heard of after the end: it may be behind, for want of a message that was lost.
    ///
    /// Only its first, second, fourth, eighth… message is answered. So parties that have all ended soon fall silent, and a
    /// peer that is behind for long is answered at pauses that double.
    pub(super) fn answer(&mut self, to: PartyIndex) {
        let again: Vec<_> = self.recent().flatten().filter(|(peer, _)| *peer == to).cloned().collect();
        let Late { heard, answers } = self.late.entry(to).or_default();
        *heard = heard.saturating_add(1);
        let (is_due, answered) = (heard.is_power_of_two(), *answers);
        if !is_due || !self.leaves_room(&again, answered) {
            return;
        }
        let count = u32::try_from(again.len()).unwrap_or(u32::MAX);
        self.late.entry(to).or_default().answers = answered.saturating_add(count);
        self.actions.extend(again.into_iter().map(|(to, bytes)| Action::Send { to, bytes }));
    }

    /// The messages of the last two rounds, disputes and evidence.
    fn recent(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().skip(self.sent.len().saturating_sub(2)).chain(&self.notices)
    }

    /// Whether a peer that has got so many messages besides those that all have got can take these too.
    fn leaves_room<T>(&self, more: &[T], answers: u32) -> bool {
        let more = u32::try_from(more.len()).unwrap_or(u32::MAX);
        more.saturating_add(self.outgoing).saturating_add(answers) <= MAX_MESSAGES_PER_PEER / 2
    }

    /// Drops what is never repeated again.
    pub(super) fn forget_long_ago(&mut self) {
        self.sent.drain(..self.sent.len().saturating_sub(2));
    }

    /// The bytes of all that may be repeated. What is the same for all is held once.
    pub(super) fn sent_size(&self) -> usize {
        let size = |sent: &Sent| {
            let first = sent.first().map(|(_, bytes)| bytes);
            let own = sent
                .iter()
                .skip(1)
                .filter(|(_, bytes)| first.is_some_and(|first| !Arc::ptr_eq(first, bytes)));
            own.map(|(_, bytes)| bytes.len())
                .sum::<usize>()
                .saturating_add(first.map_or(0, |bytes| bytes.len()))
        };
        self.sent.iter().chain(&self.notices).map(size).fold(0, usize::saturating_add)
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
            self.end();
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
