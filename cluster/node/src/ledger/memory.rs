//! The requests in memory: all that run, and of those that have ended as many, and as much, as is bearable.

use std::collections::{BTreeMap, HashMap};
use std::io;

use quorate_keys::Principal;
use quorate_request::SessionView;
use serde::Serialize;
use tokio::sync::watch;

use super::Ending;

/// Requests kept in memory. Beyond this, those that have ended are only in the store.
const COUNT: usize = 1024;
/// Bytes of endings kept in memory: each is there twice, but a signed transaction, which can have half a megabyte, is twice
/// as long in JSON, and that is what counts here.
const BYTES: usize = 16 * 1024 * 1024;

/// A request in memory.
pub(super) struct Live {
    pub(super) fingerprint: [u8; 32],
    /// Who asked.
    pub(super) initiator: Principal,
    pub(super) view: watch::Sender<SessionView>,
    pub(super) done: watch::Sender<Option<Ending>>,
}

/// Requests by id. The first to end is the first to be forgotten, results before failures: results are in the store.
pub(super) struct Memory {
    requests: HashMap<String, Live>,
    ended: BTreeMap<Place, Ended>,
    /// The places of those that have ended.
    places: HashMap<String, Place>,
    bytes: usize,
    next: u64,
    count_limit: usize,
    byte_limit: usize,
}

/// Where a request that has ended stands in the line of those to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    failed: bool,
    number: u64,
}

struct Ended {
    id: String,
    bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_limits(COUNT, BYTES)
    }
}

impl Memory {
    fn with_limits(count_limit: usize, byte_limit: usize) -> Self {
        Self {
            requests: HashMap::new(),
            ended: BTreeMap::new(),
            places: HashMap::new(),
            bytes: 0,
            next: 0,
            count_limit,
            byte_limit,
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Live> {
        self.requests.get(id)
    }

    /// Adds a request that runs, in place of one of this id that has ended.
    pub(super) fn insert(&mut self, id: &str, request: Live) {
        self.leave_line(id);
        while self.requests.len() >= self.count_limit && self.forget_one(None) {}
        self.requests.insert(id.to_owned(), request);
    }

    /// Takes down that a request has ended.
    pub(super) fn ended(&mut self, id: &str, ending: &Ending) {
        if !self.requests.contains_key(id) {
            return;
        }
        self.leave_line(id);
        let bytes = match ending {
            Ok(result) => json_bytes(result),
            Err(error) => json_bytes(error),
        };
        let place = Place { failed: ending.is_err(), number: self.next };
        self.next = self.next.wrapping_add(1);
        self.ended.insert(place, Ended { id: id.to_owned(), bytes });
        self.places.insert(id.to_owned(), place);
        self.bytes = self.bytes.saturating_add(bytes);
        // But for this one, which somebody may be about to ask for.
        while self.bytes > self.byte_limit && self.forget_one(Some(place)) {}
    }

    fn leave_line(&mut self, id: &str) {
        if let Some(ended) = self.places.remove(id).and_then(|place| self.ended.remove(&place)) {
            self.bytes = self.bytes.saturating_sub(ended.bytes);
        }
    }

    /// Forgets the request whose turn it is; `false` if there is none.
    fn forget_one(&mut self, but: Option<Place>) -> bool {
        let Some(id) =
            self.ended.iter().find(|(place, _)| Some(**place) != but).map(|(_, ended)| ended.id.clone())
        else {
            return false;
        };
        self.leave_line(&id);
        self.requests.remove(&id);
        true
    }
}

/// How long a value is as JSON.
fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What can't be written is not kept long.
    if serde_json::to_writer(&mut count, value).is_err() { usize::MAX } else { count.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_request::{ErrorBody, ErrorCode, KeygenResponse, RequestStatus, SessionResult};

    fn result(bytes: usize) -> Ending {
        Ok(SessionResult::Keygen(KeygenResponse {
            session_id: "s".parse().unwrap(),
            wallet_id: "w".parse().unwrap(),
            public_key: vec![1; bytes].into(),
            address: None,
            status: RequestStatus::Completed,
            threshold: 2,
            parties: Vec::new(),
        }))
    }

    fn failure() -> Ending {
        Err(ErrorBody::new(ErrorCode::TimedOut, "it took too long"))
    }

    fn live() -> Live {
        let view = SessionView::new("s".parse().unwrap(), "sign".to_owned(), RequestStatus::Running);
        let secret = quorate_keys::Secret::new([1; 32]);
        let signer = quorate_keys::SigningPrincipal::from_secret(quorate_keys::KeyType::Ed25519, &secret);
        let initiator = signer.unwrap().principal();
        Live {
            fingerprint: [0; 32],
            initiator,
            view: watch::Sender::new(view),
            done: watch::Sender::new(None),
        }
    }

    fn run(memory: &mut Memory, id: &str, ending: Option<&Ending>) {
        memory.insert(id, live());
        if let Some(ending) = ending {
            memory.ended(id, ending);
        }
    }

    fn kept(memory: &Memory, ids: &[&str]) -> Vec<bool> {
        ids.iter().map(|id| memory.get(id).is_some()).collect()
    }

    #[test]
    fn the_first_result_is_forgotten_first_and_what_runs_never() {
        let mut memory = Memory::with_limits(4, usize::MAX);
        run(&mut memory, "running", None);
        run(&mut memory, "failed", Some(&failure()));
        for id in ["first", "second", "third"] {
            run(&mut memory, id, Some(&result(1)));
        }
        assert_eq!(
            kept(&memory, &["running", "failed", "first", "second", "third"]),
            [true, true, false, true, true]
        );
        for id in ["a", "b", "c"] {
            run(&mut memory, id, None);
        }
        // Failures go when there are no results left.
        assert_eq!(kept(&memory, &["running", "failed", "a", "b", "c"]), [true, false, true, true, true]);
        run(&mut memory, "d", None);
        assert_eq!(memory.requests.len(), 5, "what runs is bounded elsewhere");
    }

    #[test]
    fn large_results_are_forgotten_sooner_but_not_the_last_one() {
        let large = result(1000);
        let size = json_bytes(large.as_ref().unwrap());
        let mut memory = Memory::with_limits(100, 3 * size);
        for number in 0..50 {
            run(&mut memory, &number.to_string(), Some(&large));
            assert!(memory.bytes <= 3 * size);
        }
        assert_eq!(kept(&memory, &["0", "46", "47", "48", "49"]), [false, false, true, true, true]);
        run(&mut memory, "huge", Some(&result(100_000)));
        assert_eq!((memory.requests.len(), kept(&memory, &["huge"])), (1, vec![true]));
        run(&mut memory, "small", Some(&result(1)));
        assert_eq!(kept(&memory, &["huge", "small"]), [false, true]);
    }

    #[test]
    fn a_request_that_runs_or_ends_again_is_counted_once() {
        let mut memory = Memory::with_limits(100, usize::MAX);
        for _ in 0..3 {
            run(&mut memory, "again", Some(&failure()));
            memory.ended("again", &result(10));
            memory.ended("unknown", &result(10));
        }
        let size = json_bytes(result(10).as_ref().unwrap());
        assert_eq!((memory.bytes, memory.ended.len(), memory.places.len()), (size, 1, 1));
        run(&mut memory, "again", None);
        assert_eq!((memory.bytes, memory.ended.len(), memory.places.len()), (0, 0, 0));
    }
}
