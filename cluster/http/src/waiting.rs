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
    state: Mutex<State>,
    end: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Its number in the line, also when it was just called to end; none while it has a request in progress.
    number: Option<u64>,
    /// Requests without an answer, and answers that are not handed over in full.
    running: usize,
}

/// A request in progress, until it is dropped with the body of its answer.
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
        let place = Self { waiting: Arc::clone(waiting), state: Mutex::default(), end: Arc::default() };
        place.wait();
        Arc::new(place)
    }

    /// Takes the last place in the line, unless the connection is in it.
    pub(crate) fn wait(&self) {
        let mut line = lock(&self.waiting.line);
        let mut state = lock(&self.state);
        if state.number.is_none() {
            let number = line.next;
            line.next = number.wrapping_add(1);
            line.places.insert(number, Arc::clone(&self.end));
            state.number = Some(number);
        }
    }

    fn leave(&self) {
        let mut line = lock(&self.waiting.line);
        if let Some(number) = lock(&self.state).number.take() {
            line.places.remove(&number);
        }
    }

    /// The connection has a request in progress from now on.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.leave();
        let mut state = lock(&self.state);
        state.running = state.running.saturating_add(1);
        Busy(Arc::clone(self))
    }

    /// All that the connection has to say by now has left: it waits, unless it has a request in progress.
    pub(crate) fn written(&self) {
        let (waits, is_busy) = {
            let state = lock(&self.state);
            (state.number.is_some(), state.running > 0)
        };
        match (waits, is_busy) {
            (false, false) => self.wait(),
            (true, true) => self.leave(),
            _ => {}
        }
    }

    /// Done when the connection must end. To be awaited by the task that runs the connection, so that nothing happens
    /// on it in between.
    pub(crate) async fn ended(&self) {
        loop {
            self.end.notified().await;
            if self.is_called() {
                return;
            }
        }
    }

    /// Whether the connection was called to end, and has had no request since.
    fn is_called(&self) -> bool {
        let line = lock(&self.waiting.line);
        lock(&self.state).number.is_some_and(|number| !line.places.contains_key(&number))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.running = state.running.saturating_sub(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the connection ends, as far as it knows by now.
    async fn ends(place: &Place) -> bool {
        tokio::select! {
            biased;
            () = place.ended() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn the_one_that_has_waited_longest_is_ended() {
        let waiting = Arc::new(Waiting::default());
        let [first, second] = [Place::new(&waiting), Place::new(&waiting)];
        assert!(!ends(&first).await);
        assert!(waiting.end_longest());
        assert!(ends(&first).await && !ends(&second).await);
        drop(second);
        assert!(!waiting.end_longest());
    }

    #[tokio::test]
    async fn a_request_that_comes_with_the_call_to_end_is_not_cut_off() {
        let waiting = Arc::new(Waiting::default());
        let place = Place::new(&waiting);
        assert!(waiting.end_longest());
        // On another worker a request has come in before the call is heard.
        let busy = place.busy();
        assert!(!ends(&place).await && !waiting.end_longest());
        drop(busy);
        place.written();
        // The old call counts no more; a new one does.
        assert!(!ends(&place).await);
        assert!(waiting.end_longest());
        assert!(ends(&place).await);
    }

    #[tokio::test]
    async fn a_call_that_nobody_hears_until_the_request_is_answered_counts_no_more() {
        let waiting = Arc::new(Waiting::default());
        let place = Place::new(&waiting);
        assert!(waiting.end_longest());
        drop(place.busy());
        place.written();
        assert!(!ends(&place).await);
    }

    #[tokio::test]
    async fn a_connection_waits_when_its_last_answer_is_written() {
        let waiting = Arc::new(Waiting::default());
        let place = Place::new(&waiting);
        let [first, second] = [place.busy(), place.busy()];
        drop(first);
        place.written();
        assert!(!waiting.end_longest(), "the second is in progress");
        drop(second);
        assert!(!waiting.end_longest(), "its answer is still to be written");
        place.written();
        place.written();
        assert!(waiting.end_longest() && !waiting.end_longest());
    }

    #[tokio::test]
    async fn an_answer_that_is_taken_after_all_is_in_progress_again() {
        let waiting = Arc::new(Waiting::default());
        let place = Place::new(&waiting);
        let busy = place.busy();
        place.wait();
        place.written();
        assert!(!waiting.end_longest());
        place.wait();
        assert!(waiting.end_longest() && ends(&place).await);
        drop(busy);
    }
}
