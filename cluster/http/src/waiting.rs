//! The connections that wait for a request: those that can be ended to make room for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Connections without a request in progress, in the order in which they began to wait.
#[derive(Default)]
pub(crate) struct Waiting {
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    places: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's place in the line, given up while it has a request in progress, and when it is dropped.
pub(crate) struct Place {
    waiting: Arc<Waiting>,
    number: Mutex<Option<u64>>,
    end: Arc<Notify>,
}

/// A request in progress; when it is dropped, its connection waits again.
pub(crate) struct Busy(Arc<Place>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    /// Ends the connection that has waited longest; `false` if none waits.
    pub(crate) fn end_longest(&self) -> bool {
        let longest = lock(&self.line).places.pop_first();
        longest.is_some_and(|(_, end)| {
            end.notify_one();
            true
        })
    }
}

impl Place {
    /// The last place in the line.
    pub(crate) fn new(waiting: &Arc<Waiting>) -> Arc<Self> {
        let place =
            Self { waiting: Arc::clone(waiting), number: Mutex::new(None), end: Arc::new(Notify::new()) };
        place.wait();
        Arc::new(place)
    }

    fn wait(&self) {
        let mut line = lock(&self.waiting.line);
        let number = line.next;
        line.next = number.wrapping_add(1);
        line.places.insert(number, Arc::clone(&self.end));
        *lock(&self.number) = Some(number);
    }

    fn leave(&self) {
        let mut line = lock(&self.waiting.line);
        if let Some(number) = lock(&self.number).take() {
            line.places.remove(&number);
        }
    }

    /// The connection has a request in progress from now on.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.leave();
        Busy(Arc::clone(self))
    }

    /// Done when the connection must end.
    pub(crate) async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
