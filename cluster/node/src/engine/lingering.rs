//! Sessions that have ended here while other members may be behind, and the ids of all that are over.
//!
//! A finished session says nothing of itself: a member that is behind repeats itself, and is answered. It has neither task
//! nor timer, and keeps digests of what others sent, and its own last messages.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_keys::Identity;
use quorate_request::RequestId;
use quorate_session::{ErasedAction, ErasedSession, SessionContext, SessionId};
use rand_core::OsRng;
use tokio::time::{Instant, sleep_until};

use super::{Engine, lock};
use crate::frame::Frame;

/// How much longer than two rounds a finished session answers: whoever closes the round late must still find the parties
/// whose broadcasts it disputes.
const MARGIN: Duration = Duration::from_secs(1);
/// Finished sessions beyond which the oldest goes.
const MOST: usize = 1024;
/// Bytes of finished sessions beyond which the oldest goes.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Sessions that are known to be over: those of half a minute, when there are hundreds in a second.
const REMEMBERED: usize = 8192;

/// A finished session.
pub(super) struct Late {
    context: Arc<SessionContext>,
    session: Mutex<Box<dyn ErasedSession>>,
}

/// What is known here of a session that does not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It answers.
    Lingers,
    /// It is over.
    Over,
    /// Nothing: it may be about to start.
    Nothing,
}

struct Entry<S> {
    session: Arc<S>,
    /// The request whose result ends it.
    request: Option<RequestId>,
    until: Instant,
    bytes: usize,
}

/// All finished sessions.
pub(super) struct Lingering<S = Late> {
    entries: HashMap<SessionId, Entry<S>>,
    /// By the time at which they go.
    order: BTreeSet<(Instant, SessionId)>,
    bytes: usize,
    over: Over,
    /// Whether a task sees to it that they go.
    is_swept: bool,
}

impl<S> Default for Lingering<S> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeSet::new(),
            bytes: 0,
            over: Over::default(),
            is_swept: false,
        }
    }
}

/// The sessions that ended last.
#[derive(Default)]
struct Over {
    ids: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Over {
    fn note(&mut self, id: SessionId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}

impl<S> Lingering<S> {
    /// What becomes of an envelope for this session.
    pub(super) fn knows(&self, id: &SessionId) -> Known {
        if self.entries.contains_key(id) {
            Known::Lingers
        } else if self.over.ids.contains(id) {
            Known::Over
        } else {
            Known::Nothing
        }
    }

    /// The session takes no more part in anything.
    pub(super) fn note_over(&mut self, id: SessionId) {
        self.over.note(id);
    }

    fn find(&self, id: &SessionId) -> Option<Arc<S>> {
        self.entries.get(id).map(|entry| Arc::clone(&entry.session))
    }

    fn add(&mut self, id: SessionId, entry: Entry<S>) {
        self.remove(&id);
        self.order.insert((entry.until, id));
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.entries.insert(id, entry);
        self.keep_bounds();
    }

    /// An answer may have made the session larger.
    fn resize(&mut self, id: &SessionId, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(id) {
            let before = std::mem::replace(&mut entry.bytes, bytes);
            self.bytes = self.bytes.saturating_sub(before).saturating_add(bytes);
            self.keep_bounds();
        }
    }

    fn keep_bounds(&mut self) {
        while self.entries.len() > MOST || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.order.first().copied() else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &SessionId) {
        if let Some(entry) = self.entries.remove(id) {
            self.order.remove(&(entry.until, *id));
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.over.note(*id);
        }
    }

    /// The request has its result: nobody needs its sessions any more.
    fn settled(&mut self, request: &RequestId) {
        let of_it = self.entries.iter().filter(|(_, entry)| entry.request.as_ref() == Some(request));
        for id in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    /// Removes those whose time is over; gives the end of the next one, and if there is none, nobody sweeps any more.
    fn sweep(&mut self, now: Instant) -> Option<Instant> {
        while let Some((until, id)) = self.order.first().copied() {
            if until > now {
                return Some(until);
            }
            self.remove(&id);
        }
        self.is_swept = false;
        None
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Engine {
    /// Lets a session linger that has ended here. If a request is named, only as long as its result is not known here.
    pub(super) fn linger(
        self: &Arc<Self>,
        context: &Arc<SessionContext>,
        session: Box<dyn ErasedSession>,
        request: Option<&RequestId>,
    ) {
        let until = Instant::now() + self.config.round_timeout.saturating_mul(2).saturating_add(MARGIN);
        let bytes = session.size();
        let late = Late { context: Arc::clone(context), session: Mutex::new(session) };
        let entry = Entry { session: Arc::new(late), request: request.cloned(), until, bytes };
        let mut lingering = lock(&self.lingering);
        // Under the lock: a result that comes now finds the session.
        if request.is_some_and(|request| self.ledger.has_result(request)) {
            return;
        }
        lingering.add(context.session(), entry);
        if !std::mem::replace(&mut lingering.is_swept, true) {
            self.sweep();
        }
    }

    /// The request has its result.
    pub(super) fn linger_no_more(&self, request: &RequestId) {
        lock(&self.lingering).settled(request);
    }

    /// One task for all of them.
    fn sweep(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        tokio::spawn(async move {
            let next = || lock(&engine.upgrade()?.lingering).sweep(Instant::now());
            while let Some(until) = next() {
                sleep_until(until).await;
            }
        });
    }

    /// Hands an envelope to a session that has ended here.
    pub(super) fn answer_late(&self, from: &Identity, id: SessionId, envelope: &[u8]) {
        let Some(late) = lock(&self.lingering).find(&id) else { return };
        let committee = late.context.committee();
        let Some(party) = committee.index_of(from) else { return };
        let mut answers = Vec::new();
        let bytes = {
            let mut session = lock(&late.session);
            session.receive(party, envelope, &mut OsRng);
            while let Some(action) = session.next_action() {
                if let ErasedAction::Send { to, bytes } = action {
                    answers.push((to, bytes));
                }
            }
            session.size()
        };
        lock(&self.lingering).resize(&id, bytes);
        for (to, bytes) in answers {
            if let Some(member) = committee.member(to) {
                self.send(&member.identity, &Frame::Session { session: id, envelope: bytes.to_vec() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        borsh::from_slice(&bytes).unwrap()
    }

    /// Sessions of so many bytes, each of which goes a second after the one before it.
    fn lingering(count: usize, bytes: usize) -> (Lingering<()>, Instant) {
        let mut lingering = Lingering::default();
        let start = Instant::now();
        for number in 0..count {
            let until = start + Duration::from_secs(number.try_into().unwrap());
            lingering.add(id(number), Entry { session: Arc::new(()), request: None, until, bytes });
        }
        (lingering, start)
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let (lingering, _) = lingering(MOST + 2, 1);
        assert_eq!(lingering.len(), MOST);
        assert_eq!([0, 1].map(|number| lingering.knows(&id(number))), [Known::Over, Known::Over]);
        assert_eq!(lingering.knows(&id(2)), Known::Lingers);
        assert_eq!(lingering.bytes, MOST);
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much() {
        let (mut lingering, _) = lingering(5, MOST_BYTES / 4);
        assert_eq!((lingering.len(), lingering.bytes), (4, MOST_BYTES / 4 * 4));
        // One of them answers a dispute.
        lingering.resize(&id(4), MOST_BYTES / 2);
        assert_eq!((lingering.len(), lingering.knows(&id(1))), (3, Known::Over));
        lingering.resize(&id(4), MOST_BYTES + 1);
        assert_eq!((lingering.len(), lingering.bytes), (0, 0));
        lingering.resize(&id(4), 1);
        assert_eq!(lingering.bytes, 0);
    }

    #[test]
    fn they_go_in_their_time() {
        let (mut lingering, start) = lingering(3, 1);
        assert_eq!(lingering.sweep(start), Some(start + Duration::from_secs(1)));
        assert_eq!(lingering.len(), 2);
        assert_eq!(lingering.sweep(start + Duration::from_secs(9)), None);
        assert_eq!((lingering.len(), lingering.bytes, lingering.order.len()), (0, 0, 0));
        assert_eq!(lingering.knows(&id(2)), Known::Over);
    }

    #[test]
    fn a_result_ends_the_sessions_of_its_request_alone() {
        let (mut lingering, start) = lingering(0, 0);
        for (number, request) in [None, Some("a"), Some("b"), Some("a")].into_iter().enumerate() {
            let request = request.map(|request| request.parse().unwrap());
            let entry = Entry { session: Arc::new(()), request, until: start, bytes: 1 };
            lingering.add(id(number), entry);
        }
        lingering.settled(&"a".parse().unwrap());
        let known = [0, 1, 2, 3].map(|number| lingering.knows(&id(number)));
        assert_eq!(known, [Known::Lingers, Known::Over, Known::Lingers, Known::Over]);
    }

    #[test]
    fn so_many_are_known_to_be_over() {
        let (mut lingering, _) = lingering(0, 0);
        for number in 0..=REMEMBERED {
            lingering.note_over(id(number));
            lingering.note_over(id(number));
        }
        assert_eq!(lingering.knows(&id(0)), Known::Nothing);
        assert_eq!(lingering.knows(&id(1)), Known::Over);
        assert_eq!((lingering.over.ids.len(), lingering.over.order.len()), (REMEMBERED, REMEMBERED));
    }
}
