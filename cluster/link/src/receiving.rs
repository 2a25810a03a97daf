//! The receiving side: segments are put in order, and frames together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::packet::{Misbehaviour, Segment, charge_of};

/// How long an acknowledgement waits for something to go with.
const DELAY: Duration = Duration::from_millis(20);
/// How many packets may wait for one.
const UNACKNOWLEDGED: u32 = 8;

/// Segments from when they arrive until their frame is taken.
#[derive(Debug)]
pub(crate) struct Receiving {
    max_frame: usize,
    window: usize,
    /// The number of the segment that is next in order.
    next: u64,
    early: BTreeMap<u64, Segment>,
    /// The segments of a frame of which more follow.
    partial: Partial,
    ready: VecDeque<Ready>,
    /// Charges of all that is held.
    held: usize,
    taken: u64,
    /// What was taken since that was last told.
    untold: usize,
    unacknowledged: u32,
    acknowledge_at: Option<Duration>,
}

#[derive(Debug, Default)]
struct Partial {
    bytes: BytesMut,
    segments: u64,
    charge: usize,
}

#[derive(Debug)]
struct Ready {
    frame: Bytes,
    segments: u64,
    charge: usize,
}

impl Receiving {
    pub(crate) fn new(max_frame: usize, window: usize) -> Self {
        Self {
            max_frame,
            window,
            next: 0,
            early: BTreeMap::new(),
            partial: Partial::default(),
            ready: VecDeque::new(),
            held: 0,
            taken: 0,
            untold: 0,
            unacknowledged: 0,
            acknowledge_at: None,
        }
    }

    /// The number of the segment expected next, and how many were taken.
    pub(crate) fn state(&self) -> (u64, u64) {
        (self.next, self.taken)
    }

    /// Takes what a packet brings. `answer`: an acknowledgement is asked for.
    pub(crate) fn put(
        &mut self,
        now: Duration,
        first: u64,
        segments: Vec<Segment>,
        answer: bool,
    ) -> Result<(), Misbehaviour> {
        if !segments.is_empty() {
            self.unacknowledged = self.unacknowledged.saturating_add(1);
            self.acknowledge_by(now.saturating_add(DELAY));
        }
        // What comes again was not acknowledged in time; what is out of order is missed at once.
        let unexpected = !segments.is_empty() && first != self.next;
        let mut number = first;
        for segment in segments {
            if number >= self.next && !self.early.contains_key(&number) {
                self.hold(number, segment)?;
            }
            number = number.checked_add(1).ok_or(Misbehaviour::Window)?;
        }
        while let Some(segment) = self.early.remove(&self.next) {
            self.next = self.next.saturating_add(1);
            self.append(segment)?;
        }
        if answer || unexpected || self.unacknowledged >= UNACKNOWLEDGED {
            self.acknowledge_by(now);
        }
        Ok(())
    }

    fn hold(&mut self, number: u64, segment: Segment) -> Result<(), Misbehaviour> {
        self.held = self.held.saturating_add(segment.charge());
        if self.held > self.window.saturating_add(charge_of(self.max_frame)) {
            return Err(Misbehaviour::Window);
        }
        self.early.insert(number, segment);
        Ok(())
    }

    fn append(&mut self, segment: Segment) -> Result<(), Misbehaviour> {
        let partial = &mut self.partial;
        partial.segments = partial.segments.saturating_add(1);
        partial.charge = partial.charge.saturating_add(segment.charge());
        if partial.bytes.len().saturating_add(segment.bytes.len()) > self.max_frame {
            return Err(Misbehaviour::FrameTooLarge(self.max_frame));
        }
        let frame = match (segment.more, partial.bytes.is_empty()) {
            // The frame is in one piece, as nearly all are.
            (false, true) => segment.bytes,
            (false, false) => {
                partial.bytes.extend_from_slice(&segment.bytes);
                std::mem::take(&mut partial.bytes).freeze()
            }
            (true, _) => {
                partial.bytes.extend_from_slice(&segment.bytes);
                return Ok(());
            }
        };
        let Partial { segments, charge, .. } = std::mem::take(partial);
        self.ready.push_back(Ready { frame, segments, charge });
        Ok(())
    }

    pub(crate) fn take(&mut self, now: Duration) -> Option<Bytes> {
        let Ready { frame, segments, charge } = self.ready.pop_front()?;
        self.held = self.held.saturating_sub(charge);
        self.taken = self.taken.saturating_add(segments);
        self.untold = self.untold.saturating_add(charge);
        // A sender that waits for room learns of it before it has run dry.
        let soon = if self.untold > self.window / 4 { now } else { now.saturating_add(DELAY) };
        self.acknowledge_by(soon);
        Some(frame)
    }

    /// The frames that have arrived and were not taken.
    pub(crate) fn into_ready(self) -> VecDeque<Bytes> {
        self.ready.into_iter().map(|ready| ready.frame).collect()
    }

    fn acknowledge_by(&mut self, at: Duration) {
        self.acknowledge_at = Some(self.acknowledge_at.map_or(at, |sooner| sooner.min(at)));
    }

    /// An acknowledgement leaves.
    pub(crate) fn acknowledged(&mut self) {
        self.unacknowledged = 0;
        self.untold = 0;
        self.acknowledge_at = None;
    }

    pub(crate) fn must_acknowledge(&self, now: Duration) -> bool {
        self.acknowledge_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.acknowledge_at
    }
}
